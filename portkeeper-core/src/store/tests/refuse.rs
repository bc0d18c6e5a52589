//! What must not be opened is refused by name, and stays as it is to the byte.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use portkeeper_migrations::ALL;

use super::{folder, foreign, insert, open};
use crate::{ErrorKind, store::Failure};

/// Makes `path` with `make`, and expects `kind` with `phrase` in its message.
fn check(make: impl FnOnce(&Path), kind: ErrorKind, phrase: &str) {
    let (folder, path) = folder();
    make(&path);
    let before = contents(folder.path());
    let Err(error) = open(&path) else {
        panic!("was opened, expected {kind}: {phrase}")
    };
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    assert!(message.contains(phrase), "{message}: no {phrase}");
    let name = path.display().to_string();
    assert!(message.contains(&name), "{message}: no {name}");
    let after = contents(folder.path());
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>(),
        "{message}"
    );
    assert!(before == after, "{message}: bytes have changed");
}

/// Every file's bytes, but for the index of a log, which a reader of a log has to make.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let log = path.to_string_lossy().replace("-shm", "-wal");
            !path.to_string_lossy().ends_with("-shm")
                || fs::metadata(log).is_ok_and(|log| log.len() == 0)
        })
        .map(|path| {
            let bytes = fs::read(&path).unwrap_or_default();
            (path, bytes)
        })
        .collect()
}

/// A database of this version, altered by `sql`.
fn altered(sql: &'static str) -> impl FnOnce(&Path) {
    move |path| {
        insert(&open(path).unwrap(), 3000).unwrap();
        foreign(path).execute_batch(sql).unwrap();
    }
}

/// A database of another program.
fn made(sql: impl AsRef<str>) -> impl FnOnce(&Path) {
    move |path| foreign(path).execute_batch(sql.as_ref()).unwrap()
}

/// A database of this version, cut after `length` bytes.
fn cut(length: u64) -> impl FnOnce(&Path) {
    move |path| {
        drop(open(path).unwrap());
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(length).unwrap();
    }
}

#[test]
fn files_that_are_no_database() {
    let kind = ErrorKind::DatabaseCorrupt;
    let text = |text: &str| {
        let text = text.to_owned();
        move |path: &Path| fs::write(path, text).unwrap()
    };
    check(text("hello\n"), kind, "file is not a database");
    check(
        text(&"hello\n".repeat(5_000)),
        kind,
        "file is not a database",
    );
    for length in [50, 100, 1_000, 4_096, 4_096 + 100, 4_096 * 3] {
        check(cut(length), kind, "malformed");
    }
    let log = |path: &Path| fs::write(path.with_file_name("database.db-wal"), "changes").unwrap();
    check(text(""), kind, "it is empty, which no registry ever is");
    check(
        |path| {
            fs::write(path, "").unwrap();
            log(path);
        },
        kind,
        "it is empty, while",
    );
    check(log, kind, "it is missing, while");
    // Whoever locks an empty file that has a journal, loses the journal.
    let journal = |path: &Path| {
        let journal = path.with_file_name("database.db-journal");
        fs::write(&journal, [0xd9; 5_000]).unwrap();
        let file = fs::File::options().write(true).open(journal).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_mins(1))
            .unwrap();
    };
    check(
        |path| {
            fs::write(path, "").unwrap();
            journal(path);
        },
        kind,
        "it is empty, while a journal",
    );
    check(journal, kind, "it is missing, while its journal");
}

/// The journal is of a large change, and SQLite would roll it into whatever database has the name.
#[test]
fn a_journal_whose_database_is_gone() {
    check(
        |path| {
            insert(&open(path).unwrap(), 3000).unwrap();
            let lost = path.with_file_name("lost.db");
            fs::rename(path, &lost).unwrap();
            let other = foreign(&lost);
            other
                .execute_batch(
                    "PRAGMA journal_mode = DELETE; PRAGMA cache_size = 5; BEGIN IMMEDIATE; \
                     CREATE TABLE large (a); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 \
                     FROM n LIMIT 99) INSERT INTO large SELECT randomblob(4000) FROM n;",
                )
                .unwrap();
            let journal = |path: &Path| path.with_extension("db-journal");
            fs::copy(journal(&lost), journal(path)).unwrap();
        },
        ErrorKind::DatabaseCorrupt,
        "it is missing, while its journal",
    );
}

#[test]
fn files_that_are_not_one_file() {
    let kind = ErrorKind::DatabaseError;
    check(|path| fs::create_dir(path).unwrap(), kind, "directory");
    check(
        |path| {
            drop(open(path).unwrap());
            fs::hard_link(path, path.with_file_name("second.db")).unwrap();
        },
        kind,
        "hard link",
    );
    check(
        |path| symlink("nowhere", path).unwrap(),
        kind,
        "symbolic link",
    );
    check(
        |path| drop(UnixListener::bind(path).unwrap()),
        kind,
        "regular file",
    );
}

