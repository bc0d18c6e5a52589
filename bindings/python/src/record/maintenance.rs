//! What the care of the database reports.

use pyo3::prelude::*;

use super::record;

record! {
    /// A backup that was written.
    BackupReport { path, bytes, pages, rows }
    named path;
}

record! {
    /// What a restore did.
    RestoreReport { safety_backup, restored, released, history, configurations }
    named safety_backup, restored;
}

record! {
    /// What was removed.
    PruneReport { history, scans }
    named history, scans;
}

record! {
    /// What compacting gained.
    CompactReport { bytes_before, bytes_after }
    named bytes_before, bytes_after;
}

record! {
    /// Something about the registry that is not as it must be.
    Finding { severity, kind, port, message }
    named message;
}

record! {
    /// The size of the registry.
    Stats {
        path, bytes, wal_bytes, pages, page_size, free_pages, schema_version, rows,
    }
    named path, pages;
}
