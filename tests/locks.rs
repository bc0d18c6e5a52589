//! Code in the same process that opens and closes the database's files, itself or through another copy of
//! SQLite. With the locks that SQLite uses by itself that loses acknowledged rows, and lets others write within
//! a transaction; with those that the engine installs it does neither.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![allow(unsafe_code, reason = "a second copy of SQLite is loaded")]

#[path = "support/second_sqlite.rs"]
mod second_sqlite;
#[path = "support/size.rs"]
mod size;
mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use portkeeper_core::{HistoryQuery, Keeper, ReserveRequest};
use portkeeper_locks::Locks;
use rusqlite::Connection;
use second_sqlite::SecondSqlite;
use size::size;
use support::{child, child_argument, succeeds};

const ROWS: usize = 50;
const PORT: u16 = 27_340;
/// Says how many writes each thread and each stranger makes in the load.
const WRITES: &str = "PORTKEEPER_LOCKS_WRITES";

/// What disturbs, and with which locks.
const CASES: [(&str, Locks); 4] = [
    ("a plain open and close", Locks::Process),
    ("another copy of SQLite", Locks::Process),
    ("a plain open and close", Locks::Description),
    ("another copy of SQLite", Locks::Description),
];

fn disturb(how: &str, database: &Path) {
    if how == "another copy of SQLite" {
        // It looks at the registry, as a script would.
        let said = SecondSqlite::load().run(database, "SELECT count(*) FROM ports");
        assert_eq!(said, 0);
    } else {
        for suffix in ["", "-wal", "-shm"] {
            let path = format!("{}{suffix}", database.display());
            drop(fs::File::open(path));
        }
    }
}

/// One change by another program, which closes the database afterwards.
fn stranger(database: &Path, number: usize) -> bool {
    let sql = format!(
        "INSERT INTO port_history (port, action, performedBy) VALUES ({PORT}, 'reserved', 'stranger {number}')"
    );
    let script = "import sqlite3, sys\n\
        db = sqlite3.connect(sys.argv[1], timeout=float(sys.argv[3]))\n\
        db.execute(sys.argv[2])\ndb.commit()\ndb.close()";
    let database = database.to_str().unwrap();
    let patience = if number == 0 { "0" } else { "30" };
    Command::new("python3")
        .args(["-c", script, database, &sql, patience])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

fn start(test: &str, argument: &str, locks: Locks) -> process::Child {
    let kind = if locks == Locks::Process { "posix" } else { "" };
    let mut command = child(test, argument);
    command.env("PORTKEEPER_LOCKS", kind).spawn().unwrap()
}

fn registry() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    Keeper::open_at(&path).unwrap();
    (folder, path)
}

/// How many entries of the history `who` made.
fn entries(path: &Path, who: &str) -> usize {
    let all = HistoryQuery::all().limit(100_000);
    let history = Keeper::open_at(path).unwrap().history(all).unwrap();
    history
        .iter()
        .filter(|entry| {
            entry
                .performed_by
                .as_deref()
                .is_some_and(|by| by.starts_with(who))
        })
        .count()
}

fn is_whole(path: &Path) -> bool {
    let found: String = Connection::open(path)
        .unwrap()
        .query_row("PRAGMA integrity_check", (), |row| row.get(0))
        .unwrap();
    found == "ok"
}

#[test]
fn no_acknowledged_row_is_lost() {
    const TEST: &str = "no_acknowledged_row_is_lost";
    if let Some(argument) = child_argument() {
        let (how, path) = argument.split_once('\n').unwrap();
        let path = Path::new(path);
        let keeper = keeper(path, "victim");
        change(&keeper, PORT, 0);
        disturb(how, path);
        // Takes itself for the last user, if the locks are gone, and removes the log.
        assert!(stranger(path, 1));
        for row in 1..ROWS {
            change(&keeper, PORT, row);
        }
        // As a process ends that is killed.
        process::exit(0);
    }
    for (how, locks) in CASES {
        let (_folder, path) = registry();
        succeeds(start(TEST, &format!("{how}\n{}", path.display()), locks));
        let lost = ROWS - entries(&path, "victim");
        println!("{how}, {locks:?}: {lost} of {ROWS} acknowledged rows lost");
        match locks {
            Locks::Process => assert!(lost > 0, "{how} did no harm"),
            Locks::Description => assert_eq!(lost, 0, "{how}"),
        }
    }
}

#[test]
fn nobody_writes_within_a_transaction() {
    const TEST: &str = "nobody_writes_within_a_transaction";
    let transactions: usize = size(2, 5);
    if let Some(argument) = child_argument() {
        let (how, path) = argument.split_once('\n').unwrap();
        let path = Path::new(path);
        portkeeper_locks::install();
        let db = Connection::open(path).unwrap();
        let written = (0..transactions).filter(|_| {
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
            disturb(how, path);
            let intruder = stranger(path, 0);
            db.execute_batch("ROLLBACK").unwrap();
            intruder
        });
        fs::write(path.with_extension("count"), written.count().to_string()).unwrap();
        return;
    }
    for (how, locks) in CASES {
        let (_folder, path) = registry();
        succeeds(start(TEST, &format!("{how}\n{}", path.display()), locks));
        let written: usize = fs::read_to_string(path.with_extension("count"))
            .unwrap()
            .parse()
            .unwrap();
        println!("{how}, {locks:?}: {written} of {transactions} transactions were written into");
        match locks {
            Locks::Process => assert!(written > 0, "{how} did no harm"),
            Locks::Description => assert_eq!(written, 0, "{how}"),
        }
    }
}

