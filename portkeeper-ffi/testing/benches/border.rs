//! What the border costs: `pk_keeper_check` from C against `Keeper::check` from Rust, in one process, on one
//! keeper, in turn: `cargo bench -p portkeeper-ffi-testing`. Exits with 1 when it costs more than promised.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::{path::Path, process::Command};

use support::{compile, library_folder_of, succeeds};

/// The most that a call from C may take, of the same call from Rust.
const LIMIT: f64 = 1.1;

fn main() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average {}", load.trim());
    let ffi = Path::new(support::CRATE).join("..");
    let library = library_folder_of("libportkeeper_testing.so");
    let program = library.path().join("border");
    let includes =
        ["tests/c", "testing/tests/c"].map(|folder| format!("-I{}", ffi.join(folder).display()));
    let flags = ["-O2", &includes[0], &includes[1]];
    compile(
        library.path(),
        &program,
        &flags,
        &[ffi.join("testing/benches/border.c")],
    );
    let text = succeeds(Command::new(program).arg(library.path().join("database.db")));
    let mut medians = text
        .split_whitespace()
        .map(|median| median.parse::<f64>().unwrap_or(f64::NAN));
    let (Some(ours), Some(theirs)) = (medians.next(), medians.next()) else {
        println!("no figures: {text}");
        std::process::exit(1);
    };
    let ratio = ours / theirs;
    let is_reached = ratio <= LIMIT;
    let word = if is_reached { "reached" } else { "MISSED" };
    println!(
        "{:<34} {:>9.2} µs : {:>9.2} µs = {ratio:.3}   (at most {LIMIT}: {word})",
        "pk_keeper_check : Keeper::check",
        ours / 1e3,
        theirs / 1e3,
    );
    if !is_reached {
        std::process::exit(1);
    }
}
