//! From chunks to frames: reading files, compressing and digesting on several threads, writing in order.

use std::io::Write;
use std::sync::Arc;

use super::chunk::Closed;
use super::options::WriteOptions;
use super::tree::SourceOpener;
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::frame::Encoder;
use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::parallel::OrderedPool;
use crate::read::Indexed;

/// Frames of so many bytes are small.
const SMALL: usize = 16 << 10;

/// One frame to make, in a buffer that comes with it.
enum Job {
    /// A payload frame of this chunk, of which the contents are digested, too.
    Chunk(Closed, Vec<u8>),
    /// A frame that is complete.
    Raw(Vec<u8>),
    /// The frame of an archive with this number, as it is.
    Copy(Arc<Indexed>, usize, Vec<u8>),
}

impl Job {
    /// Whether it is done in no time, as for the header of a member that has frames of its own.
    fn is_small(&self) -> bool {
        match self {
            Self::Chunk(chunk, _) => chunk.len() <= SMALL,
            Self::Raw(frame) => frame.len() <= SMALL,
            Self::Copy(..) => false,
        }
    }
}

struct Done {
    stored: Vec<u8>,
    decoded: u32,
    digest: Digest,
    contents: Vec<Digest>,
    /// What the frame was made of, and nobody needs any more.
    chunk: Vec<u8>,
}

/// Makes frames of chunks and writes them to a sink.
pub(super) struct Pipeline<S> {
    sink: S,
    pool: OrderedPool<Job, Result<Done>>,
    /// The frames submitted, of which the first `frames.len()` are written.
    submitted: usize,
    frames: Vec<(u32, u32, Digest)>,
    /// Digests of contents, in the order of submission, that nobody has taken yet.
    contents: Vec<Digest>,
    stored_bytes: u64,
    decoded_bytes: u64,
    /// Where chunks were and where frames were, for further ones: memory that is at hand costs no page faults.
    chunk_buffers: Vec<Vec<u8>>,
    frame_buffers: Vec<Vec<u8>>,
    limits: Limits,
}

impl<S: Write> Pipeline<S> {
    pub(super) fn new(sink: S, options: &WriteOptions) -> Result<Self> {
        let (level, threads, monitor) = (options.level, options.threads, options.monitor.clone());
        // Whether the level is legal shows here, not on a thread.
        Encoder::new(level)?;
        let pool = OrderedPool::new(threads, move || {
            let mut maker = Encoder::new(level).map(|encoder| Maker {
                encoder,
                opener: SourceOpener::default(),
                buffer: Vec::new(),
                monitor: monitor.clone(),
            });
            move |job| match &mut maker {
                Ok(maker) => maker.make(job),
                Err(error) => Err(Error::new(code::IO_WRITE, error.message())),
            }
        });
        Ok(Self {
            sink,
            pool,
            submitted: 0,
            frames: Vec::new(),
            contents: Vec::new(),
            stored_bytes: 0,
            decoded_bytes: 0,
            chunk_buffers: Vec::new(),
            frame_buffers: Vec::new(),
            limits: options.limits.clone(),
        })
    }

    /// An empty buffer for a chunk.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.chunk_buffers.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Appends a payload frame that decodes to `chunk`, and has its contents digested.
    pub(super) fn chunk(&mut self, chunk: Closed) -> Result<()> {
        self.make_room()?;
        let buffer = self.frame_buffers.pop().unwrap_or_default();
        self.submit(Job::Chunk(chunk, buffer))
    }

    /// Appends a frame as it is.
    pub(super) fn raw(&mut self, frame: Vec<u8>) -> Result<()> {
        self.submit(Job::Raw(frame))
    }

    /// Appends frame `number` of `archive` as it is, once its digest is found right.
    pub(super) fn copy(&mut self, archive: &Arc<Indexed>, number: usize) -> Result<()> {
        self.make_room()?;
        let buffer = self.frame_buffers.pop().unwrap_or_default();
        self.submit(Job::Copy(Arc::clone(archive), number, buffer))
    }

    /// How many frames were appended.
    pub(super) fn frame_count(&self) -> usize {
        self.submitted
    }

