use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;

use crate::{
    cli::Cli,
    failure::Outcome,
    output::{Page, Report},
};

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman completions bash > ~/.local/share/bash-completion/completions/portman
  portman completions zsh  > \"${fpath[1]}/_portman\"
  portman completions fish > ~/.config/fish/completions/portman.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// The script.
#[derive(Debug, Serialize)]
pub struct Answer {
    shell: String,
    script: String,
}

impl Completions {
    /// Makes it.
    pub fn run(self) -> Outcome<Answer> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "portman", &mut script);
        Ok(Answer {
            shell: self.shell.to_string(),
            script: String::from_utf8_lossy(&script).into_owned(),
        })
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.raw(&self.script)
    }
}
