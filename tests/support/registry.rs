//! A registry in a folder of its own, and what is in it.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use portkeeper_core::{FindingKind, Keeper, PortRequest, ReserveRequest, Severity, Watch};
use rusqlite::Connection;
use tempfile::TempDir;

pub struct Registry {
    pub folder: TempDir,
    pub keeper: Keeper,
}

impl Registry {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
        Self { folder, keeper }
    }

    /// One with claims, a role, tags, released ports and a configuration.
    pub fn filled() -> Self {
        let registry = Self::new();
        let keeper = &registry.keeper;
        let web = ReserveRequest::new("my-app")
            .description("it's a\n\"dev\" sërver; -- ;")
            .tag("frontend")
            .metadata(r#"{"team": "alpha", "n": 1.5}"#)
            .adopt(true);
        keeper.reserve(22_600, web).unwrap();
        reserve(keeper, 22_601, "shop");
        reserve(keeper, 22_602, "gone");
        keeper.release(22_602).unwrap();
        let roles = PortRequest::new("my-app").roles(["web", "api"]);
        keeper.request(roles.range(22_610..=22_640)).unwrap();
        raw(
            keeper.path(),
            "INSERT INTO configurations (name, data, version, createdAt) \
             VALUES ('team', '{\"ports\": []}', '1', '2024-01-20T10:30:00Z')",
        );
        // Another program, for which the triggers write the history.
        let other = Connection::open(keeper.path()).unwrap();
        other
            .execute_batch("UPDATE ports SET description = 'two\r\nlines' WHERE number = 22601")
            .unwrap();
        registry
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn backup(&self, name: &str) -> PathBuf {
        self.keeper
            .backup(self.path(name), Watch::none())
            .unwrap()
            .path
    }

    /// Runs SQL as a program without any of our care.
    pub fn raw(&self, sql: &str) {
        raw(self.keeper.path(), sql);
    }

    /// What is wrong with it.
    pub fn findings(&self) -> Vec<(FindingKind, Severity, Option<i64>)> {
        let findings = self.keeper.verify(Watch::none()).unwrap();
        findings
            .into_iter()
            .map(|finding| (finding.kind, finding.severity, finding.port))
            .collect()
    }

    /// The files in the folder, but for SQLite's own beside the registry.
    pub fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "database.db-wal" && name != "database.db-shm")
            .collect();
        files.sort();
        files
    }
}

pub fn reserve(keeper: &Keeper, port: u16, project: &str) {
    keeper
        .reserve(port, ReserveRequest::new(project).adopt(true))
        .unwrap();
}

/// Runs SQL as a program without any of our care.
pub fn raw(path: &Path, sql: &str) {
    let raw = Connection::open(path).unwrap();
    let off = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER;
    raw.set_db_config(off, false).unwrap();
    raw.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;")
        .unwrap();
    raw.execute_batch(sql).unwrap();
}

/// Every value of the tables that a backup brings back, as text.
pub fn content(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let mut lines = Vec::new();
    for sql in [
        "SELECT * FROM ports ORDER BY number",
        "SELECT * FROM port_history ORDER BY id",
        "SELECT * FROM configurations ORDER BY id",
        "SELECT port, role, expiresAt, ownerPid FROM leases ORDER BY port",
    ] {
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query(()).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<String> = (0..columns)
                .map(|column| format!("{:?}", row.get_ref(column).unwrap()))
                .collect();
            lines.push(values.join("|"));
        }
    }
    lines
}
