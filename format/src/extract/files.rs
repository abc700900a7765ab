//! Making files on several threads: each decodes one payload frame and writes what is whole in it; members that go over
//! several frames come together on the caller's thread.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;

use super::TreeBuilder;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, code};
use crate::io::{Sandbox, SandboxFile};
use crate::model::{Entry, EntryKind};
use crate::parallel::OrderedPool;
use crate::path::EntryPath;
use crate::read::Indexed;
use crate::v1::Placed;

/// An admitted entry, and the path that it gets below the target.
type Admitted = (Placed, EntryPath);

/// Proves the members of admitted entries, given in tar order, and makes the files among them. Everything else that
/// becomes of an entry is the caller's to do.
pub(super) struct Files<'s> {
    archive: Arc<Indexed>,
    sandbox: &'s Sandbox,
    pool: OrderedPool<Job, Result<Option<Vec<u8>>>>,
    /// What is to become of each result of the pool.
    under_way: VecDeque<Next>,
    /// Entries of one frame that is not submitted yet.
    gathered: Vec<Admitted>,
    frame: usize,
    /// Members over several frames, of which pieces are under way.
    spanning: VecDeque<Spanning>,
    buffers: Vec<Vec<u8>>,
}

enum Job {
    /// Decode the frame with this number, prove the members, which are whole in it, and make their files.
    Members(usize, Vec<Admitted>),
    /// Decode the frame into the buffer.
    Piece(usize, Vec<u8>),
}

enum Next {
    /// Nothing: members are done.
    Done,
    /// The frame holds a piece of the first spanning member; whether it is the last one.
    Piece(usize, bool),
}

struct Spanning {
    placed: Placed,
    path: EntryPath,
    file: Option<SandboxFile>,
    hasher: Hasher,
}

impl<'s> Files<'s> {
    pub(super) fn new(archive: &Arc<Indexed>, sandbox: &'s Sandbox) -> Self {
        let (shared, handle) = (Arc::clone(archive), sandbox.clone());
        let pool = OrderedPool::new(archive.options.threads.get(), move || {
            let (archive, sandbox) = (Arc::clone(&shared), handle.clone());
            let (mut frame, mut chunk) = (Vec::new(), Vec::new());
            move |job| match job {
                Job::Members(number, members) => {
                    archive.decode_chunk_into(number, &mut frame, &mut chunk)?;
                    make(&archive, &sandbox, number, &chunk, &members).map(|()| None)
                }
                Job::Piece(number, mut chunk) => {
                    archive.decode_chunk_into(number, &mut frame, &mut chunk)?;
                    Ok(Some(chunk))
                }
            }
        });
        Self {
            archive: Arc::clone(archive),
            sandbox,
            pool,
            under_way: VecDeque::new(),
            gathered: Vec::new(),
            frame: 0,
            spanning: VecDeque::new(),
            buffers: Vec::new(),
        }
    }

    /// Takes the next entry.
    pub(super) fn add(&mut self, placed: Placed, path: EntryPath) -> Result<()> {
        let index = &self.archive.index;
        let (first, last) = (index.frame_at(placed.header_at), index.frame_at(placed.end() - 1));
        if first == last {
            if first != self.frame {
                self.submit_gathered()?;
                self.frame = first;
            }
            self.gathered.push((placed, path));
            return Ok(());
        }
        let numbers: Vec<usize> = (first..=last).filter(|number| index.frames[*number].decoded > 0).collect();
        self.submit_gathered()?;
        self.spanning.push_back(Spanning { placed, path, file: None, hasher: Hasher::new() });
        for number in numbers {
            let buffer = self.buffers.pop().unwrap_or_default();
            self.submit(Job::Piece(number, buffer), Next::Piece(number, number == last))?;
        }
        Ok(())
    }

    /// Waits until every file is made.
    pub(super) fn finish(mut self) -> Result<()> {
        self.submit_gathered()?;
        while !self.under_way.is_empty() {
            self.take()?;
        }
        Ok(())
    }

    fn submit_gathered(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let members = std::mem::take(&mut self.gathered);
        self.submit(Job::Members(self.frame, members), Next::Done)
    }

    fn submit(&mut self, job: Job, next: Next) -> Result<()> {
        while self.pool.is_full() {
            self.take()?;
        }
        self.pool.submit(job);
        self.under_way.push_back(next);
        Ok(())
    }

    /// Takes a result, and goes on with a member over several frames.
    fn take(&mut self) -> Result<()> {
        let (Some(result), Some(next)) = (self.pool.take(), self.under_way.pop_front()) else { return Ok(()) };
        let chunk = result?;
        let (Next::Piece(number, last), Some(chunk), Some(member)) = (next, chunk, self.spanning.front_mut()) else {
            return Ok(());
        };
        member.piece(&self.archive, self.sandbox, number, &chunk)?;
        self.buffers.push(chunk);
        match last {
            true => self.spanning.pop_front().map_or(Ok(()), Spanning::finish),
            false => Ok(()),
        }
    }
}

impl Spanning {
    fn piece(&mut self, archive: &Indexed, sandbox: &Sandbox, number: usize, chunk: &[u8]) -> Result<()> {
        let placed = &self.placed;
        archive.check_member(placed, number, chunk)?;
        if placed.entry.kind != EntryKind::File {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(sandbox.create_file(&self.path)?),
        };
        let start = archive.index.frames[number].tar_offset;
        let within = |at: u64| at.clamp(start, start + chunk.len() as u64) - start;
        let piece = &chunk[within(placed.content_at) as usize..within(placed.content_end()) as usize];
        self.hasher.update(piece);
        write(file, piece, &placed.entry)?;
        archive.options.monitor.advance(piece.len() as u64)
    }

    fn finish(self) -> Result<()> {
        let entry = &self.placed.entry;
        let Some(file) = self.file else { return Ok(()) };
        entry.check_digest(self.hasher.finish())?;
        TreeBuilder::finish_file(file, entry)
    }
}

/// Proves members that are whole in a chunk, and makes the files among them.
fn make(archive: &Indexed, sandbox: &Sandbox, number: usize, chunk: &[u8], members: &[Admitted]) -> Result<()> {
    let start = archive.index.frames[number].tar_offset;
    let content =
        |placed: &Placed| &chunk[(placed.content_at - start) as usize..(placed.content_end() - start) as usize];
    for (placed, _) in members {
        archive.check_member(placed, number, chunk)?;
    }
    let files = || members.iter().filter(|(placed, _)| placed.entry.kind == EntryKind::File);
    let digests = Digest::of_each(files().map(|(placed, _)| content(placed)));
    for ((placed, _), digest) in files().zip(digests) {
        placed.entry.check_digest(digest)?;
    }
    for (placed, path) in files() {
        let mut file = sandbox.create_file(path)?;
        write(&mut file, content(placed), &placed.entry)?;
        TreeBuilder::finish_file(file, &placed.entry)?;
        archive.options.monitor.advance(placed.entry.size)?;
    }
    Ok(())
}

fn write(file: &mut SandboxFile, bytes: &[u8], entry: &Entry) -> Result<()> {
    file.write_all(bytes).map_err(|e| Error::io(code::IO_WRITE, "writing a file", e).with_entry(entry.path.as_str()))
}
