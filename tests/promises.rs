//! Every test that a promise names exists, and every promise names one.

use std::{fs, path::Path, process::Command};

const PAGE: &str = include_str!("../portkeeper-core/src/promises.rs");

/// The file and the name of each test in a line: `` `tests/locks.rs: no_row_is_lost` ``.
fn tests(line: &str) -> Vec<(&str, &str)> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|text| {
            text.split_once(".rs: ")
                .map(|(file, name)| (file, name.trim()))
        })
        .collect()
}

/// What shows that the tests fail without the code that they are about.
#[test]
fn every_mutation_can_be_tried() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutations");
    let status = Command::new(script).arg("--check").status().unwrap();
    assert!(status.success());
}

#[test]
fn every_promise_is_held_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let promises = PAGE.split("# What is not promised").next().unwrap();
    let rows = promises
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "));
    let mut held = 0;
    for row in rows.filter(|row| !row.starts_with("promise |")) {
        assert!(!tests(row).is_empty(), "no test holds: {row}");
        held += 1;
    }
    assert!(held >= 20, "only {held} promises");
    let mut named = 0;
    for (file, name) in PAGE.lines().flat_map(tests) {
        let source = fs::read_to_string(root.join(format!("{file}.rs"))).unwrap();
        // Those that fork have no harness, and call their tests themselves.
        let is_run = source
            .match_indices(&format!("fn {name}("))
            .any(|(place, _)| {
                source[..place].trim_end().ends_with("#[test]") || file.ends_with("_fork")
            });
        assert!(is_run, "{name} in {file}.rs is no test");
        named += 1;
    }
    println!("{held} promises, {named} tests");
}
