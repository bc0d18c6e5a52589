//! A disk that is full: what was acknowledged stays, and what is asked for fails as a whole.

#[path = "support/registry.rs"]
mod registry;
#[path = "support/size.rs"]
mod size;
#[path = "support/skipped.rs"]
mod skipped;
mod support;

use std::{fs, path::Path, process::Command};

use portkeeper_core::{
    ErrorKind, ExportRequest, Filter, ImportRequest, Keeper, PruneRequest, ReserveRequest, Watch,
};
use registry::{Registry, content, raw, reserve};
use size::size;
use skipped::skipped;
use support::{child, child_argument};

/// Runs the test `name` once more in a process that has a disk of `size` for itself, where it runs
/// `body`.
fn on_a_small_disk(name: &str, size: &str, body: impl FnOnce(&Path)) {
    if let Some(folder) = child_argument() {
        body(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let command = child(name, &folder.path().display().to_string());
    // The mount vanishes with the namespace.
    let script = "mount -t tmpfs -o size=$SIZE none \"$CHILD\" || exit 77; exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(command.get_program())
        .args(command.get_args())
        .env("SIZE", size)
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .output();
    match output {
        Ok(output) if output.status.success() => {
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
        // A failed test, or one that a signal ended.
        Ok(output) if matches!(output.status.code(), Some(101) | None) => {
            panic!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
        }
        _ => skipped(format_args!("{name}: a file system cannot be mounted here")),
    }
}

#[test]
fn every_acknowledged_claim_survives_a_full_disk() {
    const NAME: &str = "every_acknowledged_claim_survives_a_full_disk";
    on_a_small_disk(NAME, "1m", fill);
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

/// By how many bytes the room on a disk grows.
const STEP: fn() -> u64 = || size(200, 20) * 1024;

/// Takes what is left of the disk but for so many bytes.
fn leave(folder: &Path, bytes: u64) {
    let ballast = folder.join("ballast");
    let _ = fs::remove_file(&ballast);
    let disk = rustix::fs::statvfs(folder).unwrap();
    let taken = (disk.f_bavail * disk.f_frsize).saturating_sub(bytes);
    fs::write(&ballast, vec![1; usize::try_from(taken).unwrap()]).unwrap();
}

type Operation = fn(&Registry, &Path) -> portkeeper_core::Result<()>;

/// A registry with claims, with a history that is old, and with a log of no bytes.
fn prepared(folder: &Path) -> Registry {
    let keeper = Keeper::open_at(folder.join("database.db")).unwrap();
    for port in 22_000..22_040 {
        reserve(&keeper, port, "mine");
    }
    raw(
        keeper.path(),
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
         INSERT INTO port_history (port, action, projectName, description, performedAt) \
         SELECT 22000 + i % 40, 'reserved', 'mine', 'long ago ' || i, \
             strftime('%Y-%m-%dT%H:%M:%SZ', 1500000000 + i, 'unixepoch') FROM n",
    );
    keeper.compact(Watch::none()).unwrap();
    let folder = tempfile::tempdir_in(folder).unwrap();
    Registry { folder, keeper }
}

/// On a disk that has ever more room, each operation fails as a whole until it succeeds.
fn fails_whole_until_there_is_room(folder: &Path, changes: bool, operation: Operation) {
    let registry = prepared(folder);
    let keeper = &registry.keeper;
    let source = tempfile::tempdir().unwrap();
    let other = Keeper::open_at(source.path().join("other.db")).unwrap();
    for port in 22_030..22_400 {
        let claim = ReserveRequest::new("other").description("x".repeat(300));
        other.reserve(port, claim.adopt(true)).unwrap();
    }
    let backup = other
        .backup(source.path().join("b.db"), Watch::none())
        .unwrap()
        .path;
    let files = || {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let (before, mut failures) = (content(keeper.path()), 0);
    for room in (0..).map(|step| step * STEP()) {
        leave(folder, room);
        let names = files();
        let outcome = operation(&registry, &backup);
        let now = content(keeper.path());
        assert_eq!(keeper.verify(Watch::none()).unwrap(), [], "{room} bytes");
        match outcome {
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    ErrorKind::DatabaseFull,
                    "{room} bytes: {error}"
                );
                assert_eq!(files(), names, "{room} bytes");
                assert_eq!(now, before, "{room} bytes");
                failures += 1;
            }
            Ok(()) => {
                assert_eq!(now != before, changes, "{room} bytes");
                break;
            }
        }
        // Each attempt begins with a log that has no room of its own.
        fs::remove_file(folder.join("ballast")).unwrap();
        let db = rusqlite::Connection::open(keeper.path()).unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
            .unwrap();
    }
    assert!(failures > 0, "there was always room");
    println!("{failures} failures before there was room");
    // With room again everything is written.
    fs::remove_file(folder.join("ballast")).unwrap();
    reserve(keeper, 22_999, "mine");
    operation(&registry, &backup).unwrap();
}

#[test]
fn an_import_is_whole_or_not_at_all() {
    let operation: Operation = |registry, _| {
        let claim = |port: u16| format!(r#"{{"number": {port}, "projectName": "new"}}"#);
        let claims: Vec<_> = (23_000..23_400).map(claim).collect();
        let text = format!(r#"{{"version": "1.0", "ports": [{}]}}"#, claims.join(","));
        registry
            .keeper
            .import(ImportRequest::json(text), Watch::none())
            .map(drop)
    };
    on_a_small_disk("an_import_is_whole_or_not_at_all", "6m", |folder| {
        fails_whole_until_there_is_room(folder, true, operation);
    });
}

#[test]
fn a_restore_is_whole_or_not_at_all() {
    let operation: Operation =
        |registry, backup| registry.keeper.restore(backup, Watch::none()).map(drop);
    on_a_small_disk("a_restore_is_whole_or_not_at_all", "6m", |folder| {
        fails_whole_until_there_is_room(folder, true, operation);
    });
}

#[test]
fn a_scan_is_whole_or_not_at_all() {
    let operation: Operation = |registry, _| registry.keeper.scan().map(drop);
    on_a_small_disk("a_scan_is_whole_or_not_at_all", "6m", |folder| {
        // So many that what the scan found does not fit anywhere.
        let sockets: Vec<_> = (0..300)
            .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        fails_whole_until_there_is_room(folder, false, operation);
        drop(sockets);
    });
}

#[test]
fn a_backup_and_an_export_are_whole_or_not_at_all() {
    let operations: [(Operation, bool); 2] = [
        (
            |registry, _| {
                let target = registry.keeper.path().with_file_name("backup.db");
                registry.keeper.backup(target, Watch::none()).map(drop)
            },
            false,
        ),
        (
            |registry, _| registry.keeper.export(ExportRequest::all()).map(drop),
            true,
        ),
    ];
    on_a_small_disk(
        "a_backup_and_an_export_are_whole_or_not_at_all",
        "6m",
        |folder| {
            for (index, (operation, changes)) in operations.into_iter().enumerate() {
                let folder = folder.join(index.to_string());
                fs::create_dir(&folder).unwrap();
                fails_whole_until_there_is_room(&folder, changes, operation);
                fs::remove_dir_all(&folder).unwrap();
            }
        },
    );
}

/// A prune goes by batches: what is left is the newer part, and the next one goes on from there.
#[test]
fn a_prune_removes_the_oldest_or_nothing() {
    on_a_small_disk("a_prune_removes_the_oldest_or_nothing", "6m", |folder| {
        let registry = prepared(folder);
        let keeper = &registry.keeper;
        let before = content(keeper.path());
        let mut failures = 0;
        for room in (0..).map(|step| step * STEP()) {
            leave(folder, room);
            let outcome = keeper.prune(PruneRequest::new(), Watch::none());
            let now = content(keeper.path());
            assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
            // What is there was there, and of the entries that went all are old.
            assert!(now.iter().all(|line| before.contains(line)));
            let gone = before.iter().filter(|line| !now.contains(line));
            let id = |line: &str| {
                line.trim_start_matches("Integer(")
                    .split(')')
                    .next()
                    .unwrap()
                    .parse::<u32>()
            };
            assert!(
                gone.clone()
                    .all(|line| (41..=3_040).contains(&id(line).unwrap()))
            );
            match outcome {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::DatabaseFull, "{error}");
                    failures += 1;
                }
                Ok(_) => {
                    // Of each port the last old claim stays.
                    assert_eq!(gone.count(), 3_000 - 40);
                    break;
                }
            }
        }
        assert!(failures > 0);
        println!("{failures} failures before there was room");
        fs::remove_file(folder.join("ballast")).unwrap();
        reserve(keeper, 22_999, "mine");
    });
}
