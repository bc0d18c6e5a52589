//! Ports of the engine's choice.

use std::{collections::HashMap, ops::RangeInclusive};

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use crate::{
    error::{Error, Result},
    keeper::{Journal, Keeper, lease::lease_id},
    model::{Probe, Reservation, Status},
    request::{PortRequest, Strategy},
    rules::{self, Avoid, Choice, PortSet, Terms, Wish},
    store::{
        Durability, Failure, leases,
        ports::{self, Listed},
    },
    value,
};

impl Keeper {
    /// Claims free ports of the engine's choice: all that were asked for, or none.
    ///
    /// A port is free when nobody claimed it and the machine says that it can be bound. Passed over
    /// are ports that browsers refuse and, unless the request names a range, those that the kernel
    /// keeps back or gives to outgoing connections. A role that the project has already comes back
    /// with its port, whether its server runs or not, and wherever the port lies. The claims are in
    /// the order of the roles, or of the strategy.
    ///
    /// Refused with `RANGE_EXHAUSTED`, which says what holds the range; with `PORT_RESERVED` when the
    /// request has an owner or an end, and a living process uses the role; with `INVALID_INPUT` when
    /// the owner does not run.
    ///
    /// ```
    /// use portkeeper_core::PortRequest;
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let today = keeper.request(PortRequest::new("my-app").roles(["web", "api", "hmr"]))?;
    /// let tomorrow = keeper.request(PortRequest::new("my-app").role("api"))?;
    /// assert_eq!(tomorrow[0].number, today[1].number);
    ///
    /// let error = keeper.request(PortRequest::new("my-app").count(4).range(8000..=8002)).unwrap_err();
    /// assert_eq!(error.name(), "RANGE_EXHAUSTED");
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn request(&self, request: PortRequest) -> Result<Vec<Reservation>> {
        self.grant(&Plan::new(self, &request, false)?)
    }

    /// As [`request`](Self::request), for a guard that ends the leases when it is dropped.
    pub(super) fn request_guarded(&self, request: &PortRequest) -> Result<Vec<Reservation>> {
        self.grant(&Plan::new(self, request, true)?)
    }

    /// Chooses without a lock, where probes hold nobody up. If somebody else takes one of the ports
    /// first, chooses anew, and after some rounds inside of the transaction, where nobody can.
    fn grant(&self, plan: &Plan<'_>) -> Result<Vec<Reservation>> {
        const ROUNDS: usize = 8;
        self.sweep_lazily()?;
        let usual = match plan.terms.owner {
            Some(_) => Durability::Normal,
            None => Durability::Full,
        };
        // What was found to be bound is not asked about again.
        let mut bound = PortSet::new();
        let mut has_swept = false;
        for _ in 0..ROUNDS {
            let mut known = self.store.read(|db| Ok(Known::read(db, plan)?))?;
            let had: Vec<Reservation> = known.had.values().cloned().collect();
            if self.sweep_rows(&had)? {
                known = self.store.read(|db| Ok(Known::read(db, plan)?))?;
            }
            let slots = match self.choose(plan, &known, &mut bound)? {
                Chosen::Slots(slots) => slots,
                // Ports of dead owners may be all that is missing.
                Chosen::TooFew(_) if !has_swept && self.sweep()? => {
                    has_swept = true;
                    continue;
                }
                Chosen::TooFew(found) => {
                    let refusal = |db: &Connection| Ok(plan.exhausted(db, found, &bound)?);
                    return Err(self.store.read(refusal)?);
                }
            };
            if let Some(rows) = plan.unchanged(&slots, &known, self.host.now())? {
                return Ok(rows);
            }
            let granted = self.store.write(self.durability(usual), |tx| {
                plan.write(tx, &slots, &Journal::new(self))
            })?;
            if let Some(rows) = granted {
                return Ok(rows);
            }
        }
        self.store.write(self.durability(usual), |tx| {
            let known = Known::read(tx, plan)?;
            match self.choose(plan, &known, &mut bound)? {
                Chosen::Slots(slots) => {
                    plan.write(tx, &slots, &Journal::new(self))?.ok_or_else(|| {
                        Error::Internal("a port was taken under a lock".to_owned()).into()
                    })
                }
                Chosen::TooFew(found) => Err(plan.exhausted(tx, found, &bound)?.into()),
            }
        })
    }

