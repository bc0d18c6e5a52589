//! Whole copies of a live database.

use std::{fs, io, path::Path, path::PathBuf};

use super::{
    Store, copy, file,
    new_file::{NewFile, Over, remove_abandoned},
    schema,
    seal::{self, Purpose},
    stats, untrusted,
};
use crate::{
    error::{Error, Result},
    model::BackupReport,
    watch::{Progress, Watch},
};

const OPERATION: &str = "backup";

/// Comes between the names of a database and of the time in the name of a safety backup.
const SAFETY: &str = ".before-restore-";

/// Safety backups that are kept.
const KEPT: usize = 10;

/// Writes a copy of the database to `target`, where nothing is or an earlier backup.
///
/// The pages come from one snapshot, through SQLite's backup interface: its progress is exact, and it
/// can be stopped between two steps on the caller's thread, neither of which `VACUUM INTO` offers. A
/// snapshot keeps the copy from beginning anew with each commit of another process.
pub(crate) fn write(store: &Store, target: &Path, watch: &mut Watch<'_>) -> Result<BackupReport> {
    watch.report(OPERATION, 0, 0)?;
    let target = resolve(target)?;
    let replace = may_replace(store, &target)?;
    let temporary = NewFile::beside(&target)?;
    let apart = store.apart()?;
    let copied = apart.read(|db| {
        let pages: u64 = db.query_row("PRAGMA page_count", (), |row| row.get(0))?;
        // Half of the work is copying, the other half is checking.
        let progress = step(0, pages * 2);
        copy::pages(db, temporary.path(), watch, progress)?;
        Ok((pages, stats::rows(db)?.values().sum()))
    });
    let named = |error| temporary.named(error);
    let (pages, rows) = copied.map_err(named)?;
    copy::check(temporary.path(), watch, step(pages, pages * 2)).map_err(named)?;
    seal::put(&temporary, Purpose::Backup).map_err(named)?;
    let bytes = fs::metadata(temporary.path())
        .map_err(|error| file::failed(&target, error))?
        .len();
    // From here on the backup is there: this is the last moment to stop it.
    watch.report(OPERATION, pages * 2, pages * 2)?;
    let over = if replace {
        Over::Earlier
    } else {
        Over::NothingSeen
    };
    if !temporary.place(&target, over)? {
        return Err(refused(&target, "was made by somebody else meanwhile"));
    }
    Ok(BackupReport {
        path: target,
        bytes,
        pages,
        rows,
    })
}

/// Copies what is committed now to a new file beside the database, whose name says why.
///
/// Called while the caller holds the write lock on another connection, so that nothing comes between.
pub(crate) fn beside(reader: &Store, time: &str, watch: &mut Watch<'_>) -> Result<PathBuf> {
    let progress = Progress {
        operation: "restore",
        done: 0,
        total: 0,
    };
    let time: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = reader.path().file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    remove_abandoned(reader.path(), |stem| SafetyName::of(stem, &name).is_some());
    // Names are in the order in which they were given, also where the clock was ahead, or where the
    // others of this second are gone.
    let last = safety_backups(reader.path()).pop().map(|(name, _)| name);
    let (time, last) = match last {
        Some(SafetyName(latest, attempt)) if latest >= time => (latest, attempt),
        _ => (time, 0),
    };
    for attempt in last + 1.. {
        let mut suffix = format!("{SAFETY}{time}");
        if attempt > 1 {
            suffix = format!("{suffix}-{attempt}");
        }
        let target = file::companion(reader.path(), &suffix);
        if target.exists() {
            continue;
        }
        let temporary = NewFile::beside(&target)?;
        let copied = reader.read(|db| copy::pages(db, temporary.path(), watch, progress));
        let sealed = copied.and_then(|_| seal::put(&temporary, Purpose::Safety));
        sealed.map_err(|error| temporary.named(error))?;
        if temporary.place(&target, Over::NothingSeen)? {
            return Ok(target);
        }
    }
    Err(Error::Internal("no name is left for a backup".to_owned()))
}

/// Removes safety backups beyond the newest [`KEPT`], of those that are, by name and seal, what
/// [`beside`] wrote; never one of `needed`.
pub(crate) fn forget_old(store: &Store, needed: &[&Path]) {
    if !store.is_shared() {
        return;
    }
    let backups = safety_backups(store.path());
    let old = backups.len().saturating_sub(KEPT);
    for (_, path) in backups.into_iter().take(old) {
        let is_needed = needed.iter().any(|needed| file::is_same(needed, &path));
        if !is_needed && matches!(seal::check(&path), Ok(Some(Purpose::Safety))) {
            // One that cannot be removed is in nobody's way.
            let _ = fs::remove_file(path);
        }
    }
}

