//! What callers get back: the records of the engine as frozen classes.

pub(crate) mod claim;
pub(crate) mod machine;
pub(crate) mod maintenance;
pub(crate) mod transfer;

/// A class around a record of the engine, with a property for each field.
///
/// The record is taken apart exhaustively, so that a new field breaks this build until it crosses too. A
/// field that Python has a keyword for names its property after `as`. Records are hashed by the fields that
/// are `named`: a few that tell most of them apart.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident { $($field:ident $(as $property:ident)?),* $(,)? }
        named $($($key:ident).+),+;
        $($extra:item)*
    ) => {
        $(#[$meta])*
        #[pyclass(frozen, eq, module = "portkeeper")]
        #[derive(PartialEq)]
        pub(crate) struct $name(pub(crate) portkeeper_core::$name);

        impl $name {
            #[allow(dead_code, reason = "asks whether every field is known")]
            fn exhaustive(record: &portkeeper_core::$name) {
                let portkeeper_core::$name { $($field: _),* } = record;
            }
        }

        $crate::record::properties!($name { $($field $(as $property)?),* });

        #[pymethods]
        impl $name {
            fn __hash__(&self) -> u64 {
                use std::hash::{DefaultHasher, Hash, Hasher};

                let mut hasher = DefaultHasher::new();
                $(self.0.$($key).+.hash(&mut hasher);)+
                hasher.finish()
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                let mut fields: Vec<String> = Vec::new();
                $(
                    let value = $crate::value::ToPython::to_python(&self.0.$field, py)?;
                    let name = $crate::record::property!($field $(as $property)?);
                    fields.push(format!("{name}={}", value.repr()?));
                )*
                Ok(format!("{}({})", stringify!($name), fields.join(", ")))
            }

            /// The record as documented JSON: column names as keys, times as RFC 3339 text.
            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $crate::json::dict(py, &self.0)
            }

            fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
                let text = serde_json::to_string(&self.0);
                let text = text.map_err(|error| $crate::json::defect(py, &error))?;
                let load = py.get_type::<Self>().getattr("_load")?;
                Ok((load, (text,)))
            }

            /// What `pickle` calls.
            #[staticmethod]
            fn _load(text: &str) -> PyResult<Self> {
                let record = serde_json::from_str(text);
                record.map(Self).map_err(|error| {
                    pyo3::exceptions::PyValueError::new_err(error.to_string())
                })
            }

            $($extra)*
        }
    };
}

/// The properties, in a block of their own: the attribute of a macro's argument cannot be generated.
macro_rules! properties {
    ($name:ident { $($field:ident $(as $property:ident)?),* }) => {
        $($crate::record::one_property!($name $field $($property)?);)*
    };
}

macro_rules! one_property {
    ($name:ident $field:ident) => {
        $crate::record::one_property!($name $field $field);
    };
    ($name:ident $field:ident $property:ident) => {
        #[pymethods]
        impl $name {
            #[getter]
            fn $property<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $crate::value::ToPython::to_python(&self.0.$field, py)
            }
        }
    };
}

macro_rules! property {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident as $property:ident) => {
        stringify!($property)
    };
}

pub(crate) use {one_property, properties, property, record};
