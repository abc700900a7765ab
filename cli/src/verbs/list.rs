//! `list`: entries, or streams.

use rosettar::model::{Entry, EntryKind};
use rosettar::{Result, Selection};

use super::{Context, bytes, done, info, json, line, provisional};
use crate::args::List;
use crate::output::human::{self, EntryType};
use crate::output::table::escape;
use crate::ui::Stdout;

pub(super) fn run(context: &Context, args: &List) -> Result<u8> {
    if args.provisional.provisional {
        return provisional::list(context, args);
    }
    let mut selection = Selection::new(&args.globs)?;
    let archive = context.open(&args.archive)?;
    let mut out = Stdout::new();
    if args.streams {
        if context.json {
            archive.streams().iter().try_for_each(|stream| line(&mut out, json::stream(stream)))?;
        } else {
            bytes(&mut out, info::streams(archive.streams()).as_bytes())?;
        }
        return done(&mut out);
    }
    let totals = &archive.facts().totals;
    // No size has more digits than their sum, so nothing need be held back to align them.
    let width = if args.all { totals.tar_bytes } else { totals.file_bytes }.to_string().len();
    let entries = if args.all { archive.all_entries() } else { archive.entries() };
    for entry in entries {
        context.interrupt.check()?;
        let entry = entry?;
        if !selection.matches(entry.path.as_str()) {
            continue;
        }
        match context.json {
            true => line(&mut out, json::entry(&entry))?,
            false => line(&mut out, text(&entry, width))?,
        }
    }
    // What matched is printed, whatever did not.
    done(&mut out)?;
    selection.finish()?;
    Ok(crate::ui::exit::DONE)
}

/// An entry as people read it, its size in `width` columns.
pub(super) fn text(entry: &Entry, width: usize) -> String {
    let kind = match entry.kind {
        EntryKind::Directory => EntryType::Directory,
        EntryKind::Symlink => EntryType::Link,
        _ => EntryType::File,
    };
    let mode = human::mode(kind, u32::from(entry.mode));
    let time = human::utc(entry.mtime.seconds);
    let mut text = format!("{mode}  {:>width$}  {time:>20}  {}", entry.size, escape(entry.path.as_str()));
    if let Some(target) = &entry.target {
        text.push_str(" -> ");
        text.push_str(&escape(target.as_str()));
    }
    text
}
