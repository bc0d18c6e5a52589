//! Another program writes to the database while a keeper has it open, with plain SQLite and what the
//! documentation says; and a database that such a program made is adopted. The engine reads all of it.

use std::{net::TcpListener, path::Path, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use portkeeper_core::{
    Action, ErrorKind, Filter, HistoryQuery, Keeper, Options, PortRequest, Release, ReserveRequest,
    Status,
};
use rusqlite::Connection;

/// A program that knows SQLite and the documentation. Triggers are on, foreign keys are not checked.
fn plain(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db
}

struct Shared {
    keeper: Keeper,
    other: Connection,
    _folder: tempfile::TempDir,
}

impl Shared {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.db");
        let options = Options::new().path(&path).actor("engine");
        Self {
            keeper: options.open().unwrap(),
            other: plain(&path),
            _folder: folder,
        }
    }

    fn write(&self, sql: &str) {
        self.other.execute_batch(sql).unwrap();
    }

    /// The history of a port, newest first: action, project, who and why.
    fn history(&self, port: u16) -> Vec<String> {
        history(&self.keeper, port)
    }

    fn holder(&self, port: u16, time: DateTime<Utc>) -> Option<(String, Status)> {
        let holder = self.keeper.holder_at(port, time).unwrap();
        holder.map(|holder| (holder.project_name, holder.status))
    }
}

fn history(keeper: &Keeper, port: u16) -> Vec<String> {
    let entries = keeper.history(HistoryQuery::port(port)).unwrap();
    let line = |entry: &portkeeper_core::HistoryEntry| {
        let project = entry.project_name.as_deref().unwrap_or("nobody");
        let who = entry.performed_by.as_deref().unwrap_or("?");
        let reason = entry
            .details
            .get("reason")
            .and_then(|reason| reason.as_str());
        format!(
            "{} {project} by {who}: {}",
            entry.action,
            reason.unwrap_or("-")
        )
    };
    entries.iter().map(line).collect()
}

fn numbers(rows: &[portkeeper_core::Reservation]) -> Vec<u16> {
    rows.iter().map(|row| row.number).collect()
}

fn claim(project: &str) -> ReserveRequest {
    ReserveRequest::new(project).adopt(true)
}

#[test]
fn a_positional_insert_is_a_claim_like_any_other() {
    let shared = Shared::new();
    let keeper = &shared.keeper;
    shared.write(
        r#"INSERT INTO ports VALUES (3000, 'shop', 'web', 'reserved', NULL, NULL, datetime('now'),
           NULL, datetime('now'), 1, '["a","b"]', '{"team":"alpha"}')"#,
    );

    let row = keeper.get(3000).unwrap().unwrap();
    assert_eq!(
        (row.project_name.as_str(), row.status),
        ("shop", Status::Reserved)
    );
    assert_eq!(row.description.as_deref(), Some("web"));
    assert_eq!(row.tags, ["a", "b"]);
    assert_eq!(row.metadata["team"], "alpha");
    assert!(row.auto_release && row.lease.is_none());
    assert!((Utc::now() - row.reserved_at).abs() < TimeDelta::minutes(1));
    assert_eq!(keeper.list(Filter::claims().tag("b")).unwrap(), [row]);
    assert_eq!(
        shared.history(3000),
        ["reserved shop by ?: inserted by another writer"]
    );

    // In the same second, most likely: the order is that of the changes.
    let refusal = keeper
        .reserve(3000, ReserveRequest::new("blog"))
        .unwrap_err();
    assert_eq!(
        (refusal.kind(), refusal.project()),
        (ErrorKind::PortReserved, Some("shop"))
    );
    let row = keeper
        .reserve(3000, claim("shop").description("api"))
        .unwrap();
    assert_eq!(row.description.as_deref(), Some("api"));
    keeper.release(3000).unwrap();
    keeper.reserve(3000, claim("blog")).unwrap();
    shared.write("UPDATE ports SET status = 'free' WHERE number = 3000");
    assert_eq!(
        shared.history(3000),
        [
            "released blog by ?: updated by another writer",
            "reserved blog by engine: requested",
            "released shop by engine: requested",
            "reserved shop by engine: updated",
            "reserved shop by ?: inserted by another writer",
        ]
    );
    assert_eq!(shared.holder(3000, Utc::now()), None);
    assert_eq!(keeper.list(Filter::claims()).unwrap(), []);
    assert_eq!(keeper.summary().unwrap().free, 1);
}

