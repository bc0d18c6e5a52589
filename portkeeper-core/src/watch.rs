//! Progress of long operations, and a way to stop them.

use std::{fmt, ops::ControlFlow};

use crate::error::{Error, Result};

/// How far a long operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done, such as `backup`.
    pub operation: &'static str,
    /// Units that are done; never fewer than were told before.
    pub done: u64,
    /// All units, as far as they are known; grows when there turn out to be more.
    pub total: u64,
}

/// Follows a long operation, and may stop it.
///
/// The callback may read through the same keeper. A write would wait for the end of an operation that
/// writes itself, and is then `UNSUPPORTED`; of a registry in memory, so is every use. A
/// [`Lease`](crate::Lease) or [`Hold`](crate::Hold) that it drops is given back after the operation. Other
/// threads wait for an operation on a registry in memory as they do for each other, so that a callback
/// must not wait for them.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use portkeeper_core::Watch;
///
/// let watch = Watch::new(|progress| {
///     println!("{} {} of {}", progress.operation, progress.done, progress.total);
///     ControlFlow::Continue(())                 // Break(()) stops it with CANCELLED
/// });
/// # drop(watch);
/// ```
#[derive(Default)]
pub struct Watch<'a> {
    callback: Option<Box<dyn FnMut(Progress) -> ControlFlow<()> + 'a>>,
    /// What was told last.
    told: Option<Progress>,
}

impl<'a> Watch<'a> {
    /// Nobody looks, and the operation runs to its end.
    pub fn none() -> Self {
        Self::default()
    }

    /// Calls `callback` at the beginning, at times meanwhile, and at the end; on the caller's thread.
    pub fn new(callback: impl FnMut(Progress) -> ControlFlow<()> + 'a) -> Self {
        Self {
            callback: Some(Box::new(callback)),
            ..Self::default()
        }
    }

    /// Whether somebody looks.
    pub(crate) fn is_watched(&self) -> bool {
        self.callback.is_some()
    }

    /// Tells how far the operation is; an error when it is to stop.
    pub(crate) fn report(&mut self, operation: &'static str, done: u64, total: u64) -> Result<()> {
        let Some(callback) = &mut self.callback else {
            return Ok(());
        };
        // What is begun anew, or turns out to be more, does not run backwards.
        let told = self.told.filter(|told| told.operation == operation);
        let done = told.map_or(done, |told| done.max(told.done));
        let total = told.map_or(total, |told| total.max(told.total)).max(done);
        let progress = Progress {
            operation,
            done,
            total,
        };
        self.told = Some(progress);
        match callback(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled(operation)),
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = self.callback.is_some();
        f.debug_struct("Watch").field("watched", &watched).finish()
    }
}
