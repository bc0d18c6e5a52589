//! Claims that end with the process, or earlier with their guard.

use serde_json::json;

use crate::{
    error::{Error, Result},
    keeper::{Journal, Keeper, sweep::vacate},
    model::{Action, Details, Reservation, Status},
    request::PortRequest,
    rules,
    store::{Durability, leases, ports},
    value,
};

impl Keeper {
    /// Claims ports as [`request`](Self::request) does, for as long as the guard lives: dropping it
    /// releases them. Should this process end without that, the next sweep of any keeper does.
    ///
    /// A port that the project keeps for the role anyway stays the project's; the lease then is the
    /// right to use it. Nobody else gets it meanwhile, not even this process: a second lease on the
    /// same role is refused with `PORT_RESERVED`. Should somebody [`reserve`](Self::reserve) the port
    /// for the project, or request the role without an owner, the claim lasts beyond the lease.
    ///
    /// ```
    /// use portkeeper_core::{PortRequest, Strategy};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let request = PortRequest::new("my-tests").range(20_000..=29_999).strategy(Strategy::Random);
    /// let lease = keeper.lease(request)?;
    /// let port = lease.port();
    /// assert_eq!(keeper.check(port)?.project(), Some("my-tests"));
    /// drop(lease);
    /// assert_eq!(keeper.check(port)?.project(), None);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn lease(&self, request: PortRequest) -> Result<Lease> {
        let request = match request.owner {
            Some(_) => request,
            None => request.auto_release(),
        };
        Ok(Lease {
            reservations: self.request_guarded(&request)?,
            keeper: self.clone(),
            pid: std::process::id(),
        })
    }

    /// Gives leased ports other roles, in one transaction.
    fn change_roles(&self, leased: &[Reservation], roles: &[(u16, Option<String>)]) -> Result<()> {
        let ports: Vec<u16> = roles.iter().map(|(port, _)| *port).collect();
        self.store.write(self.durability(Durability::Normal), |tx| {
            for (port, role) in roles {
                let ours = leased
                    .iter()
                    .find(|row| row.number == *port)
                    .and_then(|row| row.lease.as_ref());
                let Some(ours) = ours else {
                    let port = port.to_string();
                    return Err(Error::invalid("port", port, "is not of this lease").into());
                };
                let row = ports::get(tx, *port)?.filter(|row| row.status != Status::Free);
                let row = row.ok_or(Error::PortNotFound(*port))?;
                if row.lease.as_ref().is_none_or(|lease| lease.id != ours.id) {
                    return Err(Error::reserved(&row).into());
                }
                if !row.auto_release {
                    let reason = "is claimed beyond the lease, and keeps its role";
                    return Err(Error::invalid("port", port.to_string(), reason).into());
                }
                if let Some(role) = role
                    && let Some(other) =
                        leases::role_elsewhere(tx, &row.project_name, role, &ports)?
                    && let Some(other) = ports::get(tx, other)?
                {
                    return Err(Error::reserved(&other).into());
                }
                leases::set_role(tx, *port, &ours.id, role.as_deref())?;
            }
            Ok(())
        })
    }

    /// Ends leases that are still the named ones. Others, newer ones, are left alone.
    fn end_leases(&self, reservations: &[Reservation]) -> Result<()> {
        self.store.write(self.durability(Durability::Normal), |tx| {
            let journal = Journal::new(self);
            for leased in reservations {
                let Some(row) = ports::get(tx, leased.number)? else {
                    continue;
                };
                let (Some(ours), Some(theirs)) = (&leased.lease, &row.lease) else {
                    continue;
                };
                if ours.id != theirs.id {
                    continue;
                }
                if theirs.held {
                    // The port is still bound; whoever holds it ends the lease.
                    let mut lease = theirs.clone();
                    lease.expires_at = Some(journal.now);
                    leases::put(tx, row.number, &lease, journal.now)?;
                    continue;
                }
                if !row.auto_release {
                    // Who gives the right to use it back does not use it any more. What a child of
                    // it does, the next scan tells.
                    let is_unused = row.owner().is_some_and(|owner| row.pid == Some(owner.pid));
                    vacate(tx, &journal, &row, is_unused, "its lease was given back")?;
                    continue;
                }
                let details = Details::from_iter([
                    ("reason".to_owned(), json!("its lease was given back")),
                    ("leaseId".to_owned(), json!(ours.id)),
                ]);
                leases::remove(tx, row.number)?;
                let freed = rules::hand_back(&row, journal.now);
                journal.write(tx, &freed, Action::Released, &details)?;
            }
            Ok(())
        })
    }
}

