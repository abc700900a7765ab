//! Writing an archive that goes on where another ends.

use std::fmt;
use std::io::Write;
use std::path::Path;

use super::options::WriteOptions;
use super::splice;
use super::writer::Writer;
use crate::error::Result;
use crate::io::LockedFile;
use crate::model::Entry;
use crate::read::Archive;

/// Decides whether an entry stays.
type Keep<'k> = Box<dyn FnMut(&Entry) -> Result<bool> + 'k>;

/// A new archive that begins with what another one holds; made by [`WriteOptions::continue_from`].
///
/// The writer that [`create`](Self::create), [`create_new`](Self::create_new) or [`write_to`](Self::write_to) returns
/// holds already what is kept, and takes more by the usual calls. Frames all of whose entries are kept are copied as they
/// are, once their digests were found right; others are decoded, and what is kept of them compressed anew. The manifest
/// is the old one, byte for byte: the options `producer` and `created` say nothing here. Attributes, annotations, streams
/// and Schemas that are added stand in the index and in sections of their own, as always with what comes late.
///
/// ```
/// use rosettar::{NewEntry, WriteOptions};
/// # let mut old = Vec::new();
/// # let mut writer = WriteOptions::new().write_to(&mut old)?;
/// # writer.add_bytes(NewEntry::new("a.txt")?, b"alpha")?;
/// # writer.add_bytes(NewEntry::new("b.txt")?, b"beta")?;
/// # writer.finish()?;
///
/// let archive = rosettar::open(old)?;
/// let mut new = Vec::new();
/// let mut writer = WriteOptions::new()
///     .continue_from(&archive)
///     .keep(|entry| Ok(entry.path.as_str() != "a.txt"))
///     .write_to(&mut new)?;
/// writer.add_bytes(NewEntry::new("c.txt")?, b"gamma")?;
/// writer.finish()?;
///
/// let paths: Result<Vec<String>, _> = rosettar::open(new)?.entries().map(|entry| Ok(entry?.path.to_string())).collect();
/// assert_eq!(paths?, ["b.txt", "c.txt"]);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[must_use]
pub struct Continuation<'k> {
    options: WriteOptions,
    source: Archive,
    file: Option<LockedFile>,
    keep: Keep<'k>,
}

impl WriteOptions {
    /// Begins a new archive with what `source` holds, all of it unless [`Continuation::keep`] says otherwise.
    pub fn continue_from<'k>(self, source: &Archive) -> Continuation<'k> {
        Continuation { options: self, source: source.clone(), file: None, keep: Box::new(|_| Ok(true)) }
    }
}

impl<'k> Continuation<'k> {
    /// Keeps only the entries of which `keep` says so. It is asked for each of the user's, in tar order, before the
    /// entry is copied; an error that it returns ends the work. Records and schemas are kept in any case.
    pub fn keep<'n>(self, keep: impl FnMut(&Entry) -> Result<bool> + 'n) -> Continuation<'n> {
        Continuation { options: self.options, source: self.source, file: self.file, keep: Box::new(keep) }
    }

    /// States the file that the source is read from: the new archive is published only if that file is unchanged, and
    /// replaces it if it goes to the same path.
    pub fn source_file(mut self, file: &LockedFile) -> Self {
        self.file = Some(file.clone());
        self
    }

    /// As [`WriteOptions::create`], and copies what is kept. Without [`source_file`](Self::source_file), the path may be
    /// that of the source, but a change that somebody else makes to it meanwhile is lost.
    ///
    /// # Errors
    /// As [`WriteOptions::create`]; what `keep` returns; whatever is wrong with what is copied, `frame.digest` among it;
    /// limits that what is kept exceeds. [`Writer::finish`] then also fails with `io.source-changed`.
    pub fn create(self, path: impl AsRef<Path>) -> Result<Writer<'static>> {
        let writer = self.options.create(path)?;
        splice::continue_from(writer, &self.source, self.file, self.keep)
    }

    /// As [`create`](Self::create), but refuses a path where something is.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`WriteOptions::create_new`].
    pub fn create_new(self, path: impl AsRef<Path>) -> Result<Writer<'static>> {
        let writer = self.options.create_new(path)?;
        splice::continue_from(writer, &self.source, self.file, self.keep)
    }

    /// As [`create`](Self::create), to anything that takes bytes.
    ///
    /// # Errors
    /// As [`create`](Self::create), but for what concerns files.
    pub fn write_to<'a>(self, sink: impl Write + Send + 'a) -> Result<Writer<'a>> {
        let writer = self.options.write_to(sink)?;
        splice::continue_from(writer, &self.source, self.file, self.keep)
    }
}

impl fmt::Debug for Continuation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Continuation")
            .field("options", &self.options)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
