//! Who a process is, whether it still lives, and who descends from whom.
#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::process::parent_id,
    process::{self, Command, Stdio},
};

use portkeeper_core::{
    ErrorKind, ProcessIdentity,
    host::{Fate, Host, System},
};

#[path = "support/host.rs"]
mod support;

use support::{Actor, ROLE, Running, answer, is_root};

fn sleep() -> Running {
    Running::start(Command::new("sleep").arg("600"))
}

fn identity(pid: u32) -> ProcessIdentity {
    System.identity(pid).unwrap().unwrap()
}

/// Whether this kernel gives every process an inode of its own (Linux 6.9 and later).
fn has_pidfs() -> bool {
    identity(process::id()).pidfd != 0
}

#[test]
fn this_process_is_known_in_full() {
    let us = identity(process::id());
    assert_eq!(us.pid, process::id());
    assert!(us.start > 0);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(us.boot, boot.trim());
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    assert_eq!(
        namespace.to_str().unwrap(),
        format!("pid:[{}]", us.namespace)
    );
    assert_eq!(identity(process::id()), us);
    assert_ne!(
        identity(parent_id()).pidfd,
        u64::from(has_pidfs()) * us.pidfd
    );
    assert_eq!(System.fate(&us), Fate::Alive);
}

type Change = fn(&mut ProcessIdentity);

#[test]
fn a_record_that_does_not_fit_is_not_the_living_process() {
    let us = identity(process::id());
    let with = |change: Change| {
        let mut other = us.clone();
        change(&mut other);
        System.fate(&other)
    };
    let cases: [(&str, Change, Fate); 6] = [
        ("boot", |other| other.boot.insert(0, '0'), Fate::Dead),
        ("namespace", |other| other.namespace += 1, Fate::Unknown),
        (
            "start without pidfd",
            |other| (other.start, other.pidfd) = (other.start - 1, 0),
            Fate::Dead,
        ),
        ("no pidfd", |other| other.pidfd = 0, Fate::Alive),
        ("pid", |other| other.pid = u32::MAX, Fate::Dead),
        ("pid 0", |other| other.pid = 0, Fate::Dead),
    ];
    for (name, change, fate) in cases {
        assert_eq!(with(change), fate, "{name}");
    }
    if has_pidfs() {
        assert_eq!(with(|other| other.pidfd += 1), Fate::Dead);
    }
}

#[test]
fn a_process_is_dead_from_its_end_on_even_before_it_is_waited_for() {
    let mut child = sleep();
    let seen = identity(child.pid());
    assert_eq!(System.fate(&seen), Fate::Alive);

    child.kill();
    support::eventually("death", || System.fate(&seen) == Fate::Dead);
    assert!(
        fs::exists(format!("/proc/{}", child.pid())).unwrap(),
        "it is a zombie"
    );
    assert_eq!(System.identity(child.pid()).unwrap(), None);

    child.wait();
    assert_eq!(System.fate(&seen), Fate::Dead);
}

#[test]
fn no_process_has_these_numbers() {
    for pid in [0, i32::MAX.unsigned_abs(), u32::MAX] {
        assert_eq!(System.identity(pid).unwrap(), None, "{pid}");
        assert!(!System.descends(pid, process::id()), "{pid}");
    }
}

#[test]
fn a_thread_is_no_process() {
    // A test runs in a thread of its own.
    let thread: u32 = fs::read_link("/proc/thread-self")
        .unwrap()
        .file_name()
        .and_then(|name| name.to_str()?.parse().ok())
        .unwrap();
    assert_ne!(thread, process::id());
    assert_eq!(System.identity(thread).unwrap(), None);
}

#[test]
fn a_name_cannot_pass_for_the_fields_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("a) R 1 (b");
    support::copy_program("/bin/sleep".as_ref(), &program);
    let child = Running::start(Command::new(&program).arg("600"));
    let name = format!("/proc/{}/comm", child.pid());
    support::eventually("the new name", || {
        fs::read_to_string(&name).unwrap() == "a) R 1 (b\n"
    });
    let us = identity(process::id());
    let seen = identity(child.pid());
    assert!(seen.start >= us.start);
    assert_eq!(System.fate(&seen), Fate::Alive);
    assert!(System.descends(child.pid(), process::id()));
}

