//! A backup's last bytes: a checksum of all the others.
//!
//! SQLite checks the structure of its pages and not what is in them: one flipped bit makes another
//! project, and the database is as sound as before. It reads no further than the number of pages in its
//! header, so that the checksum may follow them; whoever opens a backup in any program finds a plain
//! database. Once SQLite has changed the file on purpose, its count of changes in the header is another
//! one, and the seal vouches for nothing any more.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::{
    checksum::hexadecimal, failure::refusal, file, generation::Generation, new_file::NewFile,
};
use crate::error::{Error, ErrorKind, Result};

const MAGIC: &str = "\nPKPR seal 1 ";
/// Magic, purpose, count of changes, checksum, and the spaces and the line end between.
const LENGTH: u64 = MAGIC.len() as u64 + 2 + 9 + 64 + 1;
/// Where SQLite's header counts the changes.
const CHANGES: u64 = 24;

/// What a backup was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody asked for it.
    Backup,
    /// The state before a restore.
    Safety,
}

/// Seals a copy that SQLite has closed, and makes it survive a power cut.
pub(super) fn put(new: &NewFile, purpose: Purpose) -> Result<()> {
    let sealed = || {
        let options = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .open(new.path());
        let mut file = options?;
        let length = file.metadata()?.len();
        let seal = seal(&mut file, length, purpose)?;
        file.write_all(seal.as_bytes())?;
        file.sync_all()
    };
    sealed().map_err(|error| file::failed(new.path(), error))
}

/// Refuses a backup that is not, to the byte, what was written. Tells what it was written for, and
/// `None` of a file without a seal that still holds.
///
/// A database that somebody has open is not read: closing a descriptor would drop its locks.
pub(super) fn check(path: &Path) -> Result<Option<Purpose>> {
    let is_used = ["-wal", "-shm", "-journal"]
        .iter()
        .any(|suffix| file::companion(path, suffix).exists())
        || path
            .canonicalize()
            .is_ok_and(|path| Generation::is_open_here(&path));
    if is_used {
        return Ok(None);
    }
    match read(path).map_err(|error| file::failed(path, error))? {
        Found::Nothing => Ok(None),
        Found::Whole(purpose) => Ok(Some(purpose)),
        Found::Broken => Err(changed(path)),
    }
}

enum Found {
    Nothing,
    Whole(Purpose),
    Broken,
}

fn read(path: &Path) -> io::Result<Found> {
    let mut file = fs::File::open(path)?;
    let Some(length) = file.metadata()?.len().checked_sub(LENGTH) else {
        return Ok(Found::Nothing);
    };
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(length))?;
    (&mut file).take(LENGTH).read_to_end(&mut text)?;
    let Some(rest) = text.strip_prefix(MAGIC.as_bytes()) else {
        return Ok(Found::Nothing);
    };
    let purpose = match rest.first() {
        Some(b'b') => Purpose::Backup,
        Some(b's') => Purpose::Safety,
        _ => return Ok(Found::Broken),
    };
    if seal(&mut file, length, purpose)?.as_bytes() == text {
        return Ok(Found::Whole(purpose));
    }
    let now = changes(&mut file)?;
    let then = rest.get(2..10);
    Ok(if then == Some(now.as_bytes()) {
        Found::Broken
    } else {
        Found::Nothing
    })
}

/// The seal of the first `length` bytes.
fn seal(file: &mut fs::File, length: u64, purpose: Purpose) -> io::Result<String> {
    let purpose = match purpose {
        Purpose::Backup => 'b',
        Purpose::Safety => 's',
    };
    let changes = changes(file)?;
    let mut hash = Sha256::new();
    file.seek(SeekFrom::Start(0))?;
    let mut pages = (&mut *file).take(length);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match pages.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    hash.update(format!("{purpose} {changes}"));
    let sum = hexadecimal(&hash.finalize());
    Ok(format!("{MAGIC}{purpose} {changes} {sum}\n"))
}

/// SQLite's count of changes, as eight hexadecimal digits.
fn changes(file: &mut fs::File) -> io::Result<String> {
    let mut count = [0; 4];
    file.seek(SeekFrom::Start(CHANGES))?;
    file.read_exact(&mut count)?;
    Ok(hexadecimal(&count))
}

fn changed(path: &Path) -> Error {
    let reason = "it is not what was written: bytes of this backup have changed since";
    refusal(ErrorKind::DatabaseCorrupt, path, reason)
}
