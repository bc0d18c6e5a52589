//! The registry of a machine's network ports, made to be embedded.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
pub mod host;
mod model;
mod request;
mod store;
mod value;

pub use error::{Error, ErrorKind, Result};
pub use model::*;
pub use request::*;
