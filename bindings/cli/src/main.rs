//! `portman`: Port Keeper from the shell.
//!
//! One file a command: its arguments, what it does, and how the answer is shown. `output` has what they
//! share, `run` what `portman run` needs to keep a port for a command and to leave nothing behind.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![deny(unsafe_code)]
// A line that is put together piece by piece reads best so.
#![allow(clippy::format_push_string)]
// Options are what the arguments of a command are.
#![allow(clippy::struct_excessive_bools)]
// Every command has the same form, also one that cannot fail.
#![allow(clippy::unnecessary_wraps)]

use std::{
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches};
use portkeeper_core::ErrorKind;

mod cli;
mod commands;
mod context;
mod failure;
mod interrupt;
mod output;
mod progress;
mod prompt;
mod run;
mod values;
mod watch;

use cli::Cli;
use context::Context;
use failure::Failure;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    #[cfg(target_os = "linux")]
    if let Some(code) = run::guard::main(&args) {
        return code;
    }
    let parsed = Cli::command()
        .try_get_matches_from(&args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(Cli { global, command }) => {
            let json = global.json;
            let run = AssertUnwindSafe(|| command.run(&Context::new(global)));
            // A defect: the hook has said where it is, and the answer keeps its shape.
            panic::catch_unwind(run).unwrap_or_else(|_| {
                let message = "internal error: portman has a defect".to_owned();
                output::fail(json, &Failure::Refused(ErrorKind::Internal, message))
            })
        }
        Err(error) => cli::refuse(&error, &args),
    }
}
