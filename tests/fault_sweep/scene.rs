//! The registries that are spoiled, and what is in them.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use portkeeper_core::{Durability, Keeper, Options, ReserveRequest, Result, Watch};
use rusqlite::Connection;

use crate::syscalls::folder;

/// Below the ephemeral range, and used by no other test.
pub const FIRST: u16 = 19_400;

/// What a registry holds, without times and ids, so that two runs compare.
pub fn content(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let whole: String = db
        .query_row("PRAGMA integrity_check", (), |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
    let mut lines = Vec::new();
    for sql in [
        "SELECT number || '|' || projectName || '|' || status || '|' || ifnull(description, '') || '|' || \
         autoRelease FROM ports ORDER BY number",
        "SELECT port || '|' || action || '|' || projectName || '|' || ifnull(description, '') FROM \
         port_history ORDER BY id",
        "SELECT ifnull(name, '') || length(data) FROM configurations ORDER BY id",
        "SELECT port || ifnull(role, '') FROM leases ORDER BY port",
        "SELECT port || '' FROM active_scans WHERE port BETWEEN 19400 AND 19499",
    ] {
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement
            .query_map((), |row| row.get::<_, String>(0))
            .unwrap();
        lines.extend(rows.map(Result::<String, _>::unwrap));
    }
    lines
}

/// Files that every run begins with.
pub struct Prepared {
    folder: tempfile::TempDir,
    _server: TcpListener,
}

impl Prepared {
    pub fn new() -> Self {
        let folder = folder();
        let server =
            (FIRST + 60..FIRST + 100).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
        let server = server.unwrap();
        let served = server.local_addr().unwrap().port();
        let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
        for port in FIRST..FIRST + 20 {
            reserve(&keeper, port, "kept").unwrap();
        }
        reserve(&keeper, served, "server").unwrap();
        keeper
            .backup(folder.path().join("backup.db"), Watch::none())
            .unwrap();
        reserve(&keeper, FIRST + 20, "kept").unwrap();
        Self {
            folder,
            _server: server,
        }
    }

    /// A registry and a backup in a new folder. With a log beside it, as a killed process leaves it.
    pub fn copy(&self) -> (tempfile::TempDir, PathBuf) {
        let copy = folder();
        for name in ["database.db", "backup.db"] {
            fs::copy(self.folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let path = copy.path().join("database.db");
        (copy, path)
    }
}

pub fn reserve(keeper: &Keeper, port: u16, project: &str) -> Result<()> {
    let request = ReserveRequest::new(project)
        .description("one, two")
        .tag("tag");
    keeper.reserve(port, request.adopt(true)).map(drop)
}

pub fn open(path: &Path) -> Result<Keeper> {
    let options = Options::new().path(path).actor("sweep");
    let options = options.busy_timeout(Duration::from_millis(300));
    options.durability(Durability::Full).open()
}

/// What would be there if the process had been killed now: the index of the log is made anew.
pub fn after_a_crash(path: &Path, folder: &Path) -> Vec<String> {
    fs::create_dir(folder).unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("{}{suffix}", path.file_name().unwrap().to_string_lossy());
        let _ = fs::copy(path.with_file_name(&name), folder.join(&name));
    }
    content(&folder.join(path.file_name().unwrap()))
}
