use chrono::{DateTime, Utc};
use napi_derive::napi;
use portkeeper_core as core;

use super::{Reservation, number};

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Socket {
    pub port: u16,
    pub protocol: String,
    pub address: String,
    pub state: String,
    pub remote: Option<String>,
    pub owner: String,
    pub processes: Vec<Process>,
    pub uid: Option<u32>,
    pub inode: f64,
}

impl From<core::Socket> for Socket {
    fn from(socket: core::Socket) -> Self {
        let core::Socket {
            port,
            protocol,
            address,
            state,
            remote,
            owner,
            processes,
            uid,
            inode,
        } = socket;
        Self {
            port,
            protocol: protocol.as_str().to_owned(),
            address: address.to_string(),
            state: state.as_str().to_owned(),
            remote: remote.map(|remote| remote.to_string()),
            owner: owner.as_str().to_owned(),
            processes: processes.into_iter().map(Into::into).collect(),
            uid,
            inode: number(inode),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Process {
    pub pid: u32,
    pub name: String,
}

impl From<core::Process> for Process {
    fn from(process: core::Process) -> Self {
        let core::Process { pid, name } = process;
        Self { pid, name }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ScanReport {
    pub scanned_at: DateTime<Utc>,
    pub listeners: Vec<Socket>,
    pub changes: Vec<StatusChange>,
    pub source: String,
}

impl From<core::ScanReport> for ScanReport {
    fn from(report: core::ScanReport) -> Self {
        let core::ScanReport {
            scanned_at,
            listeners,
            changes,
            source,
        } = report;
        Self {
            scanned_at,
            listeners: listeners.into_iter().map(Into::into).collect(),
            changes: changes.into_iter().map(Into::into).collect(),
            source: source.as_str().to_owned(),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct StatusChange {
    pub port: u16,
    pub project_name: String,
    pub from: String,
    pub to: String,
    pub process: Option<Process>,
}

impl From<core::StatusChange> for StatusChange {
    fn from(change: core::StatusChange) -> Self {
        let core::StatusChange {
            port,
            project_name,
            from,
            to,
            process,
        } = change;
        Self {
            port,
            project_name,
            from: from.as_str().to_owned(),
            to: to.as_str().to_owned(),
            process: process.map(Into::into),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct KillReport {
    pub port: u16,
    pub killed: Vec<KilledProcess>,
    pub reservation: Option<Reservation>,
}

impl From<core::KillReport> for KillReport {
    fn from(report: core::KillReport) -> Self {
        let core::KillReport {
            port,
            killed,
            reservation,
        } = report;
        Self {
            port,
            killed: killed.into_iter().map(Into::into).collect(),
            reservation: reservation.map(Into::into),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct KilledProcess {
    pub pid: u32,
    pub name: String,
    pub forced: bool,
}

impl From<core::KilledProcess> for KilledProcess {
    fn from(process: core::KilledProcess) -> Self {
        let core::KilledProcess { pid, name, forced } = process;
        Self { pid, name, forced }
    }
}
