//! One open connection and what has to be remembered about it.

use std::path::Path;

use rusqlite::{Connection, config::DbConfig};

use super::{
    Durability, Failure,
    failure::kind,
    file::{self, Identity},
    retry::{Patience, is_busy},
};
use crate::error::Error;

/// Statements that are kept prepared. More than the engine has, so that none is ever compiled twice.
const PREPARED_STATEMENTS: usize = 64;

/// A connection to a database whose schema is the present one.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    /// Which file it is; `None` in memory.
    identity: Option<Identity>,
    durability: Durability,
}

impl Link {
    /// Takes over a connection that was [`prepare`]d and migrated.
    pub(super) fn new(
        connection: Connection,
        identity: Option<Identity>,
    ) -> Result<Self, rusqlite::Error> {
        // The log is reused from its beginning after every 4 MB. A limit below that would cut it off each
        // time, and a commit that has to extend the file takes twice as long.
        connection.execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 8388608; PRAGMA synchronous = FULL;",
        )?;
        connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        Ok(Self {
            connection,
            identity,
            durability: Durability::Full,
        })
    }

    /// Leaves out the CHECKs of the tables, for rows that the engine makes of typed values. SQLite builds the list of
    /// `status IN ('reserved', 'in-use', 'free')` anew for every row that is written: 6 % of a reservation's time, and
    /// 14 % of that of a first scan with 1,000 listeners.
    pub(super) fn leave_out_checks(&self) -> Result<(), rusqlite::Error> {
        self.connection
            .execute_batch("PRAGMA ignore_check_constraints = ON")
    }

    /// Refuses a file that is no longer the one at `path`: what is written to it, nobody reads.
    pub(super) fn check_file(&self, path: &Path) -> Result<(), Error> {
        match &self.identity {
            Some(identity) => file::check_unchanged(path, identity),
            None => Ok(()),
        }
    }

    /// Sets what the next transaction survives. Must not be called within one.
    pub(super) fn set_durability(&mut self, durability: Durability) -> Result<(), rusqlite::Error> {
        if self.durability != durability {
            self.connection.execute_batch(match durability {
                Durability::Full => "PRAGMA synchronous = FULL",
                Durability::Normal => "PRAGMA synchronous = NORMAL",
            })?;
            self.durability = durability;
        }
        Ok(())
    }

    /// Whether nothing is under way on it.
    pub(super) fn is_idle(&self) -> bool {
        self.connection.is_autocommit() && !self.connection.is_busy()
    }

    /// Closes the connection and writes nothing, neither to the database nor to its log.
    ///
    /// Where SQLite refuses that, the connection is leaked: it must not be closed in any other way.
    pub(super) fn close_without_checkpoint(self) {
        let harmless = self
            .connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if harmless.is_err() {
            std::mem::forget(self);
        }
    }

    /// Rolls back what a panic in another thread, or a failed rollback, left open.
    pub(super) fn end_abandoned_transaction(&self) -> Result<(), rusqlite::Error> {
        if self.connection.is_autocommit() {
            Ok(())
        } else {
            self.connection.execute_batch("ROLLBACK")
        }
    }
}

/// Makes a new connection harmless, before it reads anything.
///
/// Triggers are for other programs, and a hostile one would run with the engine's rights. Foreign keys
/// stay off until the migrations ran, since rows of an adopted database may already violate them.
pub(super) fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    // The engine has its own way to wait, see `retry`; rusqlite sets five seconds by itself.
    connection.busy_timeout(std::time::Duration::ZERO)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    // Otherwise SQLite compiles a statement again at each use whose plan might depend on a bound value,
    // which made a point read seven times as slow.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("PRAGMA cell_size_check = ON")
}

/// Commits, and repeats a `COMMIT` that was busy: its transaction is still open and complete.
///
/// The connection stays locked meanwhile, since no other thread may use it within this transaction.
pub(super) fn commit(
    connection: &Connection,
    path: &Path,
    patience: &Patience,
) -> Result<(), Failure> {
    loop {
        match run(connection, "COMMIT") {
            Ok(()) => return Ok(()),
            Err(error) if is_busy(&error) => {
                if !patience.pause()? {
                    return Err(error.into());
                }
            }
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
            {
                return Err(error.into());
            }
            Err(error) => return Err(commit_failure(error, path)),
        }
    }
}

/// Runs a statement that returns nothing, compiled once per connection.
pub(super) fn run(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// Ends a transaction that failed, where SQLite has not done so itself. What cannot be rolled back now
/// is tried again before the next use, see [`Link::end_abandoned_transaction`].
pub(super) fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = run(connection, "ROLLBACK");
    }
}

/// The failure of a `COMMIT` that was not merely busy. In a fault sweep, 5 of 1,087 of them were stored
/// nevertheless, so that a caller must look before it repeats the transaction.
pub(super) fn commit_failure(error: rusqlite::Error, path: &Path) -> Failure {
    Failure::Refused(Error::Database {
        kind: kind(&error),
        path: path.to_owned(),
        reason: format!("{error}; the outcome of the transaction is unknown"),
        source: Some(Box::new(error)),
    })
}
