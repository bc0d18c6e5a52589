//! The database: one SQLite file, opened with care, read and written in short transactions.
//!
//! This module knows how to reach the file and its schema; what is stored there is decided by the
//! statements beside it. Nothing here sleeps while it holds an open connection, except for a `COMMIT`
//! that has to be repeated.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;

use crate::{
    error::{Error, Result},
    stop::Stop,
    value,
};

pub(crate) mod backup;
mod checksum;
mod column;
pub(crate) mod compact;
pub(crate) mod configurations;
mod connection;
mod copy;
mod create;
pub(crate) mod dump;
mod failure;
mod file;
pub(crate) mod file_system;
mod generation;
pub(crate) mod history;
pub(crate) mod leases;
mod migrate;
mod new_file;
mod open;
pub(crate) mod ports;
pub(crate) mod predecessor;
pub(crate) mod prune;
pub(crate) mod restore;
mod retry;
pub(crate) mod scans;
mod schema;
mod script;
mod seal;
pub(crate) mod source;
pub(crate) mod stats;
pub(crate) mod still;
mod sync;
#[cfg(test)]
mod tests;
mod untrusted;
pub(crate) mod verify;
mod watched;
mod within;

pub(crate) use checksum::sha256;
pub(crate) use failure::Failure;

use connection::Link;
use generation::Generation;
use retry::Patience;
use within::Within;

/// What stands for the path of a store without a file.
const MEMORY: &str = ":memory:";

/// See [`Store::enlarge_cache`].
const LARGE_CACHE: &str = "PRAGMA cache_size = -65536";

/// Where the registry is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file that every process of the user shares.
    File(PathBuf),
    /// The same, whatever its schema is by now: only to look for damage.
    Unchecked(PathBuf),
    /// The memory of this process; gone with the [`Store`].
    Memory,
}

/// What a transaction survives once it is acknowledged.
///
/// In both cases it survives the end of every process, by any signal. They differ in a power cut or a
/// crash of the operating system: simulated, [`Normal`](Self::Normal) lost the newest 293 of 5,724
/// transactions and [`Full`](Self::Full) none of 5,874. What is lost is always the newest; what is left
/// is consistent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Survives a power cut. Waits for the disk: milliseconds.
    Full,
    /// The newest transactions may be lost in a power cut. A tenth of a millisecond.
    Normal,
}

impl Durability {
    const ALL: [Self; 2] = [Self::Full, Self::Normal];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
        }
    }
}

/// From its word; `INVALID_INPUT` lists the words for any other.
impl FromStr for Durability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        value::word("durability", text, &Self::ALL, Self::as_str)
    }
}

/// Whether an operation takes the lock of writers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// The registry's database. Any number of threads may use one store, and so may a forked child. A clone
/// is cheap and uses the same connection.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    opened: Arc<Opened>,
    stop: Stop,
}

/// What the clones of a store share; the last one closes it.
#[derive(Debug)]
struct Opened {
    location: Location,
    busy_timeout: Duration,
    /// Whether it is the one of a long work, which may write rows that come from elsewhere.
    is_apart: bool,
    generations: Arc<Generation>,
}

impl Store {
    /// Opens the database, and creates, adopts or upgrades it where needed.
    ///
    /// `busy_timeout` bounds how long each later operation, and this one, waits for other writers, and
    /// `stop` may end each of these waits.
    pub(crate) fn open(location: Location, busy_timeout: Duration, stop: Stop) -> Result<Self> {
        Self::opened(location, busy_timeout, stop, false)
    }

    fn opened(
        location: Location,
        busy_timeout: Duration,
        stop: Stop,
        is_apart: bool,
    ) -> Result<Self> {
        portkeeper_locks::install();
        let location = match location {
            Location::File(path) => Location::File(file::resolve(&path)?),
            other => other,
        };
        let generations = Generation::current(match &location {
            Location::File(path) | Location::Unchecked(path) => path,
            Location::Memory => Path::new(MEMORY),
        });
        let store = Self {
            opened: Arc::new(Opened {
                location,
                busy_timeout,
                is_apart,
                generations,
            }),
            stop,
        };
        store.attempts(Access::Read, |_| Ok(()))?;
        Ok(store)
    }

    /// A second connection, for work that takes long: the keeper's own stays free for its other
    /// threads. A database in memory has one connection alone, which then is this one.
    pub(crate) fn apart(&self) -> Result<Self> {
        match &self.opened.location {
            Location::Memory => Ok(self.clone()),
            file => {
                // Otherwise a new database would be made where the keeper's own was removed.
                self.attempts(Access::Read, |link| Ok(link.check_file(self.path())?))?;
                self.opened_again(file.clone())
            }
        }
    }

    /// The same, to a database whose schema may have been altered since it was opened.
    pub(crate) fn unchecked(&self) -> Result<Self> {
        match &self.opened.location {
            Location::File(path) => self.opened_again(Location::Unchecked(path.clone())),
            _ => self.apart(),
        }
    }

    fn opened_again(&self, location: Location) -> Result<Self> {
        Self::opened(location, self.opened.busy_timeout, self.stop.clone(), true)
    }

