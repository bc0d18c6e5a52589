//! A watch is the caller's code within an operation: it may read, and what would wait for itself is
//! refused at once.

#[path = "support/registry.rs"]
mod registry;

use std::{
    fs,
    ops::ControlFlow,
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::{
    ErrorKind, Filter, ImportRequest, Keeper, Options, PortRequest, PruneRequest, ReserveRequest,
    Result, Status, Strategy, Watch,
};
use registry::{Registry, reserve};

const IMPORTED: &str = r#"{"version": "1.0", "ports": [{"number": 23000, "projectName": "new"}]}"#;

type Operation = fn(&Keeper, &Registry, Watch<'_>) -> Result<()>;

/// Every operation that takes a watch, and whether its watch may write in the end.
const OPERATIONS: [(&str, Operation); 7] = [
    ("backup", |keeper, files, watch| {
        keeper.backup(files.path("watched.db"), watch).map(drop)
    }),
    ("restore", |keeper, files, watch| {
        keeper.restore(files.path("source.db"), watch).map(drop)
    }),
    ("dump", |keeper, _, watch| {
        keeper.dump(&mut Vec::new(), watch)
    }),
    ("import", |keeper, _, watch| {
        keeper
            .import(ImportRequest::json(IMPORTED), watch)
            .map(drop)
    }),
    ("prune", |keeper, _, watch| {
        keeper.prune(PruneRequest::new(), watch).map(drop)
    }),
    ("compact", |keeper, _, watch| {
        keeper.compact(watch).map(drop)
    }),
    ("verify", |keeper, _, watch| keeper.verify(watch).map(drop)),
];

/// A registry and a backup that differs from it.
fn registry() -> Registry {
    let registry = Registry::filled();
    reserve(&registry.keeper, 22_700, "extra");
    let backup = registry.backup("source.db");
    registry.keeper.release(22_700).unwrap();
    assert!(backup.exists());
    registry
}

/// Ends the test program where an operation waits for itself.
fn within_a_minute<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, end) = mpsc::channel();
    thread::spawn(move || {
        let _ = done.send(body());
    });
    end.recv_timeout(Duration::from_secs(60))
        .expect("it ends, and does not wait for itself")
}

#[test]
fn a_watch_reads_through_its_keeper_and_a_write_never_waits_for_itself() {
    for (name, operation) in OPERATIONS {
        within_a_minute(move || {
            let registry = registry();
            let keeper = &registry.keeper;
            let (mut looks, mut refused) = (0, 0);
            let watch = Watch::new(|_| {
                looks += 1;
                assert!(keeper.list(Filter::claims()).unwrap().len() >= 4);
                let begun = Instant::now();
                let claim = ReserveRequest::new("watch").description(format!("look {looks}"));
                match keeper.reserve(22_710, claim.adopt(true)) {
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
                        assert!(error.to_string().contains("watch"), "{error}");
                        // Others are waited for much longer, ten seconds.
                        assert!(begun.elapsed() < Duration::from_secs(8), "{name}");
                        refused += 1;
                    }
                }
                ControlFlow::Continue(())
            });
            operation(keeper, &registry, watch).unwrap();
            assert!(looks > 1, "{name}");
            // Those hold the lock of writers while they ask.
            let writes = ["restore", "import", "compact"].contains(&name);
            assert_eq!(refused > 0, writes, "{name}: {refused} of {looks}");
            assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
            reserve(keeper, 22_711, "after");
        });
    }
}

#[test]
fn a_watch_of_a_registry_in_memory_is_refused_its_use() {
    for (name, operation) in OPERATIONS {
        within_a_minute(move || {
            let files = registry();
            let keeper = Keeper::in_memory().unwrap();
            reserve(&keeper, 22_600, "mine");
            let mut refused = 0;
            let watch = Watch::new(|_| {
                if let Err(error) = keeper.list(Filter::claims()) {
                    assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
                    refused += 1;
                }
                ControlFlow::Continue(())
            });
            operation(&keeper, &files, watch).unwrap();
            assert!(refused > 0 || name == "prune", "{name}");
            reserve(&keeper, 22_711, "after");
        });
    }
}

