//! What a registry tells of a port.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{ops::RangeInclusive, path::PathBuf};

use portkeeper_core::{Action, HistoryQuery, Keeper, PortRequest, Status};
use tempfile::TempDir;

pub const GRANTED: (Action, &str) = (Action::Reserved, "requested");
pub const GIVEN_BACK: (Action, &str) = (Action::Released, "its lease was given back");
pub const ENDED: (Action, &str) = (Action::Released, "its process ended");
pub const INHERITED: (Action, &str) = (Action::InUse, "its process ended, and another one listens");

pub fn registry() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    (folder, path)
}

pub fn request(range: RangeInclusive<u16>) -> PortRequest {
    PortRequest::new("shop").range(range)
}

/// What happened to the port, oldest first: the action and the reason.
pub fn story(keeper: &Keeper, port: u16) -> Vec<(Action, String)> {
    let mut entries = keeper.history(HistoryQuery::port(port)).unwrap();
    entries.reverse();
    entries
        .into_iter()
        .map(|entry| {
            let reason = entry.details["reason"].as_str().unwrap().to_owned();
            (entry.action, reason)
        })
        .collect()
}

pub fn check_story(keeper: &Keeper, port: u16, expected: &[(Action, &str)]) {
    let found = story(keeper, port);
    let found: Vec<(Action, &str)> = found
        .iter()
        .map(|(action, reason)| (*action, reason.as_str()))
        .collect();
    assert_eq!(found, expected, "port {port}");
}

pub fn status(keeper: &Keeper, port: u16) -> Status {
    keeper.get(port).unwrap().unwrap().status
}
