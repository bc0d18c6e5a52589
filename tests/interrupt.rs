//! What waits can be stopped, and what was done is undone.
#![cfg(target_os = "linux")]

#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kill_support::{claim, runs};
use portkeeper_core::{
    ErrorKind, HistoryQuery, Keeper, KillRequest, PortRequest, ReserveRequest, Result, Strategy,
};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use support::Holder;

const LONG: Duration = Duration::from_secs(600);

/// `keeper`, stopped at its `nth` question, and how often it was asked.
fn stopped_at(keeper: &Keeper, nth: usize) -> (Keeper, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let stop = move || count.fetch_add(1, Ordering::Relaxed) + 1 >= nth;
    (keeper.interruptible(stop), asked)
}

fn assert_cancelled<T>(outcome: Result<T>, begin: Instant) {
    let error = outcome.err().expect("it was stopped");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(error.to_string().ends_with("was stopped by its caller"));
    // Ten questions at most, which are 50 ms or less apart; the rest is for a busy machine.
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_wait_for_other_writers_stops_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = portkeeper_core::Options::new()
        .path(&path)
        .busy_timeout(LONG)
        .open()
        .unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let (waiting, asked) = stopped_at(&keeper, 10);
    let begin = Instant::now();
    let request = ReserveRequest::new("shop").adopt(true);
    assert_cancelled(waiting.reserve(22_700, request), begin);
    assert_eq!(asked.load(Ordering::Relaxed), 10);

    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(keeper.get(22_700).unwrap(), None);
    assert!(keeper.history(HistoryQuery::all()).unwrap().is_empty());
}

#[test]
fn opening_waits_for_other_writers_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();

    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let options = portkeeper_core::Options::new()
        .path(&path)
        .busy_timeout(LONG);
    let stop = move || count.fetch_add(1, Ordering::Relaxed) + 1 >= 10;
    let begin = Instant::now();
    assert_cancelled(options.interruptible(stop).open(), begin);
    assert_eq!(asked.load(Ordering::Relaxed), 10);
}

#[test]
fn a_guard_gives_its_ports_back_although_everything_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    let (stopped, asked) = stopped_at(&keeper, 1);
    let request = PortRequest::new("shop").range(20_000..=29_999);
    let lease = stopped
        .lease(request.strategy(Strategy::Random))
        .expect("nobody made it wait");
    let port = lease.port();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = asked.load(Ordering::Relaxed);
    let dropping = std::thread::spawn(move || drop(lease));
    // It waits for the writer, as no stopped operation would.
    assert!(stopped.release(port).is_err());
    assert_eq!(asked.load(Ordering::Relaxed), before + 1);
    other.execute_batch("ROLLBACK").unwrap();
    dropping.join().unwrap();
    assert_eq!(keeper.get(port).unwrap().unwrap().status.as_str(), "free");
}

#[test]
fn what_a_lease_is_asked_for_stops_and_can_be_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    let (stopped, _) = stopped_at(&keeper, 1);
    let request = PortRequest::new("shop").range(20_000..=29_999);
    let mut lease = stopped.lease(request.strategy(Strategy::Random)).unwrap();
    let port = lease.port();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begin = Instant::now();
    assert_cancelled(lease.set_roles([(port, Some("web"))]), begin);
    assert_cancelled(lease.give_back(), begin);
    assert_eq!(lease.ports(), [port]);
    other.execute_batch("ROLLBACK").unwrap();

    assert_eq!(keeper.get(port).unwrap().unwrap().role(), None);
    lease.give_back().unwrap();
    assert_eq!(keeper.get(port).unwrap().unwrap().status.as_str(), "free");
}

#[test]
fn waiting_for_a_server_stops() {
    let keeper = Keeper::in_memory().unwrap();
    let request = PortRequest::new("shop").range(20_000..=29_999);
    let lease = keeper.lease(request.strategy(Strategy::Random)).unwrap();
    let (waiting, asked) = stopped_at(&keeper, 5);
    let begin = Instant::now();
    assert_cancelled(waiting.wait_ready(&lease, LONG), begin);
    assert_eq!(asked.load(Ordering::Relaxed), 5);
}

#[test]
fn ending_a_server_stops_before_it_is_forced() {
    let keeper = Keeper::in_memory().unwrap();
    let server = Holder::stranger(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         s = socket.create_server(('127.0.0.1', 0)); hold(s.getsockname()[1])",
    );
    claim(&keeper, server.port);
    let (waiting, _) = stopped_at(&keeper, 5);
    let begin = Instant::now();
    assert_cancelled(
        waiting.kill(KillRequest::port(server.port).grace(LONG)),
        begin,
    );
    assert!(runs(server.pid));
    let pid = Pid::from_raw(server.pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}
