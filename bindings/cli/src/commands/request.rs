use std::{io, ops::RangeInclusive, time::Duration};

use clap::Args;
use portkeeper_core::{PortRequest, Reservation, Strategy};
use serde::Serialize;

use crate::{
    context::{self, Context},
    failure::Outcome,
    output::{Page, Report},
    values,
};

/// Claim free ports, of the registry's choice
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman request --name shop                                    one port, the lowest free one
  portman request 3 --name shop --range 8000-9000 --sequential   three neighbours
  portman request --name shop --role web --role api              the same two ports every time
  PORT=$(portman request --name shop --role web) npm start

The ports are printed one a line. Without --range they come from 3000-9999, and never are ports that \
browsers refuse, or that the kernel gives to outgoing connections. All of them are had, or none.")]
pub struct Request {
    /// How many [default: one, or one a role]
    count: Option<usize>,

    /// The project [default: that of this folder]
    #[arg(short, long, visible_alias = "project", value_name = "PROJECT")]
    name: Option<String>,

    /// A name within the project: who asks for it again gets the same port
    #[arg(short, long = "role", value_name = "ROLE")]
    roles: Vec<String>,

    /// Only ports of this range, such as 8000-9000
    #[arg(long, value_parser = values::range, allow_hyphen_values = true)]
    range: Option<RangeInclusive<i64>>,

    /// Neighbours: the lowest run that is long enough
    #[arg(long, visible_alias = "contiguous", group = "order")]
    sequential: bool,

    /// In random order
    #[arg(long, group = "order")]
    random: bool,

    /// At the place that the project's name gives: the same on every machine
    #[arg(long, group = "order")]
    stable: bool,

    /// None of these ports
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "PORT")]
    avoid: Vec<i64>,

    /// What the ports are for
    #[arg(
        short,
        long = "desc",
        visible_alias = "description",
        value_name = "TEXT"
    )]
    description: Option<String>,

    /// Labels
    #[arg(short, long, num_args = 1.., value_delimiter = ',', value_name = "TAG")]
    tags: Option<Vec<String>>,

    /// Until this process ends
    #[arg(long, value_name = "PID")]
    owned_by: Option<u32>,

    /// For this long, such as 30m
    #[arg(long, value_parser = values::duration, value_name = "TIME")]
    ttl: Option<Duration>,
}

/// The claims, in the order of the roles or of the strategy.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Vec<Reservation>);

impl Request {
    /// Claims the ports.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let strategy = match (self.sequential, self.random, self.stable) {
            (true, ..) => Strategy::Contiguous,
            (_, true, _) => Strategy::Random,
            (.., true) => Strategy::Stable,
            _ => Strategy::Lowest,
        };
        let mut request = PortRequest::new(context::project(self.name)?)
            .roles(self.roles)
            .strategy(strategy)
            .avoid(self.avoid);
        if let Some(count) = self.count {
            request = request.count(count);
        }
        if let Some(range) = self.range {
            request = request.range(range);
        }
        if let Some(description) = self.description {
            request = request.description(description);
        }
        if let Some(tags) = self.tags {
            request = request.tags(tags);
        }
        if let Some(pid) = self.owned_by {
            request = request.owned_by(pid);
        }
        if let Some(ttl) = self.ttl {
            request = request.ttl(ttl);
        }
        Ok(Answer(context.keeper()?.request(request)?))
    }
}

impl Report for Answer {
    /// Bare numbers, for `$(…)`.
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for claim in &self.0 {
            page.line(claim.number)?;
        }
        Ok(())
    }
}
