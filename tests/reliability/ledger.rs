//! What many processes were told to do, and what they answered.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds on a clock that all processes share.
pub fn clock() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// One order. A claim is described by a text that no other has, by which the history is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    Reserve {
        port: u16,
        text: String,
    },
    Release {
        port: u16,
    },
    Request {
        text: String,
    },
    Lease {
        text: String,
    },
    /// Gives back the lease of that text.
    Drop {
        port: u16,
        text: String,
    },
    Get {
        port: u16,
    },
}

/// What the process said.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was done; the port where the engine chose it, the project where that was asked.
    Done(Option<String>),
    /// The name of the error, and the project that it tells.
    Refused(String, Option<String>),
    /// The process was killed before.
    Nothing,
}

/// An order, from before it was obeyed until after.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which life of which process, as an index into [`Ledger::lives`].
    pub life: usize,
    pub order: Order,
    pub begin: i64,
    /// `i64::MAX` when nobody knows: there was no answer.
    pub end: i64,
    pub answer: Answer,
}

impl Call {
    /// The port, where the answer or the order names it.
    pub fn port(&self) -> Option<u16> {
        match (&self.order, &self.answer) {
            (
                Order::Reserve { port, .. }
                | Order::Release { port }
                | Order::Drop { port, .. }
                | Order::Get { port },
                _,
            ) => Some(*port),
            (_, Answer::Done(Some(port))) => port.parse().ok(),
            _ => None,
        }
    }

    /// The text of the claim that it makes.
    pub fn text(&self) -> Option<&str> {
        match &self.order {
            Order::Reserve { text, .. } | Order::Request { text } | Order::Lease { text } => {
                Some(text)
            }
            _ => None,
        }
    }

    pub fn is_done(&self) -> bool {
        matches!(self.answer, Answer::Done(_))
    }

    pub fn is_unknown(&self) -> bool {
        self.answer == Answer::Nothing
    }
}

/// One process from its start until it is killed.
#[derive(Debug, Clone)]
pub struct Life {
    /// Who it is in the history.
    pub actor: String,
    /// Whose its claims are; its predecessors' and successors' too.
    pub project: String,
    /// Just before it was killed; `i64::MAX` for one that is alive.
    pub killed: i64,
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub lives: Vec<Life>,
    pub calls: Vec<Call>,
}

impl Ledger {
    /// Adds a life and what it did.
    pub fn add(&mut self, life: Life, calls: Vec<Call>) {
        let number = self.lives.len();
        self.lives.push(life);
        self.calls.extend(calls.into_iter().map(|mut call| {
            call.life = number;
            call
        }));
    }

    pub fn acknowledged(&self) -> usize {
        self.calls.iter().filter(|call| !call.is_unknown()).count()
    }
}
