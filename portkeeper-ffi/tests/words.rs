//! The words that records have and options take: the header lists those of the engine, all of them and no other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{fmt::Debug, path::Path, str::FromStr};

use portkeeper_core::{
    Action, Durability, Error, FindingKind, ImportMode, ImportOutcome, Owner, Protocol, Severity,
    SocketState, Source, Status, Strategy, Verdict,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn header() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/portkeeper.h");
    std::fs::read_to_string(path).unwrap()
}

/// What the table at the top of the header has for a field.
fn listed(field: &str) -> Vec<String> {
    let header = header();
    let (_, table) = header.split_once(" *   Words, ").unwrap();
    let mut rows = table.lines().filter_map(|line| {
        let (name, words) = line.strip_prefix(" *   ")?.split_once("  ")?;
        (name == field).then(|| words.split_whitespace().map(str::to_owned).collect())
    });
    sorted(
        rows.next()
            .unwrap_or_else(|| panic!("{field} is not in the header")),
    )
}

/// What the comment of an option has in quotes.
fn quoted(options: &str, option: &str) -> Vec<String> {
    let header = header();
    let start = format!("typedef struct {options} {{");
    let (_, fields) = header.split_once(&start).unwrap();
    let (before, _) = fields
        .split_once(&format!("const char *{option};"))
        .unwrap();
    let (_, comment) = before.rsplit_once(';').unwrap();
    let mut words: Vec<String> = comment
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    words.sort_unstable();
    // The default is named once more.
    words.dedup();
    words
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    words
}

/// The words that records have, which reading another one lists.
fn given<T: DeserializeOwned + Debug>(unknown: Value) -> Vec<String> {
    let refusal = serde_json::from_value::<T>(unknown)
        .unwrap_err()
        .to_string();
    let words: Vec<String> = refusal
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert_eq!(words[0], "?", "{refusal}");
    sorted(words[1..].to_vec())
}

/// The words that an option takes, which the refusal of another one lists.
fn taken<T: FromStr<Err = Error> + Debug>() -> Vec<String> {
    let refusal = "?".parse::<T>().unwrap_err().to_string();
    let (_, words) = refusal.split_once("is none of ").unwrap();
    sorted(words.split(", ").map(str::to_owned).collect())
}

#[test]
fn words_of_records_are_those_of_the_engine() {
    let unknown = || json!("?");
    for (field, words) in [
        ("status", given::<Status>(unknown())),
        ("action", given::<Action>(unknown())),
        ("protocol", given::<Protocol>(unknown())),
        ("state", given::<SocketState>(unknown())),
        ("owner", given::<Owner>(unknown())),
        ("source", given::<Source>(unknown())),
        ("outcome", given::<ImportOutcome>(unknown())),
        ("verdict", given::<Verdict>(json!({ "verdict": "?" }))),
        ("severity", given::<Severity>(unknown())),
        ("kind", given::<FindingKind>(unknown())),
    ] {
        assert!(words.len() > 1, "{field}: {words:?}");
        assert_eq!(listed(field), words, "{field}");
    }
}

#[test]
fn words_of_options_are_those_of_the_engine() {
    for (options, option, words) in [
        ("pk_open_options", "durability", taken::<Durability>()),
        ("pk_request_options", "strategy", taken::<Strategy>()),
        ("pk_list_options", "status", taken::<Status>()),
        ("pk_history_options", "action", taken::<Action>()),
        ("pk_import_options", "mode", taken::<ImportMode>()),
    ] {
        assert!(words.len() > 1, "{option}: {words:?}");
        assert_eq!(quoted(options, option), words, "{options}.{option}");
    }
}
