//! A registry whose log was damaged after its process was killed: a typed error, or what it held at an
//! earlier moment; never anything else, and never a file that is gone.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use portkeeper_core::{
    Durability, ErrorKind, Filter, HistoryQuery, Keeper, Options, ReserveRequest, Watch,
};
use support::{child, child_argument};

const PORTS: std::ops::Range<u16> = 18_200..18_240;

/// A registry of a process that ended in the middle, with its log, of [`PORTS`] reserved in turn.
fn killed(folder: &Path, test: &str) -> PathBuf {
    let path = folder.join("database.db");
    let argument = path.display().to_string();
    let output = child(test, &argument).output().unwrap();
    assert!(!output.status.success(), "it aborts");
    assert!(beside(&path, "-wal").exists() && beside(&path, "-shm").exists());
    path
}

/// Whether this is the process that is to be killed; then it does not come back.
fn is_killed() -> bool {
    let Some(path) = child_argument() else {
        return false;
    };
    let options = Options::new().path(path).durability(Durability::Normal);
    let keeper = options.open().unwrap();
    for port in PORTS {
        keeper
            .reserve(port, ReserveRequest::new("shop").adopt(true))
            .unwrap();
    }
    std::process::abort();
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// A copy of all three files. Nobody has them open.
fn copy(path: &Path, folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let target = folder.join("database.db");
    for suffix in ["", "-wal", "-shm"] {
        fs::copy(beside(path, suffix), beside(&target, suffix)).unwrap();
    }
    target
}

/// The registry is whole, and holds the first of the claims, with their history; returns how many.
fn check_prefix(path: &Path) -> usize {
    let keeper = Keeper::open_at(path).unwrap();
    let rows = keeper.list(Filter::claims()).unwrap();
    let numbers: Vec<u16> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, PORTS.take(rows.len()).collect::<Vec<_>>());
    let entries = keeper.history(HistoryQuery::all()).unwrap();
    assert_eq!(entries.len(), rows.len());
    assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
    rows.len()
}

#[test]
fn a_truncated_log_loses_its_end_and_nothing_else() {
    const TEST: &str = "a_truncated_log_loses_its_end_and_nothing_else";
    if is_killed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = killed(folder.path(), TEST);
    let whole = fs::metadata(beside(&path, "-wal")).unwrap().len();
    let mut most = 0;
    for step in 0..=40 {
        let length = whole * step / 40;
        let target = copy(&path, &folder.path().join(step.to_string()));
        let log = fs::OpenOptions::new()
            .write(true)
            .open(beside(&target, "-wal"))
            .unwrap();
        log.set_len(length).unwrap();
        drop(log);
        let rows = check_prefix(&target);
        assert!(
            rows >= most,
            "{length} bytes hold {rows}, and fewer held {most}"
        );
        most = rows;
    }
    assert_eq!(
        most,
        PORTS.len(),
        "the whole log holds everything that was acknowledged"
    );
}

#[test]
fn a_log_that_was_taken_away_is_noticed() {
    const TEST: &str = "a_log_that_was_taken_away_is_noticed";
    if is_killed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = killed(folder.path(), TEST);
    let target = copy(&path, &folder.path().join("copy"));
    let log = fs::read(beside(&target, "-wal")).unwrap();
    fs::remove_file(beside(&target, "-wal")).unwrap();
    let before = fs::read(&target).unwrap();
    let error = Keeper::open_at(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
    assert!(error.to_string().contains("database.db") && error.to_string().contains("-wal"));
    assert_eq!(fs::read(&target).unwrap(), before);

    // It is brought back, and nothing is lost.
    fs::write(beside(&target, "-wal"), log).unwrap();
    assert_eq!(check_prefix(&target), PORTS.len());
}

/// A database that ends after any of its pages, or has a page of garbage, is refused by name or answers
/// as before; the file stays as it is.
#[test]
fn a_registry_that_lost_a_page_is_refused_or_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    for port in PORTS {
        let request = ReserveRequest::new("shop").description("x".repeat(500));
        keeper.reserve(port, request.adopt(true)).unwrap();
    }
    let expected = keeper.list(Filter::claims()).unwrap();
    drop(keeper);
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 20, "{pages}");

    let check = |name: String, bytes: &[u8]| {
        let target = folder.path().join(name);
        fs::write(&target, bytes).unwrap();
        let answer = Keeper::open_at(&target).and_then(|keeper| keeper.list(Filter::claims()));
        match answer {
            Ok(rows) => assert_eq!(rows, expected, "{}", target.display()),
            Err(error) => {
                let kind = error.kind();
                let kinds = [ErrorKind::DatabaseCorrupt, ErrorKind::SchemaMismatch];
                assert!(kinds.contains(&kind), "{error}");
                assert!(
                    error.to_string().contains(target.to_str().unwrap()),
                    "{error}"
                );
                assert_eq!(fs::read(&target).unwrap(), bytes);
            }
        }
    };
    for page in 1..pages {
        check(format!("cut {page}"), &whole[..page * 4096]);
        let mut garbage = whole.clone();
        garbage[page * 4096..(page + 1) * 4096].fill(0xa5);
        check(format!("garbage {page}"), &garbage);
    }
}
