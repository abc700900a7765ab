//! Without an index: the frames from byte 0 on, each found where the one before it ends, up to the first that is not
//! whole (FORMAT.md, "Recovered").

use super::payload::{Frame, cannot_read, decode, read_frame, read_range};
use super::report::Losses;
use crate::digest::{Digest, Hasher};
use crate::dispatch::Format;
use crate::error::{Error, ErrorKind, Result, code};
use crate::frame::{Decoder, MAX_DECODED, max_stored};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::path::schema_path;
use crate::tar::{self, Parsed};
use crate::v1::{self, Index, ManifestBody};
use crate::wire::{prefix, section};

/// How many bytes are digested at a time.
const PIECE: u64 = 256 << 10;

/// What the chain of frames holds.
pub(super) struct Chain {
    /// Payload frames, all of them whole.
    pub(super) frames: Vec<Frame>,
    pub(super) manifest: Option<ManifestBody>,
    /// The body of each `SCHM`, with the tar offset it stands at.
    pub(super) late: Vec<(u64, Vec<u8>)>,
    /// The body of each page of the entry table: where it begins, and its length.
    pub(super) pages: Vec<(u64, u32)>,
    /// The index, where the chain gets to it.
    pub(super) index: Option<Index>,
    /// Where the chain ends.
    pub(super) end: u64,
}

/// A section whose digest is right.
struct Section {
    kind: section::Kind,
    body_at: u64,
    len: u32,
    digest: Digest,
}

/// Follows the chain of `source`.
///
/// # Errors
/// `envelope.unknown-magic` where nothing at all is to be recognised, `envelope.unsupported-version`, `feature.unknown`,
/// `limit.*`, `io.read`, `usage.interrupted`.
pub(super) fn walk(
    source: &dyn ReadAt,
    size: u64,
    limits: &Limits,
    monitor: &Monitor,
    losses: &mut Losses,
) -> Result<Chain> {
    let decoder = Decoder::new()?;
    let mut walk = Walk { source, size, limits, monitor, decoder, chunk: Vec::new(), tar_end: 0, frames: 0 };
    let head = read_range(source, 0, size.min(prefix::LEN as u64))?;
    let recognised = prefix::is_magic(&head);
    let version = match Format::of(&head) {
        Err(error) if error.is(code::ENVELOPE_UNSUPPORTED_VERSION) => return Err(error),
        version => version,
    };
    let mut chain = Chain {
        frames: Vec::new(),
        manifest: None,
        late: Vec::new(),
        pages: Vec::new(),
        index: None,
        end: head.len() as u64,
    };
    if head.len() == prefix::LEN {
        // The minor version may be any.
        let mut expected = prefix::encode(v1::MAJOR, 0);
        expected[26] = head[26];
        if head != expected {
            losses.damage(0, prefix::LEN as u64, "the header is damaged");
        }
        walk.manifest(&mut chain, losses)?;
    }
    if !recognised && chain.end == head.len() as u64 {
        // Neither is this the beginning of an archive, nor does what an archive has come after it.
        version?;
    }
    if chain.end > head.len() as u64 {
        while walk.next(&mut chain)? {}
    }
    Ok(chain)
}

struct Walk<'w> {
    source: &'w dyn ReadAt,
    size: u64,
    limits: &'w Limits,
    monitor: &'w Monitor,
    decoder: Decoder,
    chunk: Vec<u8>,
    tar_end: u64,
    /// Frames after the manifest that were looked at.
    frames: u64,
}

