//! What goes back to JavaScript: a value or the facts of an error.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use napi::{
    Env, Result,
    bindgen_prelude::{FromNapiValue, Object, ToNapiValue, Unknown},
    sys,
};
use napi_derive::napi;
use portkeeper_core::{Error, Result as CoreResult};

/// A value of core that becomes one of JavaScript when it is back on the thread that may make one.
pub struct Answer(Box<dyn FnOnce(sys::napi_env) -> Result<sys::napi_value> + Send>);

impl Answer {
    pub fn of<T: ToNapiValue + Send + 'static>(value: T) -> Self {
        Self::with(move || Ok(value))
    }

    /// `make` runs on the thread of JavaScript, or never.
    pub fn with<T: ToNapiValue>(make: impl FnOnce() -> Result<T> + Send + 'static) -> Self {
        Self(Box::new(move |env| unsafe {
            T::to_napi_value(env, make()?)
        }))
    }
}

/// `{ value }` or `{ error }`.
pub struct Outcome(pub CoreResult<Answer>);

impl Outcome {
    /// What `work` says; a panic is a defect that must not end the process.
    pub fn of(work: impl FnOnce() -> CoreResult<Answer>) -> Self {
        Self(Self::checked(work))
    }

    /// The same, of any value.
    pub fn checked<T>(work: impl FnOnce() -> CoreResult<T>) -> CoreResult<T> {
        let result = catch_unwind(AssertUnwindSafe(work));
        result.unwrap_or_else(|panic| Err(Error::Internal(panic_message(panic.as_ref()))))
    }
}

impl ToNapiValue for Outcome {
    unsafe fn to_napi_value(env: sys::napi_env, outcome: Self) -> Result<sys::napi_value> {
        let mut object = Object::new(&Env::from_raw(env))?;
        match outcome.0 {
            Ok(Answer(make)) => {
                let result = catch_unwind(AssertUnwindSafe(|| make(env)));
                let value = result.unwrap_or_else(|panic| {
                    let reason = panic_message(panic.as_ref());
                    Err(napi::Error::from_reason(reason))
                })?;
                object.set("value", unsafe { Unknown::from_napi_value(env, value)? })?;
            }
            Err(error) => object.set("error", Failure::from(&error))?,
        }
        unsafe { Object::to_napi_value(env, object) }
    }
}

/// The facts of an error, of which `lib/error.cjs` makes a `PortkeeperError`.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Failure {
    pub code: String,
    pub number: i32,
    pub message: String,
    pub port: Option<u16>,
    pub project: Option<String>,
    pub pid: Option<u32>,
    pub next_free: Option<u16>,
    pub cause: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            code: error.name().to_owned(),
            number: error.code(),
            message: error.to_string(),
            port: error.port(),
            project: error.project().map(str::to_owned),
            pid: error.pid(),
            next_free: error.next_free(),
            cause: std::error::Error::source(error).map(ToString::to_string),
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}
