//! The strict tar profile: the header bytes of a member as a function of its entry, and back (FORMAT.md, "Tar profile").

mod header;
mod parse;

pub use header::{BLOCK, END_LEN, header_len, member_header, member_len, padding};
pub use parse::{Parsed, expected_header, parse_header};
