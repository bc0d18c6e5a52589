//! A new registry.
//!
//! It gets its name when it is whole: with its schema, and set to the write-ahead log. So a file of no bytes under
//! that name is never one that somebody is just making: it was a registry, and what it held is lost.

use std::{fs, io, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};

use super::{
    Failure, connection,
    failure::refusal,
    file, migrate,
    new_file::{NewFile, Over},
    retry::Patience,
    schema::State,
};
use crate::error::{ErrorKind, Result};

/// Makes a registry without claims where there is no file. Of many processes that do so at once one wins, and
/// the others use its file. One that is killed leaves no file under the name, or a whole one.
pub(super) fn if_missing(path: &Path) -> Result<()> {
    let is_missing =
        || matches!(fs::metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound);
    if !is_missing() {
        return Ok(());
    }
    // SQLite would take the log of the lost database for that of the new one. It never removes a
    // database, so that the log cannot be one that is just being left.
    if let Some(left) = file::changes_beside(path).filter(|_| is_missing()) {
        let reason = format!(
            "it is missing, while its {left} is there: bring the database back, or remove that file to \
             begin anew"
        );
        return Err(refusal(ErrorKind::DatabaseCorrupt, path, reason));
    }
    let new = NewFile::beside(path)?;
    write(new.path()).map_err(|failure| new.named(failure.at(new.path())))?;
    new.sync().map_err(|error| new.named(error))?;
    new.place(path, Over::Nothing)?;
    Ok(())
}

/// How old the journal of an empty file may be that somebody is just filling.
const FILLING: Duration = Duration::from_secs(1);

/// Waits for another program that holds the lock of a file of no bytes: it is about to fill it.
pub(super) fn wait_for_maker(path: &Path, patience: &Patience) -> Result<(), Failure> {
    let is_empty = || fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0);
    while is_empty() && file::changes_beside(path).is_some() {
        // To lock an empty file is to lose its journal, with which somebody may bring the database back.
        if !file::is_younger(&file::companion(path, "-journal"), FILLING) || !patience.pause()? {
            return Ok(());
        }
    }
    if !is_empty() {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let empty = Connection::open_with_flags(path, flags)?;
    connection::prepare(&empty)?;
    // Takes the lock, and writes nothing.
    patience.retry(|| Ok(empty.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?))
}

/// Writes the schema. The file is nobody's yet, so that neither a journal nor the disk need be waited for: what is made
/// under the registry's name syncs eight times, which takes most of the time of a first open.
fn write(path: &Path) -> Result<(), Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let new = Connection::open_with_flags(path, flags)?;
    connection::prepare(&new)?;
    // The defence forbids `journal_mode = OFF`.
    new.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    new.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let transaction = Transaction::new_unchecked(&new, TransactionBehavior::Immediate)?;
    migrate::run(&transaction, &State::Fresh, path)?;
    transaction.commit()?;
    // Where there can be no log, whoever opens it says so.
    let _ = new.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(()));
    Ok(())
}
