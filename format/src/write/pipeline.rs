//! From chunks to frames: compressing and digesting on several threads, writing in order.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::frame::Encoder;
use crate::limits::Limits;
use crate::parallel::OrderedPool;
use crate::read::Indexed;

/// One frame to make.
enum Job {
    /// A payload frame of these bytes; the contents at these ranges are digested, too.
    Chunk(Vec<u8>, Vec<Range<usize>>),
    /// A frame that is complete.
    Raw(Vec<u8>),
    /// The frame of an archive with this number, as it is; with a buffer for it.
    Copy(Arc<Indexed>, usize, Vec<u8>),
}

struct Done {
    stored: Vec<u8>,
    decoded: u32,
    digest: Digest,
    contents: Vec<Digest>,
    copied: bool,
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
    /// Where copied frames were, for further ones.
    buffers: Vec<Vec<u8>>,
    limits: Limits,
}

impl<S: Write> Pipeline<S> {
    pub(super) fn new(sink: S, level: i32, threads: usize, limits: Limits) -> Result<Self> {
        // Whether the level is legal shows here, not on a thread.
        Encoder::new(level)?;
        let pool = OrderedPool::new(threads, move || {
            let mut encoder = Encoder::new(level);
            move |job| match &mut encoder {
                Ok(encoder) => make(job, encoder),
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
            buffers: Vec::new(),
            limits,
        })
    }

    /// Appends a payload frame that decodes to `bytes`, and has the contents at `ranges` digested.
    pub(super) fn chunk(&mut self, bytes: Vec<u8>, ranges: Vec<Range<usize>>) -> Result<()> {
        self.submit(Job::Chunk(bytes, ranges))
    }

    /// Appends a frame as it is.
    pub(super) fn raw(&mut self, frame: Vec<u8>) -> Result<()> {
        self.submit(Job::Raw(frame))
    }

    /// Appends frame `number` of `archive` as it is, once its digest is found right.
    pub(super) fn copy(&mut self, archive: &Arc<Indexed>, number: usize) -> Result<()> {
        self.make_room()?;
        let buffer = self.buffers.pop().unwrap_or_default();
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
        self.pool.submit(job);
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
        if done.copied {
            self.buffers.push(done.stored);
        }
        Ok(())
    }
}

fn make(job: Job, encoder: &mut Encoder) -> Result<Done> {
    let (stored, decoded, contents) = match job {
        Job::Copy(archive, number, buffer) => {
            let (decoded, digest) = (archive.index.frames[number].decoded, archive.index.frames[number].digest);
            let stored = match decoded {
                0 => archive.frame_into(number, buffer)?,
                _ => archive.payload_frame(number, buffer)?,
            };
            return Ok(Done { stored, decoded, digest, contents: Vec::new(), copied: true });
        }
        Job::Raw(frame) => (frame, 0, Vec::new()),
        Job::Chunk(chunk, ranges) => {
            let contents = ranges.into_iter().map(|range| Digest::of(&chunk[range])).collect();
            (encoder.encode(&chunk)?, chunk.len() as u32, contents)
        }
    };
    let digest = Digest::of(&stored);
    Ok(Done { stored, decoded, digest, contents, copied: false })
}

pub(super) fn cannot_write(error: std::io::Error) -> Error {
    Error::io(code::IO_WRITE, "writing the archive", error)
}
