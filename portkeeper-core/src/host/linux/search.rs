//! Who has which socket open.
//!
//! Nothing leads from a socket to its processes, and a socket may be open in many of them, so that the
//! only complete answer is to read every descriptor of every process. Mostly one owner is enough, and then
//! there are shorter ways: to look first where a socket was last time, then in the newest processes, and to
//! stop when each socket has somebody. What remains to be read is read by several threads.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustix::io::Errno;

use super::{descriptors::Tables, process, stat::Stat, visibility};
use crate::{
    error::{Error, Result},
    host::{Known, owners::Holders},
};

/// A new server is mostly among so many of the newest processes, which are read before threads start.
const NEWEST: usize = 16;
/// Below this number of processes a thread takes longer to start than to read them.
const WORTH_A_THREAD: usize = 64;
/// More threads than this wait for the kernel's locks, and not for processors.
const MOST_THREADS: usize = 8;

/// How many of a socket's processes to find.
#[derive(Debug, Clone, Copy)]
pub(super) enum Effort<'a> {
    /// Every one.
    All,
    /// At least one, where there is one, and those of its ancestors that have the socket too: a server's
    /// first process and not only a worker. These are looked at first.
    First(&'a [Known]),
}

/// Finds the processes that have these sockets open.
pub(super) fn holders(
    inodes: impl IntoIterator<Item = u64>,
    effort: Effort<'_>,
) -> Result<Holders> {
    let wanted: HashSet<u64> = inodes.into_iter().collect();
    if wanted.is_empty() {
        return Ok(Holders::default());
    }
    if !visibility::proc_is_ours() {
        return Ok(Holders {
            by_inode: HashMap::new(),
            everything_was_seen: false,
        });
    }
    let unreadable = |error| Error::ScanFailed(format!("/proc could not be read: {error}"));
    let search = Search {
        tables: Tables::open().map_err(unreadable)?,
        missing: AtomicUsize::new(match effort {
            Effort::All => usize::MAX,
            Effort::First(_) => wanted.len(),
        }),
        wanted,
        found: Mutex::default(),
    };
    if let Effort::First(known) = effort {
        search.verify(known);
    }
    if !search.is_over() {
        let before = search.found().by_inode.clone();
        let processes = search.tables.processes().map_err(unreadable)?;
        let (newest, older) = processes.split_at(NEWEST.min(processes.len()));
        search.walk(newest);
        search.walk(older);
        if matches!(effort, Effort::First(_)) {
            search.climb(&before);
        }
    }
    Ok(search.into_holders())
}

/// What the threads of one search share.
struct Search {
    tables: Tables,
    wanted: HashSet<u64>,
    found: Mutex<Found>,
    /// How many sockets have nobody yet. At 0 the search is over, which it never is where everybody is
    /// to be found.
    missing: AtomicUsize,
}

#[derive(Default)]
struct Found {
    by_inode: HashMap<u64, Vec<u32>>,
    /// The processes whose descriptors may not be read.
    refused: Vec<u32>,
}

impl Search {
    fn is_over(&self) -> bool {
        self.missing.load(Ordering::Relaxed) == 0
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, inode: u64, pid: u32) {
        let mut found = self.found();
        let pids = found.by_inode.entry(inode).or_default();
        if pids.is_empty() {
            // It stays above 0 where it began at the largest number.
            self.missing.fetch_sub(1, Ordering::Relaxed);
        }
        if !pids.contains(&pid) {
            pids.push(pid);
        }
    }

    /// Looks where the sockets were: in each process until all are found that it had.
    fn verify(&self, known: &[Known]) {
        let mut sockets: HashMap<u32, HashSet<u64>> = HashMap::new();
        for known in known
            .iter()
            .filter(|known| self.wanted.contains(&known.inode))
        {
            sockets.entry(known.pid).or_default().insert(known.inode);
        }
        for (pid, mut expected) in sockets {
            // Whoever is gone or may not be looked at any more is met again in the walk.
            let _ = self.tables.each_socket(pid, |inode| {
                if self.wanted.contains(&inode) {
                    self.note(inode, pid);
                    expected.remove(&inode);
                }
                until(expected.is_empty())
            });
        }
    }

    /// Reads these processes, with the help of threads where they are many.
    fn walk(&self, processes: &[u32]) {
        let next = AtomicUsize::new(0);
        let work = || {
            while !self.is_over()
                && let Some(pid) = processes.get(next.fetch_add(1, Ordering::Relaxed))
            {
                self.read(*pid);
            }
        };
        if processes.len() < WORTH_A_THREAD || self.is_over() {
            return work();
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 1..threads.min(MOST_THREADS) {
                // Where no thread can be had, this one does it all.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
    }

    fn read(&self, pid: u32) {
        let outcome = self.tables.each_socket(pid, |inode| {
            if self.wanted.contains(&inode) {
                self.note(inode, pid);
            }
            until(self.is_over())
        });
        match outcome {
            Ok(()) | Err(Errno::NOENT | Errno::SRCH) => {}
            Err(_) => self.found().refused.push(pid),
        }
    }

    /// Goes from each process that was found to its parent, as long as that has the same socket.
    fn climb(&self, known_before: &HashMap<u64, Vec<u32>>) {
        let found = self.found().by_inode.clone();
        // Most servers have the same parent, a shell or a supervisor, which is read once.
        let mut parents: HashMap<u32, HashSet<u64>> = HashMap::new();
        for (inode, pids) in found {
            if known_before.contains_key(&inode) {
                continue;
            }
            for mut pid in pids {
                while let Some(parent) = process::kin(pid).map(|kin| kin.parent)
                    && parent != 0
                    && parents
                        .entry(parent)
                        .or_insert_with(|| self.sockets_of(parent))
                        .contains(&inode)
                {
                    self.note(inode, parent);
                    pid = parent;
                }
            }
        }
    }

    /// The wanted sockets that a process has open.
    fn sockets_of(&self, pid: u32) -> HashSet<u64> {
        let mut sockets = HashSet::new();
        let _ = self.tables.each_socket(pid, |inode| {
            if self.wanted.contains(&inode) {
                sockets.insert(inode);
            }
            until(sockets.len() == self.wanted.len())
        });
        sockets
    }

    fn into_holders(self) -> Holders {
        let found = self
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let found_all = self.wanted.len() == found.by_inode.len();
        Holders {
            everything_was_seen: found_all || nothing_was_hidden(&found.refused),
            by_inode: found.by_inode,
        }
    }
}

fn until(over: bool) -> ControlFlow<()> {
    if over {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// Whether no process that has open files was kept from view.
fn nothing_was_hidden(refused: &[u32]) -> bool {
    !visibility::hides_processes()
        && refused.iter().all(|pid| {
            std::fs::read(format!("/proc/{pid}/stat")).map_or_else(
                |error| error.kind() == std::io::ErrorKind::NotFound,
                |line| Stat::parse(&line).is_some_and(|stat| stat.has_no_files()),
            )
        })
}
