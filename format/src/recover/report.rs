//! What a recovery salvaged and what it could not.

use crate::model::{EntryKind, Summary};
use crate::proto;

/// How many elements a list of a report holds, and how many bytes of text in them, so that its memory is bounded; the rest is
/// counted.
const MOST_LISTED: usize = 1 << 20;
const MOST_TEXT: usize = 64 << 20;
/// How many of them the annotation holds.
const MOST_STATED: usize = 1000;

/// What a recovery salvaged and what it could not. The new archive carries it as an annotation of type
/// `rosettar.v1.RecoveryReport` where anything was lost.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecoverReport {
    /// What the new archive is.
    pub summary: Summary,
    /// What was lost, and how much was salvaged.
    pub losses: Losses,
}

impl RecoverReport {
    /// Whether all that the broken archive held is in the new one. Parts of the file that hold nothing of its content may
    /// still be damaged.
    pub fn is_complete(&self) -> bool {
        self.losses.is_nothing()
    }
}

/// What was lost in a recovery, and how much was not.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Losses {
    /// Bytes of the file that was recovered from.
    pub source_size: u64,
    /// Whether the file's index could be used; otherwise the chain of frames from its beginning was followed.
    pub by_index: bool,
    /// Without an index: the offset at which the chain of frames ends. What came after it is not known.
    pub chain_end: Option<u64>,
    /// Byte ranges of the file that are damaged or cannot be read.
    pub damaged: Listed<DamagedRange>,
    /// Entries known to be lost.
    pub lost_entries: Listed<LostEntry>,
    /// How many further entries are lost whose paths are not known; `None` where that is not known either.
    pub unknown_entries: Option<u64>,
    /// Records known to be lost.
    pub lost_records: Listed<LostRecords>,
    /// Schemas that were lost.
    pub lost_schemas: Listed<LostSchema>,
    /// Other facts that were lost, a phrase each.
    pub lost_facts: Listed<String>,
    /// Records whose Schema was lost, kept as files.
    pub kept_as_files: Listed<KeptRecords>,
    /// User entries salvaged, without the files kept of records.
    pub entries: u64,
    /// Bytes of the files among them.
    pub file_bytes: u64,
    /// Records salvaged into streams.
    pub records: u64,
}

impl Losses {
    /// Whether nothing was lost: no entry, record, Schema or fact.
    pub fn is_nothing(&self) -> bool {
        self.by_index
            && self.lost_entries.is_empty()
            && self.unknown_entries == Some(0)
            && self.lost_records.is_empty()
            && self.lost_schemas.is_empty()
            && self.lost_facts.is_empty()
            && self.kept_as_files.is_empty()
    }

    /// Notes that a range of the file is damaged; one that follows another of the same kind is joined to it.
    pub(super) fn damage(&mut self, offset: u64, length: u64, why: &str) {
        if length == 0 {
            return;
        }
        if let Some(last) = self.damaged.items.last_mut()
            && self.damaged.more == 0
            && last.offset + last.length == offset
            && last.why == why
        {
            last.length += length;
            return;
        }
        self.damaged.push(DamagedRange { offset, length, why: why.to_owned() });
    }

    /// The message that the new archive carries.
    pub(super) fn to_proto(&self) -> proto::RecoveryReport {
        proto::RecoveryReport {
            source_size: self.source_size,
            by_index: self.by_index,
            chain_end: self.chain_end,
            damaged: self.damaged.map(|range| proto::DamagedRange {
                offset: range.offset,
                length: range.length,
                why: range.why.clone(),
            }),
            more_damaged: self.damaged.unstated(),
            lost_entries: self.lost_entries.map(|entry| proto::LostEntry {
                path: entry.path.clone(),
                kind: entry.kind.as_str().to_owned(),
                size: entry.size,
                why: entry.why.clone(),
            }),
            more_lost_entries: self.lost_entries.unstated(),
            unknown_entries: self.unknown_entries,
            lost_records: self.lost_records.map(|records| proto::LostRecords {
                stream: records.stream.clone(),
                first: records.first,
                count: records.count,
                why: records.why.clone(),
            }),
            more_lost_records: self.lost_records.unstated(),
            lost_schemas: self
                .lost_schemas
                .map(|schema| proto::LostSchema { number: schema.number, why: schema.why.clone() }),
            more_lost_schemas: self.lost_schemas.unstated(),
            lost_facts: self.lost_facts.map(String::clone),
            more_lost_facts: self.lost_facts.unstated(),
            kept_as_files: self.kept_as_files.map(|kept| proto::KeptRecords {
                stream: kept.stream.clone(),
                path: kept.path.clone(),
                records: kept.records,
            }),
            more_kept_as_files: self.kept_as_files.unstated(),
            entries: self.entries,
            file_bytes: self.file_bytes,
            records: self.records,
        }
    }
}

