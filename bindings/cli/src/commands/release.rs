use std::io;

use clap::Args;
use portkeeper_core::{Keeper, Release as Claims, Reservation, Verdict};
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::{Page, Report, style, text},
    prompt,
};

/// Give ports back
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman release 3000
  portman release 3000 3001 --force       without asking, also where a server runs
  portman release --project shop          all that a project has
  portman release 3000 --project shop     only if it is that project's

A server that still runs is left alone; on a terminal you are asked before a port of one that you named by \
number is released. --project alone does not ask.")]
pub struct Release {
    /// The ports: all of them are released, or none
    #[arg(required_unless_present = "project", allow_negative_numbers = true)]
    ports: Vec<i64>,

    /// Every port of this project; with ports, refuse those of another one
    #[arg(short, long, visible_alias = "name")]
    project: Option<String>,

    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// The ports as they are now.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Vec<Reservation>);

impl Release {
    /// Ends the claims.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let keeper = context.keeper()?;
        let claims = match (self.project, self.ports.as_slice()) {
            (Some(project), []) => Claims::project(project),
            (Some(project), ports) => Claims::ports(ports.iter().copied()).only_of(project),
            (None, ports) => Claims::ports(ports.iter().copied()),
        };
        if !self.force && !context.json() && prompt::is_possible() {
            for port in &self.ports {
                confirm(&keeper, *port)?;
            }
        }
        Ok(Answer(keeper.release(claims)?))
    }
}

/// Asks where somebody uses the port.
fn confirm(keeper: &Keeper, port: i64) -> Outcome<()> {
    let state = keeper.check(port)?;
    let is_used = matches!(
        state.verdict,
        Verdict::Listening { .. } | Verdict::Held { .. }
    );
    if state.reservation.is_none() || !is_used {
        return Ok(());
    }
    let verdict = state.verdict.to_string();
    let question = format!("port {port}: {}\nRelease it?", text::clean(&verdict));
    if prompt::agrees(&question)? {
        Ok(())
    } else {
        Err(Failure::Declined)
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let strong = style::STRONG;
        if self.0.is_empty() {
            return page.line("nothing to release");
        }
        for row in &self.0 {
            let project = text::clean(&row.project_name);
            page.line(format!(
                "{strong}{}{strong:#}  released, was {project}'s",
                row.number
            ))?;
        }
        Ok(())
    }
}
