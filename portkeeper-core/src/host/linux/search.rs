//! Who has which socket open.
//!
//! Nothing leads from a socket to its processes, and a socket may be open in many of them, so that the
//! only complete answer is to read every descriptor of every process. Mostly one owner is enough, and then
//! there are shorter ways: to look first where a socket was last time, then in the newest processes, then in the
//! oldest and the newest of the others by turns, and to stop when each socket has somebody. What remains to be read
//! is read by several threads.

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
    host::{Earlier, Known, owners::Holders},
    model::Owner,
};

/// A new server is mostly among so many of the newest processes, which are read before threads start, unless there
/// are many sockets to find.
const NEWEST: usize = 16;
/// Below this number of processes to read, and of sockets to find, a thread takes longer to start than to find them.
const WORTH_A_THREAD: usize = 64;
/// More threads than this wait for the kernel's locks, and not for processors.
const MOST_THREADS: usize = 8;

/// How many of a socket's processes to find.
#[derive(Debug, Clone, Copy)]
pub(super) enum Effort<'a> {
    /// Every one.
    All,
    /// At least one, where there is one, and those of its ancestors that have the socket too: a server's
    /// first process and not only a worker. What was seen earlier is tried first.
    First(&'a Earlier),
}

/// Finds the processes that have these sockets open.
///
/// Those that were `read` already are passed over, unless the number of their descriptors has changed.
pub(super) fn holders(
    inodes: impl IntoIterator<Item = u64>,
    effort: Effort<'_>,
    read: &HashMap<u32, usize>,
) -> Result<Holders> {
    let wanted: HashSet<u64> = inodes.into_iter().collect();
    if wanted.is_empty() {
        return Ok(Holders::default());
    }
    if !visibility::proc_is_ours() {
        return Ok(Holders {
            everything_was_seen: false,
            ..Holders::default()
        });
    }
    let unreadable = |error| Error::ScanFailed(format!("/proc could not be read: {error}"));
    let mut search = Search {
        tables: Tables::open().map_err(unreadable)?,
        missing: AtomicUsize::new(match effort {
            Effort::All => usize::MAX,
            Effort::First(_) => wanted.len(),
        }),
        wanted,
        read,
        found: Mutex::default(),
        given_up: HashMap::new(),
    };
    if let Effort::First(earlier) = effort {
        search.verify(&earlier.holders);
        search.give_up(&earlier.unowned);
    }
    if !search.is_over() {
        let verified = search.found().inodes.clone();
        let processes = search.tables.processes().map_err(unreadable)?;
        let (newest, older) = processes.split_at(NEWEST.min(processes.len()));
        let mut rest = from_both_ends(older);
        if search.wanted.len() < WORTH_A_THREAD {
            search.walk(newest);
        } else {
            rest.splice(..0, newest.iter().copied());
        }
        search.walk(&rest);
        if matches!(effort, Effort::First(_)) {
            search.climb(&verified);
        }
    }
    Ok(search.into_holders())
}

/// What the threads of one search share.
struct Search<'a> {
    tables: Tables,
    wanted: HashSet<u64>,
    /// Processes that have none of them, with the number of their descriptors.
    read: &'a HashMap<u32, usize>,
    found: Mutex<Found>,
    /// How many sockets are still to be found. At 0 the search is over, which it never is where
    /// everybody is to be found.
    missing: AtomicUsize,
    /// What is not looked for, and what is known of it instead.
    given_up: HashMap<u64, Owner>,
}

