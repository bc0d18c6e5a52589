//! The one place that every call passes: panics end here, and errors become codes.

use std::{
    any::Any,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
};

use portkeeper_core::{Error, Result};

use crate::{
    code::{PK_OK, pk_code},
    error::pk_error,
};

/// Runs an operation. Its error, or its panic as `INTERNAL`, becomes the code and, where the caller wants
/// it, `err`.
pub fn guard(
    err: Option<&mut MaybeUninit<Option<Box<pk_error>>>>,
    operation: impl FnOnce() -> Result<()>,
) -> pk_code {
    let outcome = catch(operation).unwrap_or_else(|panic| Err(Error::Internal(panic)));
    let (code, error) = match outcome {
        Ok(()) => (PK_OK, None),
        Err(error) => (error.code(), Some(error)),
    };
    if let Some(err) = err {
        err.write(error.map(|error| Box::new(pk_error::new(&error))));
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
