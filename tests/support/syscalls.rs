//! The system calls that SQLite makes in this process, seen and spoiled: by `xSetSystemCall` those that it
//! makes through its table, by the linker `fsync` and `fdatasync`, which std and the engine use as well.
#![allow(
    unsafe_code,
    dead_code,
    reason = "SQLite's hooks; every test program uses a part of it"
)]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use nix::{errno::Errno, libc};
use rusqlite::ffi;

/// A call, before it is made.
#[derive(Debug)]
pub struct Call<'a> {
    /// Such as `write`.
    pub name: &'static str,
    pub change: Change<'a>,
}

/// What the call does to a file, where it does.
#[derive(Debug)]
pub enum Change<'a> {
    Write(c_int, i64, &'a [u8]),
    Truncate(c_int, i64),
    Sync(c_int),
    Unlink(PathBuf),
    None,
}

/// What becomes of a call instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing is done.
    Fails(Errno),
    /// Half of it is done, and the caller told so.
    Short,
}

/// Who is asked about every call while it is watched.
pub trait Observer: Send {
    fn before(&mut self, call: &Call<'_>) -> Option<Fault>;
}

static OBSERVER: Mutex<Option<Box<dyn Observer>>> = Mutex::new(None);

fn observer() -> MutexGuard<'static, Option<Box<dyn Observer>>> {
    OBSERVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets `observer` see every call until [`leave`]. A process has one at a time.
pub fn watch(observer: impl Observer + 'static) {
    install();
    *self::observer() = Some(Box::new(observer));
}

pub fn leave() {
    *observer() = None;
}

/// A folder in memory, where there is such a file system: thousands of runs need not wait for a disk.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let here = std::env::temp_dir();
    tempfile::tempdir_in(if memory.is_dir() { memory } else { &here }).unwrap()
}

/// The file of a descriptor.
pub fn path_of(fd: c_int) -> Option<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{fd}")).ok()
}

fn fault(name: &'static str, change: Change<'_>) -> Option<Fault> {
    let errno = Errno::last();
    let fault = observer()
        .as_mut()
        .and_then(|observer| observer.before(&Call { name, change }));
    errno.set();
    fault
}

/// A hook that fails or does what its namesake does.
macro_rules! hook {
    ($name:ident($($argument:ident: $type:ty),*) -> $result:ty, $failed:expr, $change:expr) => {
        unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            match fault(stringify!($name), $change) {
                Some(Fault::Fails(errno)) => {
                    errno.set();
                    $failed
                }
                // SAFETY: the arguments are SQLite's own for this very function.
                _ => unsafe { libc::$name($($argument),*) },
            }
        }
    };
}

hook!(open(path: *const c_char, flags: c_int, mode: c_int) -> c_int, -1, Change::None);
hook!(access(path: *const c_char, mode: c_int) -> c_int, -1, Change::None);
hook!(stat(path: *const c_char, into: *mut libc::stat) -> c_int, -1, Change::None);
hook!(fstat(fd: c_int, into: *mut libc::stat) -> c_int, -1, Change::None);
hook!(ftruncate(fd: c_int, length: i64) -> c_int, -1, Change::Truncate(fd, length));
hook!(fchmod(fd: c_int, mode: libc::mode_t) -> c_int, -1, Change::None);
hook!(mmap(
    at: *mut c_void, length: usize, rights: c_int, flags: c_int, fd: c_int, from: i64
) -> *mut c_void, libc::MAP_FAILED, Change::None);
// SAFETY: a path of SQLite's ends with NUL.
hook!(unlink(path: *const c_char) -> c_int, -1, Change::Unlink(unsafe { text(path) }));

/// # Safety
/// `path` ends with NUL.
unsafe fn text(path: *const c_char) -> PathBuf {
    // SAFETY: the caller says so.
    PathBuf::from(unsafe { CStr::from_ptr(path) }.to_string_lossy().as_ref())
}

/// All that SQLite does with it is to lock. An unlock has a name of its own.
unsafe extern "C" fn fcntl(fd: c_int, command: c_int, lock: *mut libc::flock) -> c_int {
    let locks = matches!(command, libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK);
    // SAFETY: these commands come with a lock.
    let unlocks = locks && c_int::from(unsafe { (*lock).l_type }) == libc::F_UNLCK;
    match fault(if unlocks { "unlock" } else { "fcntl" }, Change::None) {
        Some(Fault::Fails(errno)) => {
            errno.set();
            -1
        }
        // SAFETY: the arguments are SQLite's own for this very function.
        _ => unsafe { libc::fcntl(fd, command, lock) },
    }
}

