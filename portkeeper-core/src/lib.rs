//! The registry of a machine's network ports, made to be embedded.
//!
//! A [`Keeper`] knows which project owns a port, which process uses it now, and who had it before.
//! Every process of a user shares one SQLite file, `~/.portkeeper/database.db`, so a Rust tool, a
//! test run and a dev server never hand out the same port twice.
//!
//! ```
//! use portkeeper_core::{HistoryQuery, Keeper, ReserveRequest, Verdict};
//!
//! let keeper = Keeper::in_memory()?;                  // Keeper::open()? for the user's registry
//! keeper.reserve(3000, ReserveRequest::new("my-app").description("React dev server"))?;
//!
//! assert!(matches!(keeper.check(3000)?.verdict, Verdict::Reserved { .. }));
//! for entry in keeper.history(HistoryQuery::port(3000))? {
//!     println!("{} {} {:?}", entry.performed_at, entry.action, entry.project_name);
//! }
//! # Ok::<(), portkeeper_core::Error>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
pub mod fork;
pub mod host;
mod keeper;
mod model;
mod project;
pub mod promises;
mod request;
mod rules;
mod stop;
mod store;
mod value;
mod watch;

pub use error::{Error, ErrorKind, Result};
pub use keeper::{BoundPort, Hold, Keeper, Lease, Options};
pub use model::{
    Action, BackupReport, CompactReport, Configuration, Document, DocumentPort, Finding,
    FindingKind, HistoryEntry, Holder, ImportOutcome, ImportReport, ImportedPort, KillReport,
    KilledProcess, LeaseTerms, Owner, PortState, Process, ProcessIdentity, ProjectPorts, Protocol,
    PruneReport, Reservation, RestoreReport, SavedDocument, ScanReport, Severity, Socket,
    SocketState, Source, StaleReservation, Stats, Status, StatusChange, Summary, Verdict,
};
pub use project::Project;
pub use request::{
    ExportRequest, Filter, HistoryQuery, ImportMode, ImportRequest, KillRequest, PortRequest,
    PruneRequest, Ready, Release, ReserveRequest, Strategy,
};
pub use store::Durability;
pub use watch::{Progress, Watch};
