//! What a backup makes of a port.

use chrono::{DateTime, Utc};

use crate::{
    model::{Action, LeaseTerms, Reservation, Status},
    rules::{claim_action, hand_back},
};

/// The row of a port after a restore; `None` where it stays as it is.
///
/// Lasting claims are those of the backup. A claim that ends with a process is of the present: one of
/// the backup is brought back only where the registry has the very same lease now, since its process
/// may have ended or given the port up; and one of now stays, unless the backup gives its port to a
/// lasting claim. Whoever has a lasting claim gets its role and its time, and no owner.
pub(crate) fn restored(
    before: Option<&Reservation>,
    wanted: Option<&Reservation>,
    new_id: impl FnOnce() -> String,
    now: DateTime<Utc>,
) -> Option<Reservation> {
    let present = before.and_then(|row| row.lease.as_ref());
    let kept = |row: &Reservation| {
        let of_now = |lease: &LeaseTerms| present.is_some_and(|present| present.id == lease.id);
        !ends_with_process(row) || row.lease.as_ref().is_some_and(of_now)
    };
    let Some(wanted) = wanted.filter(|row| row.status != Status::Free && kept(row)) else {
        return match before.or(wanted)? {
            row if row.status == Status::Free => before.is_none().then(|| row.clone()),
            row if before.is_some() && ends_with_process(row) => None,
            row => Some(hand_back(row, now)),
        };
    };
    let same_project = before.is_some_and(|row| row.project_name == wanted.project_name);
    let mut after = wanted.clone();
    after.lease = match (&wanted.lease, present) {
        (Some(lease), Some(present))
            if present.id == lease.id || (same_project && same_terms(present, lease)) =>
        {
            Some(present.clone())
        }
        (Some(lease), _) if lease.role.is_some() || lease.expires_at.is_some() => {
            Some(LeaseTerms {
                // Never the one of the backup: a crafted one would take another port's lease.
                id: new_id(),
                owner: None,
                held: false,
                ..lease.clone()
            })
        }
        _ => None,
    };
    (before != Some(&after)).then_some(after)
}

/// The entry that makes the history agree with `after`, unless it does: `last` is the port's last
/// entry, its action and project, and `is_new` when it came from the backup.
pub(crate) fn restore_entry(
    before: Option<&Reservation>,
    after: &Reservation,
    last: Option<(Action, Option<&str>)>,
    is_new: bool,
) -> Option<Action> {
    let holder = last.and_then(|(action, project)| {
        let project = project.filter(|project| !project.is_empty())?;
        match action {
            Action::Released => None,
            Action::InUse => Some((project, Status::InUse)),
            Action::Reserved | Action::Killed => Some((project, Status::Reserved)),
        }
    });
    let claim = (after.status != Status::Free).then_some((&*after.project_name, after.status));
    let altered =
        claim.is_some() && !is_new && before.is_none_or(|before| !same_claim(before, after));
    (holder != claim || altered).then(|| claim_action(after.status))
}

fn ends_with_process(row: &Reservation) -> bool {
    row.auto_release && row.owner().is_some()
}

fn same_terms(left: &LeaseTerms, right: &LeaseTerms) -> bool {
    (&left.role, left.expires_at) == (&right.role, right.expires_at)
}

/// Whether two rows say the same of the claim; timestamps say nothing of it.
fn same_claim(left: &Reservation, right: &Reservation) -> bool {
    let plain = |row: &Reservation| Reservation {
        reserved_at: DateTime::UNIX_EPOCH,
        last_seen_at: None,
        updated_at: DateTime::UNIX_EPOCH,
        lease: row.lease.clone().map(|lease| LeaseTerms {
            id: String::new(),
            ..lease
        }),
        ..row.clone()
    };
    plain(left) == plain(right)
}
