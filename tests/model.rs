//! The engine against a simple model: whatever happens in whatever order on a made-up machine, the
//! answers, the rows and the history are those of the model.
//!
//! Each operation means something in every state, so that a failing sequence stays one while it is
//! shrunk.

#[path = "support/model_machine.rs"]
mod machine;
#[path = "support/model_ops.rs"]
mod ops;
#[path = "support/model_registry.rs"]
mod registry;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc},
    thread,
};

use machine::{FakeHost, Machine, pid, time};
use ops::{Op, op, port_request};
use portkeeper_core::{
    Action, Filter, HistoryQuery, Keeper, Lease, Options, PortRequest, Release, Reservation,
    ReserveRequest, Result, ScanReport, SocketState, Status, Verdict,
    host::{Fate, Probe},
};
use proptest::{prelude::*, test_runner::Config};
use registry::{Change, Entry, RANGE, Registry, Want};

/// The engine and the model, side by side.
struct Pair {
    host: Arc<FakeHost>,
    keeper: Keeper,
    registry: Registry,
    /// Each guard with the leases that it stands for in the model.
    guards: Vec<(Lease, Vec<(u16, u64)>)>,
    /// The engine's id of each lease of the model.
    ids: BTreeMap<u64, String>,
}

impl Pair {
    fn new() -> Self {
        let host = Arc::new(FakeHost::new());
        let options = Options::new().in_memory().actor("model");
        Self {
            keeper: options.host(host.clone()).open().unwrap(),
            host,
            registry: Registry::default(),
            guards: Vec::new(),
            ids: BTreeMap::new(),
        }
    }

    fn step(&mut self, op: &Op) {
        let before = self.rows();
        let machine = self.host.machine();
        self.run(op, &machine);
        self.agree();
        if !op.is_release() {
            self.unknown_is_kept(&before, &machine);
        }
    }

    fn run(&mut self, op: &Op, machine: &Machine) {
        match op {
            Op::Reserve {
                project,
                port,
                description,
                adopt,
            } => {
                let mut request = ReserveRequest::new(*project).adopt(*adopt);
                if let Some(description) = description {
                    request = request.description(*description);
                }
                let reserved = self.keeper.reserve(*port, request).map(|row| vec![row]);
                let registry = &mut self.registry;
                let expected = registry.reserve(machine, project, *port, *description, *adopt);
                self.same(reserved, expected);
            }
            Op::Request(want) => {
                let granted = self.keeper.request(port_request(want));
                let given = numbers(granted.as_deref().unwrap_or_default());
                let expected = self.registry.request(machine, want, false, &given);
                self.same(granted, expected);
            }
            Op::Lease(want) => self.lease(machine, want),
            Op::Drop(which) => {
                if !self.guards.is_empty() {
                    let (guard, leases) = self.guards.remove(which % self.guards.len());
                    drop(guard);
                    self.registry.give_back(machine.now, &leases);
                }
            }
            Op::Release { port, only_of } => {
                let mut release = Release::port(*port);
                if let Some(project) = only_of {
                    release = release.only_of(*project);
                }
                let released = self.keeper.release(release);
                let expected = self.registry.release(machine.now, *port, *only_of);
                self.same(released, expected);
            }
            Op::ReleaseProject(project) => {
                let released = self.keeper.release(Release::project(*project));
                let expected = self.registry.release_project(machine.now, project);
                self.same(released, expected);
            }
            Op::Scan => self.scan(machine),
            Op::ScanDuring(op) => self.scan_during(machine, op),
            Op::Check(port) => self.check(machine, *port),
            Op::Later(seconds) => self.host.alter(|machine| machine.now += seconds),
            Op::End(slot) => self.host.alter(|machine| machine.end(*slot)),
            Op::Leave(slot, child) => {
                let rows = self.rows().into_values();
                let of =
                    |row: &Reservation| row.owner().is_some_and(|owner| owner.pid == pid(*slot));
                let claimed: Vec<u16> = rows.filter(of).map(|row| row.number).collect();
                self.host.alter(|machine| {
                    machine.end(*slot);
                    for port in claimed {
                        machine.take(*child, port, SocketState::Listen);
                    }
                });
            }
            Op::Start(slot) => self.host.alter(|machine| machine.start(*slot)),
            Op::Hide(slot, hidden) => self.host.alter(|machine| machine.hide(*slot, *hidden)),
            Op::Take(slot, port, state) => {
                self.host
                    .alter(|machine| machine.take(*slot, *port, *state));
            }
            Op::Close(port) => self.host.alter(|machine| machine.close(*port)),
            Op::Reboot => {
                self.host.alter(Machine::reboot);
                // Nobody drops a guard when the power goes.
                self.guards.drain(..).for_each(std::mem::forget);
            }
        }
    }

