//! Ports that are leased until the end of a block.

use std::collections::HashMap;

use pyo3::{prelude::*, types::PyAny};

use portkeeper_core as core;

use super::{Kept, altered, released};
use crate::{error::raised, record::claim::Reservation};

/// Leased ports, released at the end of the `with` block, or when this process ends.
#[pyclass(frozen, module = "portkeeper", weakref)]
pub(crate) struct Lease {
    kept: Kept<core::Lease>,
    ports: Vec<u16>,
    reservations: Vec<core::Reservation>,
}

impl Lease {
    pub(crate) fn new(lease: core::Lease) -> Self {
        Self {
            ports: lease.ports(),
            reservations: lease.reservations().to_vec(),
            kept: Kept::new(lease),
        }
    }

    pub(crate) fn kept(&self) -> &Kept<core::Lease> {
        &self.kept
    }
}

#[pymethods]
impl Lease {
    /// The first of the ports.
    #[getter]
    fn port(&self) -> u16 {
        self.ports.first().copied().unwrap_or_default()
    }

    /// The ports, in the order of the request.
    #[getter]
    fn ports(&self) -> Vec<u16> {
        self.ports.clone()
    }

    /// The claims as they were granted.
    #[getter]
    fn reservations(&self) -> Vec<Reservation> {
        self.reservations.iter().cloned().map(Reservation).collect()
    }

    /// Says what the leased ports are used for now, without an entry in the history.
    fn set_roles(&self, py: Python<'_>, roles: HashMap<i64, Option<String>>) -> PyResult<()> {
        let roles = roles
            .into_iter()
            .map(|(port, role)| match u16::try_from(port) {
                Ok(port) => Ok((port, role)),
                Err(_) => Err(raised(py, &core::Error::PortInvalid(port))),
            });
        let roles = roles.collect::<PyResult<Vec<_>>>()?;
        altered(py, &self.kept, "lease", |lease| lease.set_roles(roles))
    }

    /// Releases the ports; again is no error, and after an error another attempt. A signal's handler that comes
    /// in the middle of a release leaves it to that one. In a forked child, which has only a copy: `UNSUPPORTED`.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        released(py, &self.kept)
    }

    /// Leaves the ports to the sweep that follows the end of this process, for those who end it and cannot wait
    /// for a busy registry.
    fn _leave(&self) {
        // Dropping it would be another attempt.
        std::mem::forget(self.kept.take());
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
        // A forked child that leaves the block leaves its parent's lease alone.
        if self.kept.is_copy() {
            return Ok(());
        }
        released(py, &self.kept)
    }

    fn __repr__(&self) -> String {
        let end = if self.kept.is_over() {
            ", released"
        } else {
            ""
        };
        format!("Lease(ports={:?}{end})", self.ports)
    }
}
