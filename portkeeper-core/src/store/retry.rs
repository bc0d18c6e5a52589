//! Waiting for other writers.

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::ffi;

use super::Failure;
use crate::{error::Error, stop::Stop};

/// How long to wait for other writers, from its creation on.
///
/// SQLite's own busy handler is off: it sleeps ever longer, so that with 64 processes the median one
/// did nothing at all within 5 s, while random short sleeps served every one of them within 1 s.
#[derive(Debug)]
pub(super) struct Patience {
    /// `None` stands for a time that the clock cannot represent.
    deadline: Option<Instant>,
    stop: Stop,
}

impl Patience {
    pub(super) fn new(timeout: Duration, stop: Stop) -> Self {
        Self {
            deadline: Instant::now().checked_add(timeout),
            stop,
        }
    }

    /// Calls `operation` until it is not busy, until the deadline, or until it is to stop.
    pub(super) fn retry<T>(
        &self,
        mut operation: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        loop {
            match operation() {
                Err(Failure::Sqlite(error)) if is_busy(&error) => {
                    if !self.pause()? {
                        return Err(error.into());
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// Sleeps a little; `false` when the time is up, `CANCELLED` when the caller wants no more.
    pub(super) fn pause(&self) -> Result<bool, Error> {
        self.stop.check("waiting for other writers")?;
        let mut nap = Duration::from_micros(fastrand::u64(100..=4_000));
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            nap = nap.min(left);
        }
        thread::sleep(nap);
        Ok(true)
    }
}

/// Whether the same transaction may succeed later, unchanged.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        matches!(
            error.extended_code,
            ffi::SQLITE_BUSY
                | ffi::SQLITE_BUSY_RECOVERY
                | ffi::SQLITE_BUSY_SNAPSHOT
                | ffi::SQLITE_PROTOCOL
        )
    })
}
