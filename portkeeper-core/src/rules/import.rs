//! What an import makes of the registry.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::claim::{claim_action, hand_back};
use crate::{
    model::{Action, Details, DocumentPort, ImportOutcome, ImportedPort, Reservation, Status},
    request::ImportMode,
};

/// How to import.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImportTerms<'a> {
    pub(crate) mode: ImportMode,
    /// The only project whose claims are touched.
    pub(crate) project: Option<&'a str>,
    pub(crate) now: DateTime<Utc>,
}

/// What becomes of one port.
#[derive(Debug)]
pub(crate) struct ImportStep {
    pub(crate) report: ImportedPort,
    pub(crate) write: Option<ImportWrite>,
}

/// A row to be written, with its entry in the history.
#[derive(Debug)]
pub(crate) struct ImportWrite {
    pub(crate) row: Reservation,
    pub(crate) action: Action,
    pub(crate) details: Details,
    /// The row had a lease that ends.
    pub(crate) ends_lease: bool,
    /// The row gets a lease with this role.
    pub(crate) role: Option<String>,
}

/// Plans the import of `entries`, checked and by number, over all claims `rows`, by number.
///
/// A port that somebody else has is a conflict in a merge. A replacement of everything ends that claim
/// too, so the port passes to the project of the document, in one change.
pub(crate) fn import(
    rows: &[Reservation],
    entries: &[DocumentPort],
    terms: &ImportTerms<'_>,
) -> Vec<ImportStep> {
    let entry_of = |number: u16| {
        let found = entries.binary_search_by_key(&number, |entry| entry.number);
        found.ok().and_then(|index| entries.get(index))
    };
    let ends = |row: &Reservation| {
        terms.mode == ImportMode::Replace
            && terms
                .project
                .is_none_or(|project| project == row.project_name)
            && entry_of(row.number).is_none_or(|entry| entry.project_name != row.project_name)
    };
    // A project has each of its roles once.
    let mut roles: HashSet<(&str, &str)> = rows
        .iter()
        .filter(|row| !ends(row))
        .filter_map(|row| Some((row.project_name.as_str(), row.role()?)))
        .collect();

    let mut steps = Vec::with_capacity(entries.len());
    for entry in entries {
        let row = rows.binary_search_by_key(&entry.number, |row| row.number);
        let row = row.ok().and_then(|index| rows.get(index));
        let mut role = || {
            let role = entry.role.as_deref()?;
            let is_new = roles.insert((&entry.project_name, role));
            is_new.then(|| role.to_owned())
        };
        steps.push(match row {
            None => claim(entry, role(), None, terms.now),
            Some(row) if row.project_name == entry.project_name => {
                let role = if row.lease.is_none() { role() } else { None };
                alter(row, entry, role, terms)
            }
            Some(row) if ends(row) && terms.project.is_none() => {
                claim(entry, role(), Some(row), terms.now)
            }
            Some(row) => conflict(entry, row),
        });
    }
    let unmentioned = rows.iter().filter(|row| entry_of(row.number).is_none());
    steps.extend(
        unmentioned
            .filter(|row| ends(row))
            .map(|row| free(row, terms.now)),
    );
    steps.sort_by_key(|step| step.report.port);
    steps
}

/// A new claim, on a port that is free or that `previous` loses. What listens where the document was
/// made says nothing of this machine: the claim is not in use until a scan finds a listener.
fn claim(
    entry: &DocumentPort,
    role: Option<String>,
    previous: Option<&Reservation>,
    now: DateTime<Utc>,
) -> ImportStep {
    let mut details = Details::from_iter([("reason".to_owned(), json!("imported"))]);
    let mut report = report(entry, ImportOutcome::Added);
    if let Some(previous) = previous {
        details.insert("previousProject".to_owned(), json!(previous.project_name));
        report.outcome = ImportOutcome::Updated;
        report.changed = vec!["projectName".to_owned()];
        report.other_project = Some(previous.project_name.clone());
        report.other_since = Some(previous.reserved_at);
    }
    if let Some(role) = &role {
        details.insert("role".to_owned(), json!(role));
    }
    ImportStep {
        report,
        write: Some(ImportWrite {
            row: Reservation {
                number: entry.number,
                project_name: entry.project_name.clone(),
                description: not_empty(entry),
                status: Status::Reserved,
                pid: None,
                process_name: None,
                reserved_at: entry.reserved_at.unwrap_or(now),
                last_seen_at: entry.last_seen_at,
                updated_at: entry.updated_at.unwrap_or(now),
                auto_release: entry.auto_release,
                tags: entry.tags.clone(),
                metadata: entry.metadata.clone(),
                lease: None,
            },
            action: Action::Reserved,
            details,
            ends_lease: previous.is_some_and(|row| row.lease.is_some()),
            role,
        }),
    }
}

