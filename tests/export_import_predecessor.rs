//! The predecessor's database is imported whole, and is not touched.

#[path = "support/size.rs"]
mod size;
#[path = "support/transfer.rs"]
mod transfer;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use portkeeper_core::{ErrorKind, ImportMode, ImportRequest, Status};
use size::size;
use tempfile::TempDir;
use transfer::{claims, contents, import, keeper, reserve};

const TABLES: &str = "\
    CREATE TABLE ports (number INTEGER PRIMARY KEY, project_name TEXT NOT NULL, description TEXT,
        status TEXT, pid INTEGER, reserved_at TEXT, last_used TEXT, auto_release INTEGER);
    CREATE TABLE tags (port_number INTEGER, tag TEXT);";
const ROWS: &str = "\
    INSERT INTO ports VALUES (3000, 'shop', 'web', 'reserved', NULL, '2024-01-20T10:30:00Z', NULL, 0);
    INSERT INTO ports VALUES (3001, 'blog', NULL, 'active', 4711, '2024-01-20 10:30:00',
        '2024-01-21 00:00:00', 1);
    INSERT INTO ports VALUES (3002, 'gone', NULL, 'free', NULL, NULL, NULL, NULL);
    INSERT INTO tags VALUES (3000, 'b'), (3000, 'a'), (3000, 'b'), (9999, 'orphan');";

/// Python's own copy of SQLite makes the file, as the predecessor did, and closes it.
fn python(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("python3");
    let script = format!(
        "import os, sqlite3, sys\ndb = sqlite3.connect('ports.db', isolation_level=None)\n{script}"
    );
    command.args(["-c", &script]).current_dir(folder);
    command
}

fn made(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("db.executescript('''{sql}''')\ndb.close()\n");
    assert!(python(folder.path(), &script).status().unwrap().success());
    let path = folder.path().join("ports.db");
    (folder, path)
}

/// Every file of a folder, byte by byte.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

#[test]
fn rows_and_tags_come_over_from_any_journal_mode() {
    for mode in ["delete", "wal", "truncate", "persist"] {
        let (folder, path) = made(&format!("PRAGMA journal_mode = {mode}; {TABLES} {ROWS}"));
        let before = files(folder.path());
        let keeper = keeper();
        let report = import(&keeper, ImportRequest::predecessor(&path)).unwrap();
        assert_eq!((report.added, report.ports.len()), (2, 2), "{mode}");
        assert_eq!(
            files(folder.path()),
            before,
            "{mode}: nothing changed, nothing new"
        );

        let rows = claims(&keeper);
        let [shop, blog] = rows.as_slice() else {
            panic!("{rows:?}");
        };
        assert_eq!((shop.number, shop.project_name.as_str()), (3000, "shop"));
        assert_eq!(shop.description.as_deref(), Some("web"));
        assert_eq!(shop.tags, ["b", "a"]);
        assert_eq!(
            (blog.status, blog.pid, blog.auto_release),
            (Status::Reserved, None, true)
        );
        for row in [shop, blog] {
            assert_eq!(row.reserved_at.to_rfc3339(), "2024-01-20T10:30:00+00:00");
        }
        assert_eq!(
            blog.last_seen_at.unwrap().to_rfc3339(),
            "2024-01-21T00:00:00+00:00"
        );
        // The document was kept, and the same rows are nothing new.
        let kept = keeper.configuration(report.configuration.unwrap()).unwrap();
        assert!(kept.verified);
        assert_eq!(kept.document.ports.len(), 3);
        let again = ImportRequest::predecessor(&path).mode(ImportMode::Replace);
        assert_eq!(import(&keeper, again).unwrap().unchanged, 2);
    }
}

#[test]
fn conflicts_and_dry_runs_are_those_of_any_import() {
    let (_folder, path) = made(&format!("{TABLES} {ROWS}"));
    let keeper = keeper();
    reserve(&keeper, 3001, "other");
    let before = contents(&keeper);
    let request = ImportRequest::predecessor(&path);
    let dry = import(&keeper, request.clone().dry_run(true)).unwrap();
    assert_eq!((dry.added, dry.conflicts), (1, 1));
    let error = import(&keeper, request.clone()).unwrap_err();
    assert_eq!(
        (error.kind(), error.project()),
        (ErrorKind::PortReserved, Some("other"))
    );
    assert_eq!(contents(&keeper), before);
    assert_eq!(
        import(&keeper, request.skip_conflicts(true)).unwrap().ports,
        dry.ports
    );
}

