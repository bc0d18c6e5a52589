use std::io;

use chrono::TimeDelta;
use clap::Args;
use portkeeper_core::{PruneReport, PruneRequest};
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Page, Report},
    progress, values,
};

/// Remove old history and old results of scans
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman prune                            what is older than a year, and scans of a week
  portman prune --history 90d --scans 1d
  portman prune && portman compact         gives the space back

What is known of the time that is kept stays right.")]
pub struct Prune {
    /// History that is older than this [default: 365d]
    #[arg(long, value_parser = values::age, value_name = "AGE")]
    history: Option<TimeDelta>,

    /// Results of scans that are older than this [default: 7d]
    #[arg(long, value_parser = values::age, value_name = "AGE")]
    scans: Option<TimeDelta>,
}

/// What was removed.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(PruneReport);

impl Prune {
    /// Removes it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let (keeper, interrupt) = context.interruptible()?;
        let request = PruneRequest::new()
            .history_older_than(self.history.unwrap_or(PruneRequest::HISTORY_KEPT))
            .scans_older_than(self.scans.unwrap_or(PruneRequest::SCANS_KEPT));
        let watch = progress::watch(&interrupt);
        Ok(Answer(keeper.prune(request, watch)?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let PruneReport { history, scans } = self.0;
        page.line(format!(
            "{history} entries of the history and {scans} rows of scans removed"
        ))
    }
}
