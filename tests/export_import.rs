//! What an import makes of the registry, and that an export brings it all back.

#[path = "support/size.rs"]
mod size;
#[path = "support/transfer.rs"]
mod transfer;

use std::ops::ControlFlow;

use portkeeper_core::{
    Action, Document, ErrorKind, ExportRequest, ImportMode, ImportOutcome, ImportRequest, Keeper,
    Release, ReserveRequest, Status, Watch,
};
use serde_json::json;
use size::size;
use transfer::{claims, contents, document, entry, history, import, keeper, reserve};

/// Projects `shop` on 3000 to 3002 and `blog` on 4000, and 5000 that `shop` gave back.
fn registry() -> Keeper {
    let keeper = keeper();
    let request = ReserveRequest::new("shop").adopt(true);
    let web = request
        .description("web")
        .tags(["a", "b"])
        .metadata(json!({"x": 0.1}));
    keeper.reserve(3000, web).unwrap();
    for port in [3001, 3002, 5000] {
        reserve(&keeper, port, "shop");
    }
    reserve(&keeper, 4000, "blog");
    keeper.release(5000).unwrap();
    keeper
}

/// Imports `entries` into [`registry`] and compares the outcomes, `port outcome project (other)` each,
/// of a dry run first; then looks at what was written.
fn check(request: impl Fn(ImportRequest) -> ImportRequest, entries: &[String], expected: &[&str]) {
    let keeper = registry();
    let before = contents(&keeper);
    let request = request(ImportRequest::json(document(&entries.join(","))));

    let dry = import(&keeper, request.clone().dry_run(true)).unwrap();
    assert_eq!(contents(&keeper), before, "a dry run changes nothing");
    let real = import(&keeper, request.clone()).unwrap();
    assert_eq!(dry.ports, real.ports, "the dry run told the truth");
    assert_eq!(dry.to_string(), real.to_string());
    assert!(dry.dry_run && dry.configuration.is_none());
    assert!(!real.dry_run && real.configuration.is_some());

    let found: Vec<String> = real
        .ports
        .iter()
        .map(|port| {
            let other = port
                .other_project
                .as_ref()
                .map(|other| format!(" ({other})"));
            let changed = port.changed.join(",");
            let changed = if changed.is_empty() {
                changed
            } else {
                format!(" {changed}")
            };
            format!(
                "{} {} {}{}{changed}",
                port.port,
                port.outcome,
                port.project_name,
                other.unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(found, expected);

    // One new entry for each changed port, none for another.
    let after = history(&keeper);
    let new = &after[..after.len() - before.1.len()];
    let mut written: Vec<_> = new
        .iter()
        .map(|entry| {
            assert_eq!(entry.details["configuration"], json!(real.configuration));
            (entry.port, entry.action)
        })
        .collect();
    written.sort_unstable_by_key(|(port, _)| *port);
    let changed: Vec<_> = real
        .ports
        .iter()
        .filter_map(|port| match port.outcome {
            ImportOutcome::Added | ImportOutcome::Updated => Some((port.port, Action::Reserved)),
            ImportOutcome::Freed => Some((port.port, Action::Released)),
            ImportOutcome::Unchanged | ImportOutcome::Conflict => None,
        })
        .collect();
    assert_eq!(written, changed);

    // Nothing is deleted: whoever lost a port is still named in its row or its history.
    for row in &before.0 {
        assert!(keeper.get(row.number).unwrap().is_some());
    }
    // The same once more finds everything done.
    let again = import(&keeper, request).unwrap();
    assert_eq!(
        (again.added, again.updated, again.freed),
        (0, 0, 0),
        "{again}"
    );
    assert_eq!(history(&keeper).len(), after.len());
}

#[test]
fn a_merge_adds_and_alters_and_takes_nothing_away() {
    let merge = |request: ImportRequest| request;
    check(merge, &[], &[]);
    check(
        merge,
        &[entry(3000, "shop"), entry(6000, "new")],
        &["3000 unchanged shop", "6000 added new"],
    );
    check(merge, &[entry(5000, "blog")], &["5000 added blog"]);
    // Empty values are no values.
    check(
        merge,
        &[r#"{"number": 3000, "projectName": "shop", "description": "", "tags": [], "metadata": {}}"#
            .to_owned()],
        &["3000 unchanged shop"],
    );
    check(
        merge,
        &[
            r#"{"number": 3000, "projectName": "shop", "description": "api", "tags": ["a"],
            "reservedAt": "2020-01-01T00:00:00Z"}"#
                .to_owned(),
        ],
        &["3000 updated shop description,tags"],
    );
    check(
        merge,
        &[r#"{"number": 3000, "projectName": "", "status": "free"}"#.to_owned()],
        &[],
    );
}

#[test]
fn conflicts_refuse_a_merge_unless_they_are_skipped() {
    let entries = [entry(3000, "blog"), entry(4000, "shop"), entry(6000, "new")];
    check(
        |request| request.skip_conflicts(true),
        &entries,
        &[
            "3000 conflict blog (shop)",
            "4000 conflict shop (blog)",
            "6000 added new",
        ],
    );

    let keeper = registry();
    let before = contents(&keeper);
    let request = ImportRequest::json(document(&entries.join(",")));
    let refusal = import(&keeper, request.clone()).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved);
    assert_eq!(
        (refusal.port(), refusal.project()),
        (Some(3000), Some("shop"))
    );
    assert_eq!(contents(&keeper), before, "all or nothing");
    let dry = import(&keeper, request.dry_run(true)).unwrap();
    assert_eq!((dry.conflicts, dry.added), (2, 1));
}

#[test]
fn a_replacement_leaves_the_claims_of_the_document() {
    let replace = |request: ImportRequest| request.mode(ImportMode::Replace);
    check(
        replace,
        &[],
        &[
            "3000 freed shop",
            "3001 freed shop",
            "3002 freed shop",
            "4000 freed blog",
        ],
    );
    check(
        replace,
        &[entry(3000, "shop"), entry(3001, "blog"), entry(6000, "new")],
        &[
            "3000 updated shop description,tags,metadata",
            "3001 updated blog (shop) projectName",
            "3002 freed shop",
            "4000 freed blog",
            "6000 added new",
        ],
    );
}

#[test]
fn one_project_is_replaced_without_touching_another() {
    let only = |request: ImportRequest| request.mode(ImportMode::Replace).project("shop");
    check(
        only,
        &[entry(3001, "shop"), entry(6000, "new")],
        &["3000 freed shop", "3001 unchanged shop", "3002 freed shop"],
    );
    check(
        |request| only(request).skip_conflicts(true),
        &[entry(4000, "shop"), entry(3000, "shop")],
        &[
            "3000 updated shop description,tags,metadata",
            "3001 freed shop",
            "3002 freed shop",
            "4000 conflict shop (blog)",
        ],
    );
    // A port that the document gives to another project is not in the project's document.
    check(
        only,
        &[
            entry(3000, "blog"),
            entry(3001, "shop"),
            entry(3002, "shop"),
        ],
        &[
            "3000 freed shop",
            "3001 unchanged shop",
            "3002 unchanged shop",
        ],
    );
}

#[test]
fn an_added_claim_has_the_times_of_the_document_and_nothing_of_its_machine() {
    let keeper = keeper();
    let entry = r#"{"number": 3000, "projectName": "shop", "status": "in-use", "pid": 1, "processName":
        "init", "reservedAt": "2024-01-20 10:30:00", "lastSeenAt": "2016-12-31T23:59:60.5Z", "future": {}}"#;
    import(&keeper, ImportRequest::json(document(entry))).unwrap();
    let row = keeper.get(3000).unwrap().unwrap();
    assert_eq!(row.reserved_at.to_rfc3339(), "2024-01-20T10:30:00+00:00");
    let seen = row.last_seen_at.unwrap();
    assert_eq!(
        seen.to_rfc3339(),
        "2016-12-31T23:59:59+00:00",
        "SQLite knows no leap second"
    );
    assert_eq!(
        (row.status, row.pid, row.process_name),
        (Status::Reserved, None, None)
    );
    assert_eq!(history(&keeper)[0].details["reason"], "imported");
}

#[test]
fn exports_are_ordered_and_limited_to_a_project() {
    let keeper = registry();
    let all = keeper.export(ExportRequest::all()).unwrap();
    let numbers: Vec<u16> = all.ports.iter().map(|port| port.number).collect();
    assert_eq!(numbers, [3000, 3001, 3002, 4000]);
    assert_eq!(all.version, Document::VERSION);
    let blog = keeper.export(ExportRequest::project("blog")).unwrap();
    assert_eq!(blog.ports, all.ports[3..]);
    let text: serde_json::Value = serde_json::from_str(&blog.to_json().unwrap()).unwrap();
    let mut fields: Vec<&str> = text["ports"][0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "autoRelease",
            "description",
            "lastSeenAt",
            "metadata",
            "number",
            "pid",
            "processName",
            "projectName",
            "reservedAt",
            "status",
            "tags",
            "updatedAt",
        ]
    );
    let serde: Document = serde_json::from_value(text).unwrap();
    assert_eq!(serde, blog);
}

