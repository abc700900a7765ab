//! One entry (FORMAT.md, "Entries and paths").

use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::path::{EntryPath, LinkTarget};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file of the user's.
    File,
    /// A directory of the user's.
    Directory,
    /// A symbolic link of the user's.
    Symlink,
    /// A reserved member: the descriptor set of a Schema.
    Schema,
    /// A reserved member: the description of a stream.
    Stream,
    /// A reserved member: a batch of records.
    Batch,
}

impl EntryKind {
    /// The kind's name in lower case, as `--json` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Schema => "schema",
            Self::Stream => "stream",
            Self::Batch => "batch",
        }
    }

    /// Whether the entry is a reserved member, which the format needs and no user put there.
    pub fn is_reserved(self) -> bool {
        matches!(self, Self::Schema | Self::Stream | Self::Batch)
    }

    /// Whether the entry has content with a digest.
    pub fn has_content(self) -> bool {
        !matches!(self, Self::Directory | Self::Symlink)
    }
}

/// A modification time: seconds since 1970-01-01T00:00:00Z, rounded down, and nanoseconds after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mtime {
    /// Whole seconds, rounded down; before 1970 below 0.
    pub seconds: i64,
    /// 0 to 999 999 999 nanoseconds after `seconds`.
    pub nanoseconds: u32,
}

impl Mtime {
    /// Whether the nanoseconds are less than a second.
    pub(crate) fn is_valid(self) -> bool {
        self.nanoseconds < 1_000_000_000
    }

    /// A time in whole seconds.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }
}

impl From<std::time::SystemTime> for Mtime {
    fn from(time: std::time::SystemTime) -> Self {
        match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => Self { seconds: after.as_secs() as i64, nanoseconds: after.subsec_nanos() },
            Err(before) => {
                let before = before.duration();
                let whole = -(before.as_secs() as i64);
                match before.subsec_nanos() {
                    0 => Self { seconds: whole, nanoseconds: 0 },
                    nanoseconds => Self { seconds: whole - 1, nanoseconds: 1_000_000_000 - nanoseconds },
                }
            }
        }
    }
}

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Where it is, without a trailing slash.
    pub path: EntryPath,
    /// What it is.
    pub kind: EntryKind,
    /// The nine permission bits; 0o777 for a symbolic link.
    pub mode: u16,
    /// When it was last modified.
    pub mtime: Mtime,
    /// Bytes of content; 0 for a directory and a symbolic link.
    pub size: u64,
    /// SHA-256 of the content; zeros for a directory and a symbolic link.
    pub digest: Digest,
    /// The target of a symbolic link.
    pub target: Option<LinkTarget>,
    /// For a batch: the number of its stream.
    pub stream: Option<u32>,
    /// For a batch: how many records it holds.
    pub records: u64,
}

impl Entry {
    /// A regular file; `digest` is that of its content.
    pub fn file(path: EntryPath, mode: u16, mtime: Mtime, size: u64, digest: Digest) -> Self {
        Self { size, digest, ..Self::bare(path, EntryKind::File, mode, mtime) }
    }

    /// A directory.
    pub fn directory(path: EntryPath, mode: u16, mtime: Mtime) -> Self {
        Self::bare(path, EntryKind::Directory, mode, mtime)
    }

    /// A symbolic link.
    pub fn symlink(path: EntryPath, mtime: Mtime, target: LinkTarget) -> Self {
        Self { target: Some(target), ..Self::bare(path, EntryKind::Symlink, Self::SYMLINK_MODE, mtime) }
    }

    /// A reserved member other than a batch.
    pub(crate) fn reserved(path: EntryPath, kind: EntryKind, size: u64, digest: Digest) -> Self {
        Self { size, digest, ..Self::bare(path, kind, Self::RESERVED_MODE, Mtime::default()) }
    }

    /// A batch of `records` records of stream number `stream`.
    pub(crate) fn batch(path: EntryPath, size: u64, digest: Digest, stream: u32, records: u64) -> Self {
        Self { stream: Some(stream), records, ..Self::reserved(path, EntryKind::Batch, size, digest) }
    }

    /// The mode of every symbolic link.
    pub(crate) const SYMLINK_MODE: u16 = 0o777;
    /// The mode of every reserved member.
    pub(crate) const RESERVED_MODE: u16 = 0o644;

    /// Holds the digest that its content was found to have against its own.
    ///
    /// # Errors
    /// `entry.digest`.
    pub(crate) fn check_digest(&self, found: Digest) -> Result<()> {
        if found == self.digest {
            return Ok(());
        }
        let message = format!("the digest of the content: expected {}, found {found}", self.digest);
        Err(Error::new(code::ENTRY_DIGEST, message).with_entry(self.path.as_str()))
    }

    pub(crate) fn bare(path: EntryPath, kind: EntryKind, mode: u16, mtime: Mtime) -> Self {
        Self { path, kind, mode, mtime, size: 0, digest: Digest::ZERO, target: None, stream: None, records: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn times_round_down() {
        assert_eq!(Mtime::from(UNIX_EPOCH + Duration::new(5, 7)), Mtime { seconds: 5, nanoseconds: 7 });
        assert_eq!(Mtime::from(UNIX_EPOCH - Duration::new(5, 0)), Mtime { seconds: -5, nanoseconds: 0 });
        assert_eq!(Mtime::from(UNIX_EPOCH - Duration::new(5, 1)), Mtime { seconds: -6, nanoseconds: 999_999_999 });
    }
}