impl Walk<'_> {
    /// Takes in the manifest. Where it is damaged, it is passed over by its stated length, if what the tar has to begin
    /// with follows: no other length would lead there by chance.
    fn manifest(&mut self, chain: &mut Chain, losses: &mut Losses) -> Result<()> {
        let at = chain.end;
        let body_at = at + section::HEAD_LEN as u64;
        let Some(len) = self.stated_len(at)?.filter(|len| *len <= self.size.saturating_sub(body_at)) else {
            return Ok(());
        };
        let fits = len <= self.limits.manifest_bytes;
        if fits && let Some(head) = self.section_head(at)?.filter(|head| head.kind == section::MANI) {
            let body = read_range(self.source, body_at, len)?;
            if Digest::of(&body) == head.digest {
                chain.end = body_at + len;
                chain.manifest = acceptable(ManifestBody::decode(&body, self.limits, &[]))?;
                return Ok(());
            }
        }
        let mut next = body_at + len;
        while let Some(section) = self.section(next)?.filter(|section| section.kind[0].is_ascii_lowercase()) {
            next = section.body_at + u64::from(section.len);
        }
        if self.payload_frame(next)?.is_some() && self.opens_tar() {
            if !fits {
                return Err(manifest_too_long(len, self.limits));
            }
            losses.damage(at, body_at + len - at, "the manifest is damaged");
            chain.end = body_at + len;
        }
        Ok(())
    }

    /// The length of the body that the skippable frame at `at` states, if it is one that a section may be in.
    fn stated_len(&self, at: u64) -> Result<Option<u64>> {
        if self.size.saturating_sub(at) < section::HEAD_LEN as u64 {
            return Ok(None);
        }
        let head = read_range(self.source, at, section::HEAD_LEN as u64)?;
        Ok(section::stated_len(&head).map(u64::from))
    }

    /// Takes in the next frame; whether there is a whole one that may stand here.
    fn next(&mut self, chain: &mut Chain) -> Result<bool> {
        self.frames += 1;
        if self.frames > self.limits.frames {
            let message = format!("more frames than the limit frames of {}", self.limits.frames);
            return Err(Error::new(code::LIMIT_FRAMES, message));
        }
        let at = chain.end;
        if chain.pages.is_empty()
            && let Some(stored) = self.payload_frame(at)?
        {
            let decoded = self.chunk.len() as u32;
            chain.frames.push(Frame { offset: at, tar_offset: self.tar_end, stored, decoded, whole: true });
            self.tar_end += u64::from(decoded);
            let limit = self.limits.decoded_bytes_for(self.size);
            if self.tar_end > limit {
                let message = format!("the payload decodes to more than the limit decoded-bytes of {limit}");
                return Err(Error::new(code::LIMIT_DECODED_BYTES, message).with_offset(at));
            }
            chain.end += u64::from(stored);
            self.monitor.advance(u64::from(stored))?;
            return Ok(true);
        }
        let Some(section) = self.section(at)? else { return Ok(false) };
        let read = |limit: u64| match u64::from(section.len) <= limit {
            true => read_range(self.source, section.body_at, u64::from(section.len)).map(Some),
            false => Ok(None),
        };
        match section.kind {
            section::SCHM if !chain.frames.is_empty() && chain.pages.is_empty() => {
                if chain.late.len() as u64 >= self.limits.schemas {
                    let message = format!("more Schemas than the limit schemas of {}", self.limits.schemas);
                    return Err(Error::new(code::LIMIT_SCHEMAS, message).with_offset(at));
                }
                let before: usize = chain.late.iter().map(|(_, body)| body.len()).sum();
                let Some(body) = read(self.limits.manifest_bytes.saturating_sub(before as u64))? else {
                    return Ok(false);
                };
                chain.late.push((self.tar_end, body));
            }
            section::ENTR if !chain.frames.is_empty() => {
                if u64::from(section.len) > max_stored(MAX_DECODED) || chain.pages.len() as u64 >= self.limits.entries {
                    return Ok(false);
                }
                chain.pages.push((section.body_at, section.len));
            }
            section::INDX if !chain.pages.is_empty() => {
                let Some(body) = read(self.limits.index_bytes)? else { return Ok(false) };
                chain.index = acceptable(Index::decode(&body, section.digest, at, self.size, self.limits, &[]))?;
                chain.end = section.body_at + u64::from(section.len);
                return Ok(false);
            }
            [b'a'..=b'z', ..] if chain.pages.is_empty() => {}
            _ => return Ok(false),
        }
        chain.end = section.body_at + u64::from(section.len);
        Ok(true)
    }

    /// Decodes the payload frame at `at` into `self.chunk`; its stored size, where it is whole.
    fn payload_frame(&mut self, at: u64) -> Result<Option<u32>> {
        let Some(stored) = read_frame(self.source, self.size, at)? else { return Ok(None) };
        Ok(decode(&mut self.decoder, &stored, &mut self.chunk)?.then_some(stored.len() as u32))
    }

    /// Whether the chunk at hand begins with the member that every tar begins with.
    fn opens_tar(&self) -> bool {
        matches!(
            tar::parse_header(&self.chunk, self.limits),
            Ok(Parsed::Member { entry, .. }) if entry.path == schema_path(0)
        )
    }

    fn section_head(&self, at: u64) -> Result<Option<section::Head>> {
        if self.size.saturating_sub(at) < section::HEAD_LEN as u64 {
            return Ok(None);
        }
        let head = read_range(self.source, at, section::HEAD_LEN as u64)?;
        Ok(section::parse_head(&head, at).ok())
    }

    /// The section at `at`, if it is whole.
    fn section(&self, at: u64) -> Result<Option<Section>> {
        let Some(head) = self.section_head(at)? else { return Ok(None) };
        let body_at = at + section::HEAD_LEN as u64;
        if u64::from(head.declared_len) > self.size - body_at {
            return Ok(None);
        }
        let found = digest_of(self.source, body_at, u64::from(head.declared_len), self.monitor)?;
        Ok((found == head.digest).then_some(Section {
            kind: head.kind,
            body_at,
            len: head.declared_len,
            digest: head.digest,
        }))
    }
}

pub(super) fn manifest_too_long(bytes: u64, limits: &Limits) -> Error {
    let limit = limits.manifest_bytes;
    let message = format!("a manifest of {bytes} bytes exceeds the limit manifest-bytes of {limit}");
    Error::new(code::LIMIT_MANIFEST_BYTES, message)
}

/// What was decoded, or nothing where it is malformed; what only another reader or other limits can take is an error.
pub(super) fn acceptable<T>(decoded: Result<T>) -> Result<Option<T>> {
    match decoded {
        Ok(decoded) => Ok(Some(decoded)),
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Limit) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The digest of a range that is there.
pub(super) fn digest_of(source: &dyn ReadAt, offset: u64, len: u64, monitor: &Monitor) -> Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; len.min(PIECE) as usize];
    let (mut at, end) = (offset, offset + len);
    while at < end {
        let piece = &mut buffer[..(end - at).min(PIECE) as usize];
        source.read_exact_at(piece, at).map_err(cannot_read)?;
        hasher.update(piece);
        at += piece.len() as u64;
        monitor.advance(piece.len() as u64)?;
    }
    Ok(hasher.finish())
}
