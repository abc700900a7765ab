//! C1Z files as archives (C1Z.md): everything that must be proven to know their entries is proven when they are opened.

mod open;
mod options;
#[cfg(feature = "sqlite")]
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
mod verify;
mod write;

pub(crate) use open::{open_header, open_v1, open_v3};
pub use options::C1zOptions;
pub(crate) use write::write_v1;
pub use write::{C1zSummary, C1zWriter};

use std::sync::{Arc, Mutex, OnceLock};

use prost_reflect::DescriptorPool;

use crate::c1z::{self, FramePlace, Unpacker};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, code};
use crate::frame;
use crate::io::{ReadAt, Spool};
use crate::model::{Entry, Facts, VerifyReport};
use crate::read::{Archive, Content, Listed, ReadOptions};
use crate::schema;

/// The descriptor set of a C1Z v3 manifest, `c1.c1z.v3.C1ZManifestV3`: a serialized `google.protobuf.FileDescriptorSet`.
pub fn c1z_manifest_descriptors() -> &'static [u8] {
    crate::proto::C1Z_MANIFEST_SET
}

/// The path that the database of version 1 gets.
pub(crate) const DATABASE: &str = "database.sqlite";

/// The permissions that files and directories of version 3 have at most; in a payload that stores none, just these.
pub(crate) const FILE_MODE: u16 = 0o644;
pub(crate) const DIRECTORY_MODE: u16 = 0o755;

/// What is held in memory at most, before a temporary file takes the rest; larger contents are decoded piece by piece.
const WHOLE: u64 = 8 << 20;

/// A C1Z file that was opened.
pub(crate) struct C1z {
    options: ReadOptions,
    facts: Facts,
    entries: Vec<Entry>,
    /// The numbers of the entries, by path.
    by_path: Vec<u32>,
    store: Store,
    /// Schema 0; empty where there is none.
    descriptors: Vec<u8>,
    pool: OnceLock<DescriptorPool>,
    /// Which checks the payload has gone through.
    proof: Proof,
    unpackers: Mutex<Vec<Unpacker>>,
    #[cfg(feature = "sqlite")]
    database: Option<sqlite::Database>,
}

/// Where contents are.
enum Store {
    /// Each in a frame of the file.
    Frames { source: Arc<dyn ReadAt>, files: Vec<FramePlace> },
    /// Each as it is, somewhere in one source.
    Plain { source: Arc<dyn ReadAt>, at: Vec<u64> },
}

/// What a file of this encoding can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Every content, and the index; the manifest where it is recorded.
    Indexed { manifest: bool },
    /// The payload as a whole, where its frame has a checksum.
    Frame { checksum: bool },
    /// Nothing.
    Nothing,
}

impl C1z {
    fn unpack<T>(&self, work: impl FnOnce(&mut Unpacker) -> Result<T>) -> Result<T> {
        let kept = self.unpackers.lock().ok().and_then(|mut unpackers| unpackers.pop());
        let mut unpacker = kept.map_or_else(Unpacker::new, Ok)?;
        let done = work(&mut unpacker);
        if let Ok(mut unpackers) = self.unpackers.lock() {
            unpackers.push(unpacker);
        }
        done
    }

    /// The content of a file in a frame, proven.
    fn whole(&self, source: &dyn ReadAt, place: &FramePlace) -> Result<Vec<u8>> {
        let located = |e: Error| e.with_offset(place.offset).with_entry(place.path.as_str());
        let mut stored = vec![0; place.stored as usize];
        source
            .read_exact_at(&mut stored, place.offset)
            .map_err(|e| located(Error::io(code::IO_READ, "reading the archive", e)))?;
        let mut content = Vec::new();
        self.unpack(|unpacker| unpacker.decode(&stored, place.raw as usize, &mut content)).map_err(located)?;
        check(place, c1z::checksum(&content), Digest::of(&content))?;
        Ok(content)
    }

    /// As [`whole`](Self::whole), piece by piece: proven only at the end.
    fn streamed(
        &self,
        source: &dyn ReadAt,
        place: &FramePlace,
        see: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut hasher = Hasher::new();
        let mut checksum = c1z::Checksum::new();
        let mut decoded = 0;
        c1z::decode_stream(source, place.offset, place.stored, place.raw, &mut |piece| {
            decoded += piece.len() as u64;
            hasher.update(piece);
            checksum.update(piece);
            see(piece)
        })
        .map_err(|e| {
            // The limit was the index's own word.
            let e = match e.is(code::LIMIT_DECODED_BYTES) {
                true => wrong_size(place, "more than that"),
                false => e,
            };
            e.with_offset(place.offset).with_entry(place.path.as_str())
        })?;
        if decoded != place.raw {
            return Err(wrong_size(place, &format!("{decoded} bytes")));
        }
        check(place, checksum.finish(), hasher.finish())
    }
}

/// Whether a content is decoded at once: small, and stored in no more than a sane frame takes.
fn is_whole(place: &FramePlace) -> bool {
    place.raw <= WHOLE && place.stored <= frame::max_stored(place.raw as u32)
}