/// A list of which the first 1 048 576 are kept, or fewer where they have 64 MiB of text, and the others counted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Listed<T> {
    /// The first of them.
    pub items: Vec<T>,
    /// How many more there are.
    pub more: u64,
    /// Bytes of text in those that are kept.
    text: usize,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), more: 0, text: 0 }
    }
}

/// What is listed.
trait Item {
    /// Bytes of text in it.
    fn text(&self) -> usize;
}

impl<T> Listed<T> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many there are in all.
    pub fn len(&self) -> u64 {
        self.items.len() as u64 + self.more
    }

    /// What the annotation holds of it.
    fn map<U>(&self, to: impl FnMut(&T) -> U) -> Vec<U> {
        self.items.iter().take(MOST_STATED).map(to).collect()
    }

    /// How many more there are than the annotation holds.
    fn unstated(&self) -> u64 {
        self.len().saturating_sub(MOST_STATED as u64)
    }
}

#[expect(private_bounds, reason = "only what is listed in a report is pushed")]
impl<T: Item> Listed<T> {
    pub(super) fn push(&mut self, item: T) {
        let text = self.text.saturating_add(item.text());
        // Once one was left out, all that follow are: the list has the first ones.
        if self.more > 0 || self.items.len() == MOST_LISTED || text > MOST_TEXT {
            self.more += 1;
            return;
        }
        self.text = text;
        self.items.push(item);
    }
}

impl Item for String {
    fn text(&self) -> usize {
        self.len()
    }
}

impl Item for DamagedRange {
    fn text(&self) -> usize {
        self.why.len()
    }
}

impl Item for LostEntry {
    fn text(&self) -> usize {
        self.path.len() + self.why.len()
    }
}

impl Item for LostRecords {
    fn text(&self) -> usize {
        self.stream.len() + self.why.len()
    }
}

impl Item for LostSchema {
    fn text(&self) -> usize {
        self.why.len()
    }
}

impl Item for KeptRecords {
    fn text(&self) -> usize {
        self.stream.len() + self.path.len()
    }
}

/// A range of the broken file that is damaged or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedRange {
    /// Where it begins.
    pub offset: u64,
    /// Bytes of it.
    pub length: u64,
    /// What is wrong with it.
    pub why: String,
}

/// An entry that is known to be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostEntry {
    /// Its path.
    pub path: String,
    /// What it was.
    pub kind: EntryKind,
    /// Bytes of its content.
    pub size: u64,
    /// Why it is lost.
    pub why: String,
}

/// Records that are known to be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostRecords {
    /// The stream they belong to.
    pub stream: String,
    /// The number of the first in the broken archive.
    pub first: u64,
    /// How many there are, where known.
    pub count: Option<u64>,
    /// Why they are lost.
    pub why: String,
}

/// A Schema that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostSchema {
    /// Its number in the broken archive.
    pub number: u32,
    /// Why it is lost.
    pub why: String,
}

/// Records whose Schema is lost, kept as a file of length-delimited messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptRecords {
    /// The stream they belong to.
    pub stream: String,
    /// The path of the file in the new archive.
    pub path: String,
    /// How many there are.
    pub records: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_bounded_in_number_and_text() {
        let mut facts = Listed::default();
        (0..MOST_LISTED + 5).for_each(|_| facts.push(String::new()));
        assert_eq!((facts.items.len(), facts.more), (MOST_LISTED, 5));

        let mut facts = Listed::default();
        let mebibyte = "x".repeat(1 << 20);
        (0..70).for_each(|_| facts.push(mebibyte.clone()));
        // What would still fit comes after something that is not there.
        facts.push("y".to_owned());
        assert_eq!((facts.items.len(), facts.more, facts.len()), (64, 7, 71));
    }
}
