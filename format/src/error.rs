//! The one error type, and the table of every code it can carry (spec/ERRORS.md).

use std::fmt;

/// A result whose error is [`struct@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, in one pointer: a [kind](Error::kind), a stable [code](Error::code), a message, and where known
/// the offset in the archive and the entry concerned.
///
/// ```
/// let error = rosettar::open(&b"not an archive, but long enough to be looked at"[..]).unwrap_err();
/// assert_eq!(error.kind(), rosettar::ErrorKind::Malformed);
/// assert_eq!(error.code(), "envelope.unknown-magic");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    message: String,
    offset: Option<u64>,
    entry: Option<String>,
    source: Option<Source>,
}

/// The class of an [`struct@Error`]; what a caller usually decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system, or a user's own reader or writer, failed.
    Io,
    /// The bytes break spec/FORMAT.md.
    Malformed,
    /// The bytes are of a version, feature or kind that this reader does not know.
    Unsupported,
    /// A digest or checksum is wrong, or a tar byte differs from its entry.
    Integrity,
    /// A [limit](crate::Limits) was exceeded.
    Limit,
    /// A legal archive that is unwelcome on this host under the policy in force.
    Policy,
    /// A descriptor set or a record does not fit its schema, or a schema is not acceptable.
    Schema,
    /// The call was wrong: a bad option, a missing entry, a target that is in use.
    Usage,
}

impl ErrorKind {
    /// The kind's name as spec/ERRORS.md and the command's `--json` write it: lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Integrity => "integrity",
            Self::Limit => "limit",
            Self::Policy => "policy",
            Self::Schema => "schema",
            Self::Usage => "usage",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The most bytes of a message.
const LONGEST: usize = 4096;

impl Error {
    /// A new error with one of the [codes](crate::error::code). Of a message of more than 4 096 bytes, which quotes what an
    /// archive holds, the rest is left out.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|at| message.is_char_boundary(*at)).unwrap_or_default();
            message.truncate(end);
            message.push('…');
            message.shrink_to_fit();
        }
        Self(Box::new(Inner { code, message, offset: None, entry: None, source: None }))
    }

    /// An I/O failure; `doing` says what was being done, such as `"reading the archive"`.
    pub fn io(code: Code, doing: impl fmt::Display, source: std::io::Error) -> Self {
        debug_assert_eq!(code.kind, ErrorKind::Io);
        Self::new(code, format!("{doing}: {source}")).with_source(source)
    }

    /// States the byte offset in the archive at which the fault was found, unless one is stated already.
    #[must_use]
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// The error without its offset, which is one in something else than the archive.
    #[must_use]
    pub(crate) fn without_offset(mut self) -> Self {
        self.0.offset = None;
        self
    }

    /// States the path of the entry concerned, unless one is stated already.
    #[must_use]
    pub fn with_entry(mut self, entry: impl Into<String>) -> Self {
        self.0.entry.get_or_insert_with(|| entry.into());
        self
    }

    /// Adds to the message, after a semicolon, what else there is to know, such as what was left behind.
    #[must_use]
    pub fn with_note(mut self, note: impl fmt::Display) -> Self {
        self.0.message.push_str(&format!("; {note}"));
        self
    }

    /// States, before the message, which of several things it is about, such as one of two archives.
    #[must_use]
    pub fn about(mut self, what: impl fmt::Display) -> Self {
        self.0.message.insert_str(0, &format!("{what}: "));
        self
    }

    /// States the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.code.kind
    }

    /// The stable identifier, such as `index.frame-gap`; every one is listed in spec/ERRORS.md.
    pub fn code(&self) -> &'static str {
        self.0.code.id
    }

    /// The code as a value, to make another error with.
    pub(crate) fn kept_code(&self) -> Code {
        self.0.code
    }

    /// What was expected, what was found, and what to do; without offset, entry and source.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The byte offset in the archive at which the fault was found, where known.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The path of the entry concerned, where known.
    pub fn entry(&self) -> Option<&str> {
        self.0.entry.as_deref()
    }

    /// The operating system's error behind an [`ErrorKind::Io`], where there is one.
    pub fn io_error(&self) -> Option<&std::io::Error> {
        self.0.source.as_ref()?.downcast_ref()
    }

    /// Whether this error carries `code`.
    pub fn is(&self, code: Code) -> bool {
        self.0.code == code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(entry) = &self.0.entry {
            write!(f, " (entry {entry:?})")?;
        }
        if let Some(offset) = self.0.offset {
            write!(f, " (at byte {offset})")?;
        }
        write!(f, " [{}]", self.0.code.id)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("code", &self.code())
            .field("message", &self.message())
            .field("offset", &self.offset())
            .field("entry", &self.entry())
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// One entry of the [table of codes](crate::error::code): a stable identifier and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub(crate) id: &'static str,
    pub(crate) kind: ErrorKind,
}

