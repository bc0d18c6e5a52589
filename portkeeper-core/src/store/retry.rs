//! Waiting for other writers.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

use rusqlite::ffi;

use super::Failure;
use crate::{error::Error, stop::Stop};

/// The longest nap, in microseconds, at first and at last. Few writers are done within the first one. Where
/// many wait, they would otherwise keep the processors from the one that writes: 64 processes on two
/// processors made 4,200 transactions a second with naps of 1–8 ms, and 5,200 with those of 2–32 ms, where one
/// alone made 9,600. The longest wait rose from 0.4 to 0.9 s.
const FIRST_NAP: u64 = 2_000;
const LONGEST_NAP: u64 = 32_000;

/// How long to wait for other writers, from its creation on.
///
/// SQLite's own busy handler is off: it sleeps ever longer, so that with 64 processes the median one
/// did nothing at all within 5 s, while random short sleeps served every one of them within 1 s.
#[derive(Debug)]
pub(super) struct Patience {
    /// `None` stands for a time that the clock cannot represent.
    deadline: Option<Instant>,
    stop: Stop,
    /// How often it was slept so far.
    naps: Cell<u32>,
}

impl Patience {
    pub(super) fn new(timeout: Duration, stop: Stop) -> Self {
        Self {
            deadline: Instant::now().checked_add(timeout),
            stop,
            naps: Cell::new(0),
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
        let longest = LONGEST_NAP.min(FIRST_NAP << self.naps.get().min(16));
        self.naps.set(self.naps.get() + 1);
        let mut nap = Duration::from_micros(fastrand::u64(longest / 16..=longest));
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
