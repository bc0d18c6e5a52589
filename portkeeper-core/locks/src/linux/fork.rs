//! A forked child gets descriptions of its own.

use std::{
    io::Write,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use libc::c_int;

use super::shared;

/// The descriptors through which locks are taken, until they are closed.
pub(super) static OPEN: Descriptors = Descriptors {
    words: [const { AtomicU64::new(0) }; WORDS],
    used: AtomicUsize::new(0),
};

/// For 1,048,576 descriptors, the most that Linux lets a process have unless it is told otherwise. The pages
/// of this memory that nobody touches do not exist.
const WORDS: usize = 1 << 14;

/// A set that can be read between `fork` and `exec`, where nothing may be allocated or waited for.
pub(super) struct Descriptors {
    words: [AtomicU64; WORDS],
    /// No word from here on was ever changed.
    used: AtomicUsize,
}

impl Descriptors {
    /// `false` for a number that is beyond the limit.
    pub(super) fn insert(&self, fd: c_int) -> bool {
        let Some((index, bit)) = place(fd) else {
            return false;
        };
        if self.words[index].load(Ordering::Relaxed) & bit == 0 {
            self.used.fetch_max(index + 1, Ordering::Relaxed);
            self.words[index].fetch_or(bit, Ordering::Relaxed);
        }
        true
    }

    fn remove(&self, fd: c_int) {
        if let Some((index, bit)) = place(fd)
            && self.words[index].load(Ordering::Relaxed) & bit != 0
        {
            self.words[index].fetch_and(!bit, Ordering::Relaxed);
        }
    }

    fn each(&self, mut visit: impl FnMut(c_int)) {
        let used = self.used.load(Ordering::Relaxed).min(WORDS);
        for (index, word) in self.words[..used].iter().enumerate() {
            let mut bits = word.load(Ordering::Relaxed);
            while bits != 0 {
                let fd = index * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if let Ok(fd) = c_int::try_from(fd) {
                    visit(fd);
                }
            }
        }
    }
}

fn place(fd: c_int) -> Option<(usize, u64)> {
    let fd = usize::try_from(fd).ok()?;
    (fd / 64 < WORDS).then_some((fd / 64, 1 << (fd % 64)))
}

/// Closes a descriptor. Must be called between [`enter`](shared::enter) and [`leave`](shared::leave): a child
/// that is forked in the middle would keep it, and not know that.
pub(super) fn close(fd: c_int) -> c_int {
    OPEN.remove(fd);
    // SAFETY: SQLite's own descriptor, or one that was opened here.
    unsafe { libc::close(fd) }
}

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
    OPEN.each(replace);
    shared::leave();
}

/// Puts a new description of the same file in the place of the one that is shared with the parent. What
/// cannot be opened anew stays as it is.
fn replace(fd: c_int) {
    // SAFETY: `dup3` makes `fd` lead to the new description; both calls are allowed here.
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

/// A second description of the file that `fd` is open on, also of one that has no name any more.
pub(super) fn opened_anew(fd: c_int, mode: c_int) -> Option<c_int> {
    let mut path = [0_u8; 32];
    // Formatting a number into a buffer allocates nothing. The last byte stays 0.
    write!(&mut path[..31], "/proc/self/fd/{fd}").ok()?;
    // SAFETY: the path ends with a 0.
    let new = unsafe { libc::open(path.as_ptr().cast(), mode | libc::O_CLOEXEC) };
    (new >= 0).then_some(new)
}