impl Code {
    /// The stable identifier, such as `index.frame-gap`.
    pub fn id(self) -> &'static str {
        self.id
    }

    /// The kind of every error with this code.
    pub fn kind(self) -> ErrorKind {
        self.kind
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $kind:ident $id:literal;)*) => {
        /// Every code an [`struct@Error`](crate::Error) can carry. spec/ERRORS.md lists the same, and a test compares both.
        pub mod code {
            use super::{Code, ErrorKind};
            $($(#[$doc])* pub const $name: Code = Code { id: $id, kind: ErrorKind::$kind };)*
            /// The whole table.
            pub const ALL: &[Code] = &[$($name),*];
        }
    };
}

codes! {
    // The envelope: FORMAT.md, "Layout" and "Frames".
    /// The first bytes are of no known format.
    ENVELOPE_UNKNOWN_MAGIC = Malformed "envelope.unknown-magic";
    /// The file ends before the structure it announces.
    ENVELOPE_TRUNCATED = Malformed "envelope.truncated";
    /// A Rosettar archive of another major version.
    ENVELOPE_UNSUPPORTED_VERSION = Unsupported "envelope.unsupported-version";
    /// Reserved bytes of the header are not zero.
    ENVELOPE_RESERVED = Malformed "envelope.reserved";
    /// A section's skippable frame or head is not as it must be.
    SECTION_HEAD = Malformed "section.head";
    /// A section of an unknown kind that must not be ignored.
    SECTION_UNKNOWN_KIND = Unsupported "section.unknown-kind";
    /// A section stands where it may not.
    SECTION_MISPLACED = Malformed "section.misplaced";
    /// A section's body does not match the digest in its head.
    SECTION_DIGEST = Integrity "section.digest";
    /// A zstd frame's header is not one that a payload frame may have.
    FRAME_HEADER = Malformed "frame.header";
    /// A frame's stored or decoded size is outside its bounds, or differs from what is stated elsewhere.
    FRAME_SIZE = Malformed "frame.size";
    /// A frame's stored bytes do not match the digest that the index states.
    FRAME_DIGEST = Integrity "frame.digest";
    /// A frame does not decode.
    FRAME_DECODE = Malformed "frame.decode";

    // The seek table: FORMAT.md, "Seek table".
    /// The file does not end in a seek table footer.
    SEEK_TABLE_FOOTER = Malformed "seek-table.footer";
    /// The seek table differs from the one that the index yields.
    SEEK_TABLE_MISMATCH = Malformed "seek-table.mismatch";

    // The index: FORMAT.md, "Index".
    /// The index's body does not match the digest in its head.
    INDEX_DIGEST = Integrity "index.digest";
    /// The index's body is not a `rosettar.v1.Index`.
    INDEX_PROTOBUF = Malformed "index.protobuf";
    /// The frame list is inconsistent in itself.
    INDEX_FRAMES = Malformed "index.frames";
    /// The frames that the index lists do not cover the file up to the index.
    INDEX_FRAME_GAP = Malformed "index.frame-gap";
    /// The page list is inconsistent in itself or with the pages.
    INDEX_PAGES = Malformed "index.pages";
    /// Totals differ from what they are the totals of.
    INDEX_TOTALS = Malformed "index.totals";
    /// Stream declarations or totals disagree with the Schemas or the entries.
    INDEX_STREAMS = Malformed "index.streams";
    /// The manifest is not the one that the index commits to.
    INDEX_MANIFEST = Integrity "index.manifest";

    // The manifest: FORMAT.md, "Manifest".
    /// The manifest's or a schema section's body is not the message it must be.
    MANIFEST_PROTOBUF = Malformed "manifest.protobuf";
    /// Attributes are unsorted, repeated or nameless.
    MANIFEST_ATTRIBUTES = Malformed "manifest.attributes";
    /// Required features are unsorted, repeated or nameless, or the index lists others.
    MANIFEST_FEATURES = Malformed "manifest.features";
    /// A required feature that this reader does not know.
    FEATURE_UNKNOWN = Unsupported "feature.unknown";
    /// The Schemas are not numbered or used as they must be.
    MANIFEST_SCHEMAS = Malformed "manifest.schemas";
    /// A stream's name, type or Schema is not acceptable, or a name is repeated.
    MANIFEST_STREAMS = Malformed "manifest.streams";

    // Entries and paths: FORMAT.md, "Paths" and "Entry table".
    /// An entry page is not a `rosettar.v1.EntryPage`.
    ENTRIES_PROTOBUF = Malformed "entries.protobuf";
    /// The columns of an entry page do not fit together, or a value is outside its range.
    ENTRIES_COLUMNS = Malformed "entries.columns";
    /// An entry of an unknown kind.
    ENTRIES_KIND = Unsupported "entries.kind";
    /// Reserved members are missing, misplaced, out of order or not as they must be.
    ENTRIES_RESERVED = Malformed "entries.reserved";
    /// A path or link target breaks the rules for paths.
    PATH_INVALID = Malformed "path.invalid";
    /// A user's path lies in the reserved directory `.rosettar`.
    PATH_RESERVED = Malformed "path.reserved";
    /// Two entries have the same path.
    PATH_DUPLICATE = Malformed "path.duplicate";
    /// An entry lies below a path that is a file or a symbolic link.
    PATH_PARENT = Malformed "path.parent";

    // The tar: FORMAT.md, "Tar profile".
    /// A tar header differs from the one that its entry has.
    TAR_HEADER = Integrity "tar.header";
    /// Padding after a member's content is not zero.
    TAR_PADDING = Integrity "tar.padding";
    /// The tar does not end in two zero blocks alone in the last payload frame.
    TAR_END = Integrity "tar.end";

    // C1Z: C1Z.md.
    /// The manifest of a C1Z file does not decode.
    C1Z_MANIFEST = Malformed "c1z.manifest";
    /// The manifest of a C1Z file names no engine.
    C1Z_ENGINE = Malformed "c1z.engine";
    /// The payload encoding of a C1Z file is missing, reserved or not known.
    C1Z_ENCODING = Unsupported "c1z.encoding";
    /// A zstd frame of a C1Z file needs a window of more than 128 MiB.
    C1Z_WINDOW = Limit "c1z.window";
    /// Something follows what a C1Z file, or a frame of it, must end with.
    C1Z_TRAILING = Malformed "c1z.trailing";
    /// The index of a C1Z file contradicts itself or the file: a gap, an overlap, a wrong total, a field out of bounds.
    C1Z_INDEX = Malformed "c1z.index";
    /// The index of a C1Z file does not have the checksum that the footer states.
    C1Z_INDEX_CHECKSUM = Integrity "c1z.index-checksum";
    /// The manifest of a C1Z file does not have the checksum that the index states.
    C1Z_MANIFEST_CHECKSUM = Integrity "c1z.manifest-checksum";
    /// A content does not have the checksum (xxh64) that the index of a C1Z file states.
    C1Z_CONTENT_CHECKSUM = Integrity "c1z.content-checksum";
    /// The tar of a C1Z file has something that programs read in different ways.
    C1Z_TAR = Malformed "c1z.tar";
    /// The tar of a C1Z file has a member that is neither a regular file nor a directory.
    C1Z_TAR_KIND = Unsupported "c1z.tar-kind";
    /// The payload of a C1Z v1 file is no SQLite database, or a broken one.
    C1Z_DATABASE = Malformed "c1z.database";

    // Digests of content: FORMAT.md, "Digests".
    /// An entry's content does not match its digest.
    ENTRY_DIGEST = Integrity "entry.digest";
    /// A stream's batches do not match its digest.
    STREAM_DIGEST = Integrity "stream.digest";
    /// The content digest is not the one that the archive's content has.
    CONTENT_DIGEST = Integrity "content.digest";

    // Records: FORMAT.md, "Records".
    /// A batch is not a sequence of length-delimited records.
    RECORD_FRAMING = Malformed "record.framing";
    /// A batch does not hold the number of records that its entry states.
    RECORD_COUNT = Malformed "record.count";
    /// A record does not decode as a message of its stream's type.
    RECORD_DECODE = Schema "record.decode";
    /// A value given for a record does not fit the record's type.
    RECORD_VALUE = Schema "record.value";

    // Schemas: FORMAT.md, "Schemas".
    /// A descriptor set is not a `google.protobuf.FileDescriptorSet`.
    SCHEMA_PROTOBUF = Schema "schema.protobuf";
    /// A descriptor set lacks a file that one of its files imports.
    SCHEMA_CLOSURE = Schema "schema.closure";
    /// The files of a descriptor set are not in the prescribed order, or one occurs twice.
    SCHEMA_ORDER = Schema "schema.order";
    /// The files of a descriptor set import each other in a cycle.
    SCHEMA_CYCLE = Schema "schema.cycle";
    /// A message type is not in the schema it is looked up in.
    SCHEMA_TYPE = Schema "schema.type";
    /// A descriptor set does something that no acceptable one does.
    SCHEMA_DESCRIPTOR = Schema "schema.descriptor";
    /// A descriptor set uses a protobuf edition, which this reader does not know.
    SCHEMA_EDITION = Schema "schema.edition";
    /// A descriptor set is larger than the bounds on what it may define.
    SCHEMA_TOO_LARGE = Schema "schema.too-large";
    /// `.proto` text does not compile.
    SCHEMA_COMPILE = Schema "schema.compile";

    // Limits: FORMAT.md, "Limits".
    /// More decoded bytes than `decoded-bytes`.
    LIMIT_DECODED_BYTES = Limit "limit.decoded-bytes";
    /// More entries than `entries`.
    LIMIT_ENTRIES = Limit "limit.entries";
    /// More frames than `frames`.
    LIMIT_FRAMES = Limit "limit.frames";
    /// More streams than `streams`.
    LIMIT_STREAMS = Limit "limit.streams";
    /// More Schemas than `schemas`.
    LIMIT_SCHEMAS = Limit "limit.schemas";
    /// A path or link target longer than `path-bytes`.
    LIMIT_PATH_BYTES = Limit "limit.path-bytes";
    /// A path component longer than `component-bytes`.
    LIMIT_COMPONENT_BYTES = Limit "limit.component-bytes";
    /// A path of more components than `path-depth`.
    LIMIT_PATH_DEPTH = Limit "limit.path-depth";
    /// A record larger than `record-bytes`.
    LIMIT_RECORD_BYTES = Limit "limit.record-bytes";
    /// More values in one record than `record-values`.
    LIMIT_RECORD_VALUES = Limit "limit.record-values";
    /// A manifest and schema sections larger together than `manifest-bytes`.
    LIMIT_MANIFEST_BYTES = Limit "limit.manifest-bytes";
    /// An index, its pages included, larger than `index-bytes`.
    LIMIT_INDEX_BYTES = Limit "limit.index-bytes";

    // Policy: FORMAT.md, "Extraction".
    /// A symbolic link whose target is not inside the directory it is extracted to.
    POLICY_LINK = Policy "policy.link";
    /// A name that the host's file system cannot hold, or takes for another's.
    POLICY_NAME = Policy "policy.name";
    /// Something that an archive cannot hold: a device, a FIFO, a socket.
    POLICY_FILE_TYPE = Policy "policy.file-type";

    /// A conversion would lose something.
    POLICY_LOSSY = Policy "policy.lossy";

    // The caller's side.
    /// No entry has this path, or no entry matches.
    USAGE_NO_SUCH_ENTRY = Usage "usage.no-such-entry";
    /// No stream has this name.
    USAGE_NO_SUCH_STREAM = Usage "usage.no-such-stream";
    /// No record has this number.
    USAGE_NO_SUCH_RECORD = Usage "usage.no-such-record";
    /// An entry is not of the kind that the call is for.
    USAGE_NOT_A_FILE = Usage "usage.not-a-file";
    /// An option or argument is not acceptable, or does not go with another.
    USAGE_OPTION = Usage "usage.option";
    /// A path, stream, attribute or schema given to a writer breaks the format's rules.
    USAGE_INPUT = Usage "usage.input";
    /// A writer was given something after an earlier call failed.
    USAGE_WRITER_FAILED = Usage "usage.writer-failed";
    /// The target of an extraction is neither absent nor an empty directory.
    USAGE_TARGET = Usage "usage.target";
    /// The caller asked to stop.
    USAGE_INTERRUPTED = Usage "usage.interrupted";
    /// An archive, or something of it, was used after it was closed.
    USAGE_CLOSED = Usage "usage.closed";
    /// An archive, or something of it, was used in a process forked from the one that opened it.
    USAGE_FORKED = Usage "usage.forked";
    /// The archive is of a format that cannot do what was asked for.
    USAGE_FORMAT = Usage "usage.format";
    /// An archive, or something of it, was used by what it had called itself, and would have waited for itself.
    USAGE_REENTERED = Usage "usage.reentered";

    // The outside world.
    /// Reading failed.
    IO_READ = Io "io.read";
    /// Writing failed.
    IO_WRITE = Io "io.write";
    /// A file or directory could not be opened, made, renamed or looked at.
    IO_FILE = Io "io.file";
    /// The file was renamed into place, but making that durable failed.
    IO_DURABILITY = Io "io.durability";
    /// A source changed while it was being read.
    IO_SOURCE_CHANGED = Io "io.source-changed";
    /// The system gives no thread, or no memory.
    IO_RESOURCES = Io "io.resources";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for code in code::ALL {
            assert!(seen.insert(code.id), "{} is listed twice", code.id);
            let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
            assert!(code.id.bytes().all(legal), "{}", code.id);
        }
    }

    #[test]
    fn an_error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn a_message_is_no_longer_than_a_screen() {
        assert_eq!(Error::new(code::IO_READ, "x".repeat(4096)).message().len(), 4096);
        let cut = Error::new(code::IO_READ, "é".repeat(1 << 20) + "x");
        assert_eq!(cut.message(), "é".repeat(2048) + "…");
        assert_eq!(Error::new(code::IO_READ, "x".to_owned() + &"é".repeat(9999)).message().len(), 4095 + 3);
    }

    #[test]
    fn display_says_where() {
        let error = Error::new(code::FRAME_SIZE, "expected 5 bytes, found 6").with_offset(29).with_entry("a");
        assert_eq!(error.to_string(), "expected 5 bytes, found 6 (entry \"a\") (at byte 29) [frame.size]");
    }
}
