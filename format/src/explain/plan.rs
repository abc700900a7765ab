//! Where frames are by what the end of the file says: the index, or else the seek table.

use super::{read, refused};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::schema::wire::{self, Raw};
use crate::v1::Index;
use crate::wire::{section, seek_table};

/// How many rows of a seek table are read at a time.
const ROWS: u64 = 8192;

/// What the end of the file says of the frames. Nothing of it need be true.
#[derive(Default)]
pub(super) struct Plan {
    stored: Vec<u32>,
    decoded: Vec<u32>,
    digests: Vec<u8>,
    /// Whether the sizes add up to where the frames have to end, so that they tell where each begins.
    adds_up: bool,
    /// Whether the sizes are those of the index.
    pub(super) by_index: bool,
    /// Where `INDX` begins, and its length, if it is there.
    pub(super) index_at: Option<(u64, u64)>,
    /// Whether its digest is right.
    pub(super) index_whole: bool,
    /// Where the seek table begins, and its rows, if there is one.
    pub(super) table_at: Option<(u64, u32)>,
    /// The index, without its frames, where it keeps the rules; else the first that it breaks.
    pub(super) index: Option<Index>,
    pub(super) index_fault: Option<Error>,
    /// The frame that is looked for next.
    number: usize,
    offset: u64,
}

/// What is said of a frame.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) number: usize,
    pub(super) stored: u32,
    pub(super) decoded: u32,
    /// Where the index is whole.
    pub(super) digest: Option<Digest>,
}

impl Plan {
    /// Reads the end of the file.
    ///
    /// # Errors
    /// `io.read`.
    pub(super) fn read(source: &dyn ReadAt, size: u64, limits: &Limits) -> Result<Self> {
        let mut plan = Self::default();
        let footer_len = size.min(seek_table::FOOTER_LEN as u64);
        let footer = read(source, size - footer_len, footer_len)?;
        let Ok(rows) = seek_table::parse_footer(&footer, size) else { return Ok(plan) };
        let Some(table_at) = size.checked_sub(seek_table::stored_len(u64::from(rows))) else { return Ok(plan) };
        if rows == 0 || u64::from(rows) > limits.frames || read(source, table_at, 4)? != seek_table::MAGIC {
            return Ok(plan);
        }
        plan.table_at = Some((table_at, rows));
        let footer_at = size - footer_len;
        let row = read(source, footer_at - seek_table::ROW_LEN as u64, seek_table::ROW_LEN as u64)?;
        let stored = seek_table::last_stored_size(row.first_chunk().expect("a row"));
        if let Some(at) = table_at.checked_sub(u64::from(stored)) {
            plan.take_index(source, size, at, u64::from(stored), limits)?;
        }
        if !plan.adds_up {
            plan.take_rows(source, table_at, rows)?;
        }
        Ok(plan)
    }

    fn take_index(&mut self, source: &dyn ReadAt, size: u64, at: u64, stored: u64, limits: &Limits) -> Result<()> {
        let body_len = stored.saturating_sub(section::HEAD_LEN as u64);
        if stored < section::HEAD_LEN as u64 || body_len > limits.index_bytes {
            return Ok(());
        }
        let head = read(source, at, section::HEAD_LEN as u64)?;
        let head = match section::parse_head(&head, at) {
            Ok(head) if head.kind == section::INDX && u64::from(head.declared_len) == body_len => head,
            _ => return Ok(()),
        };
        self.index_at = Some((at, stored));
        let body = read(source, at + section::HEAD_LEN as u64, body_len)?;
        self.index_whole = Digest::of(&body) == head.digest;
        let limit = limits.frames as usize;
        // No more than the body holds.
        let frames = frame_lists(&body, limit);
        let sum: u64 = frames.0.iter().map(|size| u64::from(*size)).sum();
        self.adds_up = sum == at && !frames.0.is_empty();
        self.by_index = true;
        (self.stored, self.decoded, self.digests) = frames;
        if self.index_whole {
            match refused(Index::decode(&body, head.digest, at, size, limits, &[]))? {
                Ok(mut index) => {
                    index.frames = Vec::new();
                    self.index = Some(index);
                }
                Err(error) => self.index_fault = Some(error),
            }
        }
        Ok(())
    }

