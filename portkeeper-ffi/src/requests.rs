//! Ports of the engine's choice

use std::ffi::c_char;

use crate::{
    code::pk_code,
    error::pk_error,
    guard::guard,
    input::{given, invalid, output, text},
    keeper::pk_keeper,
    options::{pk_request_options, read},
    result::pk_result,
};

/// Claims one free port of the engine's choice for a project. A role that the project has already comes back
/// with its port. `options` may be NULL.
///
/// PK_RANGE_EXHAUSTED when there is none, with a message that says what holds the range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_request(
    keeper: Option<&pk_keeper>,
    project: *const c_char,
    options: *const pk_request_options,
    port: *mut u16,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("port", port)?;
        // SAFETY: as the header says of its arguments.
        let (options, project) = unsafe { (read(options)?, text("project", project)?) };
        let wanted = options.count.max(options.roles_count).max(1);
        if wanted != 1 {
            let reason = "is not 1: pk_keeper_request_many() gives several ports";
            return Err(invalid("count", &wanted.to_string(), reason));
        }
        // SAFETY: as above.
        let request = unsafe { options.apply(project)? };
        let rows = keeper.keeper.request(request)?;
        output.write(rows.first().map_or(0, |row| row.number));
        Ok(())
    })
}

/// Claims `count` free ports of the engine's choice: all of them or none. `ports` has room for `count`
/// numbers and gets them in the order of the roles, or of the strategy. Where the options have roles, `count` is
/// how many. `options` may be NULL; their own count is not looked at.
///
/// `reservations` may be NULL; else it gets the claims in the same order (a list of Reservation).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_request_many(
    keeper: Option<&pk_keeper>,
    project: *const c_char,
    options: *const pk_request_options,
    count: usize,
    ports: *mut u16,
    reservations: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        given("ports", std::ptr::NonNull::new(ports))?;
        // SAFETY: as the header says of its arguments.
        let request =
            unsafe { read::<pk_request_options>(options)?.apply(text("project", project)?)? };
        let rows = keeper.keeper.request(request.count(count))?;
        pk_result::wanted(reservations, &rows)?;
        for (place, row) in rows.iter().take(count).enumerate() {
            // SAFETY: not NULL, and `ports` has room for `count` numbers.
            unsafe { ports.add(place).write(row.number) };
        }
        Ok(())
    })
}
