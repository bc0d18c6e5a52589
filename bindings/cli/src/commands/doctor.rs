use std::io;

use clap::Args;
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Page, Report, style, text},
};

mod machine;
mod programs;
mod registry;

/// Explain this machine: what may get in the way of ports and of the registry
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman doctor
  portman doctor --json | jq -r '.data.checks[] | select(.level != \"ok\") | .message'

Exits with 1 where something is broken; what is only worth knowing is no failure.")]
pub struct Doctor {}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// May bite.
    Warning,
    /// Broken.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// Its stable name, such as `ephemeral-range`.
    name: &'static str,
    level: Level,
    message: String,
    /// What to do about it.
    hint: Option<String>,
}

impl Check {
    fn new(name: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self {
            name,
            level,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The findings.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Whether nothing is broken.
    healthy: bool,
    checks: Vec<Check>,
}

impl Doctor {
    /// Looks at everything.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let Self {} = self;
        let mut checks = machine::checks();
        checks.extend(registry::checks(context));
        checks.extend(programs::checks());
        Ok(Answer {
            healthy: checks.iter().all(|check| check.level != Level::Problem),
            checks,
        })
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for check in &self.checks {
            let (mark, look) = match check.level {
                Level::Ok => ("ok     ", style::GOOD),
                Level::Note => ("note   ", style::BUSY),
                Level::Warning => ("warning", style::CLAIMED),
                Level::Problem => ("problem", style::ERROR),
            };
            page.line(format!(
                "{look}{mark}{look:#}  {}",
                text::clean(&check.message)
            ))?;
            if let Some(hint) = &check.hint {
                let dim = style::DIM;
                page.line(format!("         {dim}{}{dim:#}", text::clean(hint)))?;
            }
        }
        Ok(())
    }

    fn exit_code(&self) -> u8 {
        u8::from(!self.healthy)
    }
}
