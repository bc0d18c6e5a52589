//! What the registry is meant to be after each operation, in the simplest words: maps, no SQL.

use std::collections::BTreeMap;

use portkeeper_core::{Action, ErrorKind, ProcessIdentity, Status, Strategy, host::Probe};
use sha2::{Digest, Sha256};

use super::machine::{Machine, is_own, pid};

#[path = "model_row.rs"]
mod row;
#[path = "model_sweep.rs"]
mod sweep;

pub use row::{Entry, Lease, Row, Want};

/// Some of its ports are refused by browsers, and one is kept back by the administrator.
pub const RANGE: std::ops::RangeInclusive<u16> = 6660..=6672;
const BLOCKED: std::ops::RangeInclusive<u16> = 6665..=6669;

#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Also those that are free again.
    pub rows: BTreeMap<u16, Row>,
    /// What happened to each port, oldest first.
    pub history: BTreeMap<u16, Vec<Entry>>,
    swept: Option<i64>,
    leases: u64,
}

/// Port, status before, status after.
pub type Change = (u16, Status, Status);

impl Registry {
    /// The claim on a port.
    pub fn claim(&self, port: u16) -> Option<&Row> {
        let row = self.rows.get(&port)?;
        (row.status != Status::Free).then_some(row)
    }

    pub fn reserve(
        &mut self,
        machine: &Machine,
        project: &'static str,
        port: u16,
        description: Option<&'static str>,
        adopt: bool,
    ) -> Result<Vec<u16>, ErrorKind> {
        if self.claim(port).is_some_and(|row| row.project != project) {
            self.sweep(machine, Some(port));
        }
        match self.claim(port) {
            Some(row) if row.project != project => return Err(ErrorKind::PortReserved),
            Some(_) => {
                self.reserve_again(port, description, machine.now);
                return Ok(vec![port]);
            }
            None => {}
        }
        let stranger = machine.sockets().find(|socket| socket.port == port);
        if !adopt && stranger.is_some_and(|socket| !socket.pid().is_some_and(is_own)) {
            return Err(ErrorKind::PortInUse);
        }
        self.rows.insert(
            port,
            Row::fresh(project, description.and_then(not_empty), machine.now),
        );
        self.note(port, Action::Reserved, machine.now, "requested");
        Ok(vec![port])
    }

    /// The project reserves what it has.
    fn reserve_again(&mut self, port: u16, description: Option<&'static str>, now: i64) {
        let row = self.rows.get_mut(&port).unwrap();
        let before = row.clone();
        row.make_lasting();
        if let Some(description) = description {
            row.description = not_empty(description);
        }
        if *row != before {
            row.updated_at = now;
            let action = action(row.status);
            self.note(port, action, now, "updated");
        }
    }

    /// `given` is what the engine chose; only a random choice is believed, where it is a possible one.
    pub fn request(
        &mut self,
        machine: &Machine,
        want: &Want,
        guarded: bool,
        given: &[u16],
    ) -> Result<Vec<u16>, ErrorKind> {
        let owner = match want.owner.map(|slot| machine.identity(pid(slot))) {
            None => None,
            Some(Ok(Some(identity))) => Some(identity),
            Some(Ok(None)) => return Err(ErrorKind::InvalidInput),
            Some(Err(error)) => return Err(error.kind()),
        };
        if self.swept.replace(machine.now) != Some(machine.now) {
            self.sweep(machine, None);
        }
        let granted = self.grant(machine, want, owner.as_ref(), guarded, given);
        if granted == Err(ErrorKind::RangeExhausted) {
            self.sweep(machine, None);
            return self.grant(machine, want, owner.as_ref(), guarded, given);
        }
        granted
    }

