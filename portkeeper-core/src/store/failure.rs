//! From what SQLite says to the engine's errors.

use std::path::Path;

use rusqlite::{ErrorCode, ffi};

use super::file;
use crate::error::{Error, ErrorKind};

/// Why a transaction's body stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite failed. Where it was only busy, the transaction is run again.
    Sqlite(rusqlite::Error),
    /// The engine refused; the transaction is rolled back and not run again.
    Refused(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// The engine's error, about the database at `path`.
    pub(super) fn at(self, path: &Path) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Sqlite(error) => from_sqlite(error, path),
        }
    }
}

/// A database error of `kind` that SQLite knows nothing of.
pub(super) fn refusal(kind: ErrorKind, path: &Path, reason: impl Into<String>) -> Error {
    Error::Database {
        kind,
        path: path.to_owned(),
        reason: reason.into(),
        source: None,
    }
}

pub(super) fn from_sqlite(error: rusqlite::Error, path: &Path) -> Error {
    let code = error.sqlite_error_code();
    // SQLite reports a missing right as one of several codes, each of which has other causes too.
    if matches!(
        code,
        Some(
            ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::AuthorizationForStatementDenied
        )
    ) && let Err(denied) = file::check_access(path)
    {
        return denied;
    }
    let kind = kind(&error);
    let reason = match kind {
        ErrorKind::DatabaseBusy => format!("other writers kept it locked: {error}"),
        ErrorKind::DatabaseFull if code != Some(ErrorCode::DiskFull) => {
            format!("the disk has no room for the index of its log (-shm): {error}")
        }
        _ => error.to_string(),
    };
    Error::Database {
        kind,
        path: path.to_owned(),
        reason,
        source: Some(Box::new(error)),
    }
}

/// The error of the disk that a line of `integrity_check` tells of: it counts a page that could not be read
/// among the damaged ones.
pub(super) fn unread(line: &str) -> Option<rusqlite::Error> {
    let (_, code) = line.split_once("unable to get the page. error code=")?;
    let code = code.split(|c: char| !c.is_ascii_digit()).next()?;
    let error = ffi::Error::new(code.parse().ok()?);
    (error.extended_code & 0xff == ffi::SQLITE_IOERR)
        .then(|| rusqlite::Error::SqliteFailure(error, Some(line.to_owned())))
}

/// The kind of database error that an error of SQLite stands for.
pub(super) fn kind(error: &rusqlite::Error) -> ErrorKind {
    // Where a disk is full, this is what a database with a log meets first.
    if error.sqlite_error().map(|error| error.extended_code) == Some(ffi::SQLITE_IOERR_SHMSIZE) {
        return ErrorKind::DatabaseFull;
    }
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => ErrorKind::DatabaseBusy,
        Some(ErrorCode::DiskFull) => ErrorKind::DatabaseFull,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::DatabaseCorrupt,
        _ => ErrorKind::DatabaseError,
    }
}
