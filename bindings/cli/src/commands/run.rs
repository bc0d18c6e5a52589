use std::{
    ffi::OsString,
    io::{self, Write},
    net::IpAddr,
    ops::RangeInclusive,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use portkeeper_core::{Keeper, PortRequest};
use serde::Serialize;

use crate::{
    context::{self, Context},
    failure::{Failure, Outcome},
    output::{self, json, style, text},
    run::{Claim, Holding},
    values,
};

/// The role of the server that most projects have.
const USUAL_ROLE: &str = "web";

/// Run a command on its project's own port
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman run -- npm run dev
  portman run --project shop --role api -- uvicorn app:app --port {PORT}
  portman run --wait 30s -- npm start             fails unless it listens within 30 seconds
  portman run --env VITE_PORT --env PORT -- vite
  portman run --listen-fds -- ./server            systemd's way: the socket is descriptor 3

CMD gets the port in $PORT, and in place of {PORT} in its arguments. It is the port that the project keeps \
for the role; else, for the role web, one that it has reserved by number; else the one that it had the last \
time; else a free one that was no other project's. What the project did not have before is given back at \
the end, and remembered; --keep makes it a claim that lasts.

What is guaranteed: no user of Port Keeper is given the port while CMD runs. On Linux nobody else gets it \
either before CMD listens: the port is kept bound, and only sockets of CMD and of what it starts are let in, \
whose bind and listen calls are watched, through seccomp. (Each takes some microseconds in which a program that \
sets SO_REUSEADDR could slip in.) CMD then cannot gain rights, with sudo for instance; --unwatched lets it, and \
lets go of the port before CMD starts. The same happens, and is said, where calls cannot be watched: in another \
`portman run`, or before Linux 5.6. Programs that bind through io_uring need --unwatched.

The output is CMD's alone: what portman says, also with --json, goes to the error output.

Signals are passed on. The exit code is CMD's, 128 and the number for a signal, 127 where there is no such \
command. All that CMD has started ends with it, and with portman, however that is ended.")]
pub struct Run {
    /// The project [default: that of this folder]
    #[arg(short, long, visible_alias = "name")]
    project: Option<String>,

    /// Which of the project's ports [default: web]
    #[arg(short, long)]
    role: Option<String>,

    /// The variable that has the port; may be given several times
    #[arg(short = 'e', long = "env", value_name = "NAME", default_value = "PORT")]
    variables: Vec<String>,

    /// This very port
    #[arg(long, conflicts_with = "range", allow_negative_numbers = true)]
    port: Option<i64>,

    /// A port of this range, if the project has none yet
    #[arg(long, value_parser = values::range, allow_hyphen_values = true)]
    range: Option<RangeInclusive<i64>>,

    /// Keep the port for the project afterwards, too
    #[arg(short, long)]
    keep: bool,

    /// Say where it is only when CMD listens, and end it if that takes longer
    #[arg(short, long, value_parser = values::duration, value_name = "TIME", num_args = 0..=1,
        require_equals = false, default_missing_value = "30s")]
    wait: Option<Duration>,

    /// Hand over the listening socket (`LISTEN_FDS`)
    #[arg(long)]
    listen_fds: bool,

    /// Where that socket listens
    #[arg(long, default_value = "127.0.0.1", requires = "listen_fds")]
    address: IpAddr,

    /// How long CMD may take to end after SIGTERM or SIGHUP, before SIGKILL
    #[arg(long, value_parser = values::duration, value_name = "TIME", default_value = "10s")]
    grace: Duration,

    /// Let go of the port before CMD starts, instead of watching when it binds; for commands that need sudo
    #[arg(long)]
    unwatched: bool,

    /// Do not say where it is
    #[arg(short, long)]
    quiet: bool,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Where the command is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    port: u16,
    project_name: String,
    role: String,
    url: String,
    /// The process below which the command runs.
    pid: u32,
    /// Whether nobody else can have the port before the command listens.
    kept: bool,
}

impl Run {
    /// Runs it. The output is the command's, so that everything else goes to the error output.
    pub fn run(self, context: &Context) -> ExitCode {
        match self.supervise(context) {
            Ok(code) => code.into(),
            Err(failure) => {
                if context.json() {
                    let _ = json::failure(&mut io::stderr().lock(), &failure);
                } else {
                    output::complain(&failure);
                }
                failure.exit_code().into()
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn supervise(self, context: &Context) -> Outcome<u8> {
        let keeper = context.keeper()?;
        let project = context::project(self.project.clone())?;
        let role = self.role.clone().unwrap_or_else(|| USUAL_ROLE.to_owned());
        let claim = self.claim(&keeper, &project, &role)?;
        let port = claim.port();
        let (json, quiet) = (context.json(), self.quiet);
        let job = crate::run::Job {
            keeper: &keeper,
            claim,
            command: self
                .command
                .into_iter()
                .map(|arg| filled(arg, port))
                .collect(),
            variables: self.variables,
            wait: self.wait,
            grace: self.grace,
            watched: !self.unwatched,
            remarks: !json,
            listen: self.listen_fds.then_some(self.address),
        };
        crate::run::supervise(job, |place| {
            let answer = Answer {
                port,
                project_name: project,
                role,
                url: format!("http://localhost:{port}"),
                pid: place.guard,
                kept: place.kept,
            };
            match (json, quiet) {
                (true, _) => json::success(&mut io::stderr().lock(), &answer),
                (false, true) => Ok(()),
                (false, false) => answer.show(),
            }
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn supervise(self, _: &Context) -> Outcome<u8> {
        let _ = (Self::claim, Answer::show, filled);
        Err(portkeeper_core::Error::Unsupported("`portman run`".to_owned()).into())
    }

    fn claim(&self, keeper: &Keeper, project: &str, role: &str) -> Outcome<Claim> {
        for variable in &self.variables {
            if variable.is_empty() || variable.contains(['=', '\0']) {
                return Err(Failure::invalid(format!("{variable:?} is no variable")));
            }
        }
        let is_usual = role == USUAL_ROLE;
        #[cfg(target_os = "linux")]
        let hold: Holding = |keeper, port| keeper.hold_exclusively(port);
        #[cfg(not(target_os = "linux"))]
        let hold: Holding = |keeper, port| keeper.hold(port);
        let claim = match self.port {
            Some(port) => Claim::of_port(keeper, project, Some(role), port, hold)?,
            None => Claim::of_role(keeper, project, role, is_usual, self.range.clone(), hold)?,
        };
        if self.keep && claim.is_leased() {
            // A lease on a claim of the same project becomes the right to use one that lasts.
            keeper.request(PortRequest::new(project).role(role))?;
        }
        Ok(claim)
    }
}

impl Answer {
    fn show(&self) -> io::Result<()> {
        let strong = style::STRONG;
        let (project, role) = (text::clean(&self.project_name), text::clean(&self.role));
        writeln!(
            anstream::stderr().lock(),
            "{project}/{role} → {strong}{}{strong:#}",
            self.url
        )
    }
}

/// The argument with the port in place of `{PORT}`.
fn filled(arg: OsString, port: u16) -> OsString {
    match arg.to_str() {
        Some(text) if text.contains("{PORT}") => text.replace("{PORT}", &port.to_string()).into(),
        _ => arg,
    }
}
