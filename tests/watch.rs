//! A watch is the caller's code within an operation: it may read, and what would wait for itself is
//! refused at once.

#[path = "support/registry.rs"]
mod registry;

use std::{
    fs,
    ops::ControlFlow,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::{
    ErrorKind, Filter, ImportRequest, Keeper, PruneRequest, ReserveRequest, Result, Watch,
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
                        assert!(begun.elapsed() < Duration::from_secs(2), "{name}");
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
