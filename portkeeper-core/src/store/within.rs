//! What a thread is in the middle of.
//!
//! A watch, and the writer of a dump, are code of the caller that runs within an operation, and so is
//! what stops a wait, where the operation waits with its connection locked. Using the same connection
//! there would wait for itself for ever, and so would a write within a transaction that writes to the
//! same database. Both are noticed here.

use std::{cell::RefCell, sync::Arc};

use super::generation::Generation;
use crate::error::{Error, Result};

thread_local! {
    static ENTERED: RefCell<Entered> = const { RefCell::new(Entered { entries: Vec::new(), later: Vec::new() }) };
}

/// The operations under way on this thread.
struct Entered {
    entries: Vec<Entry>,
    /// What is done when the last of them has ended.
    later: Vec<Box<dyn FnOnce()>>,
}

struct Entry {
    generation: Arc<Generation>,
    writes: bool,
}

/// An operation under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Within(());

impl Within {
    /// Begins an operation, which `writes` or not, unless this thread is in the middle of one that it
    /// would wait for.
    pub(super) fn begin(generation: &Arc<Generation>, writes: bool) -> Result<Self> {
        let begun = with(|entered| {
            if let Some(reason) = entered.forbids(generation, writes) {
                return Err(Error::Unsupported(format!(
                    "{reason} by a callback, such as a watch, in the middle of an operation,"
                )));
            }
            entered.entries.push(Entry {
                generation: Arc::clone(generation),
                writes,
            });
            Ok(())
        });
        begun.unwrap_or(Ok(()))?;
        Ok(Self(()))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let later = with(|entered| {
            entered.entries.pop();
            if entered.entries.is_empty() {
                std::mem::take(&mut entered.later)
            } else {
                Vec::new()
            }
        });
        for job in later.into_iter().flatten() {
            job();
        }
    }
}

/// Does what writes to the database of `generation`: now, or where that is forbidden, as soon as the
/// thread has ended what it is in the middle of.
pub(super) fn soon(generation: &Arc<Generation>, job: impl FnOnce() + 'static) {
    let mut job = Some(job);
    with(|entered| {
        if entered.forbids(generation, true).is_some()
            && let Some(job) = job.take()
        {
            entered.later.push(Box::new(job));
        }
    });
    if let Some(job) = job {
        job();
    }
}

impl Entered {
    /// Why an operation cannot begin now.
    fn forbids(&self, generation: &Arc<Generation>, writes: bool) -> Option<&'static str> {
        self.entries.iter().find_map(|entry| {
            if Arc::ptr_eq(&entry.generation, generation) {
                Some(if generation.is_in_memory() {
                    "a use of a registry in memory"
                } else {
                    "a use of the same keeper"
                })
            } else if writes && entry.writes && entry.generation.is_of(generation) {
                Some("a write to the same registry")
            } else {
                None
            }
        })
    }
}

/// `None` at the end of a thread: what is dropped with its own variables comes after this one, and is in
/// the middle of nothing.
fn with<T>(body: impl FnOnce(&mut Entered) -> T) -> Option<T> {
    let entered =
        ENTERED.try_with(|entered| entered.try_borrow_mut().ok().map(|mut it| body(&mut it)));
    entered.ok().flatten()
}
