//! Several writers, and writers that fail.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rusqlite::ffi;

use super::{Durability, Failure, ask, count, folder, foreign, insert, open};
use crate::{
    ErrorKind,
    stop::Stop,
    store::{Location, Store, connection::commit_failure},
};

#[test]
fn a_writer_waits_for_another_until_its_deadline() {
    let (_folder, path) = folder();
    drop(open(&path).unwrap());
    let other = foreign(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let timeout = Duration::from_millis(50);
    let hasty = Store::open(Location::File(path.clone()), timeout, Stop::default()).unwrap();
    let begun = Instant::now();
    let error = insert(&hasty, 3000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DatabaseBusy, "{error}");
    assert!(begun.elapsed() >= timeout);
    assert_eq!(count(&hasty), 0, "a reader does not wait");

    let (waiting, waits) = mpsc::channel();
    let patient = open(&path).unwrap();
    let writer = thread::spawn(move || {
        waiting.send(()).unwrap();
        insert(&patient, 3000)
    });
    waits.recv().unwrap();
    other.execute_batch("COMMIT").unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(count(&hasty), 1);
}

#[test]
fn a_body_that_meets_a_busy_database_is_run_again_from_the_start() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    let mut runs = 0;
    store
        .write(Durability::Normal, |transaction| {
            runs += 1;
            transaction.execute(
                "INSERT INTO ports (number, projectName, status) VALUES (?1, 'a', 'free')",
                [3000 + runs],
            )?;
            let code = match runs {
                1 => ffi::SQLITE_BUSY,
                2 => ffi::SQLITE_BUSY_SNAPSHOT,
                3 => ffi::SQLITE_BUSY_RECOVERY,
                4 => ffi::SQLITE_PROTOCOL,
                _ => return Ok(()),
            };
            Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into())
        })
        .unwrap();
    assert_eq!(
        ask::<String>(&store, "SELECT group_concat(number) FROM ports"),
        "3005"
    );
}

#[test]
fn a_body_that_fails_leaves_nothing_and_is_not_run_again() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    for (statement, kind) in [
        (
            "INSERT INTO ports (number) VALUES (1)",
            ErrorKind::DatabaseError,
        ),
        ("no SQL", ErrorKind::DatabaseError),
        // The foreign key is checked by COMMIT alone.
        (
            "PRAGMA defer_foreign_keys = ON; INSERT INTO port_history (port, action) VALUES (9, 'killed')",
            ErrorKind::DatabaseError,
        ),
    ] {
        let mut runs = 0;
        let error = store
            .write(Durability::Full, |transaction| {
                runs += 1;
                transaction.execute(
                    "INSERT INTO ports (number, projectName, status) VALUES (3000, 'a', 'free')",
                    (),
                )?;
                Ok(transaction.execute_batch(statement)?)
            })
            .unwrap_err();
        assert_eq!((error.kind(), runs), (kind, 1), "{error}");
        assert!(!error.to_string().contains("unknown"), "{error}");
        assert_eq!(count(&store), 0, "{statement}");
    }
    let refused = store.write(Durability::Full, |_| -> Result<(), Failure> {
        Err(crate::Error::PortNotFound(3000).into())
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::PortNotFound);
    insert(&store, 3000).unwrap();
}

#[test]
fn a_panic_leaves_the_store_usable() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.write(Durability::Normal, |transaction| -> Result<(), Failure> {
            transaction.execute(
                "INSERT INTO ports (number, projectName, status) VALUES (3000, 'a', 'free')",
                (),
            )?;
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    insert(&store, 3000).unwrap();
    assert_eq!(count(&store), 1);
}

#[test]
fn a_read_is_one_snapshot() {
    let (_folder, path) = folder();
    let (store, other) = (open(&path).unwrap(), open(&path).unwrap());
    let counts = store
        .read(|connection| {
            let count = || {
                connection.query_row("SELECT count(*) FROM ports", (), |row| row.get::<_, i64>(0))
            };
            let before = count()?;
            insert(&other, 3000)?;
            Ok((before, count()?))
        })
        .unwrap();
    assert_eq!(counts, (0, 0));
    assert_eq!(count(&store), 1);
}

#[test]
fn each_transaction_is_as_durable_as_it_asks() {
    let (_folder, path) = folder();
    let store = open(&path).unwrap();
    for (durability, value) in [
        (Durability::Full, 2),
        (Durability::Normal, 1),
        (Durability::Normal, 1),
        (Durability::Full, 2),
    ] {
        let synchronous: i64 = store
            .write(durability, |transaction| {
                Ok(transaction.query_row("PRAGMA synchronous", (), |row| row.get(0))?)
            })
            .unwrap();
        assert_eq!(synchronous, value, "{durability:?}");
    }
}

#[test]
fn a_commit_that_fails_says_that_its_outcome_is_unknown() {
    for (code, kind) in [
        (ffi::SQLITE_IOERR, ErrorKind::DatabaseError),
        (ffi::SQLITE_FULL, ErrorKind::DatabaseFull),
        (ffi::SQLITE_CORRUPT, ErrorKind::DatabaseCorrupt),
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let failure = commit_failure(error, Path::new("/database.db"));
        let error = failure.at(Path::new("/database.db"));
        assert_eq!(error.kind(), kind);
        assert!(
            error
                .to_string()
                .contains("outcome of the transaction is unknown"),
            "{error}"
        );
    }
}
