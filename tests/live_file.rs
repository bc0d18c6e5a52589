//! What befalls the file of a registry, and its lock, while keepers use it: it is removed, replaced, renamed,
//! made read-only or linked; another program holds the lock for long, or reads for long; the clock goes back.
#![cfg(target_os = "linux")]

#[path = "support/agent.rs"]
mod agent;
#[path = "support/altered.rs"]
mod altered;
#[path = "support/size.rs"]
mod size;
mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use agent::Agent;
use altered::Altered;
use portkeeper_core::{
    Durability, ErrorKind, Filter, Keeper, Options, PortRequest, ReserveRequest, Result, Watch,
};
use size::size;

/// Below the ephemeral range, and used by no other test.
const FIRST: u16 = 19_500;

#[test]
fn is_another_process() {
    agent::serve();
}

fn reserve(keeper: &Keeper, port: u16) -> Result<()> {
    keeper
        .reserve(port, ReserveRequest::new("mine").adopt(true))
        .map(drop)
}

fn ports(keeper: &Keeper) -> Vec<u16> {
    let rows = keeper.list(Filter::claims()).unwrap();
    rows.iter().map(|row| row.number).collect()
}

/// Something done to the file while it is open, and what undoes it.
struct Mishap {
    name: &'static str,
    /// What a keeper that has the file open says then; `None` where it goes on.
    refusal: Option<&'static str>,
    happens: fn(&Path),
    undo: fn(&Path),
}

fn aside(path: &Path) -> PathBuf {
    path.with_file_name("aside.db")
}

fn move_all(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        let _ = fs::rename(name(from), name(to));
    }
}

const MISHAPS: [Mishap; 6] = [
    Mishap {
        name: "renamed",
        refusal: Some("removed while it was open"),
        happens: |path| fs::rename(path, aside(path)).unwrap(),
        undo: |path| fs::rename(aside(path), path).unwrap(),
    },
    Mishap {
        name: "renamed with its log",
        refusal: Some("removed while it was open"),
        happens: |path| move_all(path, &aside(path)),
        undo: |path| move_all(&aside(path), path),
    },
    Mishap {
        name: "replaced",
        refusal: Some("replaced while it was open"),
        happens: |path| {
            fs::rename(path, aside(path)).unwrap();
            let other = path.with_file_name("other.db");
            drop(Keeper::open_at(&other).unwrap());
            fs::rename(other, path).unwrap();
        },
        undo: |path| fs::rename(aside(path), path).unwrap(),
    },
    Mishap {
        name: "linked",
        refusal: Some("second name (hard link)"),
        happens: |path| fs::hard_link(path, aside(path)).unwrap(),
        undo: |path| fs::remove_file(aside(path)).unwrap(),
    },
    Mishap {
        name: "made read-only",
        refusal: None,
        happens: |path| fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap(),
        undo: |path| fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap(),
    },
    Mishap {
        name: "its folder made read-only",
        refusal: None,
        happens: |path| {
            let folder = path.parent().unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o500)).unwrap();
        },
        undo: |path| {
            let folder = path.parent().unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        },
    },
];

/// Two processes have it open. Whatever either acknowledged, before, meanwhile and afterwards, is there in
/// the end; what would be lost is refused.
#[test]
fn whatever_befalls_the_open_file_nothing_acknowledged_is_lost() {
    for Mishap {
        name,
        refusal,
        happens,
        undo,
    } in MISHAPS
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.db");
        let keeper = Keeper::open_at(&path).unwrap();
        let mut other = Agent::start("is_another_process", &path);
        let mut expected = Vec::new();
        let mut claim = |port: u16, from: &mut Agent| {
            reserve(&keeper, port).unwrap_or_else(|error| panic!("{name}: {error}"));
            let role = format!("request {0}-{0} r{0}", port + 1);
            assert_eq!(from.ask(&role), (port + 1).to_string(), "{name}");
            expected.extend([port, port + 1]);
        };
        claim(FIRST, &mut other);
        happens(&path);
        match refusal {
            None => claim(FIRST + 2, &mut other),
            Some(phrase) => {
                let error = reserve(&keeper, FIRST + 2).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::DatabaseError, "{name}: {error}");
                assert!(error.to_string().contains(phrase), "{name}: {error}");
                let told = other.ask(&format!("request {0}-{0} r", FIRST + 3));
                assert!(
                    told.starts_with("DATABASE_ERROR") && told.contains(phrase),
                    "{name}: {told}"
                );
            }
        }
        undo(&path);
        claim(FIRST + 4, &mut other);
        assert_eq!(ports(&keeper), expected, "{name}");
        other.kill();
        assert_eq!(keeper.verify(Watch::none()).unwrap(), [], "{name}");
        drop(keeper);
        assert_eq!(ports(&Keeper::open_at(&path).unwrap()), expected, "{name}");
    }
}

/// A file that was deleted is not made anew under a keeper that has it open; who opens it afterwards begins
/// with an empty one, which the former keeper does not take for its own.
#[test]
fn a_deleted_file_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    reserve(&keeper, FIRST).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    assert_eq!(
        reserve(&keeper, FIRST + 1).unwrap_err().kind(),
        ErrorKind::DatabaseError
    );
    assert!(!path.exists());
    let new = Keeper::open_at(&path).unwrap();
    assert!(ports(&new).is_empty());
    reserve(&new, FIRST + 2).unwrap();
    assert_eq!(
        reserve(&keeper, FIRST + 1).unwrap_err().kind(),
        ErrorKind::DatabaseError
    );
    drop(keeper);
    assert_eq!(ports(&new), [FIRST + 2]);
    assert_eq!(new.verify(Watch::none()).unwrap(), []);
}

