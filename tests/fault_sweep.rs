//! Every system call of SQLite's, in every operation, fails once in every way that it can. Nothing that was
//! acknowledged is lost, nothing is half done, and the keeper works afterwards.
//!
//! `PORTKEEPER_FAULT_STRIDE` says that one of so many is tried; 1 tries all of them.
#![cfg(target_os = "linux")]

#[path = "fault_sweep/scene.rs"]
mod scene;
#[path = "support/syscalls.rs"]
mod syscalls;

use std::{
    collections::BTreeMap,
    io::{Write, stderr},
    path::Path,
    sync::{Arc, Mutex},
};

use nix::errno::Errno;
use portkeeper_core::{Error, ErrorKind, ImportRequest, Keeper, PortRequest, Result, Watch};
use rusqlite::Connection;
use scene::{FIRST, Prepared, after_a_crash, content, open, reserve};
use syscalls::{Call, Fault, Observer};

/// Sees the calls, and spoils one of them.
struct Spoiler {
    seen: Arc<Mutex<Vec<&'static str>>>,
    target: Option<(usize, Fault)>,
    /// What follows a short write, where the disk is full.
    then: Option<Fault>,
}

impl Observer for Spoiler {
    fn before(&mut self, call: &Call<'_>) -> Option<Fault> {
        let mut seen = self.seen.lock().unwrap();
        seen.push(call.name);
        let (target, fault) = self.target?;
        match seen.len() - 1 {
            at if at == target => Some(fault),
            at if at == target + 1 => self.then.filter(|_| call.name.contains("write")),
            _ => None,
        }
    }
}

/// How a call can fail: each a fault, and what the next call meets.
fn faults(call: &str) -> Vec<(Fault, Option<Fault>)> {
    let fails = |errno| (Fault::Fails(errno), None);
    // It cannot fail on a disk of this machine. SQLite would keep the lock until it closes the file, and
    // wait ten seconds for itself.
    if call == "unlock" {
        return Vec::new();
    }
    let mut faults = vec![fails(Errno::EIO), fails(Errno::EINTR)];
    match call {
        "write" | "pwrite" | "pwrite64" => {
            let full = Fault::Fails(Errno::ENOSPC);
            faults.extend([
                (full, None),
                (Fault::Short, None),
                (Fault::Short, Some(full)),
            ]);
        }
        "read" | "pread" | "pread64" => faults.push((Fault::Short, None)),
        "open" | "ftruncate" | "fsync" | "fdatasync" => faults.push(fails(Errno::ENOSPC)),
        "mmap" => faults.push(fails(Errno::ENOMEM)),
        "fcntl" => faults.push(fails(Errno::ENOLCK)),
        _ => {}
    }
    faults
}

/// One scripted operation on a keeper that is open, if it is.
type Operation = fn(&mut Option<Keeper>, &Path) -> Result<()>;

