//! `kill` ends every server of a port, wholly, and nobody else.
#![cfg(target_os = "linux")]

#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use kill_support::{SERVER, assert_recorded, assert_untouched, claim, listening, one_entry, runs};
use portkeeper_core::{Filter, Keeper, KillRequest, Release, ReserveRequest, Status};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use support::Holder;

/// Python that forks two workers on `s` and replaces each one that ends.
const WORKERS: &str = "import signal\n\
    def work():\n    \
        if os.fork() == 0:\n        \
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)\n        \
            signal.signal(signal.SIGTERM, signal.SIG_DFL)\n        \
            os.read(0, 1); os._exit(0)\n\
    def replace(*_):\n    \
        try:\n        \
            while os.waitpid(-1, os.WNOHANG)[0]: work()\n    \
        except ChildProcessError: pass\n\
    signal.signal(signal.SIGCHLD, replace)\n\
    work(); work()\n";

/// The port is free, for the kernel and for the eyes.
fn assert_deserted(keeper: &Keeper, port: u16) {
    let state = keeper.check(port).unwrap();
    assert!(state.listeners().is_empty(), "{}", state.verdict);
}

#[test]
fn clients_of_the_port_survive() {
    let keeper = Keeper::in_memory().unwrap();
    let server = Holder::stranger(SERVER);
    let port = server.port;
    // A client; one that has the same number as its own end, and one of those with UDP.
    let clients = [
        format!("s = socket.create_connection(('127.0.0.1', {port})); hold({port})"),
        format!(
            "t = socket.create_server(('127.0.0.5', 0)); s = socket.socket()\n\
             s.bind(('127.0.0.2', {port})); s.connect(t.getsockname()); hold({port})"
        ),
        format!(
            "s = socket.socket(type=socket.SOCK_DGRAM)\n\
             s.bind(('127.0.0.3', {port})); s.connect(('127.0.0.4', 9)); hold({port})"
        ),
    ]
    .map(|script| Holder::stranger(&script));
    claim(&keeper, port);

    let report = keeper.kill(port).unwrap();
    let killed: Vec<u32> = report.killed.iter().map(|process| process.pid).collect();
    assert_eq!(killed, [server.pid]);
    assert!(!report.killed[0].forced);
    assert_eq!(report.reservation.unwrap().project_name, "shop");
    assert!(!runs(server.pid));
    for client in &clients {
        assert!(runs(client.pid), "{} was ended", client.pid);
    }
    assert_recorded(&keeper, port, &[server.pid], false);
    assert_deserted(&keeper, port);
}

#[test]
fn both_protocols_and_every_address_are_ended() {
    let keeper = Keeper::in_memory().unwrap();
    let server = Holder::stranger(SERVER);
    let port = server.port;
    let others = [
        format!("s = socket.create_server(('127.0.0.2', {port})); hold({port})"),
        format!(
            "s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', {port})); hold({port})"
        ),
        format!("s = socket.create_server(('::1', {port}), family=socket.AF_INET6); hold({port})"),
    ]
    .map(|script| Holder::stranger(&script));
    let mut pids: Vec<u32> = others.iter().map(|other| other.pid).collect();
    pids.push(server.pid);

    let report = keeper.kill(KillRequest::port(port)).unwrap();
    let mut killed: Vec<u32> = report.killed.iter().map(|process| process.pid).collect();
    killed.sort_unstable();
    pids.sort_unstable();
    assert_eq!(killed, pids);
    assert_deserted(&keeper, port);
    one_entry(&keeper, port);
}

#[test]
fn a_server_that_ignores_the_request_is_forced() {
    let keeper = Keeper::in_memory().unwrap();
    let hurry = Duration::from_millis(300);
    for (script, stopped, grace) in [
        (
            format!("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVER}"),
            false,
            hurry,
        ),
        // It stops listening, and goes on with something else.
        (
            format!("import signal; signal.signal(signal.SIGTERM, lambda *_: s.close())\n{SERVER}"),
            false,
            hurry,
        ),
        // It cannot even begin to end.
        (SERVER.to_owned(), true, hurry),
        (SERVER.to_owned(), false, Duration::ZERO),
    ] {
        let server = Holder::stranger(&script);
        if stopped {
            stop(server.pid);
        }
        claim(&keeper, server.port);
        let begin = Instant::now();
        let request = KillRequest::port(server.port).grace(grace);
        let report = keeper.kill(request).unwrap();
        assert!(begin.elapsed() >= grace, "{script}");
        assert_eq!(report.killed.len(), 1, "{script}");
        assert!(report.killed[0].forced, "{script}");
        assert!(!runs(server.pid), "{script}");
        assert_recorded(&keeper, server.port, &[server.pid], true);
    }
}