    /// A port for each slot: the one that the project has for its role, or a free one.
    fn choose(&self, plan: &Plan<'_>, known: &Known, bound: &mut PortSet) -> Result<Chosen> {
        let missing: Vec<Option<&str>> = plan
            .slots
            .iter()
            .copied()
            .filter(|slot| known.port(*slot).is_none())
            .collect();
        let mut fresh = Vec::with_capacity(missing.len());
        let mut claimed = known.claimed.clone();
        // Only the place where a stable choice begins depends on the role.
        let step = match plan.strategy {
            Strategy::Stable if missing.iter().any(Option::is_some) => 1,
            _ => missing.len(),
        };
        while let Some(role) = missing.get(fresh.len()) {
            let name = format!("{}/{}", plan.terms.wish.project, role.unwrap_or_default());
            let choice =
                rules::choose(plan.strategy, &plan.range, step, &name, plan.seed, |port| {
                    if claimed.contains(port)
                        || bound.contains(port)
                        || plan.avoid.reason(port).is_some()
                    {
                        return Ok(false);
                    }
                    let is_free = self.host.probe(port)? == Probe::Free;
                    if !is_free {
                        bound.insert(port);
                    }
                    Ok(is_free)
                })?;
            match choice {
                Choice::Found(ports) => {
                    for port in ports {
                        claimed.insert(port);
                        fresh.push(port);
                    }
                }
                Choice::Exhausted(found) => return Ok(Chosen::TooFew(fresh.len() + found)),
            }
        }
        let mut fresh = fresh.into_iter();
        let slots = plan.slots.iter().map(|slot| match known.port(*slot) {
            Some(port) => Some(Slot::Had(port)),
            None => fresh.next().map(Slot::Fresh),
        });
        Ok(Chosen::Slots(slots.flatten().collect()))
    }
}

/// What the registry says that a request depends on.
struct Known {
    /// The project's claims by role, of those that are asked for.
    had: HashMap<String, Reservation>,
    /// The claimed ports of the range.
    claimed: PortSet,
}

impl Known {
    fn read(db: &Connection, plan: &Plan<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            had: plan.had(db)?,
            claimed: ports::claimed(db, &plan.range)?.into_iter().collect(),
        })
    }

    fn port(&self, role: Option<&str>) -> Option<u16> {
        self.had.get(role?).map(|row| row.number)
    }
}

/// A port for each slot, or how many could be had.
enum Chosen {
    Slots(Vec<Slot>),
    TooFew(usize),
}

enum Slot {
    /// The project has this port for the role.
    Had(u16),
    /// Nobody has this port, nor the project one for the role.
    Fresh(u16),
}

/// A request as the engine works on it, every value checked.
struct Plan<'a> {
    terms: Terms<'a>,
    /// The roles of the ports, in the order of the answer.
    slots: Vec<Option<&'a str>>,
    range: RangeInclusive<u16>,
    strategy: Strategy,
    seed: u64,
    avoid: Avoid,
}

