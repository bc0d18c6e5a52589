//! Values in a backup that no caller of the engine can store.

#[path = "support/registry.rs"]
mod registry;

use portkeeper_core::Watch;
use registry::{Registry, content, raw};

/// Rows read the same with and without a number among their tags; a restore brings it back nevertheless.
#[test]
fn what_no_row_shows_of_its_json_is_restored() {
    let registry = Registry::filled();
    let set = |tags: &str| {
        raw(
            registry.keeper.path(),
            &format!("UPDATE ports SET tags = {tags} WHERE number = 22601"),
        );
    };
    set(r#"'[1, "a"]'"#);
    let backup = registry.backup("b.db");
    let before = content(registry.keeper.path());
    let ports = |content: &[String]| content.iter().take(5).cloned().collect::<Vec<_>>();
    set(r#"'["a"]'"#);
    registry.keeper.restore(&backup, Watch::none()).unwrap();
    let after = content(registry.keeper.path());
    assert_eq!(ports(&after), ports(&before));
    // The same list, written in another way, is no change.
    set(r#"'[1,"a"]'"#);
    let report = registry.keeper.restore(&backup, Watch::none()).unwrap();
    assert_eq!((report.restored, report.history), (0, 0));
}

/// The file that it was made in is gone when the message is read.
#[test]
fn a_copy_that_fails_its_check_is_named_by_its_place() {
    let registry = Registry::filled();
    raw(
        registry.keeper.path(),
        "UPDATE ports SET status = 'odd' WHERE number = 22601",
    );
    let place = registry.path("b.db");
    let error = registry.keeper.backup(&place, Watch::none()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("CHECK constraint"), "{message}");
    assert!(message.contains(place.to_str().unwrap()), "{message}");
    assert!(!message.contains(".tmp:"), "{message}");
    assert!(!place.exists());
}
