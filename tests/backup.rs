//! Backup and restore: nothing is lost on the way there and back.

#[path = "support/registry.rs"]
mod registry;

use std::{
    cell::Cell,
    fs,
    ops::ControlFlow,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use portkeeper_core::{Action, ErrorKind, Filter, HistoryQuery, Keeper, PortRequest, Watch};
use registry::{Registry, content, raw, reserve};

/// A watch that stops at its `n`th look.
fn stop_at(n: u32) -> Watch<'static> {
    let calls = Cell::new(0);
    Watch::new(move |_| {
        calls.set(calls.get() + 1);
        if calls.get() == n {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
}

/// Calls `operation` with a watch that stops at its first look, its second, … until it is not stopped.
fn stopped_at_each_step<T>(
    mut operation: impl FnMut(Watch<'static>) -> portkeeper_core::Result<T>,
    mut check: impl FnMut(),
) -> u32 {
    for step in 1.. {
        match operation(stop_at(step)) {
            Ok(_) => return step - 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "step {step}: {error}"),
        }
        check();
    }
    unreachable!()
}

#[test]
fn a_backup_restored_on_an_empty_machine_has_equal_rows_and_history() {
    let old = Registry::filled();
    let report = old.keeper.backup(old.path("b.db"), Watch::none()).unwrap();
    assert_eq!(report.bytes, fs::metadata(&report.path).unwrap().len());
    assert_eq!(
        report.rows,
        old.keeper.stats().unwrap().rows.values().sum::<u64>()
    );

    let new = Registry::new();
    let restored = new.keeper.restore(&report.path, Watch::none()).unwrap();
    assert_eq!(
        restored.history,
        old.keeper.stats().unwrap().rows["port_history"]
    );
    assert_eq!(
        (
            restored.restored,
            restored.released,
            restored.configurations
        ),
        (4, 0, 1)
    );
    assert_eq!(content(new.keeper.path()), content(old.keeper.path()));
    assert_eq!(new.keeper.verify(Watch::none()).unwrap(), []);

    // Once more changes nothing, and neither does a backup of what is there.
    for _ in 0..2 {
        let again = new.keeper.restore(&report.path, Watch::none()).unwrap();
        assert_eq!(
            (again.history, again.restored, again.configurations),
            (0, 0, 0)
        );
    }
    assert_eq!(content(new.keeper.path()), content(old.keeper.path()));
}

#[test]
fn a_restore_says_what_it_changed_and_can_be_undone() {
    let registry = Registry::filled();
    let keeper = &registry.keeper;
    let backup = registry.backup("b.db");
    let history = |keeper: &Keeper| keeper.history(HistoryQuery::all().limit(10_000)).unwrap();
    reserve(keeper, 22_605, "new");
    keeper.release(22_600).unwrap();
    reserve(keeper, 22_600, "other");
    let before = (keeper.list(Filter::claims()).unwrap(), history(keeper));

    let report = keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!(
        (report.restored, report.released, report.history),
        (1, 1, 0)
    );
    assert_eq!(keeper.get(22_600).unwrap().unwrap().project_name, "my-app");
    assert_eq!(keeper.check(22_605).unwrap().project(), None);
    let after = history(keeper);
    // Nothing that was told before is gone, and two entries tell what happened.
    assert_eq!(after[2..], before.1[..]);
    let told: Vec<_> = after[..2]
        .iter()
        .map(|entry| {
            (
                entry.port,
                entry.action,
                entry.project_name.as_deref().unwrap(),
                entry.details["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (22_605, Action::Released, "new", "restored"),
            (22_600, Action::Reserved, "my-app", "restored"),
        ]
    );
    assert_eq!(after[1].details["previousProject"], "other");
    assert_eq!(keeper.verify(Watch::none()).unwrap(), []);

    let safety = report.safety_backup.unwrap();
    assert_eq!(
        fs::metadata(&safety).unwrap().permissions().mode() & 0o777,
        0o600
    );
    keeper.restore(&safety, Watch::none()).unwrap();
    let plain = |rows: Vec<portkeeper_core::Reservation>| {
        rows.into_iter()
            .map(|row| {
                (
                    row.number,
                    row.project_name.clone(),
                    row.role().map(str::to_owned),
                    row.tags,
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        plain(keeper.list(Filter::claims()).unwrap()),
        plain(before.0)
    );
    assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
}

#[test]
fn two_histories_become_one() {
    let (old, new) = (Registry::filled(), Registry::new());
    reserve(&new.keeper, 22_650, "mine");
    reserve(&new.keeper, 22_600, "mine");
    let backup = old.backup("b.db");
    let all = HistoryQuery::all;
    let mine = new.keeper.history(all()).unwrap().len();
    let theirs = old.keeper.history(all()).unwrap().len();
    let report = new.keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!(report.history, theirs as u64);
    let both = new.keeper.history(all()).unwrap();
    // 22650 ended, and 22600 changed hands or was told to have within the same second.
    assert!(
        [mine + theirs + 1, mine + theirs + 2].contains(&both.len()),
        "{both:?}"
    );
    assert_eq!(new.keeper.list(Filter::claims()).unwrap().len(), 4);
    assert_eq!(new.keeper.verify(Watch::none()).unwrap(), []);
    let again = new.keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!((again.history, again.restored, again.released), (0, 0, 0));
}

#[test]
fn leases_of_processes_are_the_presents() {
    let registry = Registry::new();
    let keeper = &registry.keeper;
    let request = || PortRequest::new("tests").range(22_660..=22_690);
    let ended = keeper.lease(request()).unwrap();
    let running = keeper.lease(request()).unwrap();
    let (ended_port, running_port) = (ended.port(), running.port());
    let backup = registry.backup("b.db");
    drop(ended);
    let newer = keeper.lease(request().avoid([ended_port])).unwrap();
    let report = keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!((report.restored, report.released), (0, 0));
    assert_eq!(keeper.check(ended_port).unwrap().project(), None);
    for port in [running_port, newer.port()] {
        assert_eq!(keeper.check(port).unwrap().project(), Some("tests"));
    }
    drop((running, newer));
    assert_eq!(keeper.list(Filter::claims()).unwrap(), []);

    // On another machine nobody has them, and they are not claimed.
    let other = Registry::new();
    other.keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!(other.keeper.list(Filter::claims()).unwrap(), []);
    assert_eq!(other.keeper.verify(Watch::none()).unwrap(), []);
}

#[test]
fn a_backup_is_for_its_owner_and_one_file() {
    let registry = Registry::filled();
    let backup = registry.backup("b.db");
    assert_eq!(
        fs::metadata(&backup).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let before = fs::metadata(&backup).unwrap().ino();
    registry.backup("b.db");
    assert_ne!(
        fs::metadata(&backup).unwrap().ino(),
        before,
        "replaced as a whole"
    );
    assert_eq!(registry.files(), ["b.db", "database.db"]);
    // It is complete without a log, also on a medium that cannot be written.
    let bytes = fs::read(&backup).unwrap();
    assert_eq!(&bytes[18..20], [1, 1], "its journal mode");
}

#[test]
fn a_backup_never_replaces_anything_but_a_backup() {
    let registry = Registry::filled();
    let path = |name: &str| registry.path(name);
    fs::write(path("notes"), "mine").unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::create_dir(path("folder")).unwrap();
    raw(&path("other.db"), "CREATE TABLE notes (text)");
    std::os::unix::fs::symlink("database.db", path("link")).unwrap();
    fs::write(path("new.db-wal"), "left behind").unwrap();
    let open = Keeper::open_at(path("second.db")).unwrap();
    reserve(&open, 22_600, "a");
    let expected = registry.files();
    for (name, phrase) in [
        ("notes", "no Port Keeper database"),
        ("empty", "no Port Keeper database"),
        ("other.db", "no Port Keeper database"),
        ("folder", "regular file"),
        ("database.db", "registry itself"),
        ("link", "registry itself"),
        ("new.db", "-wal"),
        ("second.db", "in use"),
        ("database.db-journal", "SQLite gives to a file of its own"),
        ("other.db-wal", "SQLite gives to a file of its own"),
    ] {
        let error = registry
            .keeper
            .backup(path(name), Watch::none())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error}");
        assert!(error.to_string().contains(phrase), "{name}: {error}");
        let named = if name == "link" { "database.db" } else { name };
        assert!(error.to_string().contains(named), "{name}: {error}");
    }
    let missing = registry
        .keeper
        .backup(path("no/b.db"), Watch::none())
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::DatabaseError);
    assert_eq!(registry.files(), expected);
    assert_eq!(fs::read(path("notes")).unwrap(), b"mine");
    reserve(&open, 22_601, "a");
    reserve(&registry.keeper, 22_700, "a");
}

#[test]
fn a_stopped_backup_leaves_what_was_there() {
    let registry = Registry::filled();
    let backup = registry.backup("b.db");
    let before = fs::read(&backup).unwrap();
    reserve(&registry.keeper, 22_700, "a");
    let steps = stopped_at_each_step(
        |watch| registry.keeper.backup(&backup, watch),
        || {
            assert_eq!(fs::read(&backup).unwrap(), before);
            assert_eq!(registry.files(), ["b.db", "database.db"]);
        },
    );
    assert!(steps >= 4, "{steps}");
    assert_ne!(fs::read(&backup).unwrap(), before);
}

#[test]
fn a_stopped_restore_leaves_what_was_there() {
    let registry = Registry::filled();
    let backup = registry.backup("b.db");
    let mut dump = Vec::new();
    registry.keeper.dump(&mut dump, Watch::none()).unwrap();
    fs::write(registry.path("dump.sql"), dump).unwrap();
    for source in [backup, registry.path("dump.sql")] {
        reserve(&registry.keeper, 22_700, "a");
        let (before, files) = (content(registry.keeper.path()), registry.files());
        let steps = stopped_at_each_step(
            |watch| registry.keeper.restore(&source, watch),
            || {
                assert_eq!(content(registry.keeper.path()), before);
                assert_eq!(registry.files(), files);
            },
        );
        assert!(steps >= 4, "{steps}");
        assert_ne!(content(registry.keeper.path()), before);
    }
}

#[test]
fn a_database_from_the_documentation_is_restored_as_it_would_be_opened() {
    let registry = Registry::new();
    let documented = registry.path("documented.db");
    raw(&documented, include_str!("fixtures/store_documented.sql"));
    let bytes = fs::read(&documented).unwrap();
    registry.keeper.restore(&documented, Watch::none()).unwrap();
    assert_eq!(fs::read(&documented).unwrap(), bytes);
    assert!(!registry.path("documented.db-wal").exists());
    assert_eq!(registry.keeper.verify(Watch::none()).unwrap(), []);
    let opened = Keeper::open_at(&documented).unwrap();
    assert_eq!(
        registry.keeper.list(Filter::claims()).unwrap(),
        opened.list(Filter::claims()).unwrap()
    );
    assert_eq!(
        registry.keeper.history(HistoryQuery::all()).unwrap(),
        opened.history(HistoryQuery::all()).unwrap()
    );
}