/// The files beside a database that have the name and the seal of a safety backup, the oldest first.
/// Whether the seal is right is left open, which takes reading the whole file.
fn safety_backups(database: &Path) -> Vec<(SafetyName, PathBuf)> {
    let name = database.file_name().unwrap_or_default().to_string_lossy();
    let entries = database
        .parent()
        .and_then(|folder| fs::read_dir(folder).ok());
    let mut backups: Vec<_> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| {
            let safety = SafetyName::of(entry.file_name().to_str()?, &name)?;
            Some((safety, entry.path()))
        })
        .filter(|(_, path)| seal::claims(path) == Some(Purpose::Safety))
        .collect();
    backups.sort();
    backups
}

/// What tells two safety backups apart: when they were written, and the how manyth of its second.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SafetyName(String, u32);

impl SafetyName {
    fn of(file: &str, database: &str) -> Option<Self> {
        let rest = file.strip_prefix(database)?.strip_prefix(SAFETY)?;
        let (time, attempt) = rest.split_once('-').unwrap_or((rest, "1"));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        // Nine digits fit, and so does the next number.
        let attempt = Some(attempt).filter(|text| text.len() <= 9 && is_number(text))?;
        let attempt = attempt.parse().ok()?;
        let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
        let is_time = (date.len(), clock.len()) == (8, 6) && is_number(date) && is_number(clock);
        is_time.then(|| Self(time.to_owned(), attempt))
    }
}

/// A number that is another one after somebody else has committed to the database.
pub(crate) fn data_version(store: &Store) -> Result<i64> {
    store.read_one(|db| Ok(db.query_row("PRAGMA data_version", (), |row| row.get(0))?))
}

/// The engine's error for one of the file system, about the backup at `path`.
pub(crate) fn failed(path: &Path, error: io::Error) -> Error {
    file::failed(path, error)
}

fn step(done: u64, total: u64) -> Progress {
    Progress {
        operation: OPERATION,
        done,
        total,
    }
}

/// The absolute path, links resolved. Unlike the database's own folder, this one is not made: a
/// mistyped path is an error.
fn resolve(path: &Path) -> Result<PathBuf> {
    let failed = |error| file::failed(path, error);
    let absolute = std::path::absolute(path).map_err(failed)?;
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(refused(path, "names no file"));
    };
    let file = folder.canonicalize().map_err(failed)?.join(name);
    match fs::symlink_metadata(&file) {
        Ok(metadata) if metadata.is_symlink() => file.canonicalize().map_err(failed),
        _ => Ok(file),
    }
}

/// The database beside which SQLite would make and remove a file of this name.
fn log_of(target: &Path) -> Option<PathBuf> {
    let name = target.file_name()?.to_str()?;
    let database = ["-wal", "-shm", "-journal"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))?;
    let database = target.with_file_name(database);
    database.is_file().then_some(database)
}

/// Whether there is an earlier backup in the place; an error if it is anything else.
fn may_replace(store: &Store, target: &Path) -> Result<bool> {
    if store.is_shared() && file::is_same(store.path(), target) {
        return Err(refused(target, "is the registry itself"));
    }
    // SQLite would take these for the log of whatever database has the name.
    for suffix in ["-wal", "-shm", "-journal"] {
        if file::companion(target, suffix).exists() {
            let reason =
                format!("has a file {suffix} beside it: a database of that name is in use");
            return Err(refused(target, &reason));
        }
    }
    if let Some(database) = log_of(target) {
        let reason = format!(
            "is a name that SQLite gives to a file of its own beside {}, and removes",
            database.display()
        );
        return Err(refused(target, &reason));
    }
    match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file::failed(target, error)),
        Ok(metadata) if !metadata.is_file() => Err(refused(target, "is not a regular file")),
        Ok(_) => {
            let state = untrusted::open(target, false)
                .map_err(super::Failure::from)
                .and_then(|existing| schema::inspect(&existing, target));
            match state {
                Ok(state) if state != schema::State::Fresh => Ok(true),
                _ => Err(refused(
                    target,
                    "exists and is no Port Keeper database of this version",
                )),
            }
        }
    }
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::invalid("backup", path.display().to_string(), reason)
}
