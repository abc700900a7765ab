//! Rows of CSV: RFC 4180, strictly, with every row's first line and a bound on its length.

use std::io::BufRead;
use std::ops::Range;

use rosettar::error::code;
use rosettar::{Error, Limits, Result};

use super::super::lines::{Line, read_line, without_end};
use super::super::{fault, strip_bom, too_long, unreadable};

/// The most columns that a header may have.
const MAX_COLUMNS: usize = 1 << 16;

/// Where a cell's text is.
#[derive(Clone, Debug)]
enum Place {
    /// In the row as read.
    Row(Range<usize>),
    /// Among the cells with doubled quotes, which are written out again without the doubling.
    Unescaped(Range<usize>),
}

/// A reader of rows, which holds the current one.
#[derive(Debug)]
pub(super) struct Rows<R> {
    reader: R,
    name: String,
    limits: Limits,
    /// Lines read so far.
    lines: u64,
    /// The line on which the current row starts.
    start: u64,
    row: String,
    unescaped: String,
    cells: Vec<Place>,
}

/// What is wrong with a row; the number is that of the cell.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// A quoted cell has no closing quote, so far.
    Open(usize),
    /// A quote in a cell that does not begin with one.
    Stray(usize),
    /// Text after the closing quote.
    AfterQuote(usize),
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(reader: R, name: &str, limits: Limits) -> Self {
        Self {
            reader,
            name: name.to_owned(),
            limits,
            lines: 0,
            start: 0,
            row: String::new(),
            unescaped: String::new(),
            cells: Vec::new(),
        }
    }

    /// The file's name and the line on which the current row starts.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.name, self.start)
    }

    pub(super) fn cell(&self, column: usize) -> &str {
        match &self.cells[column] {
            Place::Row(range) => &self.row[range.clone()],
            Place::Unescaped(range) => &self.unescaped[range.clone()],
        }
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.cells.len()).map(|column| self.cell(column))
    }

    /// Reads the next row, which must have as many cells as there are `columns`; `false` after the last one.
    pub(super) fn next(&mut self, columns: Option<&[String]>) -> Result<bool> {
        let mut row = std::mem::take(&mut self.row).into_bytes();
        row.clear();
        let mut blank = None;
        loop {
            self.start = self.lines + 1;
            if !self.line(&mut row)? {
                return Ok(false);
            }
            if self.start == 1 {
                strip_bom(&mut row);
            }
            if !without_end(&row).is_empty() {
                break;
            }
            blank.get_or_insert(self.start);
            row.clear();
        }
        if let Some(line) = blank {
            let found = "found a blank line before the last row; an empty cell alone in its row is written \"\"";
            return Err(fault(code::RECORD_VALUE, format_args!("{}:{line}", self.name), found));
        }
        let most = columns.map_or(MAX_COLUMNS, <[String]>::len);
        let mut unescaped = std::mem::take(&mut self.unescaped).into_bytes();
        let found = self.split(&mut row, &mut unescaped, most, columns)?;
        if columns.is_none() && found > MAX_COLUMNS {
            let what = format!("expected at most {MAX_COLUMNS} columns, found {found}");
            return Err(fault(code::RECORD_VALUE, self.place(), what));
        }
        self.row = self.utf8(row, columns)?;
        self.unescaped = String::from_utf8(unescaped).unwrap_or_default();
        if let Some(columns) = columns
            && found != columns.len()
        {
            let what = format!("expected {} cells as in the header, found {found}", columns.len());
            return Err(fault(code::RECORD_VALUE, self.place(), what));
        }
        Ok(true)
    }

    /// Appends one line; `false` at the end.
    fn line(&mut self, row: &mut Vec<u8>) -> Result<bool> {
        let read = read_line(&mut self.reader, row, self.limits.record_bytes)
            .map_err(|error| unreadable(&self.name, error))?;
        match read {
            Line::End => Ok(false),
            Line::Whole => {
                self.lines += 1;
                Ok(true)
            }
            Line::TooLong => Err(too_long(self.place(), "row", &self.limits)),
        }
    }

    /// Splits the row into cells, after reading the further lines that quoted cells extend it by. Returns their number.
    fn split(
        &mut self,
        row: &mut Vec<u8>,
        unescaped: &mut Vec<u8>,
        most: usize,
        columns: Option<&[String]>,
    ) -> Result<usize> {
        let mut quotes = count_quotes(row);
        if quotes == 0 {
            return Ok(split_plain(without_end(row), most, &mut self.cells));
        }
        let mut result = split_quoted(without_end(row), most, &mut self.cells, unescaped);
        while let Err(Fault::Open(_)) = result {
            let before = row.len();
            // In a well-formed row every cell is closed once its quotes are even in number.
            loop {
                let from = row.len();
                if !self.line(row)? {
                    break;
                }
                quotes += count_quotes(&row[from..]);
                if quotes.is_multiple_of(2) {
                    break;
                }
            }
            if row.len() == before {
                break;
            }
            result = split_quoted(without_end(row), most, &mut self.cells, unescaped);
        }
        result.map_err(|bad| {
            let (column, what) = match bad {
                Fault::Open(column) => (column, "expected a closing quote, found the end of the file"),
                Fault::Stray(column) => (
                    column,
                    "found a quote in a cell that does not begin with one; \
                    put the cell in quotes and double those in it",
                ),
                Fault::AfterQuote(column) => {
                    (column, "expected a comma or the end of the line after the closing quote")
                }
            };
            self.in_column(column, columns, what)
        })
    }

    fn utf8(&self, row: Vec<u8>, columns: Option<&[String]>) -> Result<String> {
        String::from_utf8(row).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let before = self.cells.iter().filter(|cell| matches!(cell, Place::Row(range) if range.end < at)).count();
            // Cells with doubled quotes leave no range in the row; then count what is known to end before.
            self.in_column(before, columns, "invalid UTF-8")
        })
    }

    fn in_column(&self, column: usize, columns: Option<&[String]>, what: &str) -> Error {
        let name = match columns.and_then(|columns| columns.get(column)) {
            Some(name) => format!("{name:?}"),
            None => (column + 1).to_string(),
        };
        fault(code::RECORD_VALUE, self.place(), format_args!("column {name}: {what}"))
    }
}

