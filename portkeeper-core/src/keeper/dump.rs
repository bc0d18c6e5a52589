//! The registry as text.

use std::io::Write;

use crate::{error::Result, keeper::Keeper, store::dump, watch::Watch};

impl Keeper {
    /// Writes the registry as SQL text of one moment, while every process goes on writing.
    ///
    /// `sqlite3 new.db < dump.sql` builds the same registry from it, and [`restore`](Self::restore)
    /// reads it. Unlike the text of `sqlite3`'s own `.dump` it keeps the version in the header. Tables
    /// of other programs in the same file are left out; a [`backup`](Self::backup) has them too.
    ///
    /// Its last line but one is a checksum of the text, and [`restore`](Self::restore) refuses a text that
    /// was changed. To restore one that was edited on purpose, take the line `-- sha256 …` out. A text of
    /// more than 1 GiB, several million entries, is for `sqlite3` alone.
    ///
    /// A dump that is stopped or fails has no `COMMIT`, and reading it back gives nothing.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let mut text = Vec::new();
    /// keeper.dump(&mut text, portkeeper_core::Watch::none())?;
    /// assert!(text.ends_with(b"COMMIT;\n"));
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn dump(&self, writer: &mut dyn Write, mut watch: Watch<'_>) -> Result<()> {
        dump::write(&self.store, writer, &mut watch)
    }
}
