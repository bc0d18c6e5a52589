//! Codes

use std::ffi::{CStr, c_char};

use crate::guard::answer;

/// What a call came to: PK_OK or the number of an error, one of those below. A number is never reused; a later
/// version may have more of them. pk_code_name() gives the name.
///
/// These are not the numbers of PK_VERDICT_*, which pk_keeper_check() writes to its output.
pub type pk_code = i32;

/// It worked.
pub const PK_OK: pk_code = 0;
/// The number is not in 1..=65535.
pub const PK_PORT_INVALID: pk_code = 1;
/// A project name is needed and was missing or blank.
pub const PK_PROJECT_REQUIRED: pk_code = 2;
/// Another argument is out of its bounds: also NULL where something must be, and text that is not UTF-8.
pub const PK_INVALID_INPUT: pk_code = 3;
/// Nobody has reserved the port.
pub const PK_PORT_NOT_FOUND: pk_code = 4;
/// Another project has reserved the port.
pub const PK_PORT_RESERVED: pk_code = 5;
/// Something that is not the caller's uses the port.
pub const PK_PORT_IN_USE: pk_code = 6;
/// The range does not hold as many free ports as were asked for.
pub const PK_RANGE_EXHAUSTED: pk_code = 7;
/// Another process than the expected one answers on the port.
pub const PK_WRONG_LISTENER: pk_code = 8;
/// The deadline passed.
pub const PK_TIMEOUT: pk_code = 9;
/// The operating system refused access.
pub const PK_PERMISSION_DENIED: pk_code = 10;
/// A process could not, or must not, be ended.
pub const PK_PROCESS_KILL_ERROR: pk_code = 11;
/// The sockets or processes of this machine could not be read.
pub const PK_SCAN_FAILED: pk_code = 12;
/// A document to import is not valid.
pub const PK_IMPORT_INVALID: pk_code = 13;
/// The database failed in another way than the kinds that follow.
pub const PK_DATABASE_ERROR: pk_code = 14;
/// Other writers kept the database locked until the deadline.
pub const PK_DATABASE_BUSY: pk_code = 15;
/// There is no space left for the database.
pub const PK_DATABASE_FULL: pk_code = 16;
/// The file is damaged, or is no database.
pub const PK_DATABASE_CORRUPT: pk_code = 17;
/// The database was written by a newer version of Port Keeper.
pub const PK_SCHEMA_TOO_NEW: pk_code = 18;
/// The tables are not the documented ones, or belong to another program.
pub const PK_SCHEMA_MISMATCH: pk_code = 19;
/// This platform or configuration cannot do it.
pub const PK_UNSUPPORTED: pk_code = 20;
/// A defect in Port Keeper itself; also what becomes of a panic.
pub const PK_INTERNAL: pk_code = 21;
/// A callback of the caller's stopped the operation.
pub const PK_CANCELLED: pk_code = 22;

/// The names of the codes, in the order of their numbers.
const NAMES: [&CStr; 23] = [
    c"OK",
    c"PORT_INVALID",
    c"PROJECT_REQUIRED",
    c"INVALID_INPUT",
    c"PORT_NOT_FOUND",
    c"PORT_RESERVED",
    c"PORT_IN_USE",
    c"RANGE_EXHAUSTED",
    c"WRONG_LISTENER",
    c"TIMEOUT",
    c"PERMISSION_DENIED",
    c"PROCESS_KILL_ERROR",
    c"SCAN_FAILED",
    c"IMPORT_INVALID",
    c"DATABASE_ERROR",
    c"DATABASE_BUSY",
    c"DATABASE_FULL",
    c"DATABASE_CORRUPT",
    c"SCHEMA_TOO_NEW",
    c"SCHEMA_MISMATCH",
    c"UNSUPPORTED",
    c"INTERNAL",
    c"CANCELLED",
];

/// The name of a code, such as "PORT_RESERVED", "OK" for PK_OK, and "UNKNOWN" for a number that is none.
/// Static: never freed.
#[unsafe(no_mangle)]
pub extern "C" fn pk_code_name(code: pk_code) -> *const c_char {
    answer(c"".as_ptr(), || {
        let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
        name.map_or(c"UNKNOWN", |name| name).as_ptr()
    })
}

#[cfg(test)]
mod tests {
    use portkeeper_core::ErrorKind;

    use super::NAMES;

    #[test]
    fn names_are_those_of_the_engine() {
        assert_eq!(NAMES.len(), ErrorKind::ALL.len() + 1);
        for kind in ErrorKind::ALL {
            let position = usize::try_from(kind.code()).unwrap_or_default();
            assert_eq!(NAMES[position].to_str(), Ok(kind.name()));
        }
    }
}
