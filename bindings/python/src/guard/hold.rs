//! A port that is kept bound, without listening.

use pyo3::{prelude::*, types::PyAny};

use portkeeper_core::{self as core, Ready};

use super::{Kept, altered};

/// A port that is kept bound until the end of the `with` block.
#[pyclass(frozen, module = "portkeeper", weakref)]
pub(crate) struct Hold {
    kept: Kept<core::Hold>,
    port: u16,
}

impl Hold {
    pub(crate) fn new(hold: core::Hold) -> Self {
        Self {
            port: hold.port(),
            kept: Kept::new(hold),
        }
    }

    pub(super) fn ready(&self) -> Option<Ready> {
        self.kept.look(|hold| Ready::port(hold.port()))
    }
}

#[pymethods]
impl Hold {
    /// The port.
    #[getter]
    fn port(&self) -> u16 {
        self.port
    }

    /// Lets go of the port for a server that does not set `SO_REUSEADDR`; the claim stays.
    fn lend(&self, py: Python<'_>) -> PyResult<()> {
        altered(py, &self.kept, "hold", |hold| {
            hold.lend();
            Ok(())
        })
    }

    /// Binds the port again after `lend`; `False` where it cannot be had.
    fn take_back(&self, py: Python<'_>) -> PyResult<bool> {
        altered(py, &self.kept, "hold", |hold| Ok(hold.take_back()))
    }

    /// Gives the port up; again is no error.
    fn release(&self, py: Python<'_>) {
        let hold = self.kept.take();
        py.detach(|| drop(hold));
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
        if !self.kept.is_copy() {
            self.release(py);
        }
    }

    fn __repr__(&self) -> String {
        let end = if self.kept.is_over() {
            ", released"
        } else {
            ""
        };
        format!("Hold(port={}{end})", self.port)
    }
}
