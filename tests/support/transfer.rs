//! What the tests of exports and imports share.
#![allow(dead_code, reason = "every test program uses a part of it")]

use portkeeper_core::{
    Filter, HistoryEntry, HistoryQuery, ImportReport, ImportRequest, Keeper, Reservation,
    ReserveRequest, Result, Watch,
};

pub fn keeper() -> Keeper {
    Keeper::in_memory().unwrap()
}

/// Reserves without a look at the machine, where other tests use ports too.
pub fn reserve(keeper: &Keeper, port: u16, project: &str) -> Reservation {
    let request = ReserveRequest::new(project).adopt(true);
    keeper.reserve(port, request).unwrap()
}

pub fn import(keeper: &Keeper, request: impl Into<ImportRequest>) -> Result<ImportReport> {
    keeper.import(request, Watch::none())
}

pub fn claims(keeper: &Keeper) -> Vec<Reservation> {
    keeper.list(Filter::claims()).unwrap()
}

/// Every entry, newest first.
pub fn history(keeper: &Keeper) -> Vec<HistoryEntry> {
    keeper.history(HistoryQuery::all().limit(u32::MAX)).unwrap()
}

/// A document of these entries.
pub fn document(entries: &str) -> String {
    format!(r#"{{"version": "1.0", "exportDate": "2026-01-01T00:00:00Z", "ports": [{entries}]}}"#)
}

/// An entry of number and project.
pub fn entry(number: u16, project: &str) -> String {
    format!(r#"{{"number": {number}, "projectName": "{project}"}}"#)
}

/// Everything an import may change.
pub fn contents(keeper: &Keeper) -> (Vec<Reservation>, Vec<HistoryEntry>, usize) {
    let configurations = keeper.configurations().unwrap().len();
    (claims(keeper), history(keeper), configurations)
}