#[test]
fn a_process_whose_main_thread_has_ended_lives() {
    let mut child = Running::start(Command::new("python3").args([
        "-c",
        "import ctypes, threading, time\n\
         threading.Thread(target=lambda: (print('up', flush=True), time.sleep(600))).start()\n\
         ctypes.CDLL(None).pthread_exit(None)",
    ]));
    assert_eq!(child.line(), "up");
    let stat = format!("/proc/{}/stat", child.pid());
    support::eventually("the end of the main thread", || {
        fs::read_to_string(&stat).unwrap().contains(") Z ")
    });
    let seen = identity(child.pid());
    assert_eq!(System.fate(&seen), Fate::Alive);
}

#[test]
fn descent_is_followed_over_generations() {
    let mut shell = Running::start(
        Command::new("sh")
            .args(["-c", "sleep 600 & echo $!; wait"])
            .stdin(Stdio::null()),
    );
    let grandchild: u32 = shell.line().parse().unwrap();
    let sibling = sleep();
    let us = process::id();
    for (pid, ancestor, expected) in [
        (us, us, true),
        (us, parent_id(), true),
        (shell.pid(), us, true),
        (grandchild, shell.pid(), true),
        (grandchild, us, true),
        (grandchild, sibling.pid(), false),
        (us, grandchild, false),
        (shell.pid(), grandchild, false),
    ] {
        assert_eq!(System.descends(pid, ancestor), expected, "{pid} {ancestor}");
    }
    let number = rustix::process::Pid::from_raw(grandchild.cast_signed()).unwrap();
    rustix::process::kill_process(number, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn another_pid_namespace_is_not_judged() {
    if !is_root() {
        return;
    }
    let us = serde_json::to_string(&identity(process::id())).unwrap();
    let actor = Actor::new();
    for (wrapper, own) in [
        (
            &["unshare", "--pid", "--fork", "--mount-proc"][..],
            "Ok Alive",
        ),
        // Here /proc still shows the outer namespace, whose pid 1 is another process.
        (&["unshare", "--pid", "--fork"], "PermissionDenied"),
    ] {
        let mut inner = Running::start(actor.within(wrapper, "judge").env("WHO", &us));
        assert_eq!(inner.answer(), format!("pid 1, own {own}, outer Unknown"));
    }
}

#[test]
fn a_hidden_process_is_known_by_its_pidfd() {
    if !is_root() || !has_pidfs() {
        return;
    }
    let mut child = sleep();
    let actor = Actor::new();
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc && \
         exec setpriv --reuid 65533 --regid 65533 --clear-groups {} {}",
        actor.path().display(),
        Actor::ARGUMENTS.join(" ")
    );
    let outside = |seen: &ProcessIdentity| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &script])
            .env(ROLE, "judge")
            .env("WHO", serde_json::to_string(seen).unwrap());
        let answer = Running::start(&mut command).answer();
        answer.split_once("outer ").unwrap().1.to_owned()
    };
    let seen = identity(child.pid());
    assert_eq!(outside(&seen), "Alive");
    let mut reused = seen.clone();
    reused.pidfd += 1;
    assert_eq!(outside(&reused), "Dead");
    let mut old = seen.clone();
    old.pidfd = 0;
    assert_eq!(outside(&old), "Unknown");
    child.kill();
    child.wait();
    assert_eq!(outside(&seen), "Dead");
}

#[test]
fn actor() {
    // Other tests run this program again, in another namespace or as another user, to act here.
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let who: ProcessIdentity = serde_json::from_str(&std::env::var("WHO").unwrap()).unwrap();
    let own = match System.identity(process::id()) {
        Ok(Some(us)) => format!("Ok {:?}", System.fate(&us)),
        Ok(None) => "none".to_owned(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => "PermissionDenied".to_owned(),
        Err(error) => error.to_string(),
    };
    answer(format!(
        "pid {}, own {own}, outer {:?}",
        process::id(),
        System.fate(&who)
    ));
}
