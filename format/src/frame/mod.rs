//! Payload frames: what their headers may say, where they end, and how they are made and decoded in bounded memory
//! (FORMAT.md, "Payload frames").

mod codec;
mod header;

pub use codec::{Decoder, Encoder};
pub(crate) use codec::{check_memory, decoding_context, said};
pub use header::{BLOCK_HEAD_LEN, CHECKSUM_LEN, MAGIC, frame_len, header_len, parse_block, parse_header};

/// The greatest decoded size of a frame, and the greatest window: 8 MiB.
pub const MAX_DECODED: u32 = 8 << 20;

/// The greatest stored size of a frame that decodes to `decoded` bytes.
pub fn max_stored(decoded: u32) -> u64 {
    let decoded = u64::from(decoded);
    decoded + decoded / 128 + 1024
}
