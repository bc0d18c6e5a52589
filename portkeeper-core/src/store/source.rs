//! A file to restore from: a database or a dump that nobody vouches for.

use std::{fs, path::Path, path::PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::{
    Failure, Store, connection, copy,
    failure::refusal,
    file, migrate,
    schema::{self, State},
    script, seal, untrusted, watched,
};
use crate::{
    error::{Error, ErrorKind, Result},
    watch::{Progress, Watch},
};

mod rows;

pub(crate) use rows::{Configuration, Entry, refused};

const STEP: Progress = Progress {
    operation: "restore",
    done: 0,
    total: 0,
};

/// What others change when they write. The index of a log is not among them, which a reader makes too.
const FILES: [&str; 3] = ["", "-wal", "-journal"];

/// How often a file is read at least that others change meanwhile.
const ATTEMPTS: u32 = 5;

/// A database of the present schema whose pages SQLite found to be sound. Its values are checked as
/// they are read.
#[derive(Debug)]
pub(crate) struct Source {
    connection: Connection,
    path: PathBuf,
    /// Whether what is read is of one moment, whatever others do.
    is_snapshot: bool,
}

/// Calls `body` with the database or dump at `path`, about which nothing is changed.
///
/// Whoever opens or closes a database changes how it has to be read: what is in the one file now, was
/// in a log a moment ago. So what was read without a lock counts, as does a failure, when nobody has
/// touched the files meanwhile; otherwise it is read again.
pub(crate) fn read<T>(
    path: &Path,
    live: &Store,
    watch: &mut Watch<'_>,
    mut body: impl FnMut(&Source, &mut Watch<'_>) -> Result<T>,
) -> Result<T> {
    watch.report(STEP.operation, 0, 0)?;
    let path = std::path::absolute(path).map_err(|error| file::failed(path, error))?;
    let patience = live.patience();
    for attempt in 1.. {
        let before = file::stamps(&path, FILES);
        let mut is_snapshot = false;
        let outcome = Source::open(&path, live, watch).and_then(|source| {
            is_snapshot = source.is_snapshot;
            body(&source, watch)
        });
        let kind = outcome.as_ref().err().map(Error::kind);
        let may_pass = match kind {
            None => !is_snapshot && before != file::stamps(&path, FILES),
            Some(ErrorKind::DatabaseBusy) => true,
            Some(ErrorKind::Cancelled) => false,
            Some(_) => before != file::stamps(&path, FILES),
        };
        if !may_pass {
            return outcome;
        }
        if !patience.pause()? && attempt >= ATTEMPTS {
            if kind.is_some() {
                return outcome;
            }
            let reason = "others changed it each time that it was read";
            return Err(refusal(ErrorKind::DatabaseBusy, &path, reason));
        }
    }
    Err(Error::Internal("a source was read for ever".to_owned()))
}

impl Source {
    /// One that another program made from the documentation is brought to the present schema in a
    /// private copy, exactly as opening it would.
    fn open(path: &Path, live: &Store, watch: &mut Watch<'_>) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| file::failed(path, error))?;
        let refused = |reason| Err(Error::invalid("source", path.display().to_string(), reason));
        if !metadata.is_file() {
            return refused("is not a regular file");
        }
        if live.is_shared() && file::is_same(live.path(), path) {
            return refused("is the registry itself");
        }
        if metadata.len() == 0 {
            return Err(refusal(ErrorKind::DatabaseCorrupt, path, "it is empty"));
        }
        seal::check(path)?;
        let (connection, is_snapshot) = checked(path, watch).map_err(|failure| failure.at(path))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            is_snapshot,
        })
    }
}

/// A connection that may be read from, and whether it stands for one moment.
fn checked(path: &Path, watch: &mut Watch<'_>) -> Result<(Connection, bool), Failure> {
    let is_locked = untrusted::is_in_use(path);
    let mut connection = match untrusted::open(path, is_locked).and_then(begin) {
        Ok(connection) => connection,
        // SQLite has looked at it: it is no database, so that reading it drops nobody's lock.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            script::load(path, error, watch)?
        }
        Err(error) => return Err(error.into()),
    };
    let state = schema::inspect(&connection, path)?;
    if state == State::Fresh {
        let reason = "it is not a Port Keeper database: it has no tables";
        return Err(refusal(ErrorKind::SchemaMismatch, path, reason).into());
    }
    // Whole tables are read in the order of their rows, so that no index has to be trusted; the
    // migrations use them.
    let present = matches!(state, State::Current | State::Unmarked);
    let pragma = if present {
        "quick_check"
    } else {
        "integrity_check"
    };
    watched::run(&mut connection, watch, STEP, |db| {
        copy::integrity(db, pragma, path)
    })?;
    if present {
        return Ok((connection, is_locked));
    }
    let mut private = untrusted::private()?;
    copy::into(&connection, &mut private, watch, STEP)?;
    watched::run(&mut private, watch, STEP, |db| {
        connection::run(db, "BEGIN")?;
        migrate::run(db, &state, path)?;
        Ok(connection::run(db, "COMMIT")?)
    })?;
    Ok((private, is_locked))
}

/// Begins the one snapshot that everything is read from.
fn begin(connection: Connection) -> Result<Connection, rusqlite::Error> {
    connection.execute_batch("BEGIN")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    Ok(connection)
}
