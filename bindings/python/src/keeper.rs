//! The registry. Each operation is one of the engine, with keywords for its request.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use pyo3::{prelude::*, types::PyAny};

use portkeeper_core::{self as core, Error, Options};

use crate::{
    argument::{Seconds, word},
    call::{is_interrupted, run},
    error::raised,
};

mod claim;
mod maintenance;
mod query;
mod request;
mod transfer;

/// The registry of this machine's ports.
#[pyclass(frozen, module = "portkeeper", weakref)]
pub(crate) struct Keeper {
    path: PathBuf,
    /// Locked for a moment only, with the GIL held, so that a fork never finds it locked.
    open: Mutex<Option<core::Keeper>>,
}

impl Keeper {
    /// The engine's keeper; a clone of it is cheap.
    pub(crate) fn engine(&self, py: Python<'_>) -> PyResult<core::Keeper> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| {
            raised(
                py,
                &Error::InvalidInput {
                    what: "keeper",
                    value: self.path.display().to_string(),
                    reason: "is closed".to_owned(),
                },
            )
        })
    }

    /// Runs an operation of the engine without the GIL.
    pub(crate) fn ask<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&core::Keeper) -> core::Result<T> + Send,
    ) -> PyResult<T> {
        let engine = self.engine(py)?;
        run(py, move || work(&engine))
    }
}

#[pymethods]
impl Keeper {
    #[new]
    #[pyo3(signature = (path = None, *, in_memory = false, actor = None, durability = None, busy_timeout = None, allow_network_file_system = false))]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        in_memory: bool,
        actor: Option<String>,
        durability: Option<&str>,
        busy_timeout: Option<Seconds>,
        allow_network_file_system: bool,
    ) -> PyResult<Self> {
        let mut options = Options::new()
            .interruptible(is_interrupted)
            .allow_network_file_system(allow_network_file_system);
        if let Some(path) = path {
            options = options.path(path);
        }
        if in_memory {
            options = options.in_memory();
        }
        if let Some(actor) = actor {
            options = options.actor(actor);
        }
        if let Some(durability) = word(py, durability)? {
            options = options.durability(durability);
        }
        if let Some(timeout) = busy_timeout {
            options = options.busy_timeout(timeout.0);
        }
        let keeper = run(py, || options.open())?;
        Ok(Self {
            path: keeper.path().to_owned(),
            open: Mutex::new(Some(keeper)),
        })
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (kind, error, trace, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        trace: &Bound<'_, PyAny>,
    ) {
        let _ = (kind, error, trace);
        self.close(py);
    }

    /// Closes the registry. Leases, holds and bound ports go on until they are released.
    fn close(&self, py: Python<'_>) {
        let keeper = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        py.detach(|| drop(keeper));
    }

    /// The file of the registry; `:memory:` for one without.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn __repr__(&self) -> String {
        let is_open = self.open.lock().is_ok_and(|open| open.is_some());
        let end = if is_open { "" } else { ", closed" };
        format!("Keeper('{}'{end})", self.path.display())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut keeper = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The last one to close a database copies its log, which may take a while.
        Python::try_attach(|py| py.detach(|| drop(keeper.take())));
    }
}
