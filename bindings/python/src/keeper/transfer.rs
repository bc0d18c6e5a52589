//! Claims as documents.

use std::path::PathBuf;

use pyo3::{exceptions::PyTypeError, prelude::*, types::PyAny};

use portkeeper_core::{self as core, ExportRequest, ImportRequest};

use super::Keeper;
use crate::{
    argument::{Number, word},
    call::run,
    json,
    record::transfer::{Configuration, Document, ImportReport, SavedDocument},
    watch::watch,
};

#[pymethods]
impl Keeper {
    /// The claims of every project, or of one, as a document. It is kept, see `configurations`.
    #[pyo3(signature = (*, project = None, name = None))]
    fn export(
        &self,
        py: Python<'_>,
        project: Option<String>,
        name: Option<String>,
    ) -> PyResult<Document> {
        let request = project.map_or_else(ExportRequest::all, ExportRequest::project);
        let request = match name {
            Some(name) => request.name(name),
            None => request,
        };
        self.ask(py, |keeper| keeper.export(request)).map(Document)
    }

    /// Takes the claims of a document into the registry: all of them, or none.
    #[pyo3(signature = (document = None, *, json = None, configuration = None, predecessor = None, mode = None, project = None, dry_run = false, skip_conflicts = false, name = None, progress = None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords")]
    fn import_(
        &self,
        py: Python<'_>,
        document: Option<&Bound<'_, PyAny>>,
        json: Option<String>,
        configuration: Option<Number>,
        predecessor: Option<PathBuf>,
        mode: Option<&str>,
        project: Option<String>,
        dry_run: bool,
        skip_conflicts: bool,
        name: Option<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<ImportReport> {
        let mut request = match (document, json, configuration, predecessor) {
            (Some(document), None, None, None) => ImportRequest::document(read(py, document)?),
            (None, Some(text), None, None) => ImportRequest::json(text),
            (None, None, Some(id), None) => ImportRequest::configuration(id.0),
            (None, None, None, Some(path)) => ImportRequest::predecessor(path),
            _ => {
                let message = "one of document, json, configuration and predecessor is needed";
                return Err(PyTypeError::new_err(message));
            }
        };
        if let Some(mode) = word(py, mode)? {
            request = request.mode(mode);
        }
        if let Some(project) = project {
            request = request.project(project);
        }
        if let Some(name) = name {
            request = request.name(name);
        }
        let request = request.dry_run(dry_run).skip_conflicts(skip_conflicts);
        self.ask(py, |keeper| keeper.import(request, watch(progress)))
            .map(ImportReport)
    }

    /// Every export and import, newest first, without the documents.
    fn configurations(&self, py: Python<'_>) -> PyResult<Vec<Configuration>> {
        let kept = self.ask(py, core::Keeper::configurations)?;
        Ok(kept.into_iter().map(Configuration).collect())
    }

    /// One export or import with its document.
    fn configuration(&self, py: Python<'_>, id: Number) -> PyResult<SavedDocument> {
        self.ask(py, |keeper| keeper.configuration(id.0))
            .map(SavedDocument)
    }

    /// Removes an export or import. Claims and history are left alone.
    fn remove_configuration(&self, py: Python<'_>, id: Number) -> PyResult<()> {
        self.ask(py, |keeper| keeper.remove_configuration(id.0))
    }
}

/// A document, or a mapping that is one in its JSON.
fn read(py: Python<'_>, given: &Bound<'_, PyAny>) -> PyResult<core::Document> {
    if let Ok(document) = given.cast::<Document>() {
        return Ok(document.get().0.clone());
    }
    let text = json::from_mapping("document", given)?.to_string();
    run(py, || core::Document::from_json(&text))
}
