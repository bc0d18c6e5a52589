//! What the model's registry has of each port, and what it is asked for.

use portkeeper_core::{
    Action, LeaseTerms, Process, ProcessIdentity, Reservation, Status, Strategy,
};

use crate::machine::{Slot, time};

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub project: &'static str,
    pub status: Status,
    pub description: Option<&'static str>,
    pub process: Option<Process>,
    pub reserved_at: i64,
    pub last_seen_at: Option<i64>,
    pub updated_at: i64,
    pub auto_release: bool,
    pub lease: Option<Lease>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// Stands for the random id: equal numbers, equal ids.
    pub id: u64,
    pub role: Option<&'static str>,
    pub owner: Option<ProcessIdentity>,
    pub expires_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub action: Action,
    pub project: String,
    pub at: i64,
    pub reason: String,
}

/// A request, also one for a lease.
#[derive(Debug, Clone)]
pub struct Want {
    pub project: &'static str,
    pub roles: Vec<&'static str>,
    pub count: usize,
    pub strategy: Strategy,
    pub owner: Option<Slot>,
    pub ttl: Option<i64>,
    pub avoid: Option<u16>,
    pub description: Option<&'static str>,
}

impl Want {
    /// Whether the claim is to last until somebody releases it.
    pub fn is_lasting(&self, owner: Option<&ProcessIdentity>) -> bool {
        owner.is_none() && self.ttl.is_none()
    }

    /// A second more than was asked for: the second in which it begins counts in full.
    pub fn end(&self, now: i64) -> Option<i64> {
        self.ttl.map(|ttl| now + ttl + 1)
    }

    pub fn slots(&self) -> Vec<Option<&'static str>> {
        if self.roles.is_empty() {
            vec![None; self.count]
        } else {
            self.roles.iter().copied().map(Some).collect()
        }
    }
}

impl Row {
    pub fn fresh(project: &'static str, description: Option<&'static str>, now: i64) -> Self {
        Self {
            project,
            status: Status::Reserved,
            description,
            process: None,
            reserved_at: now,
            last_seen_at: None,
            updated_at: now,
            auto_release: false,
            lease: None,
        }
    }

    /// Neither a process nor a time ends it from now on.
    pub fn make_lasting(&mut self) {
        self.auto_release = false;
        if let Some(lease) = &mut self.lease {
            lease.expires_at = None;
        }
    }

    pub fn owner(&self) -> Option<&ProcessIdentity> {
        self.lease.as_ref()?.owner.as_ref()
    }

    /// The row as the engine returns it, with the lease id that `real` has.
    pub fn reservation(&self, port: u16, real: &Reservation) -> Reservation {
        let id = real.lease.as_ref().map(|lease| lease.id.clone());
        Reservation {
            number: port,
            project_name: self.project.to_owned(),
            description: self.description.map(str::to_owned),
            status: self.status,
            pid: self.process.as_ref().map(|process| process.pid),
            process_name: self.process.as_ref().map(|process| process.name.clone()),
            reserved_at: time(self.reserved_at),
            last_seen_at: self.last_seen_at.map(time),
            updated_at: time(self.updated_at),
            auto_release: self.auto_release,
            tags: Vec::new(),
            metadata: serde_json::Map::new(),
            lease: self.lease.as_ref().map(|lease| LeaseTerms {
                id: id.unwrap_or_default(),
                role: lease.role.map(str::to_owned),
                owner: lease.owner.clone(),
                held: false,
                borrowed: false,
                expires_at: lease.expires_at.map(time),
            }),
        }
    }
}
