//! Members out of chunks: each header is parsed, its entry encoded again and compared, each content digested.

use std::io::Read;

use super::flow::Event;
use super::{ArchiveStream, Tail};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, code};
use crate::model::{Entry, EntryKind};
use crate::path::Reserved;
use crate::record::Splitter;
use crate::tar::{self, Parsed};
use crate::v1::SchemaBody;
use crate::wire::section;

/// What is kept of a member that went by: sixteen bytes each that stand for its header and for its content. (What was
/// decoded is proven by the digests of all frames; here it is only about which entry differs.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) header: [u8; 16],
    pub(super) content: [u8; 16],
}

/// The member that is being read.
pub(super) struct Member {
    pub(super) entry: Entry,
    header: [u8; 16],
    /// Bytes of content that are to come.
    left: u64,
    hasher: Hasher,
    /// The digest of the content, once all of it went by.
    pub(super) digest: Option<Digest>,
    pub(super) batch: Option<Batch>,
}

/// What a batch has beside its content.
pub(super) struct Batch {
    /// The number of its stream.
    pub(super) stream: usize,
    pub(super) splitter: Splitter,
    /// Where records begin in the chunk at hand that the splitter has not seen, and where they end.
    unsplit: (usize, usize),
}

impl<R: Read> ArchiveStream<R> {
    /// Goes on to the next member, past what is left of the one at hand, and returns its kind; `None` at the end of the
    /// tar.
    pub(super) fn next_member(&mut self) -> Result<Option<EntryKind>> {
        self.guarded(Self::advance)
    }

    fn advance(&mut self) -> Result<Option<EntryKind>> {
        self.end_member()?;
        if self.tail.is_some() {
            return Ok(None);
        }
        let (mut header, at) = (Vec::new(), self.position());
        loop {
            match tar::parse_header(&header, &self.options.limits).map_err(|e| self.located(e))? {
                Parsed::Needs(len) => self.take_header(&mut header, len)?,
                Parsed::Member { entry, len } => {
                    debug_assert_eq!(len, header.len());
                    let kind = entry.kind;
                    self.begin(entry, &header, at)?;
                    return Ok(Some(kind));
                }
                Parsed::End => return self.end_tar().map(|()| None),
            }
        }
    }

    fn begin(&mut self, entry: Entry, header: &[u8], at: u64) -> Result<()> {
        if self.seen.len() as u64 >= self.options.limits.entries {
            let message = format!("more entries than the limit entries of {}", self.options.limits.entries);
            return Err(Error::new(code::LIMIT_ENTRIES, message).with_entry(entry.path.as_str()));
        }
        if tar::member_len(&entry).and_then(|len| at.checked_add(len)).is_none() {
            let message = format!("a content of {} bytes reaches past the end of any tar", entry.size);
            return Err(self.located(Error::new(code::TAR_HEADER, message)).with_entry(entry.path.as_str()));
        }
        self.paths.entry(&entry)?;
        let mut batch = None;
        if entry.kind == EntryKind::Batch {
            let name = match Reserved::parse(entry.path.as_str()) {
                Some(Reserved::Batch(name, _)) => name,
                _ => unreachable!("a batch has the path of one"),
            };
            let Some(stream) = self.stream_number(&name) else {
                let message = "it belongs to no stream declared so far";
                return Err(Error::new(code::ENTRIES_RESERVED, message).with_entry(entry.path.as_str()));
            };
            batch = Some(Batch { stream, splitter: Splitter::new(&self.options.limits), unsplit: (0, 0) });
        }
        let header = id(&Digest::of(header));
        let left = entry.size;
        self.member = Some(Member { entry, header, left, hasher: Hasher::new(), digest: None, batch });
        Ok(())
    }

    /// The next piece of the content of the member at hand, digested, as a range of the chunk; `None` at its end.
    fn next_piece(&mut self) -> Result<Option<(usize, usize)>> {
        let Some(left) = self.member.as_ref().map(|member| member.left) else { return Ok(None) };
        if left == 0 {
            return Ok(None);
        }
        if self.used == self.chunk.len() {
            self.next_chunk(false)?;
        }
        let start = self.used;
        let end = start + usize::try_from(left).unwrap_or(usize::MAX).min(self.chunk.len() - start);
        self.used = end;
        let member = self.member.as_mut().expect("looked at above");
        let piece = &self.chunk[start..end];
        member.left -= piece.len() as u64;
        member.hasher.update(piece);
        if let Some(batch) = &member.batch {
            self.streams[batch.stream].1.update(piece);
        }
        self.options.monitor.advance(piece.len() as u64)?;
        Ok(Some((start, end)))
    }