#[test]
fn a_replaced_or_upserted_row_changes_hands_once() {
    let shared = Shared::new();
    let keeper = &shared.keeper;
    keeper.reserve(3000, claim("shop")).unwrap();
    shared.write(
        "INSERT OR REPLACE INTO ports (number, projectName, status) VALUES (3000, 'blog', 'reserved')",
    );
    assert_eq!(
        shared.holder(3000, Utc::now()),
        Some(("blog".to_owned(), Status::Reserved))
    );
    let refusal = keeper
        .release(Release::port(3000).only_of("shop"))
        .unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved);

    shared.write(
        "INSERT INTO ports (number, projectName, status) VALUES (3000, 'blog', 'in-use')
         ON CONFLICT (number) DO UPDATE SET status = excluded.status, pid = 4711, processName = 'node'",
    );
    let row = keeper.get(3000).unwrap().unwrap();
    assert_eq!((row.status, row.pid), (Status::InUse, Some(4711)));
    assert_eq!(
        shared.holder(3000, Utc::now()),
        Some(("blog".to_owned(), Status::InUse))
    );
    let projects = keeper.projects().unwrap();
    assert_eq!((projects.len(), projects[0].active_count), (1, 1));

    shared.write("DELETE FROM ports WHERE number = 3000");
    assert_eq!(keeper.get(3000).unwrap(), None);
    assert_eq!(
        shared.history(3000),
        [
            "released blog by ?: deleted by another writer",
            "in-use blog by ?: updated by another writer",
            "reserved blog by ?: handed over by another writer",
            "reserved shop by engine: requested",
        ]
    );
    keeper.reserve(3000, claim("shop")).unwrap();
}

#[test]
fn a_lease_ends_with_the_claim_that_another_writer_takes() {
    let shared = Shared::new();
    let request = PortRequest::new("shop").range(23_000..=23_999);
    let lease = shared.keeper.lease(request).unwrap();
    let port = lease.port();
    shared.write(&format!(
        "INSERT OR REPLACE INTO ports (number, projectName, status) VALUES ({port}, 'blog', 'reserved')"
    ));
    assert_eq!(shared.keeper.get(port).unwrap().unwrap().lease, None);
    drop(lease);
    assert_eq!(
        shared.holder(port, Utc::now()),
        Some(("blog".to_owned(), Status::Reserved))
    );
}

