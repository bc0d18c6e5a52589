//! One port at a time: look at it, claim it, give it back.

use rusqlite::Connection;
use serde_json::json;

use crate::{
    error::{Error, Result},
    host::{Probe, Wanted},
    keeper::{Journal, Keeper},
    model::{
        Action, Details, Fate, PortState, ProcessIdentity, Protocol, Reservation, Socket, Status,
        Verdict,
    },
    request::{Claims, Release, ReserveRequest, Strategy},
    rules::{self, Avoid, Choice, PortSet, Reserve, Wish},
    store::{Durability, Failure, leases, ports},
    value,
};

impl Keeper {
    /// Says what a port is: whose, and who listens on it.
    ///
    /// The registry's row costs one read, and a free port two bind probes of a few microseconds;
    /// the sockets of the machine are read only when something has the port, and its process is looked for
    /// first where the last scan, or the last check of this keeper, found it. Nothing is written,
    /// and a TCP server that sets `SO_REUSEADDR` and starts at the same moment is not disturbed; on a port
    /// that is free for TCP, one that binds it for UDP within those microseconds is refused. The price is that
    /// a foreign TCP socket which sets the option too, and is bound without listening, is not seen: the port
    /// is as free for a server as it would be beside a hold.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let port = server.local_addr().unwrap().port();
    ///
    /// let state = keeper.check(port)?;
    /// assert_eq!(state.listeners()[0].pid(), Some(std::process::id()));
    /// assert!(state.verdict.to_string().ends_with("listening on 127.0.0.1 (tcp)"));
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn check(&self, port: impl Into<i64>) -> Result<PortState> {
        let port = value::port(port.into())?;
        let row = self.row(port)?;
        let verdict = self.verdict(port, row.as_ref())?;
        let reservation = row.filter(|row| row.status != Status::Free);
        Ok(PortState {
            port,
            status: reservation.as_ref().map_or(Status::Free, |row| row.status),
            verdict,
            reservation,
        })
    }

    /// Claims a port for a project, or alters the project's claim; what the request does not
    /// mention stays.
    ///
    /// A port whose own server already listens, the caller's or a child's, may be claimed. Refused
    /// with `PORT_RESERVED` when another project has the port, and with `PORT_IN_USE` when anyone
    /// else uses it, unless the request says [`adopt`](ReserveRequest::adopt).
    ///
    /// The claim is on disk when this returns, and lasts until it is released; a lease of the same
    /// project becomes such a claim.
    ///
    /// ```
    /// use portkeeper_core::{ErrorKind, ReserveRequest};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let web = keeper.reserve(3000, ReserveRequest::new("my-app").tag("frontend"))?;
    /// assert_eq!(web.tags, ["frontend"]);
    ///
    /// let refusal = keeper.reserve(3000, ReserveRequest::new("shop").suggest(true)).unwrap_err();
    /// assert_eq!(refusal.kind(), ErrorKind::PortReserved);
    /// assert_eq!(refusal.project(), Some("my-app"));
    /// assert!(refusal.next_free() > Some(3000));
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn reserve(&self, port: impl Into<i64>, request: ReserveRequest) -> Result<Reservation> {
        let port = value::port(port.into())?;
        let suggest = request.suggest;
        let reserved = self.try_reserve(port, &request);
        match reserved {
            Err(refusal) if suggest => Err(self.with_suggestion(refusal)),
            result => result,
        }
    }

    fn try_reserve(&self, port: u16, request: &ReserveRequest) -> Result<Reservation> {
        let wish = wish(request)?;
        // The machine is looked at before the transaction: no system call may prolong a lock.
        let mut seen = None;
        loop {
            let mut row = self.row(port)?;
            if let Some(claim) = &row
                && claim.project_name != request.project
                && self.sweep_rows(std::slice::from_ref(claim))?
            {
                row = self.row(port)?;
            }
            let look = || {
                if seen.is_none() {
                    let stranger = if request.adopt {
                        None
                    } else {
                        self.stranger(port)?
                    };
                    seen = Some(stranger);
                }
                Ok(seen.clone().flatten())
            };
            let foreseen = rules::reserve(port, row.as_ref(), &wish, self.host.now(), look)?;
            if let Reserve::Unchanged(row) = foreseen {
                return Ok(row);
            }
            let reserved = self.store.write(self.durability(Durability::Full), |tx| {
                let journal = Journal::new(self);
                let row = ports::get(tx, port)?;
                // The project had the port a moment ago and has lost it since: nobody has looked.
                if seen.is_none() && !rules::is_mine(row.as_ref(), wish.project) {
                    return Ok(None);
                }
                let looked = || Ok(seen.clone().flatten());
                match rules::reserve(port, row.as_ref(), &wish, journal.now, looked)? {
                    Reserve::Unchanged(row) => Ok(Some(row)),
                    Reserve::Changed {
                        row,
                        action,
                        details,
                    } => {
                        journal.write(tx, &row, action, &details)?;
                        Ok(Some(row))
                    }
                }
            })?;
            if let Some(row) = reserved {
                return Ok(row);
            }
        }
    }

