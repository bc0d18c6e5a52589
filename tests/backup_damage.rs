//! A backup or a dump that lost its end or has a byte that is another one: refused, or as good as new.

#[path = "support/registry.rs"]
mod registry;
#[path = "support/size.rs"]
mod size;

use std::{fs, path::Path};

use portkeeper_core::{ErrorKind, Keeper, Watch};
use registry::{Registry, content, raw, reserve};
use size::size;

/// Bytes after the pages of a backup.
const SEAL: usize = 89;

#[test]
fn a_backup_that_was_cut_anywhere_is_refused() {
    let registry = Registry::filled();
    let whole = fs::read(registry.backup("b.db")).unwrap();
    let pages = whole.len() / 4_096 * 4_096;
    assert_eq!(whole.len() - pages, SEAL);
    let before = content(registry.keeper.path());
    let part = registry.path("part.db");
    for end in (4_096..pages).step_by(4_096).chain([100, 5_000]) {
        fs::write(&part, &whole[..end]).unwrap();
        let error = registry.keeper.restore(&part, Watch::none()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{end}: {error}");
    }
    assert_eq!(content(registry.keeper.path()), before);
    // What lost its seal alone is a database like any other.
    fs::write(&part, &whole[..pages + 7]).unwrap();
    registry.keeper.restore(&part, Watch::none()).unwrap();
    assert_eq!(content(registry.keeper.path()), before);
}

/// Restores `bytes` into an empty registry; whether it was refused.
fn is_refused(folder: &Path, bytes: &[u8], expected: &[String], flip: &str) -> bool {
    let part = folder.join("part");
    let target = folder.join("target.db");
    fs::write(&part, bytes).unwrap();
    let keeper = Keeper::open_at(&target).unwrap();
    let outcome = keeper.restore(&part, Watch::none());
    let found = content(&target);
    match &outcome {
        Ok(_) => assert_eq!(found, expected, "{flip}"),
        Err(error) => {
            let kinds = [
                ErrorKind::DatabaseCorrupt,
                ErrorKind::SchemaMismatch,
                ErrorKind::SchemaTooNew,
            ];
            assert!(kinds.contains(&error.kind()), "{flip}: {error}");
            assert!(error.to_string().contains("part"), "{flip}: {error}");
            assert_eq!(found, [] as [String; 0], "{flip}: {error}");
        }
    }
    if outcome.is_ok() {
        drop(keeper);
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", target.display()));
        }
    }
    outcome.is_err()
}

/// Every byte of the header and of the end, and others all over the file.
fn sweep(bytes: &[u8], ends: [usize; 2], stride: usize, expected: &[String]) -> [usize; 2] {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(4);
    let last = bytes.len() - ends[1];
    let all = (0..ends[0]).chain((ends[0]..last).step_by(stride));
    let mut counts = [0, 0];
    for at in all.chain(last..bytes.len()) {
        let mut bytes = bytes.to_vec();
        let bit = random.u8(..8);
        bytes[at] ^= 1 << bit;
        let flip = format!("bit {bit} of byte {at}");
        let refused = is_refused(folder.path(), &bytes, expected, &flip);
        counts[usize::from(!refused)] += 1;
    }
    counts
}

#[test]
fn a_changed_byte_of_a_backup_never_passes_as_a_right_answer() {
    let registry = Registry::filled();
    let whole = fs::read(registry.backup("b.db")).unwrap();
    let expected = content(registry.keeper.path());
    let [refused, equal] = sweep(&whole, [100, SEAL], size(997, 97), &expected);
    println!("{refused} flipped bytes of a backup were refused, {equal} made no difference");
    // Those that made none are in the seal's own first words, and in SQLite's count of changes.
    assert!(
        refused > size(300, 1_500) && (1..=25).contains(&equal),
        "{refused}, {equal}"
    );
}

#[test]
fn a_changed_byte_of_a_dump_never_passes_as_a_right_answer() {
    let registry = Registry::filled();
    let mut whole = Vec::new();
    registry.keeper.dump(&mut whole, Watch::none()).unwrap();
    let expected = content(registry.keeper.path());
    let [refused, equal] = sweep(&whole, [100, 84], size(397, 53), &expected);
    println!("{refused} flipped bytes of a dump were refused, {equal} made no difference");
    assert!(
        refused > size(200, 500) && (1..=30).contains(&equal),
        "{refused}, {equal}"
    );
}

