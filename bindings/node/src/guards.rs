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

use crate::args::invalid;

/// How long the end of a process or worker waits for a busy database. Later, the next sweep finds out.
const PATIENCE: Duration = Duration::from_millis(500);

pub enum Guard {
    Lease(Lease),
    Hold(Hold),
    Bound(BoundPort),
}

impl Guard {
    /// Ends what it stands for. After an error it can be tried again.
    fn give_back(slot: &mut Option<Self>) -> Result<()> {
        // The socket of a bound port goes first, and a lease is left.
        *slot = match slot.take() {
            Some(Self::Bound(bound)) => Some(Self::Lease(bound.into_parts().1)),
            other => other,
        };
        if let Some(Self::Lease(lease)) = slot {
            // The signal of the call that made it is none of this one.
            lease.patient().give_back()?;
        }
        *slot = None;
        Ok(())
    }
}

/// A guard with a lock of its own, since to change or release one may wait for other writers.
type Slot = Arc<Mutex<Option<Guard>>>;

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
    guards: HashMap<u32, Slot>,
    /// Releases that threads are about.
    releasing: usize,
    /// The environment has ended: nobody is left who could release one.
    closed: bool,
}

impl Guards {
    /// The number for JavaScript. It may end before it gets it, so the guard is here from the start.
    pub fn add(&self, guard: Guard) -> Result<u32> {
        let mut table = lock(&self.table);
        if table.closed {
            table.releasing += 1;
            drop(table);
            let released = Guard::give_back(&mut Some(guard));
            self.count_release();
            return Err(released.err().unwrap_or(Error::Cancelled("a call")));
        }
        table.last += 1;
        let id = table.last;
        table.guards.insert(id, Arc::new(Mutex::new(Some(guard))));
        Ok(id)
    }

    /// Ends what the guard stands for. One that was ended already is no error.
    pub fn release(&self, id: u32) -> Result<()> {
        let mut table = lock(&self.table);
        let Some(slot) = table.guards.get(&id).map(Arc::clone) else {
            return Ok(());
        };
        table.releasing += 1;
        drop(table);
        let released = Guard::give_back(&mut lock(&slot));
        if released.is_ok() {
            lock(&self.table).guards.remove(&id);
        }
        self.count_release();
        released
    }

    fn count_release(&self) {
        lock(&self.table).releasing -= 1;
        self.released.notify_all();
    }

    /// What there is of a guard; of one that was released, nothing.
    fn with<T>(&self, id: u32, work: impl FnOnce(&mut Option<Guard>) -> Result<T>) -> Result<T> {
        let slot = lock(&self.table).guards.get(&id).map(Arc::clone);
        match slot {
            Some(slot) => work(&mut lock(&slot)),
            None => work(&mut None),
        }
    }

    /// Gives the listening socket of a bound port away. The lease stays.
    #[cfg(unix)]
    pub fn take_socket(&self, id: u32) -> Result<i32> {
        use std::os::fd::IntoRawFd;

        self.with(id, |slot| match slot.take() {
            Some(Guard::Bound(bound)) => {
                let (listener, lease) = bound.into_parts();
                *slot = Some(Guard::Lease(lease));
                Ok(listener.into_raw_fd())
            }
            other => {
                *slot = other;
                let what = "the socket of a port that was released".to_owned();
                Err(Error::Unsupported(what))
            }
        })
    }

    #[cfg(not(unix))]
    pub fn take_socket(&self, _id: u32) -> Result<i32> {
        Err(Error::Unsupported("a socket as a descriptor".to_owned()))
    }

    /// Gives a leased port another role, or none.
    pub fn set_role(&self, id: u32, port: i64, role: Option<String>) -> Result<()> {
        let port = u16::try_from(port).map_err(|_| Error::PortInvalid(port))?;
        self.with(id, |slot| match slot {
            Some(Guard::Lease(lease)) => lease.patient().set_roles([(port, role)]),
            Some(_) => Err(unfit(id, "has no roles")),
            None => Err(unfit(id, "was released")),
        })
    }

    /// Lets go of a held port for a server that does not share it.
    pub fn lend(&self, id: u32) -> Result<()> {
        self.with(id, |slot| match slot {
            Some(Guard::Hold(hold)) => {
                hold.lend();
                Ok(())
            }
            _ => Err(unfit(id, "holds nothing")),
        })
    }

    /// Binds a lent port again, where it can be had.
    pub fn take_back(&self, id: u32) -> Result<bool> {
        self.with(id, |slot| match slot {
            Some(Guard::Hold(hold)) => Ok(hold.take_back()),
            _ => Err(unfit(id, "holds nothing")),
        })
    }

    /// What to wait for, so that the lease is checked too.
    pub fn ready(&self, id: u32) -> Result<Ready> {
        self.with(id, |slot| match slot {
            Some(Guard::Lease(lease)) => Ok(Ready::from(&*lease)),
            Some(Guard::Bound(bound)) => Ok(Ready::from(&*bound)),
            Some(Guard::Hold(hold)) => Ok(Ready::port(hold.port())),
            None => Err(unfit(id, "was released")),
        })
    }

    /// Ends all of them, because their environment does, and waits for those that others are about.
    pub fn release_all(self: &Arc<Self>) {
        let end = Instant::now() + PATIENCE;
        let mut table = lock(&self.table);
        table.closed = true;
        let ids: Vec<u32> = table.guards.keys().copied().collect();
        table.releasing += ids.len();
        drop(table);
        for id in ids {
            let guards = Arc::clone(self);
            let release = move || {
                // Nobody is left who could be told.
                let _ = guards.release(id);
                guards.count_release();
            };
            if thread::Builder::new().spawn(release).is_err() {
                self.count_release();
            }
        }
        let mut table = lock(&self.table);
        while table.releasing > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.released.wait_timeout(table, left);
            (table, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A panic is an `INTERNAL` error of its call, and what the lock guards is whole between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unfit(id: u32, reason: &str) -> Error {
    invalid("lease", id.to_string(), reason)
}
