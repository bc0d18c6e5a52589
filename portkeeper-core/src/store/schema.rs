//! What schema a database has, and what it must have.

use std::{collections::HashMap, path::Path};

use portkeeper_migrations::ALL;
use rusqlite::Connection;

use super::{
    Failure,
    failure::refusal,
    migrate::{APPLICATION_ID, LATEST, checksum},
};
use crate::error::{Error, ErrorKind};

mod expected;
mod text;

pub(super) use expected::{Object, after};

/// How far a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It has no tables.
    Fresh,
    /// Another program made it from the documentation.
    Adopted,
    /// This many migrations ran, and there are more.
    Behind(usize),
    /// Every migration ran, but the header says nothing of it: restored from `.dump`.
    Unmarked,
    /// Nothing is left to do.
    Current,
}

/// The statement of each object, by its [`key`].
pub(super) type Objects = HashMap<String, String>;

/// Tells how far the database is, or why it must not be touched. Writes nothing.
pub(super) fn inspect(connection: &Connection, path: &Path) -> Result<State, Failure> {
    let mismatch = |reason: String| refusal(ErrorKind::SchemaMismatch, path, reason);
    let application: i32 = connection.query_row("PRAGMA application_id", (), |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    if application != 0 && application != APPLICATION_ID {
        return Err(mismatch(format!(
            "it belongs to another program: its application_id is {application}"
        ))
        .into());
    }
    let latest = i64::try_from(LATEST).unwrap_or(i64::MAX);
    if version > latest {
        return Err(too_new(path, version).into());
    }
    let present = read(connection)?;
    if present.is_empty() {
        return Ok(State::Fresh);
    }
    if !present.contains_key("table ports") {
        return Err(
            mismatch("it is not a Port Keeper database: it has no table ports".into()).into(),
        );
    }
    let recorded = recorded(connection, &present, path)?;
    if let Some((id, _)) = recorded.iter().find(|(id, _)| *id > latest) {
        return Err(too_new(path, *id).into());
    }
    for ((id, sum), migration) in recorded.iter().zip(ALL) {
        if *id != i64::from(migration.id) {
            return Err(mismatch(format!(
                "its table migrations lacks migration {}",
                migration.id
            ))
            .into());
        }
        if sum.as_deref() != Some(checksum(migration).as_str()) {
            return Err(mismatch(format!(
                "its migration {id} is not the one of this program: the checksums differ"
            ))
            .into());
        }
    }
    match recorded.len() {
        0 => compare(&present, &after(1), true, path).map(|()| State::Adopted),
        applied if applied < LATEST => {
            compare(&present, &after(applied), false, path).map(|()| State::Behind(applied))
        }
        _ => {
            compare(&present, expected::latest(), false, path)?;
            Ok(if application == APPLICATION_ID && version == latest {
                State::Current
            } else {
                State::Unmarked
            })
        }
    }
    .map_err(Failure::from)
}

/// Refuses a database whose schema is not the present one.
pub(super) fn verify(connection: &Connection, path: &Path) -> Result<(), Failure> {
    Ok(compare(
        &read(connection)?,
        expected::latest(),
        false,
        path,
    )?)
}

/// The objects of a database, other than SQLite's own.
pub(super) fn read(connection: &Connection) -> Result<Objects, rusqlite::Error> {
    const OBJECTS: &str = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL \
                           AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(OBJECTS)?;
    let objects = statement.query_map((), |row| {
        let (kind, name) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        Ok((key(kind, name), row.get(2)?))
    })?;
    objects.collect()
}

/// Type and name, such as `index idx_ports_status`. Names differ in more than case.
fn key(kind: &str, name: &str) -> String {
    let mut key = format!("{kind} {name}");
    key.make_ascii_lowercase();
    key
}

/// Number and checksum of each migration that ran, in order.
fn recorded(
    connection: &Connection,
    present: &Objects,
    path: &Path,
) -> Result<Vec<(i64, Option<String>)>, Failure> {
    if !present.contains_key("table migrations") {
        return Ok(Vec::new());
    }
    let read = || {
        let mut statement =
            connection.prepare("SELECT id, checksum FROM migrations ORDER BY id")?;
        let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<Vec<_>, rusqlite::Error>>()
    };
    read().map_err(|error| match error.sqlite_error_code() {
        // No such column, or a value of another type.
        None | Some(rusqlite::ErrorCode::Unknown) => refusal(
            ErrorKind::SchemaMismatch,
            path,
            "its table migrations is not the documented one",
        )
        .into(),
        Some(_) => Failure::from(error),
    })
}

/// Compares what is there with what must be; objects of others beside ours are none of our business.
fn compare(
    present: &Objects,
    expected: &[Object],
    may_lack: bool,
    path: &Path,
) -> Result<(), Error> {
    for Object { key, sql } in expected {
        let complaint = match present.get(key) {
            Some(found) if text::same(found, sql) => continue,
            Some(_) => "is not the one of this schema",
            None if may_lack => continue,
            None => "is missing",
        };
        return Err(refusal(
            ErrorKind::SchemaMismatch,
            path,
            format!("its {key} {complaint}"),
        ));
    }
    Ok(())
}

fn too_new(path: &Path, version: i64) -> Error {
    let reason =
        format!("its schema has version {version}, and this program knows versions up to {LATEST}");
    refusal(ErrorKind::SchemaTooNew, path, reason)
}
