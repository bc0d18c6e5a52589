//! What becomes of one claim when somebody reserves or releases its port.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    error::{Error, Result},
    model::{Action, Details, Reservation, Status, Verdict},
};

/// What a caller wants of a port; a field that is `None` was not mentioned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) project: &'a str,
    pub(crate) description: Option<&'a str>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) metadata: Option<Map<String, Value>>,
}

/// The answer to a wish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reserve {
    /// The project has the port, exactly as wished.
    Unchanged(Reservation),
    /// To be written, with an entry of [`Action::Reserved`] or, for a port in use,
    /// [`Action::InUse`].
    Changed {
        row: Reservation,
        action: Action,
        details: Details,
    },
}

/// Whether `project` has this row's port.
pub(crate) fn is_mine(row: Option<&Reservation>, project: &str) -> bool {
    row.is_some_and(|row| row.status != Status::Free && row.project_name == project)
}

/// Decides on a claim of `port`. `stranger` is what stands in the way on the machine; it is asked
/// for only where the project does not have the port yet.
pub(crate) fn reserve(
    port: u16,
    row: Option<&Reservation>,
    wish: &Wish<'_>,
    now: DateTime<Utc>,
    stranger: impl FnOnce() -> Result<Option<Verdict>>,
) -> Result<Reserve> {
    match row {
        Some(row) if is_mine(Some(row), wish.project) => Ok(alter(row, wish, true, now)),
        Some(row) if row.status != Status::Free => Err(Error::reserved(row)),
        _ => match stranger()? {
            Some(verdict) => Err(Error::PortInUse {
                port,
                verdict: Box::new(verdict),
                next_free: None,
            }),
            None => Ok(Reserve::Changed {
                row: fresh(port, wish, now),
                action: Action::Reserved,
                details: Details::from_iter([("reason".to_owned(), json!("requested"))]),
            }),
        },
    }
}

/// A new claim takes nothing over from whoever had the port before.
pub(crate) fn fresh(port: u16, wish: &Wish<'_>, now: DateTime<Utc>) -> Reservation {
    Reservation {
        number: port,
        project_name: wish.project.to_owned(),
        description: wish.description.and_then(not_empty),
        status: Status::Reserved,
        pid: None,
        process_name: None,
        reserved_at: now,
        last_seen_at: None,
        updated_at: now,
        auto_release: false,
        tags: wish.tags.clone().unwrap_or_default(),
        metadata: wish.metadata.clone().unwrap_or_default(),
        lease: None,
    }
}

/// The project's own claim with what the wish mentions; one that is to be `lasting` no longer ends
/// with a process or a time.
pub(crate) fn alter(
    row: &Reservation,
    wish: &Wish<'_>,
    lasting: bool,
    now: DateTime<Utc>,
) -> Reserve {
    let mut altered = row.clone();
    if lasting {
        altered.auto_release = false;
        if let Some(lease) = &mut altered.lease {
            // Where the port is still held, an end that has come says that the lease's guard is gone.
            let held = lease.held;
            lease.expires_at = lease.expires_at.filter(|end| held && *end <= now);
        }
    }
    if let Some(description) = wish.description {
        altered.description = not_empty(description);
    }
    if let Some(tags) = &wish.tags {
        altered.tags.clone_from(tags);
    }
    if let Some(metadata) = &wish.metadata {
        altered.metadata.clone_from(metadata);
    }

    let changed: Vec<&str> = [
        ("description", altered.description != row.description),
        ("tags", altered.tags != row.tags),
        ("metadata", altered.metadata != row.metadata),
        ("autoRelease", altered.auto_release != row.auto_release),
        ("expiresAt", altered.lease != row.lease),
    ]
    .into_iter()
    .filter_map(|(column, differs)| differs.then_some(column))
    .collect();
    if changed.is_empty() {
        return Reserve::Unchanged(altered);
    }
    let details = Details::from_iter([
        ("reason".to_owned(), json!("updated")),
        ("changed".to_owned(), json!(changed)),
    ]);
    altered.updated_at = now;
    Reserve::Changed {
        action: claim_action(altered.status),
        row: altered,
        details,
    }
}

/// The history's word for a claim in this status.
pub(crate) fn claim_action(status: Status) -> Action {
    match status {
        Status::InUse => Action::InUse,
        Status::Reserved => Action::Reserved,
        Status::Free => Action::Released,
    }
}

/// Whether the claim on `port` may be ended, by anyone or by `only_of` alone.
pub(crate) fn release<'a>(
    port: u16,
    row: Option<&'a Reservation>,
    only_of: Option<&str>,
) -> Result<&'a Reservation> {
    let claim = row
        .filter(|row| row.status != Status::Free)
        .ok_or(Error::PortNotFound(port))?;
    if only_of.is_some_and(|project| project != claim.project_name) {
        return Err(Error::reserved(claim));
    }
    Ok(claim)
}

/// The row of a claim that has ended. It keeps saying whose it was.
pub(crate) fn hand_back(claim: &Reservation, now: DateTime<Utc>) -> Reservation {
    Reservation {
        status: Status::Free,
        pid: None,
        process_name: None,
        updated_at: now,
        auto_release: false,
        lease: None,
        ..claim.clone()
    }
}

fn not_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