#[test]
fn databases_of_other_programs() {
    let kind = ErrorKind::SchemaMismatch;
    check(
        made("CREATE TABLE notes (text)"),
        kind,
        "not a Port Keeper database",
    );
    check(
        made("PRAGMA application_id = 7; CREATE TABLE notes (text)"),
        kind,
        "another program",
    );
    check(
        made(format!("{}; PRAGMA application_id = 7", ALL[0].sql)),
        kind,
        "another program",
    );
    check(
        made("CREATE TABLE ports (number, name)"),
        kind,
        "table ports",
    );
    check(
        made(ALL[0].sql.replace(
            "    pid INTEGER,\n    processName TEXT,\n    reservedAt",
            "    reservedAt",
        )),
        kind,
        "table ports",
    );
    check(
        made(ALL[0].sql.replace("createdBy TEXT,", "")),
        kind,
        "table configurations",
    );
    check(
        made(ALL[0].sql.replace("OLD.status != NEW.status", "1")),
        kind,
        "trigger track_port_changes",
    );
    check(
        made(format!(
            "CREATE TABLE migrations (name TEXT, run_on TEXT); {}",
            &ALL[0].sql[..ALL[0].sql.find("CREATE TABLE migrations").unwrap()]
        )),
        kind,
        "table migrations",
    );
}

#[test]
fn newer_databases() {
    let kind = ErrorKind::SchemaTooNew;
    check(
        altered(
            "INSERT INTO migrations (id, version) VALUES (3, '0003'); ALTER TABLE leases ADD COLUMN more;",
        ),
        kind,
        "version 3",
    );
    check(altered("PRAGMA user_version = 9"), kind, "version 9");
    check(
        made("PRAGMA user_version = 9; CREATE TABLE t (x)"),
        kind,
        "version 9",
    );
}

/// What was left by a process that was killed: the newest rows are in the log alone.
#[test]
fn a_log_that_was_left_behind_stays() {
    check(
        |path| {
            drop(open(path).unwrap());
            let live = path.with_file_name("live.db");
            fs::rename(path, &live).unwrap();
            let connection = foreign(&live);
            connection
                .execute_batch("INSERT INTO migrations (id, version) VALUES (3, '0003')")
                .unwrap();
            fs::copy(&live, path).unwrap();
            fs::copy(live.with_extension("db-wal"), path.with_extension("db-wal")).unwrap();
            drop(connection);
        },
        ErrorKind::SchemaTooNew,
        "version 3",
    );
}

#[test]
fn altered_databases() {
    let kind = ErrorKind::SchemaMismatch;
    for (sql, phrase) in [
        (
            "UPDATE migrations SET checksum = 'x' WHERE id = 2",
            "checksums differ",
        ),
        (
            "UPDATE migrations SET checksum = NULL WHERE id = 1",
            "checksums differ",
        ),
        ("DELETE FROM migrations WHERE id = 1", "lacks migration 1"),
        (
            "DROP TRIGGER track_port_changes",
            "trigger track_port_changes is missing",
        ),
        (
            "DROP INDEX idx_history_port_date",
            "index idx_history_port_date is missing",
        ),
        ("DROP TABLE leases", "is missing"),
        (
            "ALTER TABLE ports ADD COLUMN team TEXT",
            "table ports is not",
        ),
        (
            "DROP INDEX idx_ports_tags; CREATE INDEX idx_ports_tags ON ports(tags DESC)",
            "index idx_ports_tags is not",
        ),
    ] {
        check(altered(sql), kind, phrase);
    }
}

#[test]
fn a_file_that_is_exchanged_while_open_is_not_written() {
    type Exchange = fn(&Path);
    let exchanges: [(Exchange, &str); 3] = [
        (
            |path| fs::rename(path, path.with_extension("old")).unwrap(),
            "removed",
        ),
        (
            |path| {
                let other = path.with_extension("new");
                drop(open(&other).unwrap());
                fs::rename(other, path).unwrap();
            },
            "replaced",
        ),
        (
            |path| fs::hard_link(path, path.with_extension("second")).unwrap(),
            "hard link",
        ),
    ];
    for (exchange, phrase) in exchanges {
        let (_folder, path) = folder();
        let store = open(&path).unwrap();
        insert(&store, 3000).unwrap();
        exchange(&path);
        let error = insert(&store, 3001).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseError);
        assert!(error.to_string().contains(phrase), "{error}");
        // Nor is a new one made or another one opened for work that takes a connection of its own.
        let is_there = path.exists();
        let error = store.apart().unwrap_err();
        assert!(error.to_string().contains(phrase), "{error}");
        assert_eq!(path.exists(), is_there);
    }
}

#[test]
fn a_full_disk_is_told_apart() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    let error = store
        .write(super::Durability::Normal, |transaction| {
            transaction.query_row("PRAGMA max_page_count = 1", (), |_| Ok(()))?;
            transaction
                .execute(
                    "INSERT INTO configurations (name, data, version) VALUES ('n', randomblob(1000000), '1')",
                    (),
                )
                .map(drop)
                .map_err(Failure::from)
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseFull, "{error}");
}
