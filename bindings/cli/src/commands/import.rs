use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use portkeeper_core::{Document, ImportMode, ImportOutcome, ImportReport, ImportRequest};
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::{Cell, Column, Page, Report, Table, style, text},
    progress,
};

/// Take the claims of a document into the registry
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman import full-backup.json --dry-run     what would change, port by port
  portman import full-backup.json               adds and alters, takes nothing away (--merge)
  portman import full-backup.json --replace     the claims are those of the document
  portman import --predecessor ~/.portmanager/ports.db
  portman import --config 7                     an earlier export; see `portman configs`

All of it is taken, or nothing. Another project's port is a conflict, which refuses a merge unless it is \
told to skip it.")]
pub struct Import {
    /// The file; without one, or for -, the input
    #[arg(conflicts_with_all = ["predecessor", "config"])]
    file: Option<PathBuf>,

    /// Add and alter, take nothing away [the default]
    #[arg(long, group = "mode")]
    merge: bool,

    /// End the claims that the document does not have
    #[arg(long, group = "mode")]
    replace: bool,

    /// Change nothing, and show what would
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Only claims of this project
    #[arg(short, long)]
    project: Option<String>,

    /// Leave ports of other projects out, instead of refusing
    #[arg(long)]
    skip_conflicts: bool,

    /// What the kept copy is called [default: import]
    #[arg(long)]
    name: Option<String>,

    /// From the database of Port Keeper's predecessor
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    predecessor: Option<PathBuf>,

    /// From an earlier export or import
    #[arg(long, value_name = "ID")]
    config: Option<i64>,
}

/// What happened to each port.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(ImportReport);

impl Import {
    /// Imports it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let source = match (self.config, self.predecessor) {
            (Some(id), _) => ImportRequest::configuration(id),
            (None, Some(path)) => ImportRequest::predecessor(path),
            (None, None) => ImportRequest::json(read(self.file.as_deref())?),
        };
        let mode = if self.replace {
            ImportMode::Replace
        } else {
            ImportMode::Merge
        };
        let mut request = source
            .mode(mode)
            .dry_run(self.dry_run)
            .skip_conflicts(self.skip_conflicts);
        if let Some(project) = self.project {
            request = request.project(project);
        }
        if let Some(name) = self.name {
            request = request.name(name);
        }
        // Only from here on: the input may never come, and is left with Ctrl-C.
        let (keeper, interrupt) = context.interruptible()?;
        Ok(Answer(keeper.import(request, progress::watch(&interrupt))?))
    }
}

/// The text of a document, which may be too long for one but not for the memory.
fn read(file: Option<&Path>) -> Outcome<String> {
    let most = Document::MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let path = file.filter(|file| file.as_os_str() != "-");
    let done = match path {
        Some(path) => fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
        None => io::stdin().lock().take(most).read_to_end(&mut bytes),
    };
    let path = path.unwrap_or(Path::new("standard input"));
    done.map_err(|error| Failure::file(path, error))?;
    String::from_utf8(bytes).map_err(|_| {
        let name = path.display();
        Failure::invalid(format!("{name} is no UTF-8 text"))
    })
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let report = &self.0;
        let mut table = Table::new([
            Column::new("PORT").number(),
            Column::new("PROJECT").cut_to(8),
            Column::new("OUTCOME"),
            Column::new("CHANGED").cut_to(7).rank(2),
            Column::new("OTHER PROJECT").cut_to(8).rank(1),
        ]);
        let changed = |outcome| outcome != ImportOutcome::Unchanged;
        for port in report.ports.iter().filter(|port| changed(port.outcome)) {
            let look = match port.outcome {
                ImportOutcome::Conflict => style::ERROR,
                ImportOutcome::Freed => style::CLAIMED,
                _ => style::PLAIN,
            };
            table.row([
                Cell::styled(port.port.to_string(), style::STRONG),
                Cell::new(&port.project_name),
                Cell::styled(port.outcome.as_str(), look),
                Cell::new(port.changed.join(" ")),
                Cell::maybe(port.other_project.as_deref()),
            ]);
        }
        if report.ports.iter().any(|port| changed(port.outcome)) {
            table.show(page)?;
        }
        let dry = if report.dry_run {
            "nothing was changed; it would be: "
        } else {
            ""
        };
        page.line(text::clean(&format!("{dry}{report}")))
    }
}
