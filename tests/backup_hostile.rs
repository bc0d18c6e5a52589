//! Sources that nobody should trust: an error that says why, and nothing changed.

#[path = "support/registry.rs"]
mod registry;

use std::{fs, path::Path, time::Duration};

use portkeeper_core::{ErrorKind, Filter, Keeper, ReserveRequest, Watch};
use registry::{Registry, content, raw, reserve};

/// A registry of one claim, altered by `make`, and what a restore of it must say.
fn check(make: impl FnOnce(&Path), kind: ErrorKind, phrase: &str) {
    let registry = Registry::filled();
    let source = registry.path("source.db");
    drop(Keeper::open_at(&source).map(|keeper| reserve(&keeper, 22_600, "theirs")));
    make(&source);
    let bytes = bytes(&source);
    let (before, files) = (content(registry.keeper.path()), registry.files());
    let error = registry.keeper.restore(&source, Watch::none()).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let message = error.to_string();
    assert!(message.contains(phrase), "{message}: no {phrase}");
    assert!(
        message.contains("source.db") || message.contains("database.db"),
        "{message}"
    );
    assert!(message.len() < 1_000, "{}", message.len());
    assert_eq!(content(registry.keeper.path()), before, "{message}");
    assert_eq!(registry.files(), files, "{message}");
    assert!(self::bytes(&source) == bytes, "{message}");
}

/// What a file holds, unless that would take long.
fn bytes(path: &Path) -> Option<Vec<u8>> {
    let small = fs::metadata(path).is_ok_and(|file| file.len() < 1 << 28);
    small.then(|| fs::read(path).ok()).flatten()
}

fn sql(text: &str) -> impl FnOnce(&Path) + use<> {
    let text = text.to_owned();
    move |path| raw(path, &text)
}

fn file(bytes: impl Into<Vec<u8>>) -> impl FnOnce(&Path) {
    let bytes = bytes.into();
    move |path| fs::write(path, bytes).unwrap()
}

#[test]
fn values_that_break_a_rule_are_named() {
    let set = |column: &str, value: &str| {
        sql(&format!(
            "UPDATE ports SET {column} = {value} WHERE number = 22600"
        ))
    };
    let kind = ErrorKind::DatabaseCorrupt;
    let row = "row 22600 of its table ports";
    check(
        sql("INSERT INTO ports (number, projectName, status) VALUES (70000, 'a', 'reserved')"),
        kind,
        "row 70000 of its table ports: port 70000 is not in 1..=65535",
    );
    check(
        sql("INSERT INTO ports (number, projectName, status) VALUES (0, 'a', 'free')"),
        kind,
        "port 0",
    );
    check(set("tags", "'[\"a\"'"), kind, "tags is not a JSON array");
    check(set("tags", "'{\"a\":1}'"), kind, "tags is not a JSON array");
    check(
        set("metadata", "'[]'"),
        kind,
        "metadata is not a JSON object",
    );
    let open = "replace(hex(zeroblob(50000)), '0', '[')";
    check(set("metadata", open), kind, "metadata is not a JSON object");
    check(
        set("description", "hex(zeroblob(5000000))"),
        kind,
        "description has 10000000 bytes",
    );
    check(set("projectName", "hex(zeroblob(5000000))"), kind, row);
    check(set("projectName", "' '"), kind, "project name is required");
    check(
        set("projectName", "x'41'"),
        kind,
        "projectName is not a text",
    );
    check(
        set("projectName", "CAST(x'ff' AS TEXT)"),
        kind,
        "projectName is not valid UTF-8",
    );
    check(set("pid", "-1"), kind, "pid is -1");
    check(set("pid", "'x'"), kind, "pid is not an integer");
    check(set("reservedAt", "'once'"), kind, "reservedAt is \"once\"");
    check(set("autoRelease", "7"), kind, "autoRelease is 7");
    let entry = |values: &str| {
        sql(&format!(
            "INSERT INTO port_history (port, action, projectName, performedAt, details) VALUES ({values})"
        ))
    };
    check(
        entry("70000, 'reserved', 'a', '2024-01-20T10:30:00Z', NULL"),
        kind,
        "its table port_history: port 70000",
    );
    check(
        entry("3000, 'reserved', 'a', 'x', NULL"),
        kind,
        "performedAt is \"x\"",
    );
    check(
        entry("3000, 'reserved', 'a', '2024-01-20T10:30:00Z', '1'"),
        kind,
        "details is not a JSON object",
    );
    check(
        entry("3000, 'reserved', 'a', '2024-01-20T10:30:00Z', hex(zeroblob(5000000))"),
        kind,
        "details has",
    );
    check(
        sql("INSERT INTO configurations (name, data, version) VALUES ('a', x'00', '1')"),
        kind,
        "data is not a text",
    );
    check(
        sql(
            "INSERT INTO configurations (name, data, version) VALUES ('a', zeroblob(70000000), '1')",
        ),
        ErrorKind::DatabaseError,
        "too big",
    );
}

