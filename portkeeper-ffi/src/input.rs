//! What callers pass: NULL, broken texts and structs of another size are refused here, by name.

use std::{
    ffi::{CStr, c_char},
    ptr::NonNull,
};

use chrono::{DateTime, Utc};
use portkeeper_core::{Error, Result};

/// An argument that must not be NULL.
pub(crate) fn given<T>(name: &'static str, argument: Option<T>) -> Result<T> {
    argument.ok_or_else(|| invalid("argument", name, "is NULL"))
}

/// Where a result goes: a pointer, and no reference, since a callback of the caller's may look there while the
/// operation runs.
pub(crate) struct Output<T>(NonNull<T>);

/// An output that must not be NULL.
pub(crate) fn output<T>(name: &'static str, place: *mut T) -> Result<Output<T>> {
    given(name, NonNull::new(place)).map(Output)
}

impl<T> Output<T> {
    pub(crate) fn write(self, value: T) {
        // SAFETY: not NULL, and as the header says of outputs, it has room for one.
        unsafe { self.0.write(value) }
    }
}

impl<T> Output<*mut T> {
    /// Makes the object the caller's.
    pub(crate) fn give(self, object: Box<T>) {
        self.write(Box::into_raw(object));
    }
}

pub(crate) fn invalid(what: &'static str, value: &str, reason: impl Into<String>) -> Error {
    Error::InvalidInput {
        what,
        value: value.to_owned(),
        reason: reason.into(),
    }
}

/// A text that must be there.
///
/// # Safety
/// `text` is NULL or ends with a NUL and stays as it is for `'a`.
pub(crate) unsafe fn text<'a>(name: &'static str, text: *const c_char) -> Result<&'a str> {
    // SAFETY: as above.
    given(name, unsafe { text_or_null(name, text) }?)
}

/// A text, or `None` for NULL.
///
/// # Safety
/// `text` is NULL or ends with a NUL and stays as it is for `'a`.
pub(crate) unsafe fn text_or_null<'a>(
    name: &'static str,
    text: *const c_char,
) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and as above.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(invalid(
            name,
            &String::from_utf8_lossy(bytes),
            "is not UTF-8",
        )),
    }
}

/// `count` values in a row; `None` for NULL, which must have none.
///
/// # Safety
/// `first` is NULL or points to `count` values that stay as they are for `'a`.
pub(crate) unsafe fn slice<'a, T>(
    name: &'static str,
    first: *const T,
    count: usize,
) -> Result<Option<&'a [T]>> {
    match (first.is_null(), count) {
        // What a pointer to nothing points to is nobody's concern.
        (false, 0) => Ok(Some(&[])),
        (true, 0) => Ok(None),
        (true, _) => Err(invalid("argument", name, "is NULL")),
        (false, _) if count > usize::MAX / 2 / size_of::<T>().max(1) => {
            Err(invalid(name, &count.to_string(), "is no possible count"))
        }
        // SAFETY: not NULL, no longer than memory, and as above.
        (false, _) => Ok(Some(unsafe { std::slice::from_raw_parts(first, count) })),
    }
}

/// `count` texts in a row; `None` for NULL, which must have none.
///
/// # Safety
/// As [`slice()`], and each text as [`text()`].
pub(crate) unsafe fn texts(
    name: &'static str,
    first: *const *const c_char,
    count: usize,
) -> Result<Option<Vec<String>>> {
    // SAFETY: as above.
    let Some(pointers) = (unsafe { slice(name, first, count) })? else {
        return Ok(None);
    };
    let owned = pointers.iter().map(|one| {
        // SAFETY: as above.
        unsafe { text(name, *one) }.map(str::to_owned)
    });
    owned.collect::<Result<_>>().map(Some)
}

/// A time as RFC 3339 writes it.
pub(crate) fn time(name: &'static str, text: &str) -> Result<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(Into::into)
        .map_err(|error| invalid(name, text, format!("is no RFC 3339 time: {error}")))
}

/// A process id; 0 is none.
pub(crate) fn pid(name: &'static str, pid: i64) -> Result<Option<u32>> {
    match u32::try_from(pid) {
        Ok(0) => Ok(None),
        Ok(pid) => Ok(Some(pid)),
        Err(_) => Err(invalid(name, &pid.to_string(), "is no process id")),
    }
}
