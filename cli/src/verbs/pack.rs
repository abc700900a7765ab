//! `pack`: an archive of files and records.

use std::path::Path;

use rosettar::{Error, Result};

use super::Context;
use super::making::{self, Counted, Given, Target};
use crate::args::Pack;
use crate::ui::exit;

pub(super) fn run(context: &Context, args: &Pack) -> Result<u8> {
    let target = Target::new(&args.output)?;
    let mut given =
        Given::new(context, &args.inputs, args.created.as_deref(), false, &[&args.output], args.compression.threads)?;
    given.open_records(context, None)?;
    let progress = Counted::new();
    let mut options = making::writing(context, &args.compression, &progress);
    if let Some(created) = given.created() {
        options = options.created(created);
    }
    if let Some(bytes) = args.flush_every {
        options = options.flush_every(bytes as u64);
    }
    let _waiting = target.may_wait()?;
    let mut writer = match target {
        Target::Stdout => options.write_to(making::stdout_sink())?,
        Target::File(path) => options.create(path)?,
    };
    let watch = progress.watch(context, "packing", given.size().unwrap_or_default())?;
    let partial = writer.partial_path().map(Path::to_owned);
    let packed = given.add(context, &mut writer, &progress).and_then(|notes| Ok((notes, writer.finish()?)));
    drop(watch);
    let (notes, summary) = packed.map_err(|error| with_partial(context.or_interrupted(error), partial.as_deref()))?;
    context.warn_of_temporaries(&args.output);
    if context.json {
        let mut object = making::summary_json(&args.output, &summary);
        object["notes"] = making::notes_json(&notes).into();
        target.print(&object.to_string())?;
    } else if !context.quiet {
        target.print(&making::summary_text(&args.output, &summary))?;
    }
    Ok(if making::has_skipped(&notes) { exit::FINDING } else { exit::DONE })
}

/// An error with the file that it leaves, unless it names that already.
fn with_partial(error: Error, partial: Option<&Path>) -> Error {
    match partial.map(|partial| (partial, partial.display().to_string())) {
        Some((partial, shown)) if partial.exists() && !error.message().contains(&shown) => {
            error.with_note(format_args!("what was flushed is in {shown}, and `rosettar recover` salvages it"))
        }
        _ => error,
    }
}
