//! A file that nobody sees before it is whole.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::file;
use crate::error::{Error, Result};

mod abandoned;

pub(super) use abandoned::remove as remove_abandoned;

/// A file for its owner alone beside the place where it is to be; removed unless it is put there.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    target: PathBuf,
    /// Locked as long as the process lives that makes the file: what a killed one left is told by that.
    alive: Option<fs::File>,
    placed: bool,
}

/// What the place of a new file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Whatever is to be replaced.
    Earlier,
    /// Nothing, however many processes try at once.
    Nothing,
    /// Nothing; where the file system cannot promise that, nothing a moment before.
    NothingSeen,
}

impl NewFile {
    pub(super) fn beside(target: &Path) -> Result<Self> {
        let name = target.file_name().unwrap_or_default();
        remove_abandoned(target, |stem| Some(stem) == name.to_str());
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{:016x}.tmp", fastrand::u64(..)));
        let path = target.with_file_name(temporary);
        let file = create(&path).map_err(|error| file::failed(target, error))?;
        // Where nothing can be locked, nothing is taken for abandoned either.
        let _ = abandoned::lock(&file);
        Ok(Self {
            path,
            target: target.to_owned(),
            alive: Some(file),
            placed: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about this file, as one about the file that it was to be: its own name is gone by the time
    /// that anybody reads the message.
    pub(super) fn named(&self, error: Error) -> Error {
        match error {
            Error::Database {
                kind,
                path,
                reason,
                source,
            } if path == self.path => Error::Database {
                kind,
                path: self.target.clone(),
                reason,
                source,
            },
            Error::PermissionDenied { what, source } if what == self.path.display().to_string() => {
                Error::PermissionDenied {
                    what: self.target.display().to_string(),
                    source,
                }
            }
            other => other,
        }
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

    /// Gives the file its name. `false` when something has the name that must stay.
    pub(super) fn place(mut self, target: &Path, over: Over) -> Result<bool> {
        // Once it has its name others open it, and closing a descriptor would drop their locks.
        drop(self.alive.take());
        let renamed = match over {
            Over::Earlier => fs::rename(&self.path, target),
            Over::Nothing => rename_to_new(&self.path, target),
            Over::NothingSeen => rename_to_new(&self.path, target)
                .or_else(|error| rename_to_unseen(&self.path, target, error)),
        };
        match renamed {
            Ok(()) => {}
            Err(error) if over != Over::Earlier && error.kind() == io::ErrorKind::AlreadyExists => {
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
            remove_with_companions(&self.path);
        }
    }
}

/// Removes a temporary file and what SQLite may have left beside it.
fn remove_with_companions(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let _ = fs::remove_file(file::companion(path, suffix));
    }
}

/// The mode is set at creation: SQLite gives `-wal` and `-shm` the mode that the database has at that
/// moment, so that a later change would come too late for them.
fn create(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::{
        fs::{CWD, RenameFlags, renameat_with},
        io::Errno,
    };
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot promise it.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_to_new(from, to),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    link_to_new(from, to)
}

/// Fails where `to` exists, however many processes try at once. For a moment the file has two names; of a
/// process that is killed then, the next one to open it removes the first.
fn link_to_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    match fs::remove_file(from) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// For file systems, such as some of other machines, that know neither a rename to nothing nor links.
fn rename_to_unseen(from: &Path, to: &Path, error: io::Error) -> io::Result<()> {
    use io::ErrorKind::{AlreadyExists, NotFound, PermissionDenied, Unsupported};
    if !matches!(error.kind(), PermissionDenied | Unsupported) {
        return Err(error);
    }
    match fs::symlink_metadata(to) {
        Err(missing) if missing.kind() == NotFound => fs::rename(from, to),
        Ok(_) => Err(AlreadyExists.into()),
        Err(other) => Err(other),
    }
}

/// Removes the name under which a process made the file at `path`, and was killed when that had both.
pub(super) fn remove_first_name(path: &Path) {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return;
    };
    let entries = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let is_ours = entry
            .file_name()
            .to_str()
            .and_then(abandoned::stem)
            .is_some_and(|stem| stem == name);
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_ours && is_file && file::is_same(path, &entry.path()) {
            // One that stays is refused.
            let _ = fs::remove_file(entry.path());
        }
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

#[cfg(test)]
mod tests {
    use std::{fs, io};

    use super::{link_to_new, rename_to_unseen};

    #[test]
    fn whatever_the_file_system_can_nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let cannot = || io::Error::from(io::ErrorKind::Unsupported);
        for new in ["linked", "renamed"] {
            fs::write(path("from"), new).unwrap();
            fs::write(path("old"), "old").unwrap();
            let rename = |to: &str| match new {
                "linked" => link_to_new(&path("from"), &path(to)),
                _ => rename_to_unseen(&path("from"), &path(to), cannot()),
            };
            let error = rename("old").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(path("old")).unwrap(), "old");
            rename(new).unwrap();
            assert_eq!(fs::read_to_string(path(new)).unwrap(), new);
            assert!(!path("from").exists());
        }
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = rename_to_unseen(&path("old"), &path("new"), full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
