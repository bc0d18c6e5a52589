//! For programs that fork while other threads run.
//!
//! A child may go on with the keepers that it inherits, except for a database that another thread was using
//! at that moment: `UNSUPPORTED`. Where a fork can be foreseen, as in Python, whose `os.fork` announces
//! itself, these two functions make that exception go away.

use crate::store::still;

/// To be called right before a fork, by the thread that forks: waits until no other thread is within a
/// registry, which takes a millisecond, and at most five seconds, and keeps all of them out until
/// [`resume`], or for five seconds. The thread that forks may go on using its keepers meanwhile.
///
/// ```
/// portkeeper_core::fork::prepare();
/// // fork
/// portkeeper_core::fork::resume();       // in the parent and in the child, also if there was no fork
/// ```
pub fn prepare() {
    still::before_fork();
}

/// To be called right after it, in the parent and in the child: lets everybody go on.
pub fn resume() {
    still::after_fork();
}
