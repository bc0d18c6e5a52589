//! What callers give. A wrong type is a `TypeError`, as everywhere in Python; a wrong value goes to the
//! engine, which refuses it by name.

use std::{net::IpAddr, ops::RangeInclusive, str::FromStr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use pyo3::{
    Borrowed,
    exceptions::{PyOverflowError, PyTypeError},
    prelude::*,
    types::{PyBool, PyDateTime, PyDelta, PyFloat, PyString, PyTzInfo},
};

use portkeeper_core::{Error, ErrorKind};

use crate::{
    error::{invalid, of_kind, raised},
    record::claim::HistoryEntry,
};

/// A whole number, and no `bool`. It is as wide as the engine takes it.
#[derive(Clone, Copy)]
pub(crate) struct Number(pub(crate) i64);

/// A number that is meant to be a port.
#[derive(Clone, Copy)]
pub(crate) struct Port(pub(crate) i64);

fn whole<'py>(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Result<i64, Bound<'py, PyString>>> {
    if given.is_instance_of::<PyBool>() || given.is_instance_of::<PyFloat>() {
        return Err(wrong_type(given, "an int"));
    }
    match given.extract::<i64>() {
        Ok(number) => Ok(Ok(number)),
        Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => Ok(Err(given.str()?)),
        Err(_) => Err(wrong_type(given, "an int")),
    }
}

fn wrong_type(given: Borrowed<'_, '_, PyAny>, wanted: &str) -> PyErr {
    let name = given.get_type().name();
    let name = name.map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{wanted} is needed, not {name}"))
}

impl<'py> FromPyObject<'_, 'py> for Port {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        whole(given)?.map(Self).map_err(|number| {
            let message = format!("port {number} is not in 1..=65535");
            of_kind(given.py(), ErrorKind::PortInvalid, &message)
        })
    }
}

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        whole(given)?
            .map(Self)
            .map_err(|number| invalid(given.py(), "number", number.to_string(), "is too large"))
    }
}

impl Number {
    /// The number as the engine's type for `what`.
    pub(crate) fn as_type<T: TryFrom<i64>>(
        self,
        py: Python<'_>,
        what: &'static str,
    ) -> PyResult<T> {
        let reason = if self.0 < 0 {
            "is negative"
        } else {
            "is too large"
        };
        T::try_from(self.0).map_err(|_| invalid(py, what, self.0.to_string(), reason))
    }
}

/// One number or several.
pub(crate) enum Ports {
    One(Port),
    Several(Vec<Port>),
}

impl<'py> FromPyObject<'_, 'py> for Ports {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if given.hasattr("__iter__")? {
            Ok(Self::Several(given.extract::<Listed<Port>>()?.0))
        } else {
            given.extract().map(Self::One)
        }
    }
}

/// The items of any iterable but a text.
pub(crate) struct Listed<T>(pub(crate) Vec<T>);

impl<'py, T> FromPyObject<'_, 'py> for Listed<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if given.is_instance_of::<PyString>() {
            // "web" would be three roles.
            return Err(wrong_type(given, "an iterable of items"));
        }
        let mut items = Vec::new();
        for item in given.try_iter()? {
            items.push(item?.extract().map_err(Into::into)?);
        }
        Ok(Self(items))
    }
}

/// Both ends of a range.
pub(crate) struct Range(pub(crate) RangeInclusive<i64>);

impl<'py> FromPyObject<'_, 'py> for Range {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let ends = given.extract::<(Port, Port)>();
        let (first, last) = ends.map_err(|error| {
            if error.is_instance_of::<PyTypeError>(given.py())
                || given.len().is_ok_and(|ends| ends != 2)
            {
                wrong_type(given, "a tuple of the first and the last port")
            } else {
                error
            }
        })?;
        Ok(Self(first.0..=last.0))
    }
}

/// A time span: seconds, or a `timedelta`.
#[derive(Clone, Copy)]
pub(crate) struct Seconds(pub(crate) Duration);

impl<'py> FromPyObject<'_, 'py> for Seconds {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let refused = |reason: &str| {
            let text = given.str().map(|text| text.to_string());
            invalid(given.py(), "duration", text.unwrap_or_default(), reason)
        };
        if given.is_instance_of::<PyDelta>() {
            let delta = given.extract::<TimeDelta>()?;
            return delta.to_std().map(Self).map_err(|_| refused("is negative"));
        }
        if given.is_instance_of::<PyBool>() {
            return Err(wrong_type(given, "a number of seconds or a timedelta"));
        }
        let seconds: f64 = given
            .extract()
            .map_err(|_| wrong_type(given, "a number of seconds or a timedelta"))?;
        Duration::try_from_secs_f64(seconds)
            .map(Self)
            .map_err(|_| refused("is no time span"))
    }
}

impl Seconds {
    /// As an age. The longest one is as good as any that is longer.
    pub(crate) fn age(self) -> TimeDelta {
        TimeDelta::from_std(self.0).unwrap_or(TimeDelta::MAX)
    }
}

/// A moment: a `datetime` that knows its time zone.
#[derive(Clone, Copy)]
pub(crate) struct Moment(pub(crate) DateTime<Utc>);

impl<'py> FromPyObject<'_, 'py> for Moment {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        if !given.is_instance_of::<PyDateTime>() {
            return Err(wrong_type(given, "a datetime"));
        }
        if given.call_method0("utcoffset")?.is_none() {
            let text = given.str()?.to_string();
            return Err(invalid(py, "time", text, "has no time zone"));
        }
        let utc = PyTzInfo::utc(py)?;
        let moment = given.call_method1("astimezone", (utc,))?;
        Ok(Self(moment.extract()?))
    }
}

/// Where a page of the history begins: an entry, or the time and id of one.
pub(crate) struct Place(pub(crate) DateTime<Utc>, pub(crate) i64);

impl<'py> FromPyObject<'_, 'py> for Place {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(entry) = given.cast::<HistoryEntry>() {
            let entry = &entry.get().0;
            return Ok(Self(entry.performed_at, entry.id));
        }
        let place: Result<(Moment, Number), _> = given.extract();
        let (time, id) = place.map_err(|error| {
            if error.is_instance_of::<PyTypeError>(given.py()) {
                wrong_type(given, "a history entry, or a tuple of its time and id,")
            } else {
                error
            }
        })?;
        Ok(Self(time.0, id.0))
    }
}

/// A local address, as text or of the module `ipaddress`.
pub(crate) struct Address(pub(crate) IpAddr);

impl<'py> FromPyObject<'_, 'py> for Address {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if !given.is_instance_of::<PyString>() {
            let address = given.extract::<IpAddr>();
            return address
                .map(Self)
                .map_err(|_| wrong_type(given, "an IP address"));
        }
        let text: String = given.extract()?;
        let parsed = text.parse().map(Self);
        parsed.map_err(|_| invalid(given.py(), "address", text, "is no IP address"))
    }
}

/// A word of the engine, such as `random`.
pub(crate) fn word<T: FromStr<Err = Error>>(
    py: Python<'_>,
    text: Option<&str>,
) -> PyResult<Option<T>> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|error| raised(py, &error))
}
