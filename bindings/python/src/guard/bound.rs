//! A leased port with its listening socket.

use std::net::TcpListener;

use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyAny, PyDict},
};

use portkeeper_core as core;

use super::{Kept, released};
use crate::record::claim::Reservation;

/// A leased port and the socket that listens on it.
#[pyclass(frozen, module = "portkeeper", weakref)]
pub(crate) struct BoundPort {
    // Released first when Python collects this, and the port with it: closed explicitly below.
    socket: Py<PyAny>,
    lease: Kept<core::Lease>,
    reservation: core::Reservation,
}

impl BoundPort {
    pub(crate) fn new(py: Python<'_>, bound: core::BoundPort) -> PyResult<Self> {
        let (listener, lease) = bound.into_parts();
        let reservation = lease.reservations().first().cloned();
        let lease = Kept::new(lease);
        let reservation = reservation.ok_or_else(|| {
            let error = core::Error::Internal("a lease has no port".to_owned());
            crate::error::raised(py, &error)
        })?;
        Ok(Self {
            socket: socket(py, listener)?.unbind(),
            lease,
            reservation,
        })
    }

    pub(crate) fn kept(&self) -> &Kept<core::Lease> {
        &self.lease
    }
}

/// The listener as Python's own kind of socket, which owns the descriptor from here on.
fn socket(py: Python<'_>, listener: TcpListener) -> PyResult<Bound<'_, PyAny>> {
    static SOCKET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = SOCKET.import(py, "socket", "socket")?;
    let arguments = PyDict::new(py);
    #[cfg(unix)]
    {
        use std::os::fd::IntoRawFd as _;
        arguments.set_item("fileno", listener.into_raw_fd())?;
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::IntoRawSocket as _;
        arguments.set_item("fileno", listener.into_raw_socket())?;
    }
    class.call((), Some(&arguments))
}

#[pymethods]
impl BoundPort {
    /// The port.
    #[getter]
    fn port(&self) -> u16 {
        self.reservation.number
    }

    /// The listening socket, to serve or to hand over. Children do not inherit it by themselves.
    #[getter]
    fn socket(&self, py: Python<'_>) -> Py<PyAny> {
        self.socket.clone_ref(py)
    }

    /// The claim as it was granted.
    #[getter]
    fn reservation(&self) -> Reservation {
        Reservation(self.reservation.clone())
    }

    /// The descriptor of the socket, such as for `subprocess.Popen(pass_fds=...)`.
    fn fileno<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.socket.bind(py).call_method0("fileno")
    }

    /// Closes the socket, then releases the port.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        // Closed before the lease ends, so that nobody is given a port that still listens.
        self.socket.bind(py).call_method0("close")?;
        released(py, &self.lease)
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
        if self.lease.is_copy() {
            // A forked child closes its own copy of the descriptor, and leaves the claim alone.
            self.socket.bind(py).call_method0("close")?;
            return Ok(());
        }
        self.release(py)
    }

    fn __repr__(&self) -> String {
        let end = if self.lease.is_over() {
            ", released"
        } else {
            ""
        };
        format!("BoundPort(port={}{end})", self.port())
    }
}
