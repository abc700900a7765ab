//! C1Z, the formats that this one descends from, as bytes (C1Z.md): the envelope, the manifest, the index of an indexed
//! payload, the tar of the others, and the other way round.
//!
//! Nothing here publishes anything or knows what an archive is; the driver that makes one of it is `ancestors`.

mod encode;
mod envelope;
mod frame;
mod index;
mod manifest;
mod tar;

pub use encode::{check_index_size, encode_index, end_of_tar, tar_head};
pub use envelope::{Head, MAGIC_LEN, MAGIC_V1, MAGIC_V3, read_head};
pub use frame::{FrameFacts, Unpacker, decode_stream};
pub use index::{FOOTER_LEN, FOOTER_MAGIC, FramePlace, INDEX_MAX, read_index};
pub use manifest::{MANIFEST_MAX, Manifest, sorted_closure, with_encoding};
pub use tar::{TarEntry, paths_too_long, read_tar};

use std::hash::Hasher as _;

use twox_hash::XxHash64;

/// The checksum of the index, of the manifest and of each content: xxh64 with seed 0.
pub fn checksum(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// [`checksum`] in steps.
pub struct Checksum(XxHash64);

impl Checksum {
    /// Of nothing so far.
    pub fn new() -> Self {
        Self(XxHash64::with_seed(0))
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The checksum of all of them.
    pub fn finish(self) -> u64 {
        self.0.finish()
    }
}
