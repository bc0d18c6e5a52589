//! Results: records and lists

use std::{
    collections::HashMap,
    ffi::{CString, c_char},
    ptr,
    sync::{Mutex, OnceLock, PoisonError},
};

use portkeeper_core::{Error, Result};
use serde::Serialize;
use serde_json::Value;

use crate::{
    guard::answer,
    input::{self, output},
};

/// The rows of an answer: none, one record, or a list of them. Read-only.
///
/// A field is found by its row, from 0, and its name, see "Fields" at the top of this header. A dot goes
/// into a record or, with a number from 0, into a list: "lease.role", "tags.0",
/// "listeners.0.processes.0.pid". A field is null where the row, the name or the element does not exist, and so is
/// every field of a result that is NULL.
///
/// Owned by the caller that got it, who frees it with pk_result_free(); it depends on no keeper. Several
/// threads may read it at once. The texts of a result live as long as the result.
pub struct pk_result {
    rows: Vec<Value>,
    /// Whether they are a list, and not one record or none.
    is_list: bool,
    json: OnceLock<CString>,
    /// What was asked for as text, by the address of the value, which never moves.
    texts: Mutex<HashMap<usize, CString>>,
}

impl pk_result {
    /// The rows of what the engine returned: its elements, itself, or none for `None`.
    pub(crate) fn of(value: &impl Serialize) -> Result<Box<Self>> {
        Ok(Box::new(Self::new(Self::value(value)?)))
    }

    pub(crate) fn value(value: &impl Serialize) -> Result<Value> {
        serde_json::to_value(value)
            .map_err(|error| Error::Internal(format!("a result is no JSON: {error}")))
    }

    /// Writes the rows to an output that need not be wanted.
    pub(crate) fn wanted(place: *mut *mut Self, value: &impl Serialize) -> Result<()> {
        if !place.is_null() {
            output("result", place)?.give(Self::of(value)?);
        }
        Ok(())
    }

    pub(crate) fn new(value: Value) -> Self {
        let (rows, is_list) = match value {
            Value::Array(rows) => (rows, true),
            Value::Null => (Vec::new(), false),
            record => (vec![record], false),
        };
        Self {
            rows,
            is_list,
            json: OnceLock::new(),
            texts: Mutex::default(),
        }
    }

    /// The same with the document's own text as its JSON.
    pub(crate) fn with_json(value: Value, json: &str) -> Self {
        let mut result = Self::new(value);
        result.json = OnceLock::from(c_string(json));
        result
    }

    fn field(&self, row: usize, name: *const c_char) -> Option<&Value> {
        // SAFETY: as the header says, NULL or a text that ends with NUL.
        let name = unsafe { input::text("name", name) }.ok()?;
        find(self.rows.get(row)?, name)
    }

    /// The text that belongs to `address`, made at the first time.
    fn text(&self, address: usize, make: impl FnOnce() -> String) -> *const c_char {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let text = texts.entry(address).or_insert_with(|| c_string(&make()));
        text.as_ptr()
    }
}

/// How many rows there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_result_count(result: Option<&pk_result>) -> usize {
    answer(0, || result.map_or(0, |result| result.rows.len()))
}

/// Whether a field is null or missing: 1, or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_result_is_null(
    result: Option<&pk_result>,
    row: usize,
    name: *const c_char,
) -> i32 {
    answer(1, || {
        let field = result.and_then(|result| result.field(row, name));
        field.is_none_or(Value::is_null).into()
    })
}

/// A field as a number: true is 1, a fraction is cut to its whole part, a number beyond int64_t is the nearest
/// that fits, and a text is what it says if that is a whole number. 0 for everything else, null among it: ask
/// pk_result_is_null() where that is something else than 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_result_int(
    result: Option<&pk_result>,
    row: usize,
    name: *const c_char,
) -> i64 {
    answer(0, || {
        let field = result.and_then(|result| result.field(row, name));
        field.map_or(0, number)
    })
}

/// A field as text: a number in decimal, "true" or "false", a list or a record as JSON. NULL where the
/// field is null or missing. A NUL within a text ends it here; pk_result_json() has it whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_result_text(
    result: Option<&pk_result>,
    row: usize,
    name: *const c_char,
) -> *const c_char {
    answer(ptr::null(), || {
        let Some(result) = result else {
            return ptr::null();
        };
        match result.field(row, name) {
            None | Some(Value::Null) => ptr::null(),
            Some(value) => result.text(ptr::from_ref(value).addr(), || match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }),
        }
    })
}

/// How many elements a list has, or how many fields a record; 0 for a field that is neither.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_result_length(
    result: Option<&pk_result>,
    row: usize,
    name: *const c_char,
) -> usize {
    answer(0, || {
        match result.and_then(|result| result.field(row, name)) {
            Some(Value::Array(list)) => list.len(),
            Some(Value::Object(record)) => record.len(),
            _ => 0,
        }
    })
}

/// The name of the field with this index, from 0, of the record at `path`, such as "metadata"; NULL behind the
/// last one, and for what is no record. With NULL or "" as `path`, of the row itself. For programs that show
/// whatever there is, and for records whose names are the caller's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_result_name(
    result: Option<&pk_result>,
    row: usize,
    path: *const c_char,
    index: usize,
) -> *const c_char {
    answer(ptr::null(), || {
        let Some(result) = result else {
            return ptr::null();
        };
        // SAFETY: as the header says, NULL or a text that ends with NUL.
        let record = match unsafe { input::text_or_null("path", path) } {
            Err(_) => None,
            Ok(None | Some("")) => result.rows.get(row),
            Ok(Some(_)) => result.field(row, path),
        };
        let names = record.and_then(Value::as_object);
        let name = names.and_then(|record| record.keys().nth(index));
        name.map_or(ptr::null(), |name| {
            result.text(ptr::from_ref(name).addr(), || name.clone())
        })
    })
}

/// Everything as JSON: an array where the function that made the result gives a list, else the record, or
/// "null" where there is none, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_result_json(result: Option<&pk_result>) -> *const c_char {
    answer(c"null".as_ptr(), || {
        let Some(result) = result else {
            return c"null".as_ptr();
        };
        let json = || {
            let rows: Vec<String> = result.rows.iter().map(Value::to_string).collect();
            c_string(&match (result.is_list, rows.as_slice()) {
                (false, []) => "null".to_owned(),
                (false, [record]) => record.clone(),
                _ => format!("[{}]", rows.join(",")),
            })
        };
        result.json.get_or_init(json).as_ptr()
    })
}

/// Frees a result with all its texts. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn pk_result_free(result: Option<Box<pk_result>>) {
    answer((), || drop(result));
}

/// The value behind a path. A name may have dots itself, as those of a caller's own metadata may.
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let member = |name: &str| match value {
        Value::Object(record) => record.get(name),
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => None,
    };
    let dots = path.match_indices('.').map(|(at, _)| at);
    member(path).or_else(|| {
        dots.rev()
            .find_map(|at| find(member(&path[..at])?, &path[at + 1..]))
    })
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a fraction loses what is behind its point"
)]
fn number(value: &Value) -> i64 {
    match value {
        Value::Bool(truth) => i64::from(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole,
            // An inode may be larger; as text it is exact.
            (None, _) if number.is_u64() => i64::MAX,
            (None, real) => real.unwrap_or_default() as i64,
        },
        Value::String(text) => text.parse().unwrap_or_default(),
        Value::Null | Value::Array(_) | Value::Object(_) => 0,
    }
}

/// A text for C, up to its first NUL.
pub(crate) fn c_string(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}
