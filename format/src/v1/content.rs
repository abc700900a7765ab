//! The content digest (FORMAT.md, "Content digest").

use std::collections::BTreeMap;

use crate::digest::{Digest, Hasher};
use crate::model::{Annotation, Entry, EntryKind, StreamInfo};

const CONTEXT: &[u8] = b"rosettar.content.v1\n";

/// Computes the content digest of an archive whose user entries come page by page.
pub(crate) struct ContentHasher {
    hasher: Hasher,
    /// Rows that may have to be sorted with those of other pages; `None` where pages ascend.
    rows: Option<Rows>,
}

impl ContentHasher {
    /// For an archive of `user_entries` entries. Where the paths of every page come after those of the page before
    /// (`pages_ascend`), one page is held in memory; otherwise all of them.
    pub(crate) fn new(user_entries: u64, pages_ascend: bool) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(CONTEXT);
        hasher.update(&(user_entries as u32).to_le_bytes());
        Self { hasher, rows: (!pages_ascend).then(Rows::default) }
    }

    /// Takes in the entries of the next page; reserved members are passed over.
    pub(crate) fn page<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        let entries = entries.filter(|entry| !entry.kind.is_reserved());
        match &mut self.rows {
            Some(rows) => entries.for_each(|entry| rows.push(entry)),
            None => {
                let mut rows = Rows::default();
                entries.for_each(|entry| rows.push(entry));
                rows.put_sorted(&mut self.hasher);
            }
        }
    }

    /// Takes in all that is not an entry, and yields the digest.
    pub(crate) fn finish(
        mut self,
        streams: &[StreamInfo],
        attributes: &BTreeMap<String, String>,
        annotations: &[Annotation],
    ) -> Digest {
        if let Some(rows) = self.rows {
            rows.put_sorted(&mut self.hasher);
        }
        let hasher = &mut self.hasher;
        let mut sorted: Vec<&StreamInfo> = streams.iter().collect();
        sorted.sort_by_key(|stream| stream.name());
        put_count(hasher, sorted.len());
        for stream in sorted {
            put_text(hasher, stream.name());
            put_text(hasher, stream.type_name());
            hasher.update(&stream.records.to_le_bytes());
            hasher.update(&stream.digest.0);
        }
        put_count(hasher, attributes.len());
        for (key, value) in attributes {
            put_text(hasher, key);
            put_text(hasher, value);
        }
        put_count(hasher, annotations.len());
        for annotation in annotations {
            put_text(hasher, &annotation.type_url);
            hasher.update(&Digest::of(&annotation.value).0);
        }
        self.hasher.finish()
    }
}

/// What is digested of entries, one after the other without a gap: there may be a million.
#[derive(Default)]
struct Rows {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Rows {
    fn push(&mut self, entry: &Entry) {
        self.starts.push(self.bytes.len());
        let kind = match entry.kind {
            EntryKind::File => 1,
            EntryKind::Directory => 2,
            _ => 3,
        };
        self.text(entry.path.as_str());
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&entry.mode.to_le_bytes());
        self.bytes.extend_from_slice(&entry.size.to_le_bytes());
        self.text(entry.target.as_ref().map_or("", |target| target.as_str()));
        self.bytes.extend_from_slice(&entry.digest.0);
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// The path that the row at `start` begins with.
    fn path(&self, start: usize) -> &[u8] {
        let (len, rest) = self.bytes[start..].split_first_chunk().expect("a row begins with a length");
        &rest[..u32::from_le_bytes(*len) as usize]
    }

    /// Digests the rows in the order of their paths.
    fn put_sorted(mut self, hasher: &mut Hasher) {
        let mut order: Vec<(usize, usize)> = Vec::with_capacity(self.starts.len());
        let starts = std::mem::take(&mut self.starts);
        let ends = starts.iter().skip(1).copied().chain([self.bytes.len()]);
        order.extend(starts.iter().copied().zip(ends));
        order.sort_unstable_by(|a, b| self.path(a.0).cmp(self.path(b.0)));
        order.into_iter().for_each(|(start, end)| hasher.update(&self.bytes[start..end]));
    }
}

fn put_count(hasher: &mut Hasher, count: usize) {
    hasher.update(&(count as u32).to_le_bytes());
}

fn put_text(hasher: &mut Hasher, text: &str) {
    put_count(hasher, text.len());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mtime;
    use crate::path::EntryPath;

    /// The bytes that FORMAT.md lists, for an archive with nothing inside.
    #[test]
    fn of_nothing() {
        let expected = Digest::of(b"rosettar.content.v1\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        let found = ContentHasher::new(0, true).finish(&[], &BTreeMap::new(), &[]);
        assert_eq!(found, expected);
    }

    #[test]
    fn order_of_entries_and_pages_does_not_matter() {
        let entry = |path: &str| Entry::directory(EntryPath::new(path).unwrap(), 0o755, Mtime::default());
        let [a, b, c] = ["a", "b", "c"].map(entry);
        let of = |pages: &[&[&Entry]], ascend: bool| {
            let mut hasher = ContentHasher::new(3, ascend);
            pages.iter().for_each(|page| hasher.page(page.iter().copied()));
            hasher.finish(&[], &BTreeMap::new(), &[])
        };
        let expected = of(&[&[&a, &b, &c]], true);
        assert_eq!(of(&[&[&b, &a], &[&c]], true), expected);
        assert_eq!(of(&[&[&c], &[&b, &a]], false), expected);
        assert_ne!(of(&[&[&c], &[&b, &a]], true), expected);
    }
}
