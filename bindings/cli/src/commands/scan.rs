use std::{collections::BTreeMap, io, ops::RangeInclusive, process::ExitCode, time::Duration};

use chrono::{DateTime, Utc};
use clap::Args;
use portkeeper_core::{Filter, Keeper, Reservation, ScanReport, Socket, Source, StatusChange};
use serde::Serialize;

use super::sockets;
use crate::{
    context::Context,
    failure::Outcome,
    output::{Cell, Column, Page, Report, Table, show, style, text},
    values, watch,
};

/// Look at the machine: every listener with its process and project
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman scan                          what `ss -ltnp` shows, with projects
  portman scan --range 3000-9000 --reserved
  portman scan --tcp --json | jq '.data.listeners[] | [.port, .processes[0].name]'
  portman scan --watch

The registry is brought up to date: a claim whose port listens is in use, and one whose process has ended \
is over. With --reserved the claims that nothing listens on are shown, too.")]
pub struct Scan {
    /// Only ports of this range, such as 3000-9000
    #[arg(long, value_parser = values::range, allow_hyphen_values = true)]
    range: Option<RangeInclusive<i64>>,

    /// Only ports that a project has claimed, whether something listens or not
    #[arg(long)]
    reserved: bool,

    /// Only TCP
    #[arg(long)]
    tcp: bool,

    /// Refresh in place, until Ctrl-C
    #[arg(short, long, value_parser = values::duration, value_name = "TIME", num_args = 0..=1,
        default_missing_value = watch::EVERY)]
    watch: Option<Duration>,
}

/// What was seen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    scanned_at: DateTime<Utc>,
    listeners: Vec<Listener>,
    /// Claims that became something else through this scan.
    changes: Vec<StatusChange>,
    /// Who listed the sockets.
    source: Source,
    /// With `--reserved`: claims that nothing listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent: Option<Vec<Reservation>>,
}

/// A socket and whose its port is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listener {
    #[serde(flatten)]
    socket: Socket,
    project_name: Option<String>,
    role: Option<String>,
}

impl Scan {
    /// Looks once, or again and again.
    pub fn run(self, context: &Context) -> ExitCode {
        let json = context.json();
        let keeper = match context.keeper() {
            Ok(keeper) => keeper,
            Err(failure) => return show::<Answer>(json, Err(failure)),
        };
        match self.watch {
            Some(every) => watch::watch(json, every, || self.look(&keeper)),
            None => show(json, self.look(&keeper)),
        }
    }

    fn look(&self, keeper: &Keeper) -> Outcome<Answer> {
        let mut filter = Filter::claims();
        if let Some(range) = &self.range {
            // Refused before the machine is looked at.
            filter = filter.range(range.clone());
            keeper.list(filter.clone())?;
        }
        let ScanReport {
            scanned_at,
            listeners,
            changes,
            source,
        } = keeper.scan()?;
        let claims = keeper.list(filter)?;
        let mut claims: BTreeMap<u16, Reservation> =
            claims.into_iter().map(|row| (row.number, row)).collect();
        let is_wanted = |port: u16| {
            let range = self.range.as_ref();
            range.is_none_or(|range| range.contains(&i64::from(port)))
                && (!self.reserved || claims.contains_key(&port))
        };
        let listeners: Vec<Listener> = listeners
            .into_iter()
            .filter(|socket| is_wanted(socket.port))
            .filter(|socket| !self.tcp || socket.protocol == portkeeper_core::Protocol::Tcp)
            .map(|socket| {
                let claim = claims.get(&socket.port);
                Listener {
                    project_name: claim.map(|claim| claim.project_name.clone()),
                    role: claim.and_then(Reservation::role).map(str::to_owned),
                    socket,
                }
            })
            .collect();
        let silent = self.reserved.then(|| {
            for listener in &listeners {
                claims.remove(&listener.socket.port);
            }
            claims.into_values().collect()
        });
        Ok(Answer {
            scanned_at,
            listeners,
            changes,
            source,
            silent,
        })
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.table(page)?;
        for change in &self.changes {
            let dim = style::DIM;
            let (from, to) = (text::status(change.from), text::status(change.to));
            page.line(format!(
                "{dim}{} ({}): {from} → {to}{dim:#}",
                change.port,
                text::clean(&change.project_name)
            ))?;
        }
        Ok(())
    }
}

impl Answer {
    fn table(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new([
            Column::new("PORT").number(),
            Column::new("PROTO").rank(3),
            Column::new("ADDRESS").cut_to(9).rank(2),
            Column::new("PROCESS").cut_to(10),
            Column::new("PROJECT").cut_to(8).rank(1),
        ]);
        let sockets: Vec<Socket> = self.listeners.iter().map(|l| l.socket.clone()).collect();
        let mut projects: BTreeMap<u16, String> = BTreeMap::new();
        for listener in &self.listeners {
            if let Some(project) = &listener.project_name {
                let role = listener.role.as_deref();
                projects.insert(listener.socket.port, named(project, role));
            }
        }
        let groups = sockets::groups(&sockets);
        let mut silent = self.silent.iter().flatten().peekable();
        for group in &groups {
            while let Some(claim) = silent.next_if(|claim| claim.number < group.first.port) {
                table.row(quiet(claim));
            }
            let socket = group.first;
            table.row([
                Cell::styled(socket.port.to_string(), style::STRONG),
                Cell::styled(socket.protocol.as_str(), style::DIM),
                Cell::new(&group.addresses),
                Cell::new(sockets::owner(socket)),
                Cell::styled(
                    projects.get(&socket.port).map_or("", String::as_str),
                    style::BUSY,
                ),
            ]);
        }
        for claim in silent {
            table.row(quiet(claim));
        }
        if groups.is_empty() && self.silent.as_ref().is_none_or(Vec::is_empty) {
            return page.line("nothing listens");
        }
        table.show(page)
    }
}

fn quiet(claim: &Reservation) -> [Cell; 5] {
    [
        Cell::styled(claim.number.to_string(), style::STRONG),
        Cell::new(""),
        Cell::new(""),
        Cell::styled("nothing listens", style::DIM),
        Cell::styled(named(&claim.project_name, claim.role()), style::CLAIMED),
    ]
}

fn named(project: &str, role: Option<&str>) -> String {
    match role {
        Some(role) => format!("{project} ({role})"),
        None => project.to_owned(),
    }
}