/// Another thread's reads go on while an import is in the middle of its transaction.
#[test]
fn an_import_leaves_the_keeper_to_its_other_threads() {
    within_a_minute(|| {
        let registry = registry();
        let keeper = &registry.keeper;
        let other = keeper.clone();
        let watch = Watch::new(|progress| {
            if progress.total > 0 {
                let other = other.clone();
                let read = thread::spawn(move || other.list(Filter::claims()).unwrap().len());
                assert!(read.join().unwrap() >= 4);
            }
            ControlFlow::Continue(())
        });
        keeper.import(ImportRequest::json(IMPORTED), watch).unwrap();
        assert!(keeper.get(23_000).unwrap().is_some());
        assert!(fs::exists(registry.path("source.db")).unwrap());
    });
}

/// What a watch drops in the middle of a transaction is given back after it.
#[test]
fn a_guard_that_a_watch_drops_is_given_back() {
    for in_memory in [false, true] {
        within_a_minute(move || {
            let files = registry();
            let keeper = if in_memory {
                Keeper::in_memory().unwrap()
            } else {
                files.keeper.clone()
            };
            let anywhere = |project| {
                PortRequest::new(project)
                    .range(20_000..=29_999)
                    .strategy(Strategy::Random)
            };
            let leased = keeper.lease(anywhere("leased")).unwrap();
            let asked = keeper.request(anywhere("held").role("web")).unwrap();
            let held = keeper.hold(asked[0].number).unwrap();
            let ports = [leased.port(), held.port()];
            let is_held = |keeper: &Keeper| {
                let row = keeper.get(ports[1]).unwrap().unwrap();
                row.lease.is_some_and(|lease| lease.held)
            };
            assert!(is_held(&keeper));
            let mut guards = Some((leased, held));
            let watch = Watch::new(|progress| {
                if progress.total > 0 {
                    guards = None;
                }
                ControlFlow::Continue(())
            });
            keeper.import(ImportRequest::json(IMPORTED), watch).unwrap();
            assert!(guards.is_none());
            assert!(keeper.get(23_000).unwrap().is_some());
            let row = keeper.get(ports[0]).unwrap().unwrap();
            assert_eq!(row.status, Status::Free, "in memory: {in_memory}");
            assert!(!is_held(&keeper), "in memory: {in_memory}");
        });
    }
}

/// While an operation waits for other writers, it is in the middle of nothing.
#[test]
fn what_stops_a_wait_reads_through_its_keeper() {
    within_a_minute(|| {
        let registry = Registry::filled();
        let keeper = Options::new()
            .path(registry.keeper.path())
            .busy_timeout(Duration::from_millis(200))
            .open()
            .unwrap();
        let seen: Arc<OnceLock<Result<bool>>> = Arc::default();
        let (reader, answer) = (keeper.clone(), Arc::clone(&seen));
        let waiting = keeper.interruptible(move || {
            answer.get_or_init(|| reader.get(22_600).map(|row| row.is_some()));
            false
        });
        let other = rusqlite::Connection::open(registry.keeper.path()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let claim = ReserveRequest::new("waits").adopt(true);
        let error = waiting.reserve(22_700, claim).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseBusy, "{error}");
        let seen = seen.get().expect("the wait asked");
        assert!(matches!(seen, Ok(true)), "{seen:?}");
    });
}

#[test]
fn progress_never_runs_backwards() {
    for (name, operation) in OPERATIONS {
        let registry = registry();
        let mut told = Vec::new();
        let watch = Watch::new(|progress| {
            told.push((progress.done, progress.total));
            ControlFlow::Continue(())
        });
        operation(&registry.keeper, &registry, watch).unwrap();
        let is_further = |pair: &[(u64, u64)]| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1;
        assert!(told.windows(2).all(is_further), "{name}: {told:?}");
        assert!(told.len() > 1, "{name}: {told:?}");
    }
}
