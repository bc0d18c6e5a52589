use std::io;

use anstyle::Style;
use clap::Args;
use portkeeper_core::{PortState, Reservation, Socket, SocketState, Status, Verdict};
use serde::Serialize;

use super::sockets::{self, Running};
use crate::{
    context::Context,
    failure::Outcome,
    output::{Page, Report, style, text},
};

/// Say in one glance who has a port: project, process, since when, and which port is free instead
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman check 3000
  portman check 3000 --json | jq -r .data.status      free, reserved or in-use
  portman check 3000 --exit-code && npm start         only where it is free

A port that something listens on, or that the system keeps back, is in use, whether a project has claimed \
it or not. Nothing is changed, and no server is disturbed.")]
pub struct Check {
    /// The port
    #[arg(allow_negative_numbers = true)]
    port: i64,

    /// Exit with 4 unless the port is free
    #[arg(long)]
    exit_code: bool,
}

/// Everything about one port.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    port: u16,
    /// What the machine and the registry say together; the registry's own is in the reservation.
    status: Status,
    #[serde(flatten)]
    verdict: Verdict,
    reservation: Option<Reservation>,
    /// Who uses the port, with the time they were started at.
    processes: Vec<Running>,
    /// The next higher port that can be had instead.
    next_free: Option<u16>,
    #[serde(skip)]
    exit_code: bool,
}

impl Check {
    /// Looks at the port.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let keeper = context.keeper()?;
        let PortState {
            port,
            status,
            verdict,
            reservation,
        } = keeper.check(self.port)?;
        let next_free = match verdict {
            Verdict::Free => None,
            // An answer without a suggestion is worth more than an error.
            _ => keeper.next_free(port).unwrap_or_default(),
        };
        Ok(Answer {
            port,
            status: seen(status, &verdict),
            processes: sockets::processes(used(&verdict)),
            verdict,
            reservation,
            next_free,
            exit_code: self.exit_code,
        })
    }
}

/// The status that the machine shows, where it shows one.
fn seen(claimed: Status, verdict: &Verdict) -> Status {
    match verdict {
        Verdict::Free
        | Verdict::Reserved { .. }
        | Verdict::Held { .. }
        | Verdict::Privileged { .. } => claimed,
        _ => Status::InUse,
    }
}

fn used(verdict: &Verdict) -> &[Socket] {
    match verdict {
        Verdict::Listening {
            listeners: sockets, ..
        }
        | Verdict::Bound { sockets, .. }
        | Verdict::OutgoingConnection {
            connections: sockets,
            ..
        } => sockets,
        _ => &[],
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let (word, look) = self.word();
        let (strong, dim) = (style::STRONG, style::DIM);
        let mut parts = vec![format!(
            "{strong}{}{strong:#}  {look}{word}{look:#}",
            self.port
        )];
        if let Some(project) = self.verdict.project() {
            let project = text::clean(project);
            let role = self.reservation.as_ref().and_then(Reservation::role);
            parts.push(match role {
                Some(role) => format!("{project} ({})", text::clean(role)),
                None => project.into_owned(),
            });
        } else if !matches!(self.verdict, Verdict::Free) {
            parts.push(format!("{dim}no project{dim:#}"));
        }
        let phrases = self.phrases();
        let mut phrases = phrases.iter();
        parts.extend(phrases.next().cloned());
        page.line(parts.join("   "))?;
        for phrase in phrases {
            page.line(format!("      {phrase}"))?;
        }
        let more = self.more();
        if !more.is_empty() {
            page.line(format!("      {dim}{}{dim:#}", more.join(" · ")))?;
        }
        Ok(())
    }

    fn exit_code(&self) -> u8 {
        let is_taken = !matches!(self.verdict, Verdict::Free);
        if self.exit_code && is_taken { 4 } else { 0 }
    }
}

impl Answer {
    fn word(&self) -> (&'static str, Style) {
        match self.verdict {
            Verdict::Free => ("free", style::GOOD),
            Verdict::Reserved { .. } => ("reserved", style::CLAIMED),
            Verdict::Held { .. } => ("held", style::CLAIMED),
            Verdict::Privileged { .. } => ("privileged", style::CLAIMED),
            Verdict::Excluded { .. } => ("excluded", style::CLAIMED),
            _ => ("in use", style::BUSY),
        }
    }

    /// Who uses the port, one phrase a server.
    fn phrases(&self) -> Vec<String> {
        match &self.verdict {
            Verdict::Free => Vec::new(),
            Verdict::Reserved { .. } => vec!["nothing listens".to_owned()],
            Verdict::Held { pid, .. } => {
                vec![format!("kept by process {pid} until its server listens")]
            }
            Verdict::Listening { listeners, .. } => self.servers(listeners, "listening on"),
            Verdict::Bound { sockets, .. } if !sockets.is_empty() => {
                self.servers(sockets, "bound, without listening, to")
            }
            Verdict::OutgoingConnection { connections, .. } => connections
                .iter()
                .map(|socket| {
                    let remote = text::remote(socket.remote);
                    format!("{}, connected to {remote}", sockets::owner(socket))
                })
                .collect(),
            Verdict::Privileged { .. } => vec!["binding it needs more rights".to_owned()],
            Verdict::Excluded { .. } => vec!["the system keeps it back".to_owned()],
            other => vec![text::clean(&other.to_string()).into_owned()],
        }
    }

    fn servers(&self, found: &[Socket], does: &str) -> Vec<String> {
        sockets::groups(found)
            .iter()
            .map(|group| {
                let socket = group.first;
                let who = sockets::owner(socket);
                let comma = if who.is_empty() { "" } else { ", " };
                let started = self
                    .processes
                    .iter()
                    .find(|process| Some(process.pid) == socket.pid());
                let since = started.and_then(|process| process.started_at);
                let since =
                    since.map_or_else(String::new, |time| format!(" since {}", text::when(time)));
                let udp = match socket.state {
                    SocketState::Bound => sockets::protocol(socket.protocol),
                    _ => "",
                };
                format!("{who}{comma}{does} {}{udp}{since}", group.addresses)
            })
            .collect()
    }

    /// What else there is to know of the claim, and what to take instead.
    fn more(&self) -> Vec<String> {
        let mut more = Vec::new();
        if let Some(claim) = &self.reservation {
            let mut since = format!("claimed since {}", text::when(claim.reserved_at));
            if let Some(owner) = claim.owner() {
                since.push_str(&format!(" by process {}", owner.pid));
            }
            more.push(since);
            if let Some(description) = &claim.description {
                more.push(format!("“{}”", text::clean(description)));
            }
            if !claim.tags.is_empty() {
                more.push(text::clean(&claim.tags.join(" ")).into_owned());
            }
        }
        if let Some(next) = self.next_free {
            more.push(format!("next free: {next}"));
        }
        more
    }
}
