use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::{
        Page, Report,
        file::{self, Readers},
        text,
    },
    progress,
};

/// Write the registry as SQL text
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman dump ports.sql
  portman dump | gzip > ports.sql.gz
  sqlite3 new.db < ports.sql               the same registry; `portman restore ports.sql` reads it, too")]
pub struct Dump {
    /// The file; a new one is for you alone. Without one, or for -, the text is the output
    file: Option<PathBuf>,
}

/// Where the text is, or the text itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    path: Option<PathBuf>,
    bytes: u64,
    /// Where there is no file, and the answer is JSON.
    sql: Option<String>,
}

impl Dump {
    /// Writes it.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let (keeper, interrupt) = context.interruptible()?;
        let watch = progress::watch(&interrupt);
        if let Some(path) = self.file.filter(|file| file.as_os_str() != "-") {
            let bytes = file::write(&path, keeper.path(), Readers::User, |out| {
                let mut out = Counted::new(out);
                let dumped = keeper.dump(&mut out, watch);
                if let Some(error) = out.failure.take() {
                    // The engine knows only that the text could not be written.
                    return Err(Failure::file(&path, error));
                }
                dumped?;
                Ok(out.bytes)
            })?;
            return Ok(Answer {
                path: Some(path),
                bytes,
                sql: None,
            });
        }
        if context.json() {
            let mut text = Vec::new();
            keeper.dump(&mut text, watch)?;
            return Ok(Answer {
                path: None,
                bytes: text.len() as u64,
                sql: Some(String::from_utf8_lossy(&text).into_owned()),
            });
        }
        let mut out = Counted::new(BufWriter::new(io::stdout().lock()));
        let dumped = keeper.dump(&mut out, watch);
        if let Some(error) = out.failure.take() {
            return Err(Failure::Output(error));
        }
        dumped?;
        out.flush()?;
        Ok(Answer {
            path: None,
            bytes: out.bytes,
            sql: None,
        })
    }
}

/// Counts what is written, and remembers why it could not be.
struct Counted<W> {
    out: W,
    bytes: u64,
    failure: Option<io::Error>,
}

impl<W: Write> Counted<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            bytes: 0,
            failure: None,
        }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.out.write(buffer) {
            Ok(written) => {
                self.bytes += written as u64;
                Ok(written)
            }
            Err(error) => {
                self.failure = Some(error.kind().into());
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        if let Err(error) = &flushed {
            self.failure = Some(error.kind().into());
        }
        flushed
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match &self.path {
            Some(path) => page.line(format!(
                "{} in {}",
                text::bytes(self.bytes),
                text::clean(&path.display().to_string())
            )),
            // The text was the output.
            None => Ok(()),
        }
    }
}