    fn lease(&mut self, machine: &Machine, want: &Want) {
        let lease = self.keeper.lease(port_request(want));
        let want = Want {
            owner: Some(want.owner.unwrap_or(0)),
            ..want.clone()
        };
        let given = lease.as_ref().map(Lease::ports).unwrap_or_default();
        let expected = self.registry.request(machine, &want, true, &given);
        match lease {
            Ok(guard) => {
                self.same(Ok(guard.reservations().to_vec()), expected);
                let of = |port: u16| {
                    let row = &self.registry.rows[&port];
                    (port, row.lease.as_ref().unwrap().id)
                };
                let leases = given.into_iter().map(of).collect();
                self.guards.push((guard, leases));
            }
            Err(error) => self.same(Err(error), expected),
        }
    }

    fn scan(&mut self, machine: &Machine) {
        let report = self.keeper.scan().unwrap();
        assert_eq!(changes(&report), self.registry.scan(machine, &[]));
        let (rows, history) = (self.rows(), self.history());
        assert_eq!(self.keeper.scan().unwrap().changes, [], "a second scan");
        assert_eq!((self.rows(), self.history()), (rows, history));
    }

    fn scan_during(&mut self, machine: &Machine, op: &Op) {
        let (seen, is_seen) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        *self.host.pause.lock().unwrap() = Some((seen, may_go_on));
        let keeper = self.keeper.clone();
        let scanner = thread::spawn(move || keeper.scan().unwrap());
        is_seen.recv().unwrap();
        let before = self.registry.history.clone();
        self.run(op, machine);
        go_on.send(()).unwrap();
        let report = scanner.join().unwrap();

        let history = &self.registry.history;
        let is_newer = |port: &u16| history.get(port) != before.get(port);
        let newer: Vec<u16> = history.keys().copied().filter(is_newer).collect();
        assert_eq!(changes(&report), self.registry.scan(machine, &newer));
    }

    fn check(&self, machine: &Machine, port: u16) {
        let state = self.keeper.check(port).unwrap();
        let claim = self.registry.claim(port);
        assert_eq!(state.project(), claim.map(|row| row.project));
        assert_eq!(
            state.status,
            claim.map_or(Status::Free, |claim| claim.status)
        );
        let is_free = machine.probe(port) == Probe::Free;
        assert_eq!(
            is_free,
            matches!(state.verdict, Verdict::Free | Verdict::Reserved { .. })
        );
        let listens = machine.listener(port).is_some();
        assert_eq!(listens, !state.listeners().is_empty());
    }

    /// The same answer: these ports, as they are in the registry now, or an error of this kind.
    fn same(
        &self,
        answer: Result<Vec<Reservation>>,
        expected: Result<Vec<u16>, portkeeper_core::ErrorKind>,
    ) {
        match answer {
            Ok(rows) => {
                assert_eq!(Ok(numbers(&rows)), expected);
                for row in rows {
                    assert_eq!(self.keeper.get(row.number).unwrap(), Some(row));
                }
            }
            Err(error) => assert_eq!(Err(error.kind()), expected, "{error}"),
        }
    }

