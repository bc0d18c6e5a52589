//! Opens files of others to look at them: nothing in them is run, and nothing about them is changed.

use std::{fmt::Write, path::Path};

use rusqlite::{Connection, OpenFlags, limits::Limit};

use super::{connection, file};

/// The longest row and the longest value of a foreign file, in bytes.
pub(super) const LONGEST_VALUE: i32 = 64 << 20;

/// Whether a log or a journal is beside a database.
pub(super) fn is_in_use(path: &Path) -> bool {
    let companions = ["-wal", "-shm", "-journal"];
    companions
        .iter()
        .any(|suffix| file::companion(path, suffix).exists())
}

/// Opens a database read-only. One that [is in use](is_in_use) is read with locks, through its log or
/// journal; for another one not even a lock is taken.
pub(super) fn open(path: &Path, in_use: bool) -> Result<Connection, rusqlite::Error> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str(if in_use { "?mode=ro" } else { "?immutable=1" });
    let connection = Connection::open_with_flags(
        uri,
        OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection::prepare(&connection)?;
    limit(&connection)?;
    Ok(connection)
}

/// Bounds what a hostile file can make SQLite do.
pub(super) fn limit(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    Ok(())
}

/// An empty database that vanishes with its connection, for what a foreign file says.
pub(super) fn private() -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open("")?;
    connection::prepare(&connection)?;
    limit(&connection)?;
    connection.execute_batch("PRAGMA synchronous = OFF")?;
    Ok(connection)
}
