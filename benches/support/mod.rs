//! Registries of the sizes that the benchmarks need, and SQLite without an engine to compare with.
#![allow(dead_code, reason = "every benchmark uses a part of it")]

use std::{net::SocketAddr, path::Path};

use portkeeper_core::{Durability, Keeper, Options};
use rusqlite::{Connection, params};
use socket2::{Domain, Socket, Type};

/// A port outside the ephemeral range, free on any machine that nobody set up otherwise.
pub const PORT: u16 = 23_456;

pub const NOW: &str = "2026-11-23T12:00:00Z";

pub fn keeper(path: &Path, durability: Durability) -> Keeper {
    Options::new()
        .path(path)
        .durability(durability)
        .open()
        .expect("a registry")
}

/// A connection with the engine's settings, and nothing else of the engine.
pub fn bare(path: &Path, durability: Durability) -> Connection {
    let db = Connection::open(path).expect("a connection");
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    db.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    db.pragma_update(None, "synchronous", synchronous)
        .expect("synchronous");
    db.pragma_update(None, "foreign_keys", true)
        .expect("foreign keys");
    db.set_db_config(
        rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        false,
    )
    .expect("no triggers");
    db
}

/// The rows of one reservation, as few statements as can write them.
pub fn bare_reserve(db: &Connection, port: u16, project: &str) {
    bare_request(db, &[port], project);
}

/// The rows of several, in one transaction.
pub fn bare_request(db: &Connection, ports: &[u16], project: &str) {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        db.prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .expect("the statement runs");
    };
    run("BEGIN IMMEDIATE", &[]);
    for port in ports {
        run(
            "INSERT INTO ports (number, projectName, status, reservedAt, updatedAt, autoRelease) \
             VALUES (?1, ?2, 'reserved', ?3, ?3, 0) ON CONFLICT (number) DO UPDATE SET \
             projectName = ?2, status = 'reserved', reservedAt = ?3, updatedAt = ?3",
            params![port, project, NOW],
        );
        run(
            "INSERT INTO port_history (port, action, projectName, performedBy, performedAt, details) \
             VALUES (?1, 'reserved', ?2, 'bench (pid 12345)', ?3, '{\"reason\":\"requested\"}')",
            params![port, project, NOW],
        );
    }
    run("COMMIT", &[]);
}

pub fn bare_point_read(db: &Connection, port: u16) -> bool {
    db.prepare_cached("SELECT * FROM ports WHERE number = ?1")
        .and_then(|mut statement| statement.exists([port]))
        .expect("a read")
}

/// The one bind that sees every kind of TCP holder.
pub fn bare_probe(port: u16) -> bool {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
    socket.set_only_v6(false).expect("dual stack");
    socket.set_reuse_address(true).expect("SO_REUSEADDR");
    socket
        .bind(&SocketAddr::from(([0u16; 8], port)).into())
        .is_ok()
}

/// Fills the registry with a claim on every port.
pub fn claim_every_port(path: &Path) {
    bulk(path, |db| {
        db.execute(
            "WITH RECURSIVE n(port) AS (SELECT 1 UNION ALL SELECT port + 1 FROM n WHERE port < 65535) \
             INSERT INTO ports (number, projectName, description, status, reservedAt, updatedAt, \
             autoRelease, tags, metadata) \
             SELECT port, 'project ' || (port % 500), 'one of many', 'reserved', ?1, ?1, 0, \
             '[\"frontend\",\"dev\"]', '{\"team\":\"alpha\"}' FROM n",
            [NOW],
        )
        .map(drop)
    });
}

/// Adds `entries` to the history, spread over a thousand ports.
pub fn fill_history(path: &Path, entries: u32) {
    bulk(path, |db| {
        db.execute(
            "INSERT OR IGNORE INTO ports (number, projectName, status, reservedAt, updatedAt) \
             SELECT 30000 + value, 'project', 'reserved', ?1, ?1 FROM json_each(?2)",
            params![NOW, format!("{:?}", (0..1000).collect::<Vec<_>>())],
        )?;
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1) \
             INSERT INTO port_history (port, action, projectName, performedBy, performedAt, details) \
             SELECT 30000 + i % 1000, CASE i / 1000 % 2 WHEN 0 THEN 'reserved' ELSE 'released' END, \
             'project', 'bench', strftime('%Y-%m-%dT%H:%M:%SZ', 1700000000 + i, 'unixepoch'), \
             '{\"reason\":\"requested\"}' FROM n",
            [entries],
        )
        .map(drop)
    });
}

fn bulk(path: &Path, fill: impl Fn(&Connection) -> rusqlite::Result<()>) {
    let db = bare(path, Durability::Normal);
    db.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
    fill(&db).expect("the rows are written");
    db.execute_batch("COMMIT").expect("a commit");
}
