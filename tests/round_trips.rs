//! There and back while two processes write at full speed: what comes back is the registry of one
//! moment, rows and history, and nothing else; and the writers notice nothing.

#[path = "support/numbered.rs"]
mod numbered;
#[path = "support/registry.rs"]
mod registry;
#[path = "support/size.rs"]
mod size;
mod support;

use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    ops::Range,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use numbered::{State, Writer, ports};
use portkeeper_core::{
    ExportRequest, Filter, HistoryEntry, HistoryQuery, ImportRequest, Keeper, Release, Reservation,
    Status, Watch,
};
use registry::{Registry, content, reserve};
use size::size;

const WRITES: &str = "writes";
/// One pair of writers at a time: the longer a test takes, the more they have written.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn writes() {
    numbered::write();
}

fn history(keeper: &Keeper) -> Vec<HistoryEntry> {
    let mut entries = keeper.history(HistoryQuery::all().limit(u32::MAX)).unwrap();
    entries.sort_by_key(|entry| entry.id);
    entries
}

/// Makes a copy of a registry beside two writers, again and again, each time of a new one: its history
/// would grow with the time that the copies take. What a copy holds must be all that was acknowledged
/// before, and a state that the registry was in.
fn beside_writers(mut copy: impl FnMut(&Registry, usize) -> Registry) {
    let _alone = alone();
    for round in 0..size(1, 4) {
        let registry = Registry::new();
        let mut writers = Writer::pair(WRITES, registry.keeper.path());
        writers.iter_mut().for_each(|writer| writer.wait_for(130));
        let before = [writers[0].acknowledged(), writers[1].acknowledged()];
        let new = copy(&registry, round);
        writers.iter_mut().for_each(|writer| writer.wait_for(1));
        let written = writers.map(Writer::stop);

        assert_eq!(new.keeper.verify(Watch::none()).unwrap(), []);
        let held = [1, 2].map(|writer| State::writes(&new.keeper, writer));
        println!("{before:?} acknowledged, then a copy of {held:?}, and {written:?} in the end");
        assert!(held[0] >= before[0] && held[1] >= before[1]);
        assert!(held[0] < written[0] && held[1] < written[1]);
        let entries = history(&new.keeper);
        assert_eq!(entries.len() as u64, held[0] + held[1]);
        assert_eq!(new.keeper.stats().unwrap().rows["ports"], 80);
        // Every entry, with its number and its time, is the registry's, from the first one on.
        let all = history(&registry.keeper);
        assert_eq!(all.len() as u64, written[0] + written[1]);
        assert_eq!(entries[..], all[..entries.len()]);
        let found = [1, 2].map(|writer| State::writes(&registry.keeper, writer));
        assert_eq!(found, written);
        assert_eq!(registry.keeper.verify(Watch::none()).unwrap(), []);
    }
}

#[test]
fn a_backup_restored_elsewhere_is_the_registry_of_one_moment() {
    beside_writers(|registry, _| {
        let backup = registry.backup("b.db");
        let new = Registry::new();
        let report = new.keeper.restore(&backup, Watch::none()).unwrap();
        assert_eq!(
            report.history,
            new.keeper.stats().unwrap().rows["port_history"]
        );
        assert_eq!(content(new.keeper.path()), content(&backup));
        new
    });
}

