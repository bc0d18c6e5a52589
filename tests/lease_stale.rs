//! Whoever looks at a lease, and is overtaken before he writes what he saw, leaves a newer one alone.
#![cfg(target_os = "linux")]

#[path = "support/agent.rs"]
mod agent;
#[path = "support/altered.rs"]
mod altered;
#[path = "support/story.rs"]
mod story;
mod support;

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use agent::{Agent, serve};
use altered::Altered;
use portkeeper_core::{ErrorKind, Keeper, Lease, Options, Status};
use story::{ENDED, GIVEN_BACK, GRANTED, INHERITED, check_story, registry, request, status};

#[test]
fn a_stale_guard_leaves_a_newer_lease_alone() {
    let host = Arc::new(Altered::default());
    let keeper = Options::new()
        .in_memory()
        .host(host.clone())
        .open()
        .unwrap();
    let one = |ttl: u64| request(13_800..=13_800).ttl(Duration::from_secs(ttl));
    let stale = keeper.lease(one(10)).unwrap();
    host.forward(11);
    let newer = keeper.lease(one(1000)).unwrap();
    assert_eq!(newer.port(), stale.port());
    drop(stale);
    assert_eq!(status(&keeper, 13_800), Status::Reserved);
    drop(newer);
    assert_eq!(status(&keeper, 13_800), Status::Free);

    // A role has one guard at a time, also within one process.
    let role = || keeper.lease(request(13_801..=13_809).role("web"));
    let only = role().unwrap();
    let refusal = role().unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved, "{refusal}");
    assert_eq!(refusal.pid(), Some(std::process::id()));
    let port = only.port();
    drop(only);
    assert_eq!(status(&keeper, port), Status::Free);
}

/// Somebody who looks at a lease, and is overtaken before he writes what he saw.
#[test]
fn a_stale_sweep_leaves_a_newer_lease_alone() {
    const TEST: &str = "a_stale_sweep_leaves_a_newer_lease_alone";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let host = Arc::new(Altered::default());
    let slow = Options::new()
        .path(&path)
        .host(host.clone())
        .open()
        .unwrap();
    let quick = Keeper::open_at(&path).unwrap();
    let newer: Arc<Mutex<Option<Lease>>> = Arc::default();

    let mut owner = Agent::start(TEST, &path);
    assert_eq!(owner.number("lease 13900-13900"), 13_900);
    owner.kill();
    let (keeper, place) = (quick.clone(), Arc::clone(&newer));
    host.at_fate(move || {
        keeper.scan().unwrap();
        *place.lock().unwrap() = Some(keeper.lease(request(13_900..=13_900)).unwrap());
    });
    assert_eq!(slow.scan().unwrap().changes, []);
    check_story(&quick, 13_900, &[GRANTED, ENDED, GRANTED]);
    assert_eq!(status(&quick, 13_900), Status::Reserved);
    drop(newer.lock().unwrap().take().unwrap());
    check_story(&quick, 13_900, &[GRANTED, ENDED, GRANTED, GIVEN_BACK]);
}

/// A claim that is prolonged in the moment in which it is found to be over.
#[test]
fn a_stale_sweep_leaves_a_prolonged_claim_alone() {
    let (_folder, path) = registry();
    let host = Arc::new(Altered::default());
    let slow = Options::new().path(&path).host(host.clone()).open();
    let (slow, quick) = (slow.unwrap(), Keeper::open_at(&path).unwrap());
    let ask = |keeper: &Keeper, ttl: u64| {
        let request = request(13_950..=13_959).role("web");
        let rows = keeper.request(request.ttl(Duration::from_secs(ttl)));
        rows.unwrap()[0].number
    };
    let port = ask(&quick, 100);
    host.forward(200);
    host.at_now(move || assert_eq!(ask(&quick, 1000), port));
    assert_eq!(slow.scan().unwrap().changes, []);
    assert_eq!(status(&slow, port), Status::Reserved);
    host.forward(1000);
    assert_eq!(slow.scan().unwrap().changes.len(), 1);
}

/// Its server starts, and it ends, while somebody who has read the listeners already looks at it.
#[test]
fn a_sweep_sees_a_server_that_has_just_started() {
    const TEST: &str = "a_sweep_sees_a_server_that_has_just_started";
    if serve() {
        return;
    }
    let (_folder, path) = registry();
    let host = Arc::new(Altered::default());
    let keeper = Options::new().path(&path).host(host.clone()).open();
    let keeper = keeper.unwrap();
    let mut owner = Agent::start(TEST, &path);
    let port = owner.number("lease 13960-13969");
    let server = Arc::new(Mutex::new(None));
    let place = Arc::clone(&server);
    host.at_fate(move || {
        *place.lock().unwrap() = Some(TcpListener::bind(("127.0.0.1", port)).unwrap());
        owner.kill();
    });
    keeper.scan().unwrap();
    check_story(&keeper, port, &[GRANTED, INHERITED]);
    let row = keeper.get(port).unwrap().unwrap();
    assert_eq!(row.pid, Some(std::process::id()));
}

/// The right to a role's port that is given back, with the server closed, by whom a look saw listening.
#[test]
fn a_stale_look_leaves_what_was_given_back_alone() {
    let role = || request(13_970..=13_979).role("web");
    for (case, ttl, later) in [
        ("had before", None, 0),
        ("had before, and found to be over", Some(100), 200),
        ("taken after the look began", None, 0),
    ] {
        let (_folder, path) = registry();
        let host = Arc::new(Altered::default());
        let slow = Options::new().path(&path).host(host.clone()).open();
        let (slow, quick) = (slow.unwrap(), Keeper::open_at(&path).unwrap());
        let port = quick.request(role()).unwrap()[0].number;
        let keeper = quick.clone();
        let serve = move || {
            let request = match ttl {
                Some(seconds) => role().ttl(Duration::from_secs(seconds)),
                None => role(),
            };
            let lease = keeper.lease(request).unwrap();
            (lease, TcpListener::bind(("127.0.0.1", port)).unwrap())
        };
        let served = Arc::new(Mutex::new(None));
        let place = Arc::clone(&served);
        let begin = move || *place.lock().unwrap() = Some(serve());
        // What the registry says is read before the first question for the time, and that before the look.
        if case == "taken after the look began" {
            host.at_now(begin);
        } else {
            begin();
        }
        host.forward(later);
        host.after_look(move || {
            let (lease, server) = served.lock().unwrap().take().unwrap();
            drop(server);
            lease.release().unwrap();
        });
        let report = slow.scan().unwrap();
        let seen = report.listeners.iter().any(|socket| socket.port == port);
        assert!(seen, "{case}");
        assert_eq!(report.changes, [], "{case}");
        assert_eq!(status(&quick, port), Status::Reserved, "{case}");
        check_story(&quick, port, &[GRANTED]);
    }
}