fn keeper(path: &Path, actor: &str) -> Keeper {
    portkeeper_core::Options::new()
        .path(path)
        .actor(actor)
        .busy_timeout(Duration::from_secs(60))
        .open()
        .unwrap()
}

fn change(keeper: &Keeper, port: u16, number: usize) {
    let request = ReserveRequest::new("load")
        .description(format!("change {number}"))
        .adopt(true);
    keeper.reserve(port, request).unwrap();
}

/// Threads with connections of their own, in several processes, beside strangers, while each process opens and
/// closes the files all the time.
#[test]
fn everything_at_once_loses_nothing() {
    const TEST: &str = "everything_at_once_loses_nothing";
    const PROCESSES: u16 = 3;
    const THREADS: u16 = 4;
    let writes: usize = env::var(WRITES).map_or(8, |writes| writes.parse().unwrap());
    if let Some(argument) = child_argument() {
        let (process, path) = argument.split_once('\n').unwrap();
        let (process, path) = (process.parse::<u16>().unwrap(), PathBuf::from(path));
        assert_eq!(portkeeper_locks::install(), Locks::Description);
        let over = Arc::new(AtomicBool::new(false));
        let disturber = {
            let (over, path) = (Arc::clone(&over), path.clone());
            thread::spawn(move || {
                let second = SecondSqlite::load();
                while !over.load(Ordering::Relaxed) {
                    for suffix in ["", "-wal", "-shm"] {
                        drop(fs::File::open(format!("{}{suffix}", path.display())));
                    }
                    // Nothing protects its locks: it may read the log of one moment and the pages of another,
                    // and say that the database is malformed.
                    second.run(&path, "SELECT count(*) FROM ports");
                    thread::sleep(Duration::from_millis(2));
                }
            })
        };
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let path = path.clone();
                thread::spawn(move || {
                    let port = PORT + process * THREADS + thread;
                    for number in 0..writes {
                        // Every other one opens and closes a connection, too.
                        if number % 2 == 0 {
                            change(&keeper(&path, &format!("load {port}.")), port, number);
                        } else {
                            let other = keeper(&path, &format!("load {port}."));
                            change(&other, port, number);
                            assert!(other.check(port).is_ok());
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
        disturber.join().unwrap();
        return;
    }
    let (_folder, path) = registry();
    // Somebody has it open all the time. Else who opens it anew would truncate the index that the second SQLite has
    // mapped, whose own lock on it does not last, and that would end its process by SIGBUS.
    let _open = keeper(&path, "open all the time");
    let children: Vec<_> = (0..PROCESSES)
        .map(|process| {
            start(
                TEST,
                &format!("{process}\n{}", path.display()),
                Locks::Description,
            )
        })
        .collect();
    let strange = 1 + writes / 4;
    for number in 1..=strange {
        assert!(stranger(&path, number));
    }
    for child in children {
        succeeds(child);
    }
    assert!(is_whole(&path));
    assert_eq!(entries(&path, "stranger"), strange);
    let mut all = 0;
    for port in PORT..PORT + PROCESSES * THREADS {
        let found = entries(&path, &format!("load {port}."));
        assert_eq!(found, writes, "port {port}");
        all += found;
    }
    println!("{all} changes by {PROCESSES} processes and {strange} by strangers: all present");
}

/// SQLite takes a lock through the first connection's descriptor, and releases it through the last one's.
#[test]
fn the_last_connection_releases_what_the_first_took() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.db");
    portkeeper_locks::install();
    let (first, last) = (
        Connection::open(&path).unwrap(),
        Connection::open(&path).unwrap(),
    );
    first
        .execute_batch("PRAGMA journal_mode = DELETE; CREATE TABLE t (a)")
        .unwrap();
    for db in [&first, &last] {
        db.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
    }
    let write = || {
        let script = "import sqlite3, sys\n\
            db = sqlite3.connect(sys.argv[1], timeout=0)\ndb.execute('INSERT INTO t VALUES (1)')\ndb.commit()";
        let mut stranger = Command::new("python3");
        stranger
            .args(["-c", script])
            .arg(&path)
            .stderr(Stdio::null());
        stranger.status().unwrap().success()
    };
    first.execute_batch("COMMIT").unwrap();
    assert!(!write(), "the other one still reads");
    last.execute_batch("COMMIT").unwrap();
    assert!(write(), "nobody reads any more");
}

/// What is executed inherits neither the files nor the locks.
#[test]
fn no_descriptor_outlives_an_exec() {
    let (_folder, path) = registry();
    let keeper = keeper(&path, "test");
    change(&keeper, PORT, 1);
    let mut seen = 0;
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        if !target.starts_with(path.parent().unwrap()) {
            continue;
        }
        let number = entry.file_name().into_string().unwrap();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let flags = info
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap();
        let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
        assert_ne!(flags & nix::libc::O_CLOEXEC, 0, "{}", target.display());
        seen += 1;
    }
    // The database, its log, the index of that, and the description of the locks.
    assert!(seen >= 4, "only {seen} descriptors");
}
