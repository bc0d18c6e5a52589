//! Statistics, pruning and compacting.

#[path = "support/registry.rs"]
mod registry;

use std::{cell::Cell, ops::ControlFlow, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use portkeeper_core::{ErrorKind, Filter, HistoryQuery, Keeper, PruneRequest, Watch};
use registry::{Registry, reserve};

fn days_ago(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days)
}

#[test]
fn stats_count_what_is_there() {
    let registry = Registry::new();
    let keeper = &registry.keeper;
    for port in 22_200..22_210 {
        reserve(keeper, port, "a");
    }
    keeper.release(22_200).unwrap();
    let stats = keeper.stats().unwrap();
    assert_eq!(stats.rows["ports"], 10);
    assert_eq!(stats.rows["port_history"], 11);
    assert_eq!(stats.rows["migrations"], u64::from(stats.schema_version));
    assert_eq!(stats.path, keeper.path());
    assert!(stats.wal_bytes > 0);
    assert!(stats.pages * stats.page_size >= 100_000, "{stats:?}");
    keeper.compact(Watch::none()).unwrap();
    let stats = keeper.stats().unwrap();
    assert_eq!((stats.wal_bytes, stats.free_pages), (0, 0));
    assert_eq!(stats.bytes, stats.pages * stats.page_size);
}

/// An entry of the history that is so old.
fn entry(registry: &Registry, port: u16, action: &str, project: &str, days_ago: i64) {
    registry.raw(&format!(
        "INSERT INTO port_history (port, action, projectName, performedAt) VALUES ({port}, \
         '{action}', '{project}', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-{days_ago} days'))"
    ));
}

/// 22300 was released long ago, 22301 is claimed since long ago, 22302 was released within the time
/// that is kept, 22303 has only recent entries.
fn aged() -> Registry {
    let registry = Registry::new();
    reserve(&registry.keeper, 22_301, "b");
    registry.raw("DELETE FROM port_history");
    for (port, action, project, days) in [
        (22_301, "reserved", "a", 900),
        (22_301, "released", "a", 800),
        (22_301, "reserved", "b", 700),
        (22_302, "reserved", "c", 600),
        (22_302, "released", "c", 100),
        (22_303, "reserved", "d", 20),
        (22_303, "released", "d", 10),
        (22_300, "reserved", "e", 500),
        (22_300, "released", "e", 400),
    ] {
        registry.raw(&format!(
            "INSERT OR IGNORE INTO ports (number, projectName, status) VALUES ({port}, '{project}', 'free')"
        ));
        entry(&registry, port, action, project, days);
    }
    registry.raw(
        "INSERT INTO active_scans (port, scannedAt) VALUES \
            (1, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-8 days')), \
            (2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-6 days')); \
         UPDATE ports SET reservedAt = '2024-01-01T00:00:00Z', updatedAt = '2024-01-01T00:00:00Z'",
    );
    registry
}

#[test]
fn pruning_keeps_every_answer_about_the_time_that_is_kept() {
    let registry = aged();
    let keeper = &registry.keeper;
    let holders = |keeper: &Keeper| {
        let mut holders = Vec::new();
        for port in 22_300..22_304 {
            for days in [360, 200, 100, 50, 15, 5, 0] {
                let holder = keeper.holder_at(port, days_ago(days)).unwrap();
                holders.push((port, days, holder.map(|holder| holder.project_name)));
            }
        }
        holders
    };
    let before = holders(keeper);
    assert!(before.contains(&(22_302, 200, Some("c".to_owned()))));
    let report = keeper.prune(PruneRequest::new(), Watch::none()).unwrap();
    assert_eq!((report.history, report.scans), (4, 1));
    assert_eq!(holders(keeper), before);
    assert_eq!(registry.findings(), []);
    let again = keeper.prune(PruneRequest::new(), Watch::none()).unwrap();
    assert_eq!((again.history, again.scans), (0, 0));

    let all = PruneRequest::new()
        .history_older_than(TimeDelta::zero())
        .scans_older_than(TimeDelta::zero());
    keeper.prune(all, Watch::none()).unwrap();
    let left = keeper.history(HistoryQuery::all()).unwrap();
    assert_eq!(left.len(), 1, "the open claim's: {left:?}");
    assert_eq!(left[0].project_name.as_deref(), Some("b"));
    assert_eq!(keeper.list(Filter::claims()).unwrap().len(), 1);
}

/// Between two batches the registry is whole, and a stopped prune goes on later.
#[test]
fn pruning_goes_by_batches_and_can_be_stopped() {
    let registry = aged();
    let many = "INSERT INTO port_history (port, action, projectName, performedAt) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
         SELECT 22303, iif(i % 2, 'reserved', 'released'), 'old', \
            strftime('%Y-%m-%dT%H:%M:%SZ', '2020-01-01', '+' || i || ' minutes') FROM n";
    registry.raw(many);
    let keeper = &registry.keeper;
    let count = |keeper: &Keeper| keeper.stats().unwrap().rows["port_history"];
    let (all, reports) = (count(keeper), Cell::new(0));
    let mut seen = Vec::new();
    let stopped = keeper.prune(
        PruneRequest::new(),
        Watch::new(|progress| {
            seen.push((progress.done, count(keeper)));
            reports.set(reports.get() + 1);
            if reports.get() == 4 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }),
    );
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(seen[0], (0, all));
    let [first, _, last] = seen[1..] else {
        panic!("{seen:?}");
    };
    // How many go at once depends on how long that takes.
    assert_eq!(first, (250, all - 250));
    assert!((750..=1_750).contains(&last.0), "{seen:?}");
    assert!(
        seen.iter().all(|(done, left)| done + left == all),
        "{seen:?}"
    );
    assert_eq!(registry.findings(), []);
    let report = keeper.prune(PruneRequest::new(), Watch::none()).unwrap();
    assert_eq!(report.history, 5_004 - last.0);
}

#[test]
fn compacting_shrinks_and_a_stopped_one_changes_nothing() {
    let registry = Registry::new();
    registry.raw(
        "INSERT INTO configurations (name, data, version) VALUES ('a', hex(zeroblob(3000000)), '1'); \
         DELETE FROM configurations",
    );
    let keeper = &registry.keeper;
    reserve(keeper, 22_400, "a");
    for step in 1..3 {
        let calls = Cell::new(0);
        let watch = Watch::new(|_| {
            calls.set(calls.get() + 1);
            if calls.get() == step {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match keeper.compact(watch) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
            Ok(_) => panic!("step {step} was not asked"),
        }
        if step == 1 {
            assert!(keeper.stats().unwrap().free_pages > 1_000);
        }
    }
    let report = keeper.compact(Watch::none()).unwrap();
    assert!(report.bytes_after < 300_000, "{report:?}");
    assert_eq!(keeper.list(Filter::claims()).unwrap().len(), 1);
    assert_eq!(registry.findings(), []);
}

#[test]
fn a_registry_in_memory_has_the_same_care() {
    let keeper = Keeper::in_memory().unwrap();
    reserve(&keeper, 22_500, "a");
    keeper.prune(PruneRequest::new(), Watch::none()).unwrap();
    keeper
        .compact(Watch::new(|_| ControlFlow::Continue(())))
        .unwrap();
    assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
    let folder = tempfile::tempdir().unwrap();
    let report = keeper
        .backup(folder.path().join("b.db"), Watch::none())
        .unwrap();
    let copy = Keeper::open_at(Path::new(&report.path)).unwrap();
    assert_eq!(
        copy.list(Filter::claims()).unwrap(),
        keeper.list(Filter::claims()).unwrap()
    );
    drop(Arc::new(copy));
}
