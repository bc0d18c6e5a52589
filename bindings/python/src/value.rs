//! What the fields of a record are in Python.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use chrono::{DateTime, Utc};
use pyo3::{
    prelude::*,
    types::{PyList, PyString},
};
use serde_json::{Map, Value};

use portkeeper_core as core;

use crate::{json, record};

/// A value that crosses into Python.
pub(crate) trait ToPython {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

macro_rules! as_pyo3_does {
    ($($type:ty),* $(,)?) => {$(
        impl ToPython for $type {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.into_bound_py_any(py)
            }
        }
    )*};
}

use pyo3::IntoPyObjectExt as _;

as_pyo3_does!(bool, u16, u32, u64, i64, f64, String, PathBuf, DateTime<Utc>, BTreeMap<String, u64>);

/// Words are texts, so that they compare with literals.
macro_rules! as_word {
    ($($type:ty),* $(,)?) => {$(
        impl ToPython for $type {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(PyString::intern(py, self.as_str()).into_any())
            }
        }
    )*};
}

as_word!(
    core::Status,
    core::Action,
    core::Protocol,
    core::SocketState,
    core::Owner,
    core::ImportOutcome,
    core::Source,
);

/// Words that the engine names in its JSON only.
macro_rules! as_json {
    ($($type:ty),* $(,)?) => {$(
        impl ToPython for $type {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                json::dict(py, self)
            }
        }
    )*};
}

as_json!(core::Severity, core::FindingKind);

/// Records are wrapped.
macro_rules! as_record {
    ($($module:ident::{$($name:ident),* $(,)?}),* $(,)?) => {$($(
        impl ToPython for core::$name {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                record::$module::$name(self.clone()).into_bound_py_any(py)
            }
        }
    )*)*};
}

as_record!(
    claim::{HistoryEntry, LeaseTerms, ProcessIdentity, Reservation},
    machine::{KilledProcess, Process, Socket, StatusChange},
    transfer::{Configuration, Document, DocumentPort, ImportedPort},
);

impl ToPython for IpAddr {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.to_string().into_bound_py_any(py)
    }
}

/// As the module `socket` shows an address.
impl ToPython for SocketAddr {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        (self.ip().to_string(), self.port()).into_bound_py_any(py)
    }
}

impl ToPython for Map<String, Value> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(json::object(py, self)?.into_any())
    }
}

impl<T: ToPython> ToPython for Option<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Some(value) => value.to_python(py),
            None => Ok(py.None().into_bound(py)),
        }
    }
}

impl<T: ToPython> ToPython for Vec<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let list = PyList::empty(py);
        for item in self {
            list.append(item.to_python(py)?)?;
        }
        Ok(list.into_any())
    }
}
