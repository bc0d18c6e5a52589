use std::{io, ops::RangeInclusive, process::ExitCode, time::Duration};

use clap::Args;
use portkeeper_core::{Filter, Keeper, Reservation, Status};
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Cell, Column, Page, Report, Table, show, style, text},
    values, watch,
};

/// List the claims
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman list
  portman list --project shop --status in-use
  portman list --tag frontend --json | jq '.data[].number'
  portman list --status free             ports that were given back, and whose they were
  portman list --watch 5s                until Ctrl-C

The status is the one of the last `portman scan`. Where the output is no terminal, nothing is cut, unless \
COLUMNS says how wide it is.")]
pub struct List {
    /// Only this status: reserved, in-use or free
    #[arg(short, long)]
    status: Option<Status>,

    /// Only this project
    #[arg(short, long, visible_alias = "name")]
    project: Option<String>,

    /// Only with this label
    #[arg(short, long)]
    tag: Option<String>,

    /// Only ports of this range, such as 3000-9000
    #[arg(long, value_parser = values::range, allow_hyphen_values = true)]
    range: Option<RangeInclusive<i64>>,

    /// Refresh in place, until Ctrl-C
    #[arg(short, long, value_parser = values::duration, value_name = "TIME", num_args = 0..=1,
        default_missing_value = watch::EVERY)]
    watch: Option<Duration>,
}

/// The claims, by number.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Vec<Reservation>);

impl List {
    /// Lists once, or again and again.
    pub fn run(self, context: &Context) -> ExitCode {
        let json = context.json();
        let keeper = match context.keeper() {
            Ok(keeper) => keeper,
            Err(failure) => return show::<Answer>(json, Err(failure)),
        };
        match self.watch {
            Some(every) => watch::watch(json, every, || self.look(&keeper)),
            None => show(json, self.look(&keeper)),
        }
    }

    fn look(&self, keeper: &Keeper) -> Outcome<Answer> {
        let mut filter = Filter::claims();
        if let Some(status) = self.status {
            filter = filter.status(status);
        }
        if let Some(project) = &self.project {
            filter = filter.project(project);
        }
        if let Some(tag) = &self.tag {
            filter = filter.tag(tag);
        }
        if let Some(range) = &self.range {
            filter = filter.range(range.clone());
        }
        Ok(Answer(keeper.list(filter)?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new([
            Column::new("PORT").number(),
            Column::new("STATUS"),
            Column::new("PROJECT").cut_to(10),
            Column::new("ROLE").cut_to(4).rank(3),
            Column::new("PROCESS").cut_to(8).rank(2),
            Column::new("SINCE").rank(5),
            Column::new("TAGS").cut_to(6).rank(6),
            Column::new("DESCRIPTION").cut_to(10).rank(4),
        ]);
        for row in &self.0 {
            let process = match (&row.process_name, row.pid) {
                (Some(name), Some(pid)) => format!("{name} {pid}"),
                (None, Some(pid)) => pid.to_string(),
                _ => String::new(),
            };
            let look = match row.status {
                Status::Free => style::DIM,
                Status::Reserved => style::CLAIMED,
                Status::InUse => style::BUSY,
            };
            table.row([
                Cell::styled(row.number.to_string(), style::STRONG),
                Cell::styled(text::status(row.status), look),
                Cell::new(&row.project_name),
                Cell::maybe(row.role()),
                Cell::new(process),
                Cell::styled(text::when(row.reserved_at), style::DIM),
                Cell::new(row.tags.join(" ")),
                Cell::maybe(row.description.as_deref()),
            ]);
        }
        if self.0.is_empty() {
            return page.line("no port is claimed");
        }
        table.show(page)
    }
}
