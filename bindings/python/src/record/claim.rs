//! Claims, their leases, and their history.

use pyo3::prelude::*;

use super::record;
use crate::value::ToPython as _;

record! {
    /// One row of the registry: a port and whose it is, or last was.
    Reservation {
        number, project_name, description, status, pid, process_name, reserved_at, last_seen_at,
        updated_at, auto_release, tags, metadata, lease,
    }
    named number, project_name;

    /// The role of the port within its project, such as `web`.
    #[getter]
    fn role(&self) -> Option<&str> {
        self.0.role()
    }

    /// The process that the claim, or the right to use it, ends with.
    #[getter]
    fn owner<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.owner().cloned().to_python(py)
    }
}

record! {
    /// What a claim depends on, beside its project's wish.
    LeaseTerms { id, role, owner, held, borrowed, expires_at }
    named id;
}

record! {
    /// A process, told from any later one that gets the same pid.
    ProcessIdentity { pid, start, boot, namespace, pidfd }
    named pid, start, pidfd;
}

record! {
    /// One change of one claim.
    HistoryEntry {
        id, port, action, project_name, description, performed_by, performed_at, details,
    }
    named id, port;
}

record! {
    /// Who had a port at one moment.
    Holder { port, project_name, status, entry }
    named port, project_name;
}

record! {
    /// A claim that was made long ago and is not in use.
    StaleReservation { reservation, days_old }
    named reservation.number;
}

record! {
    /// How many ports there are in each status.
    Summary { reserved, in_use, free, total }
    named reserved, in_use, free;
}

record! {
    /// The claims of one project.
    ProjectPorts { project_name, ports, active_count }
    named project_name;
}
