use std::io;

use clap::Args;
use portkeeper_core::Summary as Counts;
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Page, Report},
};

/// Count the ports by status
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman summary
  portman summary --json | jq .data.reserved_count

Free are ports that were given back; their history stays.")]
pub struct Summary {}

/// The counts.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Counts);

impl Summary {
    /// Counts them.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let Self {} = self;
        Ok(Answer(context.keeper()?.summary()?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Counts {
            reserved,
            in_use,
            free,
            total,
        } = self.0;
        page.line(format!(
            "{reserved} reserved, {in_use} in use, {free} free again; {total} known"
        ))
    }
}
