//! A store is inherited by forked children, in every order of events that lost rows.
//!
//! `Store` is private to the engine, so that its source is compiled in here. There is no test harness,
//! whose threads would make a fork undefined: the scenarios run one by one, each in a new process.

#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    env,
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, exit},
    sync::Arc,
    thread,
    time::Duration,
};

use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Pid, fork},
};

#[path = "../portkeeper-core/src"]
#[allow(dead_code, unused_imports)]
mod engine {
    pub(crate) mod error;
    pub(crate) mod model;
    pub(crate) mod stop;
    pub(crate) mod store;
    pub(crate) mod value;
    pub(crate) mod watch;
}

#[allow(unused_imports)]
use engine::{error, model, stop, store, value, watch};
use error::{ErrorKind, Result};
use store::{Durability, Location, Store};

const SCENARIO: &str = "PORTKEEPER_TEST_SCENARIO";
const PATH: &str = "PORTKEEPER_TEST_PATH";

/// A name, what happens, and how many rows must be there in the end.
type Scenario = (&'static str, fn(&Path), i64);

const SCENARIOS: [Scenario; 8] = [
    (
        "the parent closes between writes of its child",
        parent_closes_between,
        201,
    ),
    (
        "the parent closes before its child begins",
        parent_closes_before,
        101,
    ),
    (
        "the child drops what it inherited and opens anew",
        child_opens_anew,
        201,
    ),
    (
        "the child opens beside what it inherited",
        child_opens_beside,
        201,
    ),
    ("parent and child write at once", both_write, 401),
    ("the child ends first", child_ends_first, 201),
    ("a grandchild outlives both", grandchild, 301),
    (
        "a thread writes at the moment of the fork",
        fork_while_writing,
        2,
    ),
];

fn main() {
    if let Some(name) = env::var_os(SCENARIO) {
        let path = PathBuf::from(env::var_os(PATH).unwrap());
        if let Some((_, run, _)) = SCENARIOS.iter().find(|(scenario, _, _)| name == *scenario) {
            run(&path);
        } else {
            print!("{}", count(&path));
        }
        return;
    }
    for (name, _, rows) in SCENARIOS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.db");
        let run = |scenario: &str| {
            let output = Command::new(env::current_exe().unwrap())
                .env(SCENARIO, scenario)
                .env(PATH, &path)
                .output()
                .unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {errors}");
            String::from_utf8(output.stdout).unwrap()
        };
        run(name);
        assert_eq!(run("count"), format!("{rows} ok"), "{name}");
        println!("test {name} ... ok");
    }
}

fn parent_closes_between(path: &Path) {
    let store = open(path);
    write(&store, 1..=1);
    let (written, closed) = (Signal::new(), Signal::new());
    let child = child(|| {
        write(&store, 1_001..=1_100);
        written.give();
        closed.wait();
        write(&store, 1_101..=1_200);
    });
    written.wait();
    drop(store);
    closed.give();
    end(child);
}

fn parent_closes_before(path: &Path) {
    let store = open(path);
    write(&store, 1..=1);
    let closed = Signal::new();
    let child = child(|| {
        closed.wait();
        write(&store, 1_001..=1_100);
    });
    drop(store);
    closed.give();
    end(child);
}

fn child_opens_anew(path: &Path) {
    let mut store = Some(open(path));
    write(store.as_ref().unwrap(), 1..=1);
    let (written, closed) = (Signal::new(), Signal::new());
    let child = child(|| {
        drop(store.take());
        let store = open(path);
        write(&store, 1_001..=1_100);
        written.give();
        closed.wait();
        write(&store, 1_101..=1_200);
    });
    written.wait();
    drop(store);
    closed.give();
    end(child);
}

fn child_opens_beside(path: &Path) {
    let (store, second) = (open(path), open(path));
    write(&second, 1..=1);
    let (written, closed) = (Signal::new(), Signal::new());
    let child = child(|| {
        let third = open(path);
        write(&third, 1_001..=1_100);
        written.give();
        closed.wait();
        write(&store, 1_101..=1_150);
        write(&second, 1_151..=1_200);
    });
    written.wait();
    drop((store, second));
    closed.give();
    end(child);
}

