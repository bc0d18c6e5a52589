//! What the tests of `kill` share.
#![allow(dead_code, reason = "each test program uses a part of it")]

#[path = "skipped.rs"]
mod skipped;

use std::process::{Command, Stdio};

use portkeeper_core::{
    Action, HistoryEntry, HistoryQuery, Keeper, ReserveRequest, Status,
    host::{Host, ProcessHandle, System},
};
use serde_json::json;

use crate::support::child;

pub use skipped::skipped;

/// A server that ends on `SIGTERM`.
pub const SERVER: &str = "s = socket.create_server(('127.0.0.1', 0)); hold(s.getsockname()[1])";

/// Claims the port for `shop`, and lets a scan see the server.
pub fn claim(keeper: &Keeper, port: u16) {
    let request = ReserveRequest::new("shop").adopt(true);
    keeper.reserve(port, request).expect("the port is adopted");
    keeper.scan().expect("a scan");
    let row = keeper.get(port).expect("a read").expect("a row");
    assert_eq!(row.status, Status::InUse);
}

/// The claim is `shop`'s and unused, and one entry says who was ended.
pub fn assert_recorded(keeper: &Keeper, port: u16, pids: &[u32], forced: bool) {
    let row = keeper.get(port).expect("a read").expect("a row");
    assert_eq!((row.status, row.pid), (Status::Reserved, None));
    assert_eq!(
        (row.project_name.as_str(), row.process_name),
        ("shop", None)
    );
    let entry = one_entry(keeper, port);
    assert_eq!(entry.project_name.as_deref(), Some("shop"));
    assert_eq!(entry.details["reason"], "killed");
    assert_eq!(entry.details["pids"], json!(pids));
    assert_eq!(entry.details["forced"], forced);
    let names = entry.details["processNames"].as_array().expect("names");
    assert_eq!(names.len(), pids.len());
    assert!(names.iter().all(|name| name == "python3"), "{names:?}");
}

/// The only entry of a killing.
pub fn one_entry(keeper: &Keeper, port: u16) -> HistoryEntry {
    let query = HistoryQuery::port(port).action(Action::Killed);
    let mut entries = keeper.history(query).expect("a history");
    assert_eq!(entries.len(), 1, "{entries:?}");
    let entry = entries.remove(0);
    let actor = entry.performed_by.as_deref().unwrap_or_default();
    assert!(actor.contains("kill"), "{actor}");
    entry
}

/// Nothing was ended, and the history says so by saying nothing.
pub fn assert_untouched(keeper: &Keeper, port: u16) {
    let entries = keeper.history(HistoryQuery::port(port).action(Action::Killed));
    assert_eq!(entries.expect("a history"), []);
}

/// Everybody who listens on the port, held so that their ends can be told.
pub fn listening(keeper: &Keeper, port: u16) -> Vec<Box<dyn ProcessHandle>> {
    let sockets = keeper.listeners().expect("every listener");
    let sockets = sockets.iter().filter(|socket| socket.port == port);
    sockets
        .flat_map(|socket| &socket.processes)
        .map(|process| handle(process.pid).expect("it runs"))
        .collect()
}

pub fn handle(pid: u32) -> Option<Box<dyn ProcessHandle>> {
    System.handle(pid).expect("a handle")
}

/// Whether a process that is not the caller's child runs.
pub fn runs(pid: u32) -> bool {
    handle(pid).is_some_and(|process| !process.has_ended().expect("an answer"))
}

/// This program once more behind `wrapper`, as `test` with `argument`.
pub fn child_within(wrapper: &[&str], test: &str, argument: &str) -> Command {
    let inner = child(test, argument);
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env("CHILD", argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A private user, network and pid namespace with its own `/proc`.
pub const APART: [&str; 4] = ["unshare", "-Urnp", "--fork", "--mount-proc"];

/// Whether `wrapper` works here. If not, a line says so that the test harness does not swallow.
pub fn works(test: &str, wrapper: &[&str]) -> bool {
    let probe = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg("true")
        .output();
    let reason = match probe {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    skipped(format_args!(
        "{test}: `{}` does not work: {reason}",
        wrapper.join(" ")
    ));
    false
}
