//! What callers get back. The JSON of a record uses the documented column names.

mod configuration;
mod document;
mod history;
mod import;
mod kill;
mod machine;
mod reservation;
mod scan;
mod socket;
pub(crate) mod timestamp;
mod verdict;

pub use configuration::{Configuration, SavedDocument};
pub use document::{Document, DocumentPort};
pub(crate) use history::Details;
pub use history::{Action, HistoryEntry, Holder};
pub use import::{ImportOutcome, ImportReport, ImportedPort};
pub use kill::{KillReport, KilledProcess};
pub use machine::{Fate, Probe};
pub use reservation::{
    LeaseTerms, ProcessIdentity, ProjectPorts, Reservation, StaleReservation, Status, Summary,
};
pub use scan::{ScanReport, StatusChange};
pub use socket::{Owner, Process, Protocol, Socket, SocketState};
pub use verdict::{PortState, Verdict};
