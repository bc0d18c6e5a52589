//! The sockets that a process has open, by the links in `/proc/PID/fd`: 1 to 3 µs a descriptor.
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
            _ => self.table(&format!("{pid}/fd"), &mut visit),
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
                others = self.table(&format!("{tasks}/{task}/fd"), &mut visit);
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

    /// Visits the sockets of one table and returns how many descriptors were read.
    ///
    /// The folder is listed in ascending order, so that no descriptor is missed that is open all the time. To read
    /// the links 0, 1, 2 … until there were as many as the kernel counts would take a sixth less time, and miss the
    /// last one when a lower number is opened meanwhile.
    fn table(
        &self,
        path: &str,
        visit: &mut impl FnMut(u64, u32) -> ControlFlow<()>,
    ) -> io::Result<usize> {
        let folder = openat(&self.proc, path, FOLDER, Mode::empty())?;
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&folder, &mut buffer);
        let mut count = 0;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            count += 1;
            match link(&folder, name) {
                Ok(Some(inode)) => {
                    if let Some(fd) = number(name)
                        && visit(inode, fd).is_break()
                    {
                        break;
                    }
                }
                // No socket, or closed since the folder was read.
                Ok(None) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
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
