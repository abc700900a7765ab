//! What an archive says of itself as a whole (FORMAT.md, "Manifest" and "Index").

use std::collections::BTreeMap;

use super::{C1zFacts, Mtime};
use crate::digest::Digest;
use crate::path::StreamName;

/// A typed fact about an archive: a protobuf message in a `google.protobuf.Any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The type URL; what follows its last `/` is the full name of the message type.
    pub type_url: String,
    /// The serialized message.
    pub value: Vec<u8>,
}

impl Annotation {
    /// The full name of the message type.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or_default()
    }
}

/// What the manifest says, with what the index adds to it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Manifest {
    /// The program that wrote the archive.
    pub producer: String,
    /// When the archive was made, where it says so.
    pub created: Option<Mtime>,
    /// Facts as text.
    pub attributes: BTreeMap<String, String>,
    /// Typed facts, in the order given.
    pub annotations: Vec<Annotation>,
    /// Features a reader must know.
    pub required_features: Vec<String>,
}

/// A stream as its writer declared it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamDeclaration {
    /// The stream's name.
    pub name: StreamName,
    /// The full name of the record type.
    pub type_name: String,
    /// The number of the Schema that defines the type.
    pub schema: u32,
    /// The application's own version of the type.
    pub schema_version: u32,
}

impl StreamDeclaration {
    /// The content of the stream's `stream.txt`.
    pub(crate) fn description(&self) -> String {
        format!("type {}\nschema {:08}\nversion {}\n", self.type_name, self.schema, self.schema_version)
    }
}

/// A stream of an archive: its declaration and its totals.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// As its writer declared it.
    pub declaration: StreamDeclaration,
    /// How many records it has.
    pub records: u64,
    /// Bytes of all its batches, the records' length prefixes included; 0 where the format does not state it.
    pub size: u64,
    /// SHA-256 of the contents of its batches, concatenated; zeros where the format does not state it.
    pub digest: Digest,
    /// How many batches it has.
    pub batches: u32,
}

impl StreamInfo {
    /// The stream's name.
    pub fn name(&self) -> &str {
        self.declaration.name.as_str()
    }

    /// The full name of the record type.
    pub fn type_name(&self) -> &str {
        &self.declaration.type_name
    }
}

/// Counts and sizes over a whole archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Totals {
    /// Regular files of the user's.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Reserved members.
    pub reserved_members: u64,
    /// Bytes of the contents of all regular files of the user's.
    pub file_bytes: u64,
    /// Records in all streams.
    pub records: u64,
    /// Bytes of the decoded tar.
    pub tar_bytes: u64,
}

impl Totals {
    /// All entries, reserved members included.
    pub fn entries(&self) -> u64 {
        self.user_entries().saturating_add(self.reserved_members)
    }

    /// All entries but the reserved members.
    pub fn user_entries(&self) -> u64 {
        self.files.saturating_add(self.directories).saturating_add(self.symlinks)
    }
}

/// Everything an open archive knows without reading its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The format and its version, such as `Rosettar 1.0`.
    pub format: String,
    /// Bytes of the archive.
    pub size: u64,
    /// What commits to every byte of the archive; `None` for a format that has no such thing.
    pub root_digest: Option<Digest>,
    /// What commits to everything inside, however it is stored; `None` for a format that has no such thing.
    pub content_digest: Option<Digest>,
    /// The manifest's facts.
    pub manifest: Manifest,
    /// How many Schemas there are.
    pub schemas: u32,
    /// The streams, in the order of their numbers.
    pub streams: Vec<StreamInfo>,
    /// Counts and sizes.
    pub totals: Totals,
    /// How many frames the archive has, its index included.
    pub frames: u64,
    /// How many pages the entry table has; 0 for a format without one.
    pub pages: u64,
    /// What is particular to a C1Z file; `None` for an archive of another format.
    pub c1z: Option<Box<C1zFacts>>,
}