    /// As [`next_piece`](Self::next_piece), as bytes, for entries.
    pub(super) fn piece(&mut self) -> Result<Option<&[u8]>> {
        let piece = self.guarded(Self::next_piece)?;
        Ok(piece.map(|(start, end)| &self.chunk[start..end]))
    }

    /// Puts the next record of the batch at hand into `record`; whether there was one.
    pub(super) fn record(&mut self, record: &mut Vec<u8>) -> Result<bool> {
        record.clear();
        self.guarded(|stream| stream.next_record(false, record))
    }

    /// Appends the next record to `record`; with `skip`, it is only counted.
    fn next_record(&mut self, skip: bool, record: &mut Vec<u8>) -> Result<bool> {
        loop {
            let Some(Member { batch: Some(batch), entry, .. }) = &mut self.member else { return Ok(false) };
            let located = |error: Error| error.with_entry(entry.path.as_str());
            let (start, end) = batch.unsplit;
            let mut rest = &self.chunk[start..end];
            let found = if skip {
                batch.splitter.skip_record(&mut rest).map_err(located)?
            } else {
                batch.splitter.append_record(&mut rest, record, |_, _| ()).map_err(located)?
            };
            batch.unsplit.0 = end - rest.len();
            if found {
                return Ok(true);
            }
            let piece = self.next_piece()?;
            let Some(Member { batch: Some(batch), entry, .. }) = &mut self.member else { return Ok(false) };
            match piece {
                Some(piece) => batch.unsplit = piece,
                None => {
                    batch.splitter.finish().map_err(|e| e.with_entry(entry.path.as_str()))?;
                    return Ok(false);
                }
            }
        }
    }

    /// Passes over what is left of the content at hand, and returns its digest.
    pub(super) fn content_digest(&mut self) -> Result<Digest> {
        self.guarded(|stream| stream.end_content())
    }

    fn end_content(&mut self) -> Result<Digest> {
        if self.member.as_ref().is_some_and(|member| member.batch.is_some()) {
            while self.next_record(true, &mut Vec::new())? {}
        } else {
            while self.next_piece()?.is_some() {}
        }
        let Some(member) = &mut self.member else { return Ok(Digest::ZERO) };
        let hasher = &mut member.hasher;
        Ok(*member.digest.get_or_insert_with(|| std::mem::replace(hasher, Hasher::new()).finish()))
    }

    /// Passes over what is left of the member at hand, and takes note of it.
    fn end_member(&mut self) -> Result<()> {
        if self.member.is_none() {
            return Ok(());
        }
        let digest = self.end_content()?;
        let member = self.member.take().expect("looked at above");
        let mut padding = tar::padding(member.entry.size) as usize;
        while padding > 0 {
            if self.used == self.chunk.len() {
                self.next_chunk(false)?;
            }
            let end = self.chunk.len().min(self.used + padding);
            let piece = &self.chunk[self.used..end];
            if piece.iter().any(|byte| *byte != 0) {
                let message = "the padding after a member's content is not zero";
                let error = Error::new(code::TAR_PADDING, message).with_entry(member.entry.path.as_str());
                return Err(self.located(error));
            }
            padding -= piece.len();
            self.used = end;
        }
        let content = if member.entry.kind.has_content() { content_id(&digest) } else { [0; 16] };
        self.seen.push(Seen { header: member.header, content });
        if let Some(batch) = member.batch {
            self.batch_records.push(batch.splitter.records());
        }
        Ok(())
    }

    /// Appends bytes to `header` until it has `len`.
    fn take_header(&mut self, header: &mut Vec<u8>, len: usize) -> Result<()> {
        while header.len() < len {
            if self.used == self.chunk.len() {
                self.next_chunk(header.is_empty())?;
            }
            let end = self.chunk.len().min(self.used + len - header.len());
            header.extend_from_slice(&self.chunk[self.used..end]);
            self.used = end;
        }
        Ok(())
    }

