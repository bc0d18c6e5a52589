//! The way of every call into the engine.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use pyo3::prelude::*;

use portkeeper_core::{self as core, Error, Result};

use crate::{error::raised, guard};

thread_local! {
    /// What a signal handler or a progress function raised while the engine ran on this thread.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Runs `work` without the GIL. What was raised meanwhile goes before the engine's own error, which is a
/// consequence of it.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let outcome = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    let pending = RAISED.take();
    match outcome {
        Ok(Ok(value)) => match pending {
            // It was too late to stop the operation; a guard that it made ends here, and may have to wait
            // for a thread that waits for the GIL.
            Some(error) => {
                py.detach(|| drop(value));
                Err(error)
            }
            None => Ok(value),
        },
        Ok(Err(error)) => Err(pending.unwrap_or_else(|| raised(py, &error))),
        Err(panic) => Err(raised(py, &Error::Internal(message(&*panic)))),
    }
}

/// Whether a waiting operation is to end: a signal's handler raised, such as `KeyboardInterrupt`.
///
/// Python runs handlers on its main thread only; on any other the answer is `false`.
pub(crate) fn is_interrupted() -> bool {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "it is not general enough"
    )]
    let checked = Python::try_attach(|py| py.check_signals());
    match checked {
        Some(Err(error)) => {
            keep(error);
            true
        }
        Some(Ok(())) | None => false,
    }
}

/// Keeps an exception until the engine has returned.
pub(crate) fn keep(error: PyErr) {
    RAISED.set(Some(error));
}

/// Waits until no other thread is within the engine; `os.fork` calls it.
#[pyfunction]
pub(crate) fn _before_fork(py: Python<'_>) {
    py.detach(core::fork::prepare);
}

/// Lets the others go on, in the parent.
#[pyfunction]
pub(crate) fn _after_fork_in_parent() {
    core::fork::resume();
}

/// Begins the life of a forked child.
#[pyfunction]
pub(crate) fn _after_fork_in_child(py: Python<'_>) -> PyResult<()> {
    core::fork::resume();
    guard::let_go_of_copies(py)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Panics within the engine, for a test of what becomes of it.
#[cfg(debug_assertions)]
#[pyfunction]
#[allow(clippy::panic, reason = "that is its purpose")]
pub(crate) fn _panic(py: Python<'_>) -> PyResult<()> {
    run(py, || panic!("on purpose"))
}
