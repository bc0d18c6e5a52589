//! Opens arbitrary bytes as a registry, and restores them into one.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/open_file.rs"]
mod open_file;

fuzz_target!(|bytes: &[u8]| open_file::check(bytes));
