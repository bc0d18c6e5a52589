//! What other programs store through SQL, where callers of the engine have narrower bounds: it comes
//! through a backup and a dump as it is; what could not be imported again is not exported, by name, and
//! `verify` says both before anybody needs it.

#[path = "support/registry.rs"]
mod registry;

use std::fs;

use portkeeper_core::{
    ErrorKind, ExportRequest, FindingKind, HistoryQuery, ImportRequest, Keeper, ReserveRequest,
    Severity, Watch,
};
use registry::{Registry, content, reserve};
use rusqlite::Connection;

/// A registry of port 22500, altered by a program whose triggers run.
fn registry(set: &str) -> Registry {
    let registry = Registry::new();
    reserve(&registry.keeper, 22_500, "mine");
    reserve(&registry.keeper, 22_501, "other");
    let other = Connection::open(registry.keeper.path()).unwrap();
    let sql = format!("UPDATE ports SET {set} WHERE number = 22500");
    other.execute_batch(&sql).unwrap();
    registry
}

/// Rows and history come back from a backup and from a dump, to the byte.
fn comes_back(registry: &Registry, what: &str) {
    let mut text = Vec::new();
    registry.keeper.dump(&mut text, Watch::none()).unwrap();
    let dump = registry.path("dump.sql");
    fs::write(&dump, text).unwrap();
    for source in [registry.backup("b.db"), dump] {
        let new = Registry::new();
        new.keeper.restore(&source, Watch::none()).unwrap();
        assert_eq!(
            content(new.keeper.path()),
            content(registry.keeper.path()),
            "{what}"
        );
        let again = new.keeper.restore(&source, Watch::none()).unwrap();
        assert_eq!(again.safety_backup, None, "{what}: restored twice");
    }
}

/// Also over a row that reads the same, but is another one.
#[test]
fn json_that_nothing_here_can_read_is_restored_as_it_is() {
    let sets = [
        r#"metadata = '{"a": 1e400}'"#,
        r#"metadata = '{"a": -1e999, "b":[ 1 ]}'"#,
        r#"tags = '["web", 1e400]'"#,
        &format!(
            r#"metadata = '{{"a": {}1{}}}'"#,
            "[".repeat(300),
            "]".repeat(300)
        ),
        r#"tags = '["a", 7, {"b": 1}]', metadata = '{ "a" : 1, "a" : 2 }'"#,
    ];
    // Within the same second, and later.
    let later = "UPDATE ports SET tags = NULL, metadata = NULL, updatedAt = '2100-01-01T00:00:00Z' \
         WHERE number = 22500";
    let now = later.replace(", updatedAt = '2100-01-01T00:00:00Z'", "");
    for (set, time) in sets
        .iter()
        .flat_map(|set| [(set, now.as_str()), (set, later)])
    {
        let registry = registry(set);
        comes_back(&registry, set);
        let backup = registry.backup("b.db");
        let wanted = content(&backup);
        let other = Connection::open(registry.keeper.path()).unwrap();
        other.execute_batch(time).unwrap();
        let report = registry.keeper.restore(&backup, Watch::none()).unwrap();
        assert_eq!(report.restored, 1, "{set}");
        let last = registry
            .keeper
            .history(HistoryQuery::all().limit(1))
            .unwrap();
        assert_eq!(
            (last[0].port, &last[0].details["reason"]),
            (22_500, &"restored".into()),
            "{set}"
        );
        let row = |lines: &[String]| {
            lines
                .iter()
                .find(|line| line.contains("Integer(22500)|"))
                .cloned()
        };
        let (found, wanted) = (row(&content(registry.keeper.path())), row(&wanted));
        let json = |row: Option<String>| {
            row.unwrap()
                .split("|")
                .skip(10)
                .collect::<Vec<_>>()
                .join("|")
        };
        assert_eq!(json(found), json(wanted), "{set}");
    }
}

#[test]
fn history_that_nothing_here_can_read_is_restored_as_it_is() {
    let registry = registry("description = 'new'");
    let other = Connection::open(registry.keeper.path()).unwrap();
    other
        .execute_batch(
            "INSERT INTO port_history (port, action, projectName, details, description) \
             VALUES (22501, 'reserved', 'other', '{\"n\": 1e400}', NULL)",
        )
        .unwrap();
    comes_back(&registry, "details");
    assert_eq!(registry.keeper.verify(Watch::none()).unwrap(), []);
}

