//! Statistics, pruning, compacting and verifying.

use std::{cell::Cell, ops::ControlFlow, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use portkeeper_core::{
    ErrorKind, Filter, FindingKind, HistoryQuery, Keeper, PruneRequest, ReserveRequest, Severity,
    Watch,
};
use rusqlite::Connection;
use tempfile::TempDir;

struct Registry {
    _folder: TempDir,
    keeper: Keeper,
}

impl Registry {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
        Self {
            _folder: folder,
            keeper,
        }
    }

    /// As a program without any of our care writes to it.
    fn raw(&self, sql: &str) {
        let raw = Connection::open(self.keeper.path()).unwrap();
        let off = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER;
        raw.set_db_config(off, false).unwrap();
        raw.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;")
            .unwrap();
        raw.execute_batch(sql).unwrap();
    }

    fn entry(&self, port: u16, action: &str, project: &str, days_ago: i64) {
        self.raw(&format!(
            "INSERT INTO port_history (port, action, projectName, performedAt) VALUES ({port}, \
             '{action}', '{project}', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-{days_ago} days'))"
        ));
    }

    fn findings(&self) -> Vec<(FindingKind, Severity, Option<i64>)> {
        let findings = self.keeper.verify(Watch::none()).unwrap();
        findings
            .into_iter()
            .map(|finding| (finding.kind, finding.severity, finding.port))
            .collect()
    }
}

fn reserve(keeper: &Keeper, port: u16, project: &str) {
    keeper
        .reserve(port, ReserveRequest::new(project).adopt(true))
        .unwrap();
}

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
        registry.entry(port, action, project, days);
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

/// Damages a registry of one claim, one free port and a lease by `sql`, and expects these findings.
fn check(sql: &str, expected: &[(FindingKind, Severity, Option<i64>)]) {
    let registry = Registry::new();
    reserve(&registry.keeper, 22_500, "a");
    reserve(&registry.keeper, 22_501, "b");
    registry.keeper.release(22_501).unwrap();
    assert_eq!(registry.findings(), [], "before {sql}");
    registry.raw(sql);
    assert_eq!(registry.findings(), expected, "{sql}");
}

#[test]
fn every_kind_of_damage_is_found() {
    use FindingKind::{ForeignKey, History, Json, Lease, Port, Schema, Timestamp, Value};
    let error = Severity::Error;
    let port = Some(22_500);
    let of = |sql: &str, kind, at| check(sql, &[(kind, error, at)]);

    of(
        "UPDATE ports SET tags = '[' WHERE number = 22500",
        Json,
        port,
    );
    of(
        "UPDATE ports SET tags = '{}' WHERE number = 22500",
        Json,
        port,
    );
    of(
        "UPDATE ports SET metadata = '[]' WHERE number = 22500",
        Json,
        port,
    );
    of(
        "UPDATE port_history SET details = 'x' WHERE port = 22500",
        Json,
        port,
    );
    of(
        "UPDATE ports SET reservedAt = 'once' WHERE number = 22500",
        Timestamp,
        port,
    );
    of(
        "UPDATE ports SET lastSeenAt = '2024-01-20 10:30:00' WHERE number = 22500",
        Timestamp,
        port,
    );
    of(
        "UPDATE port_history SET performedAt = datetime('now', '-1 minute') WHERE port = 22500",
        Timestamp,
        port,
    );
    of(
        "INSERT INTO ports (number, projectName, status, reservedAt, updatedAt) VALUES \
        (70000, 'a', 'free', '2024-01-20T10:30:00Z', '2024-01-20T10:30:00Z')",
        Port,
        Some(70_000),
    );
    of(
        "UPDATE ports SET pid = 'x' WHERE number = 22500",
        Value,
        port,
    );
    of(
        "UPDATE ports SET description = x'00' WHERE number = 22500",
        Value,
        port,
    );
    of(
        "UPDATE ports SET status = 'free' WHERE number = 22500",
        History,
        port,
    );
    of(
        "UPDATE ports SET projectName = 'c' WHERE number = 22500",
        History,
        port,
    );
    of("DELETE FROM port_history WHERE port = 22500", History, port);
    of(
        "UPDATE ports SET status = 'reserved' WHERE number = 22501",
        History,
        Some(22_501),
    );
    check(
        "UPDATE ports SET status = 'in-use' WHERE number = 22500",
        &[(History, Severity::Warning, port)],
    );
    of(
        "INSERT INTO leases (port, leaseId, createdAt) VALUES (22501, 'x', '2024-01-20T10:30:00Z')",
        Lease,
        Some(22_501),
    );
    of(
        "INSERT INTO port_history (port, action, projectName, performedAt) VALUES \
        (4, 'released', 'a', '2024-01-20T10:30:00Z')",
        ForeignKey,
        None,
    );
    of("DROP TRIGGER track_port_changes", Schema, None);
    of("DROP INDEX idx_history_port_date", Schema, None);
    check(
        "UPDATE ports SET projectName = ' ', tags = '[' WHERE number = 22500",
        &[
            (Value, error, port),
            (Json, error, port),
            (History, error, port),
        ],
    );
}

#[test]
fn a_damaged_index_is_found() {
    let registry = Registry::new();
    reserve(&registry.keeper, 22_500, "a");
    // The index is left without the row that the table has.
    registry.raw(
        "PRAGMA writable_schema = ON; \
         UPDATE sqlite_schema SET sql = replace(sql, 'ports(status)', 'ports(status) WHERE 0') \
            WHERE name = 'idx_ports_status'",
    );
    registry.raw("REINDEX idx_ports_status");
    registry.raw(
        "PRAGMA writable_schema = ON; \
         UPDATE sqlite_schema SET sql = replace(sql, ' WHERE 0', '') WHERE name = 'idx_ports_status'",
    );
    let findings = registry.keeper.verify(Watch::none()).unwrap();
    assert_eq!(findings[0].kind, FindingKind::Integrity, "{findings:?}");
    assert!(
        findings[0].message.contains("idx_ports_status"),
        "{findings:?}"
    );
}

#[test]
fn verifying_can_be_stopped_at_each_step() {
    let registry = Registry::new();
    let calls = Cell::new(0);
    registry
        .keeper
        .verify(Watch::new(|_| {
            calls.set(calls.get() + 1);
            ControlFlow::Continue(())
        }))
        .unwrap();
    for step in 1..=calls.get().min(18) {
        let calls = Cell::new(0);
        let watch = Watch::new(|_| {
            calls.set(calls.get() + 1);
            if calls.get() == step {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let stopped = registry.keeper.verify(watch).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Cancelled, "step {step}");
    }
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
