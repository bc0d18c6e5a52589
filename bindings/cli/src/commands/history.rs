use std::io;

use chrono::{DateTime, Utc};
use clap::Args;
use portkeeper_core::{Action, HistoryEntry, HistoryQuery, Holder};
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Cell, Column, Page, Report, Table, style, text},
    values,
};

/// Tell what happened to ports, or who had one at a moment
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman history 3000
  portman history --project shop --since 2d
  portman history --action killed --limit 10
  portman history 3000 --at '2026-11-23 14:02'       who had it then

Times are RFC 3339, `2026-11-23 14:02` of your clock, `14:02` today, or an age such as 2h.")]
pub struct History {
    /// Only this port
    #[arg(allow_negative_numbers = true)]
    port: Option<i64>,

    /// Only this project
    #[arg(short, long, visible_alias = "name")]
    project: Option<String>,

    /// Only this kind: reserved, released, in-use or killed
    #[arg(short, long)]
    action: Option<Action>,

    /// Only from this time on
    #[arg(long, value_parser = values::moment, value_name = "TIME")]
    since: Option<DateTime<Utc>>,

    /// Only until this time
    #[arg(long, value_parser = values::moment, value_name = "TIME")]
    until: Option<DateTime<Utc>>,

    /// Who had the port at this time
    #[arg(long, value_parser = values::moment, value_name = "TIME", requires = "port",
        conflicts_with_all = ["project", "action", "since", "until", "limit"])]
    at: Option<DateTime<Utc>>,

    /// At most this many entries, the newest
    #[arg(short, long, default_value_t = 20)]
    limit: u32,
}

/// The entries, newest first, or the holder.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Entries(Vec<HistoryEntry>),
    Holder(Option<Box<Holder>>),
}

impl History {
    /// Reads the history.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let keeper = context.keeper()?;
        if let (Some(time), Some(port)) = (self.at, self.port) {
            let holder = keeper.holder_at(port, time)?;
            return Ok(Answer::Holder(holder.map(Box::new)));
        }
        let mut query = self
            .port
            .map_or_else(HistoryQuery::all, HistoryQuery::port)
            .limit(self.limit);
        if let Some(project) = self.project {
            query = query.project(project);
        }
        if let Some(action) = self.action {
            query = query.action(action);
        }
        if let Some(since) = self.since {
            query = query.since(since);
        }
        if let Some(until) = self.until {
            query = query.until(until);
        }
        Ok(Answer::Entries(keeper.history(query)?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match self {
            Self::Entries(entries) if entries.is_empty() => page.line("nothing happened"),
            Self::Entries(entries) => table(entries, page),
            Self::Holder(None) => page.line("nobody had it"),
            Self::Holder(Some(holder)) => page.line(format!(
                "{}  {} for {} since {}",
                holder.port,
                text::status(holder.status),
                text::clean(&holder.project_name),
                text::exactly(holder.entry.performed_at)
            )),
        }
    }
}

fn table(entries: &[HistoryEntry], page: &mut Page<'_>) -> io::Result<()> {
    let mut table = Table::new([
        Column::new("WHEN"),
        Column::new("PORT").number(),
        Column::new("ACTION"),
        Column::new("PROJECT").cut_to(8),
        Column::new("WHY").cut_to(8).rank(1),
        Column::new("BY").cut_to(8).rank(2),
    ]);
    for entry in entries {
        let reason = entry
            .details
            .get("reason")
            .and_then(serde_json::Value::as_str);
        let process = entry
            .details
            .get("processName")
            .and_then(serde_json::Value::as_str);
        let why = match (reason, process) {
            (Some(reason), Some(process)) => format!("{reason}: {process}"),
            (Some(reason), None) => reason.to_owned(),
            _ => String::new(),
        };
        table.row([
            Cell::styled(text::exactly(entry.performed_at), style::DIM),
            Cell::styled(entry.port.to_string(), style::STRONG),
            Cell::new(match entry.action {
                Action::InUse => "in use",
                other => other.as_str(),
            }),
            Cell::maybe(entry.project_name.as_deref()),
            Cell::new(why),
            Cell::styled(entry.performed_by.as_deref().unwrap_or(""), style::DIM),
        ]);
    }
    table.show(page)
}
