//! What a thread is in the middle of.
//!
//! A watch, and the writer of a dump, are code of the caller that runs within an operation. Using the
//! same connection there would wait for itself for ever, and so would a write within a transaction that
//! writes to the same database. Both are noticed here.

use std::{cell::RefCell, sync::Arc};

use super::generation::Generation;
use crate::error::{Error, Result};

thread_local! {
    static ENTERED: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
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
        ENTERED.with_borrow_mut(|entered| {
            for entry in &*entered {
                if Arc::ptr_eq(&entry.generation, generation) {
                    return Err(refused("a use of a registry in memory"));
                }
                if writes && entry.writes && entry.generation.is_of(generation) {
                    return Err(refused("a write to the same registry"));
                }
            }
            entered.push(Entry {
                generation: Arc::clone(generation),
                writes,
            });
            Ok(Self(()))
        })
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        ENTERED.with_borrow_mut(Vec::pop);
    }
}

fn refused(what: &str) -> Error {
    Error::Unsupported(format!("{what} by a watch, in the middle of an operation,"))
}
