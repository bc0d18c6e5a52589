//! Standing still for a fork.
//!
//! A connection that another thread uses at the moment of a fork is lost for the child: it can be neither
//! used nor closed, and the database is refused. Who knows of a fork beforehand can wait until no thread is
//! within the store, and keep all of them out until it has happened.
//!
//! Counters and not a lock: a lock that another thread waits for would stay as it is in the child.

use std::{
    cell::Cell,
    process,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

/// How many threads are within the store.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// How many forks are about to happen.
static FORKS: AtomicUsize = AtomicUsize::new(0);
/// The process that is about to fork.
static PARENT: AtomicU32 = AtomicU32::new(0);

/// A fork does not wait longer than this for an operation; the child then is refused, as without waiting.
const LONGEST: Duration = Duration::from_secs(5);
const NAP: Duration = Duration::from_micros(50);

thread_local! {
    /// How often this thread has entered; an operation may contain another one.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// This thread is about to fork: it is the one that need not wait for that.
    static FORKING: Cell<bool> = const { Cell::new(false) };
}

/// A thread within the store.
pub(super) struct Inside(());

/// Enters the store, after a fork that is about to happen. Whoever announced it and does something else
/// first, such as another hook of the fork, is let in; the others wait no longer than the fork does.
pub(super) fn enter() -> Inside {
    if DEPTH.get() == 0 {
        let begin = Instant::now();
        loop {
            INSIDE.fetch_add(1, SeqCst);
            if FORKS.load(SeqCst) == 0 || FORKING.get() || begin.elapsed() >= LONGEST {
                break;
            }
            INSIDE.fetch_sub(1, SeqCst);
            thread::sleep(NAP);
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    Inside(())
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if DEPTH.get() == 0 {
            INSIDE.fetch_sub(1, SeqCst);
        }
    }
}

/// Keeps other threads out of the store, and waits for those within.
pub(crate) fn before_fork() {
    FORKING.set(true);
    PARENT.store(process::id(), SeqCst);
    FORKS.fetch_add(1, SeqCst);
    let own = usize::from(DEPTH.get() > 0);
    let begin = Instant::now();
    while INSIDE.load(SeqCst) > own && begin.elapsed() < LONGEST {
        thread::sleep(NAP);
    }
}

/// Lets everybody in again, in the parent and in the child.
pub(crate) fn after_fork() {
    FORKING.set(false);
    if PARENT.load(SeqCst) == process::id() {
        FORKS.fetch_sub(1, SeqCst);
    } else {
        // This thread is the only one that is here.
        INSIDE.store(usize::from(DEPTH.get() > 0), SeqCst);
        FORKS.store(0, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::{after_fork, before_fork, enter};

    #[test]
    fn a_fork_waits_for_who_is_inside_and_keeps_others_out() {
        let outer = enter();
        // Whoever forks within an operation of its own does not wait for itself.
        before_fork();
        let nested = enter();
        let (entered, has_entered) = mpsc::channel();
        let other = thread::spawn(move || {
            let inside = enter();
            entered.send(()).unwrap();
            drop(inside);
        });
        assert!(has_entered.try_recv().is_err());
        drop(nested);
        after_fork();
        has_entered.recv().unwrap();
        other.join().unwrap();
        drop(outer);

        // Whoever announced a fork from outside would wait for itself.
        before_fork();
        drop(enter());
        after_fork();
    }
}
