use std::io;

use clap::Args;
use portkeeper_core::CompactReport;
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Page, Report, text},
    progress,
};

/// Write the registry anew, without gaps
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman compact
  portman prune --history 90d && portman compact

Others read meanwhile, and wait with their writes.")]
pub struct Compact {}

/// What it gained.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(CompactReport);

impl Compact {
    /// Compacts it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let Self {} = self;
        let (keeper, interrupt) = context.interruptible()?;
        let watch = progress::watch(&interrupt);
        Ok(Answer(keeper.compact(watch)?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let CompactReport {
            bytes_before,
            bytes_after,
        } = self.0;
        let (before, after) = (text::bytes(bytes_before), text::bytes(bytes_after));
        page.line(format!("{after}, {before} before"))
    }
}
