//! The machine's listeners, and what they say of the claims.

use std::collections::HashSet;

use serde_json::json;

use crate::{
    error::Result,
    host::Wanted,
    keeper::{Journal, Keeper},
    model::{Details, Reservation, ScanReport, Socket, Status, StatusChange},
    rules::{self, Transition},
    store::{
        Durability, history,
        ports::{self, Listed},
        scans,
    },
};

impl Keeper {
    /// Every TCP listener and UDP socket of this machine with its owner, by port, protocol and
    /// address. Nothing is written.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let port = server.local_addr().unwrap().port();
    ///
    /// let listeners = keeper.listeners()?;
    /// let ours = listeners.iter().find(|socket| socket.port == port).unwrap();
    /// assert_eq!(ours.pid(), Some(std::process::id()));
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn listeners(&self) -> Result<Vec<Socket>> {
        self.host.sockets(Wanted::Listeners)
    }

    /// Looks at the machine once and brings the registry up to date: a claim whose port listens is
    /// in use, one whose port does not is reserved. Each transition has its history entry.
    ///
    /// The look itself holds no lock. A claim that somebody changed after the look began is left
    /// for the next scan: what was seen may be older than the claim.
    ///
    /// ```
    /// use portkeeper_core::{ReserveRequest, Status};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let port = server.local_addr().unwrap().port();
    /// keeper.reserve(port, ReserveRequest::new("my-app"))?;
    ///
    /// let report = keeper.scan()?;
    /// assert_eq!(report.changes[0].to, Status::InUse);
    /// assert_eq!(keeper.get(port)?.unwrap().pid, Some(std::process::id()));
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn scan(&self) -> Result<ScanReport> {
        let before = self.store.read_one(|db| Ok(history::newest(db)?))?;
        let listeners = self.listeners()?;
        let journal = Journal::new(self);

        let changes = self
            .store
            .write(self.durability(Durability::Normal), |tx| {
                let changed: HashSet<u16> =
                    history::changed_since(tx, before)?.into_iter().collect();
                let mut claims = ports::list(tx, &Listed::default())?;
                claims.retain(|claim| !changed.contains(&claim.number));

                scans::replace(tx, &listeners, journal.now)?;
                let transitions = rules::scan_changes(&claims, &listeners);
                let listening: HashSet<u16> = listeners.iter().map(|socket| socket.port).collect();
                for claim in claims.iter().filter(|c| listening.contains(&c.number)) {
                    ports::seen(tx, claim.number, journal.now)?;
                }
                let mut changes = Vec::with_capacity(transitions.len());
                for transition in transitions {
                    let found = claims.binary_search_by_key(&transition.port, |claim| claim.number);
                    let Some(claim) = found.ok().and_then(|position| claims.get(position)) else {
                        continue;
                    };
                    let row = after(claim, &transition, &journal);
                    let details = details(&transition);
                    journal.write(tx, &row, rules::claim_action(row.status), &details)?;
                    changes.push(StatusChange {
                        port: claim.number,
                        project_name: claim.project_name.clone(),
                        from: claim.status,
                        to: transition.to,
                        process: transition.process,
                    });
                }
                Ok(changes)
            })?;
        Ok(ScanReport {
            scanned_at: journal.now,
            listeners,
            changes,
        })
    }
}

fn after(claim: &Reservation, transition: &Transition, journal: &Journal) -> Reservation {
    let process = transition.process.as_ref();
    Reservation {
        status: transition.to,
        pid: process.map(|process| process.pid),
        process_name: process.map(|process| process.name.clone()),
        last_seen_at: match transition.to {
            Status::InUse => Some(journal.now),
            _ => claim.last_seen_at,
        },
        updated_at: journal.now,
        ..claim.clone()
    }
}

fn details(transition: &Transition) -> Details {
    let reason = match transition.to {
        Status::InUse => "listener found",
        _ => "listener gone",
    };
    let mut details = Details::from_iter([("reason".to_owned(), json!(reason))]);
    if let Some(process) = &transition.process {
        details.insert("pid".to_owned(), json!(process.pid));
        details.insert("processName".to_owned(), json!(process.name));
    }
    details
}
