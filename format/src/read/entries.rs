//! Going through the entry table.

use std::fmt;
use std::sync::Arc;

use super::archive::Archive;
use super::driver::{Driver, Listed};
use super::indexed::Indexed;
use crate::error::Result;
use crate::model::Entry;
use crate::parallel::OrderedPool;
use crate::v1::{AscendingPaths, Page, PathCheck, Placed, TableCheck};

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
    /// What the whole table must show, paths apart; `None` once it ended or failed.
    check: Option<TableCheck>,
    /// That the paths form a tree, as long as their order tells; `None` where they are held against each other instead.
    ascending: Option<AscendingPaths>,
    /// Whether nothing was read yet.
    begins: bool,
    page: std::vec::IntoIter<Placed>,
    next_page: usize,
    next_entry: u64,
    /// Pages that are read ahead, once somebody went on to the second, and how many there are before the next of them.
    ahead: Option<OrderedPool<usize, Result<Page>>>,
    submitted: usize,
    /// How many fields of the pages so far this version does not know.
    pub(crate) unknown_fields: u64,
}

impl Table {
    /// From the first entry on, with the reserved members if they are asked for.
    pub(crate) fn new(archive: &Arc<Indexed>, reserved: bool) -> Self {
        Self {
            archive: Arc::clone(archive),
            reserved,
            check: Some(TableCheck::of_known_paths(&archive.index, archive.schema_digests())),
            ascending: Some(AscendingPaths::default()),
            begins: true,
            page: Vec::new().into_iter(),
            next_page: 0,
            next_entry: 0,
            ahead: None,
            submitted: 0,
            unknown_fields: 0,
        }
    }

    /// Reads the Schemas that were declared late, so that their members can be held against them as well.
    fn know_schemas(&mut self) -> Result<()> {
        let inner = &self.archive;
        if !inner.index.late_schema_frames.is_empty() {
            (inner.index.first_late_schema()..inner.facts.schemas)
                .try_for_each(|number| inner.schema(number).map(drop))?;
            self.check = Some(TableCheck::of_known_paths(&inner.index, inner.schema_digests()));
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
            self.check.as_ref()?;
            let step = match self.page.next() {
                Some(placed) => self.check_entry(&placed).map(|()| Some(placed)),
                None if self.next_page < self.archive.index.pages.len() => self.take_page().map(|()| None),
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

    fn check_entry(&mut self, placed: &Placed) -> Result<()> {
        let Some(check) = &mut self.check else { return Ok(()) };
        // The paths of reserved members are counted out, and no other may be among them.
        if !placed.entry.kind.is_reserved()
            && let Some(ascending) = &mut self.ascending
            && !ascending.entry(&placed.entry)
        {
            self.ascending = None;
            check.know_paths(paths_before(&self.archive, self.next_entry)?);
        }
        check.entry(self.next_entry, placed)
    }

    /// Goes on to the next page.
    fn take_page(&mut self) -> Result<()> {
        let (number, pages) = (self.next_page, self.archive.index.pages.len());
        self.next_page += 1;
        let page = match &mut self.ahead {
            None if number == 0 => self.archive.decode_page(number)?,
            ahead => {
                let pool = ahead.get_or_insert_with(|| {
                    self.submitted = number;
                    let archive = Arc::clone(&self.archive);
                    OrderedPool::new(archive.options.threads.get(), move || {
                        let archive = Arc::clone(&archive);
                        move |page| archive.decode_page(page)
                    })
                });
                while self.submitted < pages && !pool.is_full() {
                    pool.submit(self.submitted);
                    self.submitted += 1;
                }
                pool.take().expect("a page was submitted")?
            }
        };
        self.unknown_fields += page.unknown_fields;
        self.page = page.entries.into_iter();
        Ok(())
    }
}

/// The paths of the first `count` entries.
fn paths_before(archive: &Indexed, count: u64) -> Result<PathCheck> {
    let (mut paths, mut left) = (PathCheck::default(), count);
    for number in 0..archive.index.pages.len() {
        for placed in archive.decode_page(number)?.entries {
            if left == 0 {
                return Ok(paths);
            }
            paths.entry(&placed.entry)?;
            left -= 1;
        }
    }
    Ok(paths)
}
