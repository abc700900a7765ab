//! The arguments of `explain`.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, ValueHint};

pub(super) const EXPLAIN: &str = "\
For whoever writes a writer of archives, or wonders what became of one. Each line has an offset, a length, what stands there, what \
it says, and the section of FORMAT.md that has it. What a thing consists of is indented below it; what is wrong with it stands below \
it after a !, with the code that ERRORS.md has. The outermost lines hold each byte of the file once, also where it is broken: the map goes on as far as \
frames can be told apart, by their own bytes, by the index or by the seek table.

Offsets after t count from the beginning of the tar, those after p from the beginning of a page of the entry table. Things \
that are alike are shortened to one line after the first few. The last line is the verdict: what `rosettar verify --records` finds \
first. Exits with 0 if the file is sound, and with 2 if it is not.

Of C1Z files, too, there is a map; sections are then those of C1Z.md.

Examples:
  rosettar explain mine.rtar
  rosettar explain --at 0x1f40..0x2000 mine.rtar
  rosettar explain --all --json mine.rtar | jq -c 'select(.problems != [])'
  my-writer | rosettar explain - | less";

/// `explain`
#[derive(Args, Debug)]
pub struct Explain {
    /// The file; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// Show each of the things that are alike
    #[arg(long)]
    pub all: bool,
    /// Show only what encloses the byte at OFFSET, or the bytes up to END, without it; 0x begins a hexadecimal number
    #[arg(long, value_name = "OFFSET[..END]", value_parser = range)]
    pub at: Option<Range<u64>>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = match text.split_once("..") {
        Some((start, end)) => (number(start), number(end)),
        None => (number(text), number(text).and_then(|start| start.checked_add(1))),
    };
    match (start, end) {
        (Some(start), Some(end)) if start < end => Ok(start..end),
        _ => {
            Err("expected an offset such as 8000 or 0x1f40, or two such as 8000..8100, the second the greater"
                .to_owned())
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // A sign is none.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range("7"), Ok(7..8));
        assert_eq!(range("0x10..32"), Ok(16..32));
        for text in ["", "x", "+7", "-1", "7..7", "8..7", "..7", "7..", "0x", "18446744073709551615"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
