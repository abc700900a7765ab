//! `remove`: an archive without some of its entries.

use rosettar::{EntryKind, Result, Selection};
use serde_json::{Value, json};

use super::making::{self, Counted, Target};
use super::{Context, counted, done, line};
use crate::args::Remove;
use crate::output::human;
use crate::output::table::escape;
use crate::ui::{Stdout, exit};

/// What is removed.
#[derive(Default)]
struct Removed {
    paths: Vec<String>,
    files: u64,
    bytes: u64,
    directories: u64,
    links: u64,
}

pub(super) fn run(context: &Context, args: &Remove) -> Result<u8> {
    let output = args.output.as_deref().unwrap_or(&args.archive);
    let target = if args.dry_run { Target::File(output) } else { Target::new(output)? };
    let mut selection = Selection::new(&args.globs)?;
    let file = context.lock(&args.archive)?;
    let archive = context.reading().open(file.clone())?;
    // First what is meant, so that a pattern that matches nothing is found before anything is written.
    let mut removed = Removed::default();
    for entry in archive.entries() {
        let entry = entry?;
        context.interrupt.check()?;
        if !selection.matches(entry.path.as_str()) {
            continue;
        }
        match entry.kind {
            EntryKind::Directory => removed.directories += 1,
            EntryKind::Symlink => removed.links += 1,
            _ => (removed.files, removed.bytes) = (removed.files + 1, removed.bytes + entry.size),
        }
        removed.paths.push(entry.path.as_str().to_owned());
    }
    selection.finish()?;
    if args.dry_run {
        return dry_run(context, args, &removed);
    }

    let _waiting = target.may_wait()?;
    let progress = Counted::new();
    let watch = progress.watch(context, "removing", archive.facts().totals.tar_bytes)?;
    let options = making::writing(context, &args.compression, &progress);
    let keep = |entry: &rosettar::Entry| Ok(!selection.matches(entry.path.as_str()));
    let continuation = options.continue_from(&archive).source_file(&file).keep(keep);
    let writer = match target {
        Target::Stdout => continuation.write_to(making::stdout_sink())?,
        Target::File(path) => continuation.create(path)?,
    };
    let summary = writer.finish()?;
    drop(watch);
    context.warn_of_temporaries(output);
    let dropped = making::warn_of_dropped(context, &args.archive, &summary);
    if context.json {
        let mut object = making::summary_json(output, &summary);
        object["removed"] = removed.paths.into();
        object["dry_run"] = false.into();
        object["copied_bytes"] = summary.copied_bytes.into();
        object["dropped_fields"] = summary.dropped_fields.into();
        target.print(&object.to_string())?;
    } else if !context.quiet {
        let text = making::summary_text(output, &summary);
        target.print(&format!("removed {}\n{text}", removed.text()))?;
    }
    Ok(if dropped { exit::FINDING } else { exit::DONE })
}

fn dry_run(context: &Context, args: &Remove, removed: &Removed) -> Result<u8> {
    let mut out = Stdout::new();
    if context.json {
        let mut object = json!({
            "archive": args.archive.to_string_lossy(),
            "removed": removed.paths,
            "dry_run": true,
            "copied_bytes": 0,
            "dropped_fields": 0,
        });
        for key in ["size", "ratio", "root_digest", "content_digest", "totals", "streams"] {
            object[key] = Value::Null;
        }
        line(&mut out, object)?;
    } else {
        removed.paths.iter().try_for_each(|path| line(&mut out, escape(path)))?;
        if !context.quiet {
            line(&mut out, format!("would remove {}", removed.text()))?;
        }
    }
    done(&mut out)
}

impl Removed {
    fn text(&self) -> String {
        format!(
            "{} ({}), {} and {}",
            counted(self.files, "file", "files"),
            human::bytes(self.bytes),
            counted(self.directories, "directory", "directories"),
            counted(self.links, "link", "links"),
        )
    }
}
