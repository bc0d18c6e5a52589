//! Core's records as plain objects.
//!
//! Each is made by taking core's struct apart completely, so that a new field there does not compile
//! here until somebody decides about it.

use napi::{Result, bindgen_prelude::ToNapiValue, sys};

mod care;
mod claim;
mod document;
mod history;
mod json;
mod machine;
mod project;
mod state;

pub use care::{
    BackupReport, CompactReport, Finding, ProgressReport, PruneReport, RestoreReport, Stats,
};
pub use claim::{Guarded, ProjectPorts, Reservation, StaleReservation, Summary};
pub use document::{Configuration, Document, ImportReport, SavedDocument};
pub use history::{HistoryEntry, Holder};
pub use json::Json;
pub use machine::{KillReport, ScanReport, Socket};
pub use project::Project;
pub use state::PortState;

/// Several records of one kind.
pub struct Rows<T>(pub Vec<T>);

impl<T> Rows<T> {
    pub fn of<C: Into<T>>(records: Vec<C>) -> Self {
        Self(records.into_iter().map(Into::into).collect())
    }
}

impl<T: ToNapiValue> ToNapiValue for Rows<T> {
    unsafe fn to_napi_value(env: sys::napi_env, rows: Self) -> Result<sys::napi_value> {
        unsafe { Vec::to_napi_value(env, rows.0) }
    }
}

/// Counts and ids are far below the 2⁵³ up to which a JavaScript number is exact.
#[allow(clippy::cast_precision_loss)]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// See [`number`].
#[allow(clippy::cast_precision_loss)]
pub fn id(id: i64) -> f64 {
    id as f64
}
