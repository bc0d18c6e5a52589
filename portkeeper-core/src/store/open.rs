//! From a path to a connection that may be used.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};

use super::{
    Failure,
    connection::{self, Link},
    create,
    failure::refusal,
    file, migrate,
    retry::Patience,
    schema::{self, State},
};
use crate::error::ErrorKind;

/// Opens the database at `path`, a [resolved](file::resolve) one, whose folder exists.
///
/// The order matters: everything that may be refused is refused before the first write, and switching
/// to the write-ahead log is a write.
pub(super) fn file(path: &Path, patience: &Patience) -> Result<Link, Failure> {
    create::if_missing(path)?;
    create::wait_for_maker(path, patience)?;
    let identity = file::examine(path)?;
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection::prepare(&connection)?;
    // The last one to close a database copies the log into it, also when it was refused. A log that
    // was there before stays as it is; one that only this connection made must go.
    let log_left_behind = file::log_size(path) > 0;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, log_left_behind)?;
    let state = patience.retry(|| snapshot(&connection, path))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    // Damage may show only while the schema is brought to the present one. That is undone as a whole, and
    // so comes before the switch, which stays.
    if state != State::Current {
        patience.retry(|| upgrade(&connection, path, patience))?;
    }
    patience.retry(|| switch_to_log(&connection, path))?;
    Ok(Link::new(connection, Some(identity))?)
}

/// Opens a database that was opened before, and looks at nothing in it.
pub(super) fn unchecked(path: &Path) -> Result<Link, Failure> {
    let identity = file::examine(path)?;
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection::prepare(&connection)?;
    Ok(Link::new(connection, Some(identity))?)
}

/// Opens a database that lives in the memory of this process.
pub(super) fn memory() -> Result<Link, Failure> {
    let connection = Connection::open_in_memory()?;
    connection::prepare(&connection)?;
    let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
    migrate::run(&transaction, &State::Fresh, Path::new(":memory:"))?;
    transaction.commit()?;
    Ok(Link::new(connection, None)?)
}

fn snapshot(connection: &Connection, path: &Path) -> Result<State, Failure> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let state = schema::inspect(&transaction, path)?;
    transaction.commit()?;
    Ok(state)
}

/// The pragma fails at once where another process does the same, whatever the timeout: a timeout of
/// 10 s still failed 58 of 2,400 concurrent first opens, and a loop none.
fn switch_to_log(connection: &Connection, path: &Path) -> Result<(), Failure> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
    if mode == "wal" {
        Ok(())
    } else {
        let reason = format!("it cannot be shared here: its journal mode stays {mode}");
        Err(refusal(ErrorKind::DatabaseError, path, reason).into())
    }
}

/// Migrates, from the state that is found once nobody else can write.
fn upgrade(connection: &Connection, path: &Path, patience: &Patience) -> Result<(), Failure> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let state = schema::inspect(&transaction, path)?;
    migrate::run(&transaction, &state, path)?;
    connection::commit(connection, path, patience)
}
