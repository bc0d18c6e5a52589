//! A disk that is full: what was acknowledged stays, and what is asked for fails as a whole.

#[path = "support/registry.rs"]
mod registry;
mod support;

use std::{fs, io::Write, path::Path, process::Command};

use portkeeper_core::{ErrorKind, Filter, Keeper, ReserveRequest, Watch};
use registry::reserve;
use support::{child, child_argument};

#[test]
fn every_acknowledged_claim_survives_a_full_disk() {
    const NAME: &str = "every_acknowledged_claim_survives_a_full_disk";
    if let Some(folder) = child_argument() {
        fill(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let command = child(NAME, &folder.path().display().to_string());
    // The mount vanishes with the namespace.
    let script = "mount -t tmpfs -o size=1m none \"$CHILD\" || exit 77; exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .output();
    match output {
        Ok(output) if output.status.success() => {}
        // A failed test, or one that a signal ended.
        Ok(output) if matches!(output.status.code(), Some(101) | None) => {
            panic!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
        }
        _ => {
            let skipped = format!("\nSKIPPED {NAME}: a file system cannot be mounted here\n");
            let _ = std::io::stderr().write_all(skipped.as_bytes());
        }
    }
}

fn fill(folder: &Path) {
    let path = folder.join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    let source = tempfile::tempdir().unwrap();
    let other = Keeper::open_at(source.path().join("other.db")).unwrap();
    for port in 22_000..22_100 {
        reserve(&other, port, "other");
    }
    let backup = other
        .backup(source.path().join("b.db"), Watch::none())
        .unwrap();

    let description = "x".repeat(3_000);
    let mut acknowledged = Vec::new();
    let full = loop {
        let port = 23_000 + u16::try_from(acknowledged.len()).unwrap();
        let claim = ReserveRequest::new("a")
            .description(&description)
            .adopt(true);
        match keeper.reserve(port, claim) {
            Ok(_) => acknowledged.push(port),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::DatabaseFull, "{full}");
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    let files = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files(folder);
    let error = keeper
        .backup(folder.join("b.db"), Watch::none())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseFull, "{error}");
    let error = keeper.restore(&backup.path, Watch::none()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseFull, "{error}");
    assert_eq!(files(folder), before);
    let claimed = |keeper: &Keeper| {
        let claims = keeper.list(Filter::claims()).unwrap();
        claims.into_iter().map(|row| row.number).collect::<Vec<_>>()
    };
    assert_eq!(claimed(&keeper), acknowledged);

    // A backup goes elsewhere, from where another disk gets every row.
    let rescued = keeper
        .backup(source.path().join("rescued.db"), Watch::none())
        .unwrap();
    assert_eq!(
        claimed(&Keeper::open_at(rescued.path).unwrap()),
        acknowledged
    );
}
