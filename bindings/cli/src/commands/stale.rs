use std::io;

use chrono::TimeDelta;
use clap::Args;
use portkeeper_core::{Keeper, StaleReservation};
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Cell, Column, Page, Report, Table, style, text},
    values,
};

/// List claims that are old and not in use
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman stale
  portman stale --older-than 90d
  portman stale --json | jq -r '.data[].number' | xargs -r portman release")]
pub struct Stale {
    /// Claims that were made longer ago than this [default: 30d]
    #[arg(long, value_parser = values::age, value_name = "AGE", visible_alias = "days")]
    older_than: Option<TimeDelta>,
}

/// The claims, the oldest first.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Vec<StaleReservation>);

impl Stale {
    /// Reads them.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let age = self.older_than.unwrap_or(Keeper::STALE_AFTER);
        Ok(Answer(context.keeper()?.stale(age)?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.0.is_empty() {
            return page.line("no claim is stale");
        }
        let mut table = Table::new([
            Column::new("PORT").number(),
            Column::new("PROJECT").cut_to(10),
            Column::new("DAYS").number(),
            Column::new("SINCE").rank(2),
            Column::new("DESCRIPTION").cut_to(10).rank(1),
        ]);
        for stale in &self.0 {
            let claim = &stale.reservation;
            table.row([
                Cell::styled(claim.number.to_string(), style::STRONG),
                Cell::new(&claim.project_name),
                Cell::new(format!("{:.0}", stale.days_old)),
                Cell::styled(text::when(claim.reserved_at), style::DIM),
                Cell::maybe(claim.description.as_deref()),
            ]);
        }
        table.show(page)
    }
}
