//! Holds: keeping strangers off a port until its server listens

use std::mem::MaybeUninit;

use portkeeper_core::Hold;

use crate::{
    code::pk_code,
    error::pk_error,
    guard::{answer, guard},
    input::given,
    keeper::pk_keeper,
};

/// A claimed port that is kept bound, without listening, until the hold is freed or this process ends.
///
/// Owned by the caller, who frees it with pk_hold_free(). It does not need the keeper any more. Several threads
/// may use it at once, but for freeing it. In a forked child it is a copy, whose socket the child closes by
/// freeing it, and which ends nothing else.
pub struct pk_hold {
    hold: Hold,
}

/// Keeps a claimed port bound without listening: the kernel gives it to nobody who asks for any port, and to
/// no outgoing connection. A server that sets SO_REUSEADDR, as most do, starts on it as if it were free.
///
/// PK_PORT_NOT_FOUND when nobody has claimed the port, PK_PORT_RESERVED when another living process has the
/// claim or the port is held already, PK_PORT_IN_USE when somebody has the port.
#[unsafe(no_mangle)]
pub extern "C" fn pk_keeper_hold(
    keeper: Option<&pk_keeper>,
    port: i64,
    hold: Option<&mut MaybeUninit<Option<Box<pk_hold>>>>,
    err: Option<&mut MaybeUninit<Option<Box<pk_error>>>>,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = given("hold", hold)?;
        let hold = keeper.keeper.hold(port)?;
        output.write(Some(Box::new(pk_hold { hold })));
        Ok(())
    })
}

/// The port; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pk_hold_port(hold: Option<&pk_hold>) -> u16 {
    answer(0, || hold.map_or(0, |hold| hold.hold.port()))
}

/// Gives the port up and frees the hold. The claim stays. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn pk_hold_free(hold: Option<Box<pk_hold>>) {
    answer((), || drop(hold));
}
