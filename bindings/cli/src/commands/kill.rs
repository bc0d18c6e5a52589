use std::{io, time::Duration};

use clap::Args;
use portkeeper_core::{ErrorKind, KillReport, KillRequest, KilledProcess, Reservation};
use serde::Serialize;

use super::sockets::{self, Running};
use crate::{
    context::Context,
    failure::{Failure, Outcome},
    interrupt::Interrupt,
    output::{Page, Report, style, text},
    prompt, values,
};

/// End what listens on a port, never its clients
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman kill 3000              shows what would end, and asks
  portman kill 3000 --dry-run    only shows it
  portman kill 3000 --yes        does not ask; needed in a script
  portman kill 3000 --force      does not ask, and leaves no time to end in order

Processes get SIGTERM, and SIGKILL after the grace. This program, its ancestors and system processes are \
never ended. The claim on the port stays its project's.")]
pub struct Kill {
    /// The port
    #[arg(allow_negative_numbers = true)]
    port: i64,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Do not ask, and end at once (SIGKILL)
    #[arg(short, long)]
    force: bool,

    /// Show what would end, and end nothing
    #[arg(short = 'n', long, conflicts_with_all = ["yes", "force"])]
    dry_run: bool,

    /// How long a process may take to end by itself
    #[arg(long, value_parser = values::duration, value_name = "TIME", default_value = "5s",
        conflicts_with = "force")]
    grace: Duration,
}

/// What was ended, or would be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    port: u16,
    dry_run: bool,
    /// What would be ended: of a dry run only.
    processes: Vec<Running>,
    killed: Vec<KilledProcess>,
    reservation: Option<Reservation>,
}

impl Kill {
    /// Ends the processes.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let keeper = context.keeper()?;
        let may_ask = !self.yes && !self.force;
        if self.dry_run || may_ask {
            let state = keeper.check(self.port)?;
            let processes = sockets::processes(state.listeners());
            if self.dry_run || state.listeners().is_empty() {
                return Ok(Answer {
                    port: state.port,
                    dry_run: self.dry_run,
                    processes,
                    killed: Vec::new(),
                    reservation: state.reservation,
                });
            }
            // Where nobody may be named, the engine says why.
            if !processes.is_empty() {
                self.confirm(context, state.project(), &processes)?;
                let now = keeper.check(self.port)?;
                refuse_others(&processes, &sockets::processes(now.listeners()))?;
            }
        }
        // Only from here on: a question is simply left with Ctrl-C.
        let interrupt = Interrupt::listen()?;
        let keeper = keeper.interruptible(move || interrupt.happened());
        let grace = if self.force {
            Duration::ZERO
        } else {
            self.grace
        };
        let KillReport {
            port,
            killed,
            reservation,
        } = keeper.kill(KillRequest::port(self.port).grace(grace))?;
        Ok(Answer {
            port,
            dry_run: false,
            processes: Vec::new(),
            killed,
            reservation,
        })
    }

    fn confirm(
        &self,
        context: &Context,
        project: Option<&str>,
        processes: &[Running],
    ) -> Outcome<()> {
        if context.json() || !prompt::is_possible() {
            let message =
                "nobody is there to be asked; --yes ends the processes, --dry-run shows them";
            return Err(Failure::Refused(
                ErrorKind::InvalidInput,
                message.to_owned(),
            ));
        }
        let whose = project.map_or_else(String::new, |project| {
            format!(", project {},", text::clean(project))
        });
        let mut question = format!("On port {}{whose} listens\n", self.port);
        for process in processes {
            question.push_str(&line(process));
            question.push('\n');
        }
        let what = if processes.len() == 1 { "it" } else { "them" };
        question.push_str(&format!("End {what}?"));
        if prompt::agrees(&question)? {
            Ok(())
        } else {
            Err(Failure::Declined)
        }
    }
}

/// Refuses where somebody listens who was not shown: the answer was not about them.
fn refuse_others(shown: &[Running], now: &[Running]) -> Outcome<()> {
    let was_shown = |process: &Running| {
        let same = |other: &Running| other.pid == process.pid && other.start == process.start;
        shown.iter().any(same)
    };
    match now.iter().find(|process| !was_shown(process)) {
        None => Ok(()),
        Some(other) => {
            let name = text::clean(&other.name);
            let message = format!(
                "meanwhile {name} {} listens, which was not shown; nothing was ended",
                other.pid
            );
            Err(Failure::Refused(ErrorKind::PortInUse, message))
        }
    }
}

fn line(process: &Running) -> String {
    let name = text::clean(&process.name);
    let since = process.started_at.map_or_else(String::new, |time| {
        format!(", started {}", text::when(time))
    });
    let command = process.command.as_deref().unwrap_or_default();
    let command = text::clean(command);
    format!(
        "  {name} {}{since}   {}",
        process.pid,
        text::cut(&command, 120)
    )
    .trim_end()
    .to_owned()
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let strong = style::STRONG;
        let port = format!("{strong}{}{strong:#}", self.port);
        if self.processes.is_empty() && self.killed.is_empty() {
            return page.line(format!("{port}  nothing listens"));
        }
        if self.dry_run {
            page.line(format!("{port}  would end"))?;
            for process in &self.processes {
                page.line(line(process))?;
            }
        }
        for process in &self.killed {
            let name = text::clean(&process.name);
            let how = if process.forced { "killed" } else { "ended" };
            page.line(format!("{port}  {name} {} {how}", process.pid))?;
        }
        if let Some(claim) = &self.reservation {
            let project = text::clean(&claim.project_name);
            let dim = style::DIM;
            page.line(format!("      {dim}still {project}'s{dim:#}"))?;
        }
        Ok(())
    }
}
