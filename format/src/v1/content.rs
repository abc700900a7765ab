//! The content digest (FORMAT.md, "Content digest").

use std::collections::BTreeMap;

use crate::digest::{Digest, Hasher};
use crate::model::{Annotation, Entry, EntryKind, StreamInfo};

const CONTEXT: &[u8] = b"rosettar.content.v1\n";

/// Computes the content digest of an archive whose user entries come page by page.
pub(crate) struct ContentHasher {
    hasher: Hasher,
    /// Rows that may have to be sorted with those of other pages; `None` where pages ascend.
    rows: Option<Vec<(String, Vec<u8>)>>,
}

impl ContentHasher {
    /// For an archive of `user_entries` entries. Where the paths of every page come after those of the page before
    /// (`pages_ascend`), one page is held in memory; otherwise all of them.
    pub(crate) fn new(user_entries: u64, pages_ascend: bool) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(CONTEXT);
        hasher.update(&(user_entries as u32).to_le_bytes());
        Self { hasher, rows: (!pages_ascend).then(Vec::new) }
    }

    /// Takes in the entries of the next page; reserved members are passed over.
    pub(crate) fn page<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        let rows =
            entries.filter(|entry| !entry.kind.is_reserved()).map(|entry| (entry.path.as_str().to_owned(), row(entry)));
        match &mut self.rows {
            Some(all) => all.extend(rows),
            None => put_sorted(&mut self.hasher, rows.collect()),
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
            put_sorted(&mut self.hasher, rows);
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

fn put_sorted(hasher: &mut Hasher, mut rows: Vec<(String, Vec<u8>)>) {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.iter().for_each(|(_, row)| hasher.update(row));
}

fn row(entry: &Entry) -> Vec<u8> {
    let kind = match entry.kind {
        EntryKind::File => 1,
        EntryKind::Directory => 2,
        _ => 3,
    };
    let target = entry.target.as_ref().map_or("", |target| target.as_str());
    let mut row = Vec::with_capacity(entry.path.as_str().len() + target.len() + 51);
    let text = |row: &mut Vec<u8>, text: &str| {
        row.extend_from_slice(&(text.len() as u32).to_le_bytes());
        row.extend_from_slice(text.as_bytes());
    };
    text(&mut row, entry.path.as_str());
    row.push(kind);
    row.extend_from_slice(&entry.mode.to_le_bytes());
    row.extend_from_slice(&entry.size.to_le_bytes());
    text(&mut row, target);
    row.extend_from_slice(&entry.digest.0);
    row
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
