//! A bar for what takes long.

use std::{ops::ControlFlow, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use portkeeper_core::Watch;

use crate::interrupt::Interrupt;

/// Follows an operation with a bar on the error output, where that is a terminal, until Ctrl-C. What is
/// over within a moment shows none.
pub fn watch<'a>(interrupt: &Interrupt) -> Watch<'a> {
    let interrupt = interrupt.clone();
    let begin = std::time::Instant::now();
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    let mut is_shown = false;
    Watch::new(move |progress| {
        if !is_shown && begin.elapsed() > Duration::from_millis(200) {
            is_shown = true;
            // Draws nothing where the error output is no terminal.
            bar.set_draw_target(ProgressDrawTarget::stderr());
            let form = "{msg} [{wide_bar}] {percent}% {eta}";
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(progress.operation);
        }
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        if interrupt.happened() {
            bar.finish_and_clear();
            return ControlFlow::Break(());
        }
        if progress.done == progress.total && progress.total > 0 {
            bar.finish_and_clear();
        }
        ControlFlow::Continue(())
    })
}
