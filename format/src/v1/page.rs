//! Pages of the entry table (FORMAT.md, "Entry table").

use prost::Message as _;

use super::PagePlace;
use super::guard::{Shape, tally};
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::{Entry, EntryKind, Mtime};
use crate::path::{EntryPath, LinkTarget, Reserved, is_reserved};
use crate::proto;
use crate::tar;

/// The most entries in a page.
pub(crate) const MAX_ENTRIES: usize = 4096;
/// The size at which a writer closes a page before it is full: half of what a page may have, so that no entry, whose
/// path and target have at most 4 096 bytes each, can exceed it.
const CLOSE_AT: usize = 4 << 20;

const PAGE: Shape = Shape { last: 10, packed: &[2, 3, 4, 5, 6, 9, 10], nested: &[] };

/// The shape by which a page is counted, for the test that compares it with the descriptor.
#[cfg(test)]
pub(super) const SHAPES: [(&str, &Shape); 1] = [("rosettar.v1.EntryPage", &PAGE)];

/// A page, decoded and checked.
#[derive(Debug)]
pub(crate) struct Page {
    /// The number of the page's first entry.
    pub(crate) first_entry: u64,
    /// The entries in tar order.
    pub(crate) entries: Vec<Placed>,
    /// How many of its fields this version does not know.
    pub(crate) unknown_fields: u64,
}

/// An entry and where its member begins in the tar.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) entry: Entry,
    /// The tar offset of the first byte of the member's header.
    pub(crate) header_at: u64,
    /// The tar offset of the first byte of its content.
    pub(crate) content_at: u64,
}

impl Placed {
    /// The tar offset of the first byte after the content.
    pub(crate) fn content_end(&self) -> u64 {
        self.content_at + self.entry.size
    }

    /// The tar offset of the first byte after the member.
    pub(crate) fn end(&self) -> u64 {
        self.content_end() + tar::padding(self.entry.size)
    }
}

impl Page {
    /// Reads a decoded page and holds it against `place`, what the index says of it.
    ///
    /// # Errors
    /// `entries.*`, `path.*`, `index.pages`, and the limits on paths.
    pub(crate) fn decode(bytes: &[u8], place: &PagePlace, limits: &Limits) -> Result<Self> {
        let (message, unknown_fields) = decode(bytes)?;
        let columns = Columns::new(message, place.entry_count as usize)?;
        let entries = columns.entries(place.tar_offset, place.record_counts.len(), limits)?;
        let page = Self { first_entry: place.first_entry, entries, unknown_fields };
        page.check_place(place)?;
        Ok(page)
    }

    /// Reads a decoded page that no index describes and whose first member begins at `tar_offset`. The numbers of streams
    /// mean nothing then.
    ///
    /// # Errors
    /// `entries.*`, `path.*`, and the limits on paths.
    pub(crate) fn decode_alone(bytes: &[u8], tar_offset: u64, limits: &Limits) -> Result<Vec<Placed>> {
        let (message, _) = decode(bytes)?;
        let count = message.paths.len();
        Columns::new(message, count)?.entries(tar_offset, usize::MAX, limits)
    }

    fn check_place(&self, place: &PagePlace) -> Result<()> {
        let fault = |what: &str, expected: String, found: String| {
            Err(Error::new(
                code::INDEX_PAGES,
                format!("{what} of a page: expected {expected} as the index says, found {found}"),
            ))
        };
        let end = self.entries.last().map_or(place.tar_offset, Placed::end);
        if end != place.tar_end {
            return fault("the end in the tar", place.tar_end.to_string(), end.to_string());
        }
        let (least, greatest) = bounds(self.entries.iter().map(|placed| &placed.entry));
        if least != place.least_path {
            return fault("the least path", format!("{:?}", place.least_path), format!("{least:?}"));
        }
        if greatest != place.greatest_path {
            return fault("the greatest path", format!("{:?}", place.greatest_path), format!("{greatest:?}"));
        }
        let mut counts = vec![0u64; place.record_counts.len()];
        for Placed { entry, .. } in &self.entries {
            let Some(stream) = entry.stream else { continue };
            // Every stream's number was checked with its entry.
            let count = &mut counts[stream as usize];
            *count = count.checked_add(entry.records).ok_or_else(|| {
                Error::new(code::INDEX_PAGES, "the batches of a page have over 2^64 records of a stream in all")
                    .with_entry(entry.path.as_str())
            })?;
        }
        if counts != place.record_counts {
            return fault("the record counts", format!("{:?}", place.record_counts), format!("{counts:?}"));
        }
        Ok(())
    }
}

