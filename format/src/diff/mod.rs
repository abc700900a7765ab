//! What differs between two archives, or between an archive and a directory.

mod entries;
mod facts;
mod schemas;
mod streams;

use std::path::Path;

use crate::error::Result;
use crate::model::{Entry, Mtime, StreamInfo};
use crate::read::Archive;
use crate::select::Selection;
use crate::write::tree::Note;

/// How errors name the two archives.
const OLD: &str = "the old archive";
const NEW: &str = "the new archive";

/// What to compare.
///
/// ```
/// let options = rosettar::DiffOptions::new().times(false).exclude("*.log");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiffOptions {
    times: bool,
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self { times: true, include: Vec::new(), exclude: Vec::new() }
    }
}

impl DiffOptions {
    /// Everything is compared.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether times count: those of entries, and that at which an archive says it was made. They do unless set.
    #[must_use]
    pub fn times(mut self, times: bool) -> Self {
        self.times = times;
        self
    }

    /// Compares only entries that match `pattern`, or one given by another call, and what is below them. Patterns are
    /// globs over paths, as for [`Selection`].
    #[must_use]
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.include.push(pattern.into());
        self
    }

    /// Leaves out entries that match `pattern`, and what is below them. Wins over [`include`](Self::include).
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.exclude.push(pattern.into());
        self
    }
}

/// What something is on the old side and on the new one; `None` where it is absent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sides<T> {
    /// On the old side.
    pub old: Option<T>,
    /// On the new side.
    pub new: Option<T>,
}

impl<T> Sides<T> {
    pub(crate) fn both(old: T, new: T) -> Self {
        Self { old: Some(old), new: Some(new) }
    }

    /// Whether it came, went, or became another.
    pub fn change(&self) -> Change {
        match (&self.old, &self.new) {
            (None, _) => Change::Added,
            (Some(_), None) => Change::Removed,
            (Some(_), Some(_)) => Change::Changed,
        }
    }
}

/// How the new side differs from the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the new side has it.
    Added,
    /// Only the old side has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

impl Change {
    /// The change in lower case, as `--json` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// In what something differs that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Aspect {
    /// An entry is of another kind.
    Kind,
    /// An entry, or the records of a stream, have another content.
    Content,
    /// A file has another size.
    Size,
    /// An entry has another mode.
    Mode,
    /// An entry has another time of modification.
    Time,
    /// A link has another target.
    Target,
    /// A stream's records, or a field, are of another type.
    Type,
    /// A stream has another schema version.
    SchemaVersion,
    /// A stream has more or fewer records.
    Records,
    /// A field or enum value has another name under the same number.
    Name,
    /// A field or enum value has another number under the same name.
    Number,
    /// A field is, or is no longer, `optional`, `required` or `repeated`.
    Label,
    /// A field belongs to another `oneof`, or to none any more.
    Oneof,
}

impl Aspect {
    /// The aspect in lower case, as `--json` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Content => "content",
            Self::Size => "size",
            Self::Mode => "mode",
            Self::Time => "time",
            Self::Target => "target",
            Self::Type => "type",
            Self::SchemaVersion => "schema-version",
            Self::Records => "records",
            Self::Name => "name",
            Self::Number => "number",
            Self::Label => "label",
            Self::Oneof => "oneof",
        }
    }
}

/// An entry that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryDifference {
    /// The entry on each side; at least one has it, and where both have, the path is the same. The digest of a file that
    /// was found in a directory is zeros unless its content was compared.
    pub sides: Sides<Entry>,
    /// In what the sides differ; empty for an entry that was added or removed.
    pub aspects: Vec<Aspect>,
}

impl EntryDifference {
    /// The path of the entry.
    pub fn path(&self) -> &str {
        let entry = self.sides.old.as_ref().or(self.sides.new.as_ref());
        entry.map_or("", |entry| entry.path.as_str())
    }
}

