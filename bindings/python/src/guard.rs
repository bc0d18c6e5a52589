//! What keeps a claim: leases, holds, and bound ports. Each ends with its `with` block, or when Python lets
//! go of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use portkeeper_core::{self as core, Ready};

use crate::{call::run, error::invalid};

mod bound;
mod hold;
mod lease;

pub(crate) use bound::BoundPort;
pub(crate) use hold::Hold;
pub(crate) use lease::Lease;

/// A guard of the engine until it is taken out, or dropped.
///
/// Ending a claim writes to the registry, and may wait for a thread that waits for the GIL: so the GIL is
/// released also when Python collects the object. The lock itself is only ever taken for a moment, with the
/// GIL held, so that a fork never finds it locked.
pub(crate) struct Kept<T: Send> {
    state: Mutex<State<T>>,
    pid: u32,
}

enum State<T> {
    Here(T),
    /// Somebody works with it without the GIL; `is_over` when it was released meanwhile.
    Lent {
        is_over: bool,
    },
    Gone,
}

impl<T: Send> Kept<T> {
    pub(crate) fn new(guard: T) -> Self {
        Self {
            state: Mutex::new(State::Here(guard)),
            pid: std::process::id(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the guard, if it is there; must not wait.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        match &*self.lock() {
            State::Here(guard) => Some(look(guard)),
            State::Lent { .. } | State::Gone => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(&*self.lock(), State::Gone | State::Lent { is_over: true })
    }

    /// The guard, to be ended. Where it is lent, it ends when it comes back.
    pub(crate) fn take(&self) -> Option<T> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Here(guard) => Some(guard),
            State::Lent { .. } => {
                *state = State::Lent { is_over: true };
                None
            }
            State::Gone => None,
        }
    }

    /// The guard for a while; `None` where it is lent already, or gone.
    pub(crate) fn lend(&self) -> Option<T> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Lent { is_over: false }) {
            State::Here(guard) => Some(guard),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Takes a lent guard back, or returns it to be ended.
    pub(crate) fn give_back(&self, guard: T) -> Option<T> {
        let mut state = self.lock();
        if matches!(&*state, State::Lent { is_over: false }) {
            *state = State::Here(guard);
            return None;
        }
        *state = State::Gone;
        Some(guard)
    }

    /// Whether this process is a fork of the one that has the claim, and has only a copy of its guard.
    pub(crate) fn is_copy(&self) -> bool {
        self.pid != std::process::id()
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
        let ready = match self {
            Self::Lease(lease) => lease.kept().look(|lease| lease.into()),
            Self::Bound(bound) => bound.kept().look(|lease| lease.into()),
            Self::Hold(hold) => hold.ready(),
        };
        ready.ok_or_else(|| over(py, "target"))
    }
}

fn over(py: Python<'_>, what: &'static str) -> PyErr {
    invalid(py, what, "", "was released")
}

/// Works with a guard without the GIL. Where another thread releases it meanwhile, it ends afterwards.
fn altered<T: Send, R: Send>(
    py: Python<'_>,
    kept: &Kept<T>,
    what: &'static str,
    alter: impl FnOnce(&mut T) -> core::Result<R> + Send,
) -> PyResult<R> {
    let mut guard = kept.lend().ok_or_else(|| over(py, what))?;
    let outcome = run(py, || alter(&mut guard));
    let ended = kept.give_back(guard);
    py.detach(|| drop(ended));
    outcome
}

/// Ends a lease, and says when that did not work.
fn released(py: Python<'_>, kept: &Kept<core::Lease>) -> PyResult<()> {
    match kept.take() {
        Some(lease) => run(py, || lease.release()),
        None => Ok(()),
    }
}
