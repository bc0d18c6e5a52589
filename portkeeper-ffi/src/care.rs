//! Care of the database: backups, damage, size

use std::ffi::{c_char, c_void};

use portkeeper_core::{Error, PruneRequest};

use crate::{
    callback::{Writer, pk_progress_callback, pk_write_callback, watch},
    code::pk_code,
    error::pk_error,
    guard::guard,
    input::{given, output, text},
    keeper::pk_keeper,
    queries::age,
    result::pk_result,
};

/// For pk_keeper_prune(): how long history is kept, usually: 365 days.
pub const PK_HISTORY_KEPT_MS: u64 = 31_536_000_000;
/// For pk_keeper_prune(): how long results of scans are kept, usually: 7 days.
pub const PK_SCANS_KEPT_MS: u64 = 604_800_000;

/// Writes a copy of the registry to the file `path`, checked and readable by the user alone, while everybody goes
/// on. An earlier backup there is replaced at the end, and stays when this is stopped or fails; for any other file
/// there PK_INVALID_INPUT. `progress` may be NULL. Copying the registry's file instead makes broken copies.
///
/// `report` may be NULL; else it gets what was written (BackupReport).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_backup(
    keeper: Option<&pk_keeper>,
    path: *const c_char,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        // A copy, since the callback may write anew over the caller's.
        // SAFETY: as the header says of its arguments.
        let path = unsafe { text("path", path) }?.to_owned();
        let done = keeper.keeper.backup(path, watch(progress, user_data))?;
        pk_result::wanted(report, &done)
    })
}

/// Brings the claims of a backup, or of a dump, which is the file `path`, back into the live registry, all of them
/// or none. Where that changes anything, the state before is first written to a backup beside the registry, which
/// the report names. No history is deleted. Other processes wait with their writes. `progress` may be NULL.
///
/// PK_DATABASE_CORRUPT, PK_SCHEMA_MISMATCH and PK_SCHEMA_TOO_NEW for a file that is no sound backup.
///
/// `report` may be NULL; else it gets what was changed (RestoreReport).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_restore(
    keeper: Option<&pk_keeper>,
    path: *const c_char,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        // A copy, since the callback may write anew over the caller's.
        // SAFETY: as the header says of its arguments.
        let path = unsafe { text("path", path) }?.to_owned();
        let done = keeper.keeper.restore(path, watch(progress, user_data))?;
        pk_result::wanted(report, &done)
    })
}

/// The registry as SQL that `sqlite3 new.db < dump.sql` reads back, piece by piece through `write`, which gets
/// `write_data`. What it got before an error is no whole dump. `progress` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_dump(
    keeper: Option<&pk_keeper>,
    write: pk_write_callback,
    write_data: *mut c_void,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let callback = given("write", write)?;
        let mut writer = Writer {
            callback,
            user_data: write_data,
            is_stopped: false,
        };
        let outcome = keeper.keeper.dump(&mut writer, watch(progress, user_data));
        if writer.is_stopped {
            return Err(Error::Cancelled("dump"));
        }
        outcome
    })
}

/// Removes history and results of scans that are older than these ages, usually PK_HISTORY_KEPT_MS and
/// PK_SCANS_KEPT_MS; with 0, all that is older than this moment. What is kept stays right: of each port the last
/// claim before it is kept, however old. `progress` may be NULL; a prune that it stops has removed the oldest rows.
///
/// `report` may be NULL; else it gets how much was removed (PruneReport).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_prune(
    keeper: Option<&pk_keeper>,
    history_older_than_ms: u64,
    scans_older_than_ms: u64,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let request = PruneRequest::new()
            .history_older_than(age(history_older_than_ms))
            .scans_older_than(age(scans_older_than_ms));
        let done = keeper.keeper.prune(request, watch(progress, user_data))?;
        pk_result::wanted(report, &done)
    })
}

/// Writes the database anew without the gaps that a prune leaves. Other processes wait with their writes.
/// `progress` may be NULL.
///
/// `report` may be NULL; else it gets what was gained (CompactReport).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_compact(
    keeper: Option<&pk_keeper>,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let done = keeper.keeper.compact(watch(progress, user_data))?;
        pk_result::wanted(report, &done)
    })
}

/// Looks for damage and changes nothing (a list of Finding); no row means that all is well. `progress` may be
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_verify(
    keeper: Option<&pk_keeper>,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    findings: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("findings", findings)?;
        let found = keeper.keeper.verify(watch(progress, user_data))?;
        output.give(pk_result::of(&found)?);
        Ok(())
    })
}

/// How large the registry is (Stats).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_stats(
    keeper: Option<&pk_keeper>,
    stats: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("stats", stats)?;
        output.give(pk_result::of(&keeper.keeper.stats()?)?);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use portkeeper_core::PruneRequest;

    use super::{PK_HISTORY_KEPT_MS, PK_SCANS_KEPT_MS, age};

    #[test]
    fn the_usual_ages_are_those_of_the_engine() {
        assert_eq!(age(PK_HISTORY_KEPT_MS), PruneRequest::HISTORY_KEPT);
        assert_eq!(age(PK_SCANS_KEPT_MS), PruneRequest::SCANS_KEPT);
    }
}