const OPERATIONS: [(&str, Operation); 14] = [
    ("first open", |_, path| {
        open(&path.with_file_name("new.db")).map(drop)
    }),
    ("open", |_, path| open(path).map(drop)),
    ("reserve", |keeper, _| {
        reserve(keeper.as_ref().unwrap(), FIRST + 30, "new")
    }),
    ("request", |keeper, _| {
        let port = i64::from(FIRST + 31);
        let request = PortRequest::new("new").role("web").range(port..=port);
        keeper.as_ref().unwrap().request(request).map(drop)
    }),
    ("lease", |keeper, _| {
        let port = i64::from(FIRST + 32);
        let lease = keeper
            .as_ref()
            .unwrap()
            .lease(PortRequest::new("new").range(port..=port))?;
        // Its end is another transaction.
        std::mem::forget(lease);
        Ok(())
    }),
    ("release", |keeper, _| {
        keeper
            .as_ref()
            .unwrap()
            .release([FIRST, FIRST + 1])
            .map(drop)
    }),
    ("scan", |keeper, _| {
        keeper.as_ref().unwrap().scan().map(drop)
    }),
    ("import", |keeper, _| {
        let entries: Vec<String> = (FIRST + 40..FIRST + 60)
            .map(|port| format!(r#"{{"number": {port}, "projectName": "imported"}}"#))
            .collect();
        let text = format!(r#"{{"version": "1.0", "ports": [{}]}}"#, entries.join(","));
        keeper
            .as_ref()
            .unwrap()
            .import(ImportRequest::json(text), Watch::none())
            .map(drop)
    }),
    ("restore", |keeper, path| {
        let backup = path.with_file_name("backup.db");
        keeper
            .as_ref()
            .unwrap()
            .restore(backup, Watch::none())
            .map(drop)
    }),
    ("backup", |keeper, path| {
        let target = path.with_file_name("second.db");
        keeper
            .as_ref()
            .unwrap()
            .backup(target, Watch::none())
            .map(drop)
    }),
    ("compact", |keeper, _| {
        keeper.as_ref().unwrap().compact(Watch::none()).map(drop)
    }),
    ("verify", |keeper, _| {
        // A fault is no finding.
        assert_eq!(keeper.as_ref().unwrap().verify(Watch::none())?, []);
        Ok(())
    }),
    ("checkpoint", |_, path| {
        let checkpoint = || {
            let db = Connection::open(path)?;
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
        };
        // Another program's: what it says is its own affair.
        let _: rusqlite::Result<()> = checkpoint();
        Ok(())
    }),
    ("close", |keeper, _| {
        drop(keeper.take());
        Ok(())
    }),
];

/// What a run came to.
enum Outcome {
    Done,
    Failed(Error),
}

struct Run {
    calls: Vec<&'static str>,
    outcome: Outcome,
    /// What the same process finds, and what one would that begins after a crash.
    content: Vec<String>,
    crashed: Vec<String>,
}

/// Runs an operation on a fresh copy and spoils one call.
fn run(
    prepared: &Prepared,
    operation: Operation,
    needs_keeper: bool,
    target: Option<(usize, Fault, Option<Fault>)>,
) -> Run {
    let (folder, path) = prepared.copy();
    let mut keeper = needs_keeper.then(|| open(&path).unwrap());
    if let Some(keeper) = &keeper {
        // A log that has something in it.
        reserve(keeper, FIRST + 21, "logged").unwrap();
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    syscalls::watch(Spoiler {
        seen: Arc::clone(&seen),
        target: target.map(|(at, fault, _)| (at, fault)),
        then: target.and_then(|(_, _, then)| then),
    });
    let outcome = operation(&mut keeper, &path);
    syscalls::leave();
    let outcome = outcome.map_or_else(Outcome::Failed, |()| Outcome::Done);
    // What a first open has left opens.
    let new = path.with_file_name("new.db");
    if new.exists() {
        drop(open(&new).unwrap());
    }
    let crashed = after_a_crash(&path, &folder.path().join("crashed"));
    let content = match outcome {
        Outcome::Done if new.exists() => content(&new),
        _ => content(&path),
    };
    // The same keeper goes on, and a new one finds everything.
    if let Some(keeper) = &keeper {
        reserve(keeper, FIRST + 22, "afterwards").unwrap();
    }
    let again = open(&path).unwrap();
    assert_eq!(again.verify(Watch::none()).unwrap(), []);
    for port in FIRST + 2..FIRST + 20 {
        assert_eq!(again.get(port).unwrap().unwrap().project_name, "kept");
    }
    // A backup is whole, or is not there.
    let second = path.with_file_name("second.db");
    if second.exists() {
        again.restore(&second, Watch::none()).unwrap();
    }
    let seen = seen.lock().unwrap().clone();
    drop((again, keeper, folder));
    Run {
        calls: seen,
        outcome,
        content,
        crashed,
    }
}

fn is_unknown(error: &Error) -> bool {
    error
        .to_string()
        .contains("the outcome of the transaction is unknown")
}

#[test]
fn every_system_call_fails_once() {
    let stride: usize =
        std::env::var("PORTKEEPER_FAULT_STRIDE").map_or(97, |text| text.parse().unwrap());
    // Before the engine's own replacements, so that those are in what is swept.
    syscalls::install();
    let prepared = Prepared::new();
    let mut injected = 0;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, operation) in OPERATIONS {
        let needs_keeper = !["first open", "open"].contains(&name);
        // What is there when nothing is done, and when everything is.
        let idle: Operation = |_, _| Ok(());
        let before = run(&prepared, idle, needs_keeper, None).content;
        let good = run(&prepared, operation, needs_keeper, None);
        assert!(matches!(good.outcome, Outcome::Done), "{name}");
        let after = good.content;
        let plans = good.calls.iter().enumerate().flat_map(|(at, call)| {
            faults(call)
                .into_iter()
                .map(move |(fault, then)| (at, *call, fault, then))
        });
        let mut tried = 0;
        for (at, call, fault, then) in plans.collect::<Vec<_>>().into_iter().step_by(stride) {
            let what = format!("{name}: {call} number {at} {fault:?} {then:?}");
            let target = Some((at, fault, then));
            let spoiled = run(&prepared, operation, needs_keeper, target);
            injected += 1;
            tried += 1;
            let either = |content: &Vec<String>| *content == before || *content == after;
            let (now, crashed) = (&spoiled.content, &spoiled.crashed);
            let (told, is_right) = match &spoiled.outcome {
                Outcome::Done => {
                    let is_first = name == "first open";
                    let told = "done in spite of it";
                    (told, *now == after && (is_first || *crashed == after))
                }
                Outcome::Failed(error) if is_unknown(error) => {
                    assert_ne!(error.kind(), ErrorKind::DatabaseCorrupt, "{what}: {error}");
                    let is_stored = *now == after || *crashed == after;
                    let told = if is_stored {
                        "stored, and reported as unknown"
                    } else {
                        "not stored, reported as unknown"
                    };
                    (told, either(now) && either(crashed))
                }
                Outcome::Failed(error) => {
                    // None of the faults says anything about the content.
                    let is_typed = !matches!(
                        error.kind(),
                        ErrorKind::Internal | ErrorKind::DatabaseCorrupt
                    );
                    (
                        error.name(),
                        is_typed && *now == before && *crashed == before,
                    )
                }
            };
            *counts.entry(told).or_default() += 1;
            if !is_right {
                let outcome = match &spoiled.outcome {
                    Outcome::Done => "done".to_owned(),
                    Outcome::Failed(error) => error.to_string(),
                };
                let gone: Vec<_> = before.iter().filter(|line| !now.contains(line)).collect();
                let come: Vec<_> = now.iter().filter(|line| !before.contains(line)).collect();
                wrong.push(format!("{what}: {outcome}, gone {gone:?}, come {come:?}"));
            }
        }
        println!("{name}: {} calls, {tried} faults", good.calls.len());
    }
    let text = format!(
        "\nfault sweep: {injected} faults injected: {counts:?}; {} wrong\n",
        wrong.len()
    );
    stderr().write_all(text.as_bytes()).unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
