//! Port Keeper for Python: a thin layer over `portkeeper-core`.
//!
//! Every call into the engine goes through [`call::run`], which releases the GIL, lets a signal end what
//! waits, and turns errors and panics into exceptions. Records cross in [`record`].

#![forbid(unsafe_code)]

use pyo3::{prelude::*, types::PyDict};

mod argument;
mod call;
mod error;
mod guard;
mod json;
mod keeper;
mod project;
mod record;
mod value;
mod watch;

/// The engine. Import everything from `portkeeper` instead.
#[pymodule]
mod _portkeeper {
    #[pymodule_export]
    use crate::{
        call::{_after_fork_in_child, _after_fork_in_parent, _before_fork},
        guard::{BoundPort, Hold, Lease},
        keeper::Keeper,
        project::Project,
        record::{
            claim::{
                HistoryEntry, Holder, LeaseTerms, ProcessIdentity, ProjectPorts, Reservation,
                StaleReservation, Summary,
            },
            machine::{
                KillReport, KilledProcess, PortState, Process, ScanReport, Socket, StatusChange,
            },
            maintenance::{
                BackupReport, CompactReport, Finding, PruneReport, RestoreReport, Stats,
            },
            transfer::{
                Configuration, Document, DocumentPort, ImportReport, ImportedPort, SavedDocument,
            },
        },
    };

    #[cfg(debug_assertions)]
    #[pymodule_export]
    use crate::call::_panic;

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::constants(module)
    }
}

fn constants(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let kinds = PyDict::new(module.py());
    for kind in portkeeper_core::ErrorKind::ALL {
        kinds.set_item(kind.name(), kind.code())?;
    }
    module.add("ERROR_KINDS", kinds)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    let os = module.py().import("os")?;
    if os.hasattr("register_at_fork")? {
        let hooks = PyDict::new(module.py());
        hooks.set_item("before", module.getattr("_before_fork")?)?;
        hooks.set_item("after_in_parent", module.getattr("_after_fork_in_parent")?)?;
        hooks.set_item("after_in_child", module.getattr("_after_fork_in_child")?)?;
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    // What is public is said by `portkeeper`.
    module.delattr("__all__")
}
