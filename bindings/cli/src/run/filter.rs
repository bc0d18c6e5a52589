//! The kernel's filter that makes a command's calls wait for an answer: see `seccomp(2)`.
#![allow(unsafe_code)]
// Constants of the kernel's interface, in the width that it has for them.
#![allow(clippy::cast_possible_truncation)]

use std::{
    mem,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    thread,
};

use rustix::io::Errno;

use super::sys::failure;

/// The calls that bind a socket and make it listen, as one architecture numbers them.
pub struct Calls {
    pub architecture: u32,
    pub bind: u32,
    pub listen: u32,
    /// One call for both, and for many others; which one its first argument says.
    socketcall: u32,
}

/// What is no architecture's number, and no call's.
const NONE: u32 = u32::MAX;

/// Those of the programs of this machine; there are none where the filter knows none, and nothing is
/// watched.
pub const NATIVE: Calls = Calls {
    architecture: if cfg!(target_arch = "x86_64") {
        0xc000_003e
    } else if cfg!(target_arch = "aarch64") {
        0xc000_00b7
    } else if cfg!(target_arch = "riscv64") {
        0xc000_00f3
    } else {
        NONE
    },
    bind: libc::SYS_bind as u32,
    listen: libc::SYS_listen as u32,
    socketcall: NONE,
};

/// Those of the older programs that it runs as well.
const OLDER: Calls = if cfg!(target_arch = "x86_64") {
    Calls {
        architecture: 0x4000_0003,
        bind: 361,
        listen: 363,
        socketcall: 102,
    }
} else if cfg!(target_arch = "aarch64") {
    Calls {
        architecture: 0x4000_0028,
        bind: 282,
        listen: 284,
        socketcall: NONE,
    }
} else {
    Calls {
        architecture: NONE,
        bind: NONE,
        listen: NONE,
        socketcall: NONE,
    }
};

/// `SYS_BIND` and `SYS_LISTEN` of `socketcall(2)`.
const SOCKETCALL_BIND: u32 = 2;
const SOCKETCALL_LISTEN: u32 = 4;

/// Whether [`watch`] would be granted, which has to be known before: what it takes from a process is not
/// given back where it is refused, such as below another watcher. A thread may lose that alone, and ends.
pub fn can_watch() -> Result<(), Errno> {
    let trial = thread::Builder::new().spawn(|| watch().map(drop));
    let trial = trial.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
    trial.join().unwrap_or(Err(Errno::CANCELED))
}

/// Makes every call that binds a socket or makes it listen, of this thread and of all that it starts,
/// wait until the holder of the returned descriptor has answered it.
///
/// Without the rights of an administrator, none of them can gain any from then on, through `sudo` for
/// instance: the kernel demands that (`seccomp(2)`).
pub fn watch() -> Result<OwnedFd, Errno> {
    if NATIVE.architecture == NONE {
        return Err(Errno::NOSYS);
    }
    // Linux before 5.6 lacks it, and the answer that lets a call go on is hardly older.
    // SAFETY: of no process and no descriptor, it fails, and says how.
    let number = unsafe { libc::syscall(libc::SYS_pidfd_getfd, -1, -1, 0) };
    match failure(number) {
        Errno::BADF => {}
        error => return Err(error),
    }
    match install() {
        Err(Errno::ACCESS | Errno::PERM) => {
            rustix::thread::set_no_new_privs(true)?;
            install()
        }
        other => other,
    }
}

const fn load(offset: usize) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: offset as u32,
    }
}

/// Skips so many if it is this, and so many if it is not.
const fn skip(value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: then,
        jf: otherwise,
        k: value,
    }
}

const fn answer_with(value: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: value,
    }
}

const ARCHITECTURE: libc::sock_filter = load(mem::offset_of!(libc::seccomp_data, arch));
const NUMBER: libc::sock_filter = load(mem::offset_of!(libc::seccomp_data, nr));
/// Its lower half: all three architectures are little-endian.
const FIRST_ARGUMENT: libc::sock_filter = load(mem::offset_of!(libc::seccomp_data, args));
const FILTER: [libc::sock_filter; 16] = [
    ARCHITECTURE,
    skip(NATIVE.architecture, 0, 4),
    NUMBER,
    skip(NATIVE.bind, 11, 0),
    skip(NATIVE.listen, 10, 0),
    answer_with(libc::SECCOMP_RET_ALLOW),
    skip(OLDER.architecture, 0, 7),
    NUMBER,
    skip(OLDER.bind, 6, 0),
    skip(OLDER.listen, 5, 0),
    skip(OLDER.socketcall, 0, 3),
    FIRST_ARGUMENT,
    skip(SOCKETCALL_BIND, 2, 0),
    skip(SOCKETCALL_LISTEN, 1, 0),
    answer_with(libc::SECCOMP_RET_ALLOW),
    answer_with(libc::SECCOMP_RET_USER_NOTIF),
];

fn install() -> Result<OwnedFd, Errno> {
    // A signal is to interrupt no call that is being answered: `bind` has no such failure. Linux before
    // 5.19 lacks that.
    let patient = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    match install_with(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | patient) {
        Err(Errno::INVAL) => install_with(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER),
        other => other,
    }
}

fn install_with(flags: libc::c_ulong) -> Result<OwnedFd, Errno> {
    let mut filter = FILTER;
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and the filter that it points to outlive the call, which copies them.
    let number = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match RawFd::try_from(number) {
        // SAFETY: the call returned a new descriptor, which is nobody else's.
        Ok(number) if number >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
        _ => Err(failure(number)),
    }
}
