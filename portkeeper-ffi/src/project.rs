//! Projects: what a folder is called

use std::ffi::c_char;

use portkeeper_core::Project;
use serde_json::Value;

use crate::{
    code::pk_code,
    error::pk_error,
    guard::guard,
    input::{output, text},
    result::pk_result,
};

/// The project that a folder belongs to (Project), found by its manifest and its git checkout. Its "id" is what
/// to reserve ports for. PK_INVALID_INPUT for what is no folder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pk_project_detect(
    path: *const c_char,
    project: *mut *mut pk_result,
    err: *mut *mut pk_error,
) -> pk_code {
    guard(err, || {
        let output = output("project", project)?;
        // SAFETY: as the header says of its arguments.
        let found = Project::detect(unsafe { text("path", path) }?)?;
        let mut record = pk_result::value(&found)?;
        if let Value::Object(record) = &mut record {
            record.insert("id".to_owned(), found.id().into());
        }
        output.give(Box::new(pk_result::new(record)));
        Ok(())
    })
}
