//! Tables of aligned columns, and names that are safe to print.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

/// A name as a terminal may be given it: control characters, those of escape sequences among them, and the characters
/// that turn the direction of the text or are invisible are written as `\n`, `\u{1b}` and so on, and a backslash as two, so
/// that no two names look alike for it. Scripts should ask for JSON instead.
///
/// ```
/// use rosettar_cli::output::table::escape;
///
/// assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
/// assert_eq!(escape("a\\u{1b}[31mb"), "a\\\\u{1b}[31mb");
/// ```
pub fn escape(name: &str) -> Cow<'_, str> {
    escape_where(name, |c| c == '\\' || is_unsafe(c))
}

/// A text, such as a message, as a terminal may be given it: as [`escape`] does it, but for the backslash, which may stand
/// in an escape that is there already.
///
/// ```
/// assert_eq!(rosettar_cli::output::table::printable("\u{1b}[2J of \"a\\tb\""), "\\u{1b}[2J of \"a\\tb\"");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    escape_where(text, is_unsafe)
}

fn escape_where(text: &str, escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&escaped) {
        return Cow::Borrowed(text);
    }
    let mut found = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if escaped(c) {
            found.extend(c.escape_default());
        } else {
            found.push(c);
        }
    }
    Cow::Owned(found)
}

/// Whether a character does something to the terminal, or is not seen.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// On which side a column's cells are filled up with spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text: spaces follow.
    Left,
    /// Numbers: spaces precede.
    Right,
}

/// Rows of cells, aligned by the width they take on a terminal. It keeps them all until it is printed.
///
/// ```
/// use rosettar_cli::output::table::{Align, Table};
///
/// let mut table = Table::new([Align::Right, Align::Left]);
/// table.row(["5", "five"]);
/// table.row(["10", "ten"]);
/// assert_eq!(table.to_string(), " 5  five\n10  ten\n");
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    aligns: Vec<Align>,
    widths: Vec<usize>,
    rows: Vec<Vec<String>>,
    escaped: bool,
}

impl Table {
    /// A table with these columns.
    pub fn new(aligns: impl IntoIterator<Item = Align>) -> Self {
        let aligns: Vec<_> = aligns.into_iter().collect();
        Self { widths: vec![0; aligns.len()], aligns, rows: Vec::new(), escaped: true }
    }

    /// Whether cells are [escaped](escape), as they are by default; not for what does not go to a terminal.
    #[must_use]
    pub fn escaped(mut self, escaped: bool) -> Self {
        self.escaped = escaped;
        self
    }

    /// Adds a row. Cells beyond the columns are left out.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut row = Vec::with_capacity(self.aligns.len());
        for (cell, width) in cells.into_iter().zip(&mut self.widths) {
            let cell = if self.escaped { escape(cell.as_ref()).into_owned() } else { cell.as_ref().to_owned() };
            *width = (*width).max(cell.width());
            row.push(cell);
        }
        self.rows.push(row);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = String::new();
        for row in &self.rows {
            line.clear();
            for (index, cell) in row.iter().enumerate() {
                if index > 0 {
                    line.push_str("  ");
                }
                let fill = self.widths[index] - cell.width();
                match self.aligns[index] {
                    Align::Left => write!(line, "{cell}{:fill$}", "")?,
                    Align::Right => write!(line, "{:fill$}{cell}", "")?,
                }
            }
            // A name may end in spaces; the filling after the last cell is not part of it.
            let filling = match (row.len().checked_sub(1), row.last()) {
                (Some(last), Some(cell)) if self.aligns[last] == Align::Left => self.widths[last] - cell.width(),
                _ => 0,
            };
            line.truncate(line.len() - filling);
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_their_width_on_a_terminal() {
        let mut table = Table::new([Align::Left, Align::Right, Align::Left]);
        table.row(["日本", "1", "x"]);
        table.row(["abc", "100", "y "]);
        table.row(["e\u{301}", "", ""]);
        assert_eq!(table.to_string(), "日本    1  x\nabc   100  y \ne\u{301}          \n");
    }

    #[test]
    fn terminal_escapes_are_shown_and_not_sent() {
        assert!(matches!(escape("naïve 日本 a b"), Cow::Borrowed(_)));
        assert_eq!(escape("a\nb\t\r"), "a\\nb\\t\\r");
        assert_eq!(escape("\u{9b}31m\u{7f}\u{202e}gpj.exe\u{200b}"), "\\u{9b}31m\\u{7f}\\u{202e}gpj.exe\\u{200b}");
        // A name that spells an escape is not taken for what it spells.
        assert_eq!(escape("\\u{202e}"), "\\\\u{202e}");
        assert_eq!(printable("\\u{202e}\u{202e}"), "\\u{202e}\\u{202e}");
        let invisible = "\u{ad}\u{34f}\u{115f}\u{180e}\u{3164}\u{ffa0}\u{fff9}\u{e0041}";
        assert_eq!(escape(invisible), "\\u{ad}\\u{34f}\\u{115f}\\u{180e}\\u{3164}\\u{ffa0}\\u{fff9}\\u{e0041}");
        let mut table = Table::new([Align::Left]);
        table.row(["\u{1b}[2J"]);
        assert_eq!(table.to_string(), "\\u{1b}[2J\n");
        let mut raw = Table::new([Align::Left]).escaped(false);
        raw.row(["a\u{1}"]);
        assert_eq!(raw.to_string(), "a\u{1}\n");
    }
}
