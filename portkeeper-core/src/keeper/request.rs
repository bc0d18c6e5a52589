//! Ports of the engine's choice.

use std::{collections::HashMap, ops::RangeInclusive};

use rusqlite::Connection;

use crate::{
    error::{Error, Result},
    keeper::{Journal, Keeper},
    model::{Fate, Probe, ProcessIdentity, Reservation, Status},
    request::{PortRequest, Strategy},
    rules::{self, Avoid, Choice, Granted, PortSet, Terms, Wish},
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
    /// are ports that browsers refuse, that the kernel keeps back and, unless the request names a
    /// range, those of outgoing connections. A role that the project has already comes back with
    /// its port, whether its server runs or not. The claims are in the order of the roles, or of the
    /// strategy.
    ///
    /// Refused with `RANGE_EXHAUSTED`, which says what holds the range, or with `PORT_RESERVED` when
    /// the request has an owner and another living process has the role.
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
        let plan = Plan::new(self, &request)?;
        self.sweep_lazily()?;
        self.sweep_served_roles(&plan)?;
        match self.grant(&plan) {
            // Ports of dead owners may be all that is missing.
            Err(Error::RangeExhausted { .. }) if self.sweep()? => self.grant(&plan),
            result => result,
        }
    }

    /// A role whose owner ended can be taken over. But its server may run still; then the claim goes to
    /// that process first, as in every sweep.
    fn sweep_served_roles(&self, plan: &Plan<'_>) -> Result<()> {
        if plan.terms.owner.is_none() || plan.slots.iter().all(Option::is_none) {
            return Ok(());
        }
        let owned = self.store.read_one(|db| {
            let mut owned = Vec::new();
            for (role, port) in leases::roles(db, plan.terms.wish.project)? {
                if plan.slots.contains(&Some(role.as_str())) {
                    owned.extend(ports::get(db, port)?.filter(|row| row.owner().is_some()));
                }
            }
            Ok(owned)
        })?;
        let mut served = Vec::new();
        for row in owned {
            if self.host.probe(row.number)? != Probe::Free {
                served.push(row);
            }
        }
        self.sweep_rows(&served)?;
        Ok(())
    }

    /// Chooses outside of the transaction, where probes hold nobody up. If somebody else takes one of
    /// the ports first, chooses again inside of it, where nobody can.
    fn grant(&self, plan: &Plan<'_>) -> Result<Vec<Reservation>> {
        let journal = Journal::new(self);
        let slots = self.store.read(|db| self.choose(db, plan))?;
        let mut fates = HashMap::new();
        let foreseen = self
            .store
            .read(|db| self.outcome(db, plan, &slots, &mut fates, &journal))?;
        if let Some(changes) = foreseen
            && changes.iter().all(|change| !change.changes())
        {
            return Ok(changes.into_iter().map(|change| change.row).collect());
        }

        let usual = match plan.terms.owner {
            Some(_) => Durability::Normal,
            None => Durability::Full,
        };
        self.store.write(self.durability(usual), |tx| {
            let changes = match self.outcome(tx, plan, &slots, &mut fates, &journal)? {
                Some(changes) => changes,
                None => {
                    let slots = self.choose(tx, plan)?;
                    let changes = self.outcome(tx, plan, &slots, &mut fates, &journal)?;
                    changes.ok_or_else(|| {
                        Error::Internal("a port changed hands within a transaction".to_owned())
                    })?
                }
            };
            let mut rows = Vec::with_capacity(changes.len());
            for change in changes {
                match (&change.entry, &change.row.lease) {
                    (Some((action, details)), _) => {
                        journal.write(tx, &change.row, *action, details)?;
                    }
                    (None, Some(lease)) if change.lease_changed => {
                        leases::put(tx, change.row.number, lease, journal.now)?;
                    }
                    _ => {}
                }
                rows.push(change.row);
            }
            Ok(rows)
        })
    }

    /// A port for each slot: the one that the project has for its role, or a free one.
    fn choose(&self, db: &Connection, plan: &Plan<'_>) -> Result<Vec<Slot>, Failure> {
        let had: HashMap<String, u16> = if plan.slots.iter().any(Option::is_some) {
            leases::roles(db, plan.terms.wish.project)?
                .into_iter()
                .collect()
        } else {
            HashMap::new()
        };
        let had_port = |slot: Option<&str>| slot.and_then(|role| had.get(role).copied());
        let wanted = || plan.slots.iter().copied();
        let missing: Vec<Option<&str>> =
            wanted().filter(|slot| had_port(*slot).is_none()).collect();
        let mut fresh = self.free_ports(db, plan, &missing)?.into_iter();
        let slots = wanted().map(|slot| match had_port(slot) {
            Some(port) => Some(Slot::Had(port)),
            None => fresh.next().map(Slot::Fresh),
        });
        Ok(slots.flatten().collect())
    }

    /// As many free ports as there are `roles`, each chosen for its role.
    fn free_ports(
        &self,
        db: &Connection,
        plan: &Plan<'_>,
        roles: &[Option<&str>],
    ) -> Result<Vec<u16>, Failure> {
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let mut claimed: PortSet = ports::claimed(db, &plan.range)?.into_iter().collect();
        let mut chosen = Vec::with_capacity(roles.len());
        // Only the place where a stable choice begins depends on the role.
        let step = match plan.strategy {
            Strategy::Stable => 1,
            _ => roles.len(),
        };
        while let Some(role) = roles.get(chosen.len()) {
            let name = format!("{}/{}", plan.terms.wish.project, role.unwrap_or_default());
            let choice =
                rules::choose(plan.strategy, &plan.range, step, &name, plan.seed, |port| {
                    Ok(!claimed.contains(port)
                        && plan.avoid.reason(port).is_none()
                        && self.host.probe(port)? == Probe::Free)
                })?;
            match choice {
                Choice::Found(found) => {
                    for port in found {
                        claimed.insert(port);
                        chosen.push(port);
                    }
                }
                Choice::Exhausted(found) => {
                    let range = plan.range.clone().into_inner();
                    let claims = ports::list(
                        db,
                        &Listed {
                            range: Some(range),
                            ..Listed::default()
                        },
                    )?;
                    let held = rules::held_phrase(&plan.range, &claims, &plan.avoid, found);
                    return Err(Failure::Refused(Error::RangeExhausted {
                        wanted: roles.len(),
                        found: chosen.len() + found,
                        range,
                        held,
                    }));
                }
            }
        }
        Ok(chosen)
    }

    /// What each slot's row becomes; `None` when a port is no longer what it was chosen as.
    fn outcome(
        &self,
        db: &Connection,
        plan: &Plan<'_>,
        slots: &[Slot],
        fates: &mut HashMap<ProcessIdentity, Fate>,
        journal: &Journal,
    ) -> Result<Option<Vec<Granted>>, Failure> {
        let mut changes = Vec::with_capacity(slots.len());
        for (slot, role) in slots.iter().zip(&plan.slots) {
            let (Slot::Had(port) | Slot::Fresh(port)) = slot;
            let row = ports::get(db, *port)?.filter(|row| row.status != Status::Free);
            let id = lease_id()?;
            changes.push(match (slot, row) {
                (Slot::Fresh(_), None) => plan.terms.claim(*port, *role, id, journal.now),
                (Slot::Had(_), Some(row))
                    if row.project_name == plan.terms.wish.project && row.role() == *role =>
                {
                    let fate = |owner: &ProcessIdentity| {
                        let known = fates.get(owner).copied();
                        known.unwrap_or_else(|| {
                            let fate = self.host.fate(owner);
                            fates.insert(owner.clone(), fate);
                            fate
                        })
                    };
                    plan.terms.renew(&row, id, journal.now, fate)?
                }
                _ => return Ok(None),
            });
        }
        Ok(Some(changes))
    }
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

enum Slot {
    /// The project has this port for the role.
    Had(u16),
    /// Nobody has this port.
    Fresh(u16),
}

impl<'a> Plan<'a> {
    fn new(keeper: &Keeper, request: &'a PortRequest) -> Result<Self> {
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
        let ephemeral = match range {
            Some(_) => None,
            None => keeper.host.ephemeral_ports(),
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
            },
            range: range.unwrap_or(PortRequest::DEFAULT_RANGE),
            strategy: request.strategy,
            seed: u64::from_ne_bytes(seed),
            avoid: Avoid::new(avoid, keeper.host.reserved_ports(), ephemeral),
        })
    }
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

/// 128 random bits. From the operating system each time: a forked child must not repeat its parent's.
pub(super) fn lease_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Internal(format!("no random numbers: {error}")))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
