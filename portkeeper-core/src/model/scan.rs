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
    /// Who listed the sockets.
    pub source: Source,
}

/// Where a list of sockets comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Source {
    /// Linux's `sock_diag`, over netlink.
    SockDiag,
    /// `/proc/net`, where netlink is denied. It lacks sockets that are bound and do not listen.
    ProcNet,
    /// The netstat2 crate, on every other platform.
    Netstat2,
    /// A [host](crate::host::Host) of the caller's own.
    Other,
}

impl Source {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SockDiag => "sock-diag",
            Self::ProcNet => "proc-net",
            Self::Netstat2 => "netstat2",
            Self::Other => "other",
        }
    }
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
