//! What a C1Z file says of itself (C1Z.md, "Manifest").

use std::collections::BTreeMap;
use std::fmt;

use super::{Annotation, Mtime};

/// What is particular to a C1Z file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct C1zFacts {
    /// The version of the format: 1 or 3.
    pub version: u8,
    /// The manifest; version 1 has none.
    pub manifest: Option<C1zManifest>,
    /// Bytes of the payload as it is stored.
    pub payload_size: u64,
    /// What is unusual about the file and yet no fault, a sentence each.
    pub remarks: Vec<String>,
}

/// How the payload of a C1Z v3 file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum C1zEncoding {
    /// A tar in one zstd frame.
    TarZstd,
    /// A tar.
    Tar,
    /// A zstd frame for each file, and an index.
    IndexedZstd,
}

impl C1zEncoding {
    /// The encoding's name, as the manifest's enum has it, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TarZstd => "tar_zstd",
            Self::Tar => "tar",
            Self::IndexedZstd => "indexed_zstd",
        }
    }

    /// The number that stands for it in the manifest.
    pub fn number(self) -> u8 {
        match self {
            Self::TarZstd => 1,
            Self::Tar => 2,
            Self::IndexedZstd => 5,
        }
    }
}

impl fmt::Display for C1zEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The manifest of a C1Z v3 file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct C1zManifest {
    /// The whole message as it is stored, fields that this version does not know included; empty where only the header
    /// of the file was read.
    pub bytes: Vec<u8>,
    /// The storage engine that wrote the payload.
    pub engine: String,
    /// The version of what the engine stores.
    pub engine_schema_version: u32,
    /// The engine's own settings.
    pub engine_config: Option<Annotation>,
    /// How the payload is stored.
    pub encoding: C1zEncoding,
    /// The types of what the engine stores, where they are listed.
    pub record_types: Vec<C1zRecordType>,
    /// The sync runs.
    pub sync_runs: Vec<C1zSyncRun>,
    /// Bytes of the payload that a fold left unused.
    pub fold_dead_bytes: i64,
    /// The number that stands for how the engine indexes identifiers.
    pub pebble_id_index_format: i32,
    /// The digest of all grants.
    pub grant_digest_root: Option<C1zGrantDigest>,
    /// How many fields, not counting those within messages, this version does not know.
    pub unknown_fields: u64,
}

/// A type of record that a C1Z manifest lists.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct C1zRecordType {
    /// The full name of the message type.
    pub full_name: String,
    /// The version of the type.
    pub schema_version: u32,
    /// About how many records of it there are.
    pub estimated_count: i64,
}

/// A digest over the grants of a C1Z file. What it is computed of is not public.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct C1zGrantDigest {
    /// The digest.
    pub xor_digest: Vec<u8>,
    /// How many grants it covers.
    pub count: i64,
    /// The version of what it is computed of.
    pub abi_version: u32,
}

/// A sync run that a C1Z manifest lists.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct C1zSyncRun {
    /// Its identifier.
    pub sync_id: String,
    /// The number of its type.
    pub kind: i32,
    /// When it began.
    pub started_at: Option<Mtime>,
    /// When it ended; `None` for one that did not.
    pub ended_at: Option<Mtime>,
    /// The run that it continues; empty for none.
    pub parent_sync_id: String,
    /// What it found.
    pub stats: Option<C1zSyncStats>,
}

impl C1zSyncRun {
    /// The name of its type, in lower case: `full`, `partial`; the number where it has no name here.
    pub fn kind_name(&self) -> String {
        let name = match self.kind {
            0 => "unspecified",
            1 => "full",
            2 => "partial",
            3 => "resources_only",
            4 => "partial_upserts",
            5 => "partial_deletions",
            other => return other.to_string(),
        };
        name.to_owned()
    }
}

/// What a sync run found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct C1zSyncStats {
    /// Resource types.
    pub resource_types: i64,
    /// Resources.
    pub resources: i64,
    /// Entitlements.
    pub entitlements: i64,
    /// Grants.
    pub grants: i64,
    /// Assets.
    pub assets: i64,
    /// Resources of each resource type.
    pub resources_by_resource_type: BTreeMap<String, i64>,
    /// Grants by the resource type of their entitlement.
    pub grants_by_entitlement_resource_type: BTreeMap<String, i64>,
    /// Entitlements of each resource type.
    pub entitlements_by_resource_type: BTreeMap<String, i64>,
    /// How many milliseconds each step took.
    pub step_durations_ms: BTreeMap<String, i64>,
    /// When the figures were written.
    pub written_at: Option<Mtime>,
}
