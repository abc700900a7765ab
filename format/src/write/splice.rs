//! Copying an archive into the beginning of another: frames as they are where all of their members are kept, what is kept
//! of the others anew (FORMAT.md, "Writing").

use std::sync::Arc;

use super::members::{Content, check_entry};
use super::schemas::Schemas;
use super::streams::StreamState;
use super::writer::Writer;
use crate::digest::Hasher;
use crate::error::{Error, Result, code};
use crate::io::LockedFile;
use crate::model::{Entry, EntryKind, Manifest};
use crate::read::{Archive, EntryReader, Indexed, Table, TarCursor};
use crate::v1::{OPENING_FRAMES, Placed};
use crate::wire::section;

/// The archive that a writer continues.
pub(super) struct Continued {
    archive: Arc<Indexed>,
    /// Where it is a file that must not change meanwhile.
    pub(super) file: Option<LockedFile>,
    pub(super) copied_bytes: u64,
    pub(super) dropped_fields: u64,
}

impl Continued {
    /// How many streams it has; they are the writer's first ones.
    pub(super) fn streams(&self) -> usize {
        self.archive.facts.streams.len()
    }
}

/// Makes `writer`, which has written nothing, hold what `source` holds, but for the entries that `keep` does not want.
pub(super) fn continue_from<'a>(
    mut writer: Writer<'a>,
    source: &Archive,
    file: Option<LockedFile>,
    keep: impl FnMut(&Entry) -> Result<bool>,
) -> Result<Writer<'a>> {
    let archive = Arc::clone(source.driver.indexed("changing an archive")?);
    take_facts(&mut writer, &archive)?;
    writer.own_files.extend(file.as_ref().map(LockedFile::identity));
    writer.continued = Some(Continued { archive: Arc::clone(&archive), file, copied_bytes: 0, dropped_fields: 0 });
    let entries = Table::new(&archive, true);
    let mut splice = Splice { writer: &mut writer, archive, entries, keep, next_frame: 0, late_schemas: 0 };
    splice.run()?;
    let dropped_fields = splice.entries.unknown_fields + splice.archive.index.unknown_fields;
    writer.continued.as_mut().expect("set above").dropped_fields = dropped_fields;
    Ok(writer)
}

/// Takes over what manifest, Schemas and index say.
fn take_facts(writer: &mut Writer<'_>, source: &Indexed) -> Result<()> {
    let (index, limits) = (&source.index, writer.options.limits.clone());
    let mut early = source.facts.manifest.clone();
    early.required_features.retain(|feature| !index.late_features.contains(feature));
    early.attributes.retain(|key, _| !index.late_attributes.contains_key(key));
    early.annotations.truncate(early.annotations.len() - index.late_annotations.len());
    writer.manifest = early;
    writer.late = Manifest {
        required_features: index.late_features.clone(),
        attributes: index.late_attributes.clone(),
        annotations: index.late_annotations.clone(),
        ..Manifest::default()
    };
    writer.manifest_digest = Some(index.manifest_digest);

    check_count(index.schema_count as usize, limits.schemas, "Schemas", code::LIMIT_SCHEMAS)?;
    check_count(index.streams.len(), limits.streams, "streams", code::LIMIT_STREAMS)?;
    let bodies = (0..index.schema_count).map(|number| source.schema(number).cloned()).collect::<Result<_>>()?;
    writer.schemas = Schemas::continued(bodies, index.first_late_schema() as usize);
    for number in index.late_schema_frames.iter().map(|number| *number as usize).chain([OPENING_FRAMES - 1]) {
        writer.schemas.count(index.frames[number].stored as usize - section::HEAD_LEN, &limits)?;
    }
    writer.streams = (0..).zip(&index.streams).map(|(number, info)| StreamState::continued(number, info)).collect();
    writer.stream_names = index.streams.iter().map(|info| info.declaration.name.folded()).collect();
    Ok(())
}

fn check_count(found: usize, limit: u64, what: &str, code: crate::error::Code) -> Result<()> {
    if found as u64 > limit {
        let message = format!("the archive that is continued has {found} {what}, more than the limit of {limit}");
        return Err(Error::new(code, message));
    }
    Ok(())
}

/// The copying.
struct Splice<'s, 'a, K> {
    writer: &'s mut Writer<'a>,
    archive: Arc<Indexed>,
    entries: Table,
    keep: K,
    /// The first frame that was not dealt with. Whenever a run begins, the next member begins with it, or with the
    /// payload frame after it.
    next_frame: usize,
    /// How many late Schemas' sections were copied.
    late_schemas: usize,
}

