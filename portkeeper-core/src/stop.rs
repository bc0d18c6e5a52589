//! A question that waiting operations ask: whether to go on.

use std::{fmt, sync::Arc};

use crate::error::{Error, Result};

/// Asked between two naps; by default nobody ever stops anything.
#[derive(Clone, Default)]
pub(crate) struct Stop(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Stop {
    pub(crate) fn new(asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(asked)))
    }

    /// `CANCELLED` when `operation` is to end now.
    pub(crate) fn check(&self, operation: &'static str) -> Result<()> {
        match &self.0 {
            Some(asked) if asked() => Err(Error::Cancelled(operation)),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.0.is_some()).finish()
    }
}
