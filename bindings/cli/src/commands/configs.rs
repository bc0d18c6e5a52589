use std::io;

use clap::{Args, Subcommand};
use portkeeper_core::{Configuration, SavedDocument};
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Cell, Column, Page, Report, Table, style, text},
};

/// List the exports and imports that were kept, show or remove one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman configs
  portman configs show 7 > before.json
  portman configs remove 7
  portman import --config 7")]
pub struct Configs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the document
    Show {
        /// Which one
        id: i64,
    },
    /// Remove it from the list; claims stay
    Remove {
        /// Which one
        id: i64,
    },
}

/// The list, one of them, or which was removed.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    All(Vec<Configuration>),
    One(Box<SavedDocument>),
    Removed {
        /// The id it had.
        removed: i64,
    },
}

impl Configs {
    /// Does it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let keeper = context.keeper()?;
        Ok(match self.action {
            None => Answer::All(keeper.configurations()?),
            Some(Action::Show { id }) => Answer::One(Box::new(keeper.configuration(id)?)),
            Some(Action::Remove { id }) => {
                keeper.remove_configuration(id)?;
                Answer::Removed { removed: id }
            }
        })
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match self {
            Self::All(all) if all.is_empty() => page.line("nothing was exported or imported"),
            Self::All(all) => {
                let mut table = Table::new([
                    Column::new("ID").number(),
                    Column::new("NAME").cut_to(8),
                    Column::new("WHEN"),
                    Column::new("WHAT").cut_to(10).rank(1),
                    Column::new("BY").cut_to(8).rank(2),
                ]);
                for one in all {
                    table.row([
                        Cell::styled(one.id.to_string(), style::STRONG),
                        Cell::new(&one.name),
                        Cell::styled(text::when(one.created_at), style::DIM),
                        Cell::maybe(one.description.as_deref()),
                        Cell::styled(one.created_by.as_deref().unwrap_or(""), style::DIM),
                    ]);
                }
                table.show(page)
            }
            Self::One(saved) => {
                let text = saved.document.to_json().map_err(io::Error::other)?;
                page.line(text.trim_end())
            }
            Self::Removed { removed } => page.line(format!("configuration {removed} removed")),
        }
    }
}