#[test]
fn other_schemas_are_refused() {
    let kind = ErrorKind::SchemaMismatch;
    check(
        sql("ALTER TABLE ports RENAME TO hidden; CREATE VIEW ports AS SELECT * FROM hidden"),
        kind,
        "no table ports",
    );
    check(
        sql(
            "ALTER TABLE port_history RENAME TO hidden; CREATE VIEW port_history AS SELECT * FROM hidden",
        ),
        kind,
        "port_history",
    );
    check(
        sql("ALTER TABLE ports ADD COLUMN more TEXT AS (projectName || 'x')"),
        kind,
        "table ports is not",
    );
    check(
        sql("UPDATE migrations SET checksum = 'x'"),
        kind,
        "checksums differ",
    );
    check(sql("PRAGMA application_id = 7"), kind, "another program");
    let tables = "CREATE TABLE notes (text)";
    check(
        |path| {
            fs::remove_file(path).unwrap();
            raw(path, tables)
        },
        kind,
        "not a Port Keeper database",
    );
    check(
        |path| {
            fs::remove_file(path).unwrap();
            raw(path, "CREATE TABLE t (x); DROP TABLE t")
        },
        kind,
        "not a Port Keeper database",
    );
    check(
        file("CREATE TABLE notes (text);"),
        kind,
        "not a Port Keeper database",
    );
    check(
        sql("PRAGMA user_version = 9"),
        ErrorKind::SchemaTooNew,
        "version 9",
    );
    check(
        sql("INSERT INTO migrations (id, version) VALUES (9, '0009')"),
        ErrorKind::SchemaTooNew,
        "version 9",
    );
}

#[test]
fn files_that_are_no_database() {
    let kind = ErrorKind::DatabaseCorrupt;
    check(file(""), kind, "empty");
    check(file("hello\n"), kind, "not a database");
    check(file("hello\n".repeat(5_000)), kind, "not a database");
    check(
        file([0xff, 0xfe, 0, 1].repeat(2_000)),
        kind,
        "not a database",
    );
    check(file(b"SQLite format 3\0".to_vec()), kind, "not a database");
    check(
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap()
        },
        ErrorKind::InvalidInput,
        "regular file",
    );
    check(
        |path| fs::remove_file(path).unwrap(),
        ErrorKind::DatabaseError,
        "No such file",
    );
    let live = |path: &Path| path.with_file_name("database.db");
    check(
        |path| {
            fs::remove_file(path).unwrap();
            fs::hard_link(live(path), path).unwrap()
        },
        ErrorKind::InvalidInput,
        "registry itself",
    );
    check(
        |path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink(live(path), path).unwrap()
        },
        ErrorKind::InvalidInput,
        "registry itself",
    );
    check(
        |path| {
            fs::File::create(path)
                .unwrap()
                .set_len((1 << 30) + 1)
                .unwrap()
        },
        ErrorKind::InvalidInput,
        "larger than 1 GiB",
    );
}

/// What a restore would run if it ran anything, it does not run.
#[test]
fn triggers_and_views_of_a_source_do_nothing() {
    let registry = Registry::filled();
    let source = registry.path("source.db");
    reserve(&Keeper::open_at(&source).unwrap(), 22_600, "theirs");
    raw(
        &source,
        "CREATE TABLE extra (x); \
        CREATE VIEW evil AS SELECT writefile('/tmp/portkeeper-evil', 'x'); \
        CREATE TRIGGER evil_insert AFTER INSERT ON ports BEGIN DELETE FROM port_history; END; \
        CREATE TRIGGER evil_update AFTER UPDATE ON ports BEGIN DELETE FROM ports; END;",
    );
    let history = registry.keeper.stats().unwrap().rows["port_history"];
    registry.keeper.restore(&source, Watch::none()).unwrap();
    assert!(registry.keeper.stats().unwrap().rows["port_history"] > history);
    assert!(!registry.keeper.stats().unwrap().rows.contains_key("extra"));
    assert_eq!(registry.keeper.verify(Watch::none()).unwrap(), []);
    let claims = registry.keeper.list(Filter::claims()).unwrap();
    assert_eq!(
        (claims.len(), claims[0].project_name.as_str()),
        (1, "theirs")
    );
}

