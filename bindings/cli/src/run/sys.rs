//! What Linux offers for this and no safe crate does: the few places with `unsafe`.
#![allow(unsafe_code)]
// Constants of the kernel's interface, in the width that it has for them.
#![allow(clippy::cast_possible_truncation)]

use std::{
    io, mem,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

use super::link::Link;

/// The architecture whose system calls the filter knows; others pass unwatched.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00f3);
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
)))]
const ARCHITECTURE: Option<u32> = None;

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
/// that starts it, lets its `bind` calls be watched, tells the supervisor, and waits for its word.
pub fn prepare(command: &mut Command, mut link: Link, watched: bool) {
    let parent = getpid();
    let before = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before that.
        if getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let binds = if watched { watch_binds().ok() } else { None };
        link.greet(binds.as_ref())?;
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

/// A `bind` that somebody is about to make, and that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub struct Bind {
    pub id: u64,
    /// The thread that makes it.
    pub thread: u32,
    pub descriptor: RawFd,
    /// Where in that process's memory the address lies.
    pub address: u64,
    pub length: u64,
}

/// Makes every `bind` of this process, and of all that it starts, wait until the holder of the returned
/// descriptor has seen it. Must be called before there are other threads.
///
/// Without the rights of an administrator, none of them can gain any from then on, through `sudo` for
/// instance: the kernel demands that (`seccomp(2)`).
fn watch_binds() -> io::Result<OwnedFd> {
    let Some(architecture) = ARCHITECTURE else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    match install(architecture) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            rustix::thread::set_no_new_privs(true)?;
            install(architecture)
        }
        other => other,
    }
}

fn install(architecture: u32) -> io::Result<OwnedFd> {
    let load = |offset: usize| libc::sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: offset as u32,
    };
    let unless = |value: u32, skipped: u8| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: skipped,
        k: value,
    };
    let answer = |value: u32| libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: value,
    };
    let mut filter = [
        load(mem::offset_of!(libc::seccomp_data, arch)),
        unless(architecture, 3),
        load(mem::offset_of!(libc::seccomp_data, nr)),
        unless(libc::SYS_bind as u32, 1),
        answer(libc::SECCOMP_RET_USER_NOTIF),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and the filter that it points to outlive the call, which copies them.
    let number = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    match RawFd::try_from(number) {
        // SAFETY: the call returned a new descriptor, which is nobody else's.
        Ok(number) if number >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits for the next `bind`; `None` where the one that was there has gone away.
pub fn next_bind(listener: &OwnedFd) -> io::Result<Option<Bind>> {
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
    let [descriptor, address, length, ..] = notice.data.args;
    Ok(Some(Bind {
        id: notice.id,
        thread: notice.pid,
        // The kernel reads the lower half alone, too.
        descriptor: descriptor as RawFd,
        address,
        length,
    }))
}

/// Lets a `bind` go on as if nobody had looked.
pub fn go_on(listener: &OwnedFd, bind: Bind) {
    // SAFETY: a structure of integers, for which zero is a value.
    let mut answer: libc::seccomp_notif_resp = unsafe { mem::zeroed() };
    answer.id = bind.id;
    answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    // SAFETY: the request is the one for this structure, which lives through the call. It fails where
    // the process has ended meanwhile, and then nobody waits.
    unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw const answer,
        );
    }
}
