use std::{fmt::Write, io};

use anstyle::Style;

use super::{Page, style, text};

/// Between two columns.
const GAP: usize = 2;

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    header: &'static str,
    is_number: bool,
    /// The least width it may be cut to.
    least: Option<usize>,
    /// The higher, the sooner it is left out of a narrow terminal.
    rank: u8,
}

impl Column {
    /// A column that is shown whole.
    pub const fn new(header: &'static str) -> Self {
        Self {
            header,
            is_number: false,
            least: None,
            rank: 0,
        }
    }

    /// Aligned to the right.
    pub const fn number(mut self) -> Self {
        self.is_number = true;
        self
    }

    /// May be cut down to this many columns.
    pub const fn cut_to(mut self, least: usize) -> Self {
        self.least = Some(least);
        self
    }

    /// May be left out; the highest rank goes first.
    pub const fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

/// The text of one cell, safe to show.
#[derive(Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Foreign text.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self {
            text: text::clean(text.as_ref()).into_owned(),
            style: style::PLAIN,
        }
    }

    /// Text that may be missing.
    pub fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| Self::new(""), Self::new)
    }

    /// Foreign text in a style.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self {
            style,
            ..Self::new(text)
        }
    }
}

/// Rows under headers, as wide as the terminal at most.
#[derive(Debug)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub const fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// Shows it.
    pub fn show(&self, page: &mut Page<'_>) -> io::Result<()> {
        let widths = self.widths(page.width());
        let mut line = String::new();
        for (column, width) in self.columns.iter().zip(widths) {
            Self::cell(&mut line, column.header, style::STRONG, *column, width);
        }
        finish(page, &mut line)?;
        for row in &self.rows {
            for ((cell, column), width) in row.iter().zip(self.columns).zip(widths) {
                Self::cell(&mut line, &cell.text, cell.style, column, width);
            }
            finish(page, &mut line)?;
        }
        Ok(())
    }

    fn cell(line: &mut String, text: &str, style: Style, column: Column, width: Option<usize>) {
        let Some(width) = width else { return };
        let text = text::cut(text, width);
        let pad = width - text::width(&text);
        let (before, after) = if column.is_number { (pad, 0) } else { (0, pad) };
        // Writing to a string does not fail.
        let _ = write!(line, "{:before$}", "");
        let _ = if style.is_plain() {
            write!(line, "{text}")
        } else {
            write!(line, "{style}{text}{style:#}")
        };
        let _ = write!(line, "{:after$}", "", after = after + GAP);
    }

    /// The width of each column; `None` for one that is left out.
    fn widths(&self, most: Option<usize>) -> [Option<usize>; N] {
        let mut widths = self.columns.map(|column| Some(text::width(column.header)));
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(Some(text::width(&cell.text)));
            }
        }
        // A column that says nothing in any row only takes room.
        for (at, width) in widths.iter_mut().enumerate() {
            let is_empty = self.rows.iter().all(|row| row[at].text.is_empty());
            if is_empty && self.columns[at].rank > 0 && !self.rows.is_empty() {
                *width = None;
            }
        }
        let Some(most) = most else { return widths };
        while total(&widths) > most {
            let over = total(&widths) - most;
            if let Some(at) = self.widest_that_gives(&widths) {
                let least = self.columns[at].least.unwrap_or(0);
                widths[at] = widths[at].map(|width| width.saturating_sub(over).max(least));
            } else if let Some(at) = self.least_wanted(&widths) {
                widths[at] = None;
            } else {
                let widest = (0..N).max_by_key(|at| widths[*at]);
                let Some((at, width)) = widest.and_then(|at| Some((at, widths[at]?))) else {
                    break;
                };
                if width > 1 {
                    widths[at] = Some(width.saturating_sub(over).max(1));
                } else if let Some(last) = (1..N).rev().find(|at| widths[*at].is_some()) {
                    // One character of each is still too much: the first says the most.
                    widths[last] = None;
                } else {
                    break;
                }
            }
        }
        widths
    }

    fn widest_that_gives(&self, widths: &[Option<usize>; N]) -> Option<usize> {
        let slack = |at: &usize| {
            let least = self.columns[*at].least?;
            widths[*at]?.checked_sub(least).filter(|slack| *slack > 0)
        };
        (0..N)
            .filter(|at| slack(at).is_some())
            .max_by_key(|at| widths[*at])
    }

    fn least_wanted(&self, widths: &[Option<usize>; N]) -> Option<usize> {
        (0..N)
            .filter(|at| widths[*at].is_some() && self.columns[*at].rank > 0)
            .max_by_key(|at| self.columns[*at].rank)
    }
}

fn total<const N: usize>(widths: &[Option<usize>; N]) -> usize {
    let shown = widths.iter().flatten();
    shown.clone().sum::<usize>() + GAP * shown.count().saturating_sub(1)
}

fn finish(page: &mut Page<'_>, line: &mut String) -> io::Result<()> {
    page.line(line.trim_end())?;
    line.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Cell, Column, Page, Table};
    use crate::output::text;

    fn shown(width: usize) -> String {
        let mut table = Table::new([
            Column::new("PORT").number(),
            Column::new("PROJECT").cut_to(8),
            Column::new("DESCRIPTION").cut_to(6).rank(1),
        ]);
        for project in ["shop", "日本語のプロジェクト", "👨‍👩‍👧\x1b[2J"] {
            let description = "React dev server with a long text";
            table.row([
                Cell::new("3000"),
                Cell::new(project),
                Cell::new(description),
            ]);
        }
        let mut out = Vec::new();
        table.show(&mut Page::sized(&mut out, width)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_line_fits_every_terminal() {
        for width in 1..100 {
            let plain = anstream::adapter::strip_str(&shown(width)).to_string();
            for line in plain.lines() {
                assert!(text::width(line) <= width, "{width}: {line:?}");
                assert!(!line.contains(char::is_control));
            }
        }
    }

    #[test]
    fn what_is_wanted_least_goes_first() {
        assert!(shown(80).contains("with a long text"));
        assert!(shown(40).contains("React"));
        assert!(!shown(20).contains("React"));
        assert!(shown(20).contains("shop"));
    }
}
