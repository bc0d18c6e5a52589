//! Every export and import is kept with its checksum, which is verified on use.

#[path = "support/transfer.rs"]
mod transfer;

use std::path::Path;

use portkeeper_core::{ErrorKind, ExportRequest, ImportMode, ImportRequest, Keeper, Options};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use transfer::{contents, document, entry, import, reserve};

fn registry() -> (TempDir, Keeper) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Options::new().path(path).actor("the tests").open().unwrap();
    reserve(&keeper, 3000, "shop");
    reserve(&keeper, 4000, "blog");
    (folder, keeper)
}

/// Another program, which knows the documented tables.
fn other(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn hexadecimal(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn exports_and_imports_are_kept_newest_first_with_who_and_what() {
    let (_folder, keeper) = registry();
    let exported = keeper
        .export(ExportRequest::project("shop").name("before"))
        .unwrap();
    let text = document(&entry(6000, "new"));
    let request = ImportRequest::json(text);
    import(&keeper, request.clone().dry_run(true)).unwrap();
    let report = import(&keeper, request).unwrap();

    let kept = keeper.configurations().unwrap();
    let names: Vec<&str> = kept.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["import", "before"], "a dry run is not kept");
    assert_eq!(report.configuration, Some(kept[0].id));
    let descriptions: Vec<_> = kept
        .iter()
        .filter_map(|one| one.description.as_deref())
        .collect();
    assert_eq!(
        descriptions,
        [
            "merge: 1 added, 0 updated, 0 unchanged, 0 conflicts, 0 freed",
            "1 ports of project \"shop\""
        ]
    );
    for one in &kept {
        assert_eq!(one.version, "1.0");
        assert_eq!(one.created_by.as_deref(), Some("the tests"));
        let saved = keeper.configuration(one.id).unwrap();
        assert!(saved.verified);
        assert_eq!(saved.configuration, *one);
        let text = saved.document.to_json().unwrap();
        assert_eq!(one.checksum.as_deref(), Some(hexadecimal(&text).as_str()));
        assert_eq!(one.bytes, text.len() as u64);
    }
    assert_eq!(keeper.configuration(kept[1].id).unwrap().document, exported);

    let database = Connection::open(keeper.path()).unwrap();
    let stored: String = database
        .query_row(
            "SELECT data FROM configurations WHERE id = ?1",
            [kept[1].id],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(stored, exported.to_json().unwrap());
}

#[test]
fn a_kept_document_is_imported_again_and_can_be_removed() {
    let (_folder, keeper) = registry();
    keeper.export(ExportRequest::all()).unwrap();
    let id = keeper.configurations().unwrap()[0].id;
    keeper.release([3000, 4000]).unwrap();
    reserve(&keeper, 5000, "other");
    let request = ImportRequest::configuration(id).mode(ImportMode::Replace);
    let report = import(&keeper, request.clone()).unwrap();
    assert_eq!((report.added, report.freed), (2, 1));

    let before = contents(&keeper);
    keeper.remove_configuration(id).unwrap();
    let after = contents(&keeper);
    assert_eq!(
        (&after.0, &after.1, after.2 + 1),
        (&before.0, &before.1, before.2)
    );
    for error in [
        keeper.remove_configuration(id).unwrap_err(),
        keeper.configuration(id).unwrap_err(),
        import(&keeper, request).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            format!("configuration \"{id}\" does not exist")
        );
    }
    keeper.export(ExportRequest::all()).unwrap();
    assert_ne!(
        keeper.configurations().unwrap()[0].id,
        id,
        "an id is never used again"
    );
}

#[test]
fn a_document_that_was_tampered_with_is_not_used() {
    for (tamper, kind) in [
        (
            "data = replace(data, 'shop', 'evil')",
            ErrorKind::DatabaseCorrupt,
        ),
        ("data = data || ' '", ErrorKind::DatabaseCorrupt),
        ("data = CAST(x'ff' AS TEXT)", ErrorKind::DatabaseCorrupt),
        ("data = x''", ErrorKind::DatabaseCorrupt),
        ("checksum = '00'", ErrorKind::DatabaseCorrupt),
        (
            "checksum = NULL, data = 'ports: []'",
            ErrorKind::ImportInvalid,
        ),
        ("checksum = NULL, data = x'ff'", ErrorKind::ImportInvalid),
        (
            "checksum = NULL, data = replace(data, '\"1.0\"', '\"7\"')",
            ErrorKind::ImportInvalid,
        ),
    ] {
        let (_folder, keeper) = registry();
        keeper.export(ExportRequest::all()).unwrap();
        other(
            keeper.path(),
            &format!("UPDATE configurations SET {tamper}"),
        );
        let before = contents(&keeper);
        let id = keeper.configurations().unwrap()[0].id;
        let request = ImportRequest::configuration(id).mode(ImportMode::Replace);
        for error in [
            keeper.configuration(id).unwrap_err(),
            import(&keeper, request).unwrap_err(),
        ] {
            assert_eq!(error.kind(), kind, "{tamper}: {error}");
            assert!(
                error.to_string().contains(&format!("configuration {id}")),
                "{error}"
            );
        }
        assert_eq!(contents(&keeper), before);
        keeper.remove_configuration(id).unwrap();
    }
}

#[test]
fn rows_of_other_tools_are_accepted_and_said_to_be_unverified() {
    let (_folder, keeper) = registry();
    let text = document(&entry(6000, "new"));
    let checksum = hexadecimal(&text).to_uppercase();
    other(
        keeper.path(),
        &format!(
            "INSERT INTO configurations (name, data, version) VALUES ('bare', '{text}', '1');
             INSERT INTO configurations (name, data, version, checksum)
                VALUES ('sum', '{text}', '1', '{checksum}');
             INSERT INTO configurations VALUES
                (NULL, x'6869ff', 7, x'00', 1.5, 'yesterday', x'ff', '');"
        ),
    );
    let kept = keeper.configurations().unwrap();
    let [odd, sum, bare] = kept.as_slice() else {
        panic!("{kept:?}");
    };
    assert_eq!(
        (odd.name.as_str(), odd.version.as_str()),
        ("hi\u{fffd}", "1.5")
    );
    assert!(!keeper.configuration(bare.id).unwrap().verified);
    assert!(keeper.configuration(sum.id).unwrap().verified);
    let error = keeper.configuration(odd.id).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImportInvalid, "{error}");
    assert_eq!(
        import(&keeper, ImportRequest::configuration(bare.id))
            .unwrap()
            .added,
        1
    );
}

#[test]
fn bad_arguments_are_refused_by_name() {
    let (_folder, keeper) = registry();
    let before = contents(&keeper);
    let request = ImportRequest::json(document(""));
    for (error, phrase) in [
        (
            keeper.export(ExportRequest::project("")).unwrap_err(),
            "project name",
        ),
        (
            keeper.export(ExportRequest::all().name(" ")).unwrap_err(),
            "name \" \" is blank",
        ),
        (
            import(&keeper, request.clone().project("a\nb")).unwrap_err(),
            "project \"a\\nb\"",
        ),
        (
            import(&keeper, request.name("")).unwrap_err(),
            "name \"\" is blank",
        ),
        (
            keeper.configuration(-7).unwrap_err(),
            "configuration \"-7\" does not exist",
        ),
    ] {
        assert!(error.to_string().contains(phrase), "{error}");
    }
    assert_eq!(contents(&keeper), before);
}
