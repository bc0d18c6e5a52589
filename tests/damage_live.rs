//! Bytes of a live registry that change under it. SQLite has no checksum of a page, so that not every
//! one can be noticed; which ones cannot is measured here, and told at `Keeper::verify`.

#[path = "support/size.rs"]
mod size;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use portkeeper_core::{
    ErrorKind, ExportRequest, Keeper, PortRequest, ReserveRequest, Result, Watch,
};
use serde_json::Value;
use size::size;

/// What no check can tell from what was stored, see `Keeper::verify`.
const UNNOTICED: [&str; 17] = [
    "ports.pid",
    "ports.processName",
    "ports.lastSeenAt",
    "ports.updatedAt",
    "ports.autoRelease",
    "ports.metadata",
    "free.description",
    "free.updatedAt",
    "free.metadata",
    "history.description",
    "history.performedBy",
    "history.details",
    "lease.owner",
    "lease.held",
    "lease.borrowed",
    "configuration.description",
    "configuration.createdBy",
];

fn fill(path: &Path) {
    let keeper = Keeper::open_at(path).unwrap();
    for port in 24_000..24_060_u16 {
        let request = ReserveRequest::new(format!("project {}", port % 7))
            .description(format!("the server of port {port}"))
            .tags(["web", "dev"])
            .metadata(format!(r#"{{"team": "alpha", "number": {port}}}"#));
        keeper.reserve(port, request.adopt(true)).unwrap();
    }
    for port in 24_000..24_020_u16 {
        keeper.release(port).unwrap();
    }
    let roles = PortRequest::new("roles").roles(["web", "api"]);
    keeper.request(roles.range(24_100..=24_120)).unwrap();
    let owned = PortRequest::new("owned").roles(["web", "api"]);
    let owned = owned.auto_release().ttl(Duration::from_secs(3_600));
    keeper.request(owned.range(24_121..=24_140)).unwrap();
    keeper.export(ExportRequest::all()).unwrap();
    keeper.compact(Watch::none()).unwrap();
}

/// Everything that a keeper says, value by value, each under a name such as `ports.tags 24001`.
fn answers(keeper: &Keeper) -> Result<BTreeMap<String, Value>> {
    let mut answers = BTreeMap::new();
    let mut tell = |table: &str, id: String, value: Value| {
        let Value::Object(fields) = value else {
            answers.insert(format!("{table} {id}"), value);
            return;
        };
        for (name, value) in fields {
            answers.insert(format!("{table}.{name} {id}"), value);
        }
    };
    for port in 24_000..24_141_u16 {
        let Some(row) = keeper.get(port)? else {
            continue;
        };
        let mut row = serde_json::to_value(row).unwrap();
        let lease = row.as_object_mut().unwrap().remove("lease").unwrap();
        // A row that is free says whose it was, which is checked less.
        let table = if row["status"] == "free" {
            "free"
        } else {
            "ports"
        };
        tell(table, port.to_string(), row);
        if !lease.is_null() {
            tell("lease", port.to_string(), lease);
        }
    }
    for row in keeper.list(portkeeper_core::Filter::claims())? {
        tell("list", row.number.to_string(), row.project_name.into());
    }
    let all = portkeeper_core::HistoryQuery::all().limit(u32::MAX);
    for entry in keeper.history(all)? {
        tell(
            "history",
            entry.id.to_string(),
            serde_json::to_value(&entry).unwrap(),
        );
    }
    for one in keeper.configurations()? {
        let value = serde_json::to_value(&one).unwrap();
        tell("configuration", one.id.to_string(), value);
        // The document, if its checksum holds.
        let saved = keeper.configuration(one.id)?;
        tell(
            "document",
            one.id.to_string(),
            serde_json::to_value(saved.document).unwrap(),
        );
    }
    tell(
        "summary",
        String::new(),
        serde_json::to_value(keeper.summary()?).unwrap(),
    );
    tell(
        "projects",
        String::new(),
        serde_json::to_value(keeper.projects()?).unwrap(),
    );
    Ok(answers)
}

/// The columns in which two answers differ.
fn differences(
    left: &BTreeMap<String, Value>,
    right: &BTreeMap<String, Value>,
) -> BTreeSet<String> {
    let keys = left.keys().chain(right.keys());
    let differ = keys.filter(|key| left.get(*key) != right.get(*key));
    differ
        .map(|key| {
            key.split_once(' ')
                .map_or(key.as_str(), |(column, _)| column)
                .to_owned()
        })
        .collect()
}

#[test]
fn a_changed_byte_of_a_registry_is_refused_or_found_or_in_a_column_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    fill(&path);
    let whole = fs::read(&path).unwrap();
    let expected = answers(&Keeper::open_at(&path).unwrap()).unwrap();
    let stride = std::env::var("PORTKEEPER_FLIP_STRIDE");
    let stride = stride.map_or(1_999, |stride| stride.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(7);
    let (mut refused, mut right, mut found, mut passed) = (0, 0, 0, 0);
    let mut unnoticed: BTreeMap<String, u32> = BTreeMap::new();
    for at in (0..100).chain((100..whole.len()).step_by(stride)) {
        let bit = random.u8(..8);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        let target = folder.path().join("flipped.db");
        fs::write(&target, &bytes).unwrap();
        let opened = Keeper::open_at(&target);
        let outcome = opened
            .as_ref()
            .map_err(|error| (error.kind(), error.to_string()));
        let outcome = outcome.and_then(|keeper| {
            let told = answers(keeper).map_err(|error| (error.kind(), error.to_string()))?;
            let findings = keeper.verify(Watch::none());
            Ok((
                told,
                findings.map_err(|error| (error.kind(), error.to_string()))?,
            ))
        });
        match outcome {
            Err((kind, message)) => {
                let kinds = [
                    ErrorKind::DatabaseCorrupt,
                    ErrorKind::DatabaseError,
                    ErrorKind::SchemaMismatch,
                    ErrorKind::SchemaTooNew,
                    ErrorKind::ImportInvalid,
                ];
                assert!(kinds.contains(&kind), "bit {bit} of byte {at}: {message}");
                refused += 1;
            }
            Ok((told, findings)) => {
                let columns = differences(&told, &expected);
                if columns.is_empty() {
                    right += 1;
                } else if !findings.is_empty() {
                    found += 1;
                } else {
                    passed += 1;
                    for column in columns {
                        *unnoticed.entry(column).or_default() += 1;
                    }
                }
            }
        }
        drop(opened);
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", target.display()));
        }
    }
    println!(
        "flipped bytes of a registry: {refused} refused, {right} without a difference, {found} found by \
         verify, {passed} unnoticed {unnoticed:?}"
    );
    let unnoticed: Vec<_> = unnoticed.into_keys().collect();
    assert!(
        unnoticed
            .iter()
            .all(|column| UNNOTICED.contains(&&**column)),
        "{unnoticed:?}"
    );
    let (least_refused, least_found) = size((60, 1), (100, 10));
    assert!(
        refused > least_refused && found > least_found,
        "{refused} {found}"
    );
}

/// What is measured here is what `Keeper::verify` tells.
#[test]
fn the_columns_that_pass_are_told() {
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/portkeeper-core/src/keeper/maintenance.rs"
    );
    let source = fs::read_to_string(source).unwrap();
    let (_, told) = source.split_once("**What it cannot find.**").unwrap();
    let (told, _) = told.split_once("pub fn verify").unwrap();
    for column in UNNOTICED {
        let (table, name) = column.split_once('.').unwrap();
        let row = match table {
            "ports" => "of a claim",
            "free" => "of a port that is free",
            "history" => "of an entry",
            "lease" => "of a lease",
            _ => "of a saved document",
        };
        let (_, list) = told.split_once(row).unwrap();
        let list = list.split(';').next().unwrap();
        assert!(list.contains(&format!("`{name}`")), "{column} is not told");
    }
}