/// The project's own claim as the document has it. Its lease, if it has one, goes on: a process that
/// lives depends on it.
fn alter(
    row: &Reservation,
    entry: &DocumentPort,
    role: Option<String>,
    terms: &ImportTerms<'_>,
) -> ImportStep {
    let mut altered = row.clone();
    let replace = terms.mode == ImportMode::Replace;
    let description = not_empty(entry);
    if replace || description.is_some() {
        altered.description = description;
    }
    if replace || !entry.tags.is_empty() {
        altered.tags.clone_from(&entry.tags);
    }
    if replace || !entry.metadata.is_empty() {
        altered.metadata.clone_from(&entry.metadata);
    }
    if replace {
        altered.reserved_at = entry.reserved_at.unwrap_or(row.reserved_at);
        if row.lease.is_none() {
            altered.auto_release = entry.auto_release;
        }
    }
    let changed: Vec<String> = [
        ("description", altered.description != row.description),
        ("reservedAt", altered.reserved_at != row.reserved_at),
        ("autoRelease", altered.auto_release != row.auto_release),
        ("tags", altered.tags != row.tags),
        ("metadata", altered.metadata != row.metadata),
        ("role", role.is_some()),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(column, _)| column.to_owned())
    .collect();
    if changed.is_empty() {
        return ImportStep {
            report: report(entry, ImportOutcome::Unchanged),
            write: None,
        };
    }
    altered.updated_at = terms.now;
    let details = Details::from_iter([
        ("reason".to_owned(), json!("imported")),
        ("changed".to_owned(), json!(changed)),
    ]);
    ImportStep {
        report: ImportedPort {
            changed,
            ..report(entry, ImportOutcome::Updated)
        },
        write: Some(ImportWrite {
            action: claim_action(altered.status),
            row: altered,
            details,
            ends_lease: false,
            role,
        }),
    }
}

fn conflict(entry: &DocumentPort, row: &Reservation) -> ImportStep {
    ImportStep {
        report: ImportedPort {
            other_project: Some(row.project_name.clone()),
            other_since: Some(row.reserved_at),
            ..report(entry, ImportOutcome::Conflict)
        },
        write: None,
    }
}

fn free(row: &Reservation, now: DateTime<Utc>) -> ImportStep {
    let reason = json!("not in the imported document");
    ImportStep {
        report: ImportedPort {
            port: row.number,
            project_name: row.project_name.clone(),
            outcome: ImportOutcome::Freed,
            changed: Vec::new(),
            other_project: None,
            other_since: None,
        },
        write: Some(ImportWrite {
            row: hand_back(row, now),
            action: Action::Released,
            details: Details::from_iter([("reason".to_owned(), reason)]),
            ends_lease: row.lease.is_some(),
            role: None,
        }),
    }
}

fn report(entry: &DocumentPort, outcome: ImportOutcome) -> ImportedPort {
    ImportedPort {
        port: entry.number,
        project_name: entry.project_name.clone(),
        outcome,
        changed: Vec::new(),
        other_project: None,
        other_since: None,
    }
}

fn not_empty(entry: &DocumentPort) -> Option<String> {
    let description = entry.description.as_deref().filter(|text| !text.is_empty());
    description.map(str::to_owned)
}