    /// Checks the two blocks that end the tar, of which one was taken, and reads what follows.
    fn end_tar(&mut self) -> Result<()> {
        let whole = self.chunk.len() as u64 == u64::from(tar::END_LEN) && self.used == tar::BLOCK;
        if !whole || self.chunk.iter().any(|byte| *byte != 0) {
            return Err(self.tar_end());
        }
        self.used = self.chunk.len();
        let mut tail = Tail::default();
        loop {
            match self.flow.next()? {
                Event::Section { kind: section::ENTR, offset, bytes } => tail.pages.push((offset, bytes)),
                Event::Section { kind: section::INDX, offset, bytes } => {
                    tail.index = Some((offset, bytes));
                    break;
                }
                Event::Section { kind, offset, .. } => return Err(section::unexpected(kind, offset)),
                Event::Chunk { .. } => return Err(self.tar_end()),
            }
        }
        self.tail = Some(tail);
        Ok(())
    }

    fn tar_end(&self) -> Error {
        self.located(Error::new(
            code::TAR_END,
            "zero blocks within the tar: expected two of them at its end, alone in the last payload frame",
        ))
    }

    /// Goes on to the next chunk. Only between members (`between`) may a Schema be declared on the way.
    fn next_chunk(&mut self, between: bool) -> Result<()> {
        loop {
            match self.flow.next()? {
                Event::Chunk { offset, bytes } => {
                    self.chunk_at += self.chunk.len() as u64;
                    (self.chunk, self.used, self.chunk_offset) = (bytes, 0, offset);
                    return Ok(());
                }
                Event::Section { kind: section::SCHM, offset, bytes } if between && !self.chunk.is_empty() => {
                    let body = section::open(&bytes, section::SCHM, offset)?;
                    let number = self.schemas.len() as u32;
                    let schema =
                        SchemaBody::decode(body, number, &self.options.limits).map_err(|e| e.with_offset(offset))?;
                    self.check_late(&schema).map_err(|e| e.with_offset(offset))?;
                    self.late_schema_frames.push(self.flow.frames.len() as u32 - 1);
                    self.add_schema(schema);
                }
                Event::Section { kind: section::ENTR | section::INDX, .. } => {
                    let message = "the payload ends before two zero blocks end the tar";
                    return Err(self.located(Error::new(code::TAR_END, message)));
                }
                Event::Section { kind, offset, .. } => return Err(section::unexpected(kind, offset)),
            }
        }
    }

    /// Holds a late Schema against the limits and those before it.
    fn check_late(&self, schema: &SchemaBody) -> Result<()> {
        let limits = &self.options.limits;
        if self.schemas.len() as u64 >= limits.schemas {
            let message = format!("more Schemas than the limit schemas of {}", limits.schemas);
            return Err(Error::new(code::LIMIT_SCHEMAS, message));
        }
        if (self.streams.len() + schema.streams.len()) as u64 > limits.streams {
            let message = format!("more streams than the limit streams of {}", limits.streams);
            return Err(Error::new(code::LIMIT_STREAMS, message));
        }
        if let Some(stream) = schema.streams.iter().find(|stream| self.numbers.contains_key(&stream.name.folded())) {
            let message = format!("a second stream called {}, case ignored", stream.name);
            return Err(Error::new(code::MANIFEST_STREAMS, message));
        }
        Ok(())
    }

    /// Runs `work`. After an error nothing is in step, and every further call fails with the same code.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let Some((code, message)) = &self.failed {
            return Err(Error::new(*code, format!("an earlier error ended this stream: {message}")));
        }
        let done = work(self);
        if let Err(error) = &done {
            self.failed = Some((error.kept_code(), error.to_string()));
        }
        done
    }

    fn position(&self) -> u64 {
        self.chunk_at + self.used as u64
    }

    /// States the frame that the reading has come to.
    fn located(&self, error: Error) -> Error {
        error.with_offset(self.chunk_offset)
    }
}

/// What is kept of the digest of a content. It depends on every byte of it: each of those that the entry states is to be
/// right, not just the first sixteen.
pub(super) fn content_id(digest: &Digest) -> [u8; 16] {
    id(&Digest::of(&digest.0))
}

/// What is kept of a digest to tell headers apart.
pub(super) fn id(digest: &Digest) -> [u8; 16] {
    digest.0[..16].try_into().expect("sixteen bytes of 32")
}
