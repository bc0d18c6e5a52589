//! What must hold of every file, whatever is in it.

use std::{fs, path::Path};

use portkeeper_core::{Filter, HistoryQuery, Keeper, Watch};

/// Opens `bytes` as a registry, and restores them into another one.
pub fn check(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source.db");
    fs::write(&source, bytes).expect("a file");

    let keeper = Keeper::open_at(folder.path().join("database.db")).expect("a new registry");
    if keeper.restore(&source, Watch::none()).is_err() {
        assert_eq!(keeper.list(Filter::claims()).expect("a list"), []);
        assert_eq!(keeper.history(HistoryQuery::all()).expect("a history"), []);
    }
    let findings = keeper.verify(Watch::none()).expect("it can be verified");
    assert_eq!(findings, [], "what was restored is sound");
    assert_eq!(
        fs::read(&source).ok().as_deref(),
        Some(bytes),
        "a source is only read"
    );

    opened(&source, bytes);
}

/// A file that is refused stays as it is; of one that is accepted every question has an answer.
fn opened(path: &Path, bytes: &[u8]) {
    match Keeper::open_at(path) {
        Err(_) => assert_eq!(fs::read(path).ok().as_deref(), Some(bytes)),
        Ok(keeper) => {
            let _ = keeper.list(Filter::claims());
            let _ = keeper.history(HistoryQuery::all());
            let _ = keeper.verify(Watch::none());
            let _ = keeper.dump(&mut Vec::new(), Watch::none());
        }
    }
}
