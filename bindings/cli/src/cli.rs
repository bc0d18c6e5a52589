//! The command line: one definition, from which help, completions and the man page are made.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, error::ErrorKind};

use crate::{
    commands::{
        backup::Backup, check::Check, compact::Compact, completions::Completions, configs::Configs,
        doctor::Doctor, dump::Dump, export::Export, history::History, hold::Hold, import::Import,
        kill::Kill, list::List, man::Man, projects::Projects, prune::Prune, release::Release,
        request::Request, reserve::Reserve, restore::Restore, run::Run, scan::Scan, stale::Stale,
        stats::Stats, summary::Summary, verify::Verify,
    },
    context::Context,
    failure::Failure,
    output::{self, show},
};

/// Whose port is it? The registry of this machine's network ports.
///
/// portman knows which project owns a port, which process uses it now, and who had it before. All
/// programs of a user share one registry, ~/.portkeeper/database.db, so that no two of them are given the
/// same port.
#[derive(Debug, Parser)]
#[command(
    name = "portman",
    version,
    propagate_version = true,
    after_help = "\
Examples:
  portman run -- npm run dev          start a server on this project's own port
  portman check 3000                  who has it, and which port is free instead
  portman scan                        every listener of this machine, with its project
  portman reserve 3000 --name shop    keep a port for a project
  portman kill 3000                   end what listens there, never its clients

Exit codes:
  0  it worked
  1  it failed
  2  an argument is invalid, or what it names does not exist
  3  permission was denied
  4  the port is reserved or in use
  130  it was ended by Ctrl-C
`portman run` ends with the exit code of its command.

Environment:
  PORTKEEPER_DB_PATH  the registry, unless --db names one
  NO_COLOR            no colour; there is none either where the output is no terminal"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub struct Global {
    /// The registry's file [default: `$PORTKEEPER_DB_PATH`, else ~/.portkeeper/database.db]
    #[arg(long, global = true, value_name = "PATH")]
    pub db: Option<PathBuf>,

    /// Answer with one JSON object: {"success":true,"data":…} or {"success":false,"error":…,"code":…}
    #[arg(long, global = true)]
    pub json: bool,

    /// Use a registry on a network or FUSE file system, which may lose what was acknowledged
    #[arg(long, global = true)]
    pub allow_network_file_system: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Run),
    Check(Check),
    List(List),
    Scan(Scan),
    Reserve(Reserve),
    Request(Request),
    Release(Release),
    Kill(Kill),
    Hold(Hold),
    History(History),
    Stale(Stale),
    Projects(Projects),
    Summary(Summary),
    Export(Export),
    Import(Import),
    Configs(Configs),
    Backup(Backup),
    Restore(Restore),
    Dump(Dump),
    Prune(Prune),
    Compact(Compact),
    Verify(Verify),
    Stats(Stats),
    Doctor(Doctor),
    Completions(Completions),
    Man(Man),
}

impl Command {
    /// Does it, and shows what came of it.
    pub fn run(self, context: &Context) -> ExitCode {
        let json = context.json();
        match self {
            Self::Run(args) => args.run(context),
            Self::Check(args) => show(json, args.run(context)),
            Self::List(args) => args.run(context),
            Self::Scan(args) => args.run(context),
            Self::Reserve(args) => show(json, args.run(context)),
            Self::Request(args) => show(json, args.run(context)),
            Self::Release(args) => show(json, args.run(context)),
            Self::Kill(args) => show(json, args.run(context)),
            Self::Hold(args) => args.run(context),
            Self::History(args) => show(json, args.run(context)),
            Self::Stale(args) => show(json, args.run(context)),
            Self::Projects(args) => show(json, args.run(context)),
            Self::Summary(args) => show(json, args.run(context)),
            Self::Export(args) => show(json, args.run(context)),
            Self::Import(args) => show(json, args.run(context)),
            Self::Configs(args) => show(json, args.run(context)),
            Self::Backup(args) => show(json, args.run(context)),
            Self::Restore(args) => show(json, args.run(context)),
            Self::Dump(args) => show(json, args.run(context)),
            Self::Prune(args) => show(json, args.run(context)),
            Self::Compact(args) => show(json, args.run(context)),
            Self::Verify(args) => show(json, args.run(context)),
            Self::Stats(args) => show(json, args.run(context)),
            Self::Doctor(args) => show(json, args.run(context)),
            Self::Completions(args) => show(json, args.run()),
            Self::Man(args) => show(json, args.run()),
        }
    }
}

/// Shows help, or what is wrong with the command line; as JSON where that was asked for.
pub fn refuse(error: &clap::Error, args: &[OsString]) -> ExitCode {
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let before_command = args.split(|arg| arg == "--").next().unwrap_or_default();
    if !is_help && before_command.iter().any(|arg| arg == "--json") {
        let text = error.to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text);
        // What follows the first paragraph is advice for a person.
        let message = message.split("\n\n").next().unwrap_or(message);
        return output::fail(true, &Failure::invalid(message.trim_end()));
    }
    // A reader that has gone away is told nothing.
    let _ = error.print();
    if is_help {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}
