//! Which entries are extracted, and where to: decided entry by entry, in tar order, from the entry alone.

use super::ExtractOptions;
use crate::error::{Error, Result, code};
use crate::io::{Links, names};
use crate::model::Entry;
use crate::path::EntryPath;
use crate::select::Selection;

/// The decisions that the options leave, and what they depend on.
pub(super) struct Policy<'a> {
    options: &'a ExtractOptions,
    selection: Selection,
}

impl<'a> Policy<'a> {
    /// # Errors
    /// `usage.option` for a pattern that is no glob.
    pub(super) fn new(options: &'a ExtractOptions) -> Result<Self> {
        Ok(Self { options, selection: Selection::new(&options.patterns)? })
    }

    /// What becomes of an entry, with everything that may be wrong with that. Each is asked for once, in tar order.
    ///
    /// # Errors
    /// `policy.link`, `policy.name`.
    pub(super) fn decide(&mut self, entry: &Entry) -> Result<Decision> {
        let decision = self.place(entry);
        let Decision::Extract(path) = &decision else { return Ok(decision) };
        if let Some(target) = &entry.target
            && self.options.links == Links::Refuse
            && !target.is_inside(path)
        {
            let message = format!(
                "a symbolic link to {:?}, which is not inside the target directory: skip such links, or keep them (`--links skip`, `--links keep`)",
                target.as_str()
            );
            return Err(Error::new(code::POLICY_LINK, message).with_entry(entry.path.as_str()));
        }
        if cfg!(windows)
            && let Some(reason) = path.components().find_map(names::unportable)
        {
            return Err(Error::new(code::POLICY_NAME, format!("this system cannot hold the name: {reason}"))
                .with_entry(entry.path.as_str()));
        }
        Ok(decision)
    }

    /// What becomes of an entry, as far as it and the options alone say.
    pub(super) fn place(&mut self, entry: &Entry) -> Decision {
        if entry.kind.is_reserved() || !self.selection.matches(entry.path.as_str()) {
            return Decision::NotChosen;
        }
        let path = entry.path.clone();
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
    /// It is a link that is not inside, and [`Links::Skip`] is set.
    SkippedLink,
}
