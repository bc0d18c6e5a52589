//! A table that refreshes in place.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

use crate::{
    failure::Outcome,
    interrupt::Interrupt,
    output::{self, Page, Report, json},
};

/// How often, unless the user says it.
pub const EVERY: &str = "2s";

/// A screen of its own, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// The screen as it was.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Shows the report again and again, until Ctrl-C: in place on a terminal, else one after the other.
pub fn watch<R: Report>(json: bool, every: Duration, look: impl FnMut() -> Outcome<R>) -> ExitCode {
    // Nobody reads faster.
    let every = every.max(Duration::from_millis(100));
    let outcome = if json || !io::stdout().is_terminal() {
        stream(json, every, look)
    } else {
        let screen = Screen::enter();
        screen.and_then(|screen| screen.refresh(every, look))
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::fail(json, &failure),
    }
}

fn stream<R: Report>(
    json: bool,
    every: Duration,
    mut look: impl FnMut() -> Outcome<R>,
) -> Outcome<()> {
    let interrupt = Interrupt::listen()?;
    loop {
        let report = look()?;
        if json {
            let mut out = io::stdout().lock();
            json::success(&mut out, &report)?;
            out.flush()?;
        } else {
            let mut out = anstream::stdout().lock();
            report.text(&mut Page::new(&mut out))?;
            writeln!(out)?;
            out.flush()?;
        }
        if interrupt.within(every) {
            return Ok(());
        }
    }
}

/// The terminal, as long as the table has it.
struct Screen(Interrupt);

impl Screen {
    fn enter() -> Outcome<Self> {
        let screen = Self(Interrupt::listen()?);
        io::stdout().write_all(ENTER.as_bytes())?;
        Ok(screen)
    }

    fn refresh<R: Report>(
        self,
        every: Duration,
        mut look: impl FnMut() -> Outcome<R>,
    ) -> Outcome<()> {
        loop {
            let report = look()?;
            let (width, height) = terminal_size::terminal_size()
                .map_or((80, 24), |(w, h)| (usize::from(w.0), usize::from(h.0)));
            let mut text = Vec::new();
            report.text(&mut Page::sized(&mut text, width))?;
            let mut text = String::from_utf8_lossy(&text).into_owned();
            // The frame itself needs its control sequences, with colour and without.
            if AutoStream::choice(&io::stdout()) == ColorChoice::Never {
                text = strip_str(&text).to_string();
            }
            let lines: Vec<&str> = text.lines().collect();
            let shown = match lines.len() {
                all if all < height => all,
                // The last line says what does not fit.
                _ => height.saturating_sub(2),
            };
            // Written over the old one from the top: clearing first would flicker.
            let mut frame = String::from("\x1b[H");
            for line in &lines[..shown] {
                frame.push_str(line);
                frame.push_str("\x1b[K\r\n");
            }
            if shown < lines.len() {
                let more = format!("… {} more", lines.len() - shown);
                frame.push_str(&output::text::cut(&more, width));
                frame.push_str("\x1b[K");
            }
            frame.push_str("\x1b[J");
            let mut out = io::stdout().lock();
            out.write_all(frame.as_bytes())?;
            out.flush()?;
            drop(out);
            if self.0.within(every) {
                return Ok(());
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
    }
}
