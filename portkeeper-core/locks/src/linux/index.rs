//! The descriptions for the locks of each `-shm`, the index of a log.
//!
//! A process has one descriptor of each, which SQLite takes and releases all of its locks through; beside it
//! stands here the one that they are really taken through. A transaction takes a few of these locks, so that
//! finding it is one read of memory.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use libc::c_int;

use super::{earlier_close, fork, shared};

/// The most descriptors that Linux lets a process have unless it is told otherwise. The pages of this memory
/// that nobody touches do not exist.
const LIMIT: usize = 1 << 20;

/// By SQLite's descriptor; 0 where there is none. Standard input is never one of them.
static OWN: [AtomicI32; LIMIT] = [const { AtomicI32::new(0) }; LIMIT];
/// No element from here on was ever changed.
static USED: AtomicUsize = AtomicUsize::new(0);

/// The descriptor for the locks of SQLite's `fd`.
pub(super) fn of(fd: c_int) -> Option<c_int> {
    let place = usize::try_from(fd).ok().and_then(|place| OWN.get(place))?;
    let own = place.load(Ordering::Acquire);
    if own != 0 {
        return Some(own);
    }
    shared::enter();
    // Another thread may have come first.
    let own = match place.load(Ordering::Acquire) {
        0 => fork::described(fd),
        own => Some(own),
    };
    if let Some(own) = own {
        place.store(own, Ordering::Release);
        USED.fetch_max(fd.unsigned_abs() as usize + 1, Ordering::Relaxed);
    }
    shared::leave();
    own
}

/// Closes SQLite's `fd`, and with it what belongs to it.
pub(super) fn close(fd: c_int) -> c_int {
    let place = usize::try_from(fd).ok().and_then(|place| OWN.get(place));
    shared::enter();
    if let Some(place) = place {
        let own = place.swap(0, Ordering::AcqRel);
        if own != 0 {
            fork::close(own);
        }
    }
    let outcome = earlier_close(fd);
    shared::leave();
    outcome
}

/// Called in a forked child, where nothing may be allocated or waited for.
pub(super) fn each(visit: impl Fn(c_int)) {
    let used = USED.load(Ordering::Relaxed).min(LIMIT);
    for place in &OWN[..used] {
        let own = place.load(Ordering::Relaxed);
        if own != 0 {
            visit(own);
        }
    }
}
