mod adopt;
mod busy;
mod open;
mod processes;
mod refuse;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Durability, Failure, Location, Store};
use crate::{error::Result, stop::Stop};

/// A folder that is removed at the end, and the path of a database in it.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("database.db");
    (folder, path)
}

fn open(path: &Path) -> Result<Store> {
    Store::open(
        Location::File(path.to_owned()),
        Duration::from_secs(30),
        Stop::default(),
    )
}

/// The database as another program opens it.
fn foreign(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = OFF")
        .unwrap();
    connection
}

fn insert(store: &Store, number: u16) -> Result<()> {
    store.write(Durability::Normal, |transaction| {
        transaction.execute(
            "INSERT INTO ports (number, projectName, status) VALUES (?1, 'a', 'reserved')",
            [number],
        )?;
        Ok(())
    })
}

fn count(store: &Store) -> i64 {
    ask(store, "SELECT count(*) FROM ports")
}

fn ask<T: rusqlite::types::FromSql>(store: &Store, query: &str) -> T {
    store
        .read_one(|connection| Ok(connection.query_row(query, (), |row| row.get(0))?))
        .unwrap()
}

/// Everything that `sqlite_schema` says, but for SQLite's statistics.
fn schema(path: &Path) -> Vec<(String, String, String, Option<String>)> {
    let connection = foreign(path);
    let mut statement = connection
        .prepare(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' \
             ORDER BY type, name",
        )
        .unwrap();
    statement
        .query_map((), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}
