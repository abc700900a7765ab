//! `extract`: to a directory.

use std::path::{Path, PathBuf};

use rosettar::error::code;
use rosettar::model::Facts;
use rosettar::{Error, ExtractOptions, ExtractReport, Monitor, ReadOptions, Result};
use serde_json::json;

use super::input::{is_pipe, is_stdin};
use super::{Context, counted, done, line};
use crate::args::Extract;
use crate::output::human;
use crate::output::table::escape;
use crate::ui::{Stdout, exit};

pub(super) fn run(context: &Context, args: &Extract) -> Result<u8> {
    let target = match &args.directory {
        Some(directory) => directory.clone(),
        None => default_target(&args.archive)?,
    };
    let monitor = Monitor::new();
    let mut reading = context.reading().monitor(monitor.clone());
    if let Some(threads) = args.threads {
        reading = reading.threads(threads);
    }
    let mut options = ExtractOptions::new().links(args.links.into()).modes(args.modes.into()).sync(args.sync);
    options = options.names(args.names.into()).strip_components(args.strip_components);
    for glob in &args.globs {
        options = options.pattern(glob);
    }
    let (facts, report) = extract(context, args, &target, &options, reading, &monitor)?;
    for path in &report.skipped {
        context.warn(path, "is skipped: a symbolic link whose target is not inside the directory");
    }
    let mut out = Stdout::new();
    if context.json {
        let object = json!({
            "target": target.to_string_lossy(),
            "files": report.files,
            "directories": report.directories,
            "symlinks": report.symlinks,
            "bytes": report.bytes,
            "skipped": report.skipped,
        });
        line(&mut out, object)?;
    } else if !context.quiet {
        let text = format!(
            "extracted {} ({}), {} and {} to {}",
            counted(report.files, "file", "files"),
            human::bytes(report.bytes),
            counted(report.directories, "directory", "directories"),
            counted(report.symlinks, "link", "links"),
            escape(&target.to_string_lossy()),
        );
        line(&mut out, text)?;
        let records = facts.totals.records;
        if records > 0 {
            let records = counted(records, "record is", "records are");
            line(&mut out, format!("{records} not extracted: `rosettar records` prints them"))?;
        }
    }
    done(&mut out)?;
    Ok(if report.skipped.is_empty() { exit::DONE } else { exit::FINDING })
}

/// Extracts what comes through a pipe as it comes, and any other archive by its index.
fn extract(
    context: &Context,
    args: &Extract,
    target: &Path,
    options: &ExtractOptions,
    reading: ReadOptions,
    monitor: &Monitor,
) -> Result<(Facts, ExtractReport)> {
    if is_pipe(&args.archive)? {
        let _watch = context.watch("extracting", monitor);
        let (confirmed, report) = context.stream(&args.archive, reading)?.extract(target, options)?;
        return Ok((confirmed.facts().clone(), report));
    }
    let archive = context.open_with(&args.archive, reading)?;
    let _watch = context.watch("extracting", monitor);
    let report = archive.extract(target, options)?;
    Ok((archive.facts().clone(), report))
}

/// In the current directory, the archive's name without its suffix.
fn default_target(archive: &Path) -> Result<PathBuf> {
    if is_stdin(archive) {
        let message = "an archive from standard input has no name for a directory: name one with -C";
        return Err(Error::new(code::USAGE_TARGET, message));
    }
    match (archive.file_stem(), archive.extension()) {
        (Some(stem), Some(_)) => Ok(Path::new(".").join(stem)),
        _ => {
            let message = format!("{} has no suffix to leave off: name a directory with -C", archive.display());
            Err(Error::new(code::USAGE_TARGET, message))
        }
    }
}
