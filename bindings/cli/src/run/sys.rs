//! What Linux offers for this and no safe crate does. Here, in [`filter`](super::filter) and in
//! [`notice`](super::notice) are the few places with `unsafe`.
#![allow(unsafe_code)]

use std::{
    io, mem,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::{
    io::Errno,
    process::{Signal, getpid, getppid, set_parent_process_death_signal},
};

use super::{
    filter,
    link::{Link, Watch},
};

/// A descriptor that this process was started with, taken over. It must be nobody else's.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the caller owns the descriptor of that number from here on; one that is not open fails
    // in the first call that uses it, which is the next line.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    match rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC) {
        Ok(()) => Ok(descriptor),
        Err(error) => {
            // Not ours to close.
            mem::forget(descriptor);
            Err(error.into())
        }
    }
}

/// What the command's process does before it becomes the command: it makes sure to end with the thread
/// that starts it, lets its sockets be watched if they are to be and can be, tells the supervisor, and waits
/// for its word.
pub fn prepare(command: &mut Command, mut link: Link, watched: Option<Result<(), Errno>>) {
    let parent = getpid();
    let before = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before that.
        if getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let watch = match watched {
            Some(can) => can
                .and_then(|()| filter::watch())
                .map_or_else(Watch::Refused, Watch::Granted),
            None => Watch::Unwanted,
        };
        link.greet(&watch)?;
        match link.word() {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    };
    // SAFETY: between fork and exec there are only system calls, and no memory is allocated.
    unsafe {
        command.pre_exec(before);
    }
}

/// `bind(2)` with an address as another process has it in its memory.
pub fn bind(socket: &OwnedFd, address: &[u8]) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(address.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the pointer and the length are those of the address, which the kernel checks and copies.
    let result = unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), length) };
    if result == 0 {
        Ok(())
    } else {
        Err(failure(result.into()))
    }
}

/// The error of a call that returned this.
pub fn failure(number: libc::c_long) -> Errno {
    let error = (number < 0).then(io::Error::last_os_error);
    error
        .as_ref()
        .and_then(Errno::from_io_error)
        .unwrap_or(Errno::INVAL)
}
