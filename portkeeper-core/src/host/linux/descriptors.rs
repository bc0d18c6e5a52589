//! The sockets that a process has open, by the links in `/proc/PID/fd`: 1 to 3 µs a descriptor.
//!
//! To list that folder takes the kernel as long as to read its links. A program is given the lowest number that
//! is free, so that most tables have few gaps: where the kernel tells how many descriptors there are, the links
//! 0, 1, 2 … are read until there were so many, and the folder is listed only for what lies beyond.
//!
//! A process whose main thread has ended has its descriptors in `/proc/PID/task/TID/fd` only.
//! Descriptors that no table has, such as those in flight over a Unix socket or fixed in an `io_uring`,
//! are not seen.

use std::{ffi::CStr, mem::MaybeUninit, ops::ControlFlow, os::fd::OwnedFd, str, sync::OnceLock};

use rustix::{
    fs::{AtFlags, Mode, OFlags, RawDir, open, openat, readlinkat_raw, statat},
    io::{self, Errno},
    path::{Arg, DecInt},
};

use crate::host::Known;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// A folder that is only gone through.
const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// So many gaps, and one more for every four descriptors, take less time than the list of the folder.
const FEW_GAPS: usize = 8;

/// The tables of descriptors of every process.
#[derive(Debug)]
pub(super) struct Tables {
    proc: OwnedFd,
    /// Whether the kernel tells how many descriptors a process has, as Linux 6.2 and later do.
    tells_counts: OnceLock<bool>,
}

impl Tables {
    pub fn open() -> io::Result<Self> {
        let proc = open(c"/proc", FOLDER, Mode::empty())?;
        Ok(Self {
            proc,
            tells_counts: OnceLock::new(),
        })
    }

    /// Every process, newest first as far as pids tell.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        // Opened anew: a folder that is read has a position.
        let proc = openat(&self.proc, c".", FOLDER, Mode::empty())?;
        let mut pids = Vec::with_capacity(512);
        each_number(&proc, |pid| pids.push(pid))?;
        pids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(pids)
    }

    /// How many descriptors a process has, also one that may not be read; `None` where the kernel does not tell.
    pub fn count(&self, pid: u32) -> io::Result<Option<usize>> {
        let size = |path: &str| io::Result::Ok(statat(&self.proc, path, AtFlags::empty())?.st_size);
        let count = size(&format!("{pid}/fd"))?;
        // This process has one at least.
        let tells_counts = || size("self/fd").is_ok_and(|count| count > 0);
        let is_told = count > 0 || *self.tells_counts.get_or_init(tells_counts);
        Ok(usize::try_from(count).ok().filter(|_| is_told))
    }

    /// Visits the sockets of a process, each with its inode and descriptor, until one visit is enough. Returns the number
    /// of its descriptors, where the kernel tells. An error means that the process is gone (`ENOENT`, `ESRCH`) or may not
    /// be looked at.
    pub fn each_socket(
        &self,
        pid: u32,
        mut visit: impl FnMut(u64, u32) -> ControlFlow<()>,
    ) -> io::Result<Option<usize>> {
        let count = self.count(pid)?;
        let main = match count {
            // The kernel's own processes are many, and have none.
            Some(0) => Ok(0),
            _ => self.table(&format!("{pid}/fd"), count, &mut visit),
        };
        // When the main thread has ended, its table is empty and root's, whoever's the process is.
        // The other threads share one table, so the first of them that can be read has it all.
        if !matches!(
            (count, main),
            (Some(0), _) | (None, Ok(0) | Err(Errno::ACCESS))
        ) {
            return main.map(|_| count);
        }
        let tasks = format!("{pid}/task");
        // A folder is linked to by its parent, by itself and by what is in it.
        if count == Some(0) && statat(&self.proc, tasks.as_str(), AtFlags::empty())?.st_nlink == 3 {
            return Ok(count);
        }
        let folder = openat(&self.proc, tasks.as_str(), FOLDER, Mode::empty())?;
        let mut others = Ok(0);
        each_number(&folder, |task| {
            if task != pid && others == Ok(0) {
                others = self.table(&format!("{tasks}/{task}/fd"), None, &mut visit);
            }
        })?;
        match others {
            Ok(0) => main.map(|_| count),
            // The main thread's number says nothing of them.
            _ => others.map(|_| None),
        }
    }

    /// Visits those of one process's sockets that it still has at the same descriptors.
    pub fn still_has(&self, known: &[Known], mut visit: impl FnMut(Known)) {
        let Some(Known { pid, .. }) = known.first() else {
            return;
        };
        let Ok(folder) = openat(&self.proc, format!("{pid}/fd"), PLACE, Mode::empty()) else {
            return;
        };
        for known in known {
            if link(&folder, DecInt::new(known.fd).as_c_str()) == Ok(Some(known.inode)) {
                visit(*known);
            }
        }
    }

    /// Visits the sockets of one table, which has `count` descriptors as far as that is known, and returns how many were
    /// read.
    fn table(
        &self,
        path: &str,
        count: Option<usize>,
        visit: &mut impl FnMut(u64, u32) -> ControlFlow<()>,
    ) -> io::Result<usize> {
        let folder = openat(&self.proc, path, FOLDER, Mode::empty())?;
        let mut read = 0;
        let mut next = 0;
        if let Some(count) = count {
            let mut gaps = 0;
            while read < count && gaps <= FEW_GAPS + read / 4 {
                match link(&folder, DecInt::new(next).as_c_str()) {
                    Ok(target) => {
                        read += 1;
                        if target.is_some_and(|inode| visit(inode, next).is_break()) {
                            return Ok(read);
                        }
                    }
                    Err(Errno::NOENT) => gaps += 1,
                    Err(error) => return Err(error),
                }
                next += 1;
            }
            if read == count {
                return Ok(read);
            }
        }
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&folder, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            let Some(fd) = number(name).filter(|fd| *fd >= next) else {
                continue;
            };
            match link(&folder, name) {
                Ok(target) => {
                    read += 1;
                    if target.is_some_and(|inode| visit(inode, fd).is_break()) {
                        break;
                    }
                }
                // Closed since the folder was read.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}

/// The inode of the socket that a link leads to; `None` for a link to something else.
fn link(folder: &OwnedFd, name: impl Arg) -> io::Result<Option<u64>> {
    let mut target = [MaybeUninit::uninit(); 32];
    let (target, _) = readlinkat_raw(folder, name, &mut target)?;
    Ok(socket_inode(target))
}

fn number(name: &CStr) -> Option<u32> {
    name.to_str().ok()?.parse().ok()
}

/// Reads `socket:[12345]`.
fn socket_inode(target: &[u8]) -> Option<u64> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Visits the entries of a folder of `/proc` that are pids or thread ids.
fn each_number(folder: &OwnedFd, mut visit: impl FnMut(u32)) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if let Some(number) = number(entry.file_name()) {
            visit(number);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::socket_inode;

    #[test]
    fn only_sockets_have_an_inode_here() {
        for (target, inode) in [
            ("socket:[12345]", Some(12_345)),
            ("socket:[18446744073709551615]", Some(u64::MAX)),
            ("socket:[]", None),
            ("socket:[1", None),
            ("pipe:[12345]", None),
            ("/tmp/socket:[1]", None),
            ("anon_inode:[eventpoll]", None),
        ] {
            assert_eq!(socket_inode(target.as_bytes()), inode, "{target}");
        }
    }
}
