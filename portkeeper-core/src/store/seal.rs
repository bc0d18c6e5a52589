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
    untrusted,
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
/// One with a log or a journal beside it is a database in use, and one that this process has open is not
/// read at all: closing a descriptor would drop its locks.
pub(super) fn check(path: &Path) -> Result<Option<Purpose>> {
    if is_used(path) {
        return Ok(None);
    }
    match read(path).map_err(|error| file::failed(path, error))? {
        Found::Nothing => Ok(None),
        Found::Whole(purpose) => Ok(Some(purpose)),
        Found::Broken => Err(changed(path)),
    }
}

/// What a file says that it was written for. Only its first and last bytes are read, so that it need
/// not be whole.
pub(super) fn claims(path: &Path) -> Option<Purpose> {
    if is_used(path) {
        return None;
    }
    let mut file = fs::File::open(path).ok()?;
    let (_, text) = last(&mut file).ok()??;
    let (purpose, then) = meaning(&text)?;
    (changes(&mut file).ok()?.as_bytes() == then).then_some(purpose)
}

/// Whether it is a database in use, or open in this process.
fn is_used(path: &Path) -> bool {
    untrusted::is_in_use(path)
        || path
            .canonicalize()
            .is_ok_and(|path| Generation::is_open_here(&path))
}

enum Found {
    Nothing,
    Whole(Purpose),
    Broken,
}

fn read(path: &Path) -> io::Result<Found> {
    let mut file = fs::File::open(path)?;
    let Some((length, text)) = last(&mut file)? else {
        return Ok(Found::Nothing);
    };
    let Some((purpose, then)) = meaning(&text) else {
        return Ok(Found::Broken);
    };
    if seal(&mut file, length, purpose)?.as_bytes() == text {
        return Ok(Found::Whole(purpose));
    }
    Ok(if changes(&mut file)?.as_bytes() == then {
        Found::Broken
    } else {
        Found::Nothing
    })
}

/// The text of the seal, and the bytes before it; `None` where there is none.
fn last(file: &mut fs::File) -> io::Result<Option<(u64, Vec<u8>)>> {
    let Some(length) = file.metadata()?.len().checked_sub(LENGTH) else {
        return Ok(None);
    };
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(length))?;
    file.take(LENGTH).read_to_end(&mut text)?;
    Ok(text.starts_with(MAGIC.as_bytes()).then_some((length, text)))
}

/// What the backup was for, and the count of changes when it was written.
fn meaning(text: &[u8]) -> Option<(Purpose, &[u8])> {
    let rest = text.strip_prefix(MAGIC.as_bytes())?;
    let purpose = match rest.first()? {
        b'b' => Purpose::Backup,
        b's' => Purpose::Safety,
        _ => return None,
    };
    Some((purpose, rest.get(2..10)?))
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
