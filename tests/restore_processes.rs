//! Restoring from a registry that another process opens, writes and closes all the time.
#![cfg(target_os = "linux")]

#[path = "support/size.rs"]
mod size;

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::{Filter, ImportMode, ImportRequest, Keeper, Watch};
use size::size;

/// Tells the child of [`a_registry_that_others_open_and_close_is_restored_whole`] where to write.
const SOURCE: &str = "PORT_KEEPER_TEST_RESTORE_SOURCE";

/// Claims whose descriptions are all the same, and are others each time.
fn write(path: &Path, round: u32) {
    let description = format!("{round} ").repeat(400);
    let ports: Vec<_> = (24_000..24_300)
        .map(|port| {
            let description = description.trim();
            format!(r#"{{"number": {port}, "projectName": "p", "description": "{description}"}}"#)
        })
        .collect();
    let document = format!(r#"{{"version": "1.0", "ports": [{}]}}"#, ports.join(","));
    let request = ImportRequest::json(&document).mode(ImportMode::Replace);
    let keeper = Keeper::open_at(path).unwrap();
    keeper.import(request, Watch::none()).unwrap();
}

/// Writes until its input ends.
#[test]
fn writer() {
    let Some(path) = std::env::var_os(SOURCE) else {
        return;
    };
    let end = thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    for round in 1.. {
        write(Path::new(&path), round);
        if end.is_finished() {
            return;
        }
        // Between two uses the database is a single file.
        thread::sleep(Duration::from_millis(30));
    }
}

#[test]
fn a_registry_that_others_open_and_close_is_restored_whole() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.db");
    write(&source, 0);
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer"])
        .env(SOURCE, &source)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let target = folder.path().join("target");
    let mut seen = BTreeSet::new();
    let mut failures = Vec::new();
    let begun = Instant::now();
    let mut rounds = 0;
    while seen.len() < size(3, 15) && begun.elapsed() < Duration::from_secs(30) {
        rounds += 1;
        fs::create_dir(&target).unwrap();
        let keeper = Keeper::open_at(target.join("database.db")).unwrap();
        match keeper.restore(&source, Watch::none()) {
            Err(error) => failures.push(error.to_string()),
            Ok(_) => {
                let claims = keeper.list(Filter::claims()).unwrap();
                let descriptions: BTreeSet<_> =
                    claims.into_iter().map(|row| row.description).collect();
                assert_eq!(descriptions.len(), 1, "two moments are mixed");
                seen.extend(descriptions);
            }
        }
        drop(keeper);
        fs::remove_dir_all(&target).unwrap();
    }
    drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());
    println!("{rounds} restores saw {} states", seen.len());
    assert!(
        failures.is_empty(),
        "{} of {rounds}: {failures:#?}",
        failures.len()
    );
    assert!(seen.len() > 1, "the source did not change meanwhile");
}