impl<'a> Plan<'a> {
    fn new(keeper: &Keeper, request: &'a PortRequest, guarded: bool) -> Result<Self> {
        value::project(&request.project)?;
        value::roles(&request.roles)?;
        if let Some(description) = &request.description {
            value::description(description)?;
        }
        let tags = request.tags.as_deref().map(value::tags).transpose()?;
        let avoid: Vec<u16> = request
            .avoid
            .iter()
            .map(|port| value::port(*port))
            .collect::<Result<_>>()?;
        let range = request.range.as_ref().map(value::range).transpose()?;
        let owner = match request.owner {
            None => None,
            Some(pid) => Some(keeper.host.identity(pid)?.ok_or_else(|| {
                Error::invalid("owner", pid.to_string(), "is not a running process")
            })?),
        };
        // Whoever names a range wants its ports, also those that the system has plans for.
        let (kernel, ephemeral) = match range {
            Some(_) => (Vec::new(), None),
            None => (keeper.host.reserved_ports(), keeper.host.ephemeral_ports()),
        };
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)
            .map_err(|error| Error::Internal(format!("no random numbers: {error}")))?;
        Ok(Self {
            slots: slots(request)?,
            terms: Terms {
                wish: Wish {
                    project: &request.project,
                    description: request.description.as_deref(),
                    tags: tags.map(|tags| tags.into_iter().map(str::to_owned).collect()),
                    metadata: None,
                },
                owner,
                ttl: request.ttl.map(value::ttl).transpose()?,
                guarded,
            },
            range: range.unwrap_or(PortRequest::DEFAULT_RANGE),
            strategy: request.strategy,
            seed: u64::from_ne_bytes(seed),
            avoid: Avoid::new(avoid, kernel, ephemeral),
        })
    }

    /// The project's claims by role, of those that are asked for.
    fn had(&self, db: &Connection) -> rusqlite::Result<HashMap<String, Reservation>> {
        let mut had = HashMap::new();
        if self.slots.iter().all(Option::is_none) {
            return Ok(had);
        }
        for (role, port) in leases::roles(db, self.terms.wish.project)? {
            if self.slots.contains(&Some(role.as_str()))
                && !had.contains_key(&role)
                && let Some(row) = ports::get(db, port)?
            {
                had.insert(role, row);
            }
        }
        Ok(had)
    }

    /// The rows, where the project has all of them already and nothing is to be written.
    fn unchanged(
        &self,
        slots: &[Slot],
        known: &Known,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<Reservation>>> {
        if slots.iter().any(|slot| matches!(slot, Slot::Fresh(_))) {
            return Ok(None);
        }
        let mut rows = Vec::with_capacity(slots.len());
        for role in self.slots.iter().flatten() {
            let Some(row) = known.had.get(*role) else {
                return Ok(None);
            };
            let granted = self.terms.renew(row, lease_id()?, now)?;
            if granted.changes() {
                return Ok(None);
            }
            rows.push(granted.row);
        }
        Ok(Some(rows))
    }

    /// Writes all claims; `None`, and nothing is written, when one is not any more what it was when
    /// its port was chosen.
    fn write(
        &self,
        db: &Connection,
        slots: &[Slot],
        journal: &Journal,
    ) -> Result<Option<Vec<Reservation>>, Failure> {
        let had = self.had(db)?;
        let mut grants = Vec::with_capacity(slots.len());
        for (slot, role) in slots.iter().zip(&self.slots) {
            let row = role.and_then(|role| had.get(role));
            grants.push(match (slot, row) {
                (Slot::Had(port), Some(row)) if row.number == *port => {
                    self.terms.renew(row, lease_id()?, journal.now)?
                }
                (Slot::Fresh(port), None) if !is_claimed(db, *port)? => {
                    self.terms.claim(*port, *role, lease_id()?, journal.now)
                }
                _ => return Ok(None),
            });
        }
        let mut rows = Vec::with_capacity(grants.len());
        for grant in grants {
            match (&grant.entry, &grant.row.lease) {
                (Some((action, details)), _) => {
                    journal.write(db, &grant.row, *action, details)?;
                }
                (None, Some(lease)) if grant.lease_changed => {
                    leases::put(db, grant.row.number, lease, journal.now)?;
                }
                _ => {}
            }
            rows.push(grant.row);
        }
        Ok(Some(rows))
    }

    /// The refusal of a request that finds too few ports.
    fn exhausted(&self, db: &Connection, found: usize, bound: &PortSet) -> rusqlite::Result<Error> {
        let range = self.range.clone().into_inner();
        let wanted = Listed {
            range: Some(range),
            ..Listed::default()
        };
        let claims = ports::list(db, &wanted)?;
        Ok(Error::RangeExhausted {
            wanted: self.slots.len() - self.had(db)?.len(),
            found,
            range,
            held: rules::held_phrase(&self.range, &claims, &self.avoid, bound),
        })
    }
}

fn is_claimed(db: &Connection, port: u16) -> rusqlite::Result<bool> {
    let row = ports::get(db, port)?;
    Ok(row.is_some_and(|row| row.status != Status::Free))
}

/// The role of each port that is asked for.
fn slots(request: &PortRequest) -> Result<Vec<Option<&str>>> {
    let roles: Vec<Option<&str>> = request
        .roles
        .iter()
        .map(|role| Some(role.as_str()))
        .collect();
    let most = usize::from(u16::MAX);
    match request.count {
        Some(count) if count == 0 || count > most => Err(Error::invalid(
            "count",
            count.to_string(),
            format!("is not in 1..={most}"),
        )),
        Some(count) if !roles.is_empty() && count != roles.len() => Err(Error::invalid(
            "count",
            count.to_string(),
            format!("differs from the number of roles, {}", roles.len()),
        )),
        Some(count) if roles.is_empty() => Ok(vec![None; count]),
        None if roles.is_empty() => Ok(vec![None]),
        _ => Ok(roles),
    }
}