fn decode(bytes: &[u8]) -> Result<(proto::EntryPage, u64)> {
    let malformed = || Error::new(code::ENTRIES_PROTOBUF, "a page of the entry table is no rosettar.v1.EntryPage");
    let found = tally(bytes, &PAGE).ok_or_else(malformed)?;
    // Eight columns of numbers, and two of strings; unknown fields of later versions have room.
    if found.numbers > 16 * MAX_ENTRIES as u64 || found.fields > 16 * MAX_ENTRIES as u64 {
        return Err(columns(format!("a page of more than {MAX_ENTRIES} entries")));
    }
    let message = proto::EntryPage::decode(bytes).map_err(|e| malformed().with_source(e))?;
    Ok((message, found.unknown))
}

/// The bytewise least and greatest path of the user entries; empty where there are none.
fn bounds<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> (&'a str, &'a str) {
    let paths = entries.filter(|entry| !entry.kind.is_reserved()).map(|entry| entry.path.as_str());
    (paths.clone().min().unwrap_or_default(), paths.max().unwrap_or_default())
}

/// The columns of a page, found to fit together.
struct Columns {
    message: proto::EntryPage,
    kinds: Vec<EntryKind>,
}

impl Columns {
    fn new(message: proto::EntryPage, count: usize) -> Result<Self> {
        let found = message.paths.len();
        for (name, len) in [
            ("kinds", message.kinds.len()),
            ("sizes", message.sizes.len()),
            ("modes", message.modes.len()),
            ("mtimes", message.mtimes.len()),
            ("nanoseconds", message.nanoseconds.len()),
        ] {
            if len != found {
                return Err(columns(format!(
                    "column {name} of a page has {len} elements: expected {found}, as paths has"
                )));
            }
        }
        if found != count {
            return Err(Error::new(
                code::INDEX_PAGES,
                format!("a page of {found} entries: expected {count}, as the index says"),
            ));
        }
        let kinds = message.kinds.iter().map(|&kind| kind_from(kind)).collect::<Result<Vec<_>>>()?;
        let of = |wanted: fn(&EntryKind) -> bool| kinds.iter().filter(|kind| wanted(kind)).count();
        let batches = of(|kind| *kind == EntryKind::Batch);
        for (name, found, expected) in [
            ("targets", message.targets.len(), of(|kind| *kind == EntryKind::Symlink)),
            ("digests", message.digests.len(), of(|kind| kind.has_content()) * Digest::LEN),
            ("streams", message.streams.len(), batches),
            ("record_counts", message.record_counts.len(), batches),
        ] {
            if found != expected {
                return Err(columns(format!("column {name} of a page has {found} elements: expected {expected}")));
            }
        }
        Ok(Self { message, kinds })
    }

