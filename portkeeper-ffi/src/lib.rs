//! The C ABI of Port Keeper.
//!
//! `include/portkeeper.h` is made from this crate and says what each function does; the comments here
//! are those of the header. Every exported function goes through [`guard`], where a panic ends, and
//! takes its arguments through `input`, where NULL and broken texts are refused. Records cross as
//! [`result::pk_result`], made from what the engine serializes, so that none of its fields is forgotten.

// The Rust names are the names in C.
#![allow(non_camel_case_types)]
// The comments are written for readers of the header, which has neither Markdown nor links.
#![allow(clippy::doc_markdown)]
// What every pointer must be is said once, at the top of the header.
#![allow(clippy::missing_safety_doc)]
#![deny(clippy::undocumented_unsafe_blocks)]

// In the order of the header.
pub mod version;

pub mod code;

pub mod verdict;

pub mod error;
pub mod result;

pub mod callback;
pub mod options;

pub mod keeper;

pub mod claims;
pub mod requests;

pub mod lease;

pub mod hold;

pub mod bound;

pub mod queries;

pub mod machine;

pub mod transfer;

pub mod care;

pub mod project;

// What they have in common.
pub mod guard;
mod input;
