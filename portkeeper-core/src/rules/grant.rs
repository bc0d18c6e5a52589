//! What a request makes of a port: a new claim, or the project's own once more.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    Reserve, Wish,
    claim::{alter, claim_action, fresh},
};
use crate::{
    error::{Error, Result},
    model::{Action, Details, Fate, LeaseTerms, ProcessIdentity, Reservation},
};

/// What a request wants of every port that it gets.
pub(crate) struct Terms<'a> {
    pub(crate) wish: Wish<'a>,
    /// The process that the claim ends with.
    pub(crate) owner: Option<ProcessIdentity>,
    pub(crate) ttl: Option<TimeDelta>,
}

/// What becomes of one row.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) row: Reservation,
    /// The entry in the history, when the claim itself changes.
    pub(crate) entry: Option<(Action, Details)>,
    pub(crate) lease_changed: bool,
}

impl Granted {
    /// Whether there is anything to write.
    pub(crate) fn changes(&self) -> bool {
        self.entry.is_some() || self.lease_changed
    }
}

impl Terms<'_> {
    /// A new claim on a port that nobody has; `id` names its lease, if it gets one.
    pub(crate) fn claim(
        &self,
        port: u16,
        role: Option<&str>,
        id: String,
        now: DateTime<Utc>,
    ) -> Granted {
        let mut row = fresh(port, &self.wish, now);
        let mut details = Details::from_iter([("reason".to_owned(), json!("requested"))]);
        if role.is_some() || self.owner.is_some() || self.ttl.is_some() {
            details.insert("leaseId".to_owned(), json!(id));
            row.lease = Some(LeaseTerms {
                id,
                role: role.map(str::to_owned),
                owner: self.owner.clone(),
                held: false,
                expires_at: self.expiry(now),
            });
        }
        if let Some(role) = role {
            details.insert("role".to_owned(), json!(role));
        }
        if let Some(owner) = &self.owner {
            row.auto_release = true;
            details.insert("pid".to_owned(), json!(owner.pid));
        }
        Granted {
            row,
            entry: Some((Action::Reserved, details)),
            lease_changed: true,
        }
    }

    /// The claim that the project has for the role. An owner takes the place of one that ended, or of
    /// none; that of any other process it cannot take. Who wants neither owner nor end gets a claim
    /// that has none.
    pub(crate) fn renew(
        &self,
        row: &Reservation,
        id: String,
        now: DateTime<Utc>,
        fate: impl FnOnce(&ProcessIdentity) -> Fate,
    ) -> Result<Granted> {
        let is_lasting = self.owner.is_none() && self.ttl.is_none();
        let (mut row, mut entry) = match alter(row, &self.wish, is_lasting, now) {
            Reserve::Unchanged(row) => (row, None),
            Reserve::Changed {
                row,
                action,
                details,
            } => (row, Some((action, details))),
        };
        if let Some(owner) = &self.owner
            && let Some(earlier) = row.owner()
            && earlier != owner
        {
            if fate(earlier) != Fate::Dead {
                return Err(Error::reserved(&row));
            }
            let details = Details::from_iter([
                (
                    "reason".to_owned(),
                    json!("taken over from a process that ended"),
                ),
                ("previousPid".to_owned(), json!(earlier.pid)),
                ("pid".to_owned(), json!(owner.pid)),
            ]);
            entry = Some((claim_action(row.status), details));
            row.updated_at = now;
        }
        let mut lease_changed = false;
        if let Some(lease) = &mut row.lease {
            if self.owner.is_some() {
                // Whoever held the lease under its old name has lost it.
                lease.id = id;
                lease.owner.clone_from(&self.owner);
                lease.held = false;
                lease_changed = true;
            }
            if self.ttl.is_some() {
                lease.expires_at = self.expiry(now);
                lease_changed = true;
            }
        }
        Ok(Granted {
            row,
            entry,
            lease_changed,
        })
    }

    fn expiry(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.ttl.and_then(|ttl| now.checked_add_signed(ttl))
    }
}
