//! Dumps: SQL text that gives the registry back, to SQLite and to a restore.

#[path = "support/registry.rs"]
mod registry;

use std::{
    fs,
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
    process::{Command, Stdio},
};

use portkeeper_core::{ErrorKind, Filter, Keeper, Watch};
use registry::{Registry, content, raw, reserve};

/// Python's SQLite reads the text as `sqlite3 new.db < dump.sql` does; that program is used where it is.
fn read_back(dump: &Path, database: &Path) {
    const SCRIPT: &str = "import sqlite3, sys\n\
        db = sqlite3.connect(sys.argv[2])\n\
        db.executescript(open(sys.argv[1], newline='').read())\n";
    let python = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(dump)
        .arg(database)
        .status();
    assert!(python.unwrap().success());
    let by_shell = database.with_extension("shell");
    let shell = Command::new("sqlite3")
        .arg(&by_shell)
        .stdin(fs::File::open(dump).unwrap())
        .stdout(Stdio::null())
        .status();
    match shell {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        status => {
            assert!(status.unwrap().success());
            assert_eq!(content(&by_shell), content(database));
        }
    }
}

#[test]
fn a_dump_is_the_same_registry_for_sqlite_and_for_restore() {
    let old = Registry::filled();
    // Values that no caller can store, but that are there.
    raw(
        old.keeper.path(),
        "INSERT INTO configurations (name, data, version, createdAt) VALUES \
        ('odd', 'line\r\nquote '' end', '1', '2024-01-20T10:30:00Z'); \
        INSERT INTO active_scans (port, state, scannedAt) VALUES (1, CAST(x'610062' AS TEXT), '2024-01-20T10:30:00Z'), \
        (2, x'00ff', '2024-01-20T10:30:00Z'), (3, CAST(x'ff' AS TEXT), '2024-01-20T10:30:00Z')",
    );
    let mut text = Vec::new();
    old.keeper.dump(&mut text, Watch::none()).unwrap();
    let dump = old.path("dump.sql");
    fs::write(&dump, &text).unwrap();

    let built = old.path("built.db");
    read_back(&dump, &built);
    assert_eq!(content(&built), content(old.keeper.path()));
    let odd = |path: &Path| {
        let db = rusqlite::Connection::open(path).unwrap();
        db.query_row(
            "SELECT group_concat(hex(state) || typeof(state)) FROM active_scans",
            (),
            |row| row.get::<_, String>(0),
        )
        .unwrap()
    };
    assert_eq!(odd(&built), odd(old.keeper.path()));
    let opened = Keeper::open_at(&built).unwrap();
    assert_eq!(
        opened.list(Filter::claims()).unwrap(),
        old.keeper.list(Filter::claims()).unwrap()
    );
    assert_eq!(opened.verify(Watch::none()).unwrap(), []);
    reserve(&opened, 22_699, "a");

    let new = Registry::new();
    new.keeper.restore(&dump, Watch::none()).unwrap();
    assert_eq!(content(new.keeper.path()), content(old.keeper.path()));
}

/// What other programs make of a registry, each with the file to read and the one to write: Python, and the
/// `sqlite3` program where there is one.
#[test]
fn what_other_programs_dump_is_read_too() {
    let python = "import sqlite3, sys\n\
        open(sys.argv[2], 'w', newline='').write('\\n'.join(sqlite3.connect(sys.argv[1]).iterdump()))";
    let shell = "exec sqlite3 \"$0\" .dump > \"$1\"";
    let mut programs = vec![("python3", python)];
    if Command::new("sqlite3").arg("--version").output().is_ok() {
        programs.push(("sh", shell));
    }
    for (program, script) in programs {
        let registry = Registry::filled();
        let dump = registry.path("other.sql");
        let status = Command::new(program)
            .args(["-c", script])
            .arg(registry.backup("b.db"))
            .arg(&dump)
            .status();
        assert!(status.unwrap().success());
        let new = Registry::new();
        new.keeper.restore(&dump, Watch::none()).unwrap();
        assert_eq!(
            content(new.keeper.path()),
            content(registry.keeper.path()),
            "{program}"
        );
    }
}

#[test]
fn a_dump_that_ends_early_restores_nothing() {
    let registry = Registry::filled();
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let full = registry
        .keeper
        .dump(&mut Full(5_000), Watch::none())
        .unwrap_err();
    assert_eq!(full.kind(), ErrorKind::DatabaseFull, "{full}");

    let mut looks = 0;
    let stops = Watch::new(|_| {
        looks += 1;
        if looks == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let mut stopped = Vec::new();
    let error = registry.keeper.dump(&mut stopped, stops).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let mut whole = Vec::new();
    registry.keeper.dump(&mut whole, Watch::none()).unwrap();
    assert_eq!(whole[..stopped.len()], stopped);
    let dump = registry.path("part.sql");
    let before = content(registry.keeper.path());
    for part in [
        &stopped[..],
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 8],
    ] {
        fs::write(&dump, part).unwrap();
        let error = registry.keeper.restore(&dump, Watch::none()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
    }
    assert_eq!(content(registry.keeper.path()), before);
    assert_eq!(registry.files(), ["database.db", "part.sql"]);
}
