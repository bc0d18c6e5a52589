//! The sockets that a process has open, by the links in `/proc/PID/fd`: about 3 µs a descriptor.
//!
//! A process whose main thread has ended has its descriptors in `/proc/PID/task/TID/fd` only.
//! Descriptors that no table has, such as those in flight over a Unix socket or fixed in an `io_uring`,
//! are not seen.

use std::{ffi::CStr, mem::MaybeUninit, ops::ControlFlow, os::fd::OwnedFd, str};

use rustix::{
    fs::{Mode, OFlags, RawDir, open, openat, readlinkat_raw},
    io::{self, Errno},
};

use crate::host::Known;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// The tables of descriptors of every process.
#[derive(Debug)]
pub(super) struct Tables {
    proc: OwnedFd,
}

impl Tables {
    pub fn open() -> io::Result<Self> {
        let proc = open(c"/proc", FOLDER, Mode::empty())?;
        Ok(Self { proc })
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

    /// Visits the sockets of a process, each with its inode and descriptor, until one visit is enough. An error means that
    /// the process is gone (`ENOENT`, `ESRCH`) or may not be looked at.
    pub fn each_socket(
        &self,
        pid: u32,
        mut visit: impl FnMut(u64, u32) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let main = self.table(&format!("{pid}/fd"), &mut visit);
        if !matches!(main, Ok(0) | Err(Errno::ACCESS)) {
            return main.map(|_| ());
        }
        // When the main thread has ended, its table is empty and root's, whoever's the process is.
        // The other threads share one table, so the first of them that can be read has it all.
        let tasks = format!("{pid}/task");
        let folder = openat(&self.proc, tasks.as_str(), FOLDER, Mode::empty())?;
        let mut others = Ok(0);
        each_number(&folder, |task| {
            if task != pid && others == Ok(0) {
                others = self.table(&format!("{tasks}/{task}/fd"), &mut visit);
            }
        })?;
        match others {
            Ok(0) => main.map(|_| ()),
            _ => others.map(|_| ()),
        }
    }

    /// Whether a process has this very socket at this descriptor.
    pub fn has(&self, known: &Known) -> bool {
        let path = format!("{}/fd/{}", known.pid, known.fd);
        let mut target = [MaybeUninit::uninit(); 32];
        let target = readlinkat_raw(&self.proc, path.as_str(), &mut target);
        target.is_ok_and(|(target, _)| socket_inode(target) == Some(known.inode))
    }

    /// Visits the sockets of one table and returns how many descriptors were read.
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
            let mut target = [MaybeUninit::uninit(); 32];
            let target = match readlinkat_raw(&folder, name, &mut target) {
                Ok((target, _)) => &*target,
                // Closed since the folder was read.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            if let Some(inode) = socket_inode(target)
                && let Some(fd) = number(name)
                && visit(inode, fd).is_break()
            {
                break;
            }
        }
        Ok(count)
    }
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
