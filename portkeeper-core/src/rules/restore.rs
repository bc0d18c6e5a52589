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
                borrowed: false,
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{restore_entry, restored};
    use crate::model::{Action, LeaseTerms, ProcessIdentity, Reservation, Status};

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn claim(project: &str, status: Status) -> Reservation {
        Reservation {
            status,
            project_name: project.to_owned(),
            ..crate::rules::after_kill(3000, None, NOW)
        }
    }

    /// A claim with a lease: its id, its role, and whether a process has it.
    fn leased(project: &str, id: &str, role: Option<&str>, has_process: bool) -> Reservation {
        let process = ProcessIdentity {
            pid: 7,
            start: 1,
            boot: String::new(),
            namespace: 0,
            pidfd: 0,
        };
        let mut row = claim(project, Status::Reserved);
        row.lease = Some(LeaseTerms {
            id: id.to_owned(),
            role: role.map(str::to_owned),
            owner: has_process.then_some(process),
            held: has_process,
            borrowed: false,
            expires_at: None,
        });
        row
    }

    /// One that ends with its process.
    fn bound(project: &str, id: &str) -> Reservation {
        Reservation {
            auto_release: true,
            ..leased(project, id, None, true)
        }
    }

    fn after(before: Option<&Reservation>, wanted: Option<&Reservation>) -> Option<Reservation> {
        restored(before, wanted, || "new".to_owned(), NOW)
    }

    #[test]
    fn lasting_claims_are_the_backups() {
        let (ours, theirs) = (claim("a", Status::Reserved), claim("b", Status::InUse));
        let free = claim("c", Status::Free);
        assert_eq!(after(None, Some(&theirs)), Some(theirs.clone()));
        assert_eq!(after(Some(&ours), Some(&theirs)), Some(theirs.clone()));
        assert_eq!(after(Some(&ours), Some(&ours)), None);
        for wanted in [None, Some(&free)] {
            let ended = after(Some(&ours), wanted).unwrap();
            assert_eq!((ended.status, &*ended.project_name), (Status::Free, "a"));
            assert_eq!(after(Some(&free), wanted), None);
        }
        assert_eq!(after(None, Some(&free)), Some(free));
        assert_eq!(after(None, None), None);
    }

    #[test]
    fn claims_of_processes_are_the_presents() {
        let (now, then) = (bound("a", "now"), bound("b", "then"));
        assert_eq!(after(Some(&now), None), None);
        assert_eq!(after(Some(&now), Some(&then)), None);
        assert_eq!(after(Some(&then), Some(&then)), None);
        assert_eq!(after(None, Some(&then)).unwrap().status, Status::Free);
        let lasting = claim("c", Status::Reserved);
        assert_eq!(after(Some(&now), Some(&lasting)), Some(lasting.clone()));
        assert_eq!(
            after(Some(&lasting), Some(&then)).unwrap().status,
            Status::Free
        );
    }

    #[test]
    fn a_role_comes_back_under_a_new_lease_and_without_an_owner() {
        let wanted = leased("a", "then", Some("web"), true);
        let lease = after(None, Some(&wanted)).unwrap().lease.unwrap();
        assert_eq!((&*lease.id, lease.role.as_deref()), ("new", Some("web")));
        assert_eq!((lease.owner, lease.held), (None, false));
        assert_eq!(
            after(None, Some(&leased("a", "then", None, true)))
                .unwrap()
                .lease,
            None
        );
        // Who uses the role now goes on using it.
        let present = leased("a", "now", Some("web"), true);
        assert_eq!(after(Some(&present), Some(&wanted)), None);
        // The same role of another project is another one.
        let other = leased("b", "now", Some("web"), true);
        assert_eq!(
            after(Some(&other), Some(&wanted))
                .unwrap()
                .lease
                .unwrap()
                .id,
            "new"
        );
    }

    #[test]
    fn an_entry_is_written_where_the_history_would_say_something_else() {
        let (claimed, free) = (claim("a", Status::Reserved), claim("a", Status::Free));
        let mut described = claimed.clone();
        described.description = Some("d".to_owned());
        let last = |action| Some((action, Some("a")));
        let reserved = last(Action::Reserved);
        for (before, after, last, is_new, entry) in [
            (None, &claimed, reserved, true, None),
            (None, &claimed, None, false, Some(Action::Reserved)),
            (
                None,
                &claimed,
                last(Action::Released),
                true,
                Some(Action::Reserved),
            ),
            (
                None,
                &claimed,
                Some((Action::Reserved, Some("b"))),
                true,
                Some(Action::Reserved),
            ),
            (None, &claimed, last(Action::Killed), true, None),
            (
                None,
                &claimed,
                last(Action::InUse),
                true,
                Some(Action::Reserved),
            ),
            (
                Some(&claimed),
                &described,
                reserved,
                false,
                Some(Action::Reserved),
            ),
            (Some(&claimed), &described, reserved, true, None),
            (Some(&claimed), &claimed, reserved, false, None),
            (
                Some(&claimed),
                &free,
                reserved,
                false,
                Some(Action::Released),
            ),
            (None, &free, last(Action::Released), true, None),
            (None, &free, Some((Action::Killed, None)), true, None),
            (None, &free, None, false, None),
        ] {
            let found = restore_entry(before, after, last, is_new);
            assert_eq!(found, entry, "{before:?} {after:?} {last:?} {is_new}");
        }
    }
}
