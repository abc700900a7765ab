//! What of a broken archive can be relied on: its index, or the chain of its frames (FORMAT.md, "Recovered").

use super::chain::{Chain, acceptable, digest_of, manifest_too_long, walk};
use super::payload::{Frame, cannot_read, read_range};
use super::report::Losses;
use crate::digest::Digest;
use crate::dispatch::Format;
use crate::error::{Error, Result, code};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::v1::{self, Index, ManifestBody};
use crate::wire::{prefix, section, seek_table};

/// What can be relied on.
pub(super) enum Survey {
    Index(Box<Indexed>),
    Chain(Box<Chain>),
}

/// By the index: which frames are whole, and what the whole sections hold.
pub(super) struct Indexed {
    pub(super) index: Index,
    /// For each frame of the index, whether its digest is right.
    pub(super) whole: Vec<bool>,
    pub(super) manifest: Option<ManifestBody>,
}

impl Indexed {
    /// The payload frames.
    pub(super) fn payload(&self) -> Vec<Frame> {
        let frames = self.index.frames.iter().zip(&self.whole).filter(|(place, _)| place.decoded > 0);
        frames
            .map(|(place, whole)| Frame {
                offset: place.offset,
                tar_offset: place.tar_offset,
                stored: place.stored,
                decoded: place.decoded,
                whole: *whole,
            })
            .collect()
    }
}

/// Finds out what of `source` can be relied on, and notes what is damaged.
///
/// # Errors
/// `envelope.truncated`, `envelope.unknown-magic`, `envelope.unsupported-version`, `feature.unknown`, `limit.*`,
/// `io.read`, `usage.interrupted`.
pub(super) fn survey(
    source: &dyn ReadAt,
    size: u64,
    limits: &Limits,
    monitor: &Monitor,
    losses: &mut Losses,
) -> Result<Survey> {
    Format::check_own(&read_range(source, 0, size.min(prefix::LEN as u64))?, "recovery")?;
    if size < prefix::MAGIC.len() as u64 {
        Format::of(&read_range(source, 0, size)?)?;
    }
    monitor.set_total(size);
    let index = match index_by_footer(source, size, limits)? {
        Some(index) => index,
        None => {
            let mut chain_losses = Losses::default();
            let mut chain = walk(source, size, limits, monitor, &mut chain_losses)?;
            match chain.index.take() {
                Some(index) => index,
                None => {
                    losses.damaged = chain_losses.damaged;
                    losses.chain_end = Some(chain.end);
                    let why = "the chain of whole frames ends here, and nothing says where another begins";
                    losses.damage(chain.end, size - chain.end, why);
                    return Ok(Survey::Chain(Box::new(chain)));
                }
            }
        }
    };
    by_index(source, size, index, limits, monitor, losses).map(|indexed| Survey::Index(Box::new(indexed)))
}

/// The index where footer and last row of the seek table place it, if it is whole and its rules hold.
fn index_by_footer(source: &dyn ReadAt, size: u64, limits: &Limits) -> Result<Option<Index>> {
    const END: usize = seek_table::ROW_LEN + seek_table::FOOTER_LEN;
    let Some(end_at) = size.checked_sub(END as u64) else { return Ok(None) };
    let end = read_range(source, end_at, END as u64)?;
    let Ok(rows) = seek_table::parse_footer(&end[seek_table::ROW_LEN..], size) else { return Ok(None) };
    let stored = seek_table::last_stored_size(end.first_chunk().expect("a row"));
    let index_at = size
        .checked_sub(seek_table::stored_len(u64::from(rows)))
        .and_then(|table_at| table_at.checked_sub(u64::from(stored)));
    let Some(index_at) = index_at.filter(|_| stored as usize >= section::HEAD_LEN) else { return Ok(None) };
    let head = read_range(source, index_at, section::HEAD_LEN as u64)?;
    let is_index = |head: &section::Head| {
        head.kind == section::INDX && u64::from(head.declared_len) == u64::from(stored) - section::HEAD_LEN as u64
    };
    let Some(head) = section::parse_head(&head, index_at).ok().filter(is_index) else { return Ok(None) };
    if u64::from(head.declared_len) > limits.index_bytes {
        let message = format!("an index of {stored} bytes exceeds the limit index-bytes of {}", limits.index_bytes);
        return Err(Error::new(code::LIMIT_INDEX_BYTES, message).with_offset(index_at));
    }
    let body = read_range(source, index_at + section::HEAD_LEN as u64, u64::from(head.declared_len))?;
    if Digest::of(&body) != head.digest {
        return Ok(None);
    }
    acceptable(Index::decode(&body, head.digest, index_at, size, limits, &[]))
}

/// Compares every frame with the index, and reads the manifest.
fn by_index(
    source: &dyn ReadAt,
    size: u64,
    index: Index,
    limits: &Limits,
    monitor: &Monitor,
    losses: &mut Losses,
) -> Result<Indexed> {
    losses.by_index = true;
    let mut whole = Vec::with_capacity(index.frames.len());
    for (number, place) in index.frames.iter().enumerate() {
        let found = digest_of(source, place.offset, u64::from(place.stored), monitor)?;
        whole.push(found == place.digest);
        if found != place.digest {
            let why = match number {
                0 | 1 => "the header is damaged",
                2 => "the manifest is damaged",
                _ if place.decoded > 0 => "payload is damaged",
                _ if number + index.pages.len() >= index.frames.len() => "a page of the entry table is damaged",
                _ => "a section between the payload is damaged",
            };
            losses.damage(place.offset, u64::from(place.stored), why);
        }
    }
    compare_seek_table(source, size, &index, losses)?;
    if whole[1] {
        // As it was written, whatever became of the empty frame before it.
        let mut head = prefix::MAGIC.to_vec();
        head.extend(read_range(source, head.len() as u64, (prefix::LEN - prefix::MAGIC.len()) as u64)?);
        Format::of(&head)?;
    }
    let place = index.frames[v1::OPENING_FRAMES - 1];
    let mut manifest = None;
    if whole[v1::OPENING_FRAMES - 1] {
        if u64::from(place.stored) > limits.manifest_bytes.saturating_add(section::HEAD_LEN as u64) {
            return Err(manifest_too_long(u64::from(place.stored), limits));
        }
        let frame = read_range(source, place.offset, u64::from(place.stored))?;
        if let Ok(body) = section::open(&frame, section::MANI, place.offset)
            && Digest::of(body) == index.manifest_digest
        {
            manifest = acceptable(ManifestBody::decode(body, limits, &[]))?;
        }
    }
    Ok(Indexed { index, whole, manifest })
}

/// Notes what of the file's end is not what the index says.
fn compare_seek_table(source: &dyn ReadAt, size: u64, index: &Index, losses: &mut Losses) -> Result<()> {
    let expected = index.seek_table();
    let at = index.offset + u64::from(index.stored);
    let left = size.saturating_sub(at);
    let mut found = vec![0; left.min(expected.len() as u64) as usize];
    source.read_exact_at(&mut found, at).map_err(cannot_read)?;
    if found != expected {
        losses.damage(at, found.len() as u64, "the seek table is damaged");
    }
    losses.damage(at + found.len() as u64, left - found.len() as u64, "these bytes come after the end of the archive");
    Ok(())
}
