use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What an import did, or of a dry run would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Every port of the document and every one that a replacement freed, by number.
    pub ports: Vec<ImportedPort>,
    /// How many ports were claimed.
    pub added: u32,
    /// How many claims were altered.
    pub updated: u32,
    /// How many were as the document has them.
    pub unchanged: u32,
    /// How many are another project's.
    pub conflicts: u32,
    /// How many claims ended, because the document does not have them.
    pub freed: u32,
    /// Whether nothing was written, because it was not to be.
    pub dry_run: bool,
    /// The id of the [`Configuration`](super::Configuration) that was kept; `None` of a dry run.
    pub configuration: Option<i64>,
}

/// What an import did with one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedPort {
    /// The port.
    pub port: u16,
    /// The project that the document gives it to; of a freed port, whose it was.
    pub project_name: String,
    /// What happened.
    pub outcome: ImportOutcome,
    /// The columns that an update changed.
    pub changed: Vec<String>,
    /// The other project: of a conflict the one that has the port, of an update the one that had it.
    pub other_project: Option<String>,
    /// Since when the other project has, or had, the port.
    pub other_since: Option<DateTime<Utc>>,
}

/// What became of a port of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportOutcome {
    /// Nobody had it; now the project does.
    Added,
    /// The claim was altered, or in a replacement passed to another project.
    Updated,
    /// The claim was as the document has it.
    Unchanged,
    /// Another project has it, and keeps it.
    Conflict,
    /// The document does not have it, and the claim ended.
    Freed,
}

impl ImportOutcome {
    /// `added`, `updated`, `unchanged`, `conflict` or `freed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Conflict => "conflict",
            Self::Freed => "freed",
        }
    }
}

impl fmt::Display for ImportOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ImportReport {
    /// The report of these ports.
    pub(crate) fn of(ports: Vec<ImportedPort>) -> Self {
        let mut report = Self {
            ports: Vec::new(),
            added: 0,
            updated: 0,
            unchanged: 0,
            conflicts: 0,
            freed: 0,
            dry_run: false,
            configuration: None,
        };
        for port in &ports {
            *match port.outcome {
                ImportOutcome::Added => &mut report.added,
                ImportOutcome::Updated => &mut report.updated,
                ImportOutcome::Unchanged => &mut report.unchanged,
                ImportOutcome::Conflict => &mut report.conflicts,
                ImportOutcome::Freed => &mut report.freed,
            } += 1;
        }
        report.ports = ports;
        report
    }
}

/// Such as `3 added, 1 updated, 0 unchanged, 2 conflicts, 0 freed`.
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} added, {} updated, {} unchanged, {} conflicts, {} freed",
            self.added, self.updated, self.unchanged, self.conflicts, self.freed
        )
    }
}
