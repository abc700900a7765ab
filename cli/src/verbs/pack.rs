//! `pack`: an archive of files and records.

use rosettar::Result;

use super::Context;
use super::making::{self, Counted, Given, Target};
use crate::args::Pack;
use crate::ui::exit;

pub(super) fn run(context: &Context, args: &Pack) -> Result<u8> {
    let target = Target::new(&args.output)?;
    let mut given = Given::new(context, &args.inputs, args.created.as_deref(), false, &[&args.output])?;
    given.open_records(context, None)?;
    let progress = Counted::new();
    let mut options = making::writing(context, &args.compression, &progress);
    if let Some(created) = given.created() {
        options = options.created(created);
    }
    if let Some(bytes) = args.flush_every {
        options = options.flush_every(bytes as u64);
    }
    let mut writer = match target {
        Target::Stdout => options.write_to(making::stdout_sink())?,
        Target::File(path) => options.create(path)?,
    };
    let watch = progress.watch(context, "packing", given.size().unwrap_or_default());
    let notes = given.add(context, &mut writer, &progress)?;
    let summary = writer.finish()?;
    drop(watch);
    if context.json {
        let mut object = making::summary_json(&args.output, &summary);
        object["notes"] = making::notes_json(&notes).into();
        target.print(&object.to_string())?;
    } else if !context.quiet {
        target.print(&making::summary_text(&args.output, &summary))?;
    }
    Ok(if making::has_skipped(&notes) { exit::FINDING } else { exit::DONE })
}