/// A stream that differs. How its records are divided into batches is no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamDifference {
    /// The stream on each side.
    pub sides: Sides<StreamInfo>,
    /// In what the sides differ; empty for a stream that was added or removed.
    pub aspects: Vec<Aspect>,
    /// The number of the first record that differs in its bytes, or that only one side has; `None` where the records are
    /// the same or there is nothing to compare them with.
    pub first_record: Option<u64>,
}

impl StreamDifference {
    /// The name of the stream.
    pub fn name(&self) -> &str {
        self.sides.old.as_ref().or(self.sides.new.as_ref()).map_or("", StreamInfo::name)
    }
}

/// What of a schema a [`SchemaDifference`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SchemaElement {
    /// A message type.
    Message,
    /// A field of a message type.
    Field,
    /// An enum type.
    Enum,
    /// A value of an enum type.
    EnumValue,
    /// The files that define a stream's type, as a whole: their bytes differ, but no message, field, enum or value that
    /// the stream needs does. What differs is an option, a comment, or a type beside those.
    DescriptorSet,
}

impl SchemaElement {
    /// The element in lower case, as `--json` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Field => "field",
            Self::Enum => "enum",
            Self::EnumValue => "enum-value",
            Self::DescriptorSet => "descriptor-set",
        }
    }
}

/// Something that differs in the schemas of the streams that both sides have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SchemaDifference {
    /// Its full name: of a message, field, enum or enum value (below its enum, as `demo.Color.RED`); where the name
    /// differs, the old one. For a descriptor set, the names of the streams it is for.
    pub name: String,
    /// What it is.
    pub element: SchemaElement,
    /// What it is on each side, as `.proto` text without options, such as `repeated int32 numbers = 4`; for a message or
    /// enum its full name, for a descriptor set the digest of the files that the streams need. What is in a message or
    /// enum that was added or removed is not listed.
    pub sides: Sides<String>,
    /// In what the sides differ; empty for what was added or removed, and for a descriptor set.
    pub aspects: Vec<Aspect>,
}

/// An attribute that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributeDifference {
    /// Its key.
    pub key: String,
    /// Its value on each side.
    pub sides: Sides<String>,
}

/// An annotation that differs: one that only one side has, or two of one type with different values, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnotationDifference {
    /// Its type URL.
    pub type_url: String,
    /// The serialized message on each side.
    pub sides: Sides<Vec<u8>>,
}

/// What differs between an old and a new side. Everything is in the order of its name or path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Entries.
    pub entries: Vec<EntryDifference>,
    /// Streams.
    pub streams: Vec<StreamDifference>,
    /// What the types of streams that both sides have are made of.
    pub schemas: Vec<SchemaDifference>,
    /// Attributes.
    pub attributes: Vec<AttributeDifference>,
    /// Annotations.
    pub annotations: Vec<AnnotationDifference>,
    /// Whether both sides have the same annotations, but in another order.
    pub annotations_reordered: bool,
    /// The format and its version, where they differ.
    pub format: Option<Sides<String>>,
    /// The program that wrote the archive, where it differs.
    pub producer: Option<Sides<String>>,
    /// When the archives say they were made, where that differs.
    pub created: Option<Sides<Mtime>>,
    /// The features that a reader must know, where they differ.
    pub required_features: Option<Sides<Vec<String>>>,
    /// What was not compared although the old side has it, a sentence each: a directory has no streams, for instance.
    pub not_compared: Vec<String>,
    /// What was found in a directory and cannot be in an archive, such as a FIFO.
    pub skipped: Vec<Note>,
}

impl Difference {
    /// Whether nothing of what was compared differs.
    pub fn is_same(&self) -> bool {
        let Self { entries, streams, schemas, attributes, annotations, annotations_reordered, .. } = self;
        entries.is_empty()
            && streams.is_empty()
            && schemas.is_empty()
            && attributes.is_empty()
            && annotations.is_empty()
            && !annotations_reordered
            && self.format.is_none()
            && self.producer.is_none()
            && self.created.is_none()
            && self.required_features.is_none()
    }
}

