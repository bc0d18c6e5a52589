//! Compiling and running C programs against the library that cargo built beside the tests.
#![allow(dead_code, reason = "every test uses a part of it")]

#[path = "../../../tests/support/skipped.rs"]
mod skipped;

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub use skipped::skipped;

pub const CRATE: &str = env!("CARGO_MANIFEST_DIR");
pub const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"];
/// What the static library needs beside itself.
pub const STATIC_LIBRARIES: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

/// The sources of the C test program.
pub const PROGRAM: [&str; 9] = [
    "main.c",
    "support.c",
    "operations.c",
    "questions.c",
    "transfer.c",
    "misuse.c",
    "options.c",
    "kinds.c",
    "threads.c",
];

/// Where cargo put the library: beside the tests.
pub fn built(name: &str) -> PathBuf {
    let tests = env::current_exe().unwrap();
    let path = tests.parent().unwrap().join(name);
    assert!(path.exists(), "{} was not built", path.display());
    path
}

/// A folder with the library under the names that the linker and the loader look for.
pub fn library_folder() -> tempfile::TempDir {
    library_folder_of("libportkeeper.so")
}

/// The same with another library of the same name to the loader.
pub fn library_folder_of(built_name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libportkeeper.so", "libportkeeper.so.0"] {
        symlink(built(built_name), folder.path().join(name)).unwrap();
    }
    folder
}

pub fn c(name: &str) -> PathBuf {
    Path::new(CRATE).join("tests/c").join(name)
}

/// Compiles for the tests of `portkeeper-ffi/testing`, too, whose folder is another one.
fn include() -> PathBuf {
    let folder = Path::new(CRATE).join("include");
    if folder.exists() {
        folder
    } else {
        Path::new(CRATE).join("../include")
    }
}

/// Compiles `sources` into the program `output` and links it with the shared library in `library`.
pub fn compile(library: &Path, output: &Path, flags: &[&str], sources: &[PathBuf]) {
    let rpath = format!("-Wl,-rpath,{}", library.display());
    let mut command = Command::new("gcc");
    command
        .args(["-std=gnu11", "-g", "-O1", "-D_GNU_SOURCE", "-I"])
        .arg(include())
        .args(WARNINGS)
        .args(flags)
        .args(sources)
        .arg("-o")
        .arg(output)
        .arg("-L")
        .arg(library)
        .args(["-lportkeeper", "-lpthread", &rpath]);
    succeeds(&mut command);
}

/// Runs a command, shows what it said where it failed, and returns it.
pub fn succeeds(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        said(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn said(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}{err}")
}

/// Whether a program is there to be run.
pub fn has(program: impl AsRef<OsStr>) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Repeats what C programs said of skipped parts.
pub fn repeat_skipped(output: &str) {
    for line in output
        .lines()
        .filter_map(|line| line.strip_prefix("SKIPPED "))
    {
        skipped(line);
    }
}

/// Whether `tests/run` asks, and not a developer who waits for it.
pub fn is_full() -> bool {
    is_long() || env::var_os("PORTKEEPER_TESTS").is_some_and(|value| value == "full")
}

/// Whether `tests/run --long` asks, which has the minutes of a release build.
pub fn is_long() -> bool {
    env::var_os("PORTKEEPER_TESTS").is_some_and(|value| value == "long")
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