    /// Digests of contents that became known, in the order of their ranges.
    pub(super) fn take_contents(&mut self) -> std::vec::Drain<'_, Digest> {
        self.contents.drain(..)
    }

    /// Writes every frame appended so far.
    pub(super) fn drain(&mut self) -> Result<()> {
        while let Some(done) = self.pool.take() {
            self.write(done?)?;
        }
        Ok(())
    }

    /// Stored size, decoded size and digest of every frame written.
    pub(super) fn frames(&self) -> &[(u32, u32, Digest)] {
        &self.frames
    }

    /// Writes bytes that are no frame of the index's list: the index itself, the seek table.
    pub(super) fn write_unlisted(&mut self, bytes: &[u8]) -> Result<()> {
        self.stored_bytes += bytes.len() as u64;
        self.sink.write_all(bytes).map_err(cannot_write)
    }

    /// How many bytes were written.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// The sink, which has what [`drain`](Self::drain) wrote.
    pub(super) fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// The sink, once everything is written.
    pub(super) fn into_sink(self) -> S {
        self.sink
    }

    fn submit(&mut self, job: Job) -> Result<()> {
        // The index comes on top of what was submitted.
        if self.submitted as u64 + 1 >= self.limits.frames {
            let message = format!("the archive needs more frames than the limit frames of {}", self.limits.frames);
            return Err(Error::new(code::LIMIT_FRAMES, message));
        }
        self.make_room()?;
        self.submitted += 1;
        match job.is_small() {
            true => self.pool.submit_small(job),
            false => self.pool.submit(job),
        }
        Ok(())
    }

    /// Writes frames that are done until the pool takes another job.
    fn make_room(&mut self) -> Result<()> {
        while self.pool.is_full() {
            if let Some(done) = self.pool.take() {
                self.write(done?)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, done: Done) -> Result<()> {
        self.stored_bytes += done.stored.len() as u64;
        self.decoded_bytes += u64::from(done.decoded);
        // A streamed reader knows no more of the archive's size than what it has consumed.
        let limit = self.limits.decoded_bytes_for(self.stored_bytes);
        if self.decoded_bytes > limit {
            return Err(Error::new(
                code::LIMIT_DECODED_BYTES,
                format!(
                    "the archive would decode to more than the limit decoded-bytes of {limit}; raise it here, and for whoever reads the archive"
                ),
            ));
        }
        self.sink.write_all(&done.stored).map_err(cannot_write)?;
        self.frames.push((done.stored.len() as u32, done.decoded, done.digest));
        self.contents.extend(done.contents);
        // Frames that came complete bring a buffer without having taken one.
        if self.frame_buffers.len() < self.pool.capacity() {
            self.frame_buffers.push(done.stored);
        }
        if self.chunk_buffers.len() < 2 {
            self.chunk_buffers.push(done.chunk);
        }
        Ok(())
    }
}

/// What one thread makes frames with.
struct Maker {
    encoder: Encoder,
    opener: SourceOpener,
    /// For chunks of which files are missing.
    buffer: Vec<u8>,
    monitor: Monitor,
}

impl Maker {
    fn make(&mut self, job: Job) -> Result<Done> {
        match job {
            Job::Copy(archive, number, buffer) => {
                let (decoded, digest) = (archive.index.frames[number].decoded, archive.index.frames[number].digest);
                let stored = match decoded {
                    0 => archive.frame_into(number, buffer)?,
                    _ => archive.payload_frame(number, buffer)?,
                };
                Ok(Done { stored, decoded, digest, contents: Vec::new(), chunk: Vec::new() })
            }
            Job::Raw(stored) => {
                let digest = Digest::of(&stored);
                Ok(Done { stored, decoded: 0, digest, contents: Vec::new(), chunk: Vec::new() })
            }
            Job::Chunk(mut chunk, mut stored) => {
                chunk.complete(&mut self.opener, &self.monitor, &mut self.buffer)?;
                let Closed { bytes, contents, .. } = chunk;
                let contents = Digest::of_each(contents.into_iter().map(|range| &bytes[range]));
                self.encoder.encode(&bytes, &mut stored)?;
                let digest = Digest::of(&stored);
                Ok(Done { decoded: bytes.len() as u32, stored, digest, contents, chunk: bytes })
            }
        }
    }
}

pub(super) fn cannot_write(error: std::io::Error) -> Error {
    Error::io(code::IO_WRITE, "writing the archive", error)
}