/// `script` leaves the database in some state, says so, and waits to be told to go on.
fn while_it_runs(script: &str, look: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "db.executescript('''PRAGMA journal_mode = wal; {TABLES}''')\n{script}\n\
         print('ready', flush=True)\nsys.stdin.read()\n"
    );
    let mut writer = python(folder.path(), &script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    look(folder.path());
    drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());
}

#[test]
fn a_live_writer_is_read_and_not_disturbed() {
    let rows = format!("db.executescript('''{ROWS}''')");
    let reading = format!("{rows}\ndb.execute('select * from ports').fetchall()");
    // In the middle of a transaction, whose rows are not there yet.
    let writing = format!("{rows}\ndb.execute('begin immediate')\ndb.execute('delete from ports')");
    for script in [&rows, &reading, &writing] {
        while_it_runs(script, |folder| {
            let names = |folder| files(folder).into_keys().collect::<Vec<_>>();
            let (before, database) = (names(folder), fs::read(folder.join("ports.db")).unwrap());
            assert_eq!(before.len(), 3, "the writer has a log: {before:?}");
            let keeper = keeper();
            let request = ImportRequest::predecessor(folder.join("ports.db"));
            assert_eq!(import(&keeper, request).unwrap().added, 2, "{script}");
            assert_eq!(names(folder), before);
            assert_eq!(fs::read(folder.join("ports.db")).unwrap(), database);
        });
    }
}

#[test]
fn a_writer_that_writes_without_pause_is_read_consistently() {
    let folder = tempfile::tempdir().unwrap();
    // Every transaction moves all ports to another project.
    let script = format!(
        "db.executescript('''PRAGMA journal_mode = wal; {TABLES}''')
for port in range(3000, 3100): db.execute('insert into ports (number, project_name) values (?, ?)', (port, 'p'))
print('ready', flush=True)
import threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
n = 0
while True:
    n += 1
    db.execute('begin immediate')
    db.execute('update ports set project_name = ?', ('p%d' % n,))
    db.execute('commit')
"
    );
    let mut writer = python(folder.path(), &script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(writer.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let mut projects = std::collections::HashSet::new();
    while projects.len() < 20 {
        let keeper = keeper();
        let request = ImportRequest::predecessor(folder.path().join("ports.db"));
        let report = import(&keeper, request).unwrap();
        assert_eq!(report.added, 100);
        let project = &report.ports[0].project_name;
        assert!(
            report
                .ports
                .iter()
                .all(|port| port.project_name == *project),
            "{report:?}"
        );
        projects.insert(project.clone());
    }
    drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());
}

#[test]
fn what_a_killed_writer_left_in_its_log_is_read() {
    for remove_index in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "db.executescript('''PRAGMA journal_mode = wal; {TABLES} {ROWS}''')\n\
             os.kill(os.getpid(), 9)\n"
        );
        assert!(!python(folder.path(), &script).status().unwrap().success());
        if remove_index {
            fs::remove_file(folder.path().join("ports.db-shm")).unwrap();
        }
        let before = files(folder.path());
        assert!(before.keys().any(|path| path.ends_with("ports.db-wal")));
        let keeper = keeper();
        let request = ImportRequest::predecessor(folder.path().join("ports.db"));
        assert_eq!(import(&keeper, request).unwrap().added, 2, "{remove_index}");
        assert_eq!(files(folder.path()), before, "{remove_index}");
    }
}