    fn grant(
        &mut self,
        machine: &Machine,
        want: &Want,
        owner: Option<&ProcessIdentity>,
        guarded: bool,
        given: &[u16],
    ) -> Result<Vec<u16>, ErrorKind> {
        let slots = want.slots();
        for role in slots.iter().flatten() {
            if let Some(port) = self.port_of_role(want.project, role) {
                self.sweep(machine, Some(port));
            }
        }
        let had: Vec<Option<u16>> = slots
            .iter()
            .map(|role| role.and_then(|role| self.port_of_role(want.project, role)))
            .collect();
        let fresh = self.choose(machine, want, &slots, &had, given)?;
        for port in had.iter().flatten() {
            let is_used = match (self.rows[port].owner(), owner) {
                (None, _) => false,
                (Some(user), Some(owner)) if user == owner => guarded,
                _ => !want.is_lasting(owner),
            };
            if is_used {
                return Err(ErrorKind::PortReserved);
            }
        }

        let mut fresh = fresh.into_iter();
        let mut ports = Vec::new();
        for (role, had) in slots.into_iter().zip(had) {
            let port = match had {
                Some(port) => {
                    self.renew(port, machine.now, want, owner);
                    port
                }
                None => {
                    let port = fresh.next().unwrap();
                    self.claim_anew(port, role, machine.now, want, owner);
                    port
                }
            };
            ports.push(port);
        }
        Ok(ports)
    }

    fn port_of_role(&self, project: &str, role: &str) -> Option<u16> {
        let mut rows = self.rows.iter();
        let found = rows.find(|(_, row)| {
            let theirs = row.lease.as_ref().and_then(|lease| lease.role);
            row.status != Status::Free && row.project == project && theirs == Some(role)
        });
        found.map(|(port, _)| *port)
    }

    fn choose(
        &self,
        machine: &Machine,
        want: &Want,
        slots: &[Option<&str>],
        had: &[Option<u16>],
        given: &[u16],
    ) -> Result<Vec<u16>, ErrorKind> {
        let is_avoided = |port| BLOCKED.contains(&port) || want.avoid == Some(port);
        let mut usable: Vec<u16> = RANGE
            .filter(|port| self.claim(*port).is_none() && !is_avoided(*port))
            .filter(|port| machine.probe(*port) == Probe::Free)
            .collect();
        let missing: Vec<usize> = (0..slots.len()).filter(|at| had[*at].is_none()).collect();
        let count = missing.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        if usable.len() < count {
            return Err(ErrorKind::RangeExhausted);
        }
        match want.strategy {
            Strategy::Lowest => usable.truncate(count),
            Strategy::Contiguous => {
                let mut runs = usable.windows(count);
                let run = runs.find(|run| usize::from(run[count - 1] - run[0]) == count - 1);
                return run.map(<[u16]>::to_vec).ok_or(ErrorKind::RangeExhausted);
            }
            Strategy::Stable => {
                let mut chosen = Vec::new();
                for at in missing {
                    let name = format!("{}/{}", want.project, slots[at].unwrap_or_default());
                    let start = stable_start(&name);
                    let after = usable.iter().position(|port| *port >= start);
                    chosen.push(usable.remove(after.unwrap_or(0)));
                }
                return Ok(chosen);
            }
            // Refused for another reason: any choice will do.
            _ if given.is_empty() => usable.truncate(count),
            _ => {
                let chosen: Vec<u16> = missing.iter().map(|at| given[*at]).collect();
                for port in &chosen {
                    let at = usable.iter().position(|usable| usable == port);
                    usable.remove(at.unwrap_or_else(|| panic!("{port} could not be chosen")));
                }
                return Ok(chosen);
            }
        }
        Ok(usable)
    }

    fn claim_anew(
        &mut self,
        port: u16,
        role: Option<&'static str>,
        now: i64,
        want: &Want,
        owner: Option<&ProcessIdentity>,
    ) {
        let mut row = Row::fresh(want.project, want.description.and_then(not_empty), now);
        row.auto_release = !want.is_lasting(owner);
        if role.is_some() || owner.is_some() || want.ttl.is_some() {
            row.lease = Some(Lease {
                id: self.new_lease(),
                role,
                owner: owner.cloned(),
                expires_at: want.end(now),
            });
        }
        self.rows.insert(port, row);
        self.note(port, Action::Reserved, now, "requested");
    }

