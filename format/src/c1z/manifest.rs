//! The manifest of C1Z v3 (C1Z.md, "Manifest"): its bytes stay as they are, and what this version knows of them is
//! read.

use std::borrow::Cow;

use prost::Message as _;

use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::{
    Annotation, C1zEncoding, C1zGrantDigest, C1zManifest, C1zRecordType, C1zSyncRun, C1zSyncStats, Mtime,
};
use crate::proto::c1::c1z::v3 as proto;
use crate::proto::c1::storage::v3 as storage;
use crate::schema;
use crate::schema::wire::{self, Raw};

/// The most bytes of a manifest: 16 MiB.
pub const MANIFEST_MAX: u32 = 16 << 20;

const ENCODING: u32 = 4;
pub(super) const DESCRIPTORS: u32 = 10;
const SYNC_RUNS: u32 = 40;
const STATS: u32 = 6;
const KNOWN: [u32; 10] = [1, 2, 3, ENCODING, DESCRIPTORS, 11, SYNC_RUNS, 41, 42, 43];
/// For how many values a sync run counts: it takes that much more memory than its two bytes.
const SYNC_RUN_VALUES: u64 = 16;

/// A manifest that was found well-formed.
#[derive(Debug)]
pub struct Manifest {
    /// What it says.
    pub facts: C1zManifest,
    /// The descriptor set in it, not checked; empty where there is none, or only the header was read.
    pub descriptors: Vec<u8>,
}

impl Manifest {
    /// Reads a whole manifest.
    ///
    /// # Errors
    /// `c1z.manifest`, `c1z.engine`, `c1z.encoding`, `limit.record-values`.
    pub fn decode(bytes: Vec<u8>, limits: &Limits) -> Result<Self> {
        let mut rest = Vec::new();
        let mut descriptors = Vec::new();
        for field in wire::fields(&bytes) {
            let field = field.map_err(malformed)?;
            match field.value {
                // A message that occurs twice is merged, and so are its parts when they follow each other.
                Raw::Bytes(set) if field.number == DESCRIPTORS => descriptors.extend_from_slice(set),
                _ => rest.extend_from_slice(field.whole),
            }
        }
        let mut facts = facts(&rest, limits)?;
        facts.bytes = bytes;
        Ok(Self { facts, descriptors })
    }

    /// Reads the fields of a manifest without its descriptors.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub(super) fn decode_header(fields: &[u8], limits: &Limits) -> Result<Self> {
        Ok(Self { facts: facts(fields, limits)?, descriptors: Vec::new() })
    }
}

/// The descriptor set `set`, complete, with its files sorted by path, each as it is.
///
/// # Errors
/// `schema.*`.
pub fn sorted_closure(set: &[u8]) -> Result<Vec<u8>> {
    let set = schema::order(set)?;
    let mut files = Vec::new();
    for field in wire::fields(&set) {
        let field = field.map_err(malformed)?;
        let Raw::Bytes(file) = field.value else { continue };
        // The order is that of paths, which were found well-formed.
        let path = wire::fields(file).flatten().find_map(|field| match (field.number, field.value) {
            (1, Raw::Bytes(path)) => Some(path),
            _ => None,
        });
        files.push((path.unwrap_or_default(), field.whole));
    }
    files.sort();
    Ok(files.iter().flat_map(|(_, whole)| *whole).copied().collect())
}

/// `manifest`, a message, with another encoding; all other fields stay, and all bytes where it has that encoding.
///
/// # Errors
/// `c1z.manifest`.
pub fn with_encoding(manifest: &[u8], encoding: C1zEncoding) -> Result<Cow<'_, [u8]>> {
    let fields = wire::fields(manifest).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    let number = u64::from(encoding.number());
    let mut stated = fields.iter().filter(|field| field.number == ENCODING);
    if stated.next().is_some_and(|field| field.value == Raw::Varint(number)) && stated.next().is_none() {
        return Ok(Cow::Borrowed(manifest));
    }
    let mut out = Vec::with_capacity(manifest.len() + 2);
    let mut pending = true;
    let mut put = |out: &mut Vec<u8>| {
        if std::mem::take(&mut pending) {
            wire::put_varint(out, u64::from(ENCODING) << 3);
            wire::put_varint(out, number);
        }
    };
    for field in fields {
        if field.number >= ENCODING {
            put(&mut out);
        }
        if field.number != ENCODING {
            out.extend_from_slice(field.whole);
        }
    }
    put(&mut out);
    Ok(Cow::Owned(out))
}

