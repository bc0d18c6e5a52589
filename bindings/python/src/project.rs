//! What a folder is called as a project.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::{call::run, record::record};

record! {
    /// A project, found from a folder of it.
    Project { name, root, worktree }
    named root;

    /// The project of the nearest folder, upwards, that has a manifest or is a checkout.
    #[staticmethod]
    #[pyo3(signature = (path = PathBuf::from(".")), text_signature = "(path='.')")]
    fn detect(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        run(py, || portkeeper_core::Project::detect(&path)).map(Self)
    }

    /// What to reserve ports for: the name, and in a linked worktree `name@worktree`.
    #[getter]
    fn id(&self) -> String {
        self.0.id()
    }

    fn __str__(&self) -> String {
        self.0.id()
    }
}