/// A crafted lease id is not taken over: it would end another port's lease.
#[test]
fn lease_ids_of_a_source_take_nothing_from_others() {
    let registry = Registry::new();
    let request = portkeeper_core::PortRequest::new("tests").range(22_660..=22_690);
    let lease = registry.keeper.lease(request).unwrap();
    let id = lease.reservations()[0].lease.as_ref().unwrap().id.clone();
    let source = registry.path("source.db");
    reserve(&Keeper::open_at(&source).unwrap(), 22_600, "theirs");
    raw(
        &source,
        &format!(
            "INSERT INTO leases (port, leaseId, role, createdAt) VALUES (22600, '{id}', 'web', '2024-01-20T10:30:00Z')"
        ),
    );
    registry.keeper.restore(&source, Watch::none()).unwrap();
    assert_eq!(
        registry
            .keeper
            .get(lease.port())
            .unwrap()
            .unwrap()
            .lease
            .unwrap()
            .id,
        id
    );
    assert_eq!(
        registry.keeper.get(22_600).unwrap().unwrap().role(),
        Some("web")
    );
    assert_eq!(registry.keeper.verify(Watch::none()).unwrap(), []);
}

#[test]
fn a_dump_may_do_nothing_but_build() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    let victim_name = victim.display();
    let mut whole = Vec::new();
    Registry::filled()
        .keeper
        .dump(&mut whole, Watch::none())
        .unwrap();
    let whole = String::from_utf8(whole).unwrap();
    for hostile in [
        format!("ATTACH '{victim_name}.db' AS a"),
        format!("VACUUM INTO '{victim_name}.db'"),
        "SELECT load_extension('x')".to_owned(),
        "PRAGMA journal_mode = WAL".to_owned(),
        "PRAGMA writable_schema = ON".to_owned(),
        "PRAGMA temp_store_directory = '/'".to_owned(),
        "CREATE VIRTUAL TABLE v USING fts5(x)".to_owned(),
        "CREATE TEMP TABLE t (x)".to_owned(),
        "DROP TABLE ports".to_owned(),
        "DELETE FROM port_history".to_owned(),
        "UPDATE ports SET projectName = 'x'".to_owned(),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "INSERT INTO configurations SELECT * FROM configurations".to_owned(),
        "INSERT INTO configurations (name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n".to_owned(),
        "INSERT INTO configurations (name, data, version) VALUES (zeroblob(1000000000), 1, 1)".to_owned(),
        "INSERT INTO configurations (name, data, version) VALUES ((SELECT 1), 1, 1)".to_owned(),
        "SAVEPOINT s".to_owned(),
    ] {
        let script = whole.replace("COMMIT;", &format!("{hostile};\nCOMMIT;"));
        check(file(script), ErrorKind::DatabaseCorrupt, "its statement");
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{hostile}");
    }
}

#[test]
fn a_damaged_registry_is_backed_up_by_nobody() {
    let registry = Registry::new();
    for port in 22_000..22_200 {
        registry
            .keeper
            .reserve(port, ReserveRequest::new("a").adopt(true))
            .unwrap();
    }
    registry.keeper.compact(Watch::none()).unwrap();
    let path = registry.keeper.path().to_owned();
    let Registry { folder, keeper } = registry;
    drop(keeper);
    let mut bytes = fs::read(&path).unwrap();
    let page: usize = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'idx_history_date'",
            (),
            |row| row.get(0),
        )
        .unwrap();
    bytes[(page - 1) * 4_096..page * 4_096].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let keeper = portkeeper_core::Options::new()
        .path(&path)
        .busy_timeout(Duration::from_secs(1))
        .open()
        .unwrap();
    let error = keeper
        .backup(folder.path().join("b.db"), Watch::none())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
    assert!(!folder.path().join("b.db").exists());
    let findings = keeper.verify(Watch::none()).unwrap();
    assert_eq!(
        findings[0].kind,
        portkeeper_core::FindingKind::Integrity,
        "{findings:?}"
    );
}
