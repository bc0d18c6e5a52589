//! A FUSE file system is refused in every language, unless an option or the environment allows it.
#![cfg(target_os = "linux")]

#[path = "support/language.rs"]
mod language;
#[path = "support/size.rs"]
mod size;
mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use language::{Language, Program, skipped};
use portkeeper_core::{Filter, Options, ReserveRequest};
use size::size;
use support::child_argument;

/// Opens the registry of its first argument, allows the file system where the second is `allow`, claims a port,
/// and says `> ` and the project that it reads back, or the name of the error and its message.
const OPENER: Program = Program {
    folder: "network_file_system",
    name: "opener",
};
const ALLOWED: &str = "PORTKEEPER_ALLOW_NETWORK_FILE_SYSTEM";

#[test]
fn opener() {
    let Some(argument) = child_argument() else {
        return;
    };
    let (path, allow) = argument.split_once('\n').unwrap();
    let options = || {
        Options::new()
            .path(path)
            .allow_network_file_system(allow == "allow")
    };
    let said = options().open().and_then(|keeper| {
        keeper.reserve(27_410, ReserveRequest::new("Rust").adopt(true))?;
        drop(keeper);
        options().open()?.list(Filter::claims())
    });
    match said {
        Ok(rows) => println!("\n> {}", rows[0].project_name),
        Err(error) => println!("\n> {} {error}", error.name()),
    }
}

/// What the program says in a mount of its own; `None` where nothing can be mounted.
fn says(language: Language, allow: &str, variable: &str) -> Option<(PathBuf, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/database.db");
    let program = OPENER.command(language).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "python3"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fuse.py"))
        .arg(folder.path())
        .arg(program.get_program())
        .args(program.get_args())
        .env(ALLOWED, variable);
    if language == Language::Rust {
        command.env("CHILD", format!("{}\n{allow}", path.display()));
    } else {
        command.arg(&path).arg(allow);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(77) {
        skipped(format_args!("a FUSE file system: {}", text.trim()));
        return None;
    }
    let said = text.lines().find_map(|line| line.strip_prefix("> "));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_some(), "{text}{errors}");
    said.map(|said| (path, said.to_owned()))
}

#[test]
fn a_fuse_file_system_is_refused_without_an_override() {
    let languages = OPENER.languages("a_fuse_file_system_is_refused_without_an_override");
    for language in languages.into_iter().take(size(1, usize::MAX)) {
        for variable in ["", "0"] {
            let Some((path, refusal)) = says(language, "-", variable) else {
                return;
            };
            let path = path.to_str().unwrap();
            let begin = format!("UNSUPPORTED database {path}: ");
            assert!(refusal.starts_with(&begin), "{language:?}: {refusal}");
            for named in [
                "type fuse",
                "allowNetworkFileSystem",
                &format!("{ALLOWED}=1"),
            ] {
                assert!(refusal.contains(named), "{language:?}: {refusal}");
            }
        }
        for (allow, variable) in [("allow", ""), ("-", "1")] {
            let (_, said) = says(language, allow, variable).unwrap();
            assert_eq!(said, format!("{language:?}"), "{allow} {variable}");
        }
    }
}
