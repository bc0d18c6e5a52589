//! What compilers and linkers see: the header is clean, and the libraries show what they should.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

mod support;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use support::{CRATE, WARNINGS, built, has, read, skipped, succeeds};

/// Uses every initialiser, since a macro is only looked at where it is used.
const USER: &str = "#include <portkeeper.h>
int main(void) {
    pk_open_options open = PK_OPEN_OPTIONS_INIT;
    pk_reserve_options reserve = PK_RESERVE_OPTIONS_INIT;
    pk_request_options request = PK_REQUEST_OPTIONS_INIT;
    pk_list_options list = PK_LIST_OPTIONS_INIT;
    pk_history_options history = PK_HISTORY_OPTIONS_INIT;
    pk_export_options document = PK_EXPORT_OPTIONS_INIT;
    pk_import_options source = PK_IMPORT_OPTIONS_INIT;
    int64_t numbers[] = {PK_ALL_PORTS};
    uint64_t ages[] = {PK_KILL_GRACE_MS, PK_HISTORY_KEPT_MS, PK_SCANS_KEPT_MS};
    return open.flags + reserve.flags + request.flags + source.flags + list.size + history.size + document.size
        == ages[0] + (uint64_t)numbers[0];
}
";

#[test]
fn the_header_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    for (compiler, language, standards) in [
        ("gcc", "c", ["-std=c11", "-std=c17"]),
        ("g++", "c++", ["-std=c++17", "-std=c++20"]),
    ] {
        if !has(compiler) {
            skipped(format_args!(
                "the_header_is_clean: {compiler} is not installed"
            ));
            continue;
        }
        let source = folder.path().join("user");
        fs::write(&source, USER).unwrap();
        for standard in standards {
            let mut command = Command::new(compiler);
            command.args(["-x", language, standard, "-fsyntax-only", "-I"]);
            command
                .arg(Path::new(CRATE).join("include"))
                .args(WARNINGS)
                .arg(&source);
            assert_eq!(succeeds(&mut command), "");
        }
    }
}

/// The example at the top of the header is a program.
#[test]
fn the_example_of_the_header_compiles() {
    let header = read(Path::new(CRATE).join("include/portkeeper.h"));
    let lines = header
        .lines()
        .skip_while(|line| !line.contains("#include <inttypes.h>"));
    let lines = lines.take_while(|line| !line.starts_with(" * Calls"));
    let example: Vec<&str> = lines.map(|line| line.trim_start_matches(" *")).collect();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("example.c");
    fs::write(&source, example.join("\n")).unwrap();
    let mut command = Command::new("gcc");
    command
        .args(["-std=c11", "-fsyntax-only", "-I"])
        .arg(Path::new(CRATE).join("include"));
    succeeds(command.args(WARNINGS).arg(&source));
}

/// And so is that of the README, which is linked and run.
#[test]
fn the_example_of_the_readme_runs() {
    let readme = read(Path::new(CRATE).join("README.md"));
    let (_, rest) = readme.split_once("```c\n").unwrap();
    let folder = support::library_folder();
    let source = folder.path().join("example.c");
    fs::write(&source, rest.split_once("```").unwrap().0).unwrap();
    let program = folder.path().join("example");
    support::compile(folder.path(), &program, &[], &[source]);
    let mut command = Command::new(program);
    command.env("PORTKEEPER_DB_PATH", folder.path().join("registry.db"));
    let text = succeeds(&mut command);
    assert!(text.ends_with(" my-app\n"), "{text}");
}

/// C++ callers have no compound literals and no designated initialisers, and objects with destructors.
#[test]
fn a_program_in_cpp_links_and_runs() {
    if !has("g++") {
        skipped("a_program_in_cpp_links_and_runs: g++ is not installed");
        return;
    }
    let library = support::library_folder();
    for standard in ["-std=c++17", "-std=c++20"] {
        let program = library.path().join(format!("program{standard}"));
        let mut command = Command::new("g++");
        command
            .args([standard, "-g", "-O1", "-I"])
            .arg(Path::new(CRATE).join("include"))
            .args(WARNINGS)
            .arg(support::c("program.cpp"))
            .arg("-o")
            .arg(&program)
            .arg("-L")
            .arg(library.path())
            .arg("-lportkeeper")
            .arg(format!("-Wl,-rpath,{}", library.path().display()));
        assert_eq!(succeeds(&mut command), "");
        let registry = library.path().join(format!("registry{standard}.db"));
        assert_eq!(
            succeeds(Command::new(program).arg(registry)),
            "c++ passed\n"
        );
    }
}

#[test]
fn the_shared_library_shows_the_functions_of_the_header_only() {
    let symbols = |arguments: &[&str], library: &str| -> BTreeSet<String> {
        let text = succeeds(Command::new("nm").args(arguments).arg(built(library)));
        let names = text.lines().filter_map(|line| line.rsplit(' ').next());
        names
            .filter(|name| !name.is_empty() && !name.ends_with(':'))
            .map(str::to_owned)
            .collect()
    };
    let shown = symbols(&["-D", "--defined-only"], "libportkeeper.so");
    let header = read(Path::new(CRATE).join("include/portkeeper.h"));
    for name in &shown {
        assert!(
            name.starts_with("pk_") && !name.starts_with("pk_test_"),
            "{name}"
        );
        assert!(
            header.contains(&format!("{name}(")),
            "{name} is not in the header"
        );
    }
    assert!(shown.len() > 60, "{shown:?}");

    // A static library cannot hide what it is made of; nothing of the tests is in it.
    let held = symbols(&["--defined-only", "--extern-only"], "libportkeeper.a");
    assert!(held.is_superset(&shown));
    assert!(!held.iter().any(|name| name.starts_with("pk_test_")));
}

#[test]
fn the_shared_library_has_a_soname() {
    let text = succeeds(
        Command::new("readelf")
            .arg("-d")
            .arg(built("libportkeeper.so")),
    );
    assert!(
        text.contains("Library soname: [libportkeeper.so.0]"),
        "{text}"
    );
}
