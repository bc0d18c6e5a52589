//! What a request makes of a port: a new claim, or the project's own once more.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    Reserve, Wish,
    claim::{alter, fresh},
};
use crate::{
    error::{Error, Result},
    model::{Action, Details, LeaseTerms, ProcessIdentity, Reservation},
};

/// What a request wants of every port that it gets.
pub(crate) struct Terms<'a> {
    pub(crate) wish: Wish<'a>,
    /// The process that the claim ends with.
    pub(crate) owner: Option<ProcessIdentity>,
    pub(crate) ttl: Option<TimeDelta>,
    /// The lease gets a guard, and so must have no other user yet, not even in the owner itself.
    pub(crate) guarded: bool,
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
                borrowed: false,
                expires_at: self.expiry(now),
            });
        }
        if let Some(role) = role {
            details.insert("role".to_owned(), json!(role));
        }
        if let Some(owner) = &self.owner {
            details.insert("pid".to_owned(), json!(owner.pid));
        }
        row.auto_release = !self.is_lasting();
        Granted {
            row,
            entry: Some((Action::Reserved, details)),
            lease_changed: true,
        }
    }

    /// The claim that the project has for the role.
    ///
    /// Who wants neither owner nor end gets a claim that has none. A lasting claim stays one, whatever
    /// else is wanted: an owner and an end are then those of the right to use it. That right cannot be
    /// had, nor its end be changed, while another process has it.
    pub(crate) fn renew(
        &self,
        row: &Reservation,
        id: String,
        now: DateTime<Utc>,
    ) -> Result<Granted> {
        let is_used = match (row.owner(), &self.owner) {
            (None, _) => false,
            (Some(user), Some(owner)) if user == owner => self.guarded,
            (Some(_), _) => !self.is_lasting(),
        };
        if is_used {
            return Err(Error::reserved(row));
        }
        let (mut row, entry) = match alter(row, &self.wish, self.is_lasting(), now) {
            Reserve::Unchanged(row) => (row, None),
            Reserve::Changed {
                row,
                action,
                details,
            } => (row, Some((action, details))),
        };
        let mut lease_changed = false;
        if !self.is_lasting()
            && let Some(lease) = &mut row.lease
        {
            let before = lease.clone();
            if self.owner.is_some() && lease.owner != self.owner {
                lease.id = id;
                lease.owner.clone_from(&self.owner);
                lease.held = false;
                lease.borrowed = false;
            }
            lease.expires_at = self.expiry(now);
            lease_changed = *lease != before;
        }
        Ok(Granted {
            row,
            entry,
            lease_changed,
        })
    }

    /// Whether the claim is to last until somebody releases it.
    fn is_lasting(&self) -> bool {
        self.owner.is_none() && self.ttl.is_none()
    }

    /// Times are kept in whole seconds, cut off; one more makes sure that none ends early.
    fn expiry(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_add_signed(self.ttl? + TimeDelta::seconds(1))
    }
}
