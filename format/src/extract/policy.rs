//! Which entries are extracted, and where to: decided entry by entry, in tar order, from the entry alone.

use std::collections::HashSet;

use super::ExtractOptions;
use crate::error::{Error, Result, code};
use crate::io::collisions::{Collisions, check_portable};
use crate::io::{Links, Names};
use crate::model::{Entry, EntryKind};
use crate::path::EntryPath;
use crate::select::Selection;

/// The decisions that the options leave, and what they depend on.
pub(super) struct Policy<'a> {
    options: &'a ExtractOptions,
    selection: Selection,
    excluded: Option<Selection>,
    /// Where an archive's own rules do not keep two entries apart.
    collisions: Option<Collisions>,
    /// The names of files that the caller makes, as the names of entries are compared with them.
    beside: HashSet<String>,
}

impl<'a> Policy<'a> {
    /// # Errors
    /// `usage.option` for a pattern that is no glob; `policy.name`.
    pub(super) fn new(options: &'a ExtractOptions, folds_names: bool) -> Result<Self> {
        let selection = Selection::new(&options.patterns)?;
        // One without patterns would match everything.
        let excluded = (!options.excludes.is_empty()).then(|| Selection::new(&options.excludes)).transpose()?;
        // Where the file system folds names, two directories would silently become one.
        let collisions = match folds_names {
            true => Some(Collisions::on_folding_file_system(options.names)),
            false => (options.names == Names::Portable || options.strip_components > 0)
                .then(|| Collisions::new(options.names)),
        };
        for name in &options.beside {
            if options.names == Names::Portable || cfg!(windows) {
                check_portable(name)?;
            }
        }
        let beside = options.beside.iter().filter_map(|name| name.components().next());
        let beside = beside.map(|name| options.names.key(name)).collect();
        Ok(Self { options, selection, excluded, collisions, beside })
    }

    /// What becomes of an entry, with everything that may be wrong with that. Each is asked for once, in tar order.
    ///
    /// # Errors
    /// `policy.link`, `policy.name`.
    pub(super) fn decide(&mut self, entry: &Entry) -> Result<Decision> {
        let decision = self.place(entry);
        let Decision::Extract(path) = &decision else { return Ok(decision) };
        let source = entry.path.as_str();
        if let Some(target) = &entry.target
            && self.options.links == Links::Refuse
            && !target.is_inside(path)
        {
            let place = if path == &entry.path { String::new() } else { format!(" once it is {:?}", path.as_str()) };
            let message = format!(
                "a symbolic link to {:?}, which is not inside the target directory{place}: skip such links, or keep them (`links = skip`, `links = keep`)",
                target.as_str()
            );
            return Err(Error::new(code::POLICY_LINK, message).with_entry(source));
        }
        if cfg!(windows) {
            check_portable(path).map_err(|error| error.with_entry(source))?;
        }
        if !self.beside.is_empty()
            && let Some(top) = path.components().next()
            && self.beside.contains(&self.options.names.key(top))
        {
            let message = format!(
                "{top:?} is to be the name of a file of records: leave the entry out (`exclude`), or extract those elsewhere"
            );
            return Err(Error::new(code::POLICY_NAME, message).with_entry(source));
        }
        if let Some(collisions) = &mut self.collisions {
            collisions.add(path, source, entry.kind == EntryKind::Directory)?;
        }
        Ok(decision)
    }

    /// What becomes of an entry, as far as it and the options alone say.
    pub(super) fn place(&mut self, entry: &Entry) -> Decision {
        let source = entry.path.as_str();
        let excluded = self.excluded.as_mut().is_some_and(|excluded| excluded.matches(source));
        // What is left out was matched all the same.
        if entry.kind.is_reserved() || !self.selection.matches(source) || excluded {
            return Decision::NotChosen;
        }
        let Some(path) = entry.path.without_leading(self.options.strip_components) else { return Decision::Stripped };
        match &entry.target {
            Some(target) if self.options.links == Links::Skip && !target.is_inside(&path) => Decision::SkippedLink,
            _ => Decision::Extract(path),
        }
    }

    /// To be called after the last entry.
    ///
    /// # Errors
    /// `usage.no-such-entry` where a pattern matched nothing.
    pub(super) fn finish(&self) -> Result<()> {
        self.selection.finish()
    }
}

/// What becomes of an entry.
pub(super) enum Decision {
    /// It is extracted, to this path.
    Extract(EntryPath),
    /// It is a reserved member, or matches no pattern.
    NotChosen,
    /// Nothing is left of its path.
    Stripped,
    /// It is a link that is not inside, and [`Links::Skip`] is set.
    SkippedLink,
}
