//! Where lines go: what was asked for of them, and of those that are alike the first few.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Line, Space};
use crate::error::{Error, Result, code};

/// How many things that are alike are shown.
const ALIKE: u64 = 8;
/// How many things that are wrong, within one, are shown whatever they are.
const MOST_FAULTS: u64 = 100;

/// Takes lines in. An outermost line is begun, has its lines added, and is ended.
pub(super) struct Out<'a> {
    see: &'a mut dyn FnMut(Line) -> Result<()>,
    all: bool,
    at: Option<Range<u64>>,
    /// What the reader found, by the place in its list, in the order of offsets; and how many were placed.
    reader: Vec<(usize, &'a Error)>,
    placed: usize,
    unplaced: Vec<usize>,
    /// The lines of the outermost thing at hand, where it is not known yet whether it is to be shown.
    held: Vec<Line>,
    alike: Option<&'static str>,
    range: Range<u64>,
    /// The codes of what is wrong with it.
    found: BTreeSet<&'static str>,
    /// Whether what is not in the file itself is shown now.
    inner: bool,
    run: Run,
}

/// Outermost things that are alike and follow each other.
#[derive(Default)]
struct Run {
    kind: Option<&'static str>,
    shown: u64,
    /// Those that are not shown: where they begin, their bytes, how many they are.
    offset: u64,
    length: u64,
    more: u64,
    spec: &'static str,
}

/// Things of several kinds within one, of each of which the first few are shown.
#[derive(Default)]
pub(super) struct Group {
    counts: BTreeMap<String, u64>,
    faults: u64,
}

impl<'a> Out<'a> {
    pub(super) fn new(
        see: &'a mut dyn FnMut(Line) -> Result<()>,
        all: bool,
        at: Option<Range<u64>>,
        problems: &'a [Error],
    ) -> Self {
        let mut reader: Vec<_> = problems.iter().enumerate().collect();
        let unplaced = reader.extract_if(.., |(_, error)| error.offset().is_none()).map(|(number, _)| number).collect();
        reader.sort_by_key(|(_, error)| error.offset());
        Self {
            see,
            all,
            at,
            reader,
            placed: 0,
            unplaced,
            held: Vec::new(),
            alike: None,
            range: 0..0,
            found: BTreeSet::new(),
            inner: true,
            run: Run::default(),
        }
    }

    /// Begins an outermost thing; of those that are alike, only the first few are shown, unless something is wrong with
    /// them.
    pub(super) fn begin(&mut self, line: Line, alike: Option<&'static str>) -> Result<()> {
        debug_assert!(self.held.is_empty() && line.level == 0 && line.space == Space::File);
        self.range = line.offset..line.offset + line.length;
        self.alike = alike;
        self.found.clear();
        self.inner = true;
        self.add(line)
    }

    /// From now on what stands in `range` of the file is decoded, or spoken of.
    pub(super) fn enclose(&mut self, range: Range<u64>) {
        self.inner = self.at.as_ref().is_none_or(|at| range.start < at.end && at.start < range.end);
    }

    fn is_visible(&self, line: &Line) -> bool {
        let Some(at) = &self.at else { return true };
        match line.space {
            Space::File => line.offset < at.end && at.start < line.offset + line.length.max(1),
            _ => self.inner,
        }
    }

    /// Adds a line to the thing at hand.
    pub(super) fn add(&mut self, line: Line) -> Result<()> {
        // What is wrong with what is not shown counts as said: it was not asked for.
        self.found.extend(line.problems.iter().map(|problem| problem.code()));
        if !self.is_visible(&line) {
            return Ok(());
        }
        match self.all || self.alike.is_none() {
            true => {
                self.flush_run()?;
                (self.see)(line)
            }
            false => {
                self.held.push(line);
                Ok(())
            }
        }
    }

