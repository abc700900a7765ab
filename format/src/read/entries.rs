//! Going through the entry table.

use std::fmt;
use std::sync::Arc;

use super::archive::Archive;
use super::driver::{Driver, Listed};
use super::indexed::Indexed;
use crate::error::Result;
use crate::model::Entry;
use crate::v1::{Placed, TableCheck};

/// The entries of an archive, in tar order; made by [`Archive::entries`]. After an error it ends.
pub struct Entries(Source);

enum Source {
    Table(Box<Table>),
    List(Arc<dyn Listed>, usize),
}

impl Entries {
    pub(super) fn new(archive: &Archive, reserved: bool) -> Self {
        Self(match &archive.driver {
            Driver::Indexed(archive) => Source::Table(Box::new(Table::new(archive, reserved))),
            // No other format has reserved members.
            Driver::Listed(archive) => Source::List(Arc::clone(archive), 0),
        })
    }
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        match &mut self.0 {
            Source::Table(table) => Some(table.next_placed()?.map(|placed| placed.entry)),
            Source::List(archive, next) => {
                let entry = archive.entries().get(*next)?.clone();
                *next += 1;
                Some(Ok(entry))
            }
        }
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next_entry = match &self.0 {
            Source::Table(table) => table.next_entry,
            Source::List(_, next) => *next as u64,
        };
        f.debug_struct("Entries").field("next_entry", &next_entry).finish_non_exhaustive()
    }
}

/// The entries of an entry table with their places, in tar order. After an error it ends.
pub(crate) struct Table {
    archive: Arc<Indexed>,
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

impl Table {
    /// From the first entry on, with the reserved members if they are asked for.
    pub(crate) fn new(archive: &Arc<Indexed>, reserved: bool) -> Self {
        let check = TableCheck::new(&archive.index, archive.schema_digests());
        Self {
            archive: Arc::clone(archive),
            reserved,
            check: Some(check),
            begins: true,
            page: Vec::new().into_iter(),
            next_page: 0,
            next_entry: 0,
            unknown_fields: 0,
        }
    }

    /// Reads the Schemas that were declared late, so that their members can be held against them as well.
    fn know_schemas(&mut self) -> Result<()> {
        let inner = &self.archive;
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
                None if self.next_page < self.archive.index.pages.len() => {
                    let page = self.archive.decode_page(self.next_page);
                    self.next_page += 1;
                    page.map(|page| {
                        self.unknown_fields += page.unknown_fields;
                        self.page = page.entries.into_iter();
                        None
                    })
                }
                None => {
                    let inner = &self.archive;
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
