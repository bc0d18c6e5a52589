//! A file that nobody sees before it is whole.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::file;
use crate::error::Result;

mod abandoned;

pub(super) use abandoned::remove as remove_abandoned;

/// A file for its owner alone beside the place where it is to be; removed unless it is put there.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    /// Locked as long as the process lives that makes the file: what a killed one left is told by that.
    alive: Option<fs::File>,
    placed: bool,
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
            alive: Some(file),
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
        // Once it has its name others open it, and closing a descriptor would drop their locks.
        drop(self.alive.take());
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

#[cfg(target_os = "linux")]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot promise it.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => link_to_new(from, to),
        renamed => Ok(renamed?),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    link_to_new(from, to)
}

/// Fails where `to` exists, however many processes try at once. For a moment the file has two names.
fn link_to_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
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
