//! The database as a file: where it is, how it is made, and whether it is still the same one.
//!
//! Nothing here opens the database, its `-wal` or its `-shm`: closing any descriptor of a file drops
//! the POSIX locks that SQLite holds on it in this process, and another process then writes in the
//! middle of a transaction. Metadata is read by path.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::failure::refusal;
use crate::error::{Error, ErrorKind, Result};

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

/// Creates an empty file where there is none, and tells which file is there.
///
/// The mode is set at creation: SQLite gives `-wal` and `-shm` the mode that the database has at that
/// moment, so that a later change would come too late for them.
pub(super) fn create(path: &Path) -> Result<Identity> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match create_file(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(path, error));
                }
                _ => {}
            }
            fs::metadata(path).map_err(|error| failed(path, error))?
        }
        metadata => metadata.map_err(|error| failed(path, error))?,
    };
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
    if metadata.len() == 0 && log_size(path) > 0 {
        return Err(refusal(
            ErrorKind::DatabaseCorrupt,
            path,
            "it is empty, while a log of changes (-wal) lies beside it",
        ));
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
    const LOOKS: usize = 5;
    let exists = |suffix| fs::metadata(companion(path, suffix)).is_ok();
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(Duration::from_millis(2));
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

/// `mknod` makes the file without a descriptor, whose closing would drop the locks of another thread
/// that opened the database in between.
#[cfg(target_os = "linux")]
pub(super) fn create_file(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    match mknodat(CWD, path, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) => Ok(()),
        // Some file systems have no `mknod`; those with a better reason repeat it.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => create_file_by_opening(path),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn create_file(path: &Path) -> io::Result<()> {
    create_file_by_opening(path)
}

fn create_file_by_opening(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
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
