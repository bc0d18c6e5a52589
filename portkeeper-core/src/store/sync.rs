//! What threads and processes share, named in one place: `tests/shared_memory.rs` puts in its place what runs
//! under a scheduler that tries the orders of events.

pub(super) use std::{
    process::id as process_id,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
};

/// A lock around something that the whole process shares.
pub(super) type Global<T> = Mutex<T>;
