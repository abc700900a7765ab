//! `append`: more files and records for an archive.

use std::collections::HashSet;

use rosettar::error::code;
use rosettar::write::tree::TreeKind;
use rosettar::{Error, Result};

use super::making::{self, Counted, Given, Target};
use super::{Context, counted};
use crate::args::Append;
use crate::output::human;
use crate::ui::{Role, exit};

pub(super) fn run(context: &Context, args: &Append) -> Result<u8> {
    let output = args.output.as_deref().unwrap_or(&args.archive);
    let target = Target::new(output)?;
    let mut given = Given::new(context, &args.inputs, None, true, &[&args.archive, output], args.compression.threads)?;
    let file = context.lock(&args.archive)?;
    // What is wrong with the old archive is not wrong with the input.
    let archive = context.blaming(Role::Reads, || context.reading().open(file.clone()))?;
    given.open_records(context, Some(&archive))?;

    let progress = Counted::new();
    let total = given.size().map(|size| size.saturating_add(archive.facts().totals.tar_bytes));
    let watch = progress.watch(context, "appending", total.unwrap_or_default())?;
    let mut collisions = given.collisions();
    let paths: HashSet<&str> = given.tree.items.iter().map(|item| item.path.as_str()).collect();
    let mut replaced = 0u64;
    let keep = |entry: &rosettar::Entry| {
        let taken = paths.contains(entry.path.as_str());
        if taken && !args.replace {
            context.blame(Role::Makes);
            let message = "the archive has an entry with this path; --replace puts the new one in its place";
            return Err(Error::new(code::PATH_DUPLICATE, message).with_entry(entry.path.as_str()));
        }
        replaced += u64::from(taken);
        if let Some(collisions) = collisions.as_mut().filter(|_| !taken) {
            let is_directory = entry.kind == rosettar::EntryKind::Directory;
            context.blaming(Role::Makes, || collisions.add(&entry.path, entry.path.as_str(), is_directory))?;
        }
        Ok(!taken)
    };
    let _waiting = target.may_wait()?;
    let options = making::writing(context, &args.compression, &progress);
    let continuation = options.continue_from(&archive).source_file(&file).keep(keep);
    let mut writer = context.blaming(Role::Reads, || match target {
        Target::Stdout => continuation.write_to(making::stdout_sink()),
        Target::File(path) => continuation.create(path),
    })?;
    // The new ones were compared with each other; now they are with those that stay.
    if let Some(mut collisions) = collisions {
        given
            .tree
            .items
            .iter()
            .try_for_each(|item| collisions.add(&item.path, item.path.as_str(), item.kind == TreeKind::Directory))?;
    }
    let notes = given.add(context, &mut writer, &progress)?;
    let summary = writer.finish()?;
    drop(watch);
    context.warn_of_temporaries(output);
    let dropped = making::warn_of_dropped(context, &args.archive, &summary);
    if context.json {
        let mut object = making::summary_json(output, &summary);
        object["notes"] = making::notes_json(&notes).into();
        object["replaced"] = replaced.into();
        object["copied_bytes"] = summary.copied_bytes.into();
        object["dropped_fields"] = summary.dropped_fields.into();
        target.print(&object.to_string())?;
    } else if !context.quiet {
        let mut text = making::summary_text(output, &summary);
        text.push_str(&format!("\n  {} copied as they were", human::bytes(summary.copied_bytes)));
        if replaced > 0 {
            text.push_str(&format!(", {} replaced", counted(replaced, "entry", "entries")));
        }
        target.print(&text)?;
    }
    Ok(if dropped || making::has_skipped(&notes) { exit::FINDING } else { exit::DONE })
}
