//! Which format a file is of: the one place where a version is matched.

use std::io::Read;
use std::path::Path;

use crate::ancestors;
use crate::c1z;
use crate::error::{Error, Result, code};
use crate::io::{LockedFile, NamedFile, ReadAt};
use crate::model::Facts;
use crate::read::{Archive, ArchiveStream, Head, Indexed, ReadOptions};
use crate::v1;
use crate::wire::prefix;
use crate::write::{WriteOptions, Writer};

/// Opens an archive with the default options.
///
/// ```
/// # let mut file = Vec::new();
/// # rosettar::WriteOptions::new().write_to(&mut file)?.finish()?;
/// let archive = rosettar::open(file)?;
/// assert_eq!(archive.facts().format, "Rosettar 1.0");
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// As [`ReadOptions::open`].
pub fn open(source: impl ReadAt + 'static) -> Result<Archive> {
    ReadOptions::new().open(source)
}

/// Opens the archive at `path` with the default options.
///
/// # Errors
/// As [`ReadOptions::open_path`].
pub fn open_path(path: impl AsRef<Path>) -> Result<Archive> {
    ReadOptions::new().open_path(path)
}

impl ReadOptions {
    /// Opens an archive in any source that can be read at offsets: a file, bytes, a type of the caller's own. What it
    /// takes is two reads, of 64 KiB at the beginning and 256 KiB at the end, and one more each where the manifest or the
    /// index are longer.
    ///
    /// # Errors
    /// `envelope.unknown-magic` for what is no archive, `envelope.unsupported-version`, and whatever is wrong with
    /// manifest, index or seek table; `io.read`.
    pub fn open(self, source: impl ReadAt + 'static) -> Result<Archive> {
        let head = Head::read(Box::new(source))?;
        match Format::of(&head.bytes)? {
            Format::V1 { minor } => Indexed::open(head, minor, self).map(Archive::new),
            Format::C1zV1 => ancestors::open_v1(head.source, head.size, self),
            Format::C1zV3 => ancestors::open_v3(head.source, head.size, self),
        }
    }

    /// Reads what stands at the beginning of an archive. Of a C1Z v3 file neither the payload nor the descriptors are read,
    /// so that totals and streams are empty; of any other archive this is as much as [`open`](Self::open) reads.
    ///
    /// # Errors
    /// As [`open`](Self::open), for what was read.
    pub fn header(self, source: impl ReadAt + 'static) -> Result<Facts> {
        let cannot_read = |e| Error::io(code::IO_READ, "reading the archive", e);
        let size = source.size().map_err(cannot_read)?;
        let mut magic = [0; c1z::MAGIC_LEN];
        let magic = &mut magic[..size.min(c1z::MAGIC_LEN as u64) as usize];
        source.read_exact_at(magic, 0).map_err(cannot_read)?;
        match *magic == c1z::MAGIC_V3 {
            true => ancestors::open_header(&source, size, &self.limits),
            false => self.open(source).map(|archive| archive.facts().clone()),
        }
    }

    /// Begins to read an archive from a source that can only be read forward, such as a pipe. All that comes out of it is
    /// provisional until [`ArchiveStream::confirm`] has returned.
    ///
    /// # Errors
    /// `envelope.unknown-magic` for what is no archive, `envelope.truncated`, `envelope.unsupported-version`, and whatever
    /// is wrong with the manifest; `io.read`.
    pub fn stream<R: Read>(self, mut source: R) -> Result<ArchiveStream<R>> {
        let mut first = Vec::new();
        (&mut source)
            .take(prefix::LEN as u64)
            .read_to_end(&mut first)
            .map_err(|error| Error::io(code::IO_READ, "reading the archive", error))?;
        match Format::of(&first)? {
            Format::V1 { minor } => {
                let first = first.first_chunk().expect("the version was read from it");
                ArchiveStream::open(source, first, minor, self)
            }
            Format::C1zV1 | Format::C1zV3 => {
                let message = "a C1Z file can only be read where any part of it can: copy it to a file first";
                Err(Error::new(code::USAGE_FORMAT, message))
            }
        }
    }

