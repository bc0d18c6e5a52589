//! Copies of the registry, and the way back.

use std::path::Path;

use crate::{error::Result, keeper::Keeper, model::BackupReport, store::backup, watch::Watch};

impl Keeper {
    /// Writes a whole copy of the registry to the file `path`, while every process goes on writing.
    ///
    /// **Do not copy the file yourself.** The newest changes are in a log beside it, and a copy that is
    /// made while a process writes holds pages of different moments: of 40 copies that `cp` made of a
    /// live registry, 37 were corrupt, and copying one back over a live registry damages that too. This
    /// copy is of one moment, is checked page by page before it gets its name, is readable by the
    /// user alone, and is a single file. [`restore`](Self::restore) brings it back, whatever its size.
    ///
    /// It ends with a checksum of itself, after the last page, where SQLite does not read: a restore
    /// brings it back as it was written, or refuses it. Once a program opens the file as a database and
    /// writes to it, it is a database like any other, and the checksum says nothing any more.
    ///
    /// An earlier backup at `path` is replaced, at once and as a whole. Anything else there stays as it
    /// is, and so does the registry itself: `INVALID_INPUT`. A backup that is stopped or fails leaves
    /// what was there. A process that is killed meanwhile may leave a file `.NAME.….tmp` behind; the next
    /// backup of that name removes it once it is a minute old, if no living process has it locked (Linux,
    /// on a disk of its own, not of another machine).
    ///
    /// ```
    /// use portkeeper_core::{Keeper, ReserveRequest, Watch};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let (registry, backup) = (folder.path().join("database.db"), folder.path().join("backup.db"));
    /// let keeper = Keeper::open_at(&registry)?;
    /// keeper.reserve(3000, ReserveRequest::new("my-app"))?;
    ///
    /// let report = keeper.backup(&backup, Watch::none())?;
    /// println!("{} bytes in {}", report.bytes, report.path.display());
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn backup(&self, path: impl AsRef<Path>, mut watch: Watch<'_>) -> Result<BackupReport> {
        backup::write(&self.store, path.as_ref(), &mut watch)
    }
}
