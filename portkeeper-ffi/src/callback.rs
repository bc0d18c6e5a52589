//! Callbacks: functions of the caller's

use std::{
    ffi::{CString, c_char, c_void},
    io,
    ops::ControlFlow,
};

use portkeeper_core::{Progress, Watch};

use crate::result::c_string;

/// Called at the beginning of a long operation, at times meanwhile, and at its end, on the thread that
/// called the operation, with the user_data that was passed there. `operation` is the operation's name and
/// lives as long as the call; `total` may be 0 at the beginning, and grow. Returns 0 to go on; anything else
/// stops the operation with PK_CANCELLED, which undoes what it did unless its comment says more.
///
/// It may read through the same keeper. A write to the same registry would wait for the operation that called
/// it, and is PK_UNSUPPORTED; of a registry in memory, so is every use. It frees nothing that the operation
/// was given, the keeper least of all, and has outputs of its own. It must not leave by an exception or a
/// longjmp.
pub type pk_progress_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        operation: *const c_char,
        done: u64,
        total: u64,
    ) -> i32,
>;

/// Asked by an operation that waits, every 50 ms or more often, on the thread that called the operation.
/// Returns 0 to go on; anything else stops it with PK_CANCELLED. Where several threads use the keeper, or leases
/// that it gave, it is called on each of them, also at once.
///
/// It uses no keeper of the same registry, frees nothing that the operation was given, and has outputs of its
/// own. It must not leave by an exception or a longjmp.
pub type pk_stop_callback = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>;

/// Takes the next `length` bytes of a text, which live as long as the call and do not end with NUL, on the thread
/// that called the operation. Returns 0 to go on; anything else ends the operation with PK_CANCELLED.
///
/// It may do what a pk_progress_callback may, and nothing that it must not.
pub type pk_write_callback = Option<
    unsafe extern "C" fn(user_data: *mut c_void, bytes: *const c_char, length: usize) -> i32,
>;

/// A watch that calls the caller's function, or none for NULL.
pub(crate) fn watch<'a>(callback: pk_progress_callback, user_data: *mut c_void) -> Watch<'a> {
    let Some(callback) = callback else {
        return Watch::none();
    };
    // An operation has one name all along, so that one copy of it serves all calls.
    let mut name: Option<CString> = None;
    Watch::new(
        move |Progress {
                  operation,
                  done,
                  total,
              }| {
            let name = name.get_or_insert_with(|| c_string(operation));
            // SAFETY: the caller's function, with the data that the caller wants it to have.
            if unsafe { callback(user_data, name.as_ptr(), done, total) } == 0 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        },
    )
}

/// Asks the caller's function whether to stop.
pub(crate) struct Stop {
    pub(crate) callback: unsafe extern "C" fn(*mut c_void) -> i32,
    pub(crate) user_data: *mut c_void,
}

// SAFETY: the header says that the function is called on every thread that uses the keeper.
unsafe impl Send for Stop {}
// SAFETY: as above.
unsafe impl Sync for Stop {}

impl Stop {
    pub(crate) fn asked(&self) -> bool {
        // SAFETY: the caller's function, with the data that the caller wants it to have.
        unsafe { (self.callback)(self.user_data) != 0 }
    }
}

/// Writes through the caller's function.
pub(crate) struct Writer {
    pub(crate) callback: unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> i32,
    pub(crate) user_data: *mut c_void,
    /// Whether the function ended it.
    pub(crate) is_stopped: bool,
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let first = bytes.as_ptr().cast();
        // SAFETY: the caller's function, with the data that the caller wants it to have.
        if unsafe { (self.callback)(self.user_data, first, bytes.len()) } == 0 {
            Ok(bytes.len())
        } else {
            self.is_stopped = true;
            Err(io::Error::other("the caller's function did not take it"))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
