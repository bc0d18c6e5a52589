//! What happens to the engine and the model, in whatever order.

use std::time::Duration;

use portkeeper_core::{PortRequest, SocketState, Strategy as Order};
use proptest::prelude::*;

use super::{
    machine::{SLOTS, Slot, pid},
    registry::{RANGE, Want},
};

const PROJECTS: [&str; 2] = ["shop", "blog"];
const ROLES: [&str; 3] = ["web", "api", "hmr"];
const TEXTS: [&str; 3] = ["", "one", "two"];

/// Something that happens: an operation of the engine, or of the machine.
#[derive(Debug, Clone)]
pub enum Op {
    Reserve {
        project: &'static str,
        port: u16,
        description: Option<&'static str>,
        adopt: bool,
    },
    Request(Want),
    Lease(Want),
    /// The guard of some lease is dropped.
    Drop(usize),
    Release {
        port: u16,
        only_of: Option<&'static str>,
    },
    ReleaseProject(&'static str),
    Scan,
    /// A scan that sees the machine, and before it writes this happens.
    ScanDuring(Box<Self>),
    Check(u16),
    Later(i64),
    End(Slot),
    /// The first one ends, and the other listens on the ports that it claimed.
    Leave(Slot, Slot),
    Start(Slot),
    Hide(Slot, bool),
    Take(Slot, u16, SocketState),
    Close(u16),
    Reboot,
}

impl Op {
    /// Whether it may end a claim whatever became of its owner.
    pub fn is_release(&self) -> bool {
        match self {
            Self::Release { .. } | Self::ReleaseProject(_) | Self::Drop(_) => true,
            Self::ScanDuring(op) => op.is_release(),
            _ => false,
        }
    }
}

/// Most of them among few, so that one port sees much.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![2 => 6660..=6663u16, 1 => RANGE]
}

fn project() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&PROJECTS)
}

fn reserve() -> impl Strategy<Value = Op> {
    let text = prop::option::weighted(0.3, prop::sample::select(&TEXTS));
    (project(), port(), text, any::<bool>()).prop_map(|(project, port, description, adopt)| {
        Op::Reserve {
            project,
            port,
            description,
            adopt,
        }
    })
}

fn release() -> impl Strategy<Value = Op> {
    (port(), prop::option::weighted(0.3, project()))
        .prop_map(|(port, only_of)| Op::Release { port, only_of })
}

pub fn op() -> impl Strategy<Value = Op> {
    let slot = 0..SLOTS;
    let state = prop_oneof![3 => Just(SocketState::Listen), 1 => Just(SocketState::Connected)];
    prop_oneof![
        6 => reserve(),
        6 => want().prop_map(Op::Request),
        3 => want().prop_map(Op::Lease),
        2 => any::<usize>().prop_map(Op::Drop),
        3 => release(),
        1 => project().prop_map(Op::ReleaseProject),
        4 => Just(Op::Scan),
        1 => prop_oneof![reserve(), release()].prop_map(|op| Op::ScanDuring(Box::new(op))),
        1 => port().prop_map(Op::Check),
        4 => (1..4i64).prop_map(Op::Later),
        3 => slot.clone().prop_map(Op::End),
        3 => (slot.clone(), slot.clone()).prop_map(|(slot, child)| Op::Leave(slot, child)),
        2 => slot.clone().prop_map(Op::Start),
        3 => (slot.clone(), prop::bool::weighted(0.7)).prop_map(|(slot, hidden)| Op::Hide(slot, hidden)),
        6 => (slot, port(), state).prop_map(|(slot, port, state)| Op::Take(slot, port, state)),
        2 => port().prop_map(Op::Close),
        1 => Just(Op::Reboot),
    ]
}

fn want() -> impl Strategy<Value = Want> {
    let order = prop::sample::select(vec![
        Order::Lowest,
        Order::Contiguous,
        Order::Stable,
        Order::Random,
    ]);
    (
        prop::sample::select(&PROJECTS),
        prop::sample::subsequence(&ROLES, 0..=ROLES.len()),
        1..6usize,
        order,
        prop::option::weighted(0.6, 0..SLOTS),
        prop::option::weighted(0.3, 1..5i64),
        prop::option::weighted(0.2, port()),
        prop::option::weighted(0.2, prop::sample::select(&TEXTS)),
    )
        .prop_map(
            |(project, roles, count, strategy, owner, ttl, avoid, description)| Want {
                project,
                roles,
                count,
                strategy,
                owner,
                ttl,
                avoid,
                description,
            },
        )
}

pub fn port_request(want: &Want) -> PortRequest {
    let mut request = PortRequest::new(want.project)
        .roles(want.roles.clone())
        .range(RANGE)
        .strategy(want.strategy)
        .avoid(want.avoid);
    if want.roles.is_empty() {
        request = request.count(want.count);
    }
    if let Some(slot) = want.owner {
        request = request.owned_by(pid(slot));
    }
    if let Some(seconds) = want.ttl {
        request = request.ttl(Duration::from_secs(seconds.unsigned_abs()));
    }
    if let Some(description) = want.description {
        request = request.description(description);
    }
    request
}
