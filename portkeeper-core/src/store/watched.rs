//! One long statement that its caller follows and may stop.
//!
//! SQLite reports progress to a callback that must outlive its caller's stack, which a [`Watch`] does
//! not. So the statement runs on a thread of its own, and the watch is asked on the caller's.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rusqlite::Connection;

use super::Failure;
use crate::{
    error::{Error, Result},
    watch::{Progress, Watch},
};

/// How often the watch is asked.
const INTERVAL: Duration = Duration::from_millis(20);

/// Runs `body`, and tells the watch that the operation is at `progress` meanwhile.
pub(super) fn run<T: Send>(
    connection: &mut Connection,
    watch: &mut Watch<'_>,
    progress: Progress,
    body: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let Progress {
        operation,
        done,
        total,
    } = progress;
    watch.report(operation, done, total)?;
    if !watch.is_watched() {
        return body(connection);
    }
    let interrupt = connection.get_interrupt_handle();
    let (ended, end) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .spawn_scoped(scope, move || {
                // Dropped at the end, also of a panic.
                let _ended = ended;
                body(connection)
            })
            .map_err(|error| Error::Internal(format!("no thread: {error}")))?;
        let mut stopped = None;
        while end.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            if stopped.is_none() {
                stopped = watch.report(operation, done, total).err();
            }
            // Repeated, since it ends only a statement that has begun.
            if stopped.is_some() {
                interrupt.interrupt();
            }
        }
        let outcome = worker
            .join()
            .map_err(|_| Error::Internal(format!("{operation} panicked")))?;
        match stopped {
            Some(stopped) => Err(stopped.into()),
            None => outcome,
        }
    })
}
