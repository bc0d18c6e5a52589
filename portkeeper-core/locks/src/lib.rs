//! Locks of SQLite that no other code in the process can cancel.
//!
//! SQLite locks with `fcntl(F_SETLK)`. Such a lock belongs to the process, and closing *any* descriptor of
//! the file drops it: a plain `open` and `close`, or another copy of SQLite in the process (Python's
//! `sqlite3`, Node's better-sqlite3) that looks at the same database. Then another process writes in
//! the middle of a transaction, or removes the log that this one goes on writing to. `tests/locks.rs` shows
//! both, with figures.
//!
//! On Linux a lock may belong to an open file description instead (`F_OFD_SETLK`, `fcntl(2)`), and end with
//! that alone. [`install`] makes the copy of SQLite that this program is linked with use those. They
//! conflict with the other kind, so that programs with and without them keep out of each other's way.
//!
//! Three things have to be added to the plain exchange of one command for the other:
//!
//! - SQLite takes the lock of a database through one descriptor and releases it through another of the same
//!   process. All of them are therefore taken through one description, see `linux::shared`.
//! - A forked child shares its parent's descriptions: it would keep the locks of a parent that was killed, and
//!   release those of one that lives. So it gets descriptions of its own, without locks, before `fork`
//!   returns. That needs `/proc`; without it the child does not release, and keeps until it ends.
//! - What is executed gets none of them: SQLite's descriptors are `O_CLOEXEC`, and so is the one added.
//!
//! One more call is replaced: SQLite reports a disk that fails to read (`EIO`) as damaged content
//! (`SQLITE_CORRUPT`), which is advice to restore a backup. It is an error of input and output then.
//!
//! All of it holds for every database that this copy of SQLite opens, of other libraries of the program too. The
//! environment variable `PORTKEEPER_LOCKS=posix` leaves SQLite as it is.

#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod linux;

/// Which locks SQLite takes in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// Those of open file descriptions; other code in the process cannot cancel them.
    Description,
    /// Those of the process; closing any descriptor of a file drops them.
    Process,
}

/// Lets SQLite use locks of open file descriptions from now on, where the platform has them, and tells
/// which it uses. Cheap after the first call. The first must precede the first database that is opened.
pub fn install() -> Locks {
    use std::sync::OnceLock;
    static INSTALLED: OnceLock<Locks> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let unwanted = std::env::var_os("PORTKEEPER_LOCKS").is_some_and(|kind| kind == "posix");
        if !unwanted && replaced() {
            Locks::Description
        } else {
            Locks::Process
        }
    })
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn replaced() -> bool {
    linux::install()
}

/// Elsewhere there are no such locks, or a function with a variable number of arguments, which `fcntl` is,
/// cannot be replaced by one that has three.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn replaced() -> bool {
    false
}
