//! Opening: what is read, and in which order it is checked (C1Z.md, "Reading").

use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock};

use super::FILE_MODE;
use super::{C1z, DATABASE, Proof, Store, WHOLE};
use crate::c1z::{self, FrameFacts};
use crate::digest::Hasher;
use crate::error::{Error, Result, code};
use crate::io::{ReadAt, Spool};
use crate::limits::Limits;
use crate::model::{C1zEncoding, C1zFacts, C1zManifest, Entry, EntryKind, Facts, Manifest, Mtime, Totals};
use crate::path::EntryPath;
use crate::read::{Archive, ReadOptions};
use crate::schema;

/// Overrides the default limit on decoded bytes: a number of MiB.
const VARIABLE: &str = "BATON_DECODER_MAX_DECODED_SIZE_MB";
/// The schema version that files had when the format was described.
const SCHEMA_VERSION: u32 = 24;
/// What every SQLite database begins with, and how long its header is.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const SQLITE_HEADER_LEN: u64 = 100;

/// Reads the header of a file of version 3: neither the payload nor the descriptors.
///
/// # Errors
/// As [`c1z::read_head`].
pub(crate) fn open_header(source: &dyn ReadAt, size: u64, limits: &Limits) -> Result<Facts> {
    let head = c1z::read_head(source, size, limits, true)?;
    Ok(facts_of_v3(size, &head))
}

/// Opens a file of version 3 that has `size` bytes.
pub(crate) fn open_v3(source: Box<dyn ReadAt>, size: u64, options: ReadOptions) -> Result<Archive> {
    let source: Arc<dyn ReadAt> = source.into();
    let limits = &options.limits;
    let head = c1z::read_head(source.as_ref(), size, limits, false)?;
    if !head.descriptors().is_empty() {
        schema::order(head.descriptors())?;
    }
    let limit = decoded_limit(limits, size)?;
    let mut facts = facts_of_v3(size, &head);
    let (at, len) = (head.payload_at, size - head.payload_at);
    let (entries, store, proof) = match head.manifest.facts.encoding {
        C1zEncoding::IndexedZstd => {
            let index = c1z::read_index(source.as_ref(), size, at, &head.manifest.facts.bytes, limits)?;
            if index.raw > limit {
                return Err(too_much(index.raw, limit));
            }
            facts.totals.tar_bytes = index.raw;
            facts.frames = index.files.len() as u64;
            let mtime = Mtime::default();
            let entries =
                index.files.iter().map(|file| Entry::file(file.path.clone(), FILE_MODE, mtime, file.raw, file.digest));
            let entries = entries.collect();
            let proof = Proof::Indexed { manifest: index.has_manifest_checksum };
            (entries, Store::Frames { source, files: index.files }, proof)
        }
        C1zEncoding::Tar => {
            if len > limit {
                return Err(too_much(len, limit));
            }
            facts.totals.tar_bytes = len;
            let (entries, store) = tar(source, at, len, &options)?;
            (entries, store, Proof::Nothing)
        }
        C1zEncoding::TarZstd => {
            let mut spooled = Spool::new(WHOLE as usize);
            let frame = unpack(source.as_ref(), at, len, limit, &options, |piece| spool(&mut spooled, piece))?;
            let spooled = spooled.finish();
            facts.totals.tar_bytes = spooled.size();
            facts.frames = 1;
            let len = spooled.size();
            // Its offsets are those in what was decoded, and not in the file.
            let (entries, store) = tar(Arc::new(spooled), 0, len, &options).map_err(Error::without_offset)?;
            (entries, store, Proof::Frame { checksum: frame.checksum })
        }
    };
    let remarks = remarks(&head.manifest.facts, !head.descriptors().is_empty(), proof);
    let c1z = facts.c1z.as_mut().expect("set above");
    c1z.remarks = remarks;
    c1z.manifest = Some(head.manifest.facts);
    let descriptors = head.manifest.descriptors;
    Ok(C1z::new(options, facts, entries, store, descriptors, proof).into_archive())
}

/// Opens a file of version 1 that has `size` bytes.
pub(crate) fn open_v1(source: Box<dyn ReadAt>, size: u64, options: ReadOptions) -> Result<Archive> {
    let limit = decoded_limit(&options.limits, size)?;
    let at = c1z::MAGIC_LEN as u64;
    let mut spooled = Spool::new(WHOLE as usize);
    let mut hasher = Hasher::new();
    let frame = unpack(source.as_ref(), at, size - at, limit, &options, |piece| {
        hasher.update(piece);
        spool(&mut spooled, piece)
    })?;
    let spooled: Arc<dyn ReadAt> = Arc::new(spooled.finish());
    let len = spooled.size().map_err(|e| Error::io(code::IO_READ, "reading a spooled database", e))?;
    let mut magic = vec![0; (SQLITE_MAGIC.len() as u64).min(len) as usize];
    spooled.read_exact_at(&mut magic, 0).map_err(|e| Error::io(code::IO_READ, "reading a spooled database", e))?;
    if magic != SQLITE_MAGIC || len < SQLITE_HEADER_LEN {
        let message =
            format!("the payload of {len} bytes is no SQLite database: expected it to begin with one's header");
        return Err(Error::new(code::C1Z_DATABASE, message).with_offset(at));
    }
    let path = EntryPath::new(DATABASE).expect("a path");
    let entry = Entry::file(path, FILE_MODE, Mtime::default(), len, hasher.finish());
    let c1z = C1zFacts { version: 1, payload_size: size - at, ..C1zFacts::default() };
    let mut facts = facts("C1Z v1".to_owned(), size, c1z);
    facts.totals.tar_bytes = len;
    facts.frames = 1;
    let store = Store::Plain { source: spooled, at: vec![0] };
    let proof = Proof::Frame { checksum: frame.checksum };
    let archive = C1z::new(options, facts, vec![entry], store, Vec::new(), proof);
    #[cfg(feature = "sqlite")]
    let archive = super::sqlite::with_database(archive)?;
    Ok(archive.into_archive())
}