fn facts(fields: &[u8], limits: &Limits) -> Result<C1zManifest> {
    let unknown_fields = check_values(fields, limits)?;
    let message = proto::C1zManifestV3::decode(fields)
        .map_err(|e| Error::new(code::C1Z_MANIFEST, format!("the manifest does not decode: {e}")))?;
    if message.engine.is_empty() {
        let message =
            "the manifest names no engine: expected one, such as pebble; the file was not finished, or is damaged";
        return Err(Error::new(code::C1Z_ENGINE, message));
    }
    let encoding = match message.payload_encoding {
        1 => C1zEncoding::TarZstd,
        2 => C1zEncoding::Tar,
        5 => C1zEncoding::IndexedZstd,
        other => {
            let what = match other {
                0 => "states no payload encoding".to_owned(),
                3 | 4 => format!("states the payload encoding {other}, which is reserved"),
                _ => format!("states the payload encoding {other}, which this reader does not know"),
            };
            let message = format!("the manifest {what}: expected 1 (tar_zstd), 2 (tar) or 5 (indexed_zstd)");
            return Err(Error::new(code::C1Z_ENCODING, message));
        }
    };
    Ok(C1zManifest {
        bytes: Vec::new(),
        engine: message.engine,
        engine_schema_version: message.engine_schema_version,
        engine_config: message.engine_config.map(|any| Annotation { type_url: any.type_url, value: any.value }),
        encoding,
        record_types: message
            .record_types
            .into_iter()
            .map(|found| C1zRecordType {
                full_name: found.full_name,
                schema_version: found.schema_version,
                estimated_count: found.estimated_count,
            })
            .collect(),
        sync_runs: message.sync_runs.into_iter().map(sync_run).collect(),
        fold_dead_bytes: message.fold_dead_bytes,
        pebble_id_index_format: message.pebble_id_index_format,
        grant_digest_root: message.grant_digest_root.map(|root| C1zGrantDigest {
            xor_digest: root.xor_digest,
            count: root.count,
            abi_version: root.abi_version,
        }),
        unknown_fields,
    })
}

/// Counts what would take memory before anything is made of it, and the fields that are not known.
fn check_values(fields: &[u8], limits: &Limits) -> Result<u64> {
    let (mut values, mut unknown) = (0, 0);
    for field in wire::fields(fields) {
        let field = field.map_err(malformed)?;
        values += 1;
        unknown += u64::from(!KNOWN.contains(&field.number));
        if let (SYNC_RUNS, Raw::Bytes(run)) = (field.number, field.value) {
            values += SYNC_RUN_VALUES - 1;
            for field in wire::fields(run) {
                let field = field.map_err(malformed)?;
                if let (STATS, Raw::Bytes(stats)) = (field.number, field.value) {
                    for field in wire::fields(stats) {
                        field.map_err(malformed)?;
                        values += 1;
                    }
                }
            }
        }
    }
    if values > limits.record_values {
        let message =
            format!("a manifest of {values} values exceeds the limit record-values of {}", limits.record_values);
        return Err(Error::new(code::LIMIT_RECORD_VALUES, message));
    }
    Ok(unknown)
}

fn sync_run(run: proto::SyncRun) -> C1zSyncRun {
    C1zSyncRun {
        sync_id: run.sync_id,
        kind: run.r#type,
        started_at: run.started_at.map(time),
        ended_at: run.ended_at.map(time),
        parent_sync_id: run.parent_sync_id,
        stats: run.stats.map(stats),
    }
}

fn stats(stats: storage::SyncStatsRecord) -> C1zSyncStats {
    C1zSyncStats {
        resource_types: stats.resource_types,
        resources: stats.resources,
        entitlements: stats.entitlements,
        grants: stats.grants,
        assets: stats.assets,
        resources_by_resource_type: stats.resources_by_resource_type,
        grants_by_entitlement_resource_type: stats.grants_by_entitlement_resource_type,
        entitlements_by_resource_type: stats.entitlements_by_resource_type,
        step_durations_ms: stats.step_durations_ms,
        written_at: stats.written_at.map(time),
    }
}

/// A time; nanoseconds out of bounds, which no other implementation writes, count as none.
fn time(time: prost_types::Timestamp) -> Mtime {
    let nanoseconds = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).unwrap_or(0);
    Mtime { seconds: time.seconds, nanoseconds }
}

fn malformed(fault: wire::Fault) -> Error {
    Error::new(code::C1Z_MANIFEST, format!("the manifest does not decode: {fault}"))
}
