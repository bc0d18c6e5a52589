//! Keepers

use std::{
    ffi::{CString, c_char, c_void},
    path::Path,
};

use portkeeper_core::Keeper;

use crate::{
    callback::{Stop, pk_stop_callback},
    code::pk_code,
    error::pk_error,
    guard::{answer, guard},
    input::{given, output, text_or_null},
    options::{pk_open_options, read},
};

/// The registry of this machine's ports. Every process of a user opens the same database.
///
/// Owned by the caller that got it, who frees it with pk_keeper_free(); what it gave may be used and freed after
/// that. Several threads may use one keeper at once, but for freeing it. After a fork the child may go on
/// using it.
pub struct pk_keeper {
    pub(crate) keeper: Keeper,
    path: CString,
}

impl pk_keeper {
    fn new(keeper: Keeper) -> Self {
        let path = of_path(keeper.path());
        Self { keeper, path }
    }

    /// The engine's keeper.
    pub fn engine(&self) -> &Keeper {
        &self.keeper
    }
}

/// The bytes of a path, which need not be UTF-8 where it came from the environment.
#[cfg(unix)]
fn of_path(path: &Path) -> CString {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

#[cfg(not(unix))]
fn of_path(path: &Path) -> CString {
    crate::result::c_string(&path.to_string_lossy())
}

/// Opens the registry in the file `path`, and creates it, readable by the user alone, where it is missing.
/// NULL opens the user's own: PORTKEEPER_DB_PATH where it is set, else ~/.portkeeper/database.db. `options`
/// may be NULL.
///
/// It reads the environment, which no other thread may change meanwhile.
///
/// PK_DATABASE_CORRUPT, PK_SCHEMA_MISMATCH and PK_SCHEMA_TOO_NEW mean a file that is no registry or not this
/// version's; it stays as it is. PK_UNSUPPORTED is one on a file system that may be shared with other machines,
/// unless PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_open(
    path: *const c_char,
    options: *const pk_open_options,
    keeper: *mut *mut pk_keeper,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let output = output("keeper", keeper)?;
        // SAFETY: as the header says of its arguments.
        let options = unsafe { read(options)?.apply(text_or_null("path", path)?)? };
        output.give(Box::new(pk_keeper::new(options.open()?)));
        Ok(())
    })
}

/// Another keeper of the same registry and connection, whose waits `stop` may end: for other writers of a
/// busy database, in pk_keeper_wait_ready(), and for the processes that pk_keeper_kill() ends. What the
/// operation did is undone, but for a signal that a process got already.
///
/// `stop` ends the waits of a lease that this keeper gave, too, in pk_lease_set_role() and pk_lease_release();
/// freeing an object is never stopped. `stop` and `user_data` must live until the new keeper and all its leases
/// and bound ports are freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_interruptible(
    keeper: Option<&pk_keeper>,
    stop: pk_stop_callback,
    user_data: *mut c_void,
    interruptible: *mut *mut pk_keeper,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = &given("keeper", keeper)?.keeper;
        let stop = Stop {
            callback: given("stop", stop)?,
            user_data,
        };
        let output = output("interruptible", interruptible)?;
        let keeper = keeper.interruptible(move || stop.asked());
        output.give(Box::new(pk_keeper::new(keeper)));
        Ok(())
    })
}

/// The file of the registry as the system names it, which need not be UTF-8; ":memory:" for one without, ""
/// for NULL. It lives as long as the keeper.
#[unsafe(no_mangle)]
pub extern "C" fn pk_keeper_path(keeper: Option<&pk_keeper>) -> *const c_char {
    answer(c"".as_ptr(), || {
        keeper.map_or(c"", |keeper| keeper.path.as_c_str()).as_ptr()
    })
}

/// Frees a keeper. Claims stay; leases, holds and bound ports stay as well, until they are freed. NULL is
/// fine.
#[unsafe(no_mangle)]
pub extern "C" fn pk_keeper_free(keeper: Option<Box<pk_keeper>>) {
    answer((), || drop(keeper));
}
