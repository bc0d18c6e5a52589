//! JSON values, and what they are in Python.

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple},
};
use serde::Serialize;
use serde_json::{Map, Number, Value};

use portkeeper_core::Error;

use crate::error::{invalid, raised};

/// As deep as the engine reads JSON.
const DEEPEST: usize = 128;

/// A record as documented JSON.
pub(crate) fn dict<'py, T: Serialize>(py: Python<'py>, record: &T) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(record).map_err(|error| defect(py, &error))?;
    to_python(py, &value)
}

pub(crate) fn defect(py: Python<'_>, error: &serde_json::Error) -> PyErr {
    raised(
        py,
        &Error::Internal(format!("a record without JSON: {error}")),
    )
}

pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(is) => PyBool::new(py, *is).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => number.into_pyobject(py)?.into_any(),
            (_, Some(number), _) => number.into_pyobject(py)?.into_any(),
            (_, _, number) => PyFloat::new(py, number.unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(members) => object(py, members)?.into_any(),
    })
}

pub(crate) fn object<'py>(
    py: Python<'py>,
    members: &Map<String, Value>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in members {
        dict.set_item(key, to_python(py, value)?)?;
    }
    Ok(dict)
}

/// A mapping as a JSON object. Nothing is converted silently: keys are texts, and numbers are finite.
pub(crate) fn from_mapping(what: &'static str, given: &Bound<'_, PyAny>) -> PyResult<Value> {
    given.cast::<PyMapping>().map_err(|_| {
        PyTypeError::new_err(format!(
            "{what}: a mapping is needed, not {}",
            type_name(given)
        ))
    })?;
    from_python(what, given, 1)
}

fn from_python(what: &'static str, given: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    let py = given.py();
    if depth > DEEPEST {
        let reason = format!("is nested more than {DEEPEST} deep");
        return Err(invalid(py, what, "", reason));
    }
    if given.is_none() {
        return Ok(Value::Null);
    }
    if given.is_instance_of::<PyBool>() {
        return Ok(Value::Bool(given.extract()?));
    }
    if given.is_instance_of::<PyString>() {
        return Ok(Value::String(given.extract()?));
    }
    if given.is_instance_of::<PyInt>() {
        let number: Option<Number> = match (given.extract::<i64>(), given.extract::<u64>()) {
            (Ok(number), _) => Some(number.into()),
            (_, Ok(number)) => Some(number.into()),
            _ => None,
        };
        let too_large = || {
            invalid(
                py,
                what,
                given.to_string(),
                "has a number of more than 64 bits",
            )
        };
        return number.map(Value::Number).ok_or_else(too_large);
    }
    if given.is_instance_of::<PyFloat>() {
        let number = Number::from_f64(given.extract()?);
        let no_json = || {
            invalid(
                py,
                what,
                given.to_string(),
                "has a number that JSON does not have",
            )
        };
        return number.map(Value::Number).ok_or_else(no_json);
    }
    if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() {
        let items = given.try_iter()?;
        return items
            .map(|item| from_python(what, &item?, depth + 1))
            .collect();
    }
    if let Ok(mapping) = given.cast::<PyMapping>() {
        let mut members = Map::new();
        for item in mapping.items()? {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            if !key.is_instance_of::<PyString>() {
                let message = format!("{what}: a key must be a str, not {}", type_name(&key));
                return Err(PyTypeError::new_err(message));
            }
            members.insert(key.extract()?, from_python(what, &value, depth + 1)?);
        }
        return Ok(Value::Object(members));
    }
    let message = format!("{what}: {} has no form in JSON", type_name(given));
    Err(PyTypeError::new_err(message))
}

fn type_name(given: &Bound<'_, PyAny>) -> String {
    let name = given.get_type().name();
    name.map_or_else(|_| "?".to_owned(), |name| name.to_string())
}
