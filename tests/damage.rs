//! A registry whose log was damaged after its process was killed: a typed error, or what it held at an
//! earlier moment; never anything else, and never a file that is gone.

#[path = "support/numbered.rs"]
mod numbered;
#[path = "support/size.rs"]
mod size;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use numbered::{State, Writer};
use portkeeper_core::{
    Durability, ErrorKind, Filter, HistoryEntry, HistoryQuery, Keeper, Options, Reservation,
    ReserveRequest, Watch,
};
use size::size;
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

/// Rows and history of a registry that lost nothing.
type Whole = (Vec<Reservation>, Vec<HistoryEntry>);

fn read(keeper: &Keeper) -> Whole {
    let mut history = keeper.history(HistoryQuery::all()).unwrap();
    history.sort_by_key(|entry| entry.id);
    (keeper.list(Filter::claims()).unwrap(), history)
}

fn whole(path: &Path, folder: &Path) -> Whole {
    let all = read(&Keeper::open_at(copy(path, folder)).unwrap());
    let numbers: Vec<u16> = all.0.iter().map(|row| row.number).collect();
    assert_eq!(numbers, PORTS.collect::<Vec<_>>());
    assert_eq!(all.1.len(), PORTS.len());
    all
}

/// The registry is sound, and holds the first of the claims with their history, value by value; returns
/// how many.
fn check_prefix(path: &Path, whole: &Whole) -> usize {
    let keeper = Keeper::open_at(path).unwrap();
    let (rows, history) = read(&keeper);
    assert_eq!(rows[..], whole.0[..rows.len()]);
    assert_eq!(history[..], whole.1[..rows.len()]);
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
    let all = whole(&path, &folder.path().join("whole"));
    let length = fs::metadata(beside(&path, "-wal")).unwrap().len();
    let mut most = 0;
    for step in 0..=40 {
        let length = length * step / 40;
        let target = copy(&path, &folder.path().join(step.to_string()));
        let log = fs::OpenOptions::new()
            .write(true)
            .open(beside(&target, "-wal"))
            .unwrap();
        log.set_len(length).unwrap();
        drop(log);
        let rows = check_prefix(&target, &all);
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
    let all = whole(&path, &folder.path().join("whole"));
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
    assert_eq!(check_prefix(&target, &all), PORTS.len());
}

/// The log has checksums: what follows a byte that is another one does not count.
#[test]
fn a_log_with_a_changed_byte_or_of_garbage_loses_its_end_and_nothing_else() {
    const TEST: &str = "a_log_with_a_changed_byte_or_of_garbage_loses_its_end_and_nothing_else";
    if is_killed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = killed(folder.path(), TEST);
    let all = whole(&path, &folder.path().join("whole"));
    let log = fs::read(beside(&path, "-wal")).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let mut lost = 0;
    for step in 0..120 {
        let target = copy(&path, &folder.path().join(step.to_string()));
        let mut log = log.clone();
        if step < 110 {
            let at = random.usize(..log.len());
            log[at] ^= 1 << random.u8(..8);
        } else {
            let from = log.len() * (step - 110) / 10;
            log[from..].fill_with(|| random.u8(..));
        }
        fs::write(beside(&target, "-wal"), log).unwrap();
        lost += PORTS.len() - check_prefix(&target, &all);
    }
    assert!(lost > 100, "{lost}");
}

/// Nothing beside the database says that there was a log. What is left is the registry of an earlier
/// moment, which the README says.
#[test]
fn without_log_and_index_the_registry_is_that_of_an_earlier_moment() {
    const TEST: &str = "without_log_and_index_the_registry_is_that_of_an_earlier_moment";
    if is_killed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = killed(folder.path(), TEST);
    let all = whole(&path, &folder.path().join("whole"));
    let target = copy(&path, &folder.path().join("copy"));
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(beside(&target, suffix)).unwrap();
    }
    assert!(check_prefix(&target, &all) < PORTS.len());
}

#[test]
fn writes() {
    numbered::write();
}

/// The same of a writer that is killed at any moment, also while it copies the log into the database:
/// then pages of two moments may meet, which is refused or found.
#[test]
fn without_log_and_index_of_a_killed_writer_nothing_wrong_is_said_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let (mut earlier, mut noticed) = (0, 0);
    for round in 0..size(4, 12) {
        let path = folder.path().join(format!("{round}.db"));
        let mut writer = Writer::start("writes", &path, 1);
        writer.wait_for(300 + fastrand::u64(..200));
        let acknowledged = writer.kill();
        let alone = folder.path().join(format!("{round}-alone.db"));
        fs::copy(&path, &alone).unwrap();
        match Keeper::open_at(&alone).and_then(|keeper| Ok((keeper.verify(Watch::none())?, keeper)))
        {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
                noticed += 1;
            }
            Ok((findings, _)) if !findings.is_empty() => noticed += 1,
            Ok((_, keeper)) => {
                assert!(State::writes(&keeper, 1) <= acknowledged + 1);
                earlier += 1;
            }
        }
        // With its log nothing at all is lost.
        let whole = State::writes(&Keeper::open_at(&path).unwrap(), 1);
        assert!(
            (acknowledged..=acknowledged + 1).contains(&whole),
            "{whole} {acknowledged}"
        );
    }
    println!(
        "without their logs {earlier} registries were those of an earlier moment, {noticed} noticed"
    );
}

#[test]
fn opens_and_waits() {
    let Some(path) = child_argument() else {
        return;
    };
    Keeper::open_at(path).unwrap();
}

/// A process that is killed while it makes a registry leaves none, or one that opens. What it leaves
/// beside it is removed when it is old, and nothing else is.
#[test]
fn a_first_open_that_is_killed_leaves_nothing_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let rounds = size(20_u64, 60);
    let mut left = 0;
    let strangers = [
        "notes.tmp",
        ".database.db.tmp",
        ".database.db.0123456789abcdef.tmp",
    ];
    for name in strangers {
        fs::write(folder.path().join(name), "somebody's").unwrap();
    }
    let names = || -> Vec<String> {
        let files = fs::read_dir(folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".tmp")).collect()
    };
    let open = |path: &Path| {
        let keeper = Keeper::open_at(path).unwrap();
        assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
    };
    for round in 0..rounds {
        let path = folder.path().join("database.db");
        let argument = path.display().to_string();
        let mut process = child("opens_and_waits", &argument).spawn().unwrap();
        // When it is killed is the point of the test: it waits for nothing.
        std::thread::sleep(Duration::from_micros(1_000 + 15_000 * round / rounds));
        process.kill().unwrap();
        process.wait().unwrap();
        left += usize::from(path.exists());
        open(&path);
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&path, suffix));
        }
    }
    println!(
        "{left} of {rounds} had made the file, {} temporary ones are left",
        names().len() - 3
    );
    // One of a process that lives, and one that was left long ago.
    let old = SystemTime::now() - Duration::from_secs(3_600);
    let make = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, b"SQLite format 3\0 and so on").unwrap();
        fs::File::open(path).unwrap()
    };
    let living = make(".database.db.00000000000000aa.tmp");
    living.lock().unwrap();
    make(".database.db.00000000000000bb.tmp");
    for name in names() {
        let file = fs::File::open(folder.path().join(name)).unwrap();
        file.set_modified(old).unwrap();
    }
    open(&folder.path().join("database.db"));
    let mut rest = names();
    rest.sort();
    let mut kept = strangers.map(str::to_owned).to_vec();
    kept.push(".database.db.00000000000000aa.tmp".to_owned());
    kept.sort();
    assert_eq!(rest, kept);
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