impl Archive {
    /// What differs between this archive, the old one, and `new`.
    ///
    /// Archives of one root digest are the same, and nothing is read to say so. Otherwise both entry tables are read, but
    /// no content: digests tell. The records of a stream are read only where their digest differs, to find the first that
    /// does. That every digest is right is what [`verify`](Self::verify) proves.
    ///
    /// It takes memory for both entry tables, about 200 bytes and the path for each entry, and for two chunks.
    ///
    /// ```
    /// use rosettar::{DiffOptions, NewEntry, WriteOptions};
    ///
    /// let archive = |text: &[u8]| {
    ///     let mut bytes = Vec::new();
    ///     let mut writer = WriteOptions::new().write_to(&mut bytes)?;
    ///     writer.add_bytes(NewEntry::new("a.txt")?, text)?;
    ///     writer.finish()?;
    ///     rosettar::open(bytes)
    /// };
    /// let difference = archive(b"alpha")?.diff(&archive(b"beta")?, &DiffOptions::new())?;
    /// assert_eq!(difference.entries[0].path(), "a.txt");
    /// assert!(!difference.is_same());
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// Whatever is wrong with what is read of either archive, its schemas included; `usage.option` for a pattern that is
    /// no glob; `usage.interrupted` once the monitor of this archive was told to stop.
    pub fn diff(&self, new: &Self, options: &DiffOptions) -> Result<Difference> {
        let mut difference = Difference::default();
        // A pattern that is none is an error whatever the archives hold.
        let mut filter = Filter::new(options)?;
        if self.facts().root_digest.is_some() && self.facts().root_digest == new.facts().root_digest {
            return Ok(difference);
        }
        facts::compare(self.facts(), new.facts(), options, &mut difference);
        // The content digest covers all of an entry but its time.
        let digests = (self.facts().content_digest, new.facts().content_digest);
        let same_content = digests.0.is_some() && digests.0 == digests.1;
        if options.times || !same_content {
            difference.entries = entries::compare(self, new, options, &mut filter)?;
        }
        difference.streams = streams::compare(self, new)?;
        difference.schemas = schemas::compare(self, new)?;
        Ok(difference)
    }

    /// What differs between this archive, the old one, and the directory `directory`: what packing all that is in it would
    /// put into an archive. This archive's own file, given as `own`, is left out where it stands there.
    ///
    /// A file is read only where the archive has one of the same size at its path. Links are compared by their target,
    /// wherever that leads. A directory that the archive implies without listing it is no difference. Streams, schemas
    /// and facts of the archive have nothing to be compared with.
    ///
    /// # Errors
    /// As [`diff`](Self::diff) and [`walk`](crate::write::tree::walk), and `io.read`, `io.source-changed` for a file that
    /// cannot be read or changes meanwhile.
    pub fn diff_directory(
        &self,
        directory: impl AsRef<Path>,
        own: Option<&Path>,
        options: &DiffOptions,
    ) -> Result<Difference> {
        let filter = Filter::new(options)?;
        let mut difference = Difference::default();
        entries::compare_with_directory(self, directory.as_ref(), own, options, filter, &mut difference)?;
        difference.not_compared = facts::without_counterpart(self.facts());
        Ok(difference)
    }
}

/// Which entries are compared.
struct Filter {
    include: Selection,
    /// `None` where nothing is left out: without a pattern, everything would match.
    exclude: Option<Selection>,
}

impl Filter {
    fn new(options: &DiffOptions) -> Result<Self> {
        let exclude = if options.exclude.is_empty() { None } else { Some(Selection::new(&options.exclude)?) };
        Ok(Self { include: Selection::new(&options.include)?, exclude })
    }

    fn takes(&mut self, path: &str) -> bool {
        self.include.matches(path) && !self.exclude.as_mut().is_some_and(|exclude| exclude.matches(path))
    }
}
