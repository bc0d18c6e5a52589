//! Progress of long operations, told to a Python function.

use std::ops::ControlFlow;

use pyo3::prelude::*;

use portkeeper_core::{Progress, Watch};

use crate::call;

/// Calls `progress(operation, done, total)`, which stops the operation by returning `False` or raising.
/// A signal stops it as well, also where nobody follows it.
pub(crate) fn watch(progress: Option<Py<PyAny>>) -> Watch<'static> {
    Watch::new(move |now| {
        let told = Python::try_attach(|py| {
            py.check_signals()?;
            match &progress {
                Some(progress) => tell(progress.bind(py), now),
                None => Ok(true),
            }
        });
        match told {
            Some(Ok(true)) => ControlFlow::Continue(()),
            Some(Err(error)) => {
                call::keep(error);
                ControlFlow::Break(())
            }
            // Without an interpreter there is nobody to go on for.
            Some(Ok(false)) | None => ControlFlow::Break(()),
        }
    })
}

fn tell(progress: &Bound<'_, PyAny>, now: Progress) -> PyResult<bool> {
    let answer = progress.call1((now.operation, now.done, now.total))?;
    Ok(!answer.is(pyo3::types::PyBool::new(progress.py(), false)))
}
