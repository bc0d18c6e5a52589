//! One connection per process, also after a fork.
//!
//! A forked child inherits the memory of a connection, but none of the file locks that it believes to
//! hold. Using or closing it there corrupts the database or drops the parent's rows, so that a child
//! leaks what it inherited and opens its own.

use std::{
    mem, process,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::connection::Link;

/// The connection of one process, and those of the children that were forked with it.
///
/// A chain and not a lock around one connection: a lock may be held by another thread at the moment of
/// the fork, and would then stay locked in the child for ever.
#[derive(Debug)]
pub(super) struct Generation {
    pid: u32,
    link: Mutex<Option<Link>>,
    next: OnceLock<Box<Generation>>,
}

impl Generation {
    /// An empty place for the connection of this process.
    pub(super) fn current() -> Self {
        Self {
            pid: process::id(),
            link: Mutex::new(None),
            next: OnceLock::new(),
        }
    }

    /// The generation of the process that asks. It is always the last one: a pid that appears earlier
    /// in the chain is that of an ancestor which ended, and whose number came back.
    pub(super) fn of_this_process(&self) -> &Self {
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        if last.pid == process::id() {
            last
        } else {
            last.next.get_or_init(|| Box::new(Self::current()))
        }
    }

    /// The connection, or its empty place. A panic of another thread leaves at worst an open
    /// transaction behind, which the next user rolls back.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if self.pid != process::id() {
            let inherited = self
                .link
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            mem::forget(inherited);
        }
    }
}
