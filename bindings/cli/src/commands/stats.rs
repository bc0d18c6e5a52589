use std::io;

use clap::Args;
use portkeeper_core::Stats as Sizes;
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Cell, Column, Page, Report, Table, style, text},
};

/// Show how large the registry is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman stats
  portman stats --json | jq .data.rows.port_history")]
pub struct Stats {}

/// The sizes.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Sizes);

impl Stats {
    /// Measures it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let Self {} = self;
        Ok(Answer(context.keeper()?.stats()?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let stats = &self.0;
        let (strong, path) = (style::STRONG, stats.path.display().to_string());
        page.line(format!("{strong}{}{strong:#}", text::clean(&path)))?;
        page.line(format!(
            "{} and {} of log, {} of {}, {} free, schema {}",
            text::bytes(stats.bytes),
            text::bytes(stats.wal_bytes),
            text::count(stats.pages, "page"),
            text::bytes(stats.page_size),
            stats.free_pages,
            stats.schema_version
        ))?;
        let mut table = Table::new([Column::new("TABLE").cut_to(6), Column::new("ROWS").number()]);
        for (name, rows) in &stats.rows {
            table.row([Cell::new(name), Cell::new(rows.to_string())]);
        }
        table.show(page)
    }
}
