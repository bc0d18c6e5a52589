//! Which files backups and restores leave behind, and which they remove.

#[path = "support/registry.rs"]
mod registry;

use std::{
    fs,
    ops::ControlFlow,
    time::{Duration, SystemTime},
};

use portkeeper_core::{ErrorKind, Keeper, Watch};
use registry::{Registry, reserve};

fn safety_backups(registry: &Registry) -> Vec<String> {
    let mut files = registry.files();
    files.retain(|file| file.contains("before-restore"));
    files
}

#[test]
fn a_restore_that_changes_nothing_or_fails_keeps_no_safety_backup() {
    let registry = Registry::filled();
    let keeper = &registry.keeper;
    let backup = registry.backup("b.db");
    assert_eq!(
        keeper
            .restore(&backup, Watch::none())
            .unwrap()
            .safety_backup,
        None
    );
    reserve(keeper, 22_700, "more");
    // Stopped at the last moment, when the safety backup is there.
    let mut seen = false;
    let folder = registry.folder.path().to_owned();
    let watch = Watch::new(|progress| {
        let is_last = progress.total > 0 && progress.done == progress.total;
        let files = fs::read_dir(&folder).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let is_there = names.any(|name| name.starts_with("database.db.before-restore"));
        seen |= is_last && is_there;
        if seen {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let error = keeper.restore(&backup, watch).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(seen && safety_backups(&registry).is_empty());

    let report = keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!(report.released, 1);
    assert_eq!(safety_backups(&registry).len(), 1);
}

#[test]
fn the_newest_ten_safety_backups_stay_and_everything_of_others() {
    let registry = Registry::filled();
    let keeper = &registry.keeper;
    let backup = registry.backup("b.db");
    // What others put there: a name of ours over something else, and copies under names of their own.
    let strangers = [
        "database.db.before-restore-20200101T000000Z",
        "database.db.before-restore-20200101T000000Z-2",
        "database.db.before-restore-mine",
        "database.db.before-restore-20200101T000000Z.bak",
    ];
    fs::write(registry.path(strangers[0]), "somebody's").unwrap();
    fs::copy(&backup, registry.path(strangers[1])).unwrap();
    fs::write(registry.path(strangers[2]), "somebody's").unwrap();
    fs::write(registry.path(strangers[3]), "somebody's").unwrap();
    let mut written = Vec::new();
    for round in 0..14 {
        reserve(keeper, 22_700 + round, "more");
        let report = keeper.restore(&backup, Watch::none()).unwrap();
        let path = report.safety_backup.unwrap();
        written.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    let kept = safety_backups(&registry);
    for stranger in strangers {
        assert!(kept.contains(&stranger.to_owned()), "{stranger}: {kept:?}");
    }
    let ours: Vec<_> = written.iter().filter(|name| kept.contains(name)).collect();
    assert_eq!(ours, written[4..].iter().collect::<Vec<_>>());
    // One that somebody opened and wrote to is theirs.
    let used = registry.path(&written[4]);
    reserve(&Keeper::open_at(&used).unwrap(), 22_799, "theirs");
    for round in 0..3 {
        reserve(keeper, 22_750 + round, "more");
        keeper.restore(&backup, Watch::none()).unwrap();
    }
    let kept = safety_backups(&registry);
    assert!(kept.contains(&written[4]));
    assert!(!kept.contains(&written[5]), "{kept:?}");
}

/// Temporary files of processes that were killed go with the next backup or restore, when they are old.
#[test]
fn what_a_killed_backup_left_is_removed() {
    let registry = Registry::filled();
    let backup = registry.backup("b.db");
    let name = |stem: &str| format!(".{stem}.0123456789abcdef.tmp");
    let (gone, kept) = (
        [
            name("b.db"),
            name("database.db.before-restore-20240120T103000Z"),
        ],
        [
            name("c.db"),
            name("database.db.before-restore-mine"),
            name("young.db"),
        ],
    );
    let make = |name: &String, age: u64| {
        fs::copy(&backup, registry.path(name)).unwrap();
        let file = fs::File::options()
            .write(true)
            .open(registry.path(name))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age))
            .unwrap();
    };
    gone.iter().chain(&kept).for_each(|name| make(name, 3_600));
    make(&kept[2], 10);
    registry.backup("young.db");
    registry.backup("b.db");
    reserve(&registry.keeper, 22_700, "more");
    registry.keeper.restore(&backup, Watch::none()).unwrap();
    let files = registry.files();
    for name in gone {
        assert!(!files.contains(&name), "{name}: {files:?}");
    }
    for name in kept {
        assert!(files.contains(&name), "{name}: {files:?}");
    }
}

/// The clock was ahead once, so that the earlier ones have names of the future.
#[test]
fn a_safety_backup_is_kept_although_the_clock_was_ahead() {
    let registry = Registry::filled();
    let keeper = &registry.keeper;
    let backup = registry.backup("b.db");
    let restore = |port| {
        reserve(keeper, port, "more");
        let report = keeper.restore(&backup, Watch::none()).unwrap();
        report.safety_backup.unwrap()
    };
    // Names of ours over something else count for nothing.
    for round in 1..=12 {
        let name = format!("database.db.before-restore-20981231T000000Z-{round}");
        fs::write(registry.path(&name), "somebody's").unwrap();
    }
    let first = restore(22_700);
    assert!(first.exists() && !first.to_string_lossy().contains("2098"));
    fs::remove_file(first).unwrap();
    let future = |number| {
        registry.path(&format!(
            "database.db.before-restore-20990101T000000Z-{number}"
        ))
    };
    for number in 1..=10 {
        fs::rename(restore(22_700), future(number)).unwrap();
    }
    let next = restore(22_701);
    assert_eq!(next, future(11));
    assert!(next.exists() && !future(1).exists() && future(2).exists());
}

/// The oldest of the safety backups is restored: it is not removed for the new one.
#[test]
fn the_source_of_a_restore_stays() {
    let registry = Registry::filled();
    let keeper = &registry.keeper;
    let backup = registry.backup("b.db");
    let mut written = Vec::new();
    for round in 0..10 {
        reserve(keeper, 22_700 + round, "more");
        let report = keeper.restore(&backup, Watch::none()).unwrap();
        written.push(report.safety_backup.unwrap());
    }
    let link = registry.path("link");
    std::os::unix::fs::symlink(&written[0], &link).unwrap();
    let report = keeper.restore(&link, Watch::none()).unwrap();
    assert!(report.safety_backup.unwrap().exists());
    assert!(written.iter().all(|path| path.exists()));
    assert_eq!(safety_backups(&registry).len(), 11);
}