/// A member, and whether it stays.
struct Member {
    placed: Placed,
    kept: bool,
}

/// Frames and members that have no part in any other.
struct Run {
    members: Vec<Member>,
    /// The number of the last of its frames.
    last_frame: usize,
    /// Whether the frames are as a good writer makes them, so that they can be copied.
    regular: bool,
}

impl<K: FnMut(&Entry) -> Result<bool>> Splice<'_, '_, K> {
    fn run(&mut self) -> Result<()> {
        while self.next_frame < OPENING_FRAMES {
            self.copy_frame()?;
        }
        while let Some(first) = self.next_member()? {
            self.sections()?;
            let run = self.find_run(first)?;
            if run.regular && run.members.iter().all(|member| member.kept) {
                self.copy_run(run)?;
            } else if run.regular && run.members.iter().all(|member| !member.kept) {
                self.pass_frames(run.last_frame)?;
            } else {
                self.rewrite_run(run)?;
            }
            self.writer.settle()?;
        }
        // What stands before the end blocks, which are made anew.
        self.sections()
    }

    /// The next entry and whether it stays.
    fn next_member(&mut self) -> Result<Option<Member>> {
        let Some(placed) = self.entries.next_placed().transpose()? else { return Ok(None) };
        let kept = placed.entry.kind.is_reserved() || (self.keep)(&placed.entry)?;
        Ok(Some(Member { placed, kept }))
    }

    /// The frames and members that hang together with `first`, as far as it takes to see whether they are regular.
    fn find_run(&mut self, first: Member) -> Result<Run> {
        let archive = Arc::clone(&self.archive);
        let index = &archive.index;
        let frame = index.frames[self.next_frame];
        let last_of = |placed: &Placed| index.frame_at(placed.end() - 1);
        if first.placed.end() > frame.tar_end() {
            // A header alone, then the content alone.
            let last_frame = last_of(&first.placed);
            let last = index.frames[last_frame];
            let regular = frame.tar_end() == first.placed.content_at
                && last.tar_end() == first.placed.end()
                && last.tar_offset < first.placed.content_end();
            return Ok(Run { members: vec![first], last_frame, regular });
        }
        // A frame of at most 8 MiB holds at most 16 384 members.
        let mut members = vec![first];
        while members.last().is_some_and(|member| member.placed.end() < frame.tar_end()) {
            // The pages' members end where the last frame begins, so there is one more.
            let Some(member) = self.next_member()? else { break };
            members.push(member);
        }
        let last = &members[members.len() - 1].placed;
        let reserved = members[0].placed.entry.kind.is_reserved();
        let alike = members.iter().all(|member| {
            let kind = member.placed.entry.kind;
            kind.is_reserved() == reserved && kind != EntryKind::Batch
        });
        Ok(Run { last_frame: last_of(last), regular: alike && last.end() == frame.tar_end(), members })
    }

    /// Copies the frames of a run as they are.
    fn copy_run(&mut self, run: Run) -> Result<()> {
        self.writer.flush_chunk()?;
        for Member { placed, .. } in run.members {
            self.writer.tar_bytes += placed.end() - placed.header_at;
            self.admit(&placed.entry)?;
            let limits = &self.writer.options.limits;
            self.writer.queue.push(placed.entry, true, limits)?;
        }
        while self.next_frame <= run.last_frame {
            match self.archive.index.frames[self.next_frame].decoded {
                0 => self.section()?,
                _ => self.copy_frame()?,
            }
        }
        Ok(())
    }

    /// Writes what is kept of a run anew, reading on to where a member and a frame end together.
    fn rewrite_run(&mut self, run: Run) -> Result<()> {
        let mut last_frame = run.last_frame;
        let mut end = 0;
        for member in run.members {
            end = member.placed.end();
            self.rewrite(member)?;
        }
        while end != self.archive.index.frames[last_frame].tar_end() {
            let Some(member) = self.next_member()? else { break };
            end = member.placed.end();
            last_frame = self.archive.index.frame_at(end - 1);
            self.rewrite(member)?;
        }
        self.pass_frames(last_frame)
    }

