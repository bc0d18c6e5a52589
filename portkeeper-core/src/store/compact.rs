//! Gives back the space of what was removed.

use std::fs;

use super::{Store, file, watched};
use crate::{
    error::Result,
    model::CompactReport,
    watch::{Progress, Watch},
};

const OPERATION: &str = "compact";

/// Writes the database anew without gaps, counts what its queries go by, and empties the log.
///
/// Others read meanwhile, and wait with their writes. Each of the statements is whole or undone.
pub(crate) fn run(store: &Store, watch: &mut Watch<'_>) -> Result<CompactReport> {
    const STEPS: [&str; 2] = ["VACUUM", "ANALYZE"];
    let apart = store.apart()?;
    let bytes_before = size(store)?;
    for (done, sql) in (0..).zip(STEPS) {
        let progress = Progress {
            operation: OPERATION,
            done,
            total: STEPS.len() as u64,
        };
        apart
            .with_writer(|db| watched::run(db, watch, progress, |db| Ok(db.execute_batch(sql)?)))?;
    }
    // Where a reader keeps the log from being emptied, the next checkpoint does it.
    apart.with_writer(|db| Ok(db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?))?;
    Ok(CompactReport {
        bytes_before,
        bytes_after: size(store)?,
    })
}

/// Bytes of the file and its log.
fn size(store: &Store) -> Result<u64> {
    if store.is_shared() {
        let file = fs::metadata(store.path()).map_err(|error| file::failed(store.path(), error))?;
        return Ok(file.len() + file::log_size(store.path()));
    }
    store.read_one(|db| {
        const SQL: &str =
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        Ok(db.query_row(SQL, (), |row| row.get(0))?)
    })
}
