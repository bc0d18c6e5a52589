//! Many threads and processes want the same ports: each port goes to one, and each claim has one
//! entry in the history.

mod support;

use std::{collections::HashMap, path::Path, sync::Arc, thread};

use portkeeper_core::{Action, ErrorKind, Filter, HistoryQuery, Keeper, ReserveRequest};
use support::{child, child_argument, succeeds};

const WRITERS: usize = 16;
/// Below the ephemeral range, so that no socket of another test comes here.
const PORTS: std::ops::Range<u16> = 22_000..22_060;

/// Tries to reserve every port for `project`, and fails on any error but a refusal.
fn reserve_all(keeper: &Keeper, project: &str) {
    // Every writer begins elsewhere, so that they meet in the middle too.
    let start = project.bytes().map(usize::from).sum::<usize>() % PORTS.len();
    for port in PORTS.cycle_from(start) {
        match keeper.reserve(port, ReserveRequest::new(project)) {
            Ok(row) => assert_eq!(row.project_name, project),
            Err(error) => assert_eq!(error.kind(), ErrorKind::PortReserved, "{error}"),
        }
    }
}

trait CycleFrom {
    fn cycle_from(&self, start: usize) -> impl Iterator<Item = u16>;
}

impl CycleFrom for std::ops::Range<u16> {
    fn cycle_from(&self, start: usize) -> impl Iterator<Item = u16> {
        self.clone().cycle().skip(start).take(self.len())
    }
}

fn check(path: &Path) {
    let keeper = Keeper::open_at(path).unwrap();
    let rows = keeper.list(Filter::claims()).unwrap();
    assert_eq!(rows.len(), PORTS.len());

    let entries = keeper.history(HistoryQuery::all().limit(10_000)).unwrap();
    let mut reserved: HashMap<u16, String> = HashMap::new();
    for entry in &entries {
        assert_eq!(entry.action, Action::Reserved);
        let project = entry.project_name.clone().unwrap();
        let earlier = reserved.insert(entry.port, project);
        assert_eq!(earlier, None, "port {} was given twice", entry.port);
    }
    for row in &rows {
        assert_eq!(reserved.get(&row.number), Some(&row.project_name));
    }
}

#[test]
fn threads_never_share_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Arc::new(Keeper::open_at(&path).unwrap());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let keeper = Arc::clone(&keeper);
            thread::spawn(move || reserve_all(&keeper, &format!("thread {writer}")))
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    check(&path);
}

#[test]
fn processes_never_share_a_port() {
    const NAME: &str = "processes_never_share_a_port";
    if let Some(argument) = child_argument() {
        let (path, project) = argument.split_once('\n').unwrap();
        // The database is missing at first: opening it together is part of the test.
        reserve_all(&Keeper::open_at(path).unwrap(), project);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let argument = format!("{}\nprocess {writer}", path.display());
            child(NAME, &argument).spawn().unwrap()
        })
        .collect();
    for writer in writers {
        succeeds(writer);
    }
    check(&path);
}