#[test]
fn a_replacement_brings_an_export_back() {
    let keeper = registry();
    let before = claims(&keeper);
    let document = keeper.export(ExportRequest::all()).unwrap();
    keeper.release(Release::ports([3000, 3001, 4000])).unwrap();
    reserve(&keeper, 3001, "thief");
    reserve(&keeper, 7000, "thief");
    keeper
        .reserve(3002, ReserveRequest::new("shop").tag("t").adopt(true))
        .unwrap();
    let request = ImportRequest::document(document).mode(ImportMode::Replace);
    import(&keeper, request).unwrap();
    let mut after = claims(&keeper);
    for (row, was) in after.iter_mut().zip(&before) {
        row.updated_at = was.updated_at;
    }
    assert_eq!(after, before);
}

#[test]
fn a_watch_sees_the_import_and_stops_it_anywhere() {
    let entries: Vec<String> = (10_000..15_000).map(|port| entry(port, "shop")).collect();
    let request = ImportRequest::json(document(&entries.join(",")));
    let total = 5_000;
    let mut seen = Vec::new();
    let watch = Watch::new(|progress| {
        assert_eq!(progress.operation, "import");
        seen.push((progress.done, progress.total));
        ControlFlow::Continue(())
    });
    keeper().import(request.clone(), watch).unwrap();
    assert_eq!(seen.first(), Some(&(0, 0)));
    assert_eq!(seen.last(), Some(&(total, total)));
    assert!(seen.is_sorted() && seen.len() > 4, "{seen:?}");

    let keeper = registry();
    let before = contents(&keeper);
    for stop_at in 0..seen.len() {
        let mut calls = 0;
        let watch = Watch::new(|_| {
            calls += 1;
            if calls > stop_at {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let error = keeper.import(request.clone(), watch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert_eq!(contents(&keeper), before, "stopped at report {stop_at}");
    }
    assert_eq!(import(&keeper, request).unwrap().added, 5_000);
}

#[test]
fn a_failure_in_the_middle_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    reserve(&keeper, 3000, "shop");
    // Another program forbids two equal descriptions, behind this keeper's back.
    rusqlite::Connection::open(keeper.path())
        .unwrap()
        .execute_batch("CREATE UNIQUE INDEX foreign_rule ON ports(description)")
        .unwrap();
    let described = |port: u16, text: &str| {
        format!(r#"{{"number": {port}, "projectName": "p", "description": "{text}"}}"#)
    };
    let entries = [
        described(4000, "a"),
        described(4001, "b"),
        described(4002, "a"),
    ];
    let before = contents(&keeper);
    for mode in [ImportMode::Merge, ImportMode::Replace] {
        let request = ImportRequest::json(document(&entries.join(","))).mode(mode);
        let error = import(&keeper, request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseError, "{error}");
        assert_eq!(contents(&keeper), before);
    }
    let request = ImportRequest::json(document(&entries[..2].join(",")));
    assert_eq!(import(&keeper, request).unwrap().added, 2);
}

#[test]
fn every_port_of_a_machine_is_exported_and_imported() {
    // In `cargo test` a tenth of them.
    let last = size(6_553, u16::MAX);
    let entries: Vec<String> = (1..=last).map(|port| entry(port, "all")).collect();
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    let text = document(&entries.join(","));
    let start = std::time::Instant::now();
    let report = import(&keeper, ImportRequest::json(text)).unwrap();
    println!("import of {last} ports: {} ms", start.elapsed().as_millis());
    assert_eq!(report.added, u32::from(last));
    let start = std::time::Instant::now();
    let document = keeper.export(ExportRequest::all()).unwrap();
    println!("export of {last} ports: {} ms", start.elapsed().as_millis());
    let start = std::time::Instant::now();
    assert_eq!(
        import(&keeper, document).unwrap().unchanged,
        u32::from(last)
    );
    println!("unchanged import: {} ms", start.elapsed().as_millis());
    assert_eq!(history(&keeper).len(), usize::from(last));
}
