use std::{
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use portkeeper_core::{ErrorKind, Keeper, Protocol};
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    interrupt::Interrupt,
    output::{self, Page, Report, show, style, text},
    run::{Claim, Holding},
    values,
};

/// How often it is asked whether the server listens.
const PAUSE: Duration = Duration::from_millis(100);

/// Keep programs that do not set `SO_REUSEADDR` off a port until its server listens
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman hold 3000                               until Ctrl-C
  portman hold 3000 --until-listening             until a server does
  portman hold 3000 --name shop --for 30s         claims it meanwhile, if nobody has

The port is bound, without listening: the kernel refuses it to every program that does not set SO_REUSEADDR, \
until the hold ends. One that does (Node, Go, Rust, Python's http.server) starts on it all the same, also a \
stranger's: whose server it is, a hold cannot know. `portman run` knows, and keeps the port from both.")]
pub struct Hold {
    /// The port, which a project has claimed
    #[arg(allow_negative_numbers = true)]
    port: i64,

    /// Claim the port for this project meanwhile, if nobody has
    #[arg(short, long, visible_alias = "project", value_name = "PROJECT")]
    name: Option<String>,

    /// End when a server listens
    #[arg(long)]
    until_listening: bool,

    /// End after this time
    #[arg(long = "for", value_parser = values::duration, value_name = "TIME")]
    time: Option<Duration>,
}

/// What is held.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    port: u16,
    project_name: String,
    pid: u32,
}

impl Hold {
    /// Holds the port until somebody or something ends it.
    pub fn run(self, context: &Context) -> ExitCode {
        let json = context.json();
        let held = context
            .interruptible()
            .and_then(|(keeper, interrupt)| Ok((self.take(&keeper)?, keeper, interrupt)));
        let ((claim, answer), keeper, interrupt) = match held {
            Ok(held) => held,
            Err(failure) => {
                if self.name.is_none() && failure.name() == ErrorKind::PortNotFound.name() && !json
                {
                    let code = output::fail(json, &failure);
                    output::remark("name a project with --name to claim it meanwhile");
                    return code;
                }
                return output::fail(json, &failure);
            }
        };
        let code = show(json, Ok(answer));
        let waited = self.wait(&keeper, &interrupt);
        drop(claim);
        match waited {
            Ok(()) => code,
            Err(failure) => output::fail(json, &failure),
        }
    }

    fn take(&self, keeper: &Keeper) -> Outcome<(Claim, Answer)> {
        let claim = match &self.name {
            Some(project) => {
                let hold: Holding = |keeper, port| keeper.hold(port);
                Claim::of_port(keeper, project, None, self.port, hold)?
            }
            None => Claim::existing(keeper, self.port)?,
        };
        let answer = Answer {
            port: claim.port(),
            project_name: claim.project().to_owned(),
            pid: std::process::id(),
        };
        Ok((claim, answer))
    }

    fn wait(&self, keeper: &Keeper, interrupt: &Interrupt) -> Outcome<()> {
        let begin = Instant::now();
        loop {
            // UDP is not held, and its sockets are no server that this one waits for.
            let listens = self.until_listening
                && keeper
                    .check(self.port)?
                    .listeners()
                    .iter()
                    .any(|socket| socket.protocol == Protocol::Tcp);
            let left = self.time.map(|time| time.saturating_sub(begin.elapsed()));
            if listens || left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            // Who ends it does what he is meant to do.
            if interrupt.within(left.map_or(PAUSE, |left| left.min(PAUSE))) {
                return Ok(());
            }
        }
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let strong = style::STRONG;
        page.line(format!(
            "{strong}{}{strong:#}  held for {}; Ctrl-C gives it up",
            self.port,
            text::clean(&self.project_name)
        ))
    }
}
