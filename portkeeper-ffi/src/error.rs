//! Errors

use std::ffi::{CString, c_char};

use portkeeper_core::Error;

use crate::{
    code::{PK_INTERNAL, PK_OK, pk_code},
    guard::answer,
    result::c_string,
};

/// Why an operation was refused or failed.
///
/// Owned by the caller that got it, who frees it with pk_error_free(). It does not change, so that several
/// threads may read it at once. The texts of an error live as long as the error.
pub struct pk_error {
    code: pk_code,
    name: CString,
    message: CString,
    port: u16,
    project: Option<CString>,
    pid: i64,
    next_free: u16,
}

impl pk_error {
    pub(crate) fn new(error: &Error) -> Self {
        Self {
            code: error.code(),
            name: c_string(error.name()),
            message: c_string(&error.to_string()),
            port: error.port().unwrap_or_default(),
            project: error.project().map(c_string),
            pid: error.pid().map_or(0, i64::from),
            next_free: error.next_free().unwrap_or_default(),
        }
    }

    /// What is left to say when not even the error could be read.
    pub(crate) fn of_a_defect() -> Self {
        Self {
            code: PK_INTERNAL,
            name: c"INTERNAL".to_owned(),
            message: c"internal error: a panic while an error was made".to_owned(),
            port: 0,
            project: None,
            pid: 0,
            next_free: 0,
        }
    }
}

/// The code that the function returned as well; PK_OK for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_error_code(error: Option<&pk_error>) -> pk_code {
    answer(PK_OK, || error.map_or(PK_OK, |error| error.code))
}

/// The name of the code, such as "PORT_RESERVED"; "OK" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_error_name(error: Option<&pk_error>) -> *const c_char {
    answer(c"".as_ptr(), || {
        error.map_or(c"OK", |error| error.name.as_c_str()).as_ptr()
    })
}

/// A sentence that a person can act on; empty for NULL. Programs read the code and the facts below.
#[unsafe(no_mangle)]
pub extern "C" fn pk_error_message(error: Option<&pk_error>) -> *const c_char {
    answer(c"".as_ptr(), || {
        error.map_or(c"", |error| error.message.as_c_str()).as_ptr()
    })
}

/// The port that the error is about; 0 where there is none, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_error_port(error: Option<&pk_error>) -> u16 {
    answer(0, || error.map_or(0, |error| error.port))
}

/// The project that stands in the way; NULL where there is none, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_error_project(error: Option<&pk_error>) -> *const c_char {
    answer(std::ptr::null(), || {
        let project = error.and_then(|error| error.project.as_deref());
        project.map_or(std::ptr::null(), std::ffi::CStr::as_ptr)
    })
}

/// The process that stands in the way; 0 where there is none, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_error_pid(error: Option<&pk_error>) -> i64 {
    answer(0, || error.map_or(0, |error| error.pid))
}

/// The next higher port that is free, where PK_RESERVE_SUGGEST asked for one and there is one; else 0.
#[unsafe(no_mangle)]
pub extern "C" fn pk_error_next_free(error: Option<&pk_error>) -> u16 {
    answer(0, || error.map_or(0, |error| error.next_free))
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn pk_error_free(error: Option<Box<pk_error>>) {
    answer((), || drop(error));
}