fn both_write(path: &Path) {
    let store = open(path);
    write(&store, 1..=1);
    let child = child(|| write(&store, 1_001..=1_200));
    write(&store, 2_001..=2_200);
    end(child);
}

fn child_ends_first(path: &Path) {
    let mut store = Some(open(path));
    write(store.as_ref().unwrap(), 1..=1);
    let child = child(|| {
        write(store.as_ref().unwrap(), 1_001..=1_100);
        drop(store.take());
    });
    end(child);
    write(store.as_ref().unwrap(), 2_001..=2_100);
}

fn grandchild(path: &Path) {
    let store = open(path);
    write(&store, 1..=1);
    let (written, closed, done) = (Signal::new(), Signal::new(), Signal::new());
    let middle = child(|| {
        write(&store, 1_001..=1_100);
        child(|| {
            write(&store, 2_001..=2_100);
            written.give();
            closed.wait();
            write(&store, 2_101..=2_200);
            done.give();
        });
    });
    written.wait();
    end(middle);
    drop(store);
    closed.give();
    done.wait();
}

/// What the thread holds is neither used nor closed by the child, which gets an error instead.
fn fork_while_writing(path: &Path) {
    let store = Arc::new(open(path));
    let (writing, may_end) = (Arc::new(Signal::new()), Arc::new(Signal::new()));
    let writer = {
        let (store, writing, may_end) = (
            Arc::clone(&store),
            Arc::clone(&writing),
            Arc::clone(&may_end),
        );
        thread::spawn(move || {
            store
                .write(Durability::Normal, |transaction| {
                    transaction.execute(INSERT, [1])?;
                    writing.give();
                    may_end.wait();
                    Ok(())
                })
                .unwrap();
        })
    };
    writing.wait();
    let child = child(|| {
        for _ in 0..2 {
            let error = store.read_one(|_| Ok(())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
        let error = try_open(path).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        // Another database is not concerned.
        write(&open(&path.with_extension("other")), 1..=1);
    });
    end(child);
    may_end.give();
    writer.join().unwrap();
    write(&store, 2..=2);
}

const INSERT: &str = "INSERT INTO ports (number, projectName, status) VALUES (?1, 'a', 'reserved')";

fn try_open(path: &Path) -> Result<Store> {
    Store::open(
        Location::File(path.to_owned()),
        Duration::from_secs(30),
        stop::Stop::default(),
    )
}

fn open(path: &Path) -> Store {
    try_open(path).unwrap()
}

fn write(store: &Store, numbers: std::ops::RangeInclusive<u16>) {
    for number in numbers {
        store
            .write(Durability::Normal, |transaction| {
                transaction.execute(INSERT, [number])?;
                Ok(())
            })
            .unwrap();
    }
}

/// The number of rows, and whether the database is whole.
fn count(path: &Path) -> String {
    open(path)
        .read(|connection| {
            let rows: i64 =
                connection.query_row("SELECT count(*) FROM ports", (), |row| row.get(0))?;
            let whole: String =
                connection.query_row("PRAGMA integrity_check", (), |row| row.get(0))?;
            Ok(format!("{rows} {whole}"))
        })
        .unwrap()
}

/// Something that happened in one process and is waited for in another.
struct Signal {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Signal {
    fn new() -> Self {
        let (reader, writer) = pipe().unwrap();
        Self { reader, writer }
    }

    fn give(&self) {
        (&self.writer).write_all(b"!").unwrap();
    }

    fn wait(&self) {
        (&self.reader).read_exact(&mut [0]).unwrap();
    }
}

/// Runs `body` in a forked child, which ends without unwinding into the parent's frames.
fn child(body: impl FnOnce()) -> Pid {
    // SAFETY: the parent has one thread, or the child calls nothing that another of its threads, which
    // waits in a read of a pipe, could have locked, except for what the test is about.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let outcome = catch_unwind(AssertUnwindSafe(body));
            exit(i32::from(outcome.is_err()));
        }
    }
}

fn end(child: Pid) {
    assert_eq!(
        waitpid(child, None).unwrap(),
        WaitStatus::Exited(child, 0),
        "the child failed"
    );
}
