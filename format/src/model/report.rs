//! What writing and verifying report.

use super::{StreamInfo, Totals};
use crate::digest::Digest;
use crate::error::Error;

/// What a writer made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// What commits to every byte of the archive; what a detached signature signs (FORMAT.md, "Root digest").
    pub root_digest: Digest,
    /// What commits to everything inside, however it is stored.
    pub content_digest: Digest,
    /// Bytes of the archive.
    pub size: u64,
    /// Counts and sizes.
    pub totals: Totals,
    /// The streams, in the order of their numbers.
    pub streams: Vec<StreamInfo>,
    /// Bytes of frames that were copied as they are from the archive that was continued; 0 where none was.
    pub copied_bytes: u64,
    /// How many fields of that archive's index and entry table this version does not know, and so has dropped. Those of
    /// the manifest are kept.
    pub dropped_fields: u64,
}

/// One thing that is wrong with an archive.
pub type Problem = Error;

/// What verifying an archive found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Everything that is wrong, in the order found; empty for a sound archive.
    pub problems: Vec<Problem>,
    /// How many more there are that `problems` does not list: it holds the first thousand.
    pub more_problems: u64,
    /// The paths of entries that a damaged frame holds a part of, reserved members among them, in tar order; the first
    /// thousand. Where a page of the entry table is damaged, its entries are not known and not here.
    pub damaged: Vec<String>,
    /// What was proven, a sentence each.
    pub proven: Vec<String>,
    /// What this format or these options cannot prove, a sentence each.
    pub unproven: Vec<String>,
    /// Bytes of stored frames whose digests were checked.
    pub stored_bytes: u64,
    /// Bytes of the tar that were decoded and compared.
    pub decoded_bytes: u64,
    /// Entries checked.
    pub entries: u64,
    /// Records whose framing was checked.
    pub records: u64,
    /// Records that were also decoded against their schema.
    pub records_decoded: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}