    fn entries(self, tar_offset: u64, streams: usize, limits: &Limits) -> Result<Vec<Placed>> {
        let Self { message, kinds } = self;
        let mut targets = message.targets.into_iter();
        let mut digests = message.digests.chunks_exact(Digest::LEN);
        let mut batches = message.streams.into_iter().zip(message.record_counts);
        let numbers =
            message.sizes.into_iter().zip(message.modes).zip(message.mtimes.into_iter().zip(message.nanoseconds));
        let mut placed = Vec::with_capacity(kinds.len());
        let mut at = tar_offset;
        for ((path, kind), ((size, mode), (seconds, nanoseconds))) in message.paths.into_iter().zip(kinds).zip(numbers)
        {
            let path = EntryPath::with_limits(path, limits)?;
            let mode = u16::try_from(mode).unwrap_or(u16::MAX);
            let mut entry = Entry { size, ..Entry::bare(path, kind, mode, Mtime { seconds, nanoseconds }) };
            if kind.has_content() {
                entry.digest = digests.next().and_then(Digest::from_slice).expect("counted before");
            }
            if kind == EntryKind::Symlink {
                let target = targets.next().expect("counted before");
                let target = LinkTarget::with_limits(target, limits).map_err(|e| e.with_entry(entry.path.as_str()))?;
                entry.target = Some(target);
            }
            if kind == EntryKind::Batch {
                let (stream, records) = batches.next().expect("counted before");
                (entry.stream, entry.records) = (Some(stream), records);
            }
            check_values(&entry)?;
            check_reserved(&entry)?;
            if let Some(stream) = entry.stream.filter(|stream| *stream as usize >= streams) {
                let message = format!("a batch of stream {stream}: expected less than {streams}");
                return Err(Error::new(code::ENTRIES_RESERVED, message).with_entry(entry.path.as_str()));
            }
            let content_at = at.checked_add(tar::header_len(&entry));
            let end = tar::member_len(&entry).and_then(|len| at.checked_add(len));
            let (Some(content_at), Some(end)) = (content_at, end) else {
                return Err(Error::new(
                    code::INDEX_PAGES,
                    format!("a content of {size} bytes reaches past the end of any tar"),
                )
                .with_entry(entry.path.as_str()));
            };
            placed.push(Placed { entry, header_at: at, content_at });
            at = end;
        }
        Ok(placed)
    }
}

fn kind_from(kind: i32) -> Result<EntryKind> {
    Ok(match proto::EntryKind::try_from(kind) {
        Ok(proto::EntryKind::File) => EntryKind::File,
        Ok(proto::EntryKind::Directory) => EntryKind::Directory,
        Ok(proto::EntryKind::Symlink) => EntryKind::Symlink,
        Ok(proto::EntryKind::Schema) => EntryKind::Schema,
        Ok(proto::EntryKind::Stream) => EntryKind::Stream,
        Ok(proto::EntryKind::Batch) => EntryKind::Batch,
        Ok(proto::EntryKind::Unspecified) | Err(_) => {
            let message = format!("an entry of kind {kind}: expected 1 to 6; a newer reader may know it");
            return Err(Error::new(code::ENTRIES_KIND, message));
        }
    })
}

fn kind_to(kind: EntryKind) -> proto::EntryKind {
    match kind {
        EntryKind::File => proto::EntryKind::File,
        EntryKind::Directory => proto::EntryKind::Directory,
        EntryKind::Symlink => proto::EntryKind::Symlink,
        EntryKind::Schema => proto::EntryKind::Schema,
        EntryKind::Stream => proto::EntryKind::Stream,
        EntryKind::Batch => proto::EntryKind::Batch,
    }
}

fn check_values(entry: &Entry) -> Result<()> {
    let fault = |what: String| Err(columns(what).with_entry(entry.path.as_str()));
    let reserved = entry.kind.is_reserved();
    if entry.mode > 0o777 {
        return fault(format!("a mode of {:#o}: expected at most 0o777", entry.mode));
    }
    if entry.mtime.nanoseconds >= 1_000_000_000 {
        return fault(format!("{} nanoseconds: expected less than a second", entry.mtime.nanoseconds));
    }
    if !entry.kind.has_content() && entry.size != 0 {
        return fault(format!("a {} of {} bytes: expected 0", entry.kind.as_str(), entry.size));
    }
    if entry.kind == EntryKind::Symlink && entry.mode != Entry::SYMLINK_MODE {
        return fault(format!("a symbolic link of mode {:#o}: expected 0o777", entry.mode));
    }
    if reserved && (entry.mode != Entry::RESERVED_MODE || entry.mtime != Mtime::default()) {
        return fault("a reserved member: expected mode 0o644 and time 0".into());
    }
    if entry.kind == EntryKind::Batch && entry.records == 0 {
        return fault("a batch without records: expected at least one".into());
    }
    Ok(())
}

