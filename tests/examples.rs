//! The examples run on a registry of their own, end by themselves, and print what they promise.
#![cfg(target_os = "linux")]

#[path = "support/apart.rs"]
mod apart;
#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use apart::NETWORK;
use kill_support::{child_within, works};
use portkeeper_core::{Filter, Keeper};
use support::{child_argument, succeeds};

/// Cargo builds the examples beside the tests.
fn example(name: &str) -> PathBuf {
    let tests = env::current_exe().unwrap();
    let profile = tests.parent().and_then(Path::parent).unwrap();
    profile.join("examples").join(name)
}

/// Runs an example; returns what it prints and the registry that it leaves behind.
fn run(name: &str) -> (String, Keeper, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let output = Command::new(example(name)).arg(&path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {text}{errors}");
    assert_eq!(errors, "", "{name}");
    let keeper = Keeper::open_at(path).unwrap();
    (text, keeper, folder)
}

/// The lines in their order, each with the words that it must have.
fn check(name: &str, expected: &[&[&str]]) {
    // Other registries know nothing of this one, so that each example has a network of its own or,
    // where that cannot be, at least no other example beside it.
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let is_inside = child_argument().is_some();
    if is_inside {
        apart::prepare(&(32_768..=60_999));
    } else if works(name, &NETWORK) {
        succeeds(child_within(&NETWORK, name, "inside").spawn().unwrap());
        return;
    }
    let _alone = ONE_BY_ONE.lock();
    let (text, keeper, _folder) = run(name);
    let mut lines = text.lines();
    for words in expected {
        let found = lines.any(|line| words.iter().all(|word| line.contains(word)));
        assert!(
            found,
            "{name}: no line with {words:?} in its place:\n{text}"
        );
    }
    let claims = keeper.list(Filter::claims()).unwrap();
    assert_eq!(claims, [], "{name} leaves a claim behind");
}

#[test]
fn quickstart() {
    check(
        "quickstart",
        &[
            &["registry", "database.db"],
            &["reserved", "quickstart"],
            &["serving", "in-use", "listening on 127.0.0.1"],
            &["stopped", "reserved"],
            &["released", "free", "nobody"],
            &["released", "by quickstart"],
            &["reserved", "by quickstart"],
        ],
    );
}

#[test]
fn held_port() {
    check(
        "held_port",
        &[
            &["held", "held for project \"held_port\""],
            &["ready", "python", "listening on 127.0.0.1 (tcp)"],
            &["answered", "HTTP/1.0 200 OK"],
            &["released", "free"],
        ],
    );
}

#[test]
fn listen_fds() {
    check(
        "listen_fds",
        &[
            &["bound", "listening on 127.0.0.1 (tcp)"],
            &["answered", "hello from process"],
            &["released", "free"],
        ],
    );
}

#[test]
fn test_lease() {
    check(
        "test_lease",
        &[
            &["first", "reserved for project \"my-tests\""],
            &["second", "reserved for project \"my-tests\""],
            &["failing"],
            &["outcome", "failed"],
            &["afterwards", "free"],
            &["afterwards", "free"],
            &["afterwards", "free"],
        ],
    );
}
