//! The database of Port Keeper's predecessor, read as a document.
//!
//! It belongs to another program, which may have it open, and it may be anything: nothing is written to
//! it or beside it, and only columns that are stored in tables are read.

use std::{
    fs::{self, File},
    io::{ErrorKind as Io, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, limits::Limit};

use super::{failure::refusal, file, generation::Generation};
use crate::{
    error::{Error, ErrorKind, Result},
    model::Document,
};

mod rows;

/// How often a file is read again that changed meanwhile and can only be read without a lock.
const ATTEMPTS: u32 = 20;
/// Longest value, in bytes. SQLite refuses to load a longer one.
const MAX_VALUE_BYTES: i32 = 1 << 20;
/// How long to wait for the predecessor's writers.
const WRITERS: Duration = Duration::from_secs(10);

/// What others change when they write.
const FILES: [&str; 3] = ["", "-wal", "-shm"];

/// How the file can be read without leaving a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It has a rollback journal: readers take a lock and make no file.
    Locked,
    /// It has a log, and somebody has or had it open: the index of the log is there to be read.
    Indexed,
    /// It has a log that nobody has open: the log is read without an index.
    Unindexed,
    /// All of it is in the one file, though it has used a log. Opened in the usual way, SQLite would make
    /// both files, and as a reader leave them.
    Alone,
}

impl Way {
    /// Whether no lock keeps writers off meanwhile, so that the files have to be compared.
    fn is_unlocked(self) -> bool {
        matches!(self, Self::Unindexed | Self::Alone)
    }
}

/// Reads the claims in the database at `path`.
pub(crate) fn read(path: &Path, now: DateTime<Utc>) -> Result<Document> {
    let path = path
        .canonicalize()
        .map_err(|error| unreadable(path, error))?;
    // Closing any other descriptor of a registry drops the locks of its keeper.
    if Generation::is_open_here(&path) {
        return Err(invalid(
            &path,
            "it is a registry that is open in this process",
        ));
    }
    let mut outcome = Err(refusal(
        ErrorKind::DatabaseBusy,
        &path,
        "other writers changed it each time that it was read",
    ));
    for _ in 0..ATTEMPTS {
        let before = file::stamps(&path, FILES);
        let way = way(&path)?;
        let document = read_in(way, &path, now);
        // What was read under a lock is one state. Anything else counts, and so does a failure, when
        // nobody has written or closed the files meanwhile.
        if (document.is_ok() && !way.is_unlocked()) || before == file::stamps(&path, FILES) {
            return document;
        }
        if !way.is_unlocked() {
            outcome = document;
        }
    }
    outcome
}

fn read_in(way: Way, path: &Path, now: DateTime<Utc>) -> Result<Document> {
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => refusal(
            ErrorKind::DatabaseBusy,
            path,
            format!("other writers kept it locked: {error}"),
        ),
        _ => invalid(path, &error.to_string()),
    };
    let options = match way {
        Way::Locked => "mode=ro",
        Way::Indexed => "mode=ro&readonly_shm=1",
        Way::Unindexed if cfg!(unix) => "mode=ro&vfs=unix-none",
        Way::Unindexed => {
            return Err(invalid(
                path,
                "a log (-wal) of a program that ended lies beside it",
            ));
        }
        Way::Alone => "mode=ro&immutable=1",
    };
    let read = rows::document(&open(path, options).map_err(failed)?, now);
    read.map_err(|failure| match failure {
        rows::Failure::Sqlite(error) => failed(error),
        rows::Failure::Invalid(reason) => invalid(path, &reason),
    })
}

fn open(path: &Path, options: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(format!("file:{}?{options}", encoded(path)), flags)?;
    db.busy_timeout(WRITERS)?;
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    ] {
        db.set_db_config(setting, value)?;
    }
    db.execute_batch("PRAGMA cell_size_check = ON; PRAGMA query_only = ON;")?;
    if options.ends_with("unix-none") {
        // Without it SQLite wants the index of the log in memory that is shared.
        db.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    }
    Ok(db)
}

fn way(path: &Path) -> Result<Way> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    /// Where the header says how the file is read; 2 stands for a log.
    const READ_VERSION: usize = 19;

    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Err(invalid(path, "it is not a regular file"));
    }
    let mut header = Vec::with_capacity(100);
    File::open(path)
        .and_then(|file| file.take(100).read_to_end(&mut header))
        .map_err(|error| unreadable(path, error))?;
    if !header.starts_with(MAGIC) {
        return Err(invalid(path, "it is not a SQLite database"));
    }
    if header.get(READ_VERSION) != Some(&2) {
        return Ok(Way::Locked);
    }
    Ok(if beside(path, "-shm").exists() {
        Way::Indexed
    } else if file::log_size(path) > 0 {
        Way::Unindexed
    } else {
        Way::Alone
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The path within a URI.
fn encoded(path: &Path) -> String {
    use std::fmt::Write;
    let mut uri = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            // Writing to a string cannot fail.
            _ => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri
}

fn invalid(path: &Path, reason: &str) -> Error {
    Error::ImportInvalid(format!("database {}: {reason}", path.display()))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    if error.kind() == Io::PermissionDenied {
        return Error::PermissionDenied {
            what: path.display().to_string(),
            source: error,
        };
    }
    invalid(path, &error.to_string())
}