    /// Takes the sizes from the seek table, if they add up.
    fn take_rows(&mut self, source: &dyn ReadAt, table_at: u64, rows: u32) -> Result<()> {
        let (mut stored, mut decoded, mut sum) = (Vec::new(), Vec::new(), 0u64);
        let (mut row, rows) = (0, u64::from(rows));
        while row < rows {
            let count = ROWS.min(rows - row);
            let piece =
                read(source, table_at + 8 + row * seek_table::ROW_LEN as u64, count * seek_table::ROW_LEN as u64)?;
            for row in piece.chunks_exact(seek_table::ROW_LEN) {
                let word = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().expect("four bytes"));
                stored.push(word(0));
                decoded.push(word(4));
                sum += u64::from(word(0));
            }
            row += count;
        }
        if sum == table_at {
            (self.stored, self.decoded, self.digests) = (stored, decoded, Vec::new());
            (self.adds_up, self.by_index) = (true, false);
        }
        Ok(())
    }

    /// What is said of the frame that begins at `at`, which does not lie before the last one asked for.
    pub(super) fn frame_at(&mut self, at: u64) -> Option<Known> {
        if !self.adds_up {
            return None;
        }
        while self.offset < at && self.number < self.stored.len() {
            self.offset += u64::from(self.stored[self.number]);
            self.number += 1;
        }
        let stored = *self.stored.get(self.number).filter(|stored| self.offset == at && **stored > 0)?;
        Some(Known {
            number: self.number,
            stored,
            decoded: self.decoded.get(self.number).copied().unwrap_or_default(),
            digest: self.digest(self.number),
        })
    }

    fn digest(&self, number: usize) -> Option<Digest> {
        let digests = &self.digests.get(number * Digest::LEN..(number + 1) * Digest::LEN)?;
        Digest::from_slice(digests).filter(|_| self.index_whole && self.by_index)
    }

    /// Where a frame begins next after `at`, by what is said; of all, the last are the index and the seek table.
    pub(super) fn next_after(&mut self, at: u64) -> Option<u64> {
        self.frame_at(at);
        let listed = match self.adds_up {
            true if self.offset > at => Some(self.offset),
            true => self.stored.get(self.number).map(|stored| self.offset + u64::from(*stored)),
            false => None,
        };
        let ends = [self.index_at.map(|(at, _)| at), self.table_at.map(|(at, _)| at)];
        ends.into_iter().chain([listed]).flatten().filter(|next| *next > at).min()
    }

    /// The row that the seek table must have at `number`, by the index.
    pub(super) fn row(&self, number: u64) -> Option<(u32, u32)> {
        let (_, index_len) = self.index_at.filter(|_| self.by_index)?;
        let number = usize::try_from(number).ok()?;
        match number == self.stored.len() {
            true => Some((index_len as u32, 0)),
            false => Some((*self.stored.get(number)?, *self.decoded.get(number)?)),
        }
    }

    /// How many rows the seek table must have, by the index.
    pub(super) fn rows(&self) -> Option<u64> {
        (self.by_index && self.index_at.is_some()).then_some(self.stored.len() as u64 + 1)
    }

    /// The page of the entry table that is in frame `number`.
    pub(super) fn page(&self, number: usize) -> Option<&crate::v1::PagePlace> {
        let pages = &self.index.as_ref()?.pages;
        // They are in frames that follow each other.
        pages.get(number.checked_sub(pages.first()?.frame)?)
    }
}

/// Stored and decoded sizes and digests of the frames in the index `body`, as far as they can be read.
fn frame_lists(body: &[u8], limit: usize) -> (Vec<u32>, Vec<u32>, Vec<u8>) {
    const FRAMES: u32 = 10;
    let mut lists = (Vec::new(), Vec::new(), Vec::new());
    for field in wire::fields(body).flatten() {
        let (FRAMES, Raw::Bytes(frames)) = (field.number, field.value) else { continue };
        for column in wire::fields(frames).flatten() {
            match (column.number, column.value) {
                (1, value) => numbers(value, limit, &mut lists.0),
                (2, value) => numbers(value, limit, &mut lists.1),
                (3, Raw::Bytes(digests)) => lists.2 = digests.to_vec(),
                _ => {}
            }
        }
    }
    lists
}

fn numbers(value: Raw<'_>, limit: usize, list: &mut Vec<u32>) {
    match value {
        Raw::Varint(number) if list.len() < limit => list.push(number as u32),
        Raw::Bytes(mut packed) => {
            while list.len() < limit && !packed.is_empty() {
                let Ok(number) = wire::varint(&mut packed) else { return };
                list.push(number as u32);
            }
        }
        _ => {}
    }
}
