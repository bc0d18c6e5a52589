//! Leases: claims that end with their owner

use std::{
    ffi::c_char,
    sync::{Mutex, MutexGuard, PoisonError},
};

use portkeeper_core::{Error, Lease, Ready};
use serde_json::Value;

use crate::{
    code::pk_code,
    error::pk_error,
    guard::{answer, guard},
    input::{given, invalid, output, text, text_or_null},
    keeper::pk_keeper,
    options::{pk_request_options, read},
    result::pk_result,
};

/// Ports that are claimed until the lease is released or freed, or this process ends, however it ends.
///
/// Owned by the caller that got it, who frees it with pk_lease_free(), unless it is a bound port's; see
/// pk_bound_lease(). It does not need the keeper any more. Several threads may use it at once, but for freeing it.
/// In a forked child it is a copy, which ends nothing.
pub struct pk_lease {
    /// `None` when it has been released.
    lease: Mutex<Option<Lease>>,
    ports: Vec<u16>,
    /// Behind a lock of its own, so that nobody who reads them waits for the registry.
    reservations: Mutex<Value>,
    ready: Ready,
}

impl pk_lease {
    pub(crate) fn new(lease: Lease) -> portkeeper_core::Result<Self> {
        Ok(Self {
            ports: lease.ports(),
            reservations: Mutex::new(pk_result::value(&lease.reservations())?),
            ready: Ready::from(&lease),
            lease: Mutex::new(Some(lease)),
        })
    }

    pub(crate) fn port(&self, index: usize) -> u16 {
        self.ports.get(index).copied().unwrap_or_default()
    }

    /// The lease as something to wait for.
    pub(crate) fn ready(&self) -> Ready {
        self.ready.clone()
    }
}

/// Claims ports as pk_keeper_request_many() does, for as long as the lease lives. `options` may be NULL.
///
/// PK_PORT_RESERVED when another living process, or another lease of this one, uses the project's role.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_lease(
    keeper: Option<&pk_keeper>,
    project: *const c_char,
    options: *const pk_request_options,
    lease: *mut *mut pk_lease,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("lease", lease)?;
        // SAFETY: as the header says of its arguments.
        let request =
            unsafe { read::<pk_request_options>(options)?.apply(text("project", project)?)? };
        let lease = pk_lease::new(keeper.keeper.lease(request)?)?;
        output.give(Box::new(lease));
        Ok(())
    })
}

/// How many ports the lease has; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_lease_count(lease: Option<&pk_lease>) -> usize {
    answer(0, || lease.map_or(0, |lease| lease.ports.len()))
}

/// One of the lease's ports, from 0 in the order of the request; 0 behind the last one, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_lease_port(lease: Option<&pk_lease>, index: usize) -> u16 {
    answer(0, || lease.map_or(0, |lease| lease.port(index)))
}

/// The claims as they were granted (a list of Reservation), with the roles that they have now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_lease_reservations(
    lease: Option<&pk_lease>,
    reservations: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let lease = given("lease", lease)?;
        let output = output("reservations", reservations)?;
        let reservations = locked(&lease.reservations).clone();
        output.give(Box::new(pk_result::new(reservations)));
        Ok(())
    })
}

/// Says what one of the leased ports is used for from now on: its role, or NULL for none. A pool of ports that
/// serve one purpose after the other is claimed once.
///
/// PK_PORT_RESERVED when the project has the role on another port, or the lease has gone to somebody else;
/// PK_INVALID_INPUT for a port that is not the lease's, and after pk_lease_release().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_lease_set_role(
    lease: Option<&pk_lease>,
    port: i64,
    role: *const c_char,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let lease = given("lease", lease)?;
        // SAFETY: as the header says of its arguments.
        let role = unsafe { text_or_null("role", role) }?;
        let wanted = u16::try_from(port).ok().filter(|port| *port != 0);
        let wanted = wanted.ok_or(Error::PortInvalid(port))?;
        let mut kept = locked(&lease.lease);
        let Some(leased) = kept.as_mut() else {
            return Err(invalid("lease", &wanted.to_string(), "is released"));
        };
        leased.set_roles([(wanted, role)])?;
        *locked(&lease.reservations) = pk_result::value(&leased.reservations())?;
        Ok(())
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Releases the ports, as freeing the lease does, and tells whether it worked. The lease is there until it
/// is freed; releasing it again does nothing. PK_UNSUPPORTED in a forked child.
///
/// After another error, PK_CANCELLED among them, the lease is what it was: this can be tried again, and freeing
/// the lease tries it once more. What is left then is claimed until this process ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_lease_release(
    lease: Option<&pk_lease>,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let lease = given("lease", lease)?;
        let mut kept = locked(&lease.lease);
        if let Some(leased) = kept.as_mut() {
            leased.give_back()?;
        }
        *kept = None;
        Ok(())
    })
}

/// Releases the ports, unless pk_lease_release() did, and frees the lease. NULL is fine. It may wait for other
/// writers of the registry, and so may freeing holds and bound ports.
#[unsafe(no_mangle)]
pub extern "C" fn pk_lease_free(lease: Option<Box<pk_lease>>) {
    answer((), || drop(lease));
}