fn count_quotes(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'"', bytes).count()
}

/// Splits a row without quotes. Cells beyond `most` are counted, not kept.
fn split_plain(row: &[u8], most: usize, cells: &mut Vec<Place>) -> usize {
    cells.clear();
    let (mut start, mut count) = (0, 0);
    for end in memchr::memchr_iter(b',', row).chain([row.len()]) {
        if count < most {
            cells.push(Place::Row(start..end));
        }
        count += 1;
        start = end + 1;
    }
    count
}

fn split_quoted(row: &[u8], most: usize, cells: &mut Vec<Place>, unescaped: &mut Vec<u8>) -> Result<usize, Fault> {
    cells.clear();
    unescaped.clear();
    let (mut at, mut count) = (0, 0);
    loop {
        let (place, end) = if row.get(at) == Some(&b'"') {
            quoted_cell(row, at + 1, count, unescaped)?
        } else {
            let end = memchr::memchr(b',', &row[at..]).map_or(row.len(), |found| at + found);
            if memchr::memchr(b'"', &row[at..end]).is_some() {
                return Err(Fault::Stray(count));
            }
            (Place::Row(at..end), end)
        };
        if count < most {
            cells.push(place);
        }
        count += 1;
        match row.get(end) {
            None => return Ok(count),
            Some(b',') => at = end + 1,
            Some(_) => return Err(Fault::AfterQuote(count - 1)),
        }
    }
}

/// The cell whose text begins at `start`, after its opening quote, and where what follows it begins.
fn quoted_cell(row: &[u8], start: usize, count: usize, unescaped: &mut Vec<u8>) -> Result<(Place, usize), Fault> {
    let (mut from, first) = (start, unescaped.len());
    loop {
        let quote = from + memchr::memchr(b'"', &row[from..]).ok_or(Fault::Open(count))?;
        if row.get(quote + 1) == Some(&b'"') {
            unescaped.extend_from_slice(&row[from..=quote]);
            from = quote + 2;
            continue;
        }
        // Only a cell with a doubled quote was copied; all others are read where they are.
        if from == start {
            return Ok((Place::Row(start..quote), quote + 1));
        }
        unescaped.extend_from_slice(&row[from..quote]);
        return Ok((Place::Unescaped(first..unescaped.len()), quote + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8]) -> Result<Vec<(u64, Vec<String>)>> {
        let mut rows = Rows::new(text, "x.csv", Limits::default());
        let mut found = Vec::new();
        while rows.next(None)? {
            found.push((rows.start, rows.cells().map(str::to_owned).collect()));
        }
        Ok(found)
    }

    #[test]
    fn rows_know_their_first_line() {
        let text = b"\xef\xbb\xbfa,b\r\n1,\"x\ny\"\"\n\"\n\"\",3\n4,\xc3\xa9";
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            all(text).unwrap(),
            [(1, cells(&["a", "b"])), (2, cells(&["1", "x\ny\"\n"])), (5, cells(&["", "3"])), (6, cells(&["4", "é"])),]
        );
    }

    #[test]
    fn bad_rows() {
        for (text, expected) in [
            (
                &b"a\n5\" pipe\n"[..],
                "x.csv:2: column 1: found a quote in a cell that does not begin with one; \
                put the cell in quotes and double those in it",
            ),
            (b"a,b\n1,\"x\n\n", "x.csv:2: column 2: expected a closing quote, found the end of the file"),
            (b"a\n\"x\"y\n", "x.csv:2: column 1: expected a comma or the end of the line after the closing quote"),
            (
                b"a\n\n\n1\n",
                "x.csv:2: found a blank line before the last row; an empty cell alone in its row is \
                written \"\"",
            ),
            (b"a,b\n\xff,1\n", "x.csv:2: column 1: invalid UTF-8"),
            (b"a,b\n1,\xff\n", "x.csv:2: column 2: invalid UTF-8"),
        ] {
            assert_eq!(all(text).unwrap_err().message(), expected);
        }
        assert_eq!(all(b"a\n1\n\n\r\n").unwrap().len(), 2);
    }

    #[test]
    fn a_row_is_refused_while_it_is_read() {
        let mut limits = Limits::default();
        limits.record_bytes = 10;
        let endless = std::io::BufReader::new(std::io::Read::chain(&b"a\n"[..], std::io::repeat(b'x')));
        let mut rows = Rows::new(endless, "x.csv", limits.clone());
        assert!(rows.next(None).unwrap());
        let error = rows.next(None).unwrap_err();
        assert_eq!(error.message(), "x.csv:2: the row is longer than the limit record-bytes of 10 bytes");
        let quoted = std::io::BufReader::new(std::io::Read::chain(&b"\"\n"[..], std::io::repeat(b'\n')));
        assert!(Rows::new(quoted, "x.csv", limits).next(None).unwrap_err().is(code::LIMIT_RECORD_BYTES));
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read(rows in prop::collection::vec(
            prop::collection::vec("[a\",\n\r é]{0,6}", 1..4), 1..6))
        {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let found = all(&writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(found.into_iter().map(|(_, cells)| cells).collect::<Vec<_>>(), rows);
        }
    }
}
