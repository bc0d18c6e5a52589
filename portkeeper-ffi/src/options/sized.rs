//! Reading structs that begin with their size.

use std::mem::MaybeUninit;

use portkeeper_core::{Error, Result};

use super::{
    pk_export_options, pk_history_options, pk_import_options, pk_list_options, pk_open_options,
    pk_request_options, pk_reserve_options,
};
use crate::input::invalid;

/// The largest struct that any version will have. A size beyond it was never initialised, and so much
/// memory is not looked at.
const LARGEST: usize = 4096;

/// A struct of options.
///
/// # Safety
/// It is `repr(C)`, begins with its size as a `usize`, has no bytes between and after its fields on 64-bit
/// platforms, and all its bytes may be zero.
pub(crate) unsafe trait Versioned: Copy {}

// SAFETY: only pointers and numbers of a pointer's or of 8 bytes, here and below, and `size` first.
unsafe impl Versioned for pk_open_options {}
// SAFETY: as above.
unsafe impl Versioned for pk_reserve_options {}
// SAFETY: as above.
unsafe impl Versioned for pk_request_options {}
// SAFETY: as above.
unsafe impl Versioned for pk_list_options {}
// SAFETY: as above.
unsafe impl Versioned for pk_history_options {}
// SAFETY: as above.
unsafe impl Versioned for pk_export_options {}
// SAFETY: as above.
unsafe impl Versioned for pk_import_options {}

/// The options as this version knows them; the defaults for NULL. Fields that the caller's version did not
/// have are zero; fields that this version does not have must be.
///
/// # Safety
/// `options` is NULL or points to a struct of the size that it begins with.
pub(crate) unsafe fn read<T: Versioned>(options: *const T) -> Result<T> {
    let mut ours = MaybeUninit::<T>::zeroed();
    if !options.is_null() {
        // SAFETY: not NULL, and every struct begins with its size.
        let size = unsafe { options.cast::<usize>().read() };
        let refused = |reason| -> Error { invalid("size", &size.to_string(), reason) };
        // A field is there or is not: a pointer cut in two would be a wild one.
        if size < size_of::<usize>() || size % size_of::<usize>() != 0 {
            return Err(refused("is no size of these options"));
        }
        if size > LARGEST {
            return Err(refused(
                "is larger than any options: they were not initialised",
            ));
        }
        let known = size.min(size_of::<T>());
        // SAFETY: both have this many bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(
                options.cast::<u8>(),
                ours.as_mut_ptr().cast::<u8>(),
                known,
            );
        }
        // SAFETY: the caller's struct has `size` bytes. They are initialised, since no struct has padding.
        let excess =
            unsafe { std::slice::from_raw_parts(options.cast::<u8>().add(known), size - known) };
        if excess.iter().any(|byte| *byte != 0) {
            return Err(refused(
                "is that of a newer version, and sets options that this one does not have",
            ));
        }
    }
    // SAFETY: zeros are a value of it, and so is what a caller put into its fields.
    Ok(unsafe { ours.assume_init() })
}
