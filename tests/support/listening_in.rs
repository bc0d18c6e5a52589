//! The real machine, and what a keeper told it.

use std::{ops::RangeInclusive, sync::Mutex};

use chrono::{DateTime, Utc};
use portkeeper_core::{
    ProcessIdentity, Result, Socket,
    host::{Earlier, Fate, Host, Known, Look, Probe, System, Wanted},
};

/// [`System`], which remembers where each look was told to search first.
#[derive(Debug, Default)]
pub struct ListeningIn {
    told: Mutex<Vec<Vec<Known>>>,
}

impl ListeningIn {
    /// What the looks since the last time were told.
    pub fn told(&self) -> Vec<Vec<Known>> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

impl Host for ListeningIn {
    fn look(&self, wanted: Wanted, earlier: &Earlier) -> Result<Look> {
        self.told.lock().unwrap().push(earlier.holders.clone());
        System.look(wanted, earlier)
    }

    fn now(&self) -> DateTime<Utc> {
        System.now()
    }

    fn probe(&self, port: u16) -> Result<Probe> {
        System.probe(port)
    }

    fn sockets(&self, wanted: Wanted) -> Result<Vec<Socket>> {
        System.sockets(wanted)
    }

    fn ephemeral_ports(&self) -> Option<RangeInclusive<u16>> {
        System.ephemeral_ports()
    }

    fn reserved_ports(&self) -> Vec<RangeInclusive<u16>> {
        System.reserved_ports()
    }

    fn identity(&self, pid: u32) -> Result<Option<ProcessIdentity>> {
        System.identity(pid)
    }

    fn fate(&self, process: &ProcessIdentity) -> Fate {
        System.fate(process)
    }

    fn descends(&self, pid: u32, ancestor: u32) -> bool {
        System.descends(pid, ancestor)
    }
}
