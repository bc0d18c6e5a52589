//! The machine: who listens, waiting for a server, and ending one

use std::time::Duration;

use portkeeper_core::{KillRequest, Ready, Result};

use crate::{
    code::pk_code,
    error::pk_error,
    guard::guard,
    input::{self, given, output},
    keeper::pk_keeper,
    lease::pk_lease,
    result::pk_result,
};

/// For pk_keeper_kill(): how long processes may take to end by themselves, usually.
pub const PK_KILL_GRACE_MS: u64 = 5000;

/// Every TCP listener and UDP socket of this machine with its owner (a list of Socket). Nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_listeners(
    keeper: Option<&pk_keeper>,
    listeners: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("listeners", listeners)?;
        output.give(pk_result::of(&keeper.keeper.listeners()?)?);
        Ok(())
    })
}

/// Looks at the machine once and brings the registry up to date: a claim whose port listens is in use, one
/// whose port does not is reserved, and one whose owner has ended is free. Each change has its entry in the
/// history.
///
/// `report` may be NULL; else it gets what was seen and changed (ScanReport).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_scan(
    keeper: Option<&pk_keeper>,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        pk_result::wanted(report, &keeper.keeper.scan()?)
    })
}

/// Waits until a TCP server listens on the port, and makes sure that it is the right one: process `pid` or
/// a descendant of it; with 0, the owner of the claim, or this process where it has none.
///
/// PK_WRONG_LISTENER, which names who answers instead, as soon as anyone else listens there; PK_TIMEOUT when
/// nobody does within that time, and at once when the process has ended.
///
/// `socket` may be NULL; else it gets the server's socket (Socket).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_wait_ready(
    keeper: Option<&pk_keeper>,
    port: i64,
    pid: i64,
    timeout_ms: u64,
    socket: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        wait(keeper, Ready::port(port), pid, timeout_ms, socket)
    })
}

/// Waits for the first port of a lease as pk_keeper_wait_ready() does, as long as the lease is what it was:
/// PK_PORT_NOT_FOUND or PK_PORT_RESERVED when the claim has ended or gone to somebody else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_wait_ready_lease(
    keeper: Option<&pk_keeper>,
    lease: Option<&pk_lease>,
    pid: i64,
    timeout_ms: u64,
    socket: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        wait(
            keeper,
            given("lease", lease)?.ready(),
            pid,
            timeout_ms,
            socket,
        )
    })
}

fn wait(
    keeper: &pk_keeper,
    mut ready: Ready,
    pid: i64,
    timeout_ms: u64,
    socket: *mut *mut pk_result,
) -> Result<()> {
    if let Some(pid) = input::pid("pid", pid)? {
        ready = ready.by(pid);
    }
    let within = Duration::from_millis(timeout_ms);
    pk_result::wanted(socket, &keeper.keeper.wait_ready(ready, within)?)
}

/// Ends the processes that listen on a port, and never its clients: SIGTERM, and SIGKILL for those that still
/// run after `grace_ms`, usually PK_KILL_GRACE_MS; with 0, SIGKILL at once. Returns when nobody listens and
/// all of them have ended. The claim stays its project's.
///
/// PK_PROCESS_KILL_ERROR when the first process, this one, an ancestor, or one of another namespace listens
/// there, and for a process that does not end; PK_PERMISSION_DENIED for one of another user.
///
/// `report` may be NULL; else it gets who was ended (KillReport).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_kill(
    keeper: Option<&pk_keeper>,
    port: i64,
    grace_ms: u64,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let request = KillRequest::port(port).grace(Duration::from_millis(grace_ms));
        pk_result::wanted(report, &keeper.keeper.kill(request)?)
    })
}

#[cfg(test)]
mod tests {
    use portkeeper_core::KillRequest;

    #[test]
    fn the_usual_grace_is_that_of_the_engine() {
        let usual = KillRequest::DEFAULT_GRACE.as_millis();
        assert_eq!(u128::from(super::PK_KILL_GRACE_MS), usual);
    }
}
