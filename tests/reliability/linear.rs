//! Whether what was observed of a port can be put in one order that explains every answer and that
//! contradicts no clock: linearizability, decided as Wing and Gong do, with Lowe's memory of places
//! that were tried.
//!
//! An operation without an answer may have happened at any time after it began, or never.

use std::{collections::HashSet, fmt::Debug, hash::Hash};

/// An operation on an object in `State`.
pub struct Operation<State, Event> {
    pub event: Event,
    pub begin: i64,
    pub end: i64,
    /// Whether it need not have happened.
    pub is_optional: bool,
    pub apply: fn(&Event, &State) -> Vec<State>,
}

/// `Err` names the operations of the place that no order gets beyond.
pub fn check<State: Clone + Eq + Hash + Debug, Event: Debug>(
    start: State,
    mut operations: Vec<Operation<State, Event>>,
) -> Result<(), String> {
    operations.sort_by_key(|operation| operation.begin);
    let wanted = operations.iter().filter(|one| !one.is_optional).count();
    let words = operations.len().div_ceil(64);
    let mut tried: HashSet<(Vec<u64>, State)> = HashSet::new();
    let mut open = vec![(vec![0_u64; words], 0, start)];
    // The furthest place, for the message.
    let mut furthest = (0, String::new());
    while let Some((done, count, state)) = open.pop() {
        if count == wanted {
            return Ok(());
        }
        let is_done = |at: usize| done[at / 64] >> (at % 64) & 1 == 1;
        // Nothing comes after an operation that ended before it began.
        let mut first_end = i64::MAX;
        let mut next = Vec::new();
        for (at, operation) in operations.iter().enumerate() {
            if operation.begin > first_end {
                break;
            }
            if !is_done(at) {
                next.push(at);
                if !operation.is_optional {
                    first_end = first_end.min(operation.end);
                }
            }
        }
        next.retain(|at| operations[*at].begin <= first_end);
        if count >= furthest.0 {
            let events: Vec<_> = next.iter().map(|at| &operations[*at].event).collect();
            furthest = (count, format!("{state:?} and then one of {events:?}"));
        }
        for at in next {
            let operation = &operations[at];
            for after in (operation.apply)(&operation.event, &state) {
                let mut with = done.clone();
                with[at / 64] |= 1 << (at % 64);
                let count = count + usize::from(!operation.is_optional);
                if tried.insert((with.clone(), after.clone())) {
                    open.push((with, count, after));
                }
            }
        }
    }
    Err(format!(
        "no order explains it: after {} of {wanted} operations {}",
        furthest.0, furthest.1
    ))
}
