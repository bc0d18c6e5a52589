//! The calls that the kernel tells of, and the answers to them: see `seccomp_unotify(2)`.
#![allow(unsafe_code)]
// Numbers of the kernel's interface, in the width that it has for them.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::{
    io, mem,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

use rustix::io::Errno;

use super::filter::NATIVE;

/// A call that somebody is about to make, and that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub id: u64,
    /// The thread that makes it.
    pub thread: u32,
    pub what: What,
}

/// Which call.
#[derive(Debug, Clone, Copy)]
pub enum What {
    Bind {
        descriptor: RawFd,
        /// Where in that process's memory the address lies.
        address: u64,
        length: u64,
    },
    Listen {
        descriptor: RawFd,
        backlog: i32,
    },
    /// One of the two, by a program of an older architecture.
    Older,
}

/// Waits for the next call; `None` where the one that was there has gone away.
pub fn next_call(listener: &OwnedFd) -> io::Result<Option<Call>> {
    // SAFETY: a structure of integers, for which zero is a value; the kernel demands zeroes.
    let mut notice: libc::seccomp_notif = unsafe { mem::zeroed() };
    // SAFETY: the request is the one for this structure, which lives through the call.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            &raw mut notice,
        )
    };
    if result < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOENT | libc::EINTR) => Ok(None),
            _ => Err(error),
        };
    }
    let [first, second, third, ..] = notice.data.args;
    // The kernel, too, reads the lower half alone of a descriptor, a backlog and a length.
    let descriptor = first as RawFd;
    let what = if notice.data.arch != NATIVE.architecture {
        What::Older
    } else if notice.data.nr as u32 == NATIVE.listen {
        What::Listen {
            descriptor,
            backlog: second as i32,
        }
    } else {
        What::Bind {
            descriptor,
            address: second,
            length: u64::from(third as u32),
        }
    };
    Ok(Some(Call {
        id: notice.id,
        thread: notice.pid,
        what,
    }))
}

/// Whether whoever made the call still waits for its answer, so that its pid is still nobody else's, and
/// what was read of it is its own.
pub fn is_waiting(listener: &OwnedFd, call: Call) -> bool {
    // SAFETY: the request is the one for this integer, which lives through the call.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
            &raw const call.id,
        )
    };
    result == 0
}

/// What a call is told.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// It goes on as if nobody had looked.
    GoOn,
    /// It was made already, with this result.
    Done(Result<(), Errno>),
}

/// Answers a call.
pub fn answer(listener: &OwnedFd, call: Call, answer: Answer) {
    // SAFETY: a structure of integers, for which zero is a value.
    let mut response: libc::seccomp_notif_resp = unsafe { mem::zeroed() };
    response.id = call.id;
    match answer {
        Answer::GoOn => response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        Answer::Done(Ok(())) => {}
        Answer::Done(Err(error)) => response.error = -error.raw_os_error(),
    }
    // SAFETY: the request is the one for this structure, which lives through the call. It fails where
    // the process has ended meanwhile, and then nobody waits.
    unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw const response,
        );
    }
}
