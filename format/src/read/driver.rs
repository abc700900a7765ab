//! What stands behind an open archive: an index that proves every frame, or a list that is complete once the archive is
//! open.

use std::sync::Arc;

use prost_reflect::DescriptorPool;

use super::archive::Archive;
use super::indexed::Indexed;
use super::options::ReadOptions;
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::io::ReadAt;
use crate::model::{Entry, Facts, VerifyReport};

/// What an open archive is read with.
#[derive(Clone)]
pub(crate) enum Driver {
    /// Frames that an index proves, and pages of an entry table that are read as they are needed.
    Indexed(Arc<Indexed>),
    /// All entries are known.
    Listed(Arc<dyn Listed>),
}

/// An archive whose entries are all known, and whose structure is sound, once it is open: one that is not Rosettar's own.
pub(crate) trait Listed: Send + Sync {
    /// What it says of itself.
    fn facts(&self) -> &Facts;

    /// How it is read.
    fn options(&self) -> &ReadOptions;

    /// Why there are no streams, where there should be some that cannot be read.
    fn unreadable_streams(&self) -> Option<&str> {
        None
    }

    /// Every entry, in the order of the archive. No two have the same path.
    fn entries(&self) -> &[Entry];

    /// The number of the entry at `path`.
    fn find(&self, path: &str) -> Option<usize>;

    /// The content of entry `number`, a file, once all of it was proven as far as the format can.
    ///
    /// # Errors
    /// Whatever is wrong with the content.
    fn content(&self, number: usize) -> Result<Content>;

    /// Shows the content of entry `number`, a file, to `see`, piece by piece, as it is decoded: nothing is proven before
    /// this returns.
    ///
    /// # Errors
    /// Whatever is wrong with the content, and what `see` returns.
    fn copy(&self, number: usize, see: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

    /// The stored frame that decodes to a content of this path, size and digest, once it was decoded and found to;
    /// `None` where there is none.
    ///
    /// # Errors
    /// `io.read`.
    fn proven_frame(&self, path: &str, size: u64, digest: Digest) -> Result<Option<Vec<u8>>>;

    /// The descriptor set of Schema `number`, which is less than the facts' count.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn descriptor_set(&self, number: u32) -> Result<&[u8]>;

    /// The descriptors of Schema `number`, built once.
    ///
    /// # Errors
    /// `schema.*`.
    fn pool(&self, number: u32) -> Result<&DescriptorPool>;

    /// An archive with an index that has the records of stream `number`, in a stream of the same name.
    ///
    /// # Errors
    /// Whatever is wrong with the records.
    fn records(&self, number: usize) -> Result<Archive>;

    /// Checks everything that can be checked.
    ///
    /// # Errors
    /// `io.read`, `usage.interrupted`; what is wrong with the archive is in the report.
    fn verify(&self, records: bool) -> Result<VerifyReport>;
}

/// A content that was proven: where its bytes are.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) source: Arc<dyn ReadAt>,
    pub(crate) at: u64,
}

impl Driver {
    /// What the archive says of itself.
    pub(crate) fn facts(&self) -> &Facts {
        match self {
            Self::Indexed(archive) => &archive.facts,
            Self::Listed(archive) => archive.facts(),
        }
    }

    /// How it is read.
    pub(crate) fn options(&self) -> &ReadOptions {
        match self {
            Self::Indexed(archive) => &archive.options,
            Self::Listed(archive) => archive.options(),
        }
    }

    /// The archive with its frames, for what only Rosettar's own format can do; `what` names that.
    ///
    /// # Errors
    /// `usage.format` for an archive of another format.
    pub(crate) fn indexed(&self, what: &str) -> Result<&Arc<Indexed>> {
        match self {
            Self::Indexed(archive) => Ok(archive),
            Self::Listed(archive) => Err(Error::new(
                code::USAGE_FORMAT,
                format!("{what} takes a Rosettar archive, and this is {}: convert it first", archive.facts().format),
            )),
        }
    }

    /// The descriptors of Schema `number`, built once.
    ///
    /// # Errors
    /// `schema.*`, and whatever is wrong with the Schema's section.
    pub(crate) fn pool(&self, number: u32) -> Result<&DescriptorPool> {
        match self {
            Self::Indexed(archive) => archive.pool(number),
            Self::Listed(archive) => archive.pool(number),
        }
    }
}