/// Stops a process, and returns when it has stopped.
fn stop(pid: u32) {
    let number = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(number, Signal::STOP).unwrap();
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    while !stat().contains(") T ") {
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_needs_a_moment_gets_it() {
    let keeper = Keeper::in_memory().unwrap();
    let server = Holder::stranger(&format!(
        "import signal, time\n\
         def end(*_): time.sleep(0.5); os._exit(0)\n\
         signal.signal(signal.SIGTERM, end)\n{SERVER}"
    ));
    claim(&keeper, server.port);
    let report = keeper.kill(server.port).unwrap();
    assert!(!report.killed[0].forced);
    assert_recorded(&keeper, server.port, &[server.pid], false);
}

#[test]
fn a_pre_fork_server_is_ended_wholly() {
    let keeper = Keeper::in_memory().unwrap();
    for (what, before, grace) in [
        ("the master obeys", "", 5_000),
        (
            "the master ignores the request and replaces its workers",
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
            800,
        ),
    ] {
        let server = Holder::stranger(&format!(
            "{before}s = socket.create_server(('127.0.0.1', 0))\n{WORKERS}hold(s.getsockname()[1])"
        ));
        let everybody = listening(&keeper, server.port);
        assert_eq!(everybody.len(), 3, "{what}");
        claim(&keeper, server.port);

        let request = KillRequest::port(server.port).grace(Duration::from_millis(grace));
        let report = keeper.kill(request).unwrap();
        let pids: Vec<u32> = report.killed.iter().map(|process| process.pid).collect();
        for process in &everybody {
            assert!(process.has_ended().unwrap(), "{what}: {}", process.pid());
            assert!(pids.contains(&process.pid()), "{what}: {}", process.pid());
        }
        let master = report.killed.iter().find(|p| p.pid == server.pid).unwrap();
        assert_eq!(master.forced, !before.is_empty(), "{what}");
        if master.forced {
            assert!(pids.len() > 3, "{what}: no worker was replaced: {pids:?}");
        }
        assert!(pids.iter().all(|pid| !runs(*pid)), "{what}");
        let forced = report.killed.iter().any(|process| process.forced);
        assert_recorded(&keeper, server.port, &pids, forced);
        assert_deserted(&keeper, server.port);
        assert!(
            TcpStream::connect(("127.0.0.1", server.port)).is_err(),
            "{what}"
        );
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_done() {
    let keeper = Keeper::in_memory().unwrap();
    let server = Holder::stranger(SERVER);
    let port = server.port;
    drop(server);
    keeper.reserve(port, ReserveRequest::new("shop")).unwrap();
    let report = keeper.kill(i64::from(port)).unwrap();
    assert_eq!((report.port, report.killed.len()), (port, 0));
    assert_eq!(report.reservation.unwrap().project_name, "shop");
    assert_untouched(&keeper, port);

    for wrong in [0, -1, 65_536] {
        assert_eq!(keeper.kill(wrong).unwrap_err().name(), "PORT_INVALID");
    }
}

#[test]
fn a_killing_on_a_port_without_a_claim_claims_nothing() {
    let keeper = Keeper::in_memory().unwrap();
    let server = Holder::stranger(SERVER);
    let port = server.port;
    let report = keeper.kill(port).unwrap();
    assert_eq!(report.killed[0].pid, server.pid);
    assert_eq!(report.reservation, None);

    let entry = one_entry(&keeper, port);
    assert_eq!(entry.project_name, None);
    assert_eq!(entry.details["claimed"], json!(false));
    assert_eq!(entry.details["pids"], json!([server.pid]));
    let now = entry.performed_at;
    assert_eq!(keeper.holder_at(port, now).unwrap(), None);
    assert_eq!(keeper.get(port).unwrap(), None);
    assert_eq!(keeper.list(Filter::claims()).unwrap(), []);
    assert_eq!(
        keeper.list(Filter::claims().status(Status::Free)).unwrap(),
        []
    );
    assert_eq!(keeper.projects().unwrap(), []);
    assert_eq!(keeper.release(port).unwrap_err().name(), "PORT_NOT_FOUND");

    // Anybody may claim it afterwards.
    let row = keeper.reserve(port, ReserveRequest::new("shop")).unwrap();
    assert_eq!(row.project_name, "shop");
    assert!(
        keeper
            .holder_at(port, now + chrono::TimeDelta::hours(1))
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_killing_on_a_port_that_was_given_back_is_not_its_last_holders() {
    let keeper = Keeper::in_memory().unwrap();
    let server = Holder::stranger(SERVER);
    let port = server.port;
    claim(&keeper, port);
    keeper.release(Release::port(port)).unwrap();
    let before = keeper.get(port).unwrap();

    keeper.kill(port).unwrap();
    assert!(!runs(server.pid));
    assert_eq!(one_entry(&keeper, port).project_name, None);
    assert_eq!(keeper.get(port).unwrap(), before);
    let later = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    assert_eq!(keeper.holder_at(port, later).unwrap(), None);
}
