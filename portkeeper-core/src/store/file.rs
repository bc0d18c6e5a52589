//! The database as a file: where it is, how it is made, and whether it is still the same one.
//!
//! Nothing here opens the database, its `-wal` or its `-shm`: closing any descriptor of a file drops
//! the POSIX locks that SQLite holds on it in this process, and another process then writes in the
//! middle of a transaction. Metadata is read by path.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use super::{failure::refusal, new_file};
use crate::error::{Error, ErrorKind, Result};

/// How often, and how long after another, a state is looked at that is normal for a moment.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(2);

/// Which file a path stood for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// The absolute path of the database file, with links resolved and its folder made.
///
/// A link to the file itself is followed, because SQLite names `-wal` and `-shm` after the path that it
/// opens: two names would mean two logs for one database.
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| failed(path, error))?;
    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(refusal(
            ErrorKind::DatabaseError,
            path,
            "the path names no file",
        ));
    };
    create_folder(folder).map_err(|error| failed(folder, error))?;
    let folder = folder
        .canonicalize()
        .map_err(|error| failed(folder, error))?;
    let file = folder.join(name);
    match fs::symlink_metadata(&file) {
        Ok(metadata) if metadata.is_symlink() => {
            file.canonicalize().map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => refusal(
                    ErrorKind::DatabaseError,
                    &file,
                    "it is a symbolic link to a file that does not exist",
                ),
                _ => failed(&file, error),
            })
        }
        _ => Ok(file),
    }
}

/// Tells which file is there, and refuses one that SQLite would misread.
pub(super) fn examine(path: &Path) -> Result<Identity> {
    let mut metadata = fs::metadata(path).map_err(|error| failed(path, error))?;
    for _ in 1..LOOKS {
        // SQLite itself, in another program, makes an empty file before it locks and fills it; and where
        // a file cannot be renamed it has two names for a moment.
        if metadata.len() > 0 && links(&metadata) < 2 {
            break;
        }
        thread::sleep(PAUSE);
        metadata = fs::metadata(path).map_err(|error| failed(path, error))?;
    }
    if metadata.is_file() && links(&metadata) > 1 {
        new_file::remove_first_name(path);
        metadata = fs::metadata(path).map_err(|error| failed(path, error))?;
    }
    let refused = |reason: &str| Err(refusal(ErrorKind::DatabaseError, path, reason));
    if metadata.is_dir() {
        return refused("it is a directory");
    }
    if !metadata.is_file() {
        return refused("it is not a regular file");
    }
    if links(&metadata) > 1 {
        return refused(
            "it has a second name (hard link), and SQLite would keep a separate log for each",
        );
    }
    check_access(path)?;
    if metadata.len() == 0 {
        let reason = match changes_beside(path) {
            Some(left) => format!("it is empty, while a {left} lies beside it"),
            None => {
                "it is empty, which no registry ever is: restore a backup into a new registry, or \
                     remove the file to begin anew"
                    .to_owned()
            }
        };
        return Err(refusal(ErrorKind::DatabaseCorrupt, path, reason));
    }
    if log_was_taken_away(path) {
        return Err(refusal(
            ErrorKind::DatabaseCorrupt,
            path,
            "its log of changes (-wal) is missing, and with it the newest changes; its index (-shm) is \
             there still: bring the log back, or remove the index to go on without what was lost",
        ));
    }
    Ok(identity(&metadata))
}

/// Whether there is an index of the log without the log. SQLite makes the log first and removes it last,
/// so that only somebody else can have removed it alone. A few looks tell that from two moments of
/// processes that close and open the database meanwhile.
fn log_was_taken_away(path: &Path) -> bool {
    let exists = |suffix| fs::metadata(companion(path, suffix)).is_ok();
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(PAUSE);
        }
        if !exists("-shm") || exists("-wal") {
            return false;
        }
    }
    true
}

