//! Going through the entry table.

use std::fmt;

use super::archive::Archive;
use crate::error::Result;
use crate::model::Entry;
use crate::v1::{Placed, TableCheck};

/// The entries of an archive, in tar order; made by [`Archive::entries`]. After an error it ends.
pub struct Entries {
    archive: Archive,
    reserved: bool,
    /// What the whole table must show; `None` once it ended or failed.
    check: Option<TableCheck>,
    /// Whether nothing was read yet.
    begins: bool,
    page: std::vec::IntoIter<Placed>,
    next_page: usize,
    next_entry: u64,
    /// How many fields of the pages so far this version does not know.
    pub(crate) unknown_fields: u64,
}

impl Entries {
    pub(super) fn new(archive: &Archive, reserved: bool) -> Self {
        let inner = &archive.inner;
        let check = TableCheck::new(&inner.index, inner.schema_digests());
        let page = Vec::new().into_iter();
        Self {
            archive: archive.clone(),
            reserved,
            check: Some(check),
            begins: true,
            page,
            next_page: 0,
            next_entry: 0,
            unknown_fields: 0,
        }
    }

    /// Reads the Schemas that were declared late, so that their members can be held against them as well.
    fn know_schemas(&mut self) -> Result<()> {
        let inner = &self.archive.inner;
        if !inner.index.late_schema_frames.is_empty() {
            (inner.index.first_late_schema()..inner.facts.schemas)
                .try_for_each(|number| inner.schema(number).map(drop))?;
            self.check = Some(TableCheck::new(&inner.index, inner.schema_digests()));
        }
        Ok(())
    }

    /// The next entry with its place.
    pub(crate) fn next_placed(&mut self) -> Option<Result<Placed>> {
        if std::mem::replace(&mut self.begins, false)
            && let Err(error) = self.know_schemas()
        {
            self.check = None;
            return Some(Err(error));
        }
        loop {
            let check = self.check.as_mut()?;
            let step = match self.page.next() {
                Some(placed) => check.entry(self.next_entry, &placed).map(|()| Some(placed)),
                None if self.next_page < self.archive.inner.index.pages.len() => {
                    let page = self.archive.inner.decode_page(self.next_page);
                    self.next_page += 1;
                    page.map(|page| {
                        self.unknown_fields += page.unknown_fields;
                        self.page = page.entries.into_iter();
                        None
                    })
                }
                None => {
                    let inner = &self.archive.inner;
                    let ended = self.check.take()?.finish(&inner.index).and_then(|()| inner.check_tar_end());
                    return ended.err().map(Err);
                }
            };
            match step {
                Err(error) => {
                    self.check = None;
                    return Some(Err(error));
                }
                Ok(None) => {}
                Ok(Some(placed)) => {
                    self.next_entry += 1;
                    if self.reserved || !placed.entry.kind.is_reserved() {
                        return Some(Ok(placed));
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("next_entry", &self.next_entry).finish_non_exhaustive()
    }
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        Some(self.next_placed()?.map(|placed| placed.entry))
    }
}