impl C1z {
    fn new(
        options: ReadOptions,
        mut facts: Facts,
        entries: Vec<Entry>,
        store: Store,
        descriptors: Vec<u8>,
        proof: Proof,
    ) -> Self {
        for entry in &entries {
            match entry.kind {
                EntryKind::Directory => facts.totals.directories += 1,
                _ => {
                    facts.totals.files += 1;
                    facts.totals.file_bytes += entry.size;
                }
            }
        }
        facts.schemas = u32::from(!descriptors.is_empty());
        let mut by_path: Vec<u32> = (0..entries.len() as u32).collect();
        by_path.sort_unstable_by(|a, b| entries[*a as usize].path.cmp(&entries[*b as usize].path));
        Self {
            options,
            facts,
            entries,
            by_path,
            store,
            descriptors,
            pool: OnceLock::new(),
            proof,
            unpackers: Mutex::new(Vec::new()),
            #[cfg(feature = "sqlite")]
            database: None,
        }
    }

    fn into_archive(self) -> Archive {
        Archive::listed(Arc::new(self))
    }
}

/// The entries of a tar and where their contents are.
fn tar(source: Arc<dyn ReadAt>, at: u64, len: u64, options: &ReadOptions) -> Result<(Vec<Entry>, Store)> {
    let step = &mut |_| options.monitor.advance(0);
    let members = c1z::read_tar(source.as_ref(), at, len, &options.limits, step)?;
    let places = members.iter().map(|member| at + member.content_at).collect();
    Ok((members.into_iter().map(|member| member.entry).collect(), Store::Plain { source, at: places }))
}

/// Decodes the one frame of a payload, to its end.
fn unpack(
    source: &dyn ReadAt,
    at: u64,
    len: u64,
    limit: u64,
    options: &ReadOptions,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<FrameFacts> {
    c1z::decode_stream(source, at, len, limit, &mut |piece| {
        options.monitor.advance(0)?;
        take(piece)
    })
}

pub(super) fn spool(spool: &mut Spool, piece: &[u8]) -> Result<()> {
    spool.write_all(piece).map_err(|e| Error::io(code::IO_WRITE, "spooling what is decoded", e))
}

/// The limit on decoded bytes: the caller's, else the environment's, else the default.
fn decoded_limit(limits: &Limits, size: u64) -> Result<u64> {
    let variable = std::env::var_os(VARIABLE).filter(|text| limits.decoded_bytes.is_none() && !text.is_empty());
    let Some(text) = variable else { return Ok(limits.decoded_bytes_for(size)) };
    let number = text.to_str().and_then(|text| text.trim().parse::<u64>().ok()).filter(|number| *number > 0);
    number.map(|number| number.saturating_mul(1 << 20)).ok_or_else(|| {
        let message = format!("the environment variable {VARIABLE} is {text:?}: expected a number of MiB above 0");
        Error::new(code::USAGE_OPTION, message)
    })
}

fn too_much(found: u64, limit: u64) -> Error {
    let message = format!("contents of {found} bytes exceed the limit decoded-bytes of {limit}");
    Error::new(code::LIMIT_DECODED_BYTES, message)
}

fn facts_of_v3(size: u64, head: &c1z::Head) -> Facts {
    let manifest = &head.manifest.facts;
    let format = format!("C1Z v3, {}", manifest.encoding);
    let c1z = C1zFacts {
        version: 3,
        manifest: Some(manifest.clone()),
        payload_size: size - head.payload_at,
        ..C1zFacts::default()
    };
    facts(format, size, c1z)
}

fn facts(format: String, size: u64, c1z: C1zFacts) -> Facts {
    Facts {
        format,
        size,
        root_digest: None,
        content_digest: None,
        manifest: Manifest::default(),
        schemas: 0,
        streams: Vec::new(),
        totals: Totals::default(),
        frames: 0,
        pages: 0,
        c1z: Some(Box::new(c1z)),
    }
}

/// What real files do, and what is worth knowing nevertheless.
fn remarks(manifest: &C1zManifest, described: bool, proof: Proof) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut remark = |applies: bool, text: String| {
        if applies {
            remarks.push(text);
        }
    };
    let version = manifest.engine_schema_version;
    remark(!described, "the manifest has no descriptors: what the engine stores is not described".to_owned());
    remark(manifest.record_types.is_empty(), "the manifest lists no record types".to_owned());
    remark(version != SCHEMA_VERSION, format!("the engine's schema version is {version}; known is {SCHEMA_VERSION}"));
    remark(proof == Proof::Indexed { manifest: false }, "the index records no checksum of the manifest".to_owned());
    remark(
        manifest.unknown_fields > 0,
        format!("the manifest has {} fields that this version does not know", manifest.unknown_fields),
    );
    remarks
}