#[derive(Default)]
struct Found {
    known: Vec<Known>,
    /// The sockets among them.
    inodes: HashSet<u64>,
    /// The processes whose descriptors may not be read.
    refused: Vec<u32>,
    /// The others, with the number of their descriptors.
    read: HashMap<u32, usize>,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.missing.load(Ordering::Relaxed) == 0
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, known: Known) {
        let mut found = self.found();
        found.known.push(known);
        // What was given up is not counted, and may turn up nevertheless.
        if found.inodes.insert(known.inode) && !self.given_up.contains_key(&known.inode) {
            self.missing.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Looks where the sockets were, in each process once.
    fn verify(&self, earlier: &[Known]) {
        let is_wanted = |known: &&Known| self.wanted.contains(&known.inode);
        let mut earlier: Vec<Known> = earlier.iter().filter(is_wanted).copied().collect();
        earlier.sort_unstable_by_key(|known| (known.pid, known.fd, known.inode));
        earlier.dedup();
        for of_one in earlier.chunk_by(|a, b| a.pid == b.pid) {
            self.tables.still_has(of_one, |known| self.note(known));
        }
    }

    /// Does not look for those that were looked for everywhere not long ago.
    fn give_up(&mut self, unowned: &[(u64, Owner)]) {
        let found = self.found();
        let is_given_up = |(inode, _): &(u64, Owner)| {
            self.wanted.contains(inode) && !found.inodes.contains(inode)
        };
        let given_up: HashMap<u64, Owner> = unowned.iter().copied().filter(is_given_up).collect();
        drop(found);
        self.missing.fetch_sub(given_up.len(), Ordering::Relaxed);
        self.given_up = given_up;
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
        let unread = processes.len().saturating_sub(self.read.len());
        let much = unread.max(self.wanted.len());
        if much < WORTH_A_THREAD || self.is_over() {
            return work();
        }
        thread::scope(|scope| {
            for _ in 1..processors().min(MOST_THREADS) {
                // Where no thread can be had, this one does it all.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
    }

    fn read(&self, pid: u32) {
        if let Some(count) = self.read.get(&pid)
            && self.tables.count(pid) == Ok(Some(*count))
        {
            return;
        }
        let outcome = self.tables.each_socket(pid, |inode, fd| {
            if self.wanted.contains(&inode) {
                self.note(Known { inode, pid, fd });
            }
            until(self.is_over())
        });
        match outcome {
            Ok(Some(count)) => drop(self.found().read.insert(pid, count)),
            Ok(None) | Err(Errno::NOENT | Errno::SRCH) => {}
            Err(_) => self.found().refused.push(pid),
        }
    }

    /// Goes from each process that was found to its parent, as long as that has the same socket. Where
    /// a socket was last time is where it was climbed to.
    fn climb(&self, verified: &HashSet<u64>) {
        let mut children = self.found().known.clone();
        children.retain(|known| !verified.contains(&known.inode));
        // Most servers have the same parent, a shell or a supervisor, which is read once.
        let mut sockets: HashMap<u32, HashMap<u64, Known>> = HashMap::new();
        while !children.is_empty() {
            children.sort_unstable_by_key(|known| (known.pid, known.inode));
            children.dedup_by_key(|known| (known.pid, known.inode));
            let mut parents = Vec::new();
            for of_one in children.chunk_by(|a, b| a.pid == b.pid) {
                let Some(parent) = of_one.first().and_then(|known| parent(known.pid)) else {
                    continue;
                };
                let theirs = sockets
                    .entry(parent)
                    .or_insert_with(|| self.sockets_of(parent));
                let has_too = of_one.iter().filter_map(|known| theirs.get(&known.inode));
                parents.extend(has_too.copied());
            }
            for known in &parents {
                self.note(*known);
            }
            children = parents;
        }
    }

    /// The wanted sockets that a process has open.
    fn sockets_of(&self, pid: u32) -> HashMap<u64, Known> {
        let mut sockets = HashMap::new();
        let _ = self.tables.each_socket(pid, |inode, fd| {
            if self.wanted.contains(&inode) {
                sockets.insert(inode, Known { inode, pid, fd });
            }
            until(sockets.len() == self.wanted.len())
        });
        sockets
    }

    fn into_holders(self) -> Holders {
        let given_up = self.given_up;
        let Found {
            known: mut found,
            inodes,
            refused,
            read,
        } = self
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        // A process may have a socket at several descriptors.
        found.sort_unstable_by_key(|known| (known.inode, known.pid, known.fd));
        found.dedup_by_key(|known| (known.inode, known.pid));
        let is_settled = |inode| inodes.contains(inode) || given_up.contains_key(inode);
        let all_are_settled = self.wanted.iter().all(is_settled);
        Holders {
            everything_was_seen: all_are_settled || nothing_was_hidden(&refused),
            found,
            given_up,
            read,
        }
    }
}

/// A server that is none of the newest processes is mostly one that was started long ago, before those that work now.
fn from_both_ends(processes: &[u32]) -> Vec<u32> {
    let oldest = processes.iter().rev();
    let pairs = processes.iter().zip(oldest);
    let in_turn = pairs.flat_map(|(newest, oldest)| [*newest, *oldest]);
    in_turn.take(processes.len()).collect()
}

/// How many processors this thread may use. What the standard library says takes a control group's share into
/// account, for which it reads half a dozen files.
fn processors() -> usize {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => usize::try_from(set.count()).unwrap_or(1),
        // There are more than fit into its set.
        Err(_) => thread::available_parallelism().map_or(1, usize::from),
    }
}

fn parent(pid: u32) -> Option<u32> {
    let kin = process::kin(pid)?;
    (kin.parent != 0).then_some(kin.parent)
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

#[cfg(test)]
mod tests {
    use super::from_both_ends;

    #[test]
    fn each_process_comes_once() {
        for (processes, expected) in [
            (&[][..], &[][..]),
            (&[5], &[5]),
            (&[5, 4], &[5, 4]),
            (&[5, 4, 3], &[5, 3, 4]),
            (&[9, 7, 5, 4], &[9, 4, 7, 5]),
        ] {
            assert_eq!(from_both_ends(processes), expected);
        }
    }
}
