//! The real machine with some answers altered.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{
    collections::HashSet,
    fmt, mem,
    ops::RangeInclusive,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use portkeeper_core::{
    ProcessIdentity, Result, Socket,
    host::{Earlier, Fate, Host, Known, Look, Probe, ProcessHandle, System, Wanted},
};

type Hook = Box<dyn FnOnce() + Send>;

/// [`System`], whose clock stands still until it is put forward, whose probe can be made to lie, which lets
/// something happen at one of its questions, and which remembers where each look was told to search first.
pub struct Altered {
    begin: DateTime<Utc>,
    later: AtomicI64,
    lied_about: Mutex<Option<HashSet<u16>>>,
    at_fate: Mutex<Option<Hook>>,
    at_now: Mutex<Option<Hook>>,
    after_look: Mutex<Option<Hook>>,
    told: Mutex<Vec<Vec<Known>>>,
}

impl Default for Altered {
    fn default() -> Self {
        Self {
            begin: System.now(),
            later: AtomicI64::default(),
            lied_about: Mutex::default(),
            at_fate: Mutex::default(),
            at_now: Mutex::default(),
            after_look: Mutex::default(),
            told: Mutex::default(),
        }
    }
}

impl Altered {
    pub fn forward(&self, seconds: i64) {
        self.later.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Calls each port free the next time, as if it was taken just after that.
    pub fn blind(&self) {
        *self.lied_about.lock().unwrap() = Some(HashSet::new());
    }

    /// Happens the next time that somebody asks what became of a process.
    pub fn at_fate(&self, hook: impl FnOnce() + Send + 'static) {
        *self.at_fate.lock().unwrap() = Some(Box::new(hook));
    }

    /// Happens the next time that somebody asks what time it is; the answer is the time before.
    pub fn at_now(&self, hook: impl FnOnce() + Send + 'static) {
        *self.at_now.lock().unwrap() = Some(Box::new(hook));
    }

    /// Happens when the next look is over, and before anybody is told what it saw.
    pub fn after_look(&self, hook: impl FnOnce() + Send + 'static) {
        *self.after_look.lock().unwrap() = Some(Box::new(hook));
    }

    /// What the looks since the last time were told.
    pub fn told(&self) -> Vec<Vec<Known>> {
        mem::take(&mut *self.told.lock().unwrap())
    }
}

fn take(hook: &Mutex<Option<Hook>>) -> Option<Hook> {
    hook.lock().unwrap().take()
}

impl fmt::Debug for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Altered")
    }
}

impl Host for Altered {
    fn now(&self) -> DateTime<Utc> {
        let now = self.begin + TimeDelta::seconds(self.later.load(Ordering::SeqCst));
        if let Some(hook) = take(&self.at_now) {
            hook();
        }
        now
    }

    fn probe(&self, port: u16) -> Result<Probe> {
        if let Some(lied_about) = &mut *self.lied_about.lock().unwrap()
            && lied_about.insert(port)
        {
            return Ok(Probe::Free);
        }
        System.probe(port)
    }

    fn look(&self, wanted: Wanted, earlier: &Earlier) -> Result<Look> {
        self.told.lock().unwrap().push(earlier.holders.clone());
        let look = System.look(wanted, earlier);
        if let Some(hook) = take(&self.after_look) {
            hook();
        }
        look
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

    fn user(&self) -> u32 {
        System.user()
    }

    fn identity(&self, pid: u32) -> Result<Option<ProcessIdentity>> {
        System.identity(pid)
    }

    fn fate(&self, process: &ProcessIdentity) -> Fate {
        if let Some(hook) = take(&self.at_fate) {
            hook();
        }
        System.fate(process)
    }

    fn descends(&self, pid: u32, ancestor: u32) -> bool {
        System.descends(pid, ancestor)
    }

    fn handle(&self, pid: u32) -> Result<Option<Box<dyn ProcessHandle>>> {
        System.handle(pid)
    }
}
