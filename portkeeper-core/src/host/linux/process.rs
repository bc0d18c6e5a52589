use std::{
    cell::RefCell,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    sync::OnceLock,
};

use rustix::process::{Pid, test_kill_process};

use super::{
    pidfd::{self, Pidfd},
    stat::Stat,
    visibility,
};
use crate::{
    error::{Error, Result},
    host::{
        fate::{Here, Present},
        lineage::Kin,
    },
    model::ProcessIdentity,
};

/// How often a pid may change hands between two looks before that is an error.
const TRIES: usize = 4;

/// Where this process stands.
///
/// The boot cannot change while a process runs; the namespace can, by `unshare` and `fork`.
pub(in crate::host) fn here() -> Here {
    static BOOT: OnceLock<String> = OnceLock::new();
    let boot = match BOOT.get() {
        Some(boot) => boot.clone(),
        None => {
            // Read outside of the lock, which a fork at that moment would leave locked for ever.
            let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            BOOT.get_or_init(|| text.trim().to_owned()).clone()
        }
    };
    Here {
        boot,
        namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |entry| entry.ino()),
    }
}

/// Who `pid` is.
///
/// The namespace is the one in which the number counts, that is the caller's: a process of a
/// container has another number in there, and only who reads the number in the same namespace can
/// say what became of it.
pub(in crate::host) fn identity(pid: u32) -> Result<Option<ProcessIdentity>> {
    thread_local! {
        /// This process, which does not change but by a fork. A thread's own, since a lock may be held by
        /// another thread at the fork, and would then stay locked in the child for ever.
        static SELF: RefCell<Option<ProcessIdentity>> = const { RefCell::new(None) };
    }
    if pid != std::process::id() {
        return find(pid);
    }
    let known = SELF.try_with(|known| {
        let mut known = known.borrow_mut();
        if known.as_ref().is_none_or(|known| known.pid != pid) {
            *known = find(pid)?;
        }
        Ok(known.clone())
    });
    // At the end of a thread what it knew goes before the guards that it kept.
    known.unwrap_or_else(|_| find(pid))
}

fn find(pid: u32) -> Result<Option<ProcessIdentity>> {
    let Some(number) = number(pid) else {
        return Ok(None);
    };
    for _ in 0..TRIES {
        let before = pidfd::look(number);
        if before == Pidfd::Thread {
            return Ok(None);
        }
        let stat = match look(number) {
            Ok(Some(stat)) => stat,
            Ok(None) => return Ok(None),
            Err(source) => return Err(refusal(pid, source)),
        };
        // Both halves must be the same process's.
        if pidfd::look(number) == before {
            let here = here();
            return Ok(Some(ProcessIdentity {
                pid,
                start: stat.start,
                boot: here.boot,
                namespace: here.namespace,
                pidfd: before.inode(),
            }));
        }
    }
    Err(Error::ScanFailed(format!(
        "pid {pid} passed from process to process while it was looked at"
    )))
}

pub(super) fn refusal(pid: u32, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Error::PermissionDenied {
            what: format!("looking at process {pid}"),
            source,
        },
        _ => Error::ScanFailed(format!("process {pid} could not be looked at: {source}")),
    }
}

/// What there is under `pid` now.
pub(in crate::host) fn present(pid: u32) -> Present {
    let Some(number) = number(pid) else {
        return Present::Gone;
    };
    let pidfd = pidfd::look(number);
    match (look(number), pidfd) {
        (Ok(None), _) | (_, Pidfd::Thread) => Present::Gone,
        (Ok(Some(stat)), _) => Present::Running {
            start: stat.start,
            pidfd: pidfd.inode(),
        },
        (Err(_), _) => Present::Hidden {
            pidfd: pidfd.inode(),
        },
    }
}

/// The parent and the start of `pid`.
pub(in crate::host) fn kin(pid: u32) -> Option<Kin> {
    let stat = read(number(pid)?).ok()?;
    Some(Kin {
        parent: stat.parent,
        start: stat.start,
    })
}

/// The name of `pid`; empty when it has ended.
pub(in crate::host) fn name(pid: u32) -> String {
    line(&format!("/proc/{pid}/comm")).map_or_else(
        |_| String::new(),
        |bytes| {
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            String::from_utf8_lossy(bytes).into_owned()
        },
    )
}

/// The line of a process that runs; `None` when there is none, an error when it may not be seen.
///
/// A process that `/proc` hides (hidepid) still answers signal 0, if only by a refusal.
/// A line of `/proc`, which the kernel hands out in one piece; none is longer.
fn line(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 1024];
    let length = File::open(path)?.read(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn look(pid: Pid) -> io::Result<Option<Stat>> {
    match read(pid) {
        Ok(stat) => Ok((!stat.has_ended()).then_some(stat)),
        Err(error) => match test_kill_process(pid) {
            Err(rustix::io::Errno::SRCH) => Ok(None),
            _ => Err(error),
        },
    }
}

pub(super) fn read(pid: Pid) -> io::Result<Stat> {
    if !visibility::proc_is_ours() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "/proc is missing or shows another pid namespace",
        ));
    }
    let line = line(&format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    Stat::parse(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Pid 0 and numbers beyond the kernel's are nobody's; to `kill` they would mean groups.
pub(super) fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
