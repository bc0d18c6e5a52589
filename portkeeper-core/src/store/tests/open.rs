//! Opening what may be opened.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, sync::Arc, thread};

use super::{Durability, count, folder, foreign, insert, open, schema};
use crate::{
    stop::Stop,
    store::{Location, Store, file, tests::ask},
};

#[test]
fn folders_are_made_and_a_second_store_sees_the_rows_of_the_first() {
    let (_folder, path) = folder();
    let path = path.with_file_name("deep/er/database.db");
    let first = open(&path).unwrap();
    insert(&first, 3000).unwrap();
    assert_eq!(count(&open(&path).unwrap()), 1);
    assert_eq!(first.path(), path);
}

/// Whoever makes a file where it cannot be renamed, and is killed in the middle, leaves both of its names.
#[test]
fn the_name_under_which_a_registry_was_made_goes() {
    let (_folder, path) = folder();
    drop(open(&path).unwrap());
    let first = path.with_file_name(".database.db.0123456789abcdef.tmp");
    fs::hard_link(&path, &first).unwrap();
    drop(open(&path).unwrap());
    assert!(!first.exists());
    // Of another file, it is nobody's business here.
    fs::copy(&path, &first).unwrap();
    drop(open(&path).unwrap());
    assert!(first.exists());
}

#[test]
fn memory_is_private_to_a_store() {
    let open =
        || Store::open(Location::Memory, std::time::Duration::ZERO, Stop::default()).unwrap();
    let (first, second) = (open(), open());
    insert(&first, 3000).unwrap();
    assert_eq!((count(&first), count(&second)), (1, 0));
    assert_eq!(first.path(), Path::new(":memory:"));
}

#[test]
fn an_empty_file_that_another_program_is_filling_is_waited_for() {
    let (_folder, path) = folder();
    let maker = foreign(&path);
    maker.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    let opening = thread::spawn({
        let path = path.clone();
        move || open(&path)
    });
    maker
        .execute_batch(include_str!(
            "../../../../tests/fixtures/store_documented.sql"
        ))
        .unwrap();
    maker.execute_batch("COMMIT").unwrap();
    let store = opening.join().unwrap().unwrap();
    assert!(count(&store) > 0);
}

#[test]
fn a_link_to_the_file_and_one_to_its_folder_lead_to_one_database() {
    let (folder, path) = folder();
    let direct = open(&path).unwrap();
    let link = folder.path().join("link.db");
    symlink(&path, &link).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    symlink(folder.path(), &elsewhere).unwrap();
    for other in [link, elsewhere.join("database.db")] {
        let store = open(&other).unwrap();
        assert_eq!(store.path(), path, "{}", other.display());
    }
    insert(&direct, 3000).unwrap();
    assert!(!folder.path().join("link.db-wal").exists());
}

#[test]
fn objects_of_others_beside_ours_stay() {
    let (_folder, path) = folder();
    drop(open(&path).unwrap());
    foreign(&path)
        .execute_batch("CREATE TABLE notes (text); CREATE INDEX mine ON ports(pid); ANALYZE;")
        .unwrap();
    let before = schema(&path);
    drop(open(&path).unwrap());
    assert_eq!(schema(&path), before);
}

#[test]
fn a_current_database_is_opened_without_a_write() {
    let (_folder, path) = folder();
    drop(open(&path).unwrap());
    let bytes = fs::read(&path).unwrap();
    let writer = foreign(&path);
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    drop(
        Store::open(
            Location::File(path.clone()),
            std::time::Duration::ZERO,
            Stop::default(),
        )
        .unwrap(),
    );
    writer.execute_batch("ROLLBACK").unwrap();
    drop(writer);
    assert!(fs::read(&path).unwrap() == bytes, "the file has changed");
    assert_eq!(file::log_size(&path), 0);
}

#[test]
fn the_connection_is_set_up_as_designed() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    for (pragma, value) in [
        ("journal_mode", "wal"),
        ("foreign_keys", "1"),
        ("trusted_schema", "0"),
        ("cell_size_check", "1"),
        ("journal_size_limit", "8388608"),
        ("busy_timeout", "0"),
        ("application_id", "1347113042"),
        ("user_version", "2"),
        ("encoding", "UTF-8"),
    ] {
        let is: rusqlite::types::Value = ask(&store, &format!("PRAGMA {pragma}"));
        let is = match is {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => panic!("{pragma}: {other:?}"),
        };
        assert_eq!(is, value, "{pragma}");
    }
    insert(&store, 3000).unwrap();
    let logged: i64 = ask(&store, "SELECT count(*) FROM port_history");
    assert_eq!(logged, 0, "triggers are for other programs");
    assert!(
        store
            .write(Durability::Normal, |transaction| {
                transaction.execute_batch("PRAGMA writable_schema = ON")?;
                transaction.execute("UPDATE sqlite_schema SET sql = ''", ())?;
                Ok(())
            })
            .is_err(),
        "the connection is not defensive"
    );
}

/// `.dump` resets the header's numbers, puts triggers last and keeps every row.
#[test]
fn a_dump_can_be_restored() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    insert(&store, 3000).unwrap();
    foreign(&path)
        .execute_batch("UPDATE ports SET status = 'in-use'")
        .unwrap();
    drop(store);
    let restored = path.with_file_name("restored.db");
    // Python's SQLite does the same where the program is missing.
    let script = r#"if command -v sqlite3; then sqlite3 "$0" .dump | sqlite3 "$1"; else python3 -c '
import sqlite3, sys
text = "\n".join(sqlite3.connect(sys.argv[1]).iterdump())
sqlite3.connect(sys.argv[2]).executescript(text)' "$0" "$1"; fi"#;
    let status = Command::new("sh")
        .args(["-c", script])
        .args([&path, &restored])
        .status()
        .unwrap();
    assert!(status.success());
    let store = open(&restored).unwrap();
    assert_eq!(schema(&restored), schema(&path));
    assert_eq!(ask::<i64>(&store, "PRAGMA user_version"), 2);
    assert_eq!(ask::<i64>(&store, "PRAGMA application_id"), 1_347_113_042);
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM port_history"), 1);
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM migrations"), 2);
}

#[test]
fn threads_share_a_store() {
    let (_folder, path) = folder();
    let stores = [open(&path).unwrap(), open(&path).unwrap()].map(Arc::new);
    let threads: Vec<_> = (0..8_u16)
        .map(|thread| {
            let store = Arc::clone(&stores[usize::from(thread % 2)]);
            thread::spawn(move || {
                for number in 0..50 {
                    insert(&store, 3000 + thread * 50 + number).unwrap();
                    store
                        .read(|connection| {
                            Ok(
                                connection.query_row("SELECT count(*) FROM ports", (), |row| {
                                    row.get::<_, i64>(0)
                                })?,
                            )
                        })
                        .unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(count(&stores[0]), 400);
}
