//! Holds: keeping strangers off a port until its server listens

use std::sync::{Mutex, PoisonError};

use portkeeper_core::Hold;

use crate::{
    code::pk_code,
    error::pk_error,
    guard::{answer, guard},
    input::{given, output},
    keeper::pk_keeper,
};

/// A claimed port that is kept bound, without listening, until the hold is freed or this process ends.
///
/// Owned by the caller that got it, who frees it with pk_hold_free(). It does not need the keeper any more.
/// Several threads may use it at once, but for freeing it. In a forked child it is a copy, whose socket the child
/// closes by freeing it, and which ends nothing else.
pub struct pk_hold {
    port: u16,
    hold: Mutex<Hold>,
}

/// Keeps a claimed port bound without listening: the kernel gives it to nobody who asks for any port, and to
/// no outgoing connection. A server that sets SO_REUSEADDR, as most do, starts on it as if it were free.
///
/// PK_PORT_NOT_FOUND when nobody has claimed the port, PK_PORT_RESERVED when another living process has the
/// claim or the port is held already, PK_PORT_IN_USE when somebody has the port.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_hold(
    keeper: Option<&pk_keeper>,
    port: i64,
    hold: *mut *mut pk_hold,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("hold", hold)?;
        let hold = keeper.keeper.hold(port)?;
        output.give(Box::new(pk_hold {
            port: hold.port(),
            hold: Mutex::new(hold),
        }));
        Ok(())
    })
}

/// Lets go of the port for a server that does not set SO_REUSEADDR, which can bind it from now on, and so can
/// everybody else. The claim is as it was, and the registry goes on saying that the port is held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_hold_lend(hold: Option<&pk_hold>, err: *mut *mut pk_error) -> pk_code {
    guard(err, || {
        let hold = &given("hold", hold)?.hold;
        hold.lock().unwrap_or_else(PoisonError::into_inner).lend();
        Ok(())
    })
}

/// Binds the port again after pk_hold_lend(): `taken` is 1, also when it was never lent, or 0 where somebody
/// else has it now. A server that sets SO_REUSEADDR and does not listen yet is not in the way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_hold_take_back(
    hold: Option<&pk_hold>,
    taken: *mut i32,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let hold = &given("hold", hold)?.hold;
        let output = output("taken", taken)?;
        let mut hold = hold.lock().unwrap_or_else(PoisonError::into_inner);
        output.write(hold.take_back().into());
        Ok(())
    })
}

/// The port; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_hold_port(hold: Option<&pk_hold>) -> u16 {
    answer(0, || hold.map_or(0, |hold| hold.port))
}

/// Gives the port up and frees the hold. The claim stays. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn pk_hold_free(hold: Option<Box<pk_hold>>) {
    answer((), || drop(hold));
}
