//! Version

use std::ffi::{CStr, c_char};

use crate::guard::answer;

/// The version of the functions and structs in this header. It grows with every addition.
pub const PK_ABI_VERSION: u32 = 1;

/// The oldest version whose callers this library still serves.
const OLDEST: u32 = 1;

/// The version of the library, such as "0.1.0". Static: never freed.
#[unsafe(no_mangle)]
pub extern "C" fn pk_version() -> *const c_char {
    answer(c"".as_ptr(), || {
        const VERSION: &CStr =
            match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
                Ok(version) => version,
                Err(_) => c"",
            };
        VERSION.as_ptr()
    })
}

/// The version of the ABI that the library has; PK_ABI_VERSION is the one of this header.
#[unsafe(no_mangle)]
pub extern "C" fn pk_abi_version() -> u32 {
    answer(0, || PK_ABI_VERSION)
}

/// Whether the library that was loaded serves callers that were compiled with this version of the header, 1 or
/// 0:
///
///     if (!pk_abi_supports(PK_ABI_VERSION)) { ... an older or an incompatible libportkeeper ... }
#[unsafe(no_mangle)]
pub extern "C" fn pk_abi_supports(version: u32) -> i32 {
    answer(0, || (OLDEST..=PK_ABI_VERSION).contains(&version).into())
}
