//! One connection per process, also after a fork.
//!
//! SQLite remembers per process, not per connection, which locks it holds on a file. A forked child
//! inherits that memory and none of the locks. A connection that the child opens beside an inherited one
//! takes no locks either, since it seems to have them: when the parent closes the database, it takes
//! itself for the last user and unlinks the log under the child, whose acknowledged rows are gone.
//!
//! So a child first closes every connection that it inherited, which makes its SQLite forget the file.
//! Without a checkpoint, closing one that was idle at the fork only unmaps memory and closes
//! descriptors. One that another thread was using at that moment can be neither closed nor used, and
//! its database is refused.

use std::{
    mem,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Failure,
    connection::Link,
    retry::Patience,
    still,
    sync::{Arc, Global, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, process_id},
};
use crate::{error::Error, stop::Stop};

/// Every generation with a connection to a file, of this process and inherited.
static OPEN: Global<Vec<Arc<Generation>>> = Global::new(Vec::new());

/// How long to wait for [`OPEN`], which is never held for longer than it takes to close a connection.
const OPEN_HELD_AT_MOST: Duration = Duration::from_secs(5);

/// The connection of one process, and those of the children that were forked with it.
///
/// A chain and not a lock around one connection: a lock may be held by another thread at the moment of
/// the fork, and would then stay locked in the child for ever.
#[derive(Debug)]
pub(super) struct Generation {
    pid: u32,
    path: PathBuf,
    link: Mutex<Option<Link>>,
    next: OnceLock<Arc<Generation>>,
}

impl Generation {
    /// An empty place for the connection of this process to the database at `path`.
    pub(super) fn current(path: &Path) -> Arc<Self> {
        Arc::new(Self {
            pid: process_id(),
            path: path.to_owned(),
            link: Mutex::new(None),
            next: OnceLock::new(),
        })
    }

    /// The generation of the process that asks. It is always the last one: a pid that appears earlier
    /// in the chain is that of an ancestor which ended, and whose number came back.
    pub(super) fn of_this_process(self: &Arc<Self>) -> &Arc<Self> {
        let last = self.last();
        if last.is_of_this_process() {
            last
        } else {
            last.next.get_or_init(|| Self::current(&self.path))
        }
    }

    /// The connection, or its empty place. A panic of another thread leaves at worst an open
    /// transaction behind, which the next user rolls back.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Must precede the opening of a connection, while the generation is locked for it: closes what was
    /// inherited, and lets a later child find this generation.
    pub(super) fn announce(self: &Arc<Self>) -> Result<(), Failure> {
        let mut open = lock_open()
            .ok_or_else(|| forked(&self.path, "while another thread opened a database"))?;
        open.retain(|generation| generation.is_of_this_process() || !generation.close_inherited());
        // What could not be closed stays in the list for ever, so that each attempt is refused.
        let in_use = |generation: &Arc<Self>| {
            !generation.is_of_this_process() && generation.path == self.path
        };
        if open.iter().any(in_use) {
            return Err(forked(&self.path, "while another thread used it").into());
        }
        if !open.iter().any(|generation| Arc::ptr_eq(generation, self)) {
            open.push(Arc::clone(self));
        }
        Ok(())
    }

    /// Whether a keeper of this process has the database at `path`, a resolved one, open.
    pub(super) fn is_open_here(path: &Path) -> bool {
        // A list that nobody will ever release again may well name the path.
        let _inside = still::enter();
        lock_open().is_none_or(|open| open.iter().any(|generation| generation.path == path))
    }

    /// Whether both lead to one file.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.path == other.path && !self.is_in_memory()
    }

    /// Whether there is no file.
    pub(super) fn is_in_memory(&self) -> bool {
        self.path == Path::new(super::MEMORY)
    }

    /// Closes the connection of this process. What was inherited stays in the list, for the next
    /// [`announce`](Self::announce) of this process to close.
    pub(super) fn end(self: &Arc<Self>) {
        let last = self.last();
        if last.is_of_this_process() {
            let _inside = still::enter();
            let mut link = last.lock();
            drop(link.take());
            if let Some(mut open) = lock_open() {
                open.retain(|generation| !Arc::ptr_eq(generation, last));
            }
        }
    }

    /// `false` for a connection that was in use at the fork.
    fn close_inherited(&self) -> bool {
        let mut link = match self.link.try_lock() {
            Ok(link) => link,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        match link.take() {
            Some(inherited) if !inherited.is_idle() => {
                *link = Some(inherited);
                false
            }
            Some(inherited) => {
                inherited.close_without_checkpoint();
                true
            }
            None => true,
        }
    }

    fn last(self: &Arc<Self>) -> &Arc<Self> {
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        last
    }

    fn is_of_this_process(&self) -> bool {
        self.pid == process_id()
    }
}

/// A generation is dropped by the process that made it, or not at all; this holds if that ever changes.
impl Drop for Generation {
    fn drop(&mut self) {
        if !self.is_in_memory() && !self.is_of_this_process() {
            let link = self.link.get_mut().unwrap_or_else(PoisonError::into_inner);
            mem::forget(link.take());
        }
    }
}

/// `None` when a thread held the list at the fork, which nobody will ever release.
fn lock_open() -> Option<MutexGuard<'static, Vec<Arc<Generation>>>> {
    let patience = Patience::new(OPEN_HELD_AT_MOST, Stop::default());
    loop {
        match OPEN.try_lock() {
            Ok(open) => return Some(open),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if patience.pause().ok()? => {}
            Err(TryLockError::WouldBlock) => return None,
        }
    }
}

fn forked(path: &Path, when: &str) -> Error {
    Error::Unsupported(format!(
        "database {} in a process that was forked {when}",
        path.display()
    ))
}
