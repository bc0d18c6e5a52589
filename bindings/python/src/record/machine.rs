//! Ports, sockets and processes of this machine.

use pyo3::prelude::*;

use portkeeper_core as core;

use super::record;
use crate::{json, value::ToPython as _};

record! {
    /// Everything that is known of one port. `str(state)` explains it in words.
    PortState { port, status, verdict, reservation }
    named port, status;

    /// Whether nobody has claimed the port and a server could bind it.
    #[getter]
    fn is_free(&self) -> bool {
        self.0.is_free()
    }

    /// Whose the port is.
    #[getter]
    fn project(&self) -> Option<&str> {
        self.0.project()
    }

    /// The first process that is known to use the port.
    #[getter]
    fn pid(&self) -> Option<u32> {
        self.0.verdict.pid()
    }

    /// Who listens there.
    #[getter]
    fn listeners<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.listeners().to_vec().to_python(py)
    }

    /// Everything that has the port: the listeners, else what is bound to it, else its connections.
    #[getter]
    fn sockets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sockets = match &self.0.verdict {
            core::Verdict::Listening { listeners: sockets, .. }
            | core::Verdict::Bound { sockets, .. }
            | core::Verdict::OutgoingConnection { connections: sockets, .. } => sockets.as_slice(),
            _ => &[],
        };
        sockets.to_vec().to_python(py)
    }

    fn __str__(&self) -> String {
        format!("port {}: {}", self.0.port, self.0.verdict)
    }
}

/// The verdict is its word; what belongs to it are properties of the state.
impl crate::value::ToPython for core::Verdict {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::dict(py, self)?.get_item("verdict")
    }
}

record! {
    /// One socket of this machine, seen from its local port.
    Socket { port, protocol, address, state, remote, owner, processes, uid, inode }
    named port, inode;

    /// The first of the processes.
    #[getter]
    fn pid(&self) -> Option<u32> {
        self.0.pid()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }
}

record! {
    /// A process that has a socket open.
    Process { pid, name }
    named pid, name;

    fn __str__(&self) -> String {
        self.0.to_string()
    }
}

record! {
    /// What a scan saw and what it changed.
    ScanReport { scanned_at, listeners, changes, source }
    named scanned_at;
}

record! {
    /// One claim that a scan or a sweep changed.
    StatusChange { port, project_name, from as from_, to, process }
    named port, project_name;
}

record! {
    /// Which processes were ended to free a port.
    KillReport { port, killed, reservation }
    named port;
}

record! {
    /// A process that was signalled and has ended.
    KilledProcess { pid, name, forced }
    named pid, name;
}