    /// Ends claims: of one port, several ports, or a whole project. All of them or none.
    ///
    /// Returns the rows as they are now, by number. A port that nobody has is `PORT_NOT_FOUND`; a
    /// project without ports is no error. A server that still runs is left alone.
    ///
    /// ```
    /// use portkeeper_core::{Release, ReserveRequest};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// for port in [3000, 3001, 3002, 3003] {
    ///     keeper.reserve(port, ReserveRequest::new("my-app"))?;
    /// }
    /// keeper.release(3000)?;
    /// keeper.release([3001, 3002])?;
    /// keeper.release(Release::project("my-app"))?;
    /// assert_eq!(keeper.release(3000).unwrap_err().to_string(), "port 3000 is not reserved");
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn release(&self, claims: impl Into<Release>) -> Result<Vec<Reservation>> {
        let Release { claims, only_of } = claims.into();
        let numbers = match &claims {
            Claims::Ports(numbers) => {
                let checked: Result<Vec<u16>> =
                    numbers.iter().map(|number| value::port(*number)).collect();
                let mut numbers = checked?;
                numbers.sort_unstable();
                numbers.dedup();
                numbers
            }
            Claims::Project(project) => {
                value::project(project)?;
                Vec::new()
            }
        };
        let details = Details::from_iter([("reason".to_owned(), json!("requested"))]);
        self.store.write(self.durability(Durability::Full), |tx| {
            let journal = Journal::new(self);
            let rows = match &claims {
                Claims::Ports(_) => numbers
                    .iter()
                    .map(|port| {
                        let row = ports::get(tx, *port)?;
                        Ok(rules::release(*port, row.as_ref(), only_of.as_deref())?.clone())
                    })
                    .collect::<Result<Vec<_>, Failure>>()?,
                Claims::Project(project) => ports::list(
                    tx,
                    &ports::Listed {
                        project: Some(project),
                        ..ports::Listed::default()
                    },
                )?,
            };
            let mut freed = Vec::with_capacity(rows.len());
            for claim in &rows {
                let row = rules::hand_back(claim, journal.now);
                leases::remove(tx, row.number)?;
                journal.write(tx, &row, Action::Released, &details)?;
                freed.push(row);
            }
            Ok(freed)
        })
    }

