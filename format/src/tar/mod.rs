//! The strict tar profile: the header bytes of a member as a function of its entry (FORMAT.md, "Tar profile").

mod header;

pub use header::{BLOCK, END_LEN, header_len, member_header, member_len, padding};
