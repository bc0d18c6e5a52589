//! What sweeps and scans do to the model's registry.

use portkeeper_core::{Action, Status, host::Fate};

use super::{Change, Entry, Registry, action};
use crate::machine::Machine;

impl Registry {
    /// Ends what has ended, on every port or on one.
    pub fn sweep(&mut self, machine: &Machine, only: Option<u16>) -> Vec<Change> {
        let mut changes = Vec::new();
        let ports: Vec<u16> = self.rows.keys().copied().collect();
        for port in ports {
            let row = self.rows[&port].clone();
            let Some(lease) = &row.lease else { continue };
            if only.is_some_and(|only| only != port) {
                continue;
            }
            let listener = machine.listener(port);
            let heir = listener.as_ref().map(|socket| socket.processes.first());
            let to = if lease.expires_at.is_some_and(|end| end <= machine.now) {
                if !row.auto_release {
                    self.vacate(port);
                    continue;
                }
                self.free(port, machine.now, "its time was over");
                Status::Free
            } else if !lease
                .owner
                .as_ref()
                .is_some_and(|owner| machine.fate(owner) == Fate::Dead)
            {
                continue;
            } else {
                match heir {
                    // Who listens cannot be told: nothing ends.
                    Some(None) => continue,
                    _ if !row.auto_release => {
                        self.vacate(port);
                        if heir.is_some() || row.status != Status::InUse {
                            continue;
                        }
                        self.unused(port, machine.now, "its process ended");
                        Status::Reserved
                    }
                    None => {
                        self.free(port, machine.now, "its process ended");
                        Status::Free
                    }
                    Some(Some(process)) => {
                        let id = self.new_lease();
                        let row = self.rows.get_mut(&port).unwrap();
                        row.status = Status::InUse;
                        row.process = Some(process.clone());
                        row.last_seen_at = Some(machine.now);
                        row.updated_at = machine.now;
                        let lease = row.lease.as_mut().unwrap();
                        lease.id = id;
                        lease.owner = machine.identity(process.pid).unwrap();
                        let reason = "its process ended, and another one listens";
                        self.note(port, Action::InUse, machine.now, reason);
                        Status::InUse
                    }
                }
            };
            changes.push((port, row.status, to));
        }
        changes
    }

    /// Brings every claim into the state of its port, except for those that changed since the machine
    /// was looked at.
    pub fn scan(&mut self, machine: &Machine, newer: &[u16]) -> Vec<Change> {
        let mut changes = self.sweep(machine, None);
        let settled: Vec<u16> = changes.iter().map(|change| change.0).collect();
        let now = machine.now;
        for (port, row) in &mut self.rows {
            let is_settled = settled.contains(port) || newer.contains(port);
            if row.status == Status::Free || is_settled {
                continue;
            }
            let before = row.status;
            let reason = match machine.listener(*port) {
                None if before == Status::Reserved => continue,
                None => {
                    row.status = Status::Reserved;
                    row.process = None;
                    "listener gone"
                }
                Some(socket) => {
                    row.last_seen_at = Some(now);
                    let process = socket.processes.first();
                    let is_news = process.is_some() && row.process.as_ref() != process;
                    if before == Status::InUse && !is_news {
                        continue;
                    }
                    row.status = Status::InUse;
                    row.process = process.cloned();
                    "listener found"
                }
            };
            row.updated_at = now;
            changes.push((*port, before, row.status));
            let entry = Entry {
                action: action(row.status),
                project: row.project.to_owned(),
                at: now,
                reason: reason.to_owned(),
            };
            self.history.entry(*port).or_default().push(entry);
        }
        changes.sort_unstable_by_key(|change| change.0);
        changes
    }
}
