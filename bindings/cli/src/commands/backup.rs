use std::{io, path::PathBuf};

use clap::Args;
use portkeeper_core::BackupReport;
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Page, Report, text},
    progress,
};

/// Copy the whole registry to a file, while everybody goes on
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman backup ports-backup.db
  portman restore ports-backup.db          the way back

Do not `cp` the registry: a copy of a live one is corrupt more often than not.")]
pub struct Backup {
    /// The file; an earlier backup is replaced
    path: PathBuf,
}

/// The backup.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(BackupReport);

impl Backup {
    /// Writes it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let (keeper, interrupt) = context.interruptible()?;
        let watch = progress::watch(&interrupt);
        Ok(Answer(keeper.backup(self.path, watch)?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let report = &self.0;
        page.line(format!(
            "{} in {}, {}",
            text::count(report.rows, "row"),
            text::clean(&report.path.display().to_string()),
            text::bytes(report.bytes)
        ))
    }
}
