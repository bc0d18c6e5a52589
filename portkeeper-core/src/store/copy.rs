//! A copy of a database: page by page from one snapshot.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, backup::Backup, backup::StepResult, config::DbConfig, ffi};

use super::{
    Failure, connection,
    failure::{from_sqlite, refusal, unread},
    schema, watched,
};
use crate::{
    error::{ErrorKind, Result},
    watch::{Progress, Watch},
};

/// Pages between two looks at the watch: 2 MB.
const PAGES_A_STEP: i32 = 512;

/// Copies the snapshot that `source`'s transaction reads. No writer waits for it, and none makes it
/// begin anew. The progress is that of `progress`, further by each page.
pub(super) fn pages(
    source: &Connection,
    path: &Path,
    watch: &mut Watch<'_>,
    progress: Progress,
) -> Result<u64, Failure> {
    let refused = |error| Failure::Refused(from_sqlite(error, path));
    // A read begins the snapshot; `BEGIN` alone does not.
    source.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    let mut target = open(path).map_err(refused)?;
    // The file is nobody's yet: what a journal or an early sync would save is not worth saving.
    target
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        .map_err(refused)?;
    let copied = into(source, &mut target, watch, progress).map_err(|failure| match failure {
        // A damaged page is the source's; everything else befalls the copy.
        Failure::Sqlite(error)
            if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseCorrupt) =>
        {
            refused(error)
        }
        other => other,
    })?;
    // A copy is one file, which can be read from a medium that cannot be written.
    let mode: String = target
        .query_row("PRAGMA journal_mode = DELETE", (), |row| row.get(0))
        .map_err(refused)?;
    if mode == "delete" {
        Ok(copied)
    } else {
        let reason = format!("its journal mode stays {mode}");
        Err(refusal(ErrorKind::DatabaseError, path, reason).into())
    }
}

/// Copies every page of `source` into `target`, and returns how many.
pub(super) fn into(
    source: &Connection,
    target: &mut Connection,
    watch: &mut Watch<'_>,
    progress: Progress,
) -> Result<u64, Failure> {
    let backup = Backup::new(source, target)?;
    loop {
        let step = backup.step(PAGES_A_STEP)?;
        let state = backup.progress();
        let all = u64::try_from(state.pagecount).unwrap_or_default();
        let left = u64::try_from(state.remaining).unwrap_or_default();
        let done = progress.done + (all - left.min(all));
        watch.report(progress.operation, done, progress.total.max(done))?;
        match step {
            StepResult::Done => return Ok(all),
            StepResult::More => {}
            // Nobody else has the target, and the snapshot needs no lock that could be refused. A lock that a
            // signal interrupted is reported like one that somebody else has.
            _ => {
                let busy = ffi::Error::new(ffi::SQLITE_BUSY);
                return Err(rusqlite::Error::SqliteFailure(busy, None).into());
            }
        }
    }
}

/// Looks at every page of a copy, and whether it is a registry of this version.
pub(super) fn check(path: &Path, watch: &mut Watch<'_>, progress: Progress) -> Result<()> {
    let mut copy = open(path).map_err(|error| from_sqlite(error, path))?;
    copy.execute_batch(super::LARGE_CACHE)
        .map_err(|error| from_sqlite(error, path))?;
    let checked = watched::run(&mut copy, watch, progress, |copy| {
        integrity(copy, "integrity_check", path)?;
        schema::verify(copy, path)
    });
    checked.map_err(|failure| failure.at(path))
}

/// Runs `integrity_check` or `quick_check`, and fails with the first thing it finds.
pub(super) fn integrity(connection: &Connection, pragma: &str, path: &Path) -> Result<(), Failure> {
    let found: String =
        connection.query_row(&format!("PRAGMA {pragma}(1)"), (), |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    let found = found.trim().replace('\n', "; ");
    if let Some(error) = unread(&found) {
        return Err(error.into());
    }
    Err(refusal(ErrorKind::DatabaseCorrupt, path, found).into())
}

fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection::prepare(&connection)?;
    // The defence forbids `journal_mode = OFF`. The pages come from a database that has it on.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    Ok(connection)
}
