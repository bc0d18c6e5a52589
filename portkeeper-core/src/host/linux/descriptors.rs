//! Who has which socket open, by the links in `/proc/PID/fd`.
//!
//! A socket may be open in many processes, and nothing leads from the socket to them, so the only
//! complete answer is to read every descriptor of every process: about 3 µs each. A process whose
//! main thread has ended has its descriptors in `/proc/PID/task/TID/fd` only. Descriptors that no
//! table has, such as those in flight over a Unix socket or fixed in an `io_uring`, are not seen.

use std::{collections::HashMap, mem::MaybeUninit, os::fd::OwnedFd, str};

use rustix::{
    fs::{Mode, OFlags, RawDir, open, openat, readlinkat_raw},
    io::{self, Errno},
};

use super::{stat::Stat, visibility};
use crate::{
    error::{Error, Result},
    host::owners::Holders,
};

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Finds every process that has one of the sockets open.
pub(in crate::host) fn holders(inodes: impl IntoIterator<Item = u64>) -> Result<Holders> {
    let wanted: HashMap<u64, Vec<u32>> = inodes
        .into_iter()
        .map(|inode| (inode, Vec::new()))
        .collect();
    if wanted.is_empty() {
        return Ok(Holders::default());
    }
    if !visibility::proc_is_ours() {
        return Ok(Holders {
            by_inode: HashMap::new(),
            everything_was_seen: false,
        });
    }
    let mut walk = Walk {
        wanted,
        refused: Vec::new(),
    };
    walk.processes()
        .map_err(|error| Error::ScanFailed(format!("/proc could not be read: {error}")))?;
    let found_all = walk.wanted.values().all(|pids| !pids.is_empty());
    Ok(Holders {
        everything_was_seen: found_all || walk.saw_everything(),
        by_inode: walk.wanted,
    })
}

struct Walk {
    wanted: HashMap<u64, Vec<u32>>,
    /// The processes whose descriptors may not be read.
    refused: Vec<u32>,
}

impl Walk {
    fn processes(&mut self) -> io::Result<()> {
        let proc = open(c"/proc", FOLDER, Mode::empty())?;
        each_number(&proc, |pid| match self.process(&proc, pid) {
            Ok(()) | Err(Errno::NOENT | Errno::SRCH) => {}
            Err(_) => self.refused.push(pid),
        })
    }

    fn process(&mut self, proc: &OwnedFd, pid: u32) -> io::Result<()> {
        let main = self.descriptors(proc, &format!("{pid}/fd"), pid);
        if !matches!(main, Ok(0) | Err(Errno::ACCESS)) {
            return main.map(|_| ());
        }
        // When the main thread has ended, its table is empty and root's, whoever's the process is.
        // The other threads share one table, so the first of them that can be read has it all.
        let tasks = format!("{pid}/task");
        let folder = openat(proc, tasks.as_str(), FOLDER, Mode::empty())?;
        let mut others = Ok(0);
        each_number(&folder, |task| {
            if task != pid && others == Ok(0) {
                others = self.descriptors(proc, &format!("{tasks}/{task}/fd"), pid);
            }
        })?;
        match others {
            Ok(0) => main.map(|_| ()),
            _ => others.map(|_| ()),
        }
    }

    /// Notes the wanted sockets of one table and returns how many descriptors it has.
    fn descriptors(&mut self, proc: &OwnedFd, path: &str, pid: u32) -> io::Result<usize> {
        let folder = openat(proc, path, FOLDER, Mode::empty())?;
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
            if let Some(pids) = socket_inode(target).and_then(|inode| self.wanted.get_mut(&inode))
                && pids.last() != Some(&pid)
            {
                pids.push(pid);
            }
        }
        Ok(count)
    }

    /// Whether there can be no holder that was not found.
    fn saw_everything(&self) -> bool {
        !visibility::hides_processes()
            && self.refused.iter().all(|pid| {
                std::fs::read(format!("/proc/{pid}/stat")).map_or_else(
                    |error| error.kind() == std::io::ErrorKind::NotFound,
                    |line| Stat::parse(&line).is_some_and(|stat| stat.has_no_files()),
                )
            })
    }
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
        if let Some(number) = entry
            .file_name()
            .to_str()
            .ok()
            .and_then(|name| name.parse().ok())
        {
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
