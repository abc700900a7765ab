//! The bytes that no version may change, the section frame, and the seek table (FORMAT.md, "Frames", "Seek table").

pub mod prefix;
pub mod section;
pub mod seek_table;

/// The little-endian `u32` at `at`, which the caller has made sure is there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
