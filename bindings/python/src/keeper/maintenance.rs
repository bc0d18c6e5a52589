//! Care of the database.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use pyo3::{prelude::*, types::PyBytes};

use portkeeper_core::{self as core, PruneRequest};

use super::Keeper;
use crate::{
    argument::Seconds,
    call,
    record::maintenance::{
        BackupReport, CompactReport, Finding, PruneReport, RestoreReport, Stats,
    },
    watch::watch,
};

/// How much of a dump is written at once.
const CHUNK: usize = 64 * 1024;

#[pymethods]
impl Keeper {
    /// Writes a whole, checked copy of the registry, while every process goes on.
    #[pyo3(signature = (path, *, progress = None))]
    fn backup(
        &self,
        py: Python<'_>,
        path: PathBuf,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<BackupReport> {
        self.ask(py, |keeper| keeper.backup(&path, watch(progress)))
            .map(BackupReport)
    }

    /// Makes the claims those of a backup, or of a dump. Nothing is deleted.
    #[pyo3(signature = (path, *, progress = None))]
    fn restore(
        &self,
        py: Python<'_>,
        path: PathBuf,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<RestoreReport> {
        self.ask(py, |keeper| keeper.restore(&path, watch(progress)))
            .map(RestoreReport)
    }

    /// Writes the registry as SQL text to a new file, by its path, or to one that is opened in binary mode.
    #[pyo3(signature = (target, *, progress = None))]
    fn dump(
        &self,
        py: Python<'_>,
        target: &Bound<'_, PyAny>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        if target.hasattr("write")? {
            let file = File(target.clone().unbind());
            return self.ask(py, |keeper| written(keeper, file, progress));
        }
        let path: PathBuf = target.extract()?;
        let file = py.detach(|| create(&path))?;
        let outcome = self.ask(py, |keeper| {
            written(keeper, &file, progress)?;
            file.sync_all().map_err(refused)
        });
        if outcome.is_err() {
            // It was created a moment ago, and is no whole dump.
            let _ = py.detach(|| fs::remove_file(&path));
        }
        outcome
    }

    /// Removes old history (after 365 days) and old results of scans (after 7 days).
    #[pyo3(signature = (*, history_older_than = None, scans_older_than = None, progress = None))]
    fn prune(
        &self,
        py: Python<'_>,
        history_older_than: Option<Seconds>,
        scans_older_than: Option<Seconds>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<PruneReport> {
        let mut request = PruneRequest::new();
        if let Some(age) = history_older_than {
            request = request.history_older_than(age.age());
        }
        if let Some(age) = scans_older_than {
            request = request.scans_older_than(age.age());
        }
        self.ask(py, |keeper| keeper.prune(request, watch(progress)))
            .map(PruneReport)
    }

    /// Writes the database anew without gaps.
    #[pyo3(signature = (*, progress = None))]
    fn compact(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<CompactReport> {
        self.ask(py, |keeper| keeper.compact(watch(progress)))
            .map(CompactReport)
    }

    /// Looks for damage, and changes nothing; an empty list means that all is well.
    #[pyo3(signature = (*, progress = None))]
    fn verify(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<Vec<Finding>> {
        let findings = self.ask(py, |keeper| keeper.verify(watch(progress)))?;
        Ok(findings.into_iter().map(Finding).collect())
    }

    /// How large the registry is.
    fn stats(&self, py: Python<'_>) -> PyResult<Stats> {
        self.ask(py, core::Keeper::stats).map(Stats)
    }
}

/// Only a new file: opening the registry's own would empty it, and closing that drops its locks.
fn create(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        // As private as the registry.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    options.open(path)
}

fn written(
    keeper: &core::Keeper,
    file: impl Write,
    progress: Option<Py<PyAny>>,
) -> core::Result<()> {
    let mut writer = BufWriter::with_capacity(CHUNK, file);
    keeper.dump(&mut writer, watch(progress))?;
    writer.flush().map_err(refused)
}

fn refused(error: io::Error) -> core::Error {
    core::Error::PermissionDenied {
        what: "writing the dump".to_owned(),
        source: error,
    }
}

/// A file of Python's. What it raises goes to the caller in the place of the engine's error.
struct File(Py<PyAny>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = Python::try_attach(|py| {
            let written = self
                .0
                .bind(py)
                .call_method1("write", (PyBytes::new(py, bytes),))?;
            // Raw files may write less; others answer with the length, or with nothing.
            Ok(written.extract().unwrap_or(bytes.len()))
        });
        written.unwrap_or(Ok(bytes.len())).map_err(|error: PyErr| {
            call::keep(error);
            io::Error::other("the file refuses it")
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
