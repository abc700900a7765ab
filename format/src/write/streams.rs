//! Streams of an archive being written: what a caller declares, and how records become batches.

use prost_reflect::MessageDescriptor;

use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::model::{StreamDeclaration, StreamInfo};
use crate::schema;

/// A stream declared with a [`Writer`](super::Writer); another writer refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId {
    /// The number of the writer.
    pub(super) writer: u64,
    /// The stream's place among those that the writer declared.
    pub(super) index: usize,
}

/// The type of a stream's records, with descriptors that define it. What of them the type needs is computed; more does
/// no harm.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("g.proto"), r#"syntax = "proto3"; package demo; message Greeting { string text = 1; }"#).unwrap();
/// let set = rosettar::schema::compile(&[dir.path().join("g.proto")], &[dir.path()])?;
/// let record_type = rosettar::RecordType::new("demo.Greeting", set).schema_version(2);
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RecordType {
    pub(super) type_name: String,
    pub(super) descriptor_set: Vec<u8>,
    pub(super) schema_version: u32,
}

impl RecordType {
    /// The message type called `type_name` (its full name, without a leading dot), which a serialized
    /// `google.protobuf.FileDescriptorSet` defines. Nothing is checked before the type is declared.
    pub fn new(type_name: impl Into<String>, descriptor_set: impl Into<Vec<u8>>) -> Self {
        Self { type_name: type_name.into(), descriptor_set: descriptor_set.into(), schema_version: 0 }
    }

    /// The message type `M` that `prost-build` generated, with the `FILE_DESCRIPTOR_SET` of the same build.
    pub fn of<M: prost::Name>(descriptor_set: impl Into<Vec<u8>>) -> Self {
        Self::new(M::full_name(), descriptor_set)
    }

    /// The message type that `descriptor` describes, with the descriptors of its pool.
    ///
    /// # Errors
    /// `schema.closure`, `schema.cycle`, `schema.too-large` where the pool exceeds what an archive may hold.
    pub fn from_descriptor(descriptor: &MessageDescriptor) -> Result<Self> {
        Ok(Self::new(descriptor.full_name(), schema::descriptor_set_of(descriptor)?))
    }

    /// Sets the application's own version of the type; 0 unless set.
    #[must_use]
    pub fn schema_version(mut self, version: u32) -> Self {
        self.schema_version = version;
        self
    }
}

/// A stream and its records that are not written yet.
pub(super) struct StreamState {
    pub(super) declaration: StreamDeclaration,
    /// The stream's number, once the manifest is written.
    pub(super) number: u32,
    /// The batch being filled: length-delimited records.
    pub(super) batch: Vec<u8>,
    pub(super) batch_records: u64,
    /// Whether its `stream.txt` is written.
    pub(super) described: bool,
    pub(super) batches: u32,
    records: u64,
    size: u64,
    digest: BatchesDigest,
    /// Decodes records before they are taken, once it was asked for.
    pub(super) checker: Option<MessageDescriptor>,
}

/// What is known of the digest of a stream's batches.
enum BatchesDigest {
    /// Every batch so far was taken in.
    Running(Hasher),
    /// The digest of the old batches, which can be kept but not continued: that takes the batches themselves.
    Of(Digest),
}

impl StreamState {
    pub(super) fn new(declaration: StreamDeclaration) -> Self {
        Self {
            declaration,
            number: 0,
            batch: Vec::new(),
            batch_records: 0,
            described: false,
            batches: 0,
            records: 0,
            size: 0,
            digest: BatchesDigest::Running(Hasher::new()),
            checker: None,
        }
    }

    /// A stream of the archive that is continued, as it is there.
    pub(super) fn continued(number: u32, info: &StreamInfo) -> Self {
        Self {
            number,
            described: true,
            batches: info.batches,
            records: info.records,
            size: info.size,
            digest: BatchesDigest::Of(info.digest),
            ..Self::new(info.declaration.clone())
        }
    }

    /// Whether the digest of its batches cannot be continued before the old ones were taken in again.
    pub(super) fn needs_old_batches(&self) -> bool {
        matches!(self.digest, BatchesDigest::Of(_))
    }

    /// Continues the digest of the batches with what took in the old ones.
    pub(super) fn resume(&mut self, hasher: Hasher) {
        self.digest = BatchesDigest::Running(hasher);
    }

    /// The batch as filled so far and its number of records; the next one begins in `next`, which is empty.
    pub(super) fn take_batch(&mut self, next: Vec<u8>) -> (Vec<u8>, u64) {
        let batch = std::mem::replace(&mut self.batch, next);
        let records = std::mem::take(&mut self.batch_records);
        self.records += records;
        self.size += batch.len() as u64;
        match &mut self.digest {
            BatchesDigest::Running(hasher) => hasher.update(&batch),
            BatchesDigest::Of(_) => unreachable!("the old batches were taken in before"),
        }
        (batch, records)
    }

    /// Declaration and totals, once every batch is taken.
    pub(super) fn into_info(self) -> StreamInfo {
        let digest = match self.digest {
            BatchesDigest::Running(hasher) => hasher.finish(),
            BatchesDigest::Of(digest) => digest,
        };
        StreamInfo {
            declaration: self.declaration,
            records: self.records,
            size: self.size,
            digest,
            batches: self.batches,
        }
    }
}
