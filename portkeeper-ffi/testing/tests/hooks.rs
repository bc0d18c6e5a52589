//! Runs the C program that needs the hooks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::{path::Path, process::Command};

use support::{compile, has, is_full, library_folder_of, said, skipped, succeeds};

#[test]
fn panics_and_every_kind_arrive_as_codes() {
    let ffi = Path::new(support::CRATE).join("..");
    let library = library_folder_of("libportkeeper_testing.so");
    let program = library.path().join("hooks");
    let shared = format!("-I{}", ffi.join("tests/c").display());
    let source = ffi.join("testing/tests/c/hooks.c");
    compile(library.path(), &program, &[&shared], &[source]);
    assert!(succeeds(&mut Command::new(&program)).ends_with("hooks passed\n"));

    if !is_full() {
        skipped("panics_and_every_kind_arrive_as_codes: tests/run asks for valgrind");
        return;
    }
    if !has("valgrind") {
        skipped("panics_and_every_kind_arrive_as_codes: valgrind is not installed");
        return;
    }
    let suppressions = ffi.join("tests/c/valgrind.supp");
    let output = Command::new("valgrind")
        .args([
            "--error-exitcode=99",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible",
        ])
        .arg(format!("--suppressions={}", suppressions.display()))
        .arg(program)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}
