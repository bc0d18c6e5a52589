use std::{io, path::PathBuf};

use clap::Args;
use portkeeper_core::{Document, ExportRequest};
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::{
        Page, Report,
        file::{self, Readers},
        text,
    },
};

/// Write the claims as a JSON document, to keep or to take to another machine
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman export full-backup.json
  portman export --project shop > shop.json
  portman import full-backup.json --replace         the way back

The document has the claims, neither history nor leases: `portman backup` has everything. It is kept in \
the registry, too; see `portman configs`.")]
pub struct Export {
    /// The file; without one, or for -, the document is the output
    file: Option<PathBuf>,

    /// Only the claims of this project
    #[arg(short, long)]
    project: Option<String>,

    /// What the kept copy is called [default: export]
    #[arg(long)]
    name: Option<String>,
}

/// The document, or where it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    path: Option<PathBuf>,
    ports: usize,
    /// Where there is no file.
    document: Option<Document>,
    #[serde(skip)]
    text: String,
}

impl Export {
    /// Writes it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let mut request = match self.project {
            Some(project) => ExportRequest::project(project),
            None => ExportRequest::all(),
        };
        if let Some(name) = self.name {
            request = request.name(name);
        }
        let keeper = context.keeper()?;
        let document = keeper.export(request)?;
        let (ports, text) = (document.ports.len(), document.to_json()?);
        match self.file.filter(|file| file.as_os_str() != "-") {
            Some(path) => {
                let failed = |error| Failure::file(&path, error);
                file::write(&path, keeper.path(), Readers::Usual, |out| {
                    out.write_all(text.as_bytes()).map_err(failed)
                })?;
                Ok(Answer {
                    path: Some(path),
                    ports,
                    document: None,
                    text,
                })
            }
            None => Ok(Answer {
                path: None,
                ports,
                document: Some(document),
                text,
            }),
        }
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match &self.path {
            Some(path) => page.line(format!(
                "{} in {}",
                text::count(self.ports as u64, "port"),
                text::clean(&path.display().to_string())
            )),
            None if self.text.ends_with('\n') => page.raw(&self.text),
            None => page.line(&self.text),
        }
    }
}
