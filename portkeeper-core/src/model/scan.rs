use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Process, Socket, Status};

/// What a scan saw and what it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanReport {
    /// When the machine was looked at.
    pub scanned_at: DateTime<Utc>,
    /// Every TCP listener and UDP socket, by port, protocol and address.
    pub listeners: Vec<Socket>,
    /// What became of claims, by port.
    pub changes: Vec<StatusChange>,
}

/// One claim that a scan or a sweep changed. Each has its row in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChange {
    /// The port.
    pub port: u16,
    /// Whose it is, or was.
    pub project_name: String,
    /// The status before.
    pub from: Status,
    /// The status after; the same as before when only the process changed.
    pub to: Status,
    /// The process that listens now.
    pub process: Option<Process>,
}
