//! Claims as documents: export, import, and what was kept of them

use std::ffi::{c_char, c_void};

use portkeeper_core::{ImportRequest, Result};

use crate::{
    callback::{pk_progress_callback, watch},
    code::pk_code,
    error::pk_error,
    guard::guard,
    input::{given, output, text},
    keeper::pk_keeper,
    options::{pk_export_options, pk_import_options, read},
    result::pk_result,
};

/// The claims of this moment (Document); pk_result_json() of it is the text that pk_keeper_import_json()
/// takes. The registry keeps the document as a configuration, see pk_keeper_configurations(). `options` may be
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_export(
    keeper: Option<&pk_keeper>,
    options: *const pk_export_options,
    document: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("document", document)?;
        // SAFETY: as the header says of its arguments.
        let request = unsafe { read::<pk_export_options>(options)?.apply()? };
        let document = keeper.keeper.export(request)?;
        let json = document.to_json()?;
        let result = pk_result::with_json(pk_result::value(&document)?, &json);
        output.give(Box::new(result));
        Ok(())
    })
}

/// Takes the claims of a document, its text as JSON, into the registry: all of them or none. `options` and
/// `progress` may be NULL. Other processes wait with their writes.
///
/// PK_PORT_RESERVED when another project has one of the ports, unless PK_IMPORT_SKIP_CONFLICTS is set;
/// PK_IMPORT_INVALID for what is no such document.
///
/// `report` may be NULL; else it gets what became of each port (ImportReport).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_import_json(
    keeper: Option<&pk_keeper>,
    json: *const c_char,
    options: *const pk_import_options,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        // SAFETY: as the header says of its arguments.
        let request = ImportRequest::json(unsafe { text("json", json) }?);
        // SAFETY: as above.
        unsafe { import(keeper, request, options, progress, user_data, report) }
    })
}

/// Imports the document of an earlier export or import again, by its id in pk_keeper_configurations(); otherwise as
/// pk_keeper_import_json().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_import_configuration(
    keeper: Option<&pk_keeper>,
    id: i64,
    options: *const pk_import_options,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let request = ImportRequest::configuration(id);
        // SAFETY: as the header says of its arguments.
        unsafe { import(keeper, request, options, progress, user_data, report) }
    })
}

/// Imports the database of Port Keeper's predecessor, which is ~/.portmanager/ports.db and is only read;
/// otherwise as pk_keeper_import_json().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_import_predecessor(
    keeper: Option<&pk_keeper>,
    path: *const c_char,
    options: *const pk_import_options,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    report: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        // SAFETY: as the header says of its arguments.
        let request = ImportRequest::predecessor(unsafe { text("path", path) }?);
        // SAFETY: as above.
        unsafe { import(keeper, request, options, progress, user_data, report) }
    })
}

unsafe fn import(
    keeper: Option<&pk_keeper>,
    request: ImportRequest,
    options: *const pk_import_options,
    progress: pk_progress_callback,
    user_data: *mut c_void,
    report: *mut *mut pk_result,
) -> Result<()> {
    let keeper = given("keeper", keeper)?;
    // SAFETY: as the header says of its arguments.
    let request = unsafe { read::<pk_import_options>(options)?.apply(request)? };
    pk_result::wanted(
        report,
        &keeper.keeper.import(request, watch(progress, user_data))?,
    )
}

/// Every export and import that the registry has kept, newest first, without the documents (a list of
/// Configuration).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_configurations(
    keeper: Option<&pk_keeper>,
    rows: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("rows", rows)?;
        output.give(pk_result::of(&keeper.keeper.configurations()?)?);
        Ok(())
    })
}

/// A kept export or import with its document (SavedDocument). PK_INVALID_INPUT for an id that does not exist;
/// PK_DATABASE_CORRUPT when the document is not the one that was kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_configuration(
    keeper: Option<&pk_keeper>,
    id: i64,
    configuration: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        let output = output("configuration", configuration)?;
        output.give(pk_result::of(&keeper.keeper.configuration(id)?)?);
        Ok(())
    })
}

/// Removes a kept export or import. Claims and history are left alone. PK_INVALID_INPUT for an id that does not
/// exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_keeper_remove_configuration(
    keeper: Option<&pk_keeper>,
    id: i64,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let keeper = given("keeper", keeper)?;
        keeper.keeper.remove_configuration(id)
    })
}
