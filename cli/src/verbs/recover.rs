//! `recover`: what is whole of a broken archive, in a new one.

use std::io;
use std::path::Path;

use rosettar::error::code;
use rosettar::io::uninterrupted;
use rosettar::recover::{Listed, Losses};
use rosettar::{Error, Monitor, RecoverOptions, RecoverReport, Result, WriteOptions};
use serde_json::{Value, json};

use super::making::{self, Target};
use super::{Context, counted, json as shapes};
use crate::args::Recover;
use crate::output::human;
use crate::output::table::printable;
use crate::ui::exit;

pub(super) fn run(context: &Context, args: &Recover) -> Result<u8> {
    let target = Target::new(&args.output)?;
    if matches!(target, Target::File(_)) && is_same_file(&args.archive, &args.output)? {
        let message = "the new archive would replace the broken one: expected another name after -o";
        return Err(Error::new(code::USAGE_OPTION, message));
    }
    let monitor = Monitor::new();
    let watch = context.watch("recovering", &monitor)?;
    let source = context.open_bytes(&args.archive)?;
    let mut options = WriteOptions::new().level(args.level).limits(context.limits.for_writing());
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    let _waiting = target.may_wait()?;
    let writer = match target {
        Target::Stdout => options.write_to(making::stdout_sink())?,
        Target::File(path) => options.create(path)?,
    };
    let report = RecoverOptions::new().limits(context.limits.clone()).monitor(monitor).recover(source, writer)?;
    drop(watch);
    context.warn_of_temporaries(&args.output);
    if context.json {
        target.print(&object(args, &report).to_string())?;
    } else if !context.quiet {
        target.print(text(args, &report).trim_end())?;
    }
    Ok(if report.is_complete() { exit::DONE } else { exit::FINDING })
}

/// Whether both paths lead to one file that exists.
fn is_same_file(a: &Path, b: &Path) -> Result<bool> {
    Ok(matches!((identity(a)?, identity(b)?), (Some(a), Some(b)) if a == b))
}

/// What tells the file that `path` leads to from others; `None` where there is none.
fn identity(path: &Path) -> Result<Option<impl Eq + use<>>> {
    #[cfg(unix)]
    let look = || {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
    };
    #[cfg(not(unix))]
    let look = || path.canonicalize();
    match uninterrupted(look) {
        Ok(identity) => Ok(Some(identity)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io(code::IO_FILE, format_args!("cannot look at {}", path.display()), error)),
    }
}

/// The report for people: the verdict first, then what is salvaged, then what is lost.
fn text(args: &Recover, report: &RecoverReport) -> String {
    let losses = &report.losses;
    let (broken, new) = (args.archive.to_string_lossy(), args.output.to_string_lossy());
    let verdict = match (report.is_complete(), losses.damaged.is_empty()) {
        (true, true) => "nothing is lost",
        (true, false) => "it is damaged, but nothing of its content is lost",
        (false, _) => "something is lost",
    };
    let mut text = format!(
        "{}: {verdict}\n  salvaged to {}: {} ({}), {}\n",
        printable(&broken),
        printable(&new),
        counted(losses.entries, "entry", "entries"),
        human::bytes(losses.file_bytes),
        counted(losses.records, "record", "records"),
    );
    list(&mut text, &losses.damaged, "damaged ranges", |range| {
        let last = range.offset + range.length - 1;
        format!("damaged: bytes {} to {last}: {}", range.offset, range.why)
    });
    list(&mut text, &losses.lost_entries, "lost entries", |entry| {
        format!("lost: {} {} ({}): {}", entry.kind.as_str(), entry.path, human::bytes(entry.size), entry.why)
    });
    match losses.unknown_entries {
        Some(0) => {}
        Some(count) => {
            text.push_str(&format!("  lost: {} of unknown names\n", counted(count, "more entry", "more entries")));
        }
        None => text.push_str("  lost: all that followed, which nothing tells of\n"),
    }
    list(&mut text, &losses.lost_records, "ranges of lost records", |records| {
        let (stream, first) = (&records.stream, records.first);
        match records.count {
            Some(count) => format!(
                "lost: {} of {stream}, from number {first}: {}",
                counted(count, "record", "records"),
                records.why
            ),
            None => format!("lost: records of {stream}, from number {first}: {}", records.why),
        }
    });
    list(&mut text, &losses.lost_schemas, "lost Schemas", |schema| {
        format!("lost: Schema {}: {}", schema.number, schema.why)
    });
    list(&mut text, &losses.lost_facts, "lost facts", |fact| format!("lost: {fact}"));
    list(&mut text, &losses.kept_as_files, "files of records", |kept| {
        let records = counted(kept.records, "record", "records");
        format!("kept: {records} of {}, whose Schema is lost, as the file {}", kept.stream, kept.path)
    });
    text
}

/// Adds a line for each item, and one for those that are only counted.
fn list<T>(text: &mut String, listed: &Listed<T>, what: &str, show: impl Fn(&T) -> String) {
    for item in &listed.items {
        text.push_str(&format!("  {}\n", printable(&show(item))));
    }
    if listed.more > 0 {
        text.push_str(&format!("  and {} more {what}\n", human::count(listed.more)));
    }
}

fn object(args: &Recover, report: &RecoverReport) -> Value {
    let losses: &Losses = &report.losses;
    let damaged = losses.damaged.items.iter();
    let damaged = damaged.map(|range| json!({"offset": range.offset, "length": range.length, "why": range.why}));
    let entries =
        losses.lost_entries.items.iter().map(
            |entry| json!({"path": entry.path, "kind": entry.kind.as_str(), "size": entry.size, "why": entry.why}),
        );
    let records = losses.lost_records.items.iter().map(
        |records| json!({"stream": records.stream, "first": records.first, "count": records.count, "why": records.why}),
    );
    let schemas = losses.lost_schemas.items.iter();
    let schemas = schemas.map(|schema| json!({"number": schema.number, "why": schema.why}));
    let kept = losses.kept_as_files.items.iter();
    let kept = kept.map(|kept| json!({"stream": kept.stream, "path": kept.path, "records": kept.records}));
    json!({
        "archive": args.archive.to_string_lossy(),
        "output": args.output.to_string_lossy(),
        "complete": report.is_complete(),
        "size": report.summary.size,
        "root_digest": shapes::digest(&report.summary.root_digest),
        "content_digest": shapes::digest(&report.summary.content_digest),
        "source_size": losses.source_size,
        "by_index": losses.by_index,
        "chain_end": losses.chain_end,
        "entries": losses.entries,
        "file_bytes": losses.file_bytes,
        "records": losses.records,
        "damaged": damaged.collect::<Vec<_>>(),
        "more_damaged": losses.damaged.more,
        "lost_entries": entries.collect::<Vec<_>>(),
        "more_lost_entries": losses.lost_entries.more,
        "unknown_entries": losses.unknown_entries,
        "lost_records": records.collect::<Vec<_>>(),
        "more_lost_records": losses.lost_records.more,
        "lost_schemas": schemas.collect::<Vec<_>>(),
        "more_lost_schemas": losses.lost_schemas.more,
        "lost_facts": losses.lost_facts.items,
        "more_lost_facts": losses.lost_facts.more,
        "kept_as_files": kept.collect::<Vec<_>>(),
        "more_kept_as_files": losses.kept_as_files.more,
    })
}
