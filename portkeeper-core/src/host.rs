//! What the operating system knows, behind one trait so that rules are tested without it.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::{
    error::{Error, Result},
    model::{ProcessIdentity, Socket},
};

mod fate;
mod handle;
mod lineage;
#[cfg(target_os = "linux")]
mod linux;
mod owners;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;
mod probe;
mod ranges;
mod sockets;
mod system;
mod table;

pub use handle::{Nature, ProcessHandle, Signal};
pub use ranges::{ephemeral_ports, reserved_by_kernel};
pub use system::System;

/// The machine as the engine sees it. [`System`] is the real one; tests may bring their own.
pub trait Host: fmt::Debug + Send + Sync {
    /// The present, in whole seconds.
    fn now(&self) -> DateTime<Utc>;

    /// Whether a server could bind `port` now, for TCP and UDP on every address.
    ///
    /// Never disturbs a TCP server that sets `SO_REUSEADDR` and starts at the same moment.
    fn probe(&self, port: u16) -> Result<Probe>;

    /// The sockets that are asked for, with their owners, by port, protocol and address.
    fn sockets(&self, wanted: Wanted) -> Result<Vec<Socket>>;

    /// Who `pid` is; `None` when there is no such process.
    fn identity(&self, pid: u32) -> Result<Option<ProcessIdentity>>;

    /// Whether a process that was seen before still lives.
    fn fate(&self, process: &ProcessIdentity) -> Fate;

    /// Whether `pid` is `ancestor` or one of its descendants.
    fn descends(&self, pid: u32, ancestor: u32) -> bool;

    /// Takes hold of `pid`, to end that very process; `None` when there is no such process.
    ///
    /// A host that does not say otherwise ends no process: `UNSUPPORTED`.
    fn handle(&self, pid: u32) -> Result<Option<Box<dyn ProcessHandle>>> {
        Err(Error::Unsupported(format!("ending process {pid}")))
    }
}

/// The answer of a bind probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Both protocols can be bound.
    Free,
    /// Something has the port, for TCP or UDP.
    Taken,
    /// The caller lacks the rights for a port this low.
    Privileged,
    /// The operating system keeps the port back.
    Excluded,
}

/// Which sockets to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Every TCP listener and every UDP socket.
    Listeners,
    /// Every socket in any state whose local port is this one.
    Port(u16),
}

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Alive,
    /// It ended; its pid may be another process's by now.
    Dead,
    /// It cannot be told: it lives in another namespace, or may not be looked at.
    Unknown,
}
