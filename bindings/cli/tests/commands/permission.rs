//! What another user than root is refused, and how the shell is told: exit code 3.

use std::{fs, io::Read, os::unix::fs::PermissionsExt, process::Stdio};

use crate::support::{
    Home, Nobody, Server, finished, free_port, like, line, runs, signal, skipped, until, valid,
};

#[test]
fn permission_exits_with_3() {
    let Some(nobody) = Nobody::new() else {
        skipped("what only another user is refused: this is not root");
        return;
    };
    let fails = |words: &[&str]| {
        let ran = nobody.run(words);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{words:?}: {ran:?}");
        let json = nobody.run(&[&["--json"], words].concat());
        let text = if words[0] == "run" {
            json.err
        } else {
            json.out
        };
        assert_eq!(
            valid("failure", &text)["code"],
            "PERMISSION_DENIED",
            "{words:?}"
        );
        ran.err
    };
    fails(&["check", "3000", "--db", "/root/ports.db"]);
    fails(&["list", "--db", "/usr/ports.db"]);
    fails(&["export", "/etc/ports.json"]);
    fails(&["dump", "/etc/ports.sql"]);
    let message = fails(&["run", "--project", "shop", "--port", "80", "--", "true"]);
    like(
        &message,
        "error: no permission for binding port 80: permission denied\n",
    );
    like(
        &nobody.run(&["check", "80"]).out,
        "80  privileged   no project   binding it needs more rights\n[..]next free: [..]\n",
    );
}

#[test]
fn a_command_that_cannot_gain_rights_has_its_port_kept_and_may_ask_for_them() {
    let Some(nobody) = Nobody::new() else {
        skipped("what only another user is refused: this is not root");
        return;
    };
    let port = free_port().to_string();
    let rights = |options: &[&str]| {
        let run = ["run", "-q", "--project", "shop", "--port", &port];
        let script = ["--", "sh", "-c", "grep NoNewPrivs /proc/self/status"];
        nobody.run(&[&run, options, &script].concat()).out
    };
    assert_eq!(rights(&[]), "NoNewPrivs:\t1\n");
    assert_eq!(rights(&["--unwatched"]), "NoNewPrivs:\t0\n");
}

/// One that watches already is all that the kernel allows, as a container may have it.
#[test]
fn a_command_that_cannot_be_watched_keeps_its_rights() {
    let Some(nobody) = Nobody::new() else {
        skipped("what only another user is refused: this is not root");
        return;
    };
    // Root's watch takes no rights.
    let home = Home::new();
    let (portman, inner) = (nobody.path("portman"), free_port().to_string());
    let mut command = nobody.command(portman);
    command.args(["run", "--project", "inner", "--port", &inner, "--db"]);
    command.arg(nobody.path("registry/ports.db"));
    command.args(["--", "grep", "NoNewPrivs", "/proc/self/status"]);
    let outer = free_port().to_string();
    let mut run = home.command(["run", "-q", "--project", "outer", "--port", &outer, "--"]);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let ran = finished(run.args(words));
    assert_eq!((ran.code, ran.out.as_str()), (0, "NoNewPrivs:\t0\n"));
    like(
        &ran.err,
        "port [..] is not kept until the command listens, whose sockets cannot be watched: [..]\n\
         inner/web → http://localhost:[..]\n",
    );
}

#[test]
fn a_command_that_may_not_be_ended_is_left_and_named() {
    let Some(nobody) = Nobody::new() else {
        skipped("a command that may not be ended: this is not root");
        return;
    };
    // As `sudo` does: it belongs to root, and what it starts becomes another user, here root again.
    let sudo = nobody.path("sudo");
    fs::copy("/usr/bin/setpriv", &sudo).unwrap();
    fs::set_permissions(&sudo, fs::Permissions::from_mode(0o4755)).unwrap();
    let port = free_port().to_string();
    let mut run = nobody.command(nobody.path("portman"));
    run.args([
        "run",
        "-q",
        "--unwatched",
        "--project",
        "shop",
        "--port",
        &port,
    ])
    .args(["--grace", "200ms", "--"])
    .arg(&sudo)
    .args(["--reuid", "0", "--regid", "0", "--clear-groups"])
    .args(["sh", "-c", "echo $$; exec sleep 600 >/dev/null 2>&1"]);
    let mut portman = Server::spawn(run.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let pid: u32 = line(portman.0.stdout.take().unwrap()).parse().unwrap();
    signal(portman.pid().into(), "TERM");
    let code = portman.code();
    let mut said = String::new();
    let mut stderr = portman.0.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    let was_left = runs(pid);
    signal(pid.into(), "KILL");
    until("the end of the command", || !runs(pid));
    like(
        &said,
        &format!("process {pid} may not be ended, and is left\n"),
    );
    assert!(was_left);
    assert_eq!(code, 1);
}
