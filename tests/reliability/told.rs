//! What the registry's history and rows say, against what the processes were told and answered.

use std::collections::{HashMap, VecDeque};

use portkeeper_core::{Action, HistoryEntry, Reservation, Status};

use crate::ledger::{Call, Ledger, Order};

/// One change of the registry, and the call that made it.
struct Change<'a> {
    entry: &'a HistoryEntry,
    /// `None` for the end of a lease whose process was killed.
    call: Option<&'a Call>,
    begin: i64,
    end: i64,
}

/// Everything that is wrong; the claims by their texts say on which port they were made.
pub fn check(
    ledger: &Ledger,
    history: &[HistoryEntry],
    rows: &[Reservation],
) -> (HashMap<String, u16>, Vec<String>) {
    let mut wrong = Vec::new();
    let changes = changes(ledger, history, &mut wrong);
    in_the_order_of_time(&changes, &mut wrong);
    acknowledged_once(ledger, &changes, &mut wrong);
    one_at_a_time(history, rows, &mut wrong);
    let placed = changes.iter().filter_map(|change| {
        let text = change.call?.text()?;
        Some((text.to_owned(), change.entry.port))
    });
    (placed.collect(), wrong)
}

/// Finds for each entry the call that it tells of.
fn changes<'a>(
    ledger: &'a Ledger,
    history: &'a [HistoryEntry],
    wrong: &mut Vec<String>,
) -> Vec<Change<'a>> {
    let mut claims: HashMap<&str, &Call> = HashMap::new();
    // A release is named by who made it where, and the end of a lease by the lease.
    let mut releases: HashMap<(&str, u16), VecDeque<&Call>> = HashMap::new();
    let mut drops: HashMap<&str, &Call> = HashMap::new();
    for call in &ledger.calls {
        match &call.order {
            Order::Release { port } if call.is_done() || call.is_unknown() => {
                let actor = ledger.lives[call.life].actor.as_str();
                releases.entry((actor, *port)).or_default().push_back(call);
            }
            Order::Drop { text, .. } => drop(drops.insert(text, call)),
            _ => {
                if let Some(text) = call.text() {
                    claims.insert(text, call);
                }
            }
        }
    }
    let mut changes: Vec<Change<'a>> = Vec::new();
    for entry in history {
        let text = entry.description.as_deref().unwrap_or_default();
        let reason = entry
            .details
            .get("reason")
            .and_then(|reason| reason.as_str());
        let actor = entry.performed_by.as_deref().unwrap_or_default();
        let call = match entry.action {
            Action::Released if reason == Some("its process ended") => {
                let Some(lease) = claims.get(text) else {
                    wrong.push(format!("nobody made the lease of {entry:?}"));
                    continue;
                };
                let killed = ledger.lives[lease.life].killed;
                if killed == i64::MAX {
                    wrong.push(format!("a live claim was released: {entry:?}"));
                }
                changes.push(Change {
                    entry,
                    call: None,
                    begin: killed,
                    end: i64::MAX,
                });
                continue;
            }
            Action::Released if reason == Some("its lease was given back") => {
                drops.get(text).copied()
            }
            // Of one actor in the order in which it made them.
            Action::Released => releases
                .get_mut(&(actor, entry.port))
                .and_then(VecDeque::pop_front),
            _ => claims.get(text).copied(),
        };
        let Some(call) = call else {
            wrong.push(format!("nobody was told to do {entry:?}"));
            continue;
        };
        if !call.is_done() && !call.is_unknown() {
            wrong.push(format!("refused, and done: {call:?} {entry:?}"));
        }
        let (begin, end) = (call.begin, call.end);
        changes.push(Change {
            entry,
            call: Some(call),
            begin,
            end,
        });
    }
    changes
}

/// The entries are in the order in which the changes were made, across all ports.
fn in_the_order_of_time(changes: &[Change<'_>], wrong: &mut Vec<String>) {
    let mut latest: Option<&Change<'_>> = None;
    for change in changes {
        if let Some(latest) = latest
            && change.end < latest.begin
        {
            wrong.push(format!(
                "{:?} was over before {:?} began",
                change.entry, latest.entry
            ));
        }
        if latest.is_none_or(|latest| latest.begin < change.begin) {
            latest = Some(change);
        }
    }
}

/// Each claim and each release that was acknowledged has one entry; each unacknowledged one at most.
fn acknowledged_once(ledger: &Ledger, changes: &[Change<'_>], wrong: &mut Vec<String>) {
    let mut told: HashMap<*const Call, usize> = HashMap::new();
    for call in changes.iter().filter_map(|change| change.call) {
        *told.entry(std::ptr::from_ref(call)).or_default() += 1;
    }
    for call in ledger.calls.iter().filter(|call| call.is_done()) {
        let count = told.get(&std::ptr::from_ref(call)).copied().unwrap_or(0);
        match call.order {
            Order::Get { .. } => {}
            // It may have become another claim before.
            Order::Drop { .. } if count == 0 => {}
            _ if count == 1 => {}
            _ if count == 0 => wrong.push(format!("LOST: {call:?}")),
            _ => wrong.push(format!("{count} entries: {call:?}")),
        }
    }
    for call in ledger.calls.iter().filter(|call| call.is_unknown()) {
        if told
            .get(&std::ptr::from_ref(call))
            .is_some_and(|count| *count > 1)
        {
            wrong.push(format!("told more than once: {call:?}"));
        }
    }
}

/// Each port goes from one to nobody and to the next one, and the rows are what is left.
fn one_at_a_time(history: &[HistoryEntry], rows: &[Reservation], wrong: &mut Vec<String>) {
    let mut open: HashMap<u16, (String, Option<String>)> = HashMap::new();
    for entry in history {
        let project = entry.project_name.clone().unwrap_or_default();
        let holder = open.get(&entry.port).map(|(holder, _)| holder.as_str());
        match entry.action {
            Action::Reserved => {
                if holder.is_some_and(|holder| holder != project) {
                    wrong.push(format!("given TWICE: {entry:?} while {holder:?} has it"));
                }
                open.insert(entry.port, (project, entry.description.clone()));
            }
            Action::Released => {
                if holder != Some(project.as_str()) {
                    wrong.push(format!("released by whom it was not: {entry:?}"));
                }
                open.remove(&entry.port);
            }
            _ => wrong.push(format!("unexpected: {entry:?}")),
        }
    }
    let claimed: HashMap<u16, (String, Option<String>)> = rows
        .iter()
        .filter(|row| row.status != Status::Free)
        .map(|row| {
            (
                row.number,
                (row.project_name.clone(), row.description.clone()),
            )
        })
        .collect();
    if claimed != open {
        wrong.push(format!(
            "rows {claimed:?} are not what the history tells: {open:?}"
        ));
    }
}
