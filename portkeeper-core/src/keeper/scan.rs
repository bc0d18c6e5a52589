//! The machine's listeners, and what they say of the claims.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use rusqlite::Connection;
use serde_json::json;

use crate::{
    error::{Error, Result},
    host::{Earlier, Look, Wanted},
    keeper::{Journal, Keeper, sweep::settle},
    model::{Details, Owner, Reservation, ScanReport, Socket, Status, StatusChange},
    rules::{self, Transition},
    store::{
        Durability, Failure, history, leases,
        ports::{self, Listed},
        scans,
    },
};

/// How long a socket that nobody had is taken for one that nobody has. Another process would have to be
/// handed it, or to be let in where it may not look, to make that wrong.
const UNOWNED_FOR: TimeDelta = TimeDelta::minutes(10);

impl Keeper {
    /// Every TCP listener and UDP socket of this machine with its owner, by port, protocol and
    /// address. Nothing is written.
    ///
    /// Finds every process of each socket, which takes a look at every open file of every process:
    /// [`scan`](Self::scan) is many times cheaper and finds one at least.
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
    /// in use, one whose port does not is reserved, and one whose owner or time has ended is free or,
    /// where another process listens, that one's. Each transition has its history entry.
    ///
    /// Owners are first looked for where the last scan found them, of this process or another one.
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
        let (newest, before) = self
            .store
            .read(|db| Ok((history::newest(db)?, leases::ids(db)?)))?;
        let earlier = self.earlier(None)?;
        let Look {
            sockets: listeners,
            source,
            holders,
        } = self.host.look(Wanted::Listeners, &earlier)?;
        if let Some(socket) = listeners.iter().find(|socket| !is_sound(socket)) {
            let reason = format!("the host tells of a socket that cannot be: {socket:?}");
            return Err(Error::ScanFailed(reason));
        }
        let leased = self.store.read_one(|db| Ok(ports::conditional(db)?))?;
        let ended = self.ended(&leased, Some(&listeners))?;
        let (scanned_at, changes) =
            self.store
                .write(self.durability(Durability::Normal), |tx| {
                    let journal = Journal::new(self);
                    scans::replace(tx, &listeners, &holders, (journal.now, self.host.user()))?;
                    // Not every change of a lease is in the history. Those that this scan makes come later.
                    let mut overtaken = differing(&before, &leases::ids(tx)?);
                    let mut changes = settle(tx, &journal, &ended)?;
                    overtaken.extend(history::changed_since(tx, newest)?);
                    changes.extend(follow(tx, &journal, &listeners, &overtaken)?);
                    changes.sort_unstable_by_key(|change| change.port);
                    Ok((journal.now, changes))
                })?;
        Ok(ScanReport {
            scanned_at,
            listeners,
            changes,
            source,
        })
    }

    /// What the last scan saw on `port`, or on every port.
    pub(super) fn earlier(&self, port: Option<u16>) -> Result<Earlier> {
        let since = self.host.now() - UNOWNED_FOR;
        self.store
            .read_one(|db| Ok(scans::earlier(db, port, since, self.host.user())?))
    }
}

/// Whether it is one that the tables have a place for. A [`Host`](crate::host::Host) may be anybody's.
fn is_sound(socket: &Socket) -> bool {
    socket.port != 0 && (socket.owner == Owner::Known) != socket.processes.is_empty()
}

/// The ports whose lease is another one than before, or has begun or ended.
fn differing(before: &HashMap<u16, String>, now: &HashMap<u16, String>) -> HashSet<u16> {
    let ports = before.keys().chain(now.keys());
    ports
        .filter(|port| before.get(port) != now.get(port))
        .copied()
        .collect()
}

/// Brings every claim into the state that the listeners show, except for those by whose changes it was `overtaken`.
fn follow(
    db: &Connection,
    journal: &Journal,
    listeners: &[Socket],
    overtaken: &HashSet<u16>,
) -> Result<Vec<StatusChange>, Failure> {
    let mut claims = ports::list(db, &Listed::default())?;
    claims.retain(|claim| !overtaken.contains(&claim.number));

    let listening: HashSet<u16> = listeners.iter().map(|socket| socket.port).collect();
    for claim in claims
        .iter()
        .filter(|claim| listening.contains(&claim.number))
    {
        ports::seen(db, claim.number, journal.now)?;
    }
    let mut changes = Vec::new();
    for transition in rules::scan_changes(&claims, listeners) {
        let row = after(&transition, journal);
        let action = rules::claim_action(row.status);
        journal.write(db, &row, action, &details(&transition))?;
        changes.push(StatusChange {
            port: row.number,
            project_name: row.project_name,
            from: transition.claim.status,
            to: transition.to,
            process: transition.process,
        });
    }
    Ok(changes)
}

fn after(transition: &Transition<'_>, journal: &Journal) -> Reservation {
    let process = transition.process.as_ref();
    Reservation {
        status: transition.to,
        pid: process.map(|process| process.pid),
        process_name: process.map(|process| process.name.clone()),
        last_seen_at: match transition.to {
            Status::InUse => Some(journal.now),
            _ => transition.claim.last_seen_at,
        },
        updated_at: journal.now,
        ..transition.claim.clone()
    }
}

fn details(transition: &Transition<'_>) -> Details {
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::is_sound;
    use crate::model::{Owner, Process, Protocol, Socket, SocketState};

    #[test]
    fn a_host_may_not_tell_of_what_cannot_be() {
        let process = Process {
            pid: 7,
            name: "node".to_owned(),
        };
        for (port, owner, processes, sound) in [
            (80, Owner::Known, vec![process.clone()], true),
            (80, Owner::Denied, vec![], true),
            (80, Owner::Known, vec![], false),
            (80, Owner::OtherNamespace, vec![process.clone()], false),
            (0, Owner::Known, vec![process], false),
        ] {
            let socket = Socket {
                port,
                protocol: Protocol::Tcp,
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                state: SocketState::Listen,
                remote: None,
                owner,
                processes,
                uid: None,
                inode: 1,
            };
            assert_eq!(is_sound(&socket), sound, "{socket:?}");
        }
    }
}
