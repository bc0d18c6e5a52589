//! The schema as other programs meet it: it parses on old versions, and documented queries are fast.

use std::process::Command;

use portkeeper_migrations::ALL;
use rusqlite::Connection;

#[path = "support/store_foreign.rs"]
#[allow(dead_code)]
mod foreign;

use foreign::database;

/// The documented query, and those that the engine asks most.
const SORTED_BY_INDEX: [&str; 4] = [
    "SELECT h.action, h.performedAt, h.projectName, h.description, h.details FROM port_history h \
     WHERE h.port = 3000 ORDER BY h.performedAt DESC",
    "SELECT * FROM port_history WHERE port = 3000 ORDER BY performedAt DESC, id DESC LIMIT 10",
    "SELECT * FROM port_history WHERE projectName = 'a' ORDER BY performedAt DESC, id DESC LIMIT 10",
    "SELECT * FROM ports WHERE projectName = 'my-app' ORDER BY number",
];

#[test]
fn documented_queries_are_sorted_by_an_index() {
    for (ports, entries) in [(0, 0), (1, 3), (5, 40), (300, 30_000)] {
        let connection = database();
        fill(&connection, ports, entries);
        for analysed in [false, true] {
            if analysed {
                connection.execute_batch("ANALYZE").unwrap();
            }
            for query in SORTED_BY_INDEX {
                let plan = plan(&connection, query);
                assert!(
                    plan.contains("USING INDEX") && !plan.contains("TEMP B-TREE"),
                    "{ports} ports, {entries} entries, analysed: {analysed}: {query}: {plan}"
                );
            }
        }
    }
}

#[test]
fn the_newest_entry_of_one_second_comes_first() {
    let connection = database();
    fill(&connection, 1, 40);
    connection
        .execute(
            "UPDATE port_history SET performedAt = '2024-01-20 10:30:00'",
            (),
        )
        .unwrap();
    let mut statement = connection
        .prepare("SELECT h.id FROM port_history h WHERE h.port = 3000 ORDER BY h.performedAt DESC")
        .unwrap();
    let ids: Vec<i64> = statement
        .query_map((), |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let newest_first: Vec<i64> = (1..=41).rev().collect();
    assert_eq!(ids, newest_first);
}

/// The documented statements themselves, on a database with rows.
#[test]
fn documented_maintenance_works() {
    let connection = database();
    fill(&connection, 3, 10);
    connection
        .execute_batch(
            "DELETE FROM port_history WHERE julianday('now') - julianday(performedAt) > 365;
             DELETE FROM active_scans WHERE julianday('now') - julianday(scannedAt) > 7;
             VACUUM; ANALYZE;",
        )
        .unwrap();
    let left: i64 = connection
        .query_row("SELECT count(*) FROM port_history", (), |row| row.get(0))
        .unwrap();
    assert_eq!(left, 3, "the entries of 2024 are old");
    let ok: String = connection
        .query_row("PRAGMA integrity_check", (), |row| row.get(0))
        .unwrap();
    assert_eq!(ok, "ok");
}

/// A program whose SQLite cannot parse one trigger cannot read the file at all.
#[test]
fn an_old_sqlite_reads_and_writes_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let connection = Connection::open(&path).unwrap();
    for migration in ALL {
        connection.execute_batch(migration.sql).unwrap();
    }
    connection.close().unwrap();
    // Python brings the SQLite of the system, which is years behind the one compiled in here.
    let script = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(\"INSERT INTO ports (number, projectName, status) VALUES (3000, 'a', 'reserved')\")
db.execute(\"UPDATE ports SET status = 'in-use'\")
for query in (
    'SELECT group_concat(action) FROM (SELECT action FROM port_history ORDER BY id)',
    'SELECT reserved_count || in_use_count FROM v_port_summary',
    'SELECT ports FROM v_project_ports',
    'PRAGMA integrity_check',
):
    print(db.execute(query).fetchone()[0])
";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "reserved,in-use\n01\n3000\nok\n",
        "{output:?}"
    );
}

fn fill(connection: &Connection, ports: u32, entries: u32) {
    let insert = "
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
        INSERT INTO ports (number, projectName, status)
        SELECT 3000 + i, 'project' || (i % 20), 'reserved' FROM n WHERE ?1 > 0";
    connection.execute(insert, [ports]).unwrap();
    connection
        .execute(
            "UPDATE port_history SET performedAt = strftime('%Y-%m-%dT%H:%M:%SZ', 'now')",
            (),
        )
        .unwrap();
    let insert = "
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
        INSERT INTO port_history (port, action, projectName, performedAt)
        SELECT 3000 + i % ?1, 'reserved', 'project' || (i % ?1 % 20), '2024-01-20T10:30:00Z'
        FROM n WHERE ?2 > 0";
    connection.execute(insert, [ports, entries]).unwrap();
}

fn plan(connection: &Connection, query: &str) -> String {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
        .unwrap();
    let steps: Vec<String> = statement
        .query_map((), |row| row.get("detail"))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    steps.join("; ")
}
