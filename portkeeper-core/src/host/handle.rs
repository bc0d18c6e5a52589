use std::{fmt, time::Instant};

use crate::error::Result;

/// A hold on one process.
///
/// Pids come back: between looking up a pid and signalling it the process may have ended and another
/// may have got its number. A handle stands for the process it was taken on, and a signal sent
/// through it reaches that process or nobody.
///
/// ```
/// # #[cfg(unix)] {
/// use std::{process::Command, time::{Duration, Instant}};
///
/// use portkeeper_core::host::{Host, Signal, System};
///
/// let mut child = Command::new("sleep").arg("60").spawn()?;
/// let process = System.handle(child.id())?.ok_or("it runs")?;
/// assert!(process.signal(Signal::Term)?);
/// assert!(process.wait(Instant::now() + Duration::from_secs(5))?);
/// child.wait()?;
/// assert!(!process.signal(Signal::Kill)?);          // it has ended: nobody gets the signal
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ProcessHandle: fmt::Debug + Send {
    /// Its pid.
    fn pid(&self) -> u32;

    /// What it is; `None` when it has ended.
    fn nature(&self) -> Result<Option<Nature>>;

    /// Sends a signal; `false` when it had ended before.
    ///
    /// Fails with `PERMISSION_DENIED` where the caller may not signal it.
    fn signal(&self, signal: Signal) -> Result<bool>;

    /// Waits until it has ended, at the latest until `deadline`; whether it has.
    fn wait(&self, deadline: Instant) -> Result<bool>;

    /// Whether it has ended. A process that only waits for its parent to notice has.
    fn has_ended(&self) -> Result<bool> {
        self.wait(Instant::now())
    }
}

/// What decides whether a process may be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nature {
    /// Whether it is a part of the operating system's kernel.
    pub kernel: bool,
    /// Whether it lives in the caller's own pid namespace; `None` where that cannot be told.
    pub same_namespace: Option<bool>,
    /// Whether the caller may signal it.
    pub may_signal: bool,
}

/// How to ask a process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// `SIGTERM`: the process may clean up first, or refuse.
    Term,
    /// `SIGKILL`: it ends.
    Kill,
}