    /// The registry's row of a port, also of one that is free again; `None` for a port that nobody
    /// ever had. The machine is not looked at.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// assert_eq!(keeper.get(3000)?, None);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn get(&self, port: impl Into<i64>) -> Result<Option<Reservation>> {
        let row = self.row(value::port(port.into())?)?;
        Ok(row.filter(rules::was_claimed))
    }

    pub(super) fn row(&self, port: u16) -> Result<Option<Reservation>> {
        self.store.read_one(|db| Ok(ports::get(db, port)?))
    }

    /// What the machine and this row say together.
    pub(super) fn verdict(&self, port: u16, row: Option<&Reservation>) -> Result<Verdict> {
        self.verdict_of(port, row, |wanted| {
            let mut earlier = self.earlier(Some(port))?;
            earlier.holders.extend(self.memory.recall(port));
            let look = self.host.look(wanted, &earlier)?;
            self.memory.keep(port, look.holders);
            Ok(look.sockets)
        })
    }

    /// The same, with the sockets that `list` finds.
    fn verdict_of(
        &self,
        port: u16,
        row: Option<&Reservation>,
        list: impl Fn(Wanted) -> Result<Vec<Socket>>,
    ) -> Result<Verdict> {
        let mut probe = self.host.probe(port)?;
        let mut sockets = Vec::new();
        if probe != Probe::Free {
            // A server is the likeliest, and the cheapest to find; with one, nothing else matters.
            for wanted in [
                Wanted::Server(port),
                Wanted::Port(port),
                Wanted::Bound(port),
            ] {
                sockets = list(wanted)?;
                if !sockets.is_empty() {
                    break;
                }
            }
            // What had the port may be gone by now. Another keeper's UDP probe may even be among the
            // sockets, but is not there twice.
            if sockets
                .iter()
                .all(|socket| socket.protocol == Protocol::Udp)
            {
                probe = self.host.probe(port)?;
                if probe == Probe::Free {
                    sockets.clear();
                }
            }
        }
        let verdict = rules::verdict(row, probe, &sockets);
        let Some((row, owner)) = row.and_then(held_by) else {
            return Ok(verdict);
        };
        let namespace = self.this_process().map_or(0, |me| me.namespace);
        let pidfd = |pid| match self.host.identity(pid) {
            Ok(Some(process)) => process.pidfd,
            Ok(None) | Err(_) => 0,
        };
        // The owner may have ended without giving it up.
        if !rules::may_be_hold(&verdict, owner, namespace, pidfd)
            || self.host.fate(owner) == Fate::Dead
        {
            return Ok(verdict);
        }
        Ok(Verdict::Held {
            project: row.project_name.clone(),
            since: row.reserved_at,
            pid: owner.pid,
        })
    }

    /// What keeps the caller from claiming a port that nobody has claimed.
    fn stranger(&self, port: u16) -> Result<Option<Verdict>> {
        let me = std::process::id();
        let strangers = |verdict| rules::strangers(verdict, |pid: u32| self.host.descends(pid, me));
        if strangers(self.verdict(port, None)?).is_none() {
            return Ok(None);
        }
        // A socket may also be open in a process of the caller's that was not looked for.
        let verdict = self.verdict_of(port, None, |wanted| self.host.sockets(wanted))?;
        Ok(strangers(verdict))
    }

    /// The refusal with the next port that could be had instead.
    fn with_suggestion(&self, mut refusal: Error) -> Error {
        if let Error::PortReserved {
            port, next_free, ..
        }
        | Error::PortInUse {
            port, next_free, ..
        } = &mut refusal
        {
            // A refusal without a suggestion is worth more than an error instead of it.
            *next_free = self.next_free(*port).unwrap_or_default();
        }
        refusal
    }

    /// The next higher port that a request without a range would give, and the one that a refusal
    /// suggests; `None` where there is none. Nothing is claimed.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// assert!(keeper.next_free(3000)? > Some(3000));
    /// assert_eq!(keeper.next_free(65_535)?, None);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn next_free(&self, port: impl Into<i64>) -> Result<Option<u16>> {
        let Some(first) = value::port(port.into())?.checked_add(1) else {
            return Ok(None);
        };
        let range = first..=u16::MAX;
        let claimed = |db: &Connection| Ok(ports::claimed(db, &range)?);
        let claimed: PortSet = self.store.read_one(claimed)?.into_iter().collect();
        let avoid = Avoid::new([], self.host.reserved_ports(), self.host.ephemeral_ports());
        let choice = rules::choose(Strategy::Lowest, &range, 1, "", 0, |port| {
            Ok(!claimed.contains(port)
                && avoid.reason(port).is_none()
                && self.host.probe(port)? == Probe::Free)
        })?;
        Ok(match choice {
            Choice::Found(ports) => ports.first().copied(),
            Choice::Exhausted(_) => None,
        })
    }
}

/// The claim with the process that holds its port, if one does.
fn held_by(row: &Reservation) -> Option<(&Reservation, &ProcessIdentity)> {
    let lease = row.lease.as_ref().filter(|lease| lease.held)?;
    Some((row, lease.owner.as_ref()?))
}

/// The request as the rules take it, every value checked.
fn wish(request: &ReserveRequest) -> Result<Wish<'_>> {
    value::project(&request.project)?;
    if let Some(description) = &request.description {
        value::description(description)?;
    }
    let tags = request.tags.as_deref().map(value::tags).transpose()?;
    let metadata = request.metadata.as_deref().map(value::metadata);
    Ok(Wish {
        project: &request.project,
        description: request.description.as_deref(),
        tags: tags.map(|tags| tags.into_iter().map(str::to_owned).collect()),
        metadata: metadata.transpose()?,
    })
}
