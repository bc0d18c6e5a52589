use std::{io, path::PathBuf};

use clap::Args;
use portkeeper_core::RestoreReport;
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Page, Report, style, text},
    progress,
};

/// Make the claims those of a backup or a dump
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman restore ports-backup.db
  portman restore ports.sql

The state before is written to a backup beside the registry first; restore that to undo. No history is \
lost. All of it is restored, or nothing.")]
pub struct Restore {
    /// The backup or dump
    path: PathBuf,
}

/// What it did.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(RestoreReport);

impl Restore {
    /// Restores it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let (keeper, interrupt) = context.interruptible()?;
        let watch = progress::watch(&interrupt);
        Ok(Answer(keeper.restore(self.path, watch)?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let report = &self.0;
        page.line(format!(
            "{} restored, {} released",
            text::count(report.restored, "claim"),
            report.released
        ))?;
        if let Some(path) = &report.safety_backup {
            let dim = style::DIM;
            let path = text::clean(&path.display().to_string()).into_owned();
            page.line(format!("{dim}to undo: portman restore {path}{dim:#}"))?;
        }
        Ok(())
    }
}
