//! Verifying finds what is wrong with a registry.

#[path = "support/registry.rs"]
mod registry;

use std::{cell::Cell, ops::ControlFlow};

use portkeeper_core::{ErrorKind, FindingKind, Severity, Watch};
use registry::{Registry, reserve};

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