/// Checks that the kind of an entry and the form of its path agree.
fn check_reserved(entry: &Entry) -> Result<()> {
    let path = entry.path.as_str();
    if !entry.kind.is_reserved() {
        if is_reserved(path) {
            return Err(Error::new(
                code::PATH_RESERVED,
                "a user's entry in the reserved directory .rosettar: expected only reserved members there",
            )
            .with_entry(path));
        }
        return Ok(());
    }
    let agrees = matches!(
        (entry.kind, Reserved::parse(path)),
        (EntryKind::Schema, Some(Reserved::Schema(_)))
            | (EntryKind::Stream, Some(Reserved::Stream(_)))
            | (EntryKind::Batch, Some(Reserved::Batch(..)))
    );
    if !agrees {
        return Err(Error::new(
            code::ENTRIES_RESERVED,
            format!("this is no path for a reserved member of kind {}", entry.kind.as_str()),
        )
        .with_entry(path));
    }
    Ok(())
}

fn columns(message: String) -> Error {
    Error::new(code::ENTRIES_COLUMNS, message)
}

/// Collects entries into pages.
pub(crate) struct PageBuilder {
    entries: Vec<Entry>,
    text_bytes: usize,
    tar_offset: u64,
    tar_end: u64,
}

/// A page that is complete, encoded but not compressed, with what the index says of it.
pub(crate) struct SealedPage {
    pub(crate) bytes: Vec<u8>,
    /// Its record counts are those of the streams that its batches belong to, up to the last such.
    pub(crate) place: proto::Page,
}

impl PageBuilder {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), text_bytes: 0, tar_offset: 0, tar_end: 0 }
    }

    /// Whether the next entry belongs on another page.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() == MAX_ENTRIES || self.text_bytes >= CLOSE_AT
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, which follows the one before it in the tar.
    pub(crate) fn push(&mut self, entry: Entry) {
        // Beside its texts an entry has a digest and numbers.
        const OTHERS: usize = 64;
        self.text_bytes += entry.path.as_str().len() + entry.target.as_ref().map_or(0, |t| t.as_str().len()) + OTHERS;
        self.tar_end += tar::member_len(&entry).expect("the writer counted the bytes it wrote");
        self.entries.push(entry);
    }

    /// Encodes what was collected, and begins the next page.
    pub(crate) fn seal(&mut self) -> SealedPage {
        let entries = std::mem::take(&mut self.entries);
        let mut message = proto::EntryPage::default();
        let mut record_counts = Vec::new();
        for entry in &entries {
            message.paths.push(entry.path.to_string());
            message.kinds.push(kind_to(entry.kind) as i32);
            message.sizes.push(entry.size);
            message.modes.push(u32::from(entry.mode));
            message.mtimes.push(entry.mtime.seconds);
            message.nanoseconds.push(entry.mtime.nanoseconds);
            message.targets.extend(entry.target.as_ref().map(|target| target.as_str().to_owned()));
            if entry.kind.has_content() {
                message.digests.extend_from_slice(&entry.digest.0);
            }
            if let Some(stream) = entry.stream {
                message.streams.push(stream);
                message.record_counts.push(entry.records);
                let stream = stream as usize;
                record_counts.resize(record_counts.len().max(stream + 1), 0);
                record_counts[stream] += entry.records;
            }
        }
        let bytes = message.encode_to_vec();
        let (least, greatest) = bounds(entries.iter());
        let place = proto::Page {
            decoded_size: bytes.len() as u32,
            entry_count: entries.len() as u32,
            tar_offset: self.tar_offset,
            record_counts,
            least_path: least.to_owned(),
            greatest_path: greatest.to_owned(),
        };
        self.tar_offset = self.tar_end;
        self.text_bytes = 0;
        SealedPage { bytes, place }
    }
}
