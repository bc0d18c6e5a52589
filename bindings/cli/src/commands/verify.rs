use std::io;

use clap::Args;
use portkeeper_core::{Finding, Severity};
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Page, Report, style, text},
    progress,
};

/// Look for damage in the registry; changes nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman verify
  portman verify --json | jq -r '.data.findings[].message'

Exits with 1 where an error was found; warnings are mended by themselves.")]
pub struct Verify {}

/// What is wrong.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Whether no error was found.
    sound: bool,
    findings: Vec<Finding>,
}

impl Verify {
    /// Looks.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let Self {} = self;
        let (keeper, interrupt) = context.interruptible()?;
        let findings = keeper.verify(progress::watch(&interrupt))?;
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        Ok(Answer {
            sound: !findings.iter().any(is_error),
            findings,
        })
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for finding in &self.findings {
            let (word, look) = match finding.severity {
                Severity::Error => ("error", style::ERROR),
                Severity::Warning => ("warning", style::CLAIMED),
            };
            let message = text::clean(&finding.message);
            page.line(format!("{look}{word}{look:#}  {message}"))?;
        }
        if self.findings.is_empty() {
            let good = style::GOOD;
            page.line(format!("{good}sound{good:#}"))?;
        }
        Ok(())
    }

    fn exit_code(&self) -> u8 {
        u8::from(!self.sound)
    }
}
