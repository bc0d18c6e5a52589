use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// A backup that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupReport {
    /// The file, with links resolved.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its pages.
    pub pages: u64,
    /// The rows in it, of all tables.
    pub rows: u64,
}

/// The size of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// The file; `:memory:` for a registry without one.
    pub path: PathBuf,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of the write-ahead log beside it.
    pub wal_bytes: u64,
    /// Pages, those in the log included.
    pub pages: u64,
    /// Bytes of a page.
    pub page_size: u64,
    /// Pages that hold nothing; `compact` gives them back.
    pub free_pages: u64,
    /// The version of the schema.
    pub schema_version: u32,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PruneReport {
    /// Entries of the history.
    pub history: u64,
    /// Rows of scans.
    pub scans: u64,
}

/// What compacting gained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompactReport {
    /// Bytes of the file and its log before.
    pub bytes_before: u64,
    /// Bytes of the file and its log after; other processes may have written meanwhile.
    pub bytes_after: u64,
}

/// Something about the registry that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub kind: FindingKind,
    /// The port it is about, where it is about one.
    pub port: Option<i64>,
    /// A sentence that names the row.
    pub message: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Answers are right; a later operation mends it, or somebody should look.
    Warning,
    /// Answers may be wrong: restore a backup, or repair the row.
    Error,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// SQLite's own check of the file's pages, indexes and constraints.
    Integrity,
    /// A row refers to one that is missing.
    ForeignKey,
    /// The tables, indexes, triggers or views are not those of this version.
    Schema,
    /// A number is no port.
    Port,
    /// A project name is blank, a value has a type that it must not have, a saved document is not what its
    /// checksum was made of, or a row could not be restored or exported.
    Value,
    /// A timestamp is not in the stored form.
    Timestamp,
    /// A text is not the JSON that it must be.
    Json,
    /// The history does not imply exactly the claims that are open, with their descriptions.
    History,
    /// A lease belongs to no claim.
    Lease,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// The backup of the state before; `None` where nothing changed, and for a registry in memory.
    pub safety_backup: Option<PathBuf>,
    /// Claims that were made, or became what they are in the source.
    pub restored: u64,
    /// Claims that ended, since the source does not have them.
    pub released: u64,
    /// Entries of the history that came from the source.
    pub history: u64,
    /// Configurations that came from the source.
    pub configurations: u64,
}