/// Refuses when `path` no longer stands for the file that was opened.
pub(super) fn check_unchanged(path: &Path, opened: &Identity) -> Result<()> {
    let reason = match fs::metadata(path) {
        Ok(metadata) if identity(&metadata) != *opened => "the file was replaced while it was open",
        Ok(metadata) if links(&metadata) != 1 => {
            "the file got a second name (hard link) while it was open"
        }
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            "the file was removed while it was open"
        }
        Err(error) => return Err(failed(path, error)),
    };
    Err(refusal(ErrorKind::DatabaseError, path, reason))
}

/// Bytes in the write-ahead log; 0 when there is none.
pub(super) fn log_size(path: &Path) -> u64 {
    fs::metadata(companion(path, "-wal")).map_or(0, |metadata| metadata.len())
}

/// What SQLite would apply to whatever database has the path, in words; `None` when there is nothing.
pub(super) fn changes_beside(path: &Path) -> Option<&'static str> {
    let has_content =
        |suffix| fs::metadata(companion(path, suffix)).is_ok_and(|metadata| metadata.len() > 0);
    if has_content("-wal") {
        Some("log of changes (-wal)")
    } else if has_content("-journal") {
        Some("journal of an unfinished change (-journal)")
    } else {
        None
    }
}

/// Whether a file is there that was written less than `age` ago.
pub(super) fn is_younger(path: &Path, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|elapsed| elapsed < age))
}

/// What changes when somebody writes a file.
type Stamp = (u64, Option<SystemTime>);

/// The stamps of the files that have the path with each of the suffixes.
pub(super) fn stamps<const N: usize>(path: &Path, suffixes: [&str; N]) -> [Option<Stamp>; N] {
    suffixes.map(|suffix| {
        let metadata = fs::metadata(companion(path, suffix)).ok()?;
        Some((metadata.len(), metadata.modified().ok()))
    })
}

/// The path of a file that SQLite keeps beside a database, such as its `-wal`.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether both paths stand for one file, also through a link.
pub(super) fn is_same(left: &Path, right: &Path) -> bool {
    let identity_of = |path| fs::metadata(path).ok().map(|metadata| identity(&metadata));
    if cfg!(unix) {
        identity_of(left).is_some_and(|left| Some(left) == identity_of(right))
    } else {
        left.canonicalize()
            .is_ok_and(|left| Ok(left) == right.canonicalize().map_err(drop))
    }
}

/// The engine's error for one of the file system, about `path`.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::PermissionDenied {
                what: path.display().to_string(),
                source: error,
            }
        }
        kind => Error::Database {
            kind: if kind == io::ErrorKind::StorageFull {
                ErrorKind::DatabaseFull
            } else {
                ErrorKind::DatabaseError
            },
            path: path.to_owned(),
            reason: error.to_string(),
            source: Some(Box::new(error)),
        },
    }
}

#[cfg(unix)]
fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Refuses a file, or a folder for `-wal` and `-shm`, that may not be written.
#[cfg(unix)]
pub(super) fn check_access(path: &Path) -> Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let may = |path: &Path, access| {
        accessat(CWD, path, access, AtFlags::EACCESS).map_err(|error| failed(path, error.into()))
    };
    if let Some(folder) = path.parent().filter(|folder| folder.is_absolute()) {
        may(folder, Access::WRITE_OK | Access::EXEC_OK)?;
        may(path, Access::READ_OK | Access::WRITE_OK)?;
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_access(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().readonly() => {
            Err(failed(path, io::ErrorKind::PermissionDenied.into()))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

#[cfg(unix)]
fn links(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

/// Windows does not let a file be replaced or removed while SQLite has it open.
#[cfg(not(unix))]
fn identity(_metadata: &fs::Metadata) -> Identity {
    Identity {
        device: 0,
        inode: 0,
    }
}

#[cfg(not(unix))]
fn links(_metadata: &fs::Metadata) -> u64 {
    1
}
