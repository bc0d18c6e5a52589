//! How large the database is.

use std::{collections::BTreeMap, fs};

use rusqlite::Connection;

use super::{Failure, Store, file, migrate::LATEST};
use crate::{error::Result, model::Stats};

/// Every table of the schema.
pub(super) const TABLES: [&str; 8] = [
    "ports",
    "port_history",
    "active_scans",
    "configurations",
    "migrations",
    "leases",
    "active_sockets",
    "replaced_ports",
];

pub(crate) fn read(store: &Store) -> Result<Stats> {
    store.read(|db| {
        let number = |pragma: &str| {
            db.query_row(&format!("PRAGMA {pragma}"), (), |row| row.get::<_, u64>(0))
        };
        let (pages, page_size) = (number("page_count")?, number("page_size")?);
        let bytes = if store.is_shared() {
            fs::metadata(store.path())
                .map_err(|error| file::failed(store.path(), error))?
                .len()
        } else {
            pages * page_size
        };
        Ok(Stats {
            path: store.path().to_owned(),
            bytes,
            wal_bytes: file::log_size(store.path()),
            pages,
            page_size,
            free_pages: number("freelist_count")?,
            schema_version: u32::try_from(LATEST).unwrap_or(u32::MAX),
            rows: rows(db)?,
        })
    })
}

/// The rows of each table.
pub(super) fn rows(db: &Connection) -> Result<BTreeMap<String, u64>, Failure> {
    let mut rows = BTreeMap::new();
    for table in TABLES {
        let count = db.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| {
            row.get(0)
        })?;
        rows.insert(table.to_owned(), count);
    }
    Ok(rows)
}
