//! A pid that belongs to another process by now neither keeps a lease alive nor ends one.
#![cfg(target_os = "linux")]

#[path = "support/agent.rs"]
mod agent;
#[path = "support/apart.rs"]
mod apart;
#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::process::Command;

use agent::{Agent, say, serve};
use apart::sleep_as;
use kill_support::{APART, child_within, works};
use portkeeper_core::{HistoryQuery, Keeper, PortRequest, ReserveRequest, Status};
use support::{child_argument, succeeds};

fn owned_by(pid: u32, port: u16) -> PortRequest {
    PortRequest::new("shop").range(port..=port).owned_by(pid)
}

fn status(keeper: &Keeper, port: u16) -> Status {
    keeper.get(port).unwrap().unwrap().status
}

#[test]
fn a_reused_pid_does_not_keep_a_lease() {
    const TEST: &str = "a_reused_pid_does_not_keep_a_lease";
    if child_argument().is_none() {
        if works(TEST, &APART) {
            succeeds(child_within(&APART, TEST, "inside").spawn().unwrap());
        }
        return;
    }
    apart::prepare(&(30_000..=40_000));
    let keeper = Keeper::in_memory().unwrap();
    let mut bystander = Command::new("sleep").arg("600").spawn().unwrap();
    keeper.request(owned_by(bystander.id(), 14_100)).unwrap();
    for round in 0..30 {
        let port = 14_101 + round;
        let mut first = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = first.id();
        keeper.request(owned_by(pid, port)).unwrap();
        keeper.scan().unwrap();
        assert_eq!(status(&keeper, port), Status::Reserved);
        first.kill().unwrap();
        first.wait().unwrap();
        let mut second = sleep_as(pid);
        // The pid has a lease of its own now; only the earlier one ends.
        keeper.request(owned_by(pid, port + 100)).unwrap();
        match round % 3 {
            0 => drop(keeper.scan().unwrap()),
            1 => drop(keeper.request(owned_by(pid, port)).unwrap()),
            _ => drop(keeper.reserve(port, ReserveRequest::new("other")).unwrap()),
        }
        let entries = keeper.history(HistoryQuery::port(port)).unwrap();
        let ended = entries
            .iter()
            .filter(|entry| entry.details["reason"] == "its process ended")
            .count();
        assert_eq!(ended, 1, "round {round}: {entries:?}");
        assert_eq!(status(&keeper, port + 100), Status::Reserved);
        second.kill().unwrap();
        second.wait().unwrap();
        keeper.scan().unwrap();
        assert_eq!(status(&keeper, port + 100), Status::Free);
        assert_eq!(status(&keeper, 14_100), Status::Reserved, "round {round}");
    }
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

/// Nobody can say from here whether a process of another pid namespace lives.
#[test]
fn a_lease_of_another_namespace_is_never_released() {
    const TEST: &str = "a_lease_of_another_namespace_is_never_released";
    /// Its own `/proc`, but the outer network, so that it could see a listener.
    const WRAPPER: [&str; 4] = ["unshare", "-Urp", "--fork", "--mount-proc"];
    if let Some(argument) = child_argument()
        && let [path, port, leases] = argument.split('\n').collect::<Vec<_>>()[..]
    {
        let keeper = Keeper::open_at(path).unwrap();
        let port: u16 = port.parse().unwrap();
        for _ in 0..3 {
            assert_eq!(keeper.scan().unwrap().changes, []);
        }
        let other = PortRequest::new("shop").range(port..=port);
        keeper.lease(other).unwrap_err();
        keeper
            .reserve(port, ReserveRequest::new("other"))
            .unwrap_err();
        if leases == "true" {
            let mine = keeper.lease(PortRequest::new("in").range(14_400..=14_499));
            // Ends without giving its lease back.
            std::mem::forget(mine.unwrap());
        }
        say(status(&keeper, port));
        return;
    }
    if serve() {
        return;
    }
    if !works(TEST, &WRAPPER) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    let mut owner = Agent::start(TEST, &path);
    let port = owner.number("lease 14300-14399");
    for dead in [false, true] {
        if dead {
            owner.kill();
        }
        // Only the last one leases: the number of its namespace may be given to the next one, which
        // then can tell that whoever had it is gone.
        let argument = format!("{}\n{port}\n{dead}", path.display());
        let mut inside = Agent::spawn(&mut child_within(&WRAPPER, TEST, &argument));
        assert_eq!(inside.answer(), "reserved", "dead: {dead}");
        inside.finish();
    }
    // What is unknown in there is known out here, and the other way round.
    let report = keeper.scan().unwrap();
    let freed: Vec<u16> = report.changes.iter().map(|change| change.port).collect();
    assert_eq!(freed, [port]);
    let theirs = keeper.projects().unwrap();
    assert_eq!(theirs.len(), 1);
    assert_eq!(theirs[0].project_name, "in");
    assert_eq!(theirs[0].ports.len(), 1);
}
