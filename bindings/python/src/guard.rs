//! What keeps a claim: leases, holds, and bound ports. Each ends with its `with` block, or when Python lets
//! go of it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use pyo3::prelude::*;

use portkeeper_core::{self as core, Ready};

use crate::{
    call::run,
    error::{invalid, raised},
};

mod bound;
mod hold;
mod lease;

pub(crate) use bound::BoundPort;
pub(crate) use hold::{Hold, let_go_of_copies};
pub(crate) use lease::Lease;

/// How long a thread sleeps between two looks at a guard that another one works with.
const NAP: Duration = Duration::from_millis(1);

/// A guard of the engine until it is taken out, or dropped.
///
/// Ending a claim writes to the registry, and may wait for a thread that waits for the GIL: so the GIL is
/// released also when Python collects the object. The lock itself is only ever taken for a moment, with the
/// GIL held, so that a fork never finds it locked.
pub(crate) struct Kept<T: Send> {
    state: Mutex<State<T>>,
    /// How many threads wait for their turn.
    waiting: AtomicUsize,
    pid: u32,
}

enum State<T> {
    Here(T),
    Lent(Loan),
    Gone,
}

/// The work of a thread with a guard, without the GIL.
#[derive(Clone, Copy)]
struct Loan {
    thread: ThreadId,
    purpose: Purpose,
}

/// What a guard is taken out for.
#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    Work,
    Release,
}

impl<T: Send> Kept<T> {
    pub(crate) fn new(guard: T) -> Self {
        Self {
            state: Mutex::new(State::Here(guard)),
            waiting: AtomicUsize::new(0),
            pid: std::process::id(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(&*self.lock(), State::Gone)
    }

    /// The guard, once no other thread works with it; `None` when it was released, or when the release that
    /// this one interrupts goes on to do so.
    fn lend(&self, py: Python<'_>, purpose: Purpose) -> PyResult<Option<T>> {
        let thread = thread::current().id();
        let mut place = None;
        loop {
            // Who comes anew lets those go first who wait already, as a thread in a loop would never.
            if place.is_some() || self.waiting.load(Ordering::Relaxed) == 0 {
                match self.try_lend(Loan { thread, purpose }) {
                    Ok(guard) => return Ok(guard),
                    // The thread that has it is not in this process.
                    Err(_) if self.is_copy() => return Err(self.not_ours(py)),
                    // This is a signal's handler, run while its thread waits for the registry: it would wait
                    // for itself. A release goes on when the handler has returned, and tells how it ends.
                    Err(earlier) if earlier.thread == thread => {
                        return match (earlier.purpose, purpose) {
                            (Purpose::Release, Purpose::Release) => Ok(None),
                            _ => Err(in_the_middle(py)),
                        };
                    }
                    Err(_) => {}
                }
            }
            place.get_or_insert_with(|| Place::new(&self.waiting));
            py.detach(|| thread::sleep(NAP));
            py.check_signals()?;
        }
    }

    /// The guard, or `None` when it was released; else who works with it.
    fn try_lend(&self, loan: Loan) -> Result<Option<T>, Loan> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Lent(loan)) {
            State::Here(guard) => Ok(Some(guard)),
            State::Gone => {
                *state = State::Gone;
                Ok(None)
            }
            State::Lent(earlier) => {
                *state = State::Lent(earlier);
                Err(earlier)
            }
        }
    }

    /// What becomes of a guard that was lent: it is here again, or `None` gone.
    fn give_back(&self, guard: Option<T>) {
        *self.lock() = guard.map_or(State::Gone, State::Here);
    }

    /// The guard of somebody who does not wait for other threads; `None` where one works with it.
    fn take(&self) -> Option<T> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Here(guard) => Some(guard),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Whether this process is a fork of the one that has the claim, and has only a copy of its guard.
    pub(crate) fn is_copy(&self) -> bool {
        self.pid != std::process::id()
    }

    fn not_ours(&self, py: Python<'_>) -> PyErr {
        let what = format!("using a claim of process {}", self.pid);
        raised(py, &core::Error::Unsupported(what))
    }
}

fn in_the_middle(py: Python<'_>) -> PyErr {
    let what = "using a claim by a signal's handler, in the middle of another use of it,";
    raised(py, &core::Error::Unsupported(what.to_owned()))
}

/// One of those who wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T: Send> Drop for Kept<T> {
    fn drop(&mut self) {
        let mut guard = self.take();
        if guard.is_some() {
            // Without an interpreter, at its very end, nobody else waits for the GIL either.
            Python::try_attach(|py| py.detach(|| drop(guard.take())));
        }
    }
}

/// What `wait_ready` waits for.
#[derive(FromPyObject)]
pub(crate) enum Target<'py> {
    Lease(PyRef<'py, Lease>),
    Bound(PyRef<'py, BoundPort>),
    Hold(PyRef<'py, Hold>),
}

impl Target<'_> {
    pub(crate) fn ready(&self, py: Python<'_>) -> PyResult<Ready> {
        match self {
            Self::Lease(lease) => altered(py, lease.kept(), "target", |lease| Ok((&*lease).into())),
            Self::Bound(bound) => altered(py, bound.kept(), "target", |lease| Ok((&*lease).into())),
            Self::Hold(hold) => altered(py, hold.kept(), "target", |hold| {
                Ok(Ready::port(hold.port()))
            }),
        }
    }
}

/// Works with a guard without the GIL, one thread after the other.
fn altered<T: Send, R: Send>(
    py: Python<'_>,
    kept: &Kept<T>,
    what: &'static str,
    alter: impl FnOnce(&mut T) -> core::Result<R> + Send,
) -> PyResult<R> {
    match kept.lend(py, Purpose::Work)? {
        Some(mut guard) => {
            let outcome = run(py, || alter(&mut guard));
            kept.give_back(Some(guard));
            outcome
        }
        None if kept.is_copy() => Err(kept.not_ours(py)),
        None => Err(invalid(py, what, "", "was released")),
    }
}

/// Ends a lease. Where that does not work, the lease is what it was, to be tried again.
fn released(py: Python<'_>, kept: &Kept<core::Lease>) -> PyResult<()> {
    let Some(mut lease) = kept.lend(py, Purpose::Release)? else {
        return Ok(());
    };
    let outcome = run(py, || lease.give_back());
    if lease.reservations().is_empty() {
        kept.give_back(None);
        py.detach(|| drop(lease));
    } else {
        kept.give_back(Some(lease));
    }
    outcome
}
