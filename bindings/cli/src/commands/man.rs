use std::{fs, io, path::PathBuf};

use clap::{Args, CommandFactory};
use serde::Serialize;

use crate::{
    cli::Cli,
    failure::{Failure, Outcome},
    output::{Page, Report, text},
};

/// Print the man page, or write one for every command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman man | man -l -
  portman man --dir ~/.local/share/man/man1")]
pub struct Man {
    /// Write portman.1, portman-check.1 and so on to this folder
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// The page, or the files.
#[derive(Debug, Serialize)]
pub struct Answer {
    page: Option<String>,
    files: Vec<PathBuf>,
}

impl Man {
    /// Makes it.
    pub fn run(self) -> Outcome<Answer> {
        let command = Cli::command();
        if let Some(dir) = self.dir {
            let failed = |error| Failure::file(&dir, error);
            fs::create_dir_all(&dir).map_err(failed)?;
            clap_mangen::generate_to(command, &dir).map_err(failed)?;
            let mut files = Vec::new();
            for entry in fs::read_dir(&dir).map_err(failed)?.flatten() {
                if entry.file_name().to_string_lossy().starts_with("portman") {
                    files.push(entry.path());
                }
            }
            files.sort();
            return Ok(Answer { page: None, files });
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        Ok(Answer {
            page: Some(String::from_utf8_lossy(&page).into_owned()),
            files: Vec::new(),
        })
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if let Some(text) = &self.page {
            page.raw(text)?;
        }
        for file in &self.files {
            page.line(text::clean(&file.display().to_string()))?;
        }
        Ok(())
    }
}
