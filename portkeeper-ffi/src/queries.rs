//! Questions that the registry answers without looking at the machine

use std::ffi::c_char;

use chrono::TimeDelta;
use portkeeper_core::HistoryQuery;

use crate::{
    code::pk_code,
    error::pk_error,
    guard::guard,
    input::{given, output, text, time},
    keeper::pk_keeper,
    options::{pk_history_options, pk_list_options, read},
    result::pk_result,
};

/// For pk_keeper_history(): every port.
pub const PK_ALL_PORTS: i64 = i64::MIN;

/// The claims, by number (a list of Reservation). `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_list(
    keeper: Option<&pk_keeper>,
    options: *const pk_list_options,
    rows: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("rows", rows)?;
        // SAFETY: as the header says of its arguments.
        let filter = unsafe { read(options)?.apply()? };
        output.give(pk_result::of(&keeper.keeper.list(filter)?)?);
        Ok(())
    })
}

/// What happened to the claims on a port, or on every one with PK_ALL_PORTS, newest first (a list of
/// HistoryEntry). `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_history(
    keeper: Option<&pk_keeper>,
    port: i64,
    options: *const pk_history_options,
    entries: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("entries", entries)?;
        let query = match port {
            PK_ALL_PORTS => HistoryQuery::all(),
            port => HistoryQuery::port(port),
        };
        // SAFETY: as the header says of its arguments.
        let query = unsafe { read::<pk_history_options>(options)?.apply(query)? };
        output.give(pk_result::of(&keeper.keeper.history(query)?)?);
        Ok(())
    })
}

/// Who had a port at a moment (RFC 3339), to the second (Holder); no row when nobody had.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_holder_at(
    keeper: Option<&pk_keeper>,
    port: i64,
    moment: *const c_char,
    holder: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("holder", holder)?;
        // SAFETY: as the header says of its arguments.
        let moment = time("moment", unsafe { text("moment", moment) }?)?;
        output.give(pk_result::of(&keeper.keeper.holder_at(port, moment)?)?);
        Ok(())
    })
}

/// Claims that were made more than `older_than_ms` ago and are not in use, the oldest first (a list of
/// StaleReservation). An age longer than the engine knows is taken as its longest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_stale(
    keeper: Option<&pk_keeper>,
    older_than_ms: u64,
    rows: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("rows", rows)?;
        let stale = keeper.keeper.stale(age(older_than_ms))?;
        output.give(pk_result::of(&stale)?);
        Ok(())
    })
}

/// How many ports there are in each status (Summary).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_summary(
    keeper: Option<&pk_keeper>,
    summary: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("summary", summary)?;
        output.give(pk_result::of(&keeper.keeper.summary()?)?);
        Ok(())
    })
}

/// Every project that has a port, by name (a list of ProjectPorts).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_projects(
    keeper: Option<&pk_keeper>,
    projects: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("projects", projects)?;
        output.give(pk_result::of(&keeper.keeper.projects()?)?);
        Ok(())
    })
}

/// Milliseconds as the engine takes an age; more than it knows is its longest.
pub(crate) fn age(milliseconds: u64) -> TimeDelta {
    let milliseconds = i64::try_from(milliseconds).ok();
    milliseconds
        .and_then(TimeDelta::try_milliseconds)
        .unwrap_or(TimeDelta::MAX)
}
