//! Programs on the path that may open the registry with an SQLite of their own.

use std::{
    io::Read,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Check, Level};

/// How long a program may take to say its version.
const LONGEST: Duration = Duration::from_secs(5);

/// The first and the last version with the WAL-reset bug, by SQLite's release notes of 3.51.3.
const BUG: [(u32, u32, u32); 2] = [(3, 7, 0), (3, 51, 2)];

const PROGRAMS: [(&str, &[&str]); 3] = [
    ("sqlite3", &["--version"]),
    (
        "python3",
        // Isolated: neither the environment nor the current folder says what is imported.
        &["-I", "-c", "import sqlite3; print(sqlite3.sqlite_version)"],
    ),
    ("node", &["-p", "process.versions.sqlite ?? ''"]),
];

pub fn checks() -> Vec<Check> {
    PROGRAMS
        .iter()
        .filter_map(|(program, args)| check(program, &said(program, args)?))
        .collect()
}

/// What is to be said of a program; nothing of one that has no SQLite.
fn check(program: &str, said: &str) -> Option<Check> {
    const NAME: &str = "sqlite";
    let version = version(said)?;
    let (major, minor, patch) = version;
    let text = format!("{program} has SQLite {major}.{minor}.{patch}");
    let [first, last] = BUG;
    Some(if (first..=last).contains(&version) {
        Check::new(
            NAME,
            Level::Warning,
            format!(
                "{text}, whose WAL-reset bug can corrupt a database that several programs write"
            ),
        )
        .hint("read the registry with it, and write through portman; 3.51.3 mends it")
    } else {
        Check::new(NAME, Level::Ok, text)
    })
}

/// The first word, as numbers.
fn version(said: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = said.split_whitespace().next()?.split('.');
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?, number()?))
}

/// The first output of a program that ends in time.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(args)
        // Nothing that lies around in the current folder is run.
        .current_dir("/")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let end = Instant::now() + LONGEST;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
    let mut text = String::new();
    child.stdout?.take(200).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Level, check};

    #[test]
    fn the_versions_with_the_bug_are_told() {
        for (said, level) in [
            ("3.40.1 2022-12-28 14:03:47 df5c", Some(Level::Warning)),
            ("3.7.0", Some(Level::Warning)),
            ("3.51.2", Some(Level::Warning)),
            ("3.51.3", Some(Level::Ok)),
            ("3.6.23", Some(Level::Ok)),
            ("", None),
            ("unknown", None),
        ] {
            let found = check("sqlite3", said).map(|check| check.level);
            assert_eq!(found, level, "{said:?}");
        }
    }
}