/// Another program with its own SQLite, which says `has it` once it has run `begin`, and ends after `time`.
fn foreign(path: &Path, begin: &str, time: Duration) -> Child {
    let script = format!(
        "import sqlite3, time\n\
         db = sqlite3.connect('{}', timeout=60, isolation_level=None)\n\
         db.execute('{begin}')\n\
         db.execute('SELECT count(*) FROM ports').fetchall()\n\
         print('has it', flush=True)\n\
         time.sleep({})\n\
         db.execute('COMMIT')\n",
        path.display(),
        time.as_secs_f64(),
    );
    let mut child = Command::new("python3")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "has it\n");
    child
}

#[test]
fn a_foreign_writer_that_holds_the_lock_for_seconds_is_waited_for() {
    let held = Duration::from_secs(size(1, 5));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let patient = Keeper::open_at(&path).unwrap();
    let hasty = Options::new()
        .path(&path)
        .busy_timeout(Duration::from_millis(500))
        .open()
        .unwrap();
    reserve(&patient, FIRST).unwrap();
    let mut holder = foreign(&path, "BEGIN IMMEDIATE", held);
    let begin = Instant::now();
    let error = reserve(&hasty, FIRST + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseBusy, "{error}");
    assert!(begin.elapsed() >= Duration::from_millis(500));
    // Who reads does not wait, nor who opens.
    assert_eq!(ports(&hasty), [FIRST]);
    assert_eq!(ports(&Keeper::open_at(&path).unwrap()), [FIRST]);
    assert!(
        holder.try_wait().unwrap().is_none(),
        "reading waited for the lock"
    );
    reserve(&patient, FIRST + 2).unwrap();
    let waited = begin.elapsed();
    assert!(holder.wait().unwrap().success());
    assert!(waited > held / 2, "{waited:?}");
    assert_eq!(ports(&hasty), [FIRST, FIRST + 2]);
}

fn log_size(path: &Path) -> u64 {
    fs::metadata(format!("{}-wal", path.display())).map_or(0, |log| log.len())
}

/// So many writes that the log would be several times as long.
fn write_much(keeper: &Keeper) {
    for n in 0..size(1_000, 3_000) {
        let port = FIRST + 20 + n % 20;
        let request = ReserveRequest::new("mine").description(format!("number {n}"));
        keeper.reserve(port, request.adopt(true)).unwrap();
    }
}

/// A keeper that has read and does nothing, here or in another process, is no reader. A program that
/// leaves a transaction open is: the log grows meanwhile and is cut off afterwards.
#[test]
fn the_log_grows_under_a_foreign_reader_alone() {
    /// SQLite copies the log into the database from 1,000 pages on.
    const USUAL: u64 = 5 << 20;
    const LIMIT: u64 = 8 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Options::new()
        .path(&path)
        .durability(Durability::Normal)
        .open()
        .unwrap();
    let idle = Keeper::open_at(&path).unwrap();
    let _other = Agent::start("is_another_process", &path);
    assert!(ports(&idle).is_empty());
    write_much(&keeper);
    let under_keepers = log_size(&path);
    assert!(under_keepers < USUAL, "{under_keepers}");

    let mut reader = foreign(&path, "BEGIN", Duration::from_secs(60));
    write_much(&keeper);
    let under_a_reader = log_size(&path);
    assert!(under_a_reader > LIMIT, "{under_a_reader}");
    reader.kill().unwrap();
    reader.wait().unwrap();
    write_much(&keeper);
    let afterwards = log_size(&path);
    assert!(afterwards <= LIMIT, "{afterwards}");
    println!(
        "log under idle keepers {under_keepers}, under a reader {under_a_reader}, then {afterwards} bytes"
    );
    assert_eq!(ports(&idle).len(), 20);
    assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
}

/// An hour back: who lives keeps its lease, who is dead loses it, and times go on to mean what they say.
#[test]
fn a_clock_that_goes_back_neither_ends_nor_keeps_a_lease() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let host = Arc::new(Altered::default());
    let keeper = Options::new()
        .path(&path)
        .host(host.clone())
        .open()
        .unwrap();
    let one = |port: u16| PortRequest::new("shop").range(port..=port);
    let lease = keeper.lease(one(FIRST + 50)).unwrap();
    keeper
        .request(one(FIRST + 51).ttl(Duration::from_secs(60)))
        .unwrap();
    let mut other = Agent::start("is_another_process", &path);
    let theirs = FIRST + 52;
    assert_eq!(
        other.ask(&format!("lease {theirs}-{theirs}")),
        theirs.to_string()
    );
    host.forward(-3_600);
    keeper.scan().unwrap();
    assert_eq!(ports(&keeper), [FIRST + 50, FIRST + 51, FIRST + 52]);
    other.kill();
    // A request sweeps at most once a second, of whichever hour.
    let port = keeper.request(one(theirs)).unwrap()[0].number;
    assert_eq!(port, theirs);
    host.forward(3_600 + 61);
    keeper.scan().unwrap();
    assert_eq!(ports(&keeper), [FIRST + 50, FIRST + 52]);
    lease.release().unwrap();
    assert_eq!(ports(&keeper), [FIRST + 52]);
}