/// By the `sqlite3` program where there is one, else by Python's.
fn read_by_sqlite(dump: &Path, database: &Path) -> &'static str {
    const SCRIPT: &str = "import sqlite3, sys\n\
        sqlite3.connect(sys.argv[2]).executescript(open(sys.argv[1], newline='').read())";
    let shell = Command::new("sqlite3")
        .arg(database)
        .stdin(fs::File::open(dump).unwrap())
        .stdout(Stdio::null())
        .status();
    match shell {
        Ok(status) => {
            assert!(status.success());
            "sqlite3"
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut python = Command::new("python3");
            let python = python.args(["-c", SCRIPT]).arg(dump).arg(database);
            assert!(python.status().unwrap().success());
            "python3"
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_dump_that_sqlite_reads_back_is_the_registry_of_one_moment() {
    let mut program = "";
    beside_writers(|registry, round| {
        let dump = registry.path("dump.sql");
        let mut file = fs::File::create(&dump).unwrap();
        registry.keeper.dump(&mut file, Watch::none()).unwrap();
        let new = Registry::new();
        let built = new.path("built.db");
        program = read_by_sqlite(&dump, &built);
        let rows = content(&built);
        let keeper = Keeper::open_at(&built).unwrap();
        // Opening changes nothing, and restoring the text gives the same.
        assert_eq!(content(&built), rows);
        if round == 0 {
            new.keeper.restore(&dump, Watch::none()).unwrap();
            assert_eq!(content(new.keeper.path()), rows);
        }
        Registry { keeper, ..new }
    });
    // To the terminal, past the harness, which keeps what a test prints.
    let _ = writeln!(io::stderr(), "\ndumps were read back by {program}");
}

#[test]
fn an_export_imported_on_an_empty_machine_is_the_claims_of_one_moment() {
    let _alone = alone();
    for _ in 0..size(1, 4) {
        let registry = Registry::new();
        let mut writers = Writer::pair(WRITES, registry.keeper.path());
        writers.iter_mut().for_each(|writer| writer.wait_for(130));
        let before = [writers[0].acknowledged(), writers[1].acknowledged()];
        let document = registry.keeper.export(ExportRequest::all()).unwrap();
        writers.iter_mut().for_each(|writer| writer.wait_for(1));
        let written = writers.map(Writer::stop);

        let new = Registry::new();
        let request = ImportRequest::json(document.to_json().unwrap());
        let report = new.keeper.import(request, Watch::none()).unwrap();
        assert_eq!(report.added as usize, document.ports.len());
        let again = new.keeper.export(ExportRequest::all()).unwrap();
        assert_eq!(again.ports, document.ports);
        // Each claim has the one entry of its import.
        let told = history(&new.keeper);
        let ports: Vec<u16> = told.iter().map(|entry| entry.port).collect();
        let numbers = document.ports.iter().map(|port| port.number);
        assert_eq!(ports, numbers.collect::<Vec<_>>());
        assert_eq!(new.keeper.verify(Watch::none()).unwrap(), []);

        // The claims of each writer are those after one number of writes, and not before `before`.
        let claims = new.keeper.list(Filter::claims()).unwrap();
        for (writer, index) in [(1, 0), (2, 1)] {
            let (least, most) = writes_in(&claims, writer);
            assert!(
                least <= written[index] && before[index] <= most,
                "writer {writer}: {least} to {most}"
            );
        }
        // A row has the times of its history in the registry that it comes from.
        let all = history(&registry.keeper);
        for port in &document.ports {
            let mut entries = all.iter().filter(|entry| entry.port == port.number);
            let entry = entries.find(|entry| entry.description == port.description);
            assert_eq!(port.updated_at, Some(entry.unwrap().performed_at));
        }
    }
}

/// After how many writes, at least and at most, these are the writer's claims: one that was made and ended
/// again leaves no trace in them.
fn writes_in(claims: &[Reservation], writer: u16) -> (u64, u64) {
    let claims: Vec<_> = claims
        .iter()
        .filter(|row| ports(writer).contains(&row.number))
        .collect();
    let found: Vec<_> = claims
        .iter()
        .map(|row| (row.number, row.description.clone(), row.tags.clone()))
        .collect();
    let last = claims
        .iter()
        .filter_map(|row| row.metadata["n"].as_u64())
        .max()
        .unwrap();
    let mut those = (last + 1..=last + 4).filter(|n| {
        let state = State::after(writer, *n);
        let open = state
            .rows
            .into_iter()
            .filter(|(_, (status, _))| *status != Status::Free);
        let expected = open.map(|(port, (_, claim))| (port, Some(claim.description), claim.tags));
        expected.collect::<Vec<_>>() == found
    });
    let Some(least) = those.next() else {
        panic!("writer {writer}: no state has {found:?}");
    };
    (least, those.next_back().unwrap_or(least))
}

/// Claims that no writer touches.
const QUIET: Range<u16> = 25_900..25_910;

/// A restore beside writers: the claims are the source's, and then what the writers did after it.
#[test]
fn a_restore_beside_writers_is_the_source_and_then_what_they_wrote() {
    let _alone = alone();
    for from_dump in size(&[false, true][..], &[false, true, false]) {
        let registry = Registry::new();
        let keeper = &registry.keeper;
        for port in QUIET {
            reserve(keeper, port, "quiet");
        }
        let mut writers = Writer::pair(WRITES, keeper.path());
        let mut wait = |more| writers.iter_mut().for_each(|writer| writer.wait_for(more));
        wait(130);
        let backup = registry.backup("b.db");
        keeper.release(Release::project("quiet")).unwrap();
        let source = if *from_dump {
            let mut text = Vec::new();
            Keeper::open_at(&backup)
                .unwrap()
                .dump(&mut text, Watch::none())
                .unwrap();
            let dump = registry.path("dump.sql");
            fs::write(&dump, text).unwrap();
            dump
        } else {
            backup.clone()
        };
        wait(130);
        let report = keeper.restore(&source, Watch::none()).unwrap();
        wait(1);
        let written = writers.map(Writer::stop);

        let source = Keeper::open_at(&backup).unwrap();
        let before = Keeper::open_at(report.safety_backup.unwrap()).unwrap();
        let (told_before, told) = (history(&before), history(keeper));
        let restored: Vec<_> = told
            .iter()
            .filter(|entry| {
                entry
                    .details
                    .get("reason")
                    .is_some_and(|reason| reason == "restored")
            })
            .collect();
        // Nothing was lost, one entry for each claim that the restore changed follows, and then the rest.
        assert_eq!(told[..told_before.len()], told_before[..]);
        let after = told_before.len() + restored.len();
        assert!(
            told[told_before.len()..after]
                .iter()
                .eq(restored.iter().copied())
        );
        assert_eq!(restored.len() as u64, report.restored + report.released);
        assert_eq!(report.history, 0, "the registry knew all of it");
        // What no writer touches since is as the restore left it.
        for port in QUIET {
            let row = keeper.get(port).unwrap();
            assert_eq!(row, source.get(port).unwrap());
            assert!(row.is_some_and(|row| row.status == Status::Reserved));
        }
        for writer in [1, 2] {
            let done = State::writes(&before, writer);
            let mut expected = State::of(&source, writer);
            assert!(State::writes(&source, writer) < done);
            // What the restore leaves: the source's claims. A port that it ended says so.
            expected.history.clear();
            for (port, (status, claim)) in State::of(&before, writer).rows {
                expected.rows.entry(port).or_insert((status, claim)).0 =
                    match source.get(port).unwrap() {
                        Some(row) => row.status,
                        None => Status::Free,
                    };
            }
            (done..written[usize::from(writer) - 1]).for_each(|n| expected.write(writer, n));
            let mut found = State::of(keeper, writer);
            let later: HashSet<u16> = told[after..].iter().map(|entry| entry.port).collect();
            let rest = told[after..]
                .iter()
                .filter(|entry| ports(writer).contains(&entry.port));
            found.history.drain(..found.history.len() - rest.count());
            assert_eq!(found.history, expected.history);
            assert_eq!(found.rows.len(), expected.rows.len());
            for (port, (status, claim)) in &expected.rows {
                let (is, row) = &found.rows[port];
                assert_eq!(is, status, "{port}");
                // A port that ended says whose it was last, which may be either.
                assert!(
                    *status == Status::Free || row == claim,
                    "{port}: {row:?} {claim:?}"
                );
                if *status != Status::Free && !later.contains(port) {
                    assert_eq!(keeper.get(*port).unwrap(), source.get(*port).unwrap());
                }
            }
        }
        assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
    }
}
