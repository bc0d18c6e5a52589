//! Bound ports: a claim together with its listening socket

use std::{
    ffi::{c_char, c_int},
    net::TcpListener,
    sync::{Mutex, PoisonError},
};

use crate::{
    code::pk_code,
    error::pk_error,
    guard::{answer, guard},
    input::{given, output, text},
    keeper::pk_keeper,
    lease::pk_lease,
    options::{pk_request_options, read},
};

/// A leased port and the socket that listens on it.
///
/// Owned by the caller that got it, who frees it with pk_bound_free(). It does not need the keeper any more.
/// Several threads may use it at once, but for freeing it. In a forked child it is a copy, whose socket the child
/// closes by freeing it, and which ends nothing else.
pub struct pk_bound {
    // Closed before the lease ends, so that nobody is given a port that still listens.
    listener: Mutex<Option<TcpListener>>,
    lease: pk_lease,
}

/// Claims one port as pk_keeper_lease() does and listens on it: there is no moment at which the port is the
/// caller's and somebody else could bind it. `options` may be NULL; its `address` says where to listen.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_bind(
    keeper: Option<&pk_keeper>,
    project: *const c_char,
    options: *const pk_request_options,
    bound: *mut *mut pk_bound,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("bound", bound)?;
        // SAFETY: as the header says of its arguments.
        let request =
            unsafe { read::<pk_request_options>(options)?.apply(text("project", project)?)? };
        let (listener, lease) = keeper.keeper.bind(request)?.into_parts();
        output.give(Box::new(pk_bound {
            listener: Mutex::new(Some(listener)),
            lease: pk_lease::new(lease)?,
        }));
        Ok(())
    })
}

/// The port; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_bound_port(bound: Option<&pk_bound>) -> u16 {
    answer(0, || bound.map_or(0, |bound| bound.lease.port(0)))
}

/// The descriptor of the listening socket, which stays the bound port's: do not close it. It is blocking, is
/// closed by exec(3), and is good until pk_bound_free(). -1 when pk_bound_take_fd() has taken it, for NULL, and on
/// platforms without descriptors.
#[unsafe(no_mangle)]
pub extern "C" fn pk_bound_fd(bound: Option<&pk_bound>) -> c_int {
    answer(-1, || {
        let Some(bound) = bound else { return -1 };
        let listener = bound
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listener.as_ref().map_or(-1, descriptor::of)
    })
}

/// The descriptor of pk_bound_fd(), which from now on belongs to the caller, who closes it. The claim stays the
/// bound port's, and ends with it. -1 when it was taken before, for NULL, and on platforms without descriptors.
#[unsafe(no_mangle)]
pub extern "C" fn pk_bound_take_fd(bound: Option<&pk_bound>) -> c_int {
    answer(-1, || {
        let Some(bound) = bound else { return -1 };
        let mut listener = bound
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        descriptor::taken(&mut listener)
    })
}

/// The lease on the port, for pk_lease_reservations(), pk_lease_release() and pk_keeper_wait_ready_lease(). It
/// is the bound port's, and is not to be freed. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_bound_lease(bound: Option<&pk_bound>) -> Option<&pk_lease> {
    answer(None, || bound.map(|bound| &bound.lease))
}

/// Closes the socket, unless it was taken, releases the port and frees the bound port. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn pk_bound_free(bound: Option<Box<pk_bound>>) {
    answer((), || drop(bound));
}

#[cfg(unix)]
mod descriptor {
    use std::{
        ffi::c_int,
        net::TcpListener,
        os::fd::{AsRawFd, IntoRawFd},
    };

    pub(super) fn of(listener: &TcpListener) -> c_int {
        listener.as_raw_fd()
    }

    pub(super) fn taken(listener: &mut Option<TcpListener>) -> c_int {
        listener.take().map_or(-1, IntoRawFd::into_raw_fd)
    }
}

#[cfg(not(unix))]
mod descriptor {
    use std::{ffi::c_int, net::TcpListener};

    pub(super) fn of(_: &TcpListener) -> c_int {
        -1
    }

    pub(super) fn taken(_: &mut Option<TcpListener>) -> c_int {
        -1
    }
}