/// A dump that an editor saved with other line ends is refused, too, until its checksum is taken out.
#[test]
fn a_dump_that_was_edited_is_taken_without_its_checksum() {
    let registry = Registry::filled();
    let mut whole = Vec::new();
    registry.keeper.dump(&mut whole, Watch::none()).unwrap();
    let edited = String::from_utf8(whole)
        .unwrap()
        .replace("my-app", "my-shop");
    let script = registry.path("edited.sql");
    for text in [edited.clone(), edited.replace('\n', "\r\n")] {
        fs::write(&script, text).unwrap();
        let error = registry.keeper.restore(&script, Watch::none()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
        assert!(error.to_string().contains("-- sha256"), "{error}");
    }
    let lines = edited.lines().filter(|line| !line.starts_with("-- sha256"));
    fs::write(&script, lines.collect::<Vec<_>>().join("\n")).unwrap();
    registry.keeper.restore(&script, Watch::none()).unwrap();
    let row = registry.keeper.get(22_600).unwrap().unwrap();
    assert_eq!(row.project_name, "my-shop");
}

/// A backup is a plain database, and one that is used as such is no backup any more.
#[test]
fn a_backup_that_became_a_registry_is_restored_as_it_is_now() {
    let registry = Registry::filled();
    let backup = registry.backup("b.db");
    let opened = Keeper::open_at(&backup).unwrap();
    for port in 22_000..22_200 {
        reserve(&opened, port, "more");
    }
    assert_eq!(opened.verify(Watch::none()).unwrap(), []);
    // Its log is beside it, and then no more.
    registry.keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!(registry.keeper.stats().unwrap().rows["ports"], 205);
    reserve(&opened, 22_200, "more");
    drop(opened);
    registry.keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!(registry.keeper.stats().unwrap().rows["ports"], 206);

    // So is one that another program altered, with a journal.
    let altered = registry.backup("altered.db");
    raw(
        &altered,
        "UPDATE ports SET tags = '[\"new\"]' WHERE number = 22601",
    );
    registry.keeper.restore(&altered, Watch::none()).unwrap();
    let row = registry.keeper.get(22_601).unwrap().unwrap();
    assert_eq!(row.tags, ["new"]);
}

/// What comes after its end does not hide that a dump was changed, and no statement may come there.
#[test]
fn what_is_added_to_a_dump_hides_no_change() {
    let registry = Registry::filled();
    let mut whole = Vec::new();
    registry.keeper.dump(&mut whole, Watch::none()).unwrap();
    let whole = String::from_utf8(whole).unwrap();
    let changed = whole.replace("my-app", "my-shop");
    let above = |text: &str| text.replace("-- sha256", "-- kept by ops\n-- sha256");
    let below = |text: &str| text.replace("COMMIT;", "/* kept by ops */ commit ;");
    let script = registry.path("added.sql");
    let restore = |text: &str| {
        fs::write(&script, text).unwrap();
        registry.keeper.restore(&script, Watch::none())
    };
    let comment = "\n -- kept by ops\n/* so\n it is */\n";
    restore(&format!("{whole}{comment}")).unwrap();
    for text in [
        format!("{changed}{comment}"),
        format!("{changed}{comment}COMMIT;"),
        format!("{changed};"),
        format!("{changed}-- sha256 {}\n", "0".repeat(64)),
        above(&changed),
        above(&whole),
        below(&changed),
        format!("{whole}INSERT INTO ports (number, projectName) VALUES (1, 'x');"),
        format!("{whole}{whole}"),
    ] {
        let error = restore(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
        let message = error.to_string();
        assert!(
            message.contains("has changed since") || message.contains("follows its end"),
            "{message}"
        );
    }
    // In a description it is a text like any other.
    let quoted = format!("-- sha256 {}\nCOMMIT;\n", "0".repeat(64));
    raw(
        registry.keeper.path(),
        &format!("UPDATE ports SET description = '{quoted}' WHERE number = 22601"),
    );
    let mut whole = Vec::new();
    registry.keeper.dump(&mut whole, Watch::none()).unwrap();
    let whole = String::from_utf8(whole).unwrap();
    restore(&whole).unwrap();
    let foreign = whole.rsplit_once("-- sha256").unwrap().0;
    restore(&format!("{foreign}COMMIT;\n")).unwrap();
}
