//! When a claim that depends on a process or a time ends.

use chrono::{DateTime, Utc};

use crate::model::{Fate, LeaseTerms, ProcessIdentity};

/// What a look at its owner and the clock says of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseState {
    /// It holds, or nobody can tell.
    Holds,
    /// Its time is over.
    Expired,
    /// Its owner ended.
    Orphaned,
}

/// Judges a lease. `fate` is asked only when the answer depends on it.
///
/// A process of which nothing can be known keeps its lease: to end a living one would be worse than
/// to keep a dead one. Nor does a time end a lease whose owner still keeps the port bound, since the
/// next one to be given the port could not use it.
pub(crate) fn lease_state(
    lease: &LeaseTerms,
    now: DateTime<Utc>,
    fate: impl FnOnce(&ProcessIdentity) -> Fate,
) -> LeaseState {
    let is_over = lease.expires_at.is_some_and(|end| end <= now);
    match &lease.owner {
        Some(_) if is_over && !lease.held => LeaseState::Expired,
        None if is_over => LeaseState::Expired,
        Some(owner) if fate(owner) == Fate::Dead => LeaseState::Orphaned,
        _ => LeaseState::Holds,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::{LeaseState, lease_state};
    use crate::model::{Fate, LeaseTerms, ProcessIdentity};

    #[test]
    fn a_lease_ends_by_proof_only() {
        use Fate::{Alive, Dead, Unknown};
        use LeaseState::{Expired, Holds, Orphaned};
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        let (past, future) = (now, now + TimeDelta::seconds(1));
        for (owner, held, end, expected) in [
            (None, false, None, Holds),
            (None, false, Some(future), Holds),
            (None, false, Some(past), Expired),
            (Some(Alive), false, None, Holds),
            (Some(Unknown), false, None, Holds),
            (Some(Dead), false, None, Orphaned),
            (Some(Alive), false, Some(past), Expired),
            (Some(Alive), true, Some(past), Holds),
            (Some(Unknown), true, Some(past), Holds),
            (Some(Dead), true, Some(past), Orphaned),
            (Some(Dead), false, Some(future), Orphaned),
        ] {
            let lease = LeaseTerms {
                id: String::new(),
                role: None,
                owner: owner.map(|_| ProcessIdentity {
                    pid: 7,
                    start: 1,
                    boot: String::new(),
                    namespace: 0,
                    pidfd: 0,
                }),
                held,
                borrowed: false,
                expires_at: end,
            };
            let state = lease_state(&lease, now, |_| owner.unwrap_or(Dead));
            assert_eq!(state, expected, "{owner:?} {held} {end:?}");
        }
    }
}