    /// Opens the archive at `path`.
    ///
    /// # Errors
    /// As [`open`](Self::open), and `io.file` where the file cannot be opened.
    pub fn open_path(self, path: impl AsRef<Path>) -> Result<Archive> {
        self.open(NamedFile::open(path)?)
    }
}

impl WriteOptions {
    /// A writer that adds to the archive at `path`. What is there is copied into a new file, frames as they are, and that
    /// file takes the old one's place when [`Writer::finish`] returns; before that, and after any failure, the old one is
    /// there. Who has the old archive open keeps it. Of several processes that add to one archive at the same time each
    /// waits for those before it, without an end unless the [monitor](Self::monitor) stops it.
    ///
    /// ```
    /// use rosettar::{NewEntry, WriteOptions};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("a.rtar");
    /// # WriteOptions::new().create(&path)?.finish()?;
    ///
    /// let mut writer = WriteOptions::new().append_to(&path)?;
    /// writer.add_bytes(NewEntry::new("more.txt")?, b"more")?;
    /// writer.finish()?;
    /// assert_eq!(rosettar::open_path(&path)?.read("more.txt")?, b"more");
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ReadOptions::open_path`] and [`Continuation::create`](crate::write::Continuation::create);
    /// `usage.interrupted`.
    pub fn append_to(self, path: impl AsRef<Path>) -> Result<Writer<'static>> {
        let file = LockedFile::open(&path, |_| self.monitor.advance(0))?;
        let reading = ReadOptions::new().limits(self.limits.clone()).threads(self.threads);
        let archive = reading.open(file.clone())?;
        self.continue_from(&archive).source_file(&file).create(path)
    }
}

/// The formats that archives come in.
pub(crate) enum Format {
    /// Rosettar 1.x.
    V1 { minor: u8 },
    /// C1Z v1.
    C1zV1,
    /// C1Z v3.
    C1zV3,
}

impl Format {
    /// Refuses a source of another format than Rosettar's own, for what only that can do; `what` names it.
    ///
    /// # Errors
    /// `usage.format`.
    pub(crate) fn check_own(head: &[u8], what: &str) -> Result<()> {
        match Self::of(head) {
            Ok(Self::C1zV1 | Self::C1zV3) => {
                let message = format!("{what} takes a Rosettar archive, and this is a C1Z file");
                Err(Error::new(code::USAGE_FORMAT, message))
            }
            _ => Ok(()),
        }
    }

    /// The format of a source that begins with `head`.
    ///
    /// # Errors
    /// `envelope.unknown-magic`, `envelope.truncated`, `envelope.unsupported-version`.
    pub(crate) fn of(head: &[u8]) -> Result<Self> {
        if head.starts_with(&c1z::MAGIC_V3) {
            return Ok(Self::C1zV3);
        }
        if head.starts_with(&c1z::MAGIC_V1) {
            return Ok(Self::C1zV1);
        }
        if (3..c1z::MAGIC_LEN).contains(&head.len())
            && [c1z::MAGIC_V1, c1z::MAGIC_V3].iter().any(|m| m.starts_with(head))
        {
            let message =
                format!("the file ends after {} bytes: expected more than the magic of a C1Z file", head.len());
            return Err(Error::new(code::ENVELOPE_TRUNCATED, message).with_offset(head.len() as u64));
        }
        match prefix::parse_version(head)? {
            (v1::MAJOR, minor) => Ok(Self::V1 { minor }),
            (major, minor) => Err(Error::new(
                code::ENVELOPE_UNSUPPORTED_VERSION,
                format!(
                    "a Rosettar archive of version {major}.{minor}: this reader knows version {}; use a newer one",
                    v1::MAJOR
                ),
            )
            .with_offset(prefix::MAGIC.len() as u64)),
        }
    }
}