/// Every row that an export yields comes back; the others are named.
#[test]
fn an_export_can_be_imported_or_is_refused_by_name() {
    let long = "x".repeat(201);
    for (set, phrase) in [
        (
            "description = 'two' || char(13, 10) || 'lines'".to_owned(),
            None,
        ),
        (r#"tags = '["a", "a", "b"]'"#.to_owned(), None),
        (
            r#"metadata = '{"big": 123456789012345678901234567890}'"#.to_owned(),
            None,
        ),
        (
            format!("projectName = '{long}'"),
            Some("longer than 200 characters"),
        ),
        (
            "projectName = 'a' || char(10) || 'b'".to_owned(),
            Some("control character"),
        ),
        (
            format!("description = '{}'", "x".repeat(4_001)),
            Some("longer than 4000"),
        ),
        (
            "description = 'bell' || char(7)".to_owned(),
            Some("control character"),
        ),
        (r#"tags = '[" "]'"#.to_owned(), Some("is blank")),
        (
            format!(r#"tags = '["{}"]'"#, "x".repeat(101)),
            Some("longer than 100"),
        ),
        (
            r#"metadata = '{"a": 1e400}'"#.to_owned(),
            Some("beyond what can be read"),
        ),
        (
            format!(r#"metadata = '{{"a": "{}"}}'"#, "x".repeat(70_000)),
            Some("longer than 65536"),
        ),
    ] {
        let registry = registry(&set);
        let keeper = &registry.keeper;
        comes_back(&registry, &set);
        let exported = keeper.export(ExportRequest::all());
        let warnings: Vec<_> = keeper
            .verify(Watch::none())
            .unwrap()
            .into_iter()
            .map(|finding| {
                (
                    finding.kind,
                    finding.severity,
                    finding.port,
                    finding.message,
                )
            })
            .collect();
        let Some(phrase) = phrase else {
            let document = exported.unwrap();
            let new = Keeper::in_memory().unwrap();
            new.import(
                ImportRequest::json(document.to_json().unwrap()),
                Watch::none(),
            )
            .unwrap();
            let again = new.export(ExportRequest::all()).unwrap();
            assert_eq!(again.ports, document.ports, "{set}");
            assert_eq!(warnings, [], "{set}");
            continue;
        };
        let error = exported.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{set}: {error}");
        let message = error.to_string();
        assert!(
            message.contains("port 22500") && message.contains(phrase),
            "{set}: {message}"
        );
        let [(FindingKind::Value, Severity::Warning, Some(22_500), message)] = &warnings[..] else {
            panic!("{set}: {warnings:?}")
        };
        assert!(
            message.contains("cannot be exported") && message.contains(phrase),
            "{message}"
        );
        // Other projects are not in its way.
        assert_eq!(
            keeper
                .export(ExportRequest::project("other"))
                .unwrap()
                .ports
                .len(),
            1
        );
    }
}

/// A write of the engine keeps what it cannot read, as long as it is the same claim and is given nothing else.
#[test]
fn json_that_nothing_here_can_read_stays_with_its_claim() {
    const TAGS: &str = r#"["web", 7, 1e400]"#;
    const METADATA: &str = r#"{"a": 1e400}"#;
    let registry = registry(&format!("tags = '{TAGS}', metadata = '{METADATA}'"));
    let keeper = &registry.keeper;
    let stored = || {
        let sql = "SELECT description, status, tags, metadata FROM ports WHERE number = 22500";
        let db = Connection::open(keeper.path()).unwrap();
        let row = db.query_row(sql, (), |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
        });
        row.unwrap()
            .map(|value: Option<String>| value.unwrap_or_default())
    };
    let mine = || ReserveRequest::new("mine").adopt(true);
    keeper.reserve(22_500, mine().description("one")).unwrap();
    assert_eq!(stored(), ["one", "reserved", TAGS, METADATA]);
    keeper.reserve(22_500, mine().tag("new")).unwrap();
    assert_eq!(stored(), ["one", "reserved", r#"["new"]"#, METADATA]);
    keeper
        .reserve(22_500, mine().metadata("{}").description("two"))
        .unwrap();
    assert_eq!(stored(), ["two", "reserved", r#"["new"]"#, METADATA]);
    keeper
        .reserve(22_500, mine().metadata(r#"{"b": 1}"#))
        .unwrap();
    assert_eq!(stored(), ["two", "reserved", r#"["new"]"#, r#"{"b":1}"#]);

    // Not with another claim.
    for project in ["mine", "another"] {
        let sql = format!(
            "UPDATE ports SET tags = '{TAGS}', metadata = '{METADATA}' WHERE number = 22500"
        );
        Connection::open(keeper.path())
            .unwrap()
            .execute_batch(&sql)
            .unwrap();
        keeper.release(22_500).unwrap();
        keeper
            .reserve(22_500, ReserveRequest::new(project).adopt(true))
            .unwrap();
        assert_eq!(stored(), ["", "reserved", "", ""], "{project}");
    }
}

/// What a restore would refuse is told while there is time to mend it.
#[test]
fn rows_that_cannot_be_restored_are_found() {
    for (sql, phrase) in [
        (
            "UPDATE ports SET description = CAST(x'ff' AS TEXT)",
            "ports 22500: it cannot be restored",
        ),
        (
            "UPDATE ports SET processName = printf('%.20000c', 'x')",
            "processName has 20000 bytes",
        ),
        (
            "UPDATE port_history SET performedBy = x'00'",
            "port_history 1: it cannot be restored",
        ),
        (
            "INSERT INTO configurations (name, data, version) VALUES ('a', x'00', '1')",
            "configurations 1: it cannot be restored: data is not a text",
        ),
    ] {
        let registry = Registry::new();
        reserve(&registry.keeper, 22_500, "mine");
        registry::raw(registry.keeper.path(), sql);
        let findings = registry.keeper.verify(Watch::none()).unwrap();
        let told = findings
            .iter()
            .find(|finding| finding.message.contains(phrase));
        assert_eq!(
            told.map(|finding| finding.severity),
            Some(Severity::Error),
            "{sql}: {findings:?}"
        );
        let backup = registry.backup("b.db");
        let error = Registry::new()
            .keeper
            .restore(&backup, Watch::none())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{sql}: {error}");
    }
}

#[test]
fn a_saved_document_that_was_altered_is_found() {
    let registry = Registry::new();
    reserve(&registry.keeper, 22_500, "mine");
    registry.keeper.export(ExportRequest::all()).unwrap();
    registry.keeper.export(ExportRequest::all()).unwrap();
    assert_eq!(registry.keeper.verify(Watch::none()).unwrap(), []);
    let id = registry.keeper.configurations().unwrap()[0].id;
    let sql =
        format!("UPDATE configurations SET data = replace(data, '2250', '2251') WHERE id = {id}");
    registry::raw(registry.keeper.path(), &sql);
    let findings = registry.keeper.verify(Watch::none()).unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(
        findings[0]
            .message
            .starts_with(&format!("configurations {id}: its document"))
    );
    assert_eq!(findings[0].severity, Severity::Error);
}

/// Exports that nobody named do not grow for ever.
#[test]
fn the_newest_hundred_exports_without_a_name_are_kept() {
    let registry = Registry::new();
    let keeper = &registry.keeper;
    keeper.export(ExportRequest::all().name("mine")).unwrap();
    keeper.export(ExportRequest::all()).unwrap();
    // Of another tool under the same name, and one that no longer is what was kept.
    registry::raw(
        keeper.path(),
        "INSERT INTO configurations (name, data, version) VALUES ('export', '{}', '1'); \
         UPDATE configurations SET data = 'altered' WHERE id = 2",
    );
    for _ in 0..103 {
        keeper.export(ExportRequest::all()).unwrap();
    }
    let ids: Vec<i64> = keeper
        .configurations()
        .unwrap()
        .iter()
        .map(|one| one.id)
        .collect();
    let expected: Vec<i64> = (7..=106).rev().chain([3, 2, 1]).collect();
    assert_eq!(ids, expected);
    // So do imports, beside them.
    for _ in 0..101 {
        let text = r#"{"version": "1.0", "ports": []}"#;
        keeper
            .import(ImportRequest::json(text), Watch::none())
            .unwrap();
    }
    assert_eq!(keeper.configurations().unwrap().len(), 203);
}
