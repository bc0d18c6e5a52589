//! What the operating system knows, behind one trait so that rules are tested without it.

use std::{fmt, ops::RangeInclusive};

use chrono::{DateTime, Utc};

use crate::{
    error::{Error, Result},
    model::{ProcessIdentity, Socket, Source},
};

mod bind;
mod fate;
mod handle;
mod hold;
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

pub use crate::model::{Earlier, Fate, Known, Probe};
pub use handle::{Nature, ProcessHandle, Signal};
pub(crate) use hold::hold;
#[cfg(target_os = "linux")]
pub(crate) use hold::hold_exclusively;
pub use ranges::{ephemeral_ports, reserved_by_kernel};
pub use system::System;

/// The machine as the engine sees it. [`System`] is the real one; tests may bring their own.
pub trait Host: fmt::Debug + Send + Sync {
    /// The present, in whole seconds.
    fn now(&self) -> DateTime<Utc>;

    /// Whether a server could bind `port` now, for TCP and UDP on every address.
    ///
    /// Never disturbs a TCP server that sets `SO_REUSEADDR` and starts at the same moment. So it does
    /// not see a TCP socket that sets it too and does not listen: ask for [`Wanted::Bound`].
    fn probe(&self, port: u16) -> Result<Probe>;

    /// The sockets that are asked for, with their owners, by port, protocol and address.
    fn sockets(&self, wanted: Wanted) -> Result<Vec<Socket>>;

    /// The sockets that are asked for, each with one of its processes at least, where there is one, and
    /// those of that one's ancestors that have the socket as well. What an `earlier` look saw is tried
    /// first.
    ///
    /// Much cheaper than [`sockets`](Self::sockets), which finds every process. A host that has no cheaper
    /// way finds them here, too.
    fn look(&self, wanted: Wanted, earlier: &Earlier) -> Result<Look> {
        let _ = earlier;
        Ok(Look {
            sockets: self.sockets(wanted)?,
            source: Source::Other,
            holders: Vec::new(),
        })
    }

    /// The ports that the kernel gives to outgoing connections, where the platform tells.
    fn ephemeral_ports(&self) -> Option<RangeInclusive<u16>>;

    /// The ports that the administrator keeps from outgoing connections, for servers of his own.
    fn reserved_ports(&self) -> Vec<RangeInclusive<u16>>;

    /// Which user looks: what one may not see, another may. 0 where there are no numbers for users.
    fn user(&self) -> u32 {
        0
    }

    /// Who `pid` is; `None` when there is no such process.
    ///
    /// A process that may not be looked at is [`PERMISSION_DENIED`](crate::ErrorKind::PermissionDenied).
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

/// What [`Host::look`] saw.
#[derive(Debug, Clone)]
pub struct Look {
    /// The sockets, by port, protocol and address.
    pub sockets: Vec<Socket>,
    /// Who listed them.
    pub source: Source,
    /// Where the processes have them, for the next look.
    pub holders: Vec<Known>,
}

/// Which sockets to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Every TCP listener, and every UDP socket that is not known to be connected to a peer.
    Listeners,
    /// The same, on this port alone.
    Server(u16),
    /// Every socket that listens or is connected, or was, and whose local port is this one.
    Port(u16),
    /// The TCP sockets on this port that are bound and neither listen nor are connected: held ports
    /// and servers about to start, and for some microseconds the probes of other processes. Only
    /// Linux 6.8 and later lists them; elsewhere there are none.
    Bound(u16),
}
