//! What a port is, and what each operation may do with it: the specification that the engine is held to.

use std::collections::HashMap;

use crate::{
    ledger::{Answer, Call, Ledger, Order},
    linear::{self, Operation},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Free,
    Claimed(String),
    /// The project's as long as the process lives, or gives it back.
    Leased(String, usize),
}

impl State {
    fn project(&self) -> Option<&str> {
        match self {
            Self::Free => None,
            Self::Claimed(project) | Self::Leased(project, _) => Some(project),
        }
    }
}

#[derive(Debug)]
enum Event {
    /// A call, and the project of who made it.
    Call(Call, String),
    /// What is found out of a process that was killed.
    End(usize),
}

/// The states in which a port may be afterwards; none when the answer cannot be right.
fn apply(event: &Event, state: &State) -> Vec<State> {
    let (call, project) = match event {
        Event::End(life) => {
            let is_its = matches!(state, State::Leased(_, owner) if owner == life);
            return if is_its { vec![State::Free] } else { vec![] };
        }
        Event::Call(call, project) => (call, project),
    };
    let is_mine = state.project() == Some(project);
    let done = |after: State| {
        if call.is_done() || call.is_unknown() {
            vec![after]
        } else {
            vec![]
        }
    };
    match (&call.order, &call.answer) {
        // The machine may refuse at any time, and a range may be full; nothing happens then.
        (_, Answer::Refused(name, _)) if name == "PORT_IN_USE" || name == "RANGE_EXHAUSTED" => {
            vec![state.clone()]
        }
        (_, Answer::Refused(name, by)) if name == "PORT_RESERVED" => {
            let is_right =
                !is_mine && state.project().is_some() && by.as_deref() == state.project();
            if is_right {
                vec![state.clone()]
            } else {
                vec![]
            }
        }
        (Order::Release { .. }, Answer::Refused(name, _)) if name == "PORT_NOT_FOUND" => {
            if *state == State::Free {
                vec![State::Free]
            } else {
                vec![]
            }
        }
        (Order::Get { .. }, Answer::Done(told)) => {
            if told.as_deref() == state.project() {
                vec![state.clone()]
            } else {
                vec![]
            }
        }
        (Order::Reserve { .. }, _) if is_mine || *state == State::Free => {
            done(State::Claimed(project.clone()))
        }
        (Order::Request { .. }, _) if *state == State::Free => {
            done(State::Claimed(project.clone()))
        }
        (Order::Lease { .. }, _) if *state == State::Free => {
            done(State::Leased(project.clone(), call.life))
        }
        (Order::Release { .. }, _) if is_mine => done(State::Free),
        // A lease that became something else meanwhile is given back without an effect.
        (Order::Drop { .. }, _) => match state {
            State::Leased(_, owner) if *owner == call.life => done(State::Free),
            other => done(other.clone()),
        },
        _ => vec![],
    }
}

/// What is wrong with the observations, port by port. `placed` tells where the claims went that nobody
/// heard of.
pub fn check(ledger: &Ledger, placed: &HashMap<String, u16>) -> (usize, Vec<String>) {
    let mut by_port: HashMap<u16, Vec<Operation<State, Event>>> = HashMap::new();
    let mut checked = 0;
    for call in &ledger.calls {
        let placed = || call.text().and_then(|text| placed.get(text)).copied();
        let Some(port) = call.port().or_else(placed) else {
            continue;
        };
        checked += usize::from(!call.is_unknown());
        let operations = by_port.entry(port).or_default();
        let life = &ledger.lives[call.life];
        if matches!(call.order, Order::Lease { .. }) && life.killed < i64::MAX {
            operations.push(operation(Event::End(call.life), life.killed, i64::MAX));
        }
        let event = Event::Call(call.clone(), life.project.clone());
        operations.push(operation(event, call.begin, call.end));
    }
    let wrong = by_port.into_iter().filter_map(|(port, operations)| {
        let outcome = linear::check(State::Free, operations);
        outcome.err().map(|error| format!("port {port}: {error}"))
    });
    (checked, wrong.collect())
}

fn operation(event: Event, begin: i64, end: i64) -> Operation<State, Event> {
    Operation {
        event,
        begin,
        end,
        is_optional: end == i64::MAX,
        apply,
    }
}
