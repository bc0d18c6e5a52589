//! The engine's errors as exceptions of `portkeeper._errors`.

use pyo3::{prelude::*, sync::PyOnceLock};

use portkeeper_core::{Error, ErrorKind};

/// The exception of an error of the engine, with its facts. Nothing is matched, so that no kind is lost.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    let facts = (
        error.port(),
        error.project(),
        error.pid(),
        error.next_free(),
    );
    made(py, error.name(), error.code(), &error.to_string(), facts)
}

/// The exception of a kind, where the value at fault does not even fit into the engine's error.
pub(crate) fn of_kind(py: Python<'_>, kind: ErrorKind, message: &str) -> PyErr {
    made(
        py,
        kind.name(),
        kind.code(),
        message,
        (None, None, None, None),
    )
}

/// The refusal of an argument.
pub(crate) fn invalid(
    py: Python<'_>,
    what: &'static str,
    value: impl Into<String>,
    reason: impl Into<String>,
) -> PyErr {
    let (value, reason) = (value.into(), reason.into());
    raised(
        py,
        &Error::InvalidInput {
            what,
            value,
            reason,
        },
    )
}

type Facts<'a> = (Option<u16>, Option<&'a str>, Option<u32>, Option<u16>);

fn made(py: Python<'_>, name: &str, code: i32, message: &str, facts: Facts<'_>) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let (port, project, pid, next_free) = facts;
    let exception = MAKE
        .import(py, "portkeeper._errors", "_from_engine")
        .and_then(|make| make.call1((name, code, message, port, project, pid, next_free)));
    match exception {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
