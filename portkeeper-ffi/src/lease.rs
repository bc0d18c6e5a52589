//! Leases: claims that end with their owner

use std::{
    ffi::c_char,
    mem::MaybeUninit,
    sync::{Mutex, PoisonError},
};

use portkeeper_core::{Lease, Ready};
use serde_json::Value;

use crate::{
    code::pk_code,
    error::pk_error,
    guard::{answer, guard},
    input::{given, text},
    keeper::pk_keeper,
    options::{pk_request_options, read},
    result::pk_result,
};

/// Ports that are claimed until the lease is released or freed, or this process ends, however it ends.
///
/// Owned by the caller, who frees it with pk_lease_free(), unless it is a bound port's; see pk_bound_lease().
/// It does not need the keeper any more. Several threads may use it at once, but for freeing it. In a forked
/// child it is a copy, which ends nothing.
pub struct pk_lease {
    /// `None` when it has been released.
    lease: Mutex<Option<Lease>>,
    ports: Vec<u16>,
    reservations: Value,
    ready: Ready,
}

impl pk_lease {
    pub(crate) fn new(lease: Lease) -> portkeeper_core::Result<Self> {
        Ok(Self {
            ports: lease.ports(),
            reservations: pk_result::value(&lease.reservations())?,
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
    lease: Option<&mut MaybeUninit<Option<Box<pk_lease>>>>,
    err: Option<&mut MaybeUninit<Option<Box<pk_error>>>>,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = given("lease", lease)?;
        // SAFETY: as the header says of its arguments.
        let request =
            unsafe { read::<pk_request_options>(options)?.apply(text("project", project)?)? };
        let lease = pk_lease::new(keeper.keeper.lease(request)?)?;
        output.write(Some(Box::new(lease)));
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

/// The claims as they were granted (a list of Reservation).
#[unsafe(no_mangle)]
pub extern "C" fn pk_lease_reservations(
    lease: Option<&pk_lease>,
    reservations: Option<&mut MaybeUninit<Option<Box<pk_result>>>>,
    err: Option<&mut MaybeUninit<Option<Box<pk_error>>>>,
) -> pk_code {
    guard(err, || {
        let lease = given("lease", lease)?;
        let output = given("reservations", reservations)?;
        output.write(Some(Box::new(pk_result::new(lease.reservations.clone()))));
        Ok(())
    })
}

/// Releases the ports, as freeing the lease does, and tells whether it worked. The lease is there until it
/// is freed; releasing it again does nothing. PK_UNSUPPORTED in a forked child.
///
/// After another error the ports stay claimed until this process ends.
#[unsafe(no_mangle)]
pub extern "C" fn pk_lease_release(
    lease: Option<&pk_lease>,
    err: Option<&mut MaybeUninit<Option<Box<pk_error>>>>,
) -> pk_code {
    guard(err, || {
        let lease = given("lease", lease)?;
        // Taken out before it is released, so that nobody waits for this lock meanwhile.
        let taken = lease
            .lease
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        taken.map_or(Ok(()), Lease::release)
    })
}

/// Releases the ports, unless pk_lease_release() did, and frees the lease. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn pk_lease_free(lease: Option<Box<pk_lease>>) {
    answer((), || drop(lease));
}
