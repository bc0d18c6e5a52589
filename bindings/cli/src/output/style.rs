//! The few styles there are. They are written always; the stream drops them where there is no
//! terminal, or `NO_COLOR` is set.

use anstyle::{AnsiColor, Color, Style};

const fn of(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// Nothing special.
pub const PLAIN: Style = Style::new();
/// Column headers, port numbers.
pub const STRONG: Style = Style::new().bold();
/// What may be passed over.
pub const DIM: Style = Style::new().dimmed();
/// A free port, a check that passed.
pub const GOOD: Style = of(AnsiColor::Green);
/// A claimed port, a warning.
pub const CLAIMED: Style = of(AnsiColor::Yellow);
/// A port in use.
pub const BUSY: Style = of(AnsiColor::Cyan);
/// What went wrong.
pub const ERROR: Style = of(AnsiColor::Red).bold();
