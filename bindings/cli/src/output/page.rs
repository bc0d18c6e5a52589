use std::{
    env,
    io::{self, IsTerminal, Write},
};

/// Where text goes, and how wide it may be.
pub struct Page<'a> {
    out: &'a mut dyn Write,
    width: Option<usize>,
}

impl<'a> Page<'a> {
    /// The standard output. Only a terminal has a width: a file or a pipe gets everything.
    pub fn new(out: &'a mut dyn Write) -> Self {
        let width = if io::stdout().is_terminal() {
            terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
        } else {
            None
        };
        // As `ps` and `ls` have it: who sets COLUMNS wants lines of that length.
        let asked = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        Self {
            out,
            width: width.or(asked).filter(|width| *width > 0),
        }
    }

    /// As a part of the screen that is this wide.
    pub fn sized(out: &'a mut dyn Write, width: usize) -> Self {
        Self {
            out,
            width: Some(width),
        }
    }

    /// The columns there are, where it matters.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// One line.
    pub fn line(&mut self, line: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Text that ends as it does.
    pub fn raw(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }
}
