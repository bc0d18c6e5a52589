//! A port that is kept bound, without listening.

use pyo3::{prelude::*, sync::PyOnceLock, types::PyAny};

use portkeeper_core as core;

use super::{Kept, Purpose, altered};

/// A port that is kept bound until the end of the `with` block.
#[pyclass(frozen, module = "portkeeper", weakref)]
pub(crate) struct Hold {
    kept: Kept<core::Hold>,
    port: u16,
}

impl Hold {
    pub(crate) fn new(py: Python<'_>, hold: core::Hold) -> PyResult<Py<Self>> {
        let port = hold.port();
        let kept = Kept::new(hold);
        let hold = Py::new(py, Self { kept, port })?;
        alive(py)?.call_method1("add", (&hold,))?;
        Ok(hold)
    }

    pub(super) fn kept(&self) -> &Kept<core::Hold> {
        &self.kept
    }
}

/// The holds of this process, as a `weakref.WeakSet`.
fn alive(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static ALIVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let holds = ALIVE.get_or_try_init(py, || {
        let set = py.import("weakref")?.getattr("WeakSet")?.call0()?;
        PyResult::Ok(set.unbind())
    })?;
    Ok(holds.bind(py))
}

/// Closes a forked child's copies of its parent's sockets, which would keep the ports bound after the parent
/// has let go of them.
pub(crate) fn let_go_of_copies(py: Python<'_>) -> PyResult<()> {
    let holds = alive(py)?;
    for hold in holds.call_method0("copy")?.try_iter()? {
        drop(hold?.cast::<Hold>()?.get().kept.take());
    }
    holds.call_method0("clear")?;
    Ok(())
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
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        let hold = self.kept.lend(py, Purpose::Release)?;
        self.kept.give_back(None);
        py.detach(|| drop(hold));
        Ok(())
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
    ) -> PyResult<()> {
        let _ = (kind, error, trace);
        if self.kept.is_copy() {
            return Ok(());
        }
        self.release(py)
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
