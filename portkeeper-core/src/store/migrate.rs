//! Brings a database to the present schema, within one transaction.

use std::path::Path;

use portkeeper_migrations::{ALL, Migration};
use rusqlite::Connection;

use super::{
    Failure,
    checksum::sha256,
    schema::{self, State},
};
use crate::model::timestamp;

/// `PKPR` in the header of the file, by which `file` and others tell whose it is.
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"PKPR");

/// The number of the last migration.
pub(super) const LATEST: usize = ALL.len();

/// Runs what is missing, and compares the result with what a new database has.
///
/// Must run with triggers off, or the documented ones would log what the migrations repair.
pub(super) fn run(connection: &Connection, state: &State, path: &Path) -> Result<(), Failure> {
    let applied = match state {
        State::Fresh => 0,
        State::Adopted => {
            complete_documented(connection)?;
            record(connection, &ALL[0])?;
            1
        }
        State::Behind(applied) => *applied,
        State::Unmarked | State::Current => LATEST,
    };
    for migration in ALL.iter().skip(applied) {
        connection.execute_batch(migration.sql)?;
        record(connection, migration)?;
    }
    connection.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LATEST};"
    ))?;
    schema::verify(connection, path)
}

/// The SHA-256 of a migration's text, in hexadecimal.
pub(super) fn checksum(migration: &Migration) -> String {
    sha256(migration.sql.as_bytes())
}

/// Creates what an adopted database lacks of the documented schema.
fn complete_documented(connection: &Connection) -> Result<(), Failure> {
    let present = schema::read(connection)?;
    for object in schema::after(1) {
        if !present.contains_key(&object.key) {
            connection.execute_batch(object.sql)?;
        }
    }
    Ok(())
}

/// Notes that a migration ran.
pub(super) fn record(
    connection: &Connection,
    migration: &Migration,
) -> Result<(), rusqlite::Error> {
    const RECORD: &str = "INSERT INTO migrations (id, version, description, appliedAt, checksum) \
                          VALUES (?1, ?2, ?3, ?4, ?5)";
    let applied_at = timestamp::format(timestamp::now());
    connection
        .execute(
            RECORD,
            (
                migration.id,
                migration.version,
                migration.description,
                applied_at,
                checksum(migration),
            ),
        )
        .map(drop)
}