    /// The same, whose waits for other writers end when `stop` says so.
    pub(crate) fn stopped_by(&self, stop: Stop) -> Self {
        Self {
            opened: Arc::clone(&self.opened),
            stop,
        }
    }

    fn patience(&self) -> Patience {
        Patience::new(self.opened.busy_timeout, self.stop.clone())
    }

    /// Gives the connection 64 MB of cache: with the usual 2 MB, work on every row of a large table
    /// reads most pages of its indexes again and again.
    pub(crate) fn enlarge_cache(&self) -> Result<()> {
        self.with_connection(|db| Ok(db.execute_batch(LARGE_CACHE)?))
    }

    /// Whether other processes can see it.
    pub(crate) fn is_shared(&self) -> bool {
        self.opened.location != Location::Memory
    }

    /// The file, with links in its folder resolved; `:memory:` for a store without one.
    pub(crate) fn path(&self) -> &Path {
        match &self.opened.location {
            Location::File(path) | Location::Unchecked(path) => path,
            Location::Memory => Path::new(MEMORY),
        }
    }

    /// Runs `body` on one snapshot. It is run again when the database was busy.
    pub(crate) fn read<T>(
        &self,
        mut body: impl FnMut(&Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        self.attempts(Access::Read, |link| {
            let db = &link.connection;
            connection::run(db, "BEGIN")?;
            let value = body(db).inspect_err(|_| connection::roll_back(db))?;
            connection::run(db, "COMMIT")?;
            Ok(value)
        })
    }

    /// Runs a `body` of one statement, which is a snapshot by itself: cheaper than [`Store::read`].
    pub(crate) fn read_one<T>(
        &self,
        mut body: impl FnMut(&Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        self.attempts(Access::Read, |link| body(&link.connection))
    }

    /// Hands out the connection itself, outside of a transaction. `body` is run again when the
    /// database was busy.
    pub(crate) fn with_connection<T>(
        &self,
        mut body: impl FnMut(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        self.attempts(Access::Read, |link| body(&mut link.connection))
    }

    /// The same for a `body` that writes.
    pub(crate) fn with_writer<T>(
        &self,
        mut body: impl FnMut(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        self.attempts(Access::Write, |link| body(&mut link.connection))
    }

    /// Runs `body` in one write transaction and commits it, unless `body` fails.
    ///
    /// `body` is run again from the start when the database was busy; what it did before was rolled
    /// back. An error that says that the outcome is unknown may stand for a stored change.
    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        mut body: impl FnMut(&Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        let patience = self.patience();
        self.attempts(Access::Write, |link| {
            link.check_file(self.path())?;
            link.set_durability(durability)?;
            let db = &link.connection;
            connection::run(db, "BEGIN IMMEDIATE")?;
            let value = body(db)
                .and_then(|value| {
                    connection::commit(db, self.path(), &patience)?;
                    Ok(value)
                })
                .inspect_err(|_| connection::roll_back(db))?;
            Ok(value)
        })
    }

    /// Runs `body` in a write transaction and rolls it back, whatever it says.
    pub(crate) fn rehearse<T>(
        &self,
        mut body: impl FnMut(&Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        self.attempts(Access::Write, |link| {
            link.check_file(self.path())?;
            let db = &link.connection;
            connection::run(db, "BEGIN IMMEDIATE")?;
            let value = body(db);
            connection::roll_back(db);
            value
        })
    }

    /// Does what writes here when nothing that this thread is in the middle of forbids it: at once, or as
    /// soon as that has ended.
    pub(crate) fn soon(&self, job: impl FnOnce() + 'static) {
        within::soon(self.generation(), job);
    }

    /// The place of this process's connection.
    fn generation(&self) -> &Arc<Generation> {
        match self.opened.location {
            // A private copy of the memory is all that a forked child needs.
            Location::Memory => &self.opened.generations,
            Location::File(_) | Location::Unchecked(_) => self.opened.generations.of_this_process(),
        }
    }

    /// Calls `operation` with this process's connection until the database is not busy. The
    /// connection is free for other threads between two calls.
    fn attempts<T>(
        &self,
        access: Access,
        mut operation: impl FnMut(&mut Link) -> Result<T, Failure>,
    ) -> Result<T> {
        let patience = self.patience();
        let generation = self.generation();
        patience
            .retry(|| {
                // Not while it waits: what stops a wait may use the keeper.
                let _within = Within::begin(generation, access == Access::Write)?;
                let _inside = still::enter();
                let mut guard = generation.lock();
                let link = match &mut *guard {
                    Some(link) => link,
                    empty => empty.insert(self.connect(generation, &patience)?),
                };
                link.end_abandoned_transaction()?;
                operation(link)
            })
            .map_err(|failure| failure.at(self.path()))
    }

    /// Opens the connection for `generation`, which is locked.
    fn connect(&self, generation: &Arc<Generation>, patience: &Patience) -> Result<Link, Failure> {
        match &self.opened.location {
            Location::File(path) => {
                generation.announce()?;
                let link = open::file(path, patience)?;
                if !self.opened.is_apart {
                    link.leave_out_checks()?;
                }
                Ok(link)
            }
            Location::Unchecked(path) => {
                generation.announce()?;
                open::unchecked(path)
            }
            Location::Memory => open::memory(),
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.location != Location::Memory {
            self.generations.end();
        }
    }
}
