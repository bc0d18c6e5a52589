//! A forked child gets descriptions of its own.

use std::io::Write;

use libc::c_int;

use super::{index, shared};

/// Has every later `fork` of this process do what is said above.
pub(super) fn watch() -> bool {
    // SAFETY: the three functions live as long as the program, and the child's calls only what is allowed
    // in a child of a process with threads.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) == 0 }
}

unsafe extern "C" fn prepare() {
    shared::enter();
}

unsafe extern "C" fn parent() {
    shared::leave();
}

unsafe extern "C" fn child() {
    index::each(replace);
    shared::each(replace);
    shared::leave();
}

/// Puts a new description of the same file in the place of the one that is shared with the parent. What
/// cannot be opened anew stays as it is.
fn replace(fd: c_int) {
    // SAFETY: `dup3` makes `fd` lead to the new description; all calls are allowed here.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        if flags < 0 {
            return;
        }
        if let Some(new) = opened_anew(fd, flags & libc::O_ACCMODE) {
            libc::dup3(new, fd, libc::O_CLOEXEC);
            libc::close(new);
        }
    }
}

/// A descriptor to lock the file of `fd` through, whose description nothing else shares: SQLite maps `-shm`,
/// and the mapping of a forked child keeps the description, too. For writing where that is allowed: a
/// connection that writes may follow one that only reads.
///
/// Without `/proc` it is a duplicate, which shares all of it.
pub(super) fn described(fd: c_int) -> Option<c_int> {
    opened_anew(fd, libc::O_RDWR).or_else(|| {
        // SAFETY: a duplicate of a descriptor that is open.
        let duplicate = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
        (duplicate >= 0).then_some(duplicate)
    })
}

/// A second description of the file that `fd` is open on, also of one that has no name any more.
fn opened_anew(fd: c_int, mode: c_int) -> Option<c_int> {
    let mut path = [0_u8; 32];
    // Formatting a number into a buffer allocates nothing. The last byte stays 0.
    write!(&mut path[..31], "/proc/self/fd/{fd}").ok()?;
    // SAFETY: the path ends with a 0.
    let new = unsafe { libc::open(path.as_ptr().cast(), mode | libc::O_CLOEXEC) };
    (new >= 0).then_some(new)
}

/// Closes what [`described`] opened. Must be called between [`shared::enter`] and [`shared::leave`]: a child that
/// is forked in the middle would keep it, and not know that.
pub(super) fn close(fd: c_int) {
    // SAFETY: opened here.
    unsafe { libc::close(fd) };
}
