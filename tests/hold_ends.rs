//! A hold is one process's alone, and ends with its guard and with that process.
#![cfg(target_os = "linux")]

#[path = "support/agent.rs"]
mod agent;
#[path = "support/held.rs"]
mod held;
mod support;

use agent::{Agent, serve};
use held::{claimed, eventually, is_bindable};
use portkeeper_core::{ErrorKind, Keeper, PortRequest, Status, Verdict};
use support::Holder;

/// The claim is `shop`'s, lasting, and nobody uses it.
fn assert_kept(keeper: &Keeper, port: u16) {
    let row = keeper.get(port).unwrap().unwrap();
    assert_eq!(
        (row.project_name.as_str(), row.status),
        ("shop", Status::Reserved)
    );
    assert!(!row.auto_release);
    assert_eq!((row.role(), row.owner()), (Some("web"), None));
    let verdict = keeper.check(port).unwrap().verdict;
    assert!(matches!(verdict, Verdict::Reserved { .. }), "{verdict}");
}

#[test]
fn a_hold_ends_with_its_guard_and_the_claim_stays() {
    let (_folder, keeper, port) = claimed(11_300..=11_399);
    let before = keeper.get(port).unwrap().unwrap();
    let hold = keeper.hold(port).unwrap();
    assert_eq!(hold.port(), port);
    assert!(!is_bindable(port));
    assert!(keeper.get(port).unwrap().unwrap().lease.unwrap().held);
    drop(hold);
    // Whoever is just being started by a parallel test has a copy of every descriptor, for a moment.
    eventually(|| is_bindable(port));
    assert_kept(&keeper, port);
    assert_eq!(
        keeper.get(port).unwrap().unwrap().updated_at,
        before.updated_at
    );

    // A leased port is leased still when its hold has ended.
    let lease = keeper.lease(PortRequest::new("shop").role("web")).unwrap();
    drop(keeper.hold(port).unwrap());
    let owner = keeper.get(port).unwrap().unwrap().owner().unwrap().pid;
    assert_eq!(owner, std::process::id());
    drop(lease);
    eventually(|| is_bindable(port));
    assert_kept(&keeper, port);
}

#[test]
fn a_hold_ends_with_its_process_and_the_next_one_has_it_at_once() {
    const TEST: &str = "a_hold_ends_with_its_process_and_the_next_one_has_it_at_once";
    if serve() {
        return;
    }
    let (_folder, keeper, port) = claimed(11_400..=11_499);
    let mut other = Agent::start(TEST, keeper.path());
    assert_eq!(other.ask(&format!("hold {port}")), "held");
    assert!(!is_bindable(port));
    let refusal = keeper.hold(port).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved, "{refusal}");
    assert_eq!(refusal.pid(), Some(other.pid()), "{refusal}");
    let verdict = keeper.check(port).unwrap().verdict;
    assert!(matches!(verdict, Verdict::Held { pid, .. } if pid == other.pid()));
    keeper.scan().unwrap();
    assert!(matches!(keeper.hold(port), Err(error) if error.kind() == ErrorKind::PortReserved));

    other.kill();
    assert!(is_bindable(port));
    let verdict = keeper.check(port).unwrap().verdict;
    assert!(matches!(verdict, Verdict::Reserved { .. }), "{verdict}");
    // Nobody has swept yet.
    let hold = keeper.hold(port).unwrap();
    assert_eq!(
        keeper.get(port).unwrap().unwrap().owner().unwrap().pid,
        std::process::id()
    );
    drop(hold);
    eventually(|| is_bindable(port));
    assert_kept(&keeper, port);

    let mut third = Agent::start(TEST, keeper.path());
    assert_eq!(third.ask(&format!("hold {port}")), "held");
    third.kill();
    keeper.scan().unwrap();
    assert_kept(&keeper, port);
}

#[test]
fn one_of_many_processes_holds_a_port() {
    const TEST: &str = "one_of_many_processes_holds_a_port";
    if serve() {
        return;
    }
    let (_folder, keeper, port) = claimed(11_500..=11_599);
    let mut agents: Vec<Agent> = (0..6).map(|_| Agent::start(TEST, keeper.path())).collect();
    for round in 0..20 {
        for agent in &mut agents {
            agent.tell(&format!("hold {port}"));
        }
        let answers: Vec<String> = agents.iter_mut().map(Agent::answer).collect();
        let held = answers.iter().filter(|answer| *answer == "held").count();
        let refused = answers
            .iter()
            .filter(|answer| answer.starts_with("PORT_RESERVED "))
            .count();
        assert_eq!((held, refused), (1, 5), "round {round}: {answers:?}");
        for agent in &mut agents {
            agent.ask("drop");
        }
        assert!(is_bindable(port), "round {round}");
    }
}

#[test]
fn refusals_say_what_is_in_the_way() {
    const TEST: &str = "refusals_say_what_is_in_the_way";
    if serve() {
        return;
    }
    let (_folder, keeper, port) = claimed(11_600..=11_699);
    let error = keeper.hold(11_700).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortNotFound, "{error}");
    for wrong in [0, -1, 65_536] {
        let error = keeper.hold(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PortInvalid, "{error}");
    }

    let mut other = Agent::start(TEST, keeper.path());
    assert_eq!(other.number("lease 11600-11699 web"), port);
    let error = keeper.hold(port).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortReserved, "{error}");
    assert_eq!(error.pid(), Some(other.pid()), "{error}");
    assert_eq!(other.ask("drop"), "dropped");

    for address in ["127.0.0.1", "127.0.0.2", "0.0.0.0"] {
        let server = Holder::stranger(&format!(
            "s = socket.create_server(('{address}', {port})); hold({port})"
        ));
        let error = keeper.hold(port).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PortInUse, "{address}: {error}");
        assert_eq!(error.pid(), Some(server.pid), "{address}: {error}");
        assert_eq!(keeper.get(port).unwrap().unwrap().owner(), None);
    }
    let bound = Holder::stranger(&format!(
        "s = socket.socket(); s.bind(('127.0.0.1', {port})); hold({port})"
    ));
    let error = keeper.hold(port).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortInUse, "{error}");
    assert!(error.to_string().contains("without listening"), "{error}");
    drop(bound);
    drop(keeper.hold(port).unwrap());
}
