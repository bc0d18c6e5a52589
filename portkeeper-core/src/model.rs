//! What callers get back. The JSON of a record uses the documented column names.

mod configuration;
mod document;
mod history;
mod import;
mod kill;
mod machine;
mod maintenance;
mod reservation;
mod scan;
mod socket;
mod text;
pub(crate) mod timestamp;
mod verdict;

pub use configuration::{Configuration, SavedDocument};
pub use document::{Document, DocumentPort};
pub(crate) use history::Details;
pub use history::{Action, HistoryEntry, Holder};
pub use import::{ImportOutcome, ImportReport, ImportedPort};
pub use kill::{KillReport, KilledProcess};
pub use machine::{Earlier, Fate, Known, Probe};
pub use maintenance::{
    BackupReport, CompactReport, Finding, FindingKind, PruneReport, RestoreReport, Severity, Stats,
};
pub use reservation::{
    LeaseTerms, ProcessIdentity, ProjectPorts, Reservation, StaleReservation, Status, Summary,
};
pub use scan::{ScanReport, Source, StatusChange};
pub use socket::{Owner, Process, Protocol, Socket, SocketState};
pub(crate) use text::shown;
pub use verdict::{PortState, Verdict};
