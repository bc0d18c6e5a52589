//! How answers are shown: as text for a person, or as one JSON object for a program.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use serde::Serialize;

use crate::failure::{Failure, Outcome};

pub mod file;
pub mod json;
mod page;
pub mod style;
mod table;
pub mod text;

pub use page::Page;
pub use table::{Cell, Column, Table};

/// What a command has to say.
pub trait Report: Serialize {
    /// For a person.
    fn text(&self, page: &mut Page<'_>) -> io::Result<()>;

    /// The exit code, where the command worked and its answer is not a plain yes.
    fn exit_code(&self) -> u8 {
        0
    }
}

/// Shows what a command answered, or why it did not, and gives the exit code.
pub fn show<R: Report>(json: bool, outcome: Outcome<R>) -> ExitCode {
    let shown = outcome.and_then(|report| {
        print(json, &report)?;
        Ok(report.exit_code())
    });
    match shown {
        Ok(code) => code.into(),
        Err(failure) => fail(json, &failure),
    }
}

fn print<R: Report>(json: bool, report: &R) -> Outcome<()> {
    if json {
        let mut out = BufWriter::new(io::stdout().lock());
        json::success(&mut out, report)?;
        out.flush()?;
    } else {
        let mut out = BufWriter::new(anstream::stdout().lock());
        report.text(&mut Page::new(&mut out))?;
        out.flush()?;
    }
    Ok(())
}

/// Says why a command did not work. A reader that has gone away is told nothing.
pub fn fail(json: bool, failure: &Failure) -> ExitCode {
    if failure.is_broken_pipe() {
        return ExitCode::SUCCESS;
    }
    // Where even that cannot be written, the exit code still says it.
    if json {
        let mut out = io::stdout().lock();
        let _ = json::failure(&mut out, failure);
    } else {
        complain(failure);
    }
    failure.exit_code().into()
}

/// `error: …` on the error output.
pub fn complain(failure: &Failure) {
    let error = style::ERROR;
    let message = text::clean(&failure.to_string()).into_owned();
    let _ = writeln!(
        anstream::stderr().lock(),
        "{error}error:{error:#} {message}"
    );
}

/// A line on the error output that is no answer: a hint, a warning.
pub fn remark(message: &str) {
    let dim = style::DIM;
    let message = text::clean(message);
    let _ = writeln!(anstream::stderr().lock(), "{dim}{message}{dim:#}");
}