fn wrong_size(place: &FramePlace, found: &str) -> Error {
    let message = format!("a zstd frame decodes to {found}: expected {} bytes, as the index says", place.raw);
    Error::new(code::FRAME_SIZE, message).with_offset(place.offset).with_entry(place.path.as_str())
}

/// Holds a content against both hashes that the index has of it.
fn check(place: &FramePlace, checksum: u64, digest: Digest) -> Result<()> {
    let fault = |code, message: String| {
        Err(Error::new(code, message).with_offset(place.offset).with_entry(place.path.as_str()))
    };
    if checksum != place.checksum {
        let message = format!("the checksum of the content: expected {:016x}, found {checksum:016x}", place.checksum);
        return fault(code::C1Z_CONTENT_CHECKSUM, message);
    }
    if digest != place.digest {
        return fault(
            code::ENTRY_DIGEST,
            format!("the digest of the content: expected {}, found {digest}", place.digest),
        );
    }
    Ok(())
}

impl Listed for C1z {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn options(&self) -> &ReadOptions {
        &self.options
    }

    #[cfg(feature = "sqlite")]
    fn unreadable_streams(&self) -> Option<&str> {
        self.database.as_ref().and_then(sqlite::Database::fault)
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn find(&self, path: &str) -> Option<usize> {
        let at = self.by_path.binary_search_by(|number| self.entries[*number as usize].path.as_str().cmp(path)).ok()?;
        Some(self.by_path[at] as usize)
    }

    fn content(&self, number: usize) -> Result<Content> {
        match &self.store {
            Store::Plain { source, at } => Ok(Content { source: Arc::clone(source), at: at[number] }),
            Store::Frames { source, files } if is_whole(&files[number]) => {
                Ok(Content { source: Arc::new(self.whole(source.as_ref(), &files[number])?), at: 0 })
            }
            Store::Frames { source, files } => {
                let mut spool = Spool::new(WHOLE as usize);
                self.streamed(source.as_ref(), &files[number], &mut |piece| open::spool(&mut spool, piece))?;
                Ok(Content { source: Arc::new(spool.finish()), at: 0 })
            }
        }
    }

    fn copy(&self, number: usize, see: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match &self.store {
            Store::Frames { source, files } if is_whole(&files[number]) => {
                see(&self.whole(source.as_ref(), &files[number])?)
            }
            Store::Frames { source, files } => self.streamed(source.as_ref(), &files[number], see),
            Store::Plain { source, at } => {
                let entry = &self.entries[number];
                let mut left = entry.size;
                let mut piece = vec![0; (256u64 << 10).min(left) as usize];
                let mut hasher = Hasher::new();
                while left > 0 {
                    let piece = &mut piece[..(256u64 << 10).min(left) as usize];
                    source.read_exact_at(piece, at[number] + (entry.size - left)).map_err(|e| {
                        Error::io(code::IO_READ, "reading a content", e).with_entry(entry.path.as_str())
                    })?;
                    hasher.update(piece);
                    see(piece)?;
                    left -= piece.len() as u64;
                }
                // What was found when the file was opened: a file that changed since then is noticed.
                let found = hasher.finish();
                if found != entry.digest {
                    let message =
                        format!("the file changed while it was read: expected {}, found {found}", entry.digest);
                    return Err(Error::new(code::ENTRY_DIGEST, message).with_entry(entry.path.as_str()));
                }
                Ok(())
            }
        }
    }

    fn proven_frame(&self, path: &str, size: u64, digest: Digest) -> Result<Option<Vec<u8>>> {
        let Store::Frames { source, files } = &self.store else { return Ok(None) };
        let Some(place) = self.find(path).map(|number| &files[number]) else { return Ok(None) };
        if place.raw != size || place.digest != digest || !is_whole(place) {
            return Ok(None);
        }
        // What the index states is only believed once the frame was seen to hold it; one that is damaged is not copied.
        let mut frame = vec![0; place.stored as usize];
        let read = source.read_exact_at(&mut frame, place.offset);
        read.map_err(|e| Error::io(code::IO_READ, "reading the previous file", e).with_offset(place.offset))?;
        let mut content = Vec::new();
        let decoded = self.unpack(|unpacker| unpacker.decode(&frame, size as usize, &mut content));
        let sound = decoded.is_ok() && check(place, c1z::checksum(&content), Digest::of(&content)).is_ok();
        Ok(sound.then_some(frame))
    }

    fn descriptor_set(&self, _: u32) -> Result<&[u8]> {
        Ok(&self.descriptors)
    }

    fn pool(&self, _: u32) -> Result<&DescriptorPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = schema::build_pool(&self.descriptors)?;
        Ok(self.pool.get_or_init(|| pool))
    }

    #[cfg(feature = "sqlite")]
    fn records(&self, number: usize) -> Result<Archive> {
        let database = self.database.as_ref().expect("nothing else has streams");
        database.records(&self.facts.streams[number], number, &self.options)
    }

    #[cfg(not(feature = "sqlite"))]
    fn records(&self, _: usize) -> Result<Archive> {
        unreachable!("without the feature `sqlite`, no C1Z file has streams")
    }

    fn verify(&self, records: bool) -> Result<VerifyReport> {
        verify::verify(self, records)
    }
}
