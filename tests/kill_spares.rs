//! Whom `kill` leaves alone: the caller, its ancestors, the first process, other namespaces and
//! users.
#![cfg(target_os = "linux")]

#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{self, Command, Stdio},
    time::Duration,
};

use kill_support::{
    APART, SERVER, assert_untouched, child_within, claim, listening, runs, skipped, works,
};
use portkeeper_core::{ErrorKind, Keeper, KillRequest};
use rustix::io::{FdFlags, fcntl_setfd};
use support::{Holder, child, child_argument, succeeds};

/// `kill` is refused because of `pid`, for a reason that contains `reason`.
fn assert_refused(keeper: &Keeper, port: u16, pid: Option<u32>, reason: &str) {
    let request = KillRequest::port(port).grace(Duration::from_millis(200));
    let refusal = keeper.kill(request).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::ProcessKillError, "{refusal}");
    assert_eq!(
        (refusal.port(), refusal.pid()),
        (Some(port), pid),
        "{refusal}"
    );
    assert!(refusal.to_string().contains(reason), "{refusal}");
    assert_untouched(keeper, port);
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

#[test]
fn the_caller_itself() {
    let keeper = Keeper::in_memory().unwrap();
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port_of(&own);
    // Nobody is signalled, not even those who might be.
    let server = Holder::stranger(&format!(
        "s = socket.create_server(('127.0.0.2', {port})); hold({port})"
    ));
    claim(&keeper, port);
    let before = keeper.get(port).unwrap();
    assert_refused(
        &keeper,
        port,
        Some(process::id()),
        "it is the process that asks",
    );
    assert!(runs(server.pid));
    assert_eq!(keeper.get(port).unwrap(), before);
}

#[test]
fn an_ancestor() {
    const TEST: &str = "an_ancestor";
    if let Some(argument) = child_argument() {
        let (pid, port) = argument.split_once(' ').unwrap();
        let (pid, port): (u32, u16) = (pid.parse().unwrap(), port.parse().unwrap());
        let keeper = Keeper::in_memory().unwrap();
        return assert_refused(
            &keeper,
            port,
            Some(pid),
            "an ancestor of the process that asks",
        );
    }
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port_of(&own);
    let argument = format!("{} {port}", process::id());
    succeeds(child(TEST, &argument).spawn().unwrap());
    // A shell between, which is no ancestor that listens.
    let mut shell = child_within(&["sh", "-c", "\"$@\"; exit $?", "sh"], TEST, &argument);
    succeeds(shell.spawn().unwrap());
}

#[test]
fn an_ancestor_that_shares_its_socket() {
    const TEST: &str = "an_ancestor_that_shares_its_socket";
    if let Some(argument) = child_argument() {
        // The ancestor, this process and a bystander all have the socket; any of the first two
        // may be the one that the error names.
        let keeper = Keeper::in_memory().unwrap();
        let port: u16 = argument.parse().unwrap();
        let refusal = keeper.kill(port).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::ProcessKillError, "{refusal}");
        assert!(
            refusal.to_string().contains("the process that asks"),
            "{refusal}"
        );
        return assert_untouched(&keeper, port);
    }
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    fcntl_setfd(&own, FdFlags::empty()).unwrap();
    let mut bystander = Command::new("sleep").arg("600").spawn().unwrap();
    let inheritor = child(TEST, &port_of(&own).to_string()).spawn().unwrap();
    fcntl_setfd(&own, FdFlags::CLOEXEC).unwrap();
    succeeds(inheritor);
    assert_eq!(bystander.try_wait().unwrap(), None);
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_process_of_another_pid_namespace() {
    const WRAPPER: [&str; 3] = ["unshare", "-p", "--fork"];
    if !works("a_process_of_another_pid_namespace", &WRAPPER) {
        return;
    }
    let keeper = Keeper::in_memory().unwrap();
    let server = Holder::within(&WRAPPER, SERVER);
    assert_eq!(server.pid, 1, "its pid in there");
    let processes = listening(&keeper, server.port);
    assert_eq!(processes.len(), 1);
    claim(&keeper, server.port);
    let pid = Some(processes[0].pid());
    assert_refused(&keeper, server.port, pid, "it is in another pid namespace");
    assert!(!processes[0].has_ended().unwrap());
}

#[test]
fn a_process_outside_the_pid_namespace() {
    const TEST: &str = "a_process_outside_the_pid_namespace";
    const WRAPPER: [&str; 3] = ["unshare", "-Urp", "--fork"];
    if let Some(port) = child_argument() {
        let keeper = Keeper::in_memory().unwrap();
        let port = port.parse().unwrap();
        return assert_refused(&keeper, port, None, "it is outside this pid namespace");
    }
    let wrapper = [&WRAPPER[..], &["--mount-proc"]].concat();
    if !works(TEST, &wrapper) {
        return;
    }
    let server = Holder::stranger(SERVER);
    let mut inside = child_within(&wrapper, TEST, &server.port.to_string());
    succeeds(inside.spawn().unwrap());
    assert!(runs(server.pid));
}

#[test]
fn the_first_process() {
    const TEST: &str = "the_first_process";
    match child_argument().as_deref() {
        None => {
            if works(TEST, &APART) {
                succeeds(child_within(&APART, TEST, "first").spawn().unwrap());
            }
        }
        Some("first") => {
            assert_eq!(process::id(), 1);
            let own = TcpListener::bind("0.0.0.0:0").unwrap();
            succeeds(child(TEST, &port_of(&own).to_string()).spawn().unwrap());
        }
        Some(port) => {
            let keeper = Keeper::in_memory().unwrap();
            assert_refused(
                &keeper,
                port.parse().unwrap(),
                Some(1),
                "it is the first process",
            );
            // Whoever is not the first is ended here as anywhere.
            let server =
                Holder::stranger("s = socket.create_server(('', 0)); hold(s.getsockname()[1])");
            assert_eq!(keeper.kill(server.port).unwrap().killed[0].pid, server.pid);
        }
    }
}

#[test]
fn a_process_of_another_user() {
    const TEST: &str = "a_process_of_another_user";
    const NOBODY: u32 = 65_534;
    if let Some(port) = child_argument() {
        let keeper = Keeper::in_memory().unwrap();
        let port: u16 = port.parse().unwrap();
        let refusal = keeper.kill(port).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::PermissionDenied, "{refusal}");
        assert!(
            refusal.to_string().contains("belongs to user 0"),
            "{refusal}"
        );
        return assert_untouched(&keeper, port);
    }
    if !rustix::process::geteuid().is_root() {
        return skipped(format_args!("{TEST}: only root can become another user"));
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let open = || fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open()).unwrap();
    let original = std::env::current_exe().unwrap();
    let copied = Command::new("cp").arg(original).arg(&program).status();
    assert!(copied.unwrap().success());
    fs::set_permissions(&program, open()).unwrap();

    let server = Holder::stranger(SERVER);
    let argument = server.port.to_string();
    let mut other = Command::new(&program);
    other
        .args(child(TEST, &argument).get_args())
        .env("CHILD", argument)
        .current_dir("/")
        .uid(NOBODY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    succeeds(other.spawn().unwrap());
    assert!(runs(server.pid));
}
