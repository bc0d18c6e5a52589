//! Guards that a thread keeps in variables of its own are given back when it ends.
#![cfg(target_os = "linux")]

use std::{cell::RefCell, process::Command, thread};

use portkeeper_core::{Filter, HistoryQuery, Hold, Keeper, Lease, PortRequest, Strategy};

/// Tells the child of [`guards_of_a_thread_are_given_back_at_its_end`] which registry to use.
const REGISTRY: &str = "PORT_KEEPER_TEST_THREAD_END";

thread_local! {
    static GUARDS: RefCell<Option<(Lease, Hold)>> = const { RefCell::new(None) };
}

fn anywhere(project: &str) -> PortRequest {
    PortRequest::new(project)
        .range(20_000..=29_999)
        .strategy(Strategy::Random)
}

/// Runs in a process of its own, which a panic at the end of a thread would abort.
#[test]
fn thread_with_guards() {
    let Some(path) = std::env::var_os(REGISTRY) else {
        return;
    };
    let keeper = Keeper::open_at(path).unwrap();
    let thread = thread::spawn(move || {
        // What the engine keeps for the thread comes after this, and goes before it.
        GUARDS.with_borrow(|guards| assert!(guards.is_none()));
        let lease = keeper.lease(anywhere("leased")).unwrap();
        let held = keeper.request(anywhere("held").role("web")).unwrap();
        let hold = keeper.hold(held[0].number).unwrap();
        GUARDS.set(Some((lease, hold)));
    });
    thread.join().unwrap();
    println!("the thread ended");
}

#[test]
fn guards_of_a_thread_are_given_back_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "thread_with_guards", "--nocapture"])
        .env(REGISTRY, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("the thread ended"), "{text}");
    // By the guards, not by a sweep that found the process gone.
    let history = keeper.history(HistoryQuery::all()).unwrap();
    let released = history
        .iter()
        .find(|entry| entry.project_name.as_deref() == Some("leased"))
        .unwrap();
    assert_eq!(released.details["reason"], "its lease was given back");
    let rows = keeper.list(Filter::claims()).unwrap();
    let held = rows.iter().find(|row| row.project_name == "held").unwrap();
    assert!(held.lease.as_ref().is_none_or(|lease| !lease.held));
}
