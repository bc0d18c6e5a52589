//! The database: one SQLite file, opened with care, read and written in short transactions.
//!
//! This module knows how to reach the file and its schema; what is stored there is decided by the
//! statements beside it. Nothing here sleeps while it holds an open connection, except for a `COMMIT`
//! that has to be repeated.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;

use crate::error::Result;

mod checksum;
pub(crate) mod configurations;
mod connection;
mod failure;
mod file;
mod generation;
pub(crate) mod history;
pub(crate) mod leases;
mod migrate;
mod open;
pub(crate) mod ports;
pub(crate) mod predecessor;
mod retry;
pub(crate) mod scans;
mod schema;
#[cfg(test)]
mod tests;

pub(crate) use checksum::sha256;
pub(crate) use failure::Failure;

use connection::Link;
use generation::Generation;
use retry::Patience;

/// What stands for the path of a store without a file.
const MEMORY: &str = ":memory:";

/// Where the registry is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file that every process of the user shares.
    File(PathBuf),
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

/// The registry's database. Any number of threads may use one store, and so may a forked child.
#[derive(Debug)]
pub(crate) struct Store {
    location: Location,
    busy_timeout: Duration,
    generations: Arc<Generation>,
}

impl Store {
    /// Opens the database, and creates, adopts or upgrades it where needed.
    ///
    /// `busy_timeout` bounds how long each later operation, and this one, waits for other writers.
    pub(crate) fn open(location: Location, busy_timeout: Duration) -> Result<Self> {
        let location = match location {
            Location::File(path) => Location::File(file::resolve(&path)?),
            Location::Memory => Location::Memory,
        };
        let generations = Generation::current(match &location {
            Location::File(path) => path,
            Location::Memory => Path::new(MEMORY),
        });
        let store = Self {
            location,
            busy_timeout,
            generations,
        };
        store.attempts(|_| Ok(()))?;
        Ok(store)
    }

    /// The file, with links in its folder resolved; `:memory:` for a store without one.
    pub(crate) fn path(&self) -> &Path {
        match &self.location {
            Location::File(path) => path,
            Location::Memory => Path::new(MEMORY),
        }
    }

    /// Runs `body` on one snapshot. It is run again when the database was busy.
    pub(crate) fn read<T>(
        &self,
        mut body: impl FnMut(&Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        self.attempts(|link| {
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
        self.attempts(|link| body(&link.connection))
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
        let patience = Patience::new(self.busy_timeout);
        self.attempts(|link| {
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
        self.attempts(|link| {
            link.check_file(self.path())?;
            let db = &link.connection;
            connection::run(db, "BEGIN IMMEDIATE")?;
            let value = body(db);
            connection::roll_back(db);
            value
        })
    }

    /// Calls `operation` with this process's connection until the database is not busy. The
    /// connection is free for other threads between two calls.
    fn attempts<T>(&self, mut operation: impl FnMut(&mut Link) -> Result<T, Failure>) -> Result<T> {
        let patience = Patience::new(self.busy_timeout);
        let generation = match self.location {
            // A private copy of the memory is all that a forked child needs.
            Location::Memory => &self.generations,
            Location::File(_) => self.generations.of_this_process(),
        };
        patience
            .retry(|| {
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
        match &self.location {
            Location::File(path) => {
                generation.announce()?;
                open::file(path, patience)
            }
            Location::Memory => open::memory(),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if matches!(self.location, Location::File(_)) {
            self.generations.end();
        }
    }
}
