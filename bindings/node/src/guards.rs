//! Leases, holds and bound ports, by number.
//!
//! JavaScript has only the number. Were they tied to an object of JavaScript, a garbage collection
//! would release the port of `const { port } = await keeper.lease(…)` while its server listens.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::{BoundPort, Error, Hold, Lease, Ready, Result};

/// How long the end of a process or worker waits for a busy database. Later, the next sweep finds out.
const PATIENCE: Duration = Duration::from_millis(500);

pub enum Guard {
    Lease(Lease),
    Hold(Hold),
    Bound(BoundPort),
}

impl Guard {
    fn release(self) -> Result<()> {
        match self {
            Self::Lease(lease) => lease.release(),
            Self::Hold(hold) => {
                drop(hold);
                Ok(())
            }
            Self::Bound(bound) => {
                let (listener, lease) = bound.into_parts();
                drop(listener);
                lease.release()
            }
        }
    }
}

/// The guards of one JavaScript environment: the main thread's or a worker's.
#[derive(Default)]
pub struct Guards {
    table: Mutex<Table>,
    /// A release has come to its end.
    released: Condvar,
}

#[derive(Default)]
struct Table {
    last: u32,
    guards: HashMap<u32, Guard>,
    /// Releases that other threads are about.
    releasing: usize,
    /// The environment has ended: nobody is left who could release one.
    closed: bool,
}

impl Guards {
    /// The number for JavaScript. It may end before it gets it, so the guard is here from the start.
    pub fn add(&self, guard: Guard) -> Result<u32> {
        let mut table = self.lock();
        if table.closed {
            table.releasing += 1;
            drop(table);
            let released = guard.release();
            self.lock().releasing -= 1;
            self.released.notify_all();
            return Err(released.err().unwrap_or(Error::Cancelled("a call")));
        }
        table.last += 1;
        let id = table.last;
        table.guards.insert(id, guard);
        Ok(id)
    }

    /// Ends what the guard stands for. One that was ended already is no error.
    pub fn release(&self, id: u32) -> Result<()> {
        // Out of the table first: releasing may wait for other writers.
        let mut table = self.lock();
        let Some(guard) = table.guards.remove(&id) else {
            return Ok(());
        };
        table.releasing += 1;
        drop(table);
        let released = guard.release();
        self.lock().releasing -= 1;
        self.released.notify_all();
        released
    }

    /// Gives the listening socket of a bound port away. The lease stays.
    #[cfg(unix)]
    pub fn take_socket(&self, id: u32) -> Result<i32> {
        use std::os::fd::IntoRawFd;

        let mut table = self.lock();
        match table.guards.remove(&id) {
            Some(Guard::Bound(bound)) => {
                let (listener, lease) = bound.into_parts();
                table.guards.insert(id, Guard::Lease(lease));
                Ok(listener.into_raw_fd())
            }
            other => {
                other.map(|guard| table.guards.insert(id, guard));
                let what = "the socket of a port that was released".to_owned();
                Err(Error::Unsupported(what))
            }
        }
    }

    #[cfg(not(unix))]
    pub fn take_socket(&self, _id: u32) -> Result<i32> {
        Err(Error::Unsupported("a socket as a descriptor".to_owned()))
    }

    /// Gives a leased port another role, or none.
    pub fn set_role(&self, id: u32, port: i64, role: Option<String>) -> Result<()> {
        let port = u16::try_from(port).map_err(|_| Error::PortInvalid(port))?;
        match self.lock().guards.get_mut(&id) {
            Some(Guard::Lease(lease)) => lease.set_roles([(port, role)]),
            Some(_) => Err(unfit(id, "has no roles")),
            None => Err(unfit(id, "was released")),
        }
    }

    /// Lets go of a held port for a server that does not share it.
    pub fn lend(&self, id: u32) -> Result<()> {
        match self.lock().guards.get_mut(&id) {
            Some(Guard::Hold(hold)) => {
                hold.lend();
                Ok(())
            }
            _ => Err(unfit(id, "holds nothing")),
        }
    }

    /// Binds a lent port again, where it can be had.
    pub fn take_back(&self, id: u32) -> Result<bool> {
        match self.lock().guards.get_mut(&id) {
            Some(Guard::Hold(hold)) => Ok(hold.take_back()),
            _ => Err(unfit(id, "holds nothing")),
        }
    }

    /// What to wait for, so that the lease is checked too.
    pub fn ready(&self, id: u32) -> Result<Ready> {
        match self.lock().guards.get(&id) {
            Some(Guard::Lease(lease)) => Ok(Ready::from(lease)),
            Some(Guard::Bound(bound)) => Ok(Ready::from(bound)),
            Some(Guard::Hold(hold)) => Ok(Ready::port(hold.port())),
            None => Err(Error::InvalidInput {
                what: "lease",
                value: id.to_string(),
                reason: "was released".to_owned(),
            }),
        }
    }

    /// Ends all of them, because their environment does, and waits for those that others are about.
    pub fn release_all(self: &Arc<Self>) {
        let end = Instant::now() + PATIENCE;
        let mut table = self.lock();
        table.closed = true;
        let ids: Vec<u32> = table.guards.keys().copied().collect();
        drop(table);
        for id in ids {
            let guards = Arc::clone(self);
            self.lock().releasing += 1;
            let release = move || {
                // Nobody is left who could be told.
                let _ = guards.release(id);
                guards.lock().releasing -= 1;
                guards.released.notify_all();
            };
            if thread::Builder::new().spawn(release).is_err() {
                self.lock().releasing -= 1;
            }
        }
        let mut table = self.lock();
        while table.releasing > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.released.wait_timeout(table, left);
            (table, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unfit(id: u32, reason: &str) -> Error {
    Error::InvalidInput {
        what: "lease",
        value: id.to_string(),
        reason: reason.to_owned(),
    }
}