/// Closes whatever it says, as the system does.
unsafe extern "C" fn close(fd: c_int) -> c_int {
    let fault = fault("close", Change::None);
    // SAFETY: SQLite's own descriptor.
    let closed = unsafe { libc::close(fd) };
    match fault {
        Some(Fault::Fails(errno)) => {
            errno.set();
            -1
        }
        _ => closed,
    }
}

/// How many bytes are really moved, or -1.
fn portion(fault: Option<Fault>, length: usize) -> Option<usize> {
    match fault {
        None => Some(length),
        Some(Fault::Short) => Some(length / 2),
        Some(Fault::Fails(errno)) => {
            errno.set();
            None
        }
    }
}

/// A hook that moves bytes.
macro_rules! moving {
    ($name:ident($buffer:ty $(, $place:ident)?), |$fd:ident, $pointer:ident, $length:ident| $change:expr) => {
        unsafe extern "C" fn $name(
            $fd: c_int, $pointer: $buffer, $length: usize $(, $place: i64)?
        ) -> isize {
            match portion(fault(stringify!($name), $change), $length) {
                None => -1,
                // SAFETY: the arguments are SQLite's own, and `length` is no more than it said.
                Some($length) => unsafe { libc::$name($fd, $pointer, $length $(, $place)?) },
            }
        }
    };
}

/// # Safety
/// As for `write`.
unsafe fn bytes<'a>(pointer: *const c_void, length: usize) -> &'a [u8] {
    // SAFETY: the caller says so.
    unsafe { std::slice::from_raw_parts(pointer.cast(), length) }
}

fn place(fd: c_int) -> i64 {
    // SAFETY: moves nothing.
    unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
}

moving!(read(*mut c_void), |fd, into, length| Change::None);
moving!(pread(*mut c_void, at), |fd, into, length| Change::None);
moving!(pread64(*mut c_void, at), |fd, into, length| Change::None);
// SAFETY: what SQLite writes is as long as it says.
moving!(write(*const c_void), |fd, from, length| Change::Write(
    fd,
    place(fd),
    unsafe { bytes(from, length) }
));
moving!(pwrite(*const c_void, at), |fd, from, length| Change::Write(
    fd,
    at,
    unsafe { bytes(from, length) }
));
moving!(pwrite64(*const c_void, at), |fd, from, length| {
    Change::Write(fd, at, unsafe { bytes(from, length) })
});

/// The linker takes these for the C library's.
fn sync(name: &'static str, call: libc::c_long, fd: c_int) -> c_int {
    match fault(name, Change::Sync(fd)) {
        Some(Fault::Fails(errno)) => {
            errno.set();
            -1
        }
        // SAFETY: takes a number.
        _ => unsafe { libc::syscall(call, fd) as c_int },
    }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    sync("fsync", libc::SYS_fsync, fd)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync("fdatasync", libc::SYS_fdatasync, fd)
}

/// Puts the hooks in the place of SQLite's calls. What replaces those later goes on through the hooks.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: before any connection of this process is used by another thread; each function has the
        // type of the one that it stands for, without the untyped part of variadic ones.
        unsafe {
            let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
            let set = (*vfs).xSetSystemCall.unwrap();
            let get = (*vfs).xGetSystemCall.unwrap();
            let hooks: [(&CStr, *const ()); 16] = [
                (c"open", open as *const ()),
                (c"close", close as *const ()),
                (c"access", access as *const ()),
                (c"stat", stat as *const ()),
                (c"fstat", fstat as *const ()),
                (c"ftruncate", ftruncate as *const ()),
                (c"fcntl", fcntl as *const ()),
                (c"read", read as *const ()),
                (c"pread", pread as *const ()),
                (c"pread64", pread64 as *const ()),
                (c"write", write as *const ()),
                (c"pwrite", pwrite as *const ()),
                (c"pwrite64", pwrite64 as *const ()),
                (c"fchmod", fchmod as *const ()),
                (c"unlink", unlink as *const ()),
                (c"mmap", mmap as *const ()),
            ];
            for (name, hook) in hooks {
                // What this build of SQLite does not use has no place in its table.
                if get(vfs, name.as_ptr()).is_some() {
                    let hook: unsafe extern "C" fn() = std::mem::transmute(hook);
                    assert_eq!(set(vfs, name.as_ptr(), Some(hook)), ffi::SQLITE_OK);
                }
            }
        }
    });
}