    fn rewrite(&mut self, member: Member) -> Result<()> {
        let Member { placed, kept: true } = member else { return Ok(()) };
        self.admit(&placed.entry)?;
        let archive = &self.archive;
        // The reader below compares what lies in the frames of the content; a member need not have any.
        for number in archive.index.frame_at(placed.header_at)..=archive.index.frame_at(placed.content_at - 1) {
            if archive.index.frames[number].decoded > 0 {
                archive.check_member(&placed, number, &archive.chunk(number)?)?;
            }
        }
        let last = archive.index.frame_at(placed.end() - 1);
        archive.check_member(&placed, last, &archive.chunk(last)?)?;
        let entry = placed.entry.clone();
        if !entry.kind.has_content() {
            return self.writer.write_member(entry, Content::Bytes(b""));
        }
        let mut reader = EntryReader::new(archive, placed);
        self.writer.write_member(entry, Content::Reader(&mut reader))
    }

    /// Holds a kept entry against the limits and the paths so far.
    fn admit(&mut self, entry: &Entry) -> Result<()> {
        check_entry(entry, &self.writer.options.limits)?;
        if !entry.kind.is_reserved() {
            self.writer.paths.entry(entry)?;
        }
        Ok(())
    }

    /// Passes over the payload frames up to number `last`, which are not copied, and copies the sections among them.
    fn pass_frames(&mut self, last: usize) -> Result<()> {
        while self.next_frame <= last {
            match self.archive.index.frames[self.next_frame].decoded {
                0 => self.section()?,
                _ => self.next_frame += 1,
            }
        }
        Ok(())
    }

    /// Copies the sections before the next payload frame.
    fn sections(&mut self) -> Result<()> {
        while self.archive.index.frames[self.next_frame].decoded == 0 {
            self.section()?;
        }
        Ok(())
    }

    /// Copies the next frame, which is a section.
    fn section(&mut self) -> Result<()> {
        let (number, index) = (self.next_frame, &self.archive.index);
        self.writer.flush_chunk()?;
        if index.late_schema_frames.get(self.late_schemas) == Some(&(number as u32)) {
            // It was opened as what it is when its Schema was read.
            self.late_schemas += 1;
            self.writer.late_schema_frames.push(self.writer.pipeline.frame_count() as u32);
            return self.copy_frame();
        }
        let (offset, frame) = (index.frames[number].offset, self.archive.frame(number)?);
        let kind = section::parse_head(&frame, offset)?.kind;
        if !kind[0].is_ascii_lowercase() {
            return Err(section::unexpected(kind, offset));
        }
        section::open(&frame, kind, offset)?;
        self.copy_frame()
    }

    /// Copies the next frame.
    fn copy_frame(&mut self) -> Result<()> {
        let place = &self.archive.index.frames[self.next_frame];
        self.writer.pipeline.copy(&self.archive, self.next_frame)?;
        self.writer.continued.as_mut().expect("set before the copying").copied_bytes += u64::from(place.stored);
        self.next_frame += 1;
        self.writer.options.monitor.advance(u64::from(place.decoded))
    }
}

impl Writer<'_> {
    /// Makes sure that the digest of a stream's batches can be continued: where the stream is one of the archive that is
    /// continued, its old batches are read.
    pub(super) fn take_in_old_batches(&mut self, stream: usize) -> Result<()> {
        if !self.streams[stream].needs_old_batches() {
            return Ok(());
        }
        let archive = Arc::clone(&self.continued.as_ref().expect("only a continued stream needs them").archive);
        let hasher = hash_batches(&archive, stream)?;
        let (found, info) = (hasher.clone().finish(), &archive.facts.streams[stream]);
        if found != info.digest {
            let message = format!("the digest of stream {}: expected {}, found {found}", info.name(), info.digest);
            return Err(Error::new(code::STREAM_DIGEST, message));
        }
        self.streams[stream].resume(hasher);
        Ok(())
    }
}

/// What has taken in the batches of a stream.
fn hash_batches(archive: &Arc<Indexed>, stream: usize) -> Result<Hasher> {
    let index = &archive.index;
    let mut hasher = Hasher::new();
    let with_records = (0..index.pages.len()).filter(|number| index.pages[*number].record_counts[stream] > 0);
    for number in with_records {
        let page = archive.page(number)?;
        let batches = page.entries.iter().filter(|placed| placed.entry.stream == Some(stream as u32));
        let batches: Vec<&Placed> = batches.collect();
        let mut frames: Vec<usize> = batches
            .iter()
            .flat_map(|placed| index.frame_at(placed.content_at)..=index.frame_at(placed.content_end() - 1))
            .filter(|number| index.frames[*number].decoded > 0)
            .collect();
        frames.dedup();
        let mut cursor = TarCursor::new(archive, frames);
        for placed in batches {
            cursor.seek(placed.content_at);
            cursor.take_whole(placed.entry.size, |piece| {
                hasher.update(piece);
                Ok(())
            })?;
        }
    }
    Ok(hasher)
}
