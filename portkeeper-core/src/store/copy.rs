//! A copy of a database: page by page from one snapshot, into a file that nobody sees before it is whole.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, backup::Backup, backup::StepResult, config::DbConfig};

use super::{
    Failure, connection,
    failure::{from_sqlite, refusal},
    file, schema, watched,
};
use crate::{
    error::{Error, ErrorKind, Result},
    watch::{Progress, Watch},
};

/// Pages between two looks at the watch: 2 MB.
const PAGES_A_STEP: i32 = 512;

/// A file for its owner alone beside the place where it is to be; removed unless it is put there.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    placed: bool,
}

impl NewFile {
    pub(super) fn beside(target: &Path) -> Result<Self> {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{:016x}.tmp", fastrand::u64(..)));
        let path = target.with_file_name(name);
        file::create_file(&path).map_err(|error| file::failed(&path, error))?;
        Ok(Self {
            path,
            placed: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the content survive a power cut. SQLite has closed the file, and nobody else knows it,
    /// so that no lock is lost with the descriptor.
    pub(super) fn sync(&self) -> Result<()> {
        let synced = fs::OpenOptions::new()
            .write(true)
            .open(&self.path)
            .and_then(|file| file.sync_all());
        synced.map_err(|error| file::failed(&self.path, error))
    }

    /// Gives the file its name, in the place of what had it if that is `wanted`. `false` when
    /// something has the name that must stay.
    pub(super) fn place(mut self, target: &Path, replace: bool) -> Result<bool> {
        let renamed = if replace {
            fs::rename(&self.path, target)
        } else {
            rename_to_new(&self.path, target)
        };
        match renamed {
            Ok(()) => {}
            Err(error) if !replace && error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(false);
            }
            Err(error) => return Err(file::failed(target, error)),
        }
        self.placed = true;
        sync_folder(target).map_err(|error| file::failed(target, error))?;
        Ok(true)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.placed {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let _ = fs::remove_file(file::companion(&self.path, suffix));
            }
        }
    }
}

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
            // Nobody else has the target, and the snapshot needs no lock that could be refused.
            _ => return Err(Error::Internal("a copy was locked".to_owned()).into()),
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

#[cfg(target_os = "linux")]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot promise it.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => rename_if_absent(from, to),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    rename_if_absent(from, to)
}

fn rename_if_absent(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// A new name survives a power cut once its folder is on disk.
#[cfg(unix)]
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_file: &Path) -> io::Result<()> {
    Ok(())
}