/// Leased ports, released when it is dropped; see [`Keeper::lease`].
///
/// Dropped by a callback in the middle of an operation, such as a [`Watch`](crate::Watch), it releases
/// them when that operation has ended.
#[derive(Debug)]
#[must_use = "dropping a lease releases its ports"]
pub struct Lease {
    keeper: Keeper,
    reservations: Vec<Reservation>,
    pid: u32,
}

impl Lease {
    /// The first of the ports.
    pub fn port(&self) -> u16 {
        // A request is for one port at least, and all of them were granted.
        self.reservations.first().map_or(0, |row| row.number)
    }

    /// The ports, in the order of the request.
    pub fn ports(&self) -> Vec<u16> {
        self.reservations.iter().map(|row| row.number).collect()
    }

    /// The claims as they were granted.
    pub fn reservations(&self) -> &[Reservation] {
        &self.reservations
    }

    /// Says what leased ports are used for from now on: each one's role, or none.
    ///
    /// A pool of ports that serve one purpose after the other is claimed once, so that the history has two
    /// entries a port and not two a purpose, and [`check`](Keeper::check) still tells what for. Roles that
    /// the project has on other ports are refused with `PORT_RESERVED`, and so is a port whose lease has
    /// gone to somebody else. All roles are changed, or none.
    ///
    /// ```
    /// use portkeeper_core::{PortRequest, Strategy};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let request = PortRequest::new("my-tests").count(2).range(20_000..=29_999).strategy(Strategy::Random);
    /// let mut pool = keeper.lease(request)?;
    /// let port = pool.port();
    /// pool.set_roles([(port, Some("test_login"))])?;
    /// assert_eq!(keeper.get(port)?.unwrap().role(), Some("test_login"));
    /// pool.set_roles([(port, Some("test_logout"))])?;
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn set_roles<R: Into<String>>(
        &mut self,
        roles: impl IntoIterator<Item = (u16, Option<R>)>,
    ) -> Result<()> {
        let roles = roles
            .into_iter()
            .map(|(port, role)| (port, role.map(Into::into)));
        let roles: Vec<(u16, Option<String>)> = roles.collect();
        let named: Vec<String> = roles.iter().filter_map(|(_, role)| role.clone()).collect();
        value::roles(&named)?;
        self.keeper.change_roles(&self.reservations, &roles)?;
        for (port, role) in roles {
            let row = self.reservations.iter_mut().find(|row| row.number == port);
            if let Some(lease) = row.and_then(|row| row.lease.as_mut()) {
                lease.role = role;
            }
        }
        Ok(())
    }

    /// The same lease, whose waits nobody [interrupts](Keeper::interruptible) from now on. For bindings where
    /// each call says what stops it: that of the call which made the lease has nothing to do with it any more.
    #[doc(hidden)]
    pub fn patient(&mut self) -> &mut Self {
        self.keeper = self.keeper.patient();
        self
    }

    /// Releases the ports, as dropping does, and tells whether it worked; nobody can
    /// [interrupt](Keeper::interruptible) it. A forked child has only a copy of the guard, and cannot:
    /// `UNSUPPORTED`.
    pub fn release(mut self) -> Result<()> {
        // There is no second attempt, so that nobody stops this one.
        let outcome = self.patient().give_back();
        // Whoever was told need not wait for a second attempt.
        self.reservations.clear();
        outcome
    }

    /// Releases the ports as [`release`](Self::release) does. After an error the lease is what it was, so that
    /// it can be tried again; else it has no ports any more.
    pub fn give_back(&mut self) -> Result<()> {
        if self.pid != std::process::id() {
            let what = format!("releasing a lease of process {}", self.pid);
            return Err(Error::Unsupported(what));
        }
        self.keeper.end_leases(&self.reservations)?;
        self.reservations.clear();
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // In a forked child the guard is a copy: the lease is the parent's.
        if !self.reservations.is_empty() && self.pid == std::process::id() {
            let reservations = std::mem::take(&mut self.reservations);
            let (keeper, pid) = (self.keeper.patient(), self.pid);
            self.keeper.store.soon(move || {
                if pid == std::process::id() {
                    // Nobody can be told here. What is left, the next sweep after this process ends.
                    let _ = keeper.end_leases(&reservations);
                }
            });
        }
    }
}

/// 128 random bits. From the operating system each time: a forked child must not repeat its parent's.
pub(super) fn lease_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Internal(format!("no random numbers: {error}")))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
