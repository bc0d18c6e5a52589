use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

#[cfg(target_os = "linux")]
use super::linux as platform;
#[cfg(not(target_os = "linux"))]
use super::portable as platform;
use super::{
    Earlier, Fate, Host, Look, Probe, ProcessHandle, Wanted, fate, lineage, probe, ranges,
};
use crate::{
    error::Result,
    model::{ProcessIdentity, Socket, timestamp},
};

/// The machine this process runs on.
///
/// It has no state: every answer is what the operating system says at the moment of the call.
///
/// ```
/// use std::net::TcpListener;
///
/// use portkeeper_core::host::{Host, Probe, System, Wanted};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let port = listener.local_addr()?.port();
///
/// assert_eq!(System.probe(port)?, Probe::Taken);
/// let sockets = System.sockets(Wanted::Port(port))?;
/// assert_eq!(sockets[0].pid(), Some(std::process::id()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Host for System {
    fn now(&self) -> DateTime<Utc> {
        timestamp::now()
    }

    fn probe(&self, port: u16) -> Result<Probe> {
        probe::probe(port)
    }

    fn sockets(&self, wanted: Wanted) -> Result<Vec<Socket>> {
        platform::sockets(wanted)
    }

    fn look(&self, wanted: Wanted, earlier: &Earlier) -> Result<Look> {
        platform::look(wanted, earlier)
    }

    fn ephemeral_ports(&self) -> Option<RangeInclusive<u16>> {
        ranges::ephemeral_ports()
    }

    fn reserved_ports(&self) -> Vec<RangeInclusive<u16>> {
        ranges::reserved_by_kernel()
    }

    fn user(&self) -> u32 {
        #[cfg(unix)]
        let user = rustix::process::geteuid().as_raw();
        #[cfg(not(unix))]
        let user = 0;
        user
    }

    fn identity(&self, pid: u32) -> Result<Option<ProcessIdentity>> {
        platform::identity(pid)
    }

    fn fate(&self, process: &ProcessIdentity) -> Fate {
        fate::judge(process, &platform::here(), platform::present(process.pid))
    }

    fn descends(&self, pid: u32, ancestor: u32) -> bool {
        lineage::descends(pid, ancestor, platform::kin)
    }

    fn handle(&self, pid: u32) -> Result<Option<Box<dyn ProcessHandle>>> {
        platform::handle(pid)
    }
}
