//! One port at a time: look at it, claim it, give it back

use std::ffi::c_char;

use portkeeper_core::Release;
use serde_json::Value;

use crate::{
    code::pk_code,
    error::pk_error,
    guard::guard,
    input::{given, output, slice, text, text_or_null},
    keeper::pk_keeper,
    options::{limited, pk_reserve_options, read},
    result::pk_result,
    verdict::pk_verdict,
};

/// Says what a port is: `verdict` is one of PK_VERDICT_*. A few microseconds for a port that is free. A
/// server that starts at the same moment is not disturbed, and nothing is written.
///
/// `state` may be NULL; else it gets one row (PortState) that says whose the port is and who listens there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_check(
    keeper: Option<&pk_keeper>,
    port: i64,
    verdict: *mut pk_verdict,
    state: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let verdict = output("verdict", verdict)?;
        let found = keeper.keeper.check(port)?;
        if !state.is_null() {
            let mut record = pk_result::value(&found)?;
            if let Value::Object(record) = &mut record {
                let sentence = found.verdict.to_string();
                record.insert("explanation".to_owned(), sentence.into());
            }
            output("state", state)?.give(Box::new(pk_result::new(record)));
        }
        verdict.write(found.verdict.code());
        Ok(())
    })
}

/// The registry's row of a port (Reservation), also of one that is free again; no row for a port that nobody
/// ever had. The machine is not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_get(
    keeper: Option<&pk_keeper>,
    port: i64,
    reservation: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("reservation", reservation)?;
        output.give(pk_result::of(&keeper.keeper.get(port)?)?);
        Ok(())
    })
}

/// The next higher port that a request without a range would give, and that PK_RESERVE_SUGGEST suggests; 0
/// where there is none. Nothing is claimed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_next_free(
    keeper: Option<&pk_keeper>,
    port: i64,
    next: *mut u16,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("next", next)?;
        output.write(keeper.keeper.next_free(port)?.unwrap_or_default());
        Ok(())
    })
}

/// Claims a port for a project, 1-200 characters, or alters the project's claim. The claim is on disk when
/// this returns and lasts until it is released. `options` may be NULL.
///
/// PK_PORT_RESERVED when another project has the port; PK_PORT_IN_USE when somebody listens there who is
/// neither the caller nor its child, unless PK_RESERVE_ADOPT is set.
///
/// `reservation` may be NULL; else it gets the claim as it is now (Reservation).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_reserve(
    keeper: Option<&pk_keeper>,
    port: i64,
    project: *const c_char,
    options: *const pk_reserve_options,
    reservation: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        // SAFETY: as the header says of its arguments.
        let request = unsafe { read(options)?.apply(text("project", project)?)? };
        let row = keeper.keeper.reserve(port, request)?;
        pk_result::wanted(reservation, &row)
    })
}

/// Ends the claim on a port. PK_PORT_NOT_FOUND when nobody has it. With `only_of`, which may be NULL,
/// PK_PORT_RESERVED when it is another project's. A server that still runs is left alone.
///
/// `released` may be NULL; else it gets the row as it is now (a list of one Reservation).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_release(
    keeper: Option<&pk_keeper>,
    port: i64,
    only_of: *const c_char,
    released: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    // SAFETY: one port is a list of one, and the rest is passed on.
    unsafe { pk_keeper_release_ports(keeper, &raw const port, 1, only_of, released, err) }
}

/// Ends the claims on several ports as pk_keeper_release() does: all of them or, where one is refused, none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_release_ports(
    keeper: Option<&pk_keeper>,
    ports: *const i64,
    count: usize,
    only_of: *const c_char,
    released: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        // SAFETY: as the header says of its arguments.
        let (ports, project) = unsafe {
            (
                slice("ports", ports, count)?,
                text_or_null("only_of", only_of)?,
            )
        };
        let release = Release::ports(given("ports", ports)?.iter().copied());
        let rows = keeper.keeper.release(limited(release, project))?;
        pk_result::wanted(released, &rows)
    })
}

/// Ends every claim of a project; none is no error.
///
/// `released` may be NULL; else it gets the rows as they are now (a list of Reservation).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_release_project(
    keeper: Option<&pk_keeper>,
    project: *const c_char,
    released: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        // SAFETY: as the header says of its arguments.
        let release = Release::project(unsafe { text("project", project) }?);
        let rows = keeper.keeper.release(release)?;
        pk_result::wanted(released, &rows)
    })
}