    fn renew(&mut self, port: u16, now: i64, want: &Want, owner: Option<&ProcessIdentity>) {
        let id = self.new_lease();
        let row = self.rows.get_mut(&port).unwrap();
        let before = row.clone();
        if want.is_lasting(owner) {
            row.make_lasting();
        }
        let mut reason = (*row != before).then_some("updated");
        if let Some(description) = want.description.map(not_empty)
            && row.description != description
        {
            row.description = description;
            reason = Some("updated");
        }
        let lease = row.lease.as_mut().unwrap();
        if !want.is_lasting(owner) {
            if owner.is_some() && lease.owner.as_ref() != owner {
                lease.owner = owner.cloned();
                lease.id = id;
            }
            lease.expires_at = want.end(now);
        }
        if let Some(reason) = reason {
            row.updated_at = now;
            let action = action(row.status);
            self.note(port, action, now, reason);
        }
    }

    pub fn release(
        &mut self,
        now: i64,
        port: u16,
        only_of: Option<&str>,
    ) -> Result<Vec<u16>, ErrorKind> {
        match self.claim(port) {
            None => Err(ErrorKind::PortNotFound),
            Some(row) if only_of.is_some_and(|project| project != row.project) => {
                Err(ErrorKind::PortReserved)
            }
            Some(_) => {
                self.free(port, now, "requested");
                Ok(vec![port])
            }
        }
    }

    pub fn release_project(&mut self, now: i64, project: &str) -> Result<Vec<u16>, ErrorKind> {
        let claimed = self.rows.iter();
        let ports: Vec<u16> = claimed
            .filter(|(_, row)| row.status != Status::Free && row.project == project)
            .map(|(port, _)| *port)
            .collect();
        for port in &ports {
            self.free(*port, now, "requested");
        }
        Ok(ports)
    }

    /// A guard of these leases is dropped.
    pub fn give_back(&mut self, now: i64, leases: &[(u16, u64)]) {
        for (port, id) in leases {
            let row = &self.rows[port];
            if row.lease.as_ref().is_some_and(|lease| lease.id == *id) {
                if row.auto_release {
                    self.free(*port, now, "its lease was given back");
                } else {
                    // Who gives the right to use it back is taken not to use it any more.
                    let owner = row.lease.as_ref().and_then(|lease| lease.owner.as_ref());
                    let user = row.process.as_ref().map(|process| process.pid);
                    let is_unused = owner.is_some_and(|owner| Some(owner.pid) == user);
                    self.vacate(*port);
                    if is_unused {
                        self.unused(*port, now, "its lease was given back");
                    }
                }
            }
        }
    }

    fn free(&mut self, port: u16, now: i64, reason: &str) {
        let row = self.rows.get_mut(&port).unwrap();
        row.status = Status::Free;
        row.process = None;
        row.updated_at = now;
        row.auto_release = false;
        row.lease = None;
        self.note(port, Action::Released, now, reason);
    }

    /// Nobody uses a claim any more that lasts nevertheless.
    fn unused(&mut self, port: u16, now: i64, reason: &str) {
        let row = self.rows.get_mut(&port).unwrap();
        row.status = Status::Reserved;
        row.process = None;
        row.updated_at = now;
        self.note(port, Action::Reserved, now, reason);
    }

    /// Takes owner and end from a claim that lasts without them.
    fn vacate(&mut self, port: u16) {
        let id = self.new_lease();
        let row = self.rows.get_mut(&port).unwrap();
        row.lease = row
            .lease
            .take()
            .filter(|lease| lease.role.is_some())
            .map(|lease| Lease {
                id,
                owner: None,
                expires_at: None,
                ..lease
            });
    }

    fn note(&mut self, port: u16, action: Action, at: i64, reason: &str) {
        let entry = Entry {
            action,
            project: self.rows[&port].project.to_owned(),
            at,
            reason: reason.to_owned(),
        };
        self.history.entry(port).or_default().push(entry);
    }

    fn new_lease(&mut self) -> u64 {
        self.leases += 1;
        self.leases
    }
}

fn action(status: Status) -> Action {
    match status {
        Status::Free => Action::Released,
        Status::Reserved => Action::Reserved,
        Status::InUse => Action::InUse,
    }
}

fn not_empty(text: &'static str) -> Option<&'static str> {
    (!text.is_empty()).then_some(text)
}

fn stable_start(name: &str) -> u16 {
    let digest = Sha256::digest(name.as_bytes());
    let number = u64::from_be_bytes(digest[..8].try_into().unwrap());
    let offset = number % u64::try_from(RANGE.len()).unwrap();
    RANGE.start() + u16::try_from(offset).unwrap()
}
