use std::io;

use clap::Args;
use portkeeper_core::{Reservation, ReserveRequest};
use serde::Serialize;
use serde_json::Value;

use crate::{
    context::{self, Context},
    failure::{Failure, Outcome},
    output::{Page, Report, style, text},
};

/// Keep a port for a project, or change what is known of it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman reserve 3000                                        for the project of this folder
  portman reserve 3000 --name shop --desc \"React dev server\" --tags frontend react
  portman reserve 3000 --name shop --tags                     without tags from now on
  portman reserve 5432 --name db --adopt                      a server that runs already

Doing it again changes what is mentioned and leaves the rest. Another project's port is refused, and so is \
one that a stranger's server uses; the refusal names the next free port.")]
pub struct Reserve {
    /// The port
    #[arg(allow_negative_numbers = true)]
    port: i64,

    /// The project [default: that of this folder, from its manifest, folder and git worktree]
    #[arg(short, long, visible_alias = "project", value_name = "PROJECT")]
    name: Option<String>,

    /// What the port is for; an empty text removes it
    #[arg(
        short,
        long = "desc",
        visible_alias = "description",
        value_name = "TEXT"
    )]
    description: Option<String>,

    /// Labels, which replace the ones before
    #[arg(short, long, num_args = 0.., value_delimiter = ',', value_name = "TAG")]
    tags: Option<Vec<String>>,

    /// Data of your own: a JSON object
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,

    /// Although a process listens there that is not yours
    #[arg(long)]
    adopt: bool,
}

/// The claim as it is now.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Reservation);

impl Reserve {
    /// Claims the port.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let mut request = ReserveRequest::new(context::project(self.name)?)
            .adopt(self.adopt)
            .suggest(true);
        if let Some(description) = self.description {
            request = request.description(description);
        }
        if let Some(tags) = self.tags {
            let given = tags.into_iter().filter(|tag| !tag.is_empty());
            request = request.tags(given);
        }
        if let Some(metadata) = self.metadata {
            let value: Value = serde_json::from_str(&metadata)
                .map_err(|error| Failure::invalid(format!("metadata is not JSON: {error}")))?;
            request = request.metadata(value);
        }
        Ok(Answer(context.keeper()?.reserve(self.port, request)?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let (strong, claim) = (style::STRONG, &self.0);
        let mut line = format!(
            "{strong}{}{strong:#}  reserved for {}",
            claim.number,
            text::clean(&claim.project_name)
        );
        if let Some(description) = &claim.description {
            line.push_str(&format!("   “{}”", text::clean(description)));
        }
        if !claim.tags.is_empty() {
            line.push_str(&format!("   {}", text::clean(&claim.tags.join(" "))));
        }
        page.line(line)
    }
}
