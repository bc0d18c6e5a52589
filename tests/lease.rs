//! A lease ends with its guard, its process or its time, and with nothing else.
#![cfg(target_os = "linux")]

#[path = "support/agent.rs"]
mod agent;
#[path = "support/altered.rs"]
mod altered;
#[path = "support/story.rs"]
mod story;
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use agent::{Agent, serve};
use altered::Altered;
use portkeeper_core::{
    Action, ErrorKind, Filter, HistoryQuery, Keeper, Options, PortRequest, ReserveRequest, Status,
    host::{Host, Signal, System},
};
use serde_json::json;
use story::{ENDED, GIVEN_BACK, GRANTED, INHERITED, check_story, registry, request, status, story};

/// A process that is nobody's child by now, ended when this is dropped.
struct Orphan(u32);

impl Orphan {
    /// It has ended when this returns.
    fn end(&self) {
        if let Some(process) = System.handle(self.0).unwrap() {
            process.signal(Signal::Kill).unwrap();
            let deadline = Instant::now() + Duration::from_secs(30);
            assert!(process.wait(deadline).unwrap());
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn a_guard_releases_its_ports_once() {
    let (_folder, path) = registry();
    let keeper = Keeper::open_at(path).unwrap();
    let lease = keeper.lease(request(13_000..=13_009).count(3)).unwrap();
    let ports = lease.ports();
    assert_eq!(ports.len(), 3);
    for row in lease.reservations() {
        assert!(row.auto_release);
        assert_eq!(row.owner().unwrap().pid, std::process::id());
    }
    keeper.scan().unwrap();
    drop(lease);
    for port in &ports {
        assert_eq!(status(&keeper, *port), Status::Free);
        check_story(&keeper, *port, &[GRANTED, GIVEN_BACK]);
    }

    let lease = keeper.lease(request(13_010..=13_019)).unwrap();
    let port = lease.port();
    lease.release().unwrap();
    check_story(&keeper, port, &[GRANTED, GIVEN_BACK]);

    // Somebody else released it first.
    let lease = keeper.lease(request(13_020..=13_029)).unwrap();
    let port = lease.port();
    keeper.release(port).unwrap();
    drop(lease);
    check_story(&keeper, port, &[GRANTED, (Action::Released, "requested")]);
}

#[test]
fn a_killed_owners_ports_are_free_at_the_next_sweep() {
    const TEST: &str = "a_killed_owners_ports_are_free_at_the_next_sweep";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let keeper = Keeper::open_at(&path).unwrap();
    let mut dead = Agent::start(TEST, &path);
    let mut alive = Agent::start(TEST, &path);
    let ports: Vec<u16> = (0..4).map(|_| dead.number("lease 13100-13199")).collect();
    let other = alive.number("lease 13100-13199");
    keeper.scan().unwrap();
    assert_eq!(keeper.list(Filter::claims()).unwrap().len(), 5);
    dead.kill();

    let report = keeper.scan().unwrap();
    let freed: Vec<u16> = report.changes.iter().map(|change| change.port).collect();
    assert_eq!(freed, ports);
    for port in &ports {
        assert_eq!(status(&keeper, *port), Status::Free);
        check_story(&keeper, *port, &[GRANTED, ENDED]);
        let entry = &keeper.history(HistoryQuery::port(*port).limit(1)).unwrap()[0];
        assert_eq!(entry.details["previousPid"], json!(dead.pid()));
        assert_eq!(entry.project_name.as_deref(), Some("shop"));
    }
    assert_eq!(status(&keeper, other), Status::Reserved);
    check_story(&keeper, other, &[GRANTED]);
    assert_eq!(alive.ask("drop"), "dropped");
    check_story(&keeper, other, &[GRANTED, GIVEN_BACK]);
}

/// The range is full of dead leases: a request finds out by itself.
#[test]
fn a_request_takes_what_the_dead_have_left() {
    const TEST: &str = "a_request_takes_what_the_dead_have_left";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let keeper = Keeper::open_at(&path).unwrap();
    let mut dead = Agent::start(TEST, &path);
    let first = keeper.lease(request(13_200..=13_209)).unwrap();
    for _ in 0..9 {
        dead.number("lease 13200-13209");
    }
    let error = keeper.lease(request(13_200..=13_209)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RangeExhausted, "{error}");
    dead.kill();
    // Within the same second too, in which a keeper sweeps only once without need.
    let rest = keeper.lease(request(13_200..=13_209).count(9)).unwrap();
    assert_eq!(rest.ports(), (13_201..=13_209).collect::<Vec<u16>>());
    drop(first);
}

#[test]
fn a_server_that_outlives_its_owner_keeps_the_port() {
    const TEST: &str = "a_server_that_outlives_its_owner_keeps_the_port";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let keeper = Keeper::open_at(&path).unwrap();
    for (only, sweeper, address) in [(13_300, "scan", "127.0.0.1"), (13_301, "request", "::1")] {
        let sweep = || match sweeper {
            "scan" => drop(keeper.scan().unwrap()),
            // Refused, after a look at who has it.
            _ => drop(keeper.request(request(only..=only)).unwrap_err()),
        };
        let mut owner = Agent::start(TEST, &path);
        let port = owner.number(&format!("lease {only}-{only}"));
        let server = owner.ask(&format!("server {address} {port}"));
        let server = Orphan(server.parse().unwrap());
        owner.kill();
        sweep();
        let row = keeper.get(port).unwrap().unwrap();
        assert_eq!((row.status, row.pid), (Status::InUse, Some(server.0)));
        assert_eq!(row.process_name.as_deref(), Some("python3"));
        assert_eq!(row.owner().unwrap().pid, server.0);
        check_story(&keeper, port, &[GRANTED, INHERITED]);
        sweep();
        check_story(&keeper, port, &[GRANTED, INHERITED]);

        server.end();
        keeper.scan().unwrap();
        assert_eq!(status(&keeper, port), Status::Free);
        let entries = story(&keeper, port);
        assert_eq!(entries.last().unwrap().1, ENDED.1);
    }
}

#[test]
fn a_lasting_claim_is_not_in_use_when_its_user_has_ended() {
    const TEST: &str = "a_lasting_claim_is_not_in_use_when_its_user_has_ended";
    const USED: (Action, &str) = (Action::InUse, "listener found");
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let keeper = Keeper::open_at(&path).unwrap();
    for (only, end, reason) in [
        (13_500, "kill", "its process ended"),
        (13_501, "drop", "its lease was given back"),
    ] {
        let port = keeper.request(request(only..=only).role(end)).unwrap()[0].number;
        let mut user = Agent::start(TEST, &path);
        assert_eq!(user.number(&format!("lease {only}-{only} {end}")), port);
        assert_eq!(user.ask(&format!("listen {port}")), "up");
        keeper.scan().unwrap();
        let row = keeper.get(port).unwrap().unwrap();
        assert_eq!((row.status, row.pid), (Status::InUse, Some(user.pid())));

        if end == "kill" {
            user.kill();
            // Whoever asks for a port sweeps; nobody needs to scan.
            let other = PortRequest::new("blog").range(only..=only);
            keeper.request(other).unwrap_err();
        } else {
            assert_eq!(user.ask("drop"), "dropped");
        }
        let row = keeper.get(port).unwrap().unwrap();
        assert_eq!((row.status, row.pid), (Status::Reserved, None));
        assert_eq!((row.role(), row.owner()), (Some(end), None));
        let expected = [GRANTED, USED, (Action::Reserved, reason)];
        check_story(&keeper, port, &expected);
        keeper.scan().unwrap();
        check_story(&keeper, port, &expected);
    }
}

#[test]
fn time_ends_a_lease_whatever_became_of_its_process() {
    let host = Arc::new(Altered::default());
    let (_folder, path) = registry();
    let keeper = Options::new()
        .path(&path)
        .host(host.clone())
        .open()
        .unwrap();
    let ttl = Duration::from_secs(60);
    let lease = keeper.lease(request(13_400..=13_409).ttl(ttl)).unwrap();
    let lasting = keeper
        .request(request(13_410..=13_419).role("web").ttl(ttl))
        .unwrap();
    let ports = [lease.port(), lasting[0].number];
    // A second more than was asked for: the second in which it began counts in full.
    host.forward(60);
    keeper.scan().unwrap();
    for port in ports {
        assert_eq!(status(&keeper, port), Status::Reserved);
    }
    host.forward(1);
    assert_eq!(keeper.scan().unwrap().changes.len(), 2);
    for port in ports {
        assert_eq!(status(&keeper, port), Status::Free);
        check_story(
            &keeper,
            port,
            &[GRANTED, (Action::Released, "its time was over")],
        );
    }
    drop(lease);
    assert_eq!(story(&keeper, ports[0]).len(), 2);

    // To ask again before its end prolongs it.
    let again = || {
        keeper
            .request(request(13_410..=13_419).role("api").ttl(ttl))
            .unwrap()[0]
            .number
    };
    let port = again();
    host.forward(60);
    assert_eq!(again(), port);
    host.forward(60);
    assert_eq!(keeper.scan().unwrap().changes, []);
    host.forward(2);
    assert_eq!(keeper.scan().unwrap().changes.len(), 1);
}

#[test]
fn a_role_is_one_port_for_everybody() {
    const TEST: &str = "a_role_is_one_port_for_everybody";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let keeper = Keeper::open_at(&path).unwrap();
    let mut agents = [Agent::start(TEST, &path), Agent::start(TEST, &path)];
    let port = agents[0].number("request 13500-13599 web");
    // The range of a later request does not move it.
    for range in ["13500-13599", "13550-13560"] {
        for agent in &mut agents {
            assert_eq!(agent.number(&format!("request {range} web")), port);
        }
    }
    assert_ne!(agents[1].number("request 13500-13599 api"), port);
    check_story(&keeper, port, &[GRANTED]);

    let [first, second] = &mut agents;
    assert_eq!(first.number("lease 13500-13599 web"), port);
    let refusal = keeper
        .lease(request(13_500..=13_599).role("web"))
        .unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved, "{refusal}");
    assert_eq!(
        (refusal.port(), refusal.pid(), refusal.project()),
        (Some(port), Some(first.pid()), Some("shop"))
    );
    assert!(
        second
            .ask("lease 13500-13599 web")
            .starts_with("PORT_RESERVED ")
    );
    first.kill();
    assert_eq!(second.number("lease 13500-13599 web"), port);
    let row = keeper.get(port).unwrap().unwrap();
    assert_eq!(row.owner().unwrap().pid, second.pid());
    assert!(!row.auto_release);
    assert_eq!(second.ask("drop"), "dropped");
    let row = keeper.get(port).unwrap().unwrap();
    assert_eq!((row.status, row.owner()), (Status::Reserved, None));
}

/// A role that is only leased changes hands too, to whoever asks first after the end of its owner.
#[test]
fn a_leased_role_is_taken_over() {
    const TEST: &str = "a_leased_role_is_taken_over";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    for sweeps in [false, true] {
        let keeper = Keeper::open_at(&path).unwrap();
        let mut first = Agent::start(TEST, &path);
        let mut second = Agent::start(TEST, &path);
        let port = first.number("lease 13600-13609 web");
        assert!(
            second
                .ask("lease 13600-13609 web")
                .starts_with("PORT_RESERVED ")
        );
        first.kill();
        if sweeps {
            keeper.scan().unwrap();
            assert_eq!(status(&keeper, port), Status::Free);
        }
        assert_eq!(second.number("lease 13600-13609 web"), port);
        let row = keeper.get(port).unwrap().unwrap();
        assert_eq!(row.owner().unwrap().pid, second.pid());
        assert!(row.auto_release);
        assert_eq!(second.ask("drop"), "dropped");
        assert_eq!(status(&keeper, port), Status::Free);
    }
}

/// Its owner ended, and its server did not: the role is the server's.
#[test]
fn a_role_that_is_served_is_not_taken_over() {
    const TEST: &str = "a_role_that_is_served_is_not_taken_over";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let keeper = Keeper::open_at(&path).unwrap();
    for _ in 0..5 {
        let mut first = Agent::start(TEST, &path);
        let mut second = Agent::start(TEST, &path);
        let port = first.number("lease 13700-13709 web");
        let server = first.ask(&format!("server 127.0.0.1 {port}"));
        let server = Orphan(server.parse().unwrap());
        // It has swept in this second, and will not do so by itself.
        second.ask("lease 13710-13719");
        first.kill();
        let answer = second.ask("lease 13700-13709 web");
        assert!(answer.starts_with("PORT_RESERVED "), "{answer}");
        assert!(answer.contains(&server.0.to_string()), "{answer}");
        server.end();
        keeper.scan().unwrap();
        assert_eq!(status(&keeper, port), Status::Free);
    }
}

#[test]
fn a_dead_owners_port_can_be_reserved() {
    const TEST: &str = "a_dead_owners_port_can_be_reserved";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let keeper = Keeper::open_at(&path).unwrap();
    for project in ["shop", "other"] {
        let mut owner = Agent::start(TEST, &path);
        let port = owner.number("lease 14000-14099");
        if project == "other" {
            let error = keeper
                .reserve(port, ReserveRequest::new(project))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PortReserved, "{error}");
            assert_eq!(error.pid(), Some(owner.pid()), "{error}");
        }
        owner.kill();
        keeper.reserve(port, ReserveRequest::new(project)).unwrap();
        keeper.scan().unwrap();
        let row = keeper.get(port).unwrap().unwrap();
        assert_eq!(row.status, Status::Reserved, "{project}");
        assert_eq!(row.project_name, project);
        assert!(!row.auto_release);
        assert_eq!(row.owner(), None);
    }
}
