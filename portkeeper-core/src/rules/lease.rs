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
/// to keep a dead one.
pub(crate) fn lease_state(
    lease: &LeaseTerms,
    now: DateTime<Utc>,
    fate: impl FnOnce(&ProcessIdentity) -> Fate,
) -> LeaseState {
    if lease.expires_at.is_some_and(|end| end <= now) {
        return LeaseState::Expired;
    }
    match lease.owner.as_ref().map(fate) {
        Some(Fate::Dead) => LeaseState::Orphaned,
        Some(Fate::Alive | Fate::Unknown) | None => LeaseState::Holds,
    }
}
