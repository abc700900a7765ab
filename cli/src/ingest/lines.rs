//! Lines, read with a bound on their length.

use std::io::{self, BufRead};

/// How a call of [`read_line`] ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing was left to read.
    End,
    /// A line was appended, with its line feed if it has one.
    Whole,
    /// The line would have made the buffer longer than allowed; what was read so far was appended.
    TooLong,
}

/// Appends one line to `buf`, which then holds at most `limit` bytes and a line end (`\n`, `\r\n`). What exceeds that is
/// refused while it is read.
pub(super) fn read_line(reader: &mut impl BufRead, buf: &mut Vec<u8>, limit: u64) -> io::Result<Line> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX - 2) + 2;
    let before = buf.len();
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            let ended = if buf.len() == before { Line::End } else { Line::Whole };
            return Ok(if buf.len() > limit - 2 { Line::TooLong } else { ended });
        }
        let found = memchr::memchr(b'\n', available);
        let take = found.map_or(available.len(), |at| at + 1).min(limit - buf.len().min(limit));
        buf.extend_from_slice(&available[..take]);
        let whole = found.is_some_and(|at| at + 1 == take);
        reader.consume(take);
        if whole {
            return Ok(if without_end(buf).len() > limit - 2 { Line::TooLong } else { Line::Whole });
        }
        if buf.len() >= limit {
            return Ok(Line::TooLong);
        }
    }
}

/// `line` without the line end.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_the_line_without_its_end() {
        for (text, limit, expected) in [
            ("abc\n", 3, Line::Whole),
            ("abc\r\n", 3, Line::Whole),
            ("abc", 3, Line::Whole),
            ("abcd\n", 3, Line::TooLong),
            ("abcd", 3, Line::TooLong),
            ("abcdefgh", 3, Line::TooLong),
            ("\n", 0, Line::Whole),
            ("", 3, Line::End),
        ] {
            for capacity in [1, 2, 100] {
                let mut reader = io::BufReader::with_capacity(capacity, text.as_bytes());
                let mut buf = Vec::new();
                assert_eq!(read_line(&mut reader, &mut buf, limit).unwrap(), expected, "{text:?} {limit}");
                assert!(buf.len() as u64 <= limit + 2);
            }
        }
    }
}