    /// Adds a line that is one of several alike, called `kind` in the plural.
    pub(super) fn add_to(&mut self, group: &mut Group, kind: &str, line: Line) -> Result<()> {
        if self.all {
            return self.add(line);
        }
        if !self.is_visible(&line) {
            self.found.extend(line.problems.iter().map(|problem| problem.code()));
            return Ok(());
        }
        if !line.problems.is_empty() && group.faults < MOST_FAULTS {
            group.faults += 1;
            return self.add(line);
        }
        match group.counts.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(group.counts.insert(kind.to_owned(), 1)),
        }
        if group.counts[kind] <= ALIKE { self.add(line) } else { Ok(()) }
    }

    /// Whether one of several things is shown in full, after so many others.
    pub(super) fn is_shown_in_full(&self, others: u64) -> bool {
        self.all || others < ALIKE
    }

    /// Whether a line that is added to the group, without a fault, would be shown; so that it need not be made.
    pub(super) fn shows(&self, group: &Group, kind: &str) -> bool {
        self.all || group.counts.get(kind).is_none_or(|count| *count < ALIKE)
    }

    /// Counts a thing of a group that [`shows`](Self::shows) says is not shown.
    pub(super) fn pass(&self, group: &mut Group, kind: &str) {
        if let Some(count) = group.counts.get_mut(kind) {
            *count += 1;
        }
    }

    /// Says how many of each kind were left out.
    pub(super) fn end_group(
        &mut self,
        group: Group,
        level: u32,
        space: Space,
        at: u64,
        spec: &'static str,
    ) -> Result<()> {
        for (kind, count) in group.counts {
            if let Some(more @ 1..) = count.checked_sub(ALIKE) {
                let mut line = Line::new(level, at, 0, kind, spec).space(space);
                line.more = more;
                self.add(line)?;
            }
        }
        Ok(())
    }

    /// Ends the thing at hand, with what the reader found in it and nothing on its lines says.
    pub(super) fn end(&mut self) -> Result<()> {
        // The reader may find the same more than once, such as the digests of several entries.
        let said = self.found.clone();
        while let Some(&(number, error)) = self.reader.get(self.placed) {
            let offset = error.offset().expect("only those that have one");
            if offset >= self.range.end {
                break;
            }
            self.placed += 1;
            if offset < self.range.start {
                self.unplaced.push(number);
            } else if !said.contains(error.code()) {
                let mut line = Line::new(1, offset, 0, "as the reader finds", "");
                line.problems.push(copy(error));
                self.add(line)?;
            }
        }
        let Some(kind) = self.alike.take() else { return Ok(()) };
        let lines = std::mem::take(&mut self.held);
        let Some(first) = lines.first() else { return Ok(()) };
        let run = &mut self.run;
        if run.kind != Some(kind) {
            self.flush_run()?;
            self.run = Run { kind: Some(kind), spec: first.spec, ..Run::default() };
        } else if self.found.is_empty() && run.shown >= ALIKE {
            if run.more == 0 {
                (run.offset, run.length) = (self.range.start, 0);
            }
            run.length += self.range.end - self.range.start;
            run.more += 1;
            return Ok(());
        } else if run.more > 0 {
            self.say_run()?;
        }
        self.run.shown += 1;
        lines.into_iter().try_for_each(|line| (self.see)(line))
    }

    /// The outermost line for those of the run that were not shown.
    fn say_run(&mut self) -> Result<()> {
        let run = &mut self.run;
        if run.more > 0 {
            let mut line = Line::new(0, run.offset, run.length, run.kind.unwrap_or_default(), run.spec);
            line.more = std::mem::take(&mut run.more);
            (self.see)(line)?;
        }
        Ok(())
    }

    fn flush_run(&mut self) -> Result<()> {
        self.say_run()?;
        self.run = Run::default();
        Ok(())
    }

    /// Ends the map; which of what the reader found is on no line.
    pub(super) fn finish(mut self) -> Result<Vec<usize>> {
        self.flush_run()?;
        self.unplaced.extend(self.reader[self.placed..].iter().map(|(number, _)| number));
        self.unplaced.sort_unstable();
        Ok(self.unplaced)
    }
}

/// The same error again.
pub(super) fn copy(error: &Error) -> Error {
    let code = code::ALL.iter().find(|code| error.is(**code)).expect("every error has one of the codes");
    let mut copy = Error::new(*code, error.message());
    if let Some(offset) = error.offset() {
        copy = copy.with_offset(offset);
    }
    match error.entry() {
        Some(entry) => copy.with_entry(entry),
        None => copy,
    }
}
