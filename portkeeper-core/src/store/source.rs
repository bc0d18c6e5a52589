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

/// A database of the present schema whose pages SQLite found to be sound. Its values are checked as
/// they are read.
#[derive(Debug)]
pub(crate) struct Source {
    connection: Connection,
    path: PathBuf,
}

impl Source {
    /// Opens the database or dump at `path`, and changes nothing about it.
    ///
    /// One that another program made from the documentation is brought to the present schema in a
    /// private copy, exactly as opening it would.
    pub(crate) fn open(path: &Path, live: &Store, watch: &mut Watch<'_>) -> Result<Self> {
        watch.report(STEP.operation, 0, 0)?;
        let path = std::path::absolute(path).map_err(|error| file::failed(path, error))?;
        let metadata = fs::metadata(&path).map_err(|error| file::failed(&path, error))?;
        let refused = |reason| Err(Error::invalid("source", path.display().to_string(), reason));
        if !metadata.is_file() {
            return refused("is not a regular file");
        }
        if live.is_shared() && file::is_same(live.path(), &path) {
            return refused("is the registry itself");
        }
        if metadata.len() == 0 {
            return Err(refusal(ErrorKind::DatabaseCorrupt, &path, "it is empty"));
        }
        seal::check(&path)?;
        let connection = checked(&path, watch).map_err(|failure| failure.at(&path))?;
        Ok(Self { connection, path })
    }
}

fn checked(path: &Path, watch: &mut Watch<'_>) -> Result<Connection, Failure> {
    let mut connection = match untrusted::open(path).and_then(begin) {
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
        return Ok(connection);
    }
    let mut private = untrusted::private()?;
    copy::into(&connection, &mut private, watch, STEP)?;
    watched::run(&mut private, watch, STEP, |db| {
        connection::run(db, "BEGIN")?;
        migrate::run(db, &state, path)?;
        Ok(connection::run(db, "COMMIT")?)
    })?;
    Ok(private)
}

/// Begins the one snapshot that everything is read from.
fn begin(connection: Connection) -> Result<Connection, rusqlite::Error> {
    connection.execute_batch("BEGIN")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    Ok(connection)
}
