use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    value,
};

/// The `details` of a history entry: `reason` and the facts that belong to it.
pub(crate) type Details = Map<String, Value>;

/// What happened to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It was made or altered, or its server stopped listening.
    Reserved,
    /// It ended.
    Released,
    /// Its server began to listen.
    InUse,
    /// Its server was ended through Port Keeper.
    Killed,
}

impl Action {
    const ALL: [Self; 4] = [Self::Reserved, Self::Released, Self::InUse, Self::Killed];

    /// The documented text: `reserved`, `released`, `in-use` or `killed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::InUse => "in-use",
            Self::Killed => "killed",
        }
    }
}

/// From its word; `INVALID_INPUT` lists the words for any other.
impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        value::word("action", text, &Self::ALL, Self::as_str)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One change of one claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Grows with every entry.
    pub id: i64,
    /// The port.
    pub port: u16,
    /// What happened.
    pub action: Action,
    /// Whose claim it was; on a release, who had it before; `None` where nobody had claimed the
    /// port whose server was ended.
    pub project_name: Option<String>,
    /// The claim's description at that time.
    pub description: Option<String>,
    /// Who did it: an actor such as `cargo (pid 4711)`; `None` for a writer that left no name.
    pub performed_by: Option<String>,
    /// When.
    pub performed_at: DateTime<Utc>,
    /// Why and how: `reason`, `changed`, `previousProject`, `pid`, `processName`, `leaseId`,
    /// `configuration` (the id of the import);
    /// of a killing `pids`, `processNames`, `forced`, where nobody had the port `claimed` (false), and
    /// where something still listened `failure`.
    pub details: Map<String, Value>,
}

/// Who had a port at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The port.
    pub port: u16,
    /// The project.
    pub project_name: String,
    /// Whether it was reserved or in use.
    pub status: super::Status,
    /// The entry that says so: the last one at or before that moment.
    pub entry: HistoryEntry,
}
