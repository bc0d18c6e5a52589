//! Claims as documents, and what became of them.

use pyo3::prelude::*;

use super::record;
use crate::call::run;

record! {
    /// The claims of a registry as a text to keep, to send, or to put under version control.
    Document { version, export_date, ports }
    named version, export_date;

    /// Reads a document, and refuses what could not be imported.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        run(py, || portkeeper_core::Document::from_json(text)).map(Self)
    }

    /// The document as JSON, a line for each port. Equal documents have equal texts.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        run(py, || self.0.to_json())
    }
}

record! {
    /// One claim of a document.
    DocumentPort {
        number, project_name, description, status, pid, process_name, reserved_at, last_seen_at,
        updated_at, auto_release, tags, metadata, role,
    }
    named number, project_name;
}

record! {
    /// An export or import that the registry has kept, without its document.
    Configuration {
        id, name, description, version, created_at, created_by, checksum, bytes,
    }
    named id, name;
}

record! {
    /// A configuration with its document.
    SavedDocument { configuration, verified, document }
    named verified;
}

record! {
    /// What an import did, or of a dry run would do.
    ImportReport {
        ports, added, updated, unchanged, conflicts, freed, dry_run, configuration,
    }
    named added, updated, configuration;
}

record! {
    /// What an import did with one port.
    ImportedPort { port, project_name, outcome, changed, other_project, other_since }
    named port, project_name;
}
