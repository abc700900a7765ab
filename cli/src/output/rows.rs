//! Ranges of records.

use std::ops::Range;

use rosettar::error::code;
use rosettar::{Error, Result};

/// The argument of `--rows`: `10:20` (from record 10 up to, not including, record 20), `:20`, `10:`, `7` (that one),
/// and `-5:` (the last five); records are numbered from 0, and a negative number counts from the end.
///
/// ```
/// use rosettar_cli::output::RowRange;
///
/// assert_eq!(RowRange::parse("10:20")?.resolve(15), 10..15);
/// assert_eq!(RowRange::parse("-5:")?.resolve(15), 10..15);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRange {
    start: i64,
    /// `None`: to the end.
    end: Option<i64>,
    /// Whether one record was asked for, by its number.
    single: bool,
}

impl RowRange {
    /// Makes sure that a record asked for by its number is there; of a range, what there is will do.
    ///
    /// # Errors
    /// `usage.no-such-record`.
    pub fn check(&self, total: u64) -> Result<()> {
        if self.single && self.resolve(total).is_empty() {
            let message = match total {
                0 => format!("there is no record {}: the stream has none", self.start),
                _ => format!("there is no record {}: expected 0 to {}", self.start, total - 1),
            };
            return Err(Error::new(code::USAGE_NO_SUCH_RECORD, message));
        }
        Ok(())
    }

    /// Parses the argument.
    ///
    /// # Errors
    /// `usage.option`.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new(
                code::USAGE_OPTION,
                format!("--rows {text:?}: expected START:END, START:, :END or one number, such as 10:20 or -5:"),
            )
        };
        let number = |text: &str| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if valid { text.parse::<i64>().map_err(|_| refuse()) } else { Err(refuse()) }
        };
        match text.split_once(':') {
            None => {
                let at = number(text)?;
                // The record after -1 is the end, not record 0.
                let end = at.checked_add(1).filter(|end| *end != 0);
                Ok(Self { start: at, end, single: true })
            }
            Some((start, end)) => Ok(Self {
                start: if start.is_empty() { 0 } else { number(start)? },
                end: if end.is_empty() { None } else { Some(number(end)?) },
                single: false,
            }),
        }
    }

    /// The records meant, where that can be told without knowing how many there are.
    pub fn from_the_front(&self) -> Option<Range<u64>> {
        let start = u64::try_from(self.start).ok()?;
        let end = self.end.map_or(Some(u64::MAX), |end| u64::try_from(end).ok())?;
        Some(start..end.max(start))
    }

    /// The records meant, of `total`; what is beyond them is left out.
    pub fn resolve(&self, total: u64) -> Range<u64> {
        let place = |at: i64| match u64::try_from(at) {
            Ok(at) => at.min(total),
            Err(_) => total.saturating_sub(at.unsigned_abs()),
        };
        let start = place(self.start);
        let end = self.end.map_or(total, place);
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, total, expected) in [
            ("10:20", 100, 10..20),
            ("10:20", 15, 10..15),
            ("10:20", 5, 5..5),
            (":20", 100, 0..20),
            ("10:", 100, 10..100),
            (":", 7, 0..7),
            ("-5:", 100, 95..100),
            ("-5:", 3, 0..3),
            (":-5", 100, 0..95),
            ("-5:-2", 100, 95..98),
            ("7", 100, 7..8),
            ("7", 7, 7..7),
            ("-1", 100, 99..100),
            ("-1", 0, 0..0),
            ("20:10", 100, 20..20),
            ("0", 1, 0..1),
            ("9223372036854775807", 1, 1..1),
        ] {
            assert_eq!(RowRange::parse(text).unwrap().resolve(total), expected, "{text} of {total}");
        }
        for bad in ["", "a", "1:2:3", "1.5", "--1", "-", "1-2", "+1", "9223372036854775808", " 1"] {
            assert!(RowRange::parse(bad).unwrap_err().is(code::USAGE_OPTION), "{bad:?}");
        }
    }
}
