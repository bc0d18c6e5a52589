//! The C test program: as it is, and for `tests/run` under valgrind and with sanitizers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

mod support;

use std::{fs, path::Path, process::Command};

use support::{
    PROGRAM, c, compile, has, is_full, library_folder, read, repeat_skipped, said, skipped,
    succeeds,
};

struct Program {
    library: tempfile::TempDir,
    folder: tempfile::TempDir,
}

impl Program {
    fn new(flags: &[&str]) -> Self {
        let library = library_folder();
        let folder = tempfile::tempdir().unwrap();
        let sources = PROGRAM.map(c);
        compile(
            library.path(),
            &library.path().join("program"),
            flags,
            &sources,
        );
        fs::create_dir(folder.path().join("files")).unwrap();
        Self { library, folder }
    }

    fn command(&self, wrapper: &[&str]) -> Command {
        let program = self.library.path().join("program");
        let mut command = match wrapper {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.arg(self.folder.path().join("files"));
        command
    }
}

#[test]
fn every_function_does_what_the_header_says() {
    let program = Program::new(&[]);
    let output = succeeds(&mut program.command(&[]));
    assert!(output.ends_with("12 tests passed\n"), "{output}");
    repeat_skipped(&output);
}

/// Whatever the header declares is called by the C programs.
#[test]
fn every_function_is_tested() {
    let header = read(Path::new(support::CRATE).join("include/portkeeper.h"));
    let sources: String = PROGRAM.map(|name| read(c(name))).concat();
    let code = header
        .lines()
        .filter(|line| !line.starts_with("//") && !line.starts_with(" *"));
    let names = code.filter_map(|line| {
        let start = line.split_once('(')?.0;
        start
            .rsplit([' ', '*'])
            .next()
            .filter(|name| name.starts_with("pk_"))
    });
    let names: Vec<&str> = names.filter(|name| !name.ends_with("_callback")).collect();
    assert!(names.len() > 60, "{names:?}");
    for name in names {
        assert!(
            sources.contains(&format!("{name}(")),
            "{name} is not tested"
        );
    }
}

#[test]
fn valgrind_finds_nothing() {
    if !is_full() {
        skipped("valgrind_finds_nothing: tests/run asks for it");
        return;
    }
    if !has("valgrind") {
        skipped("valgrind_finds_nothing: valgrind is not installed");
        return;
    }
    let program = Program::new(&[]);
    let log = program.folder.path().join("valgrind.%p");
    let suppressions = c("valgrind.supp");
    let mut command = program.command(&[
        "valgrind",
        "--error-exitcode=99",
        "--leak-check=full",
        // A forked child ends with its parent's objects; theirs are what is found in the middle.
        "--errors-for-leak-kinds=definite,indirect",
        &format!("--suppressions={}", suppressions.display()),
        &format!("--log-file={}", log.display()),
    ]);
    let child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let mut logs: Vec<String> = Vec::new();
    for file in fs::read_dir(program.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            logs.push(read(path));
        }
    }
    assert!(
        output.status.success(),
        "{}\n{}",
        said(&output),
        logs.concat()
    );
    repeat_skipped(&String::from_utf8_lossy(&output.stdout));
    for log in &logs {
        assert!(log.contains("ERROR SUMMARY: 0 errors"), "{log}");
    }
    let main = read(program.folder.path().join(format!("valgrind.{pid}")));
    for kind in ["definitely", "indirectly", "possibly"] {
        assert!(main.contains(&format!("{kind} lost: 0 bytes")), "{main}");
    }
    let summary = main
        .lines()
        .filter(|line| line.contains("lost:") || line.contains("still reachable:"));
    println!("{}", summary.collect::<Vec<_>>().join("\n"));
}

#[test]
fn address_sanitizer_finds_nothing() {
    sanitized(
        "address_sanitizer_finds_nothing",
        "-fsanitize=address,undefined",
    );
}

fn sanitized(name: &str, sanitizer: &str) {
    if !is_full() {
        skipped(format_args!("{name}: tests/run asks for it"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("empty.c");
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut probe = Command::new("gcc");
    probe
        .arg(sanitizer)
        .arg(&source)
        .arg("-o")
        .arg(folder.path().join("empty"));
    if !probe.output().is_ok_and(|output| output.status.success()) {
        skipped(format_args!("{name}: this compiler has no {sanitizer}"));
        return;
    }
    let program = Program::new(&[
        sanitizer,
        "-fno-sanitize-recover=all",
        "-fno-omit-frame-pointer",
    ]);
    let mut command = program.command(&[]);
    command.env("PORTKEEPER_C_ROUNDS", "100");
    let output = succeeds(&mut command);
    assert!(output.ends_with("12 tests passed\n"), "{output}");
}
