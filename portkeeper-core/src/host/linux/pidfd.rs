//! Pidfds: the one thing that tells two processes with the same pid and start apart.

use rustix::{
    fs::{fstat, fstatfs},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};

/// `PID_FS_MAGIC`: since Linux 6.9 a pidfd is a file of its own file system, with an inode that no
/// other process gets in this boot. Before, all pidfds share one inode, which says nothing.
const PIDFS: u64 = 0x5049_4446;

/// What the kernel says of a pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pidfd {
    /// The inode of the process's pidfd.
    Inode(u64),
    /// The number is a thread's, not a process's.
    Thread,
    /// No answer: no such process, no pidfs, or the call is not allowed.
    Silent,
}

impl Pidfd {
    /// The inode; 0 where there is none.
    pub fn inode(self) -> u64 {
        match self {
            Self::Inode(inode) => inode,
            Self::Thread | Self::Silent => 0,
        }
    }
}

pub(super) fn look(pid: Pid) -> Pidfd {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => {
            // The magic is 31 bits wide, so any type `f_type` has on an architecture keeps it.
            let is_pidfs = fstatfs(&fd).is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(PIDFS));
            match fstat(&fd) {
                Ok(stat) if is_pidfs => Pidfd::Inode(stat.st_ino),
                _ => Pidfd::Silent,
            }
        }
        // ENOENT on newer kernels, EINVAL on older ones; a missing process is ESRCH on both.
        Err(Errno::NOENT | Errno::INVAL) => Pidfd::Thread,
        Err(_) => Pidfd::Silent,
    }
}
