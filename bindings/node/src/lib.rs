//! The native half of the npm package `portkeeper`.
//!
//! JavaScript gives an operation's name and its arguments, and gets a value or the facts of an error;
//! what a user sees of that is `lib/`. Nothing here decides anything: arguments are read, core is
//! called on a thread of [`lanes`], and its records become plain objects.

mod args;
mod bridge;
mod guards;
mod lanes;
mod ops;
mod outcome;
mod record;