/// A database that is refused, with what the message says.
fn refused(sql: &str, phrase: &str) {
    let (folder, path) = made(sql);
    let before = files(folder.path());
    let keeper = keeper();
    reserve(&keeper, 2999, "keep");
    let contents_before = contents(&keeper);
    let error = import(&keeper, ImportRequest::predecessor(&path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImportInvalid, "{sql}: {error}");
    let message = error.to_string();
    assert!(message.contains(phrase), "{sql}: {message}");
    assert!(message.len() < 500, "{message}");
    assert_eq!(contents(&keeper), contents_before);
    assert_eq!(files(folder.path()), before);
}

#[test]
fn bad_rows_are_refused_by_their_port() {
    let row = |values: &str| format!("{TABLES} INSERT INTO ports VALUES ({values});");
    let refused = |values: &str, phrase: &str| refused(&row(values), phrase);
    refused(
        "0, 'p', NULL, 'free', NULL, NULL, NULL, 0",
        "port 0 is not in 1..=65535",
    );
    refused("70000, 'p', NULL, NULL, NULL, NULL, NULL, 0", "port 70000 ");
    refused("-5, 'p', NULL, NULL, NULL, NULL, NULL, 0", "port -5 ");
    refused(
        "3000, '', NULL, NULL, NULL, NULL, NULL, 0",
        "port 3000: a project name",
    );
    refused(
        "3000, x'ff', NULL, NULL, NULL, NULL, NULL, 0",
        "port 3000: project_name (a blob",
    );
    refused(
        "3000, CAST(x'ff' AS TEXT), NULL, NULL, NULL, NULL, NULL, 0",
        "is not UTF-8",
    );
    refused(
        "3000, 'p', NULL, 'sold', NULL, NULL, NULL, 0",
        "port 3000: status \"sold\"",
    );
    refused(
        "3000, 'p', NULL, NULL, NULL, 'yesterday', NULL, 0",
        "reserved_at \"yesterday\"",
    );
    refused(
        "3000, 'p', NULL, NULL, NULL, NULL, 'never', 0",
        "port 3000: last_used \"never\"",
    );
    refused(
        "3000, 'p', NULL, NULL, NULL, NULL, NULL, 7",
        "port 3000: auto_release 7",
    );
    refused(
        "3000, 'p', char(7), NULL, NULL, NULL, NULL, 0",
        "port 3000: description",
    );
    let tag = |values: &str| format!("{TABLES} {ROWS} INSERT INTO tags VALUES ({values});");
    self::refused(&tag("3000, ''"), "port 3000: tag \"\"");
    self::refused(&tag("3000, NULL"), "port 3000: a tag is NULL");
    self::refused(&tag("'x', 't'"), "port number \"x\" is not an integer");
    let rows = size(20_000, 1_000_000);
    let many =
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})");
    self::refused(
        &format!("{TABLES} {ROWS} INSERT INTO tags {many} SELECT 3000, 't' || i FROM n;"),
        "port 3000: tags \"(101 of them)\" are more than 100",
    );
    self::refused(&tag("3000, printf('%.*c', 100000000, 'x')"), "too big");
}

#[test]
fn what_is_no_such_database_is_refused() {
    refused("CREATE TABLE other (x)", "it has no table ports");
    refused(
        "CREATE TABLE ports (x)",
        "its table ports has no column number",
    );
    refused(
        "CREATE VIEW ports AS SELECT 3000 AS number, 'p' AS project_name",
        "its ports is not a table",
    );
    refused(
        "CREATE TABLE ports (number INTEGER PRIMARY KEY, x, project_name AS (randomblob(10)))"
            .replace("randomblob(10)", "hex(zeroblob(1000000))")
            .as_str(),
        "no column project_name",
    );
    refused(
        "CREATE VIRTUAL TABLE ports USING fts5(number, project_name)",
        "its ports is not a table",
    );
    refused(
        &format!("{TABLES} DROP TABLE tags; CREATE VIEW tags AS SELECT 1 AS port_number, 2 AS tag"),
        "its tags is not a table",
    );
    // Two rows of one port.
    refused(
        "CREATE TABLE ports (number, project_name);
         INSERT INTO ports VALUES (3000, 'a'), (3000, 'b');",
        "are both port 3000",
    );
    // A computed column by the name of an optional one is as good as none.
    let (_folder, path) = made(
        "CREATE TABLE ports (number INTEGER PRIMARY KEY, project_name, description AS (1/0));
         INSERT INTO ports (number, project_name) VALUES (3000, 'a');",
    );
    assert_eq!(
        import(&keeper(), ImportRequest::predecessor(path))
            .unwrap()
            .added,
        1
    );
}

#[test]
fn files_that_are_no_database_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ports.db");
    let refused = |path: &Path, kind, phrase: &str| {
        let error = import(&keeper(), ImportRequest::predecessor(path)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(phrase), "{error}");
    };
    refused(&path, ErrorKind::ImportInvalid, "ports.db: No such file");
    refused(
        folder.path(),
        ErrorKind::ImportInvalid,
        "not a regular file",
    );
    for (bytes, phrase) in [
        (Vec::new(), "not a SQLite database"),
        (vec![b'x'; 5_000], "not a SQLite database"),
        (
            [b"SQLite format 3\0".as_slice(), &[0xff; 5_000]].concat(),
            "ports.db",
        ),
    ] {
        fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        let before = files(folder.path());
        refused(&path, ErrorKind::ImportInvalid, phrase);
        assert_eq!(files(folder.path()), before);
    }
    let (_folder, whole) = made(&format!("{TABLES} {ROWS}"));
    let bytes = fs::read(&whole).unwrap();
    for length in (512..bytes.len()).step_by(512) {
        fs::write(&whole, &bytes[..length]).unwrap();
        refused(&whole, ErrorKind::ImportInvalid, "ports.db");
    }

    // Closing any other descriptor of the registry would drop its locks.
    let registry = portkeeper_core::Keeper::open_at(folder.path().join("database.db")).unwrap();
    refused(
        registry.path(),
        ErrorKind::ImportInvalid,
        "open in this process",
    );
}