    /// The engine's rows and history are the model's.
    fn agree(&mut self) {
        let rows = self.rows();
        assert!(rows.keys().eq(self.registry.rows.keys()));
        for (port, row) in &self.registry.rows {
            let real = &rows[port];
            assert_eq!(*real, row.reservation(*port, real));
            if let (Some(lease), Some(real)) = (&row.lease, &real.lease) {
                let id = self.ids.entry(lease.id).or_insert_with(|| real.id.clone());
                assert_eq!(*id, real.id, "the lease of {port}");
            }
        }
        let distinct: BTreeSet<&String> = self.ids.values().collect();
        assert_eq!(distinct.len(), self.ids.len(), "an id stands for one lease");

        let history = self.history();
        assert_eq!(history, self.registry.history);
        let now = time(self.host.machine().now);
        for port in RANGE {
            let holder = self.keeper.holder_at(port, now).unwrap();
            let claim = rows.get(&port).filter(|row| row.status != Status::Free);
            assert_eq!(
                holder.map(|holder| (holder.project_name, holder.status)),
                claim.map(|row| (row.project_name.clone(), row.status)),
                "what the history says of {port}"
            );
        }
        let open = |entries: &&Vec<Entry>| entries.last().unwrap().action != Action::Released;
        let summary = self.keeper.summary().unwrap();
        assert_eq!(
            usize::try_from(summary.reserved + summary.in_use).unwrap(),
            history.values().filter(open).count()
        );
    }

    /// Nothing but a release ends the claim of a process of which nobody knows whether it lives.
    fn unknown_is_kept(&self, before: &BTreeMap<u16, Reservation>, machine: &Machine) {
        let after = self.rows();
        for (port, row) in before {
            let Some(lease) = &row.lease else { continue };
            let Some(owner) = &lease.owner else { continue };
            let is_over = lease.expires_at.is_some_and(|end| end <= time(machine.now));
            if machine.fate(owner) == Fate::Unknown && !is_over {
                let now = &after[port];
                assert_ne!(now.status, Status::Free, "{port} of an unknown owner");
                assert_eq!(now.project_name, row.project_name);
                assert_eq!(now.owner(), Some(owner));
            }
        }
    }

    fn rows(&self) -> BTreeMap<u16, Reservation> {
        let claims = self.keeper.list(Filter::claims()).unwrap();
        let free = self.keeper.list(Filter::claims().status(Status::Free));
        let rows = claims.into_iter().chain(free.unwrap());
        rows.map(|row| (row.number, row)).collect()
    }

    fn history(&self) -> BTreeMap<u16, Vec<Entry>> {
        let mut history: BTreeMap<u16, Vec<Entry>> = BTreeMap::new();
        let query = HistoryQuery::all().limit(u32::MAX);
        for entry in self.keeper.history(query).unwrap().into_iter().rev() {
            assert_eq!(entry.performed_by.as_deref(), Some("model"));
            history.entry(entry.port).or_default().push(Entry {
                action: entry.action,
                project: entry.project_name.unwrap(),
                at: entry.performed_at.timestamp(),
                reason: entry.details["reason"].as_str().unwrap().to_owned(),
            });
        }
        history
    }
}

fn numbers(rows: &[Reservation]) -> Vec<u16> {
    rows.iter().map(|row| row.number).collect()
}

fn changes(report: &ScanReport) -> Vec<Change> {
    let changes = report.changes.iter();
    changes
        .map(|change| (change.port, change.from, change.to))
        .collect()
}

/// `tests/run` asks for more than a developer waits for.
fn cases() -> u32 {
    let asked = std::env::var("PORTKEEPER_MODEL_CASES").ok();
    asked.map_or(40, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(Config {
        cases: cases(),
        max_shrink_iters: 20_000,
        max_shrink_time: 30_000,
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn the_engine_does_what_the_model_does(ops in prop::collection::vec(op(), 1..60)) {
        let mut pair = Pair::new();
        for op in &ops {
            pair.step(op);
        }
    }
}

/// A sweep that takes a dead owner from a lasting claim has changed the row that a hold has read.
#[test]
fn a_claim_whose_user_ended_is_held_by_another_one() {
    let pair = Pair::new();
    let is_unbound = |port: &u16| std::net::TcpListener::bind(("0.0.0.0", *port)).is_ok();
    let port = (23_500..24_000).find(is_unbound).unwrap();
    let request = PortRequest::new("shop").role("web").range(port..=port);
    pair.keeper.request(request.clone()).unwrap();
    pair.keeper.request(request.owned_by(pid(2))).unwrap();
    pair.host.alter(|machine| machine.end(2));

    let hold = pair.keeper.hold(port).unwrap();
    let row = pair.keeper.get(port).unwrap().unwrap();
    assert_eq!(row.owner().map(|owner| owner.pid), Some(pid(0)));
    drop(hold);
    assert_eq!(pair.keeper.get(port).unwrap().unwrap().owner(), None);
}
