//! What takes the place of `fcntl`, `close` and `pread` in SQLite.

#![allow(unsafe_code, reason = "system calls, and C function pointers")]

mod fork;
mod index;
mod shared;

use std::{ffi::CStr, mem, ptr, sync::OnceLock};

use libc::{c_int, c_short, c_void, flock, off64_t};
use rusqlite::ffi;

/// The first byte of the database that SQLite locks; what precedes it are the locks of its `-shm`.
const PENDING_BYTE: i64 = 0x4000_0000;

type Call = unsafe extern "C" fn();
type Fcntl = unsafe extern "C" fn(c_int, c_int, *mut c_void) -> c_int;
type Close = unsafe extern "C" fn(c_int) -> c_int;
type Pread = unsafe extern "C" fn(c_int, *mut c_void, usize, off64_t) -> isize;

/// What SQLite called before: the C library, or what somebody else has put in its place, which goes on
/// seeing every call.
static FCNTL: OnceLock<Fcntl> = OnceLock::new();
static CLOSE: OnceLock<Close> = OnceLock::new();
static PREAD: OnceLock<Pread> = OnceLock::new();

/// Replaces the calls, and tells whether it could.
pub(crate) fn install() -> bool {
    // SAFETY: the default file system of SQLite lives as long as the program. What it has under a name is of
    // that function's type, and is cast back to it, but for the variable arguments of `fcntl`: on these
    // architectures the third one is passed the same way whether it is declared or not.
    unsafe {
        if ffi::sqlite3_initialize() != ffi::SQLITE_OK {
            return false;
        }
        let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
        let Some((get, set)) = vfs
            .as_ref()
            .and_then(|vfs| vfs.xGetSystemCall.zip(vfs.xSetSystemCall))
        else {
            return false;
        };
        let before = [c"fcntl", c"close", c"pread"].map(|name| get(vfs, name.as_ptr()));
        let [
            Some(earlier_fcntl),
            Some(earlier_close),
            Some(earlier_pread),
        ] = before
        else {
            return false;
        };
        let is_set = FCNTL
            .set(mem::transmute::<Call, Fcntl>(earlier_fcntl))
            .is_ok()
            && CLOSE
                .set(mem::transmute::<Call, Close>(earlier_close))
                .is_ok()
            && PREAD
                .set(mem::transmute::<Call, Pread>(earlier_pread))
                .is_ok();
        if !is_set || !fork::watch() {
            return false;
        }
        let replace = |name: &CStr, call| set(vfs, name.as_ptr(), Some(call)) == ffi::SQLITE_OK;
        replace(c"pread", mem::transmute::<Pread, Call>(pread))
            && replace(c"close", mem::transmute::<Close, Call>(close))
            && replace(c"fcntl", mem::transmute::<Fcntl, Call>(fcntl))
    }
}

/// SQLite takes `EIO` for a sign that the content is damaged, and says so instead of what happened. Of another
/// error it says that the disk failed.
unsafe extern "C" fn pread(fd: c_int, into: *mut c_void, length: usize, from: off64_t) -> isize {
    let Some(earlier) = PREAD.get() else {
        return -1;
    };
    // SAFETY: handed on as it came; the number of the error is a thread's own.
    unsafe {
        let read = earlier(fd, into, length, from);
        let error = libc::__errno_location();
        if read < 0 && *error == libc::EIO {
            *error = libc::EREMOTEIO;
        }
        read
    }
}

unsafe extern "C" fn close(fd: c_int) -> c_int {
    index::close(fd)
}

unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: *mut c_void) -> c_int {
    let command = match command {
        libc::F_SETLK => libc::F_OFD_SETLK,
        libc::F_GETLK => libc::F_OFD_GETLK,
        // SAFETY: handed on as it came.
        other => return unsafe { earlier_fcntl(fd, other, argument) },
    };
    let asked = argument.cast::<flock>();
    // SAFETY: these commands are called with such a structure. SQLite leaves its pid unset, which these
    // locks demand to be 0.
    let mut lock = unsafe {
        ptr::addr_of_mut!((*asked).l_pid).write(0);
        asked.read()
    };
    let is_whole_file = lock.l_start == 0 && lock.l_len == 0;
    let outcome = if lock.l_start >= PENDING_BYTE || is_whole_file {
        shared::apply(fd, command, &mut lock)
    } else {
        match index::of(fd) {
            Some(own) => call(own, command, &mut lock),
            None => refuse(),
        }
    };
    // SAFETY: as above; `F_GETLK` answers there.
    unsafe { asked.write(lock) };
    outcome
}

fn call(fd: c_int, command: c_int, lock: &mut flock) -> c_int {
    // SAFETY: the lock is valid for the call.
    unsafe { earlier_fcntl(fd, command, ptr::from_mut(lock).cast()) }
}

unsafe fn earlier_fcntl(fd: c_int, command: c_int, argument: *mut c_void) -> c_int {
    match FCNTL.get() {
        // SAFETY: the caller's.
        Some(earlier) => unsafe { earlier(fd, command, argument) },
        None => refuse(),
    }
}

/// Closes SQLite's own descriptor.
fn earlier_close(fd: c_int) -> c_int {
    match CLOSE.get() {
        // SAFETY: it is SQLite that wants to close it.
        Some(earlier) => unsafe { earlier(fd) },
        None => refuse(),
    }
}

fn is(kind: c_short, value: c_int) -> bool {
    c_int::from(kind) == value
}

/// What no descriptor can be had for is not locked.
fn refuse() -> c_int {
    // SAFETY: a thread's own.
    unsafe { *libc::__errno_location() = libc::ENOLCK };
    -1
}
