//! The one place that every call passes: panics end here, and errors become codes.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use portkeeper_core::{Error, Result};

use crate::{
    code::{PK_INTERNAL, PK_OK, pk_code},
    error::pk_error,
};

/// Runs an operation. Its error, or its panic as `INTERNAL`, becomes the code and, where the caller wants
/// it, `err`, which is written at the end: a callback of the caller's may look there meanwhile.
#[allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "what every pointer must be is said once, at the top of the header"
)]
pub fn guard(err: *mut *mut pk_error, operation: impl FnOnce() -> Result<()>) -> pk_code {
    // Errors are read, and dropped, where their own panics end as well.
    let failed = |error: &Error| (error.code(), Some(Box::new(pk_error::new(error))));
    let outcome = catch(|| operation().map_or_else(|error| failed(&error), |()| (PK_OK, None)))
        .or_else(|panic| catch(|| failed(&Error::Internal(panic))));
    let (code, error) =
        outcome.unwrap_or_else(|_| (PK_INTERNAL, Some(Box::new(pk_error::of_a_defect()))));
    if !err.is_null() {
        // SAFETY: not NULL, and as the header says of it, it has room for a pointer.
        unsafe { err.write(error.map_or(ptr::null_mut(), Box::into_raw)) };
    }
    code
}

/// Runs what cannot fail, and returns `otherwise` where it panics all the same.
pub fn answer<T>(otherwise: T, question: impl FnOnce() -> T) -> T {
    catch(question).unwrap_or(otherwise)
}

/// A panic must not reach a caller that knows of none. Whatever it leaves behind is not used any more, or
/// guarded by locks of its own, so that an operation may be repeated after it.
fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = text_of(panic.as_ref());
        // What was thrown may panic once more when it is dropped; what that throws is given up.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(again);
        }
        text
    })
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("of an unknown kind"))
}