#[test]
fn a_scan_takes_the_place_of_what_another_scanner_wrote() {
    let shared = Shared::new();
    let keeper = &shared.keeper;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let seen = format!(
        "INSERT INTO active_scans (port, pid, processName, state) VALUES ({port}, 1, 'old', 'LISTEN')
         ON CONFLICT (port, pid) DO UPDATE SET processName = 'new', scannedAt = datetime('now')"
    );
    shared.write(&seen);
    shared.write(&seen);
    let me = std::process::id();
    shared.write(&format!(
        "INSERT INTO ports (number, projectName, status, pid, processName)
         VALUES ({port}, 'shop', 'reserved', 1, 'old')"
    ));

    let report = keeper.scan().unwrap();
    let ours = report.changes.iter().find(|change| change.port == port);
    assert_eq!(ours.unwrap().to, Status::InUse);
    let pids = |sql: &str| -> Vec<u32> {
        let mut statement = shared.other.prepare(sql).unwrap();
        let rows = statement.query_map([port], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(pids("SELECT pid FROM active_scans WHERE port = ?1"), [me]);
    assert_eq!(pids("SELECT pid FROM ports WHERE number = ?1"), [me]);

    // The same statement still works on what the engine wrote.
    shared.write(&seen.replace("1, 'old'", &format!("{me}, 'old'")));
    drop(server);
    keeper.scan().unwrap();
    assert_eq!(pids("SELECT pid FROM active_scans WHERE port = ?1"), [0; 0]);
    let actions: Vec<Action> = keeper
        .history(HistoryQuery::port(port))
        .unwrap()
        .iter()
        .map(|entry| entry.action)
        .collect();
    assert_eq!(actions, [Action::Reserved, Action::InUse, Action::Reserved]);
}

#[test]
fn both_forms_of_a_timestamp_are_in_one_order() {
    let shared = Shared::new();
    let keeper = &shared.keeper;
    for (port, days, form) in [
        (3001, 50, "%Y-%m-%d %H:%M:%S"),
        (3002, 40, "%Y-%m-%dT%H:%M:%SZ"),
        (3003, 45, "%Y-%m-%d %H:%M:%S"),
        (3004, 20, "%Y-%m-%d %H:%M:%S"),
    ] {
        shared.write(&format!(
            "INSERT INTO ports (number, projectName, status, reservedAt)
             VALUES ({port}, 'shop', 'reserved', strftime('{form}', 'now', '-{days} days'))"
        ));
    }
    let stale = keeper.stale(Keeper::STALE_AFTER).unwrap();
    let ages: Vec<(u16, i64)> = stale
        .iter()
        .map(|stale| (stale.reservation.number, stale.days_old.round() as i64))
        .collect();
    assert_eq!(ages, [(3001, 50), (3003, 45), (3002, 40)]);

    keeper.reserve(3000, claim("now")).unwrap();
    // Written later, happened earlier; and the other way round.
    for (project, when, form) in [
        ("an hour ago", "-1 hour", "%Y-%m-%d %H:%M:%S"),
        ("two hours ago", "-2 hours", "%Y-%m-%dT%H:%M:%SZ"),
        ("three hours ago", "-3 hours", "%Y-%m-%d %H:%M:%f"),
    ] {
        shared.write(&format!(
            "INSERT INTO port_history (port, action, projectName, performedAt)
             VALUES (3000, 'reserved', '{project}', strftime('{form}', 'now', '{when}'))"
        ));
    }
    let projects = |query: HistoryQuery| -> Vec<String> {
        let entries = keeper.history(query).unwrap();
        entries
            .into_iter()
            .filter_map(|entry| entry.project_name)
            .collect()
    };
    let all = ["now", "an hour ago", "two hours ago", "three hours ago"];
    assert_eq!(projects(HistoryQuery::port(3000)), all);
    let back = |minutes: i64| Utc::now() - TimeDelta::minutes(minutes);
    assert_eq!(
        projects(HistoryQuery::port(3000).since(back(150))),
        all[..3]
    );
    assert_eq!(projects(HistoryQuery::port(3000).until(back(90))), all[2..]);
    let holder = shared.holder(3000, back(90)).unwrap();
    assert_eq!(holder.0, "two hours ago");
}

/// What the documented schema accepts before the engine sees it, and what another program may still
/// store afterwards.
#[test]
fn no_value_of_another_program_keeps_the_engine_from_reading_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let other = plain(&path);
    other
        .execute_batch(portkeeper_migrations::ALL[0].sql)
        .unwrap();
    other
        .execute_batch(
            r#"
            INSERT INTO ports (number, projectName, status) VALUES
                (0, 'zero', 'reserved'), (-1, 'less', 'in-use'), (70000, 'more', 'reserved'),
                (3000, 'shop', 'reserved'), (3001, x'73686f70', 'reserved'),
                (3002, CAST(x'6eff' AS TEXT), 'reserved');
            UPDATE ports SET tags = '["a", 1, null, "b"]', metadata = '[]' WHERE number = 3000;
            UPDATE ports SET tags = '{broken', metadata = 'null', description = x'7765ff',
                processName = x'00', pid = -5, autoRelease = 'yes' WHERE number = 3001;
            UPDATE ports SET tags = x'5b5d', metadata = x'ff', pid = 'node', autoRelease = 2,
                reservedAt = x'00', lastSeenAt = 'never', updatedAt = '' WHERE number = 3002;
            INSERT INTO ports (number, projectName, status, pid, autoRelease)
                VALUES (3003, '', 'free', 1099511627776, 0.5);
            INSERT INTO port_history (port, action, projectName, performedBy, performedAt, details) VALUES
                (70000, 'reserved', 'more', 'x', 'yesterday', '{}'),
                (3000.5, 'reserved', 'half', 'x', '2024-01-20 10:30:00', '{}'),
                ('abc', 'reserved', 'text', 'x', '2024-01-20 10:30:00', '{}'),
                (3001, 'reserved', x'73686f70', x'ff', x'00', '{broken'),
                (3001, 'killed', NULL, NULL, '', '5');
            INSERT INTO active_scans (port, pid, scannedAt) VALUES ('abc', 'x', 'never');
            "#,
        )
        .unwrap();
    let keeper = Options::new().path(&path).actor("engine").open().unwrap();
    // Afterwards the triggers refuse most of that, and let this pass.
    other
        .execute_batch(
            "INSERT INTO ports (number, projectName, status) VALUES (3004, 'shop', 'in-use');
             INSERT INTO ports (number, projectName, status, processName)
                VALUES (3005, CAST(x'73ff' AS TEXT), 'in-use', CAST(x'ff' AS TEXT));
             INSERT INTO port_history (port, action, projectName, performedBy, description)
                VALUES (3004, 'reserved', CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT));",
        )
        .unwrap();
    for pid in ["-1", "4294967296", "'node'"] {
        let row = format!(
            "INSERT INTO ports (number, projectName, status, pid) VALUES (3006, 'a', 'in-use', {pid})"
        );
        let refusal = other.execute_batch(&row).unwrap_err().to_string();
        assert!(refusal.contains("pid must be an integer"), "{refusal}");
    }

    let rows = keeper.list(Filter::claims()).unwrap();
    assert_eq!(numbers(&rows), [3000, 3001, 3002, 3004, 3005]);
    for row in &rows {
        assert_eq!(keeper.get(row.number).unwrap().as_ref(), Some(row));
        let holder = keeper.holder_at(row.number, Utc::now()).unwrap();
        assert!(holder.is_some(), "{row:?}");
    }
    assert_eq!(rows[0].tags, ["a", "b"]);
    assert!(rows[0].metadata.is_empty());
    assert_eq!(rows[1].project_name, "shop");
    assert_eq!(rows[1].description.as_deref(), Some("we\u{fffd}"));
    assert!(
        rows[1..]
            .iter()
            .all(|row| row.tags.is_empty() && row.pid.is_none())
    );
    assert_eq!(
        numbers(&keeper.list(Filter::claims().tag("a")).unwrap()),
        [3000]
    );
    let all = keeper.history(HistoryQuery::all()).unwrap();
    assert!(
        all.iter().all(|entry| (3000..=3005).contains(&entry.port)),
        "{all:?}"
    );
    assert_eq!(keeper.history(HistoryQuery::port(3001)).unwrap().len(), 3);
    assert_eq!(keeper.projects().unwrap().len(), 4);
    assert!(keeper.summary().unwrap().total >= 9);
    keeper.stale(TimeDelta::zero()).unwrap();
    keeper.scan().unwrap();
    keeper.check(3001).unwrap();
    keeper
        .request(PortRequest::new("new").range(3000..=3999))
        .unwrap();
    for row in rows {
        keeper.release(row.number).unwrap();
        let row = keeper.reserve(row.number, claim("mine").tag("t")).unwrap();
        assert_eq!(keeper.get(row.number).unwrap(), Some(row));
    }
}
