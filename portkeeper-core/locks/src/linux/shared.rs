//! One description for all locks of a process on one database.
//!
//! SQLite counts its locks per file and process: the first connection takes the lock, and the last one,
//! another perhaps, releases it, each through its own descriptor. So what belongs to the process is kept
//! here in one description of its own, from the first lock until the whole file is unlocked.

use std::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use libc::{c_int, flock};

use super::{call, fork, is, refuse};

struct Database {
    device: u64,
    inode: u64,
    /// Whose locks they are: those of a parent must not be released.
    pid: u32,
    fd: c_int,
}

/// Locked by hand, so that it can be held across a fork.
static BUSY: AtomicBool = AtomicBool::new(false);
static DATABASES: Databases = Databases(UnsafeCell::new(Vec::new()));

struct Databases(UnsafeCell<Vec<Database>>);

// SAFETY: used between `enter` and `leave` alone.
unsafe impl Sync for Databases {}

/// Nobody else locks, closes or forks until [`leave`]. It is held for a few system calls that do not wait.
pub(super) fn enter() {
    while BUSY
        .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        thread::yield_now();
    }
}

pub(super) fn leave() {
    BUSY.store(false, Ordering::Release);
}

/// Calls `visit` with the descriptor of each database. Must be called between [`enter`] and [`leave`].
pub(super) fn each(visit: impl Fn(c_int)) {
    // SAFETY: the caller saw to it that nobody else has it.
    for database in unsafe { &*DATABASES.0.get() } {
        visit(database.fd);
    }
}

/// Takes, releases or asks for a lock on the database that `fd` is open on.
pub(super) fn apply(fd: c_int, command: c_int, lock: &mut flock) -> c_int {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: filled in where it returns 0.
    let status = unsafe {
        if libc::fstat(fd, status.as_mut_ptr()) != 0 {
            return -1;
        }
        status.assume_init()
    };
    enter();
    // SAFETY: nobody else has it between `enter` and `leave`.
    let databases = unsafe { &mut *DATABASES.0.get() };
    let file = (status.st_dev, status.st_ino);
    let outcome = apply_to(databases, file, fd, command, lock);
    leave();
    outcome
}

fn apply_to(
    databases: &mut Vec<Database>,
    (device, inode): (u64, u64),
    fd: c_int,
    command: c_int,
    lock: &mut flock,
) -> c_int {
    let releases = command == libc::F_OFD_SETLK && is(lock.l_type, libc::F_UNLCK);
    let releases_all = releases && lock.l_start == 0 && lock.l_len == 0;
    let pid = std::process::id();
    let found = databases
        .iter()
        .position(|database| (database.device, database.inode) == (device, inode));
    let position = match found {
        Some(position) if databases[position].pid == pid => position,
        // Inherited. The parent's locks stay: the child closes what it inherited, and has none.
        Some(position) if releases => {
            if releases_all {
                fork::close(databases.swap_remove(position).fd);
            }
            return 0;
        }
        // Taken before these locks were installed.
        None if releases => return call(fd, libc::F_SETLK, lock),
        _ if command == libc::F_OFD_GETLK => return call(fd, command, lock),
        inherited => {
            if let Some(position) = inherited {
                fork::close(databases.swap_remove(position).fd);
            }
            let Some(own) = fork::described(fd) else {
                return refuse();
            };
            databases.push(Database {
                device,
                inode,
                pid,
                fd: own,
            });
            databases.len() - 1
        }
    };
    let outcome = call(databases[position].fd, command, lock);
    if releases_all {
        fork::close(databases.swap_remove(position).fd);
    }
    outcome
}
