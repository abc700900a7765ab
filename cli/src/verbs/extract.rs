//! `extract`: to a directory.

use std::cell::Cell;
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use rosettar::error::code;
use rosettar::io::uninterrupted;
use rosettar::io::{Overwrite, Sandbox};
use rosettar::model::{Facts, Mtime};
use rosettar::{Archive, EntryPath, Error, ExtractOptions, ExtractReport, Monitor, ReadOptions, Result};
use serde_json::json;

use super::input::{Piped, is_pipe, is_stdin};
use super::{Context, counted, done, line, records};
use crate::args::{Extract, RecordFiles};
use crate::output::table::printable;
use crate::output::{Options, RecordWriter, human};
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
    let Extracted { facts, report, files } = extract(context, args, &target, reading, &monitor)?;
    warn(context, &report);
    let mut out = Stdout::new();
    if context.json {
        line(&mut out, object(&target, &report, &files))?;
    } else if !context.quiet {
        print(&mut out, &target, &report, &files)?;
        let records = facts.totals.records;
        if records > 0 && args.records.is_none() {
            let records = counted(records, "record is", "records are");
            line(
                &mut out,
                format!("{records} not extracted: `rosettar records` prints them, `--records` extracts them"),
            )?;
        }
    }
    done(&mut out)?;
    let complete = report.skipped.is_empty() && report.kept.is_empty() && report.stripped == 0;
    Ok(if complete { exit::DONE } else { exit::FINDING })
}

/// What the command line asks of the extraction of files.
fn options(args: &Extract) -> ExtractOptions {
    let mut options = ExtractOptions::new()
        .links(args.links.into())
        .names(args.names.into())
        .strip_components(args.strip_components)
        .modes(args.modes.into())
        .sync(args.sync);
    if args.merge {
        options = options.merge(args.overwrite.map_or(Overwrite::Refuse, Into::into));
    }
    options = args.exclude.iter().fold(options, ExtractOptions::exclude);
    args.globs.iter().fold(options, ExtractOptions::pattern)
}

/// What was extracted.
struct Extracted {
    facts: Facts,
    report: ExtractReport,
    files: Vec<RecordFile>,
}

/// Extracts what comes through a pipe as it comes, and any other archive by its index. Records as files take the index, so
/// for them an archive from a pipe is spooled.
fn extract(
    context: &Context,
    args: &Extract,
    target: &Path,
    reading: ReadOptions,
    monitor: &Monitor,
) -> Result<Extracted> {
    let options = options(args);
    let Some(format) = args.records else {
        if is_pipe(&args.archive)? {
            let _watch = context.watch("extracting", monitor)?;
            let (facts, report) = match context.piped(&args.archive, reading)? {
                Piped::Stream(stream) => {
                    let (confirmed, report) = stream.extract(target, &options)?;
                    (confirmed.facts().clone(), report)
                }
                Piped::Spooled(archive) => (archive.facts().clone(), archive.extract(target, &options)?),
            };
            return Ok(Extracted { facts, report, files: Vec::new() });
        }
        let archive = context.open_with(&args.archive, reading)?;
        let _watch = context.watch("extracting", monitor)?;
        let report = archive.extract(target, &options)?;
        return Ok(Extracted { facts: archive.facts().clone(), report, files: Vec::new() });
    };
    let archive = context.open_with(&args.archive, reading)?;
    let files = RecordFile::all(&archive, format)?;
    let options = files.iter().fold(options, |options, file| options.beside(file.name.clone()));
    let mtime = time_of_records(&archive, &args.archive)?;
    let _watch = context.watch("extracting", monitor)?;
    let budget = Budget { written: Cell::new(0), limit: context.limits.decoded_bytes_for(archive.facts().size) };
    let report = archive.extract_with(target, &options, |sandbox| {
        files.iter().try_for_each(|file| file.write(context, sandbox, mtime, &budget))
    })?;
    Ok(Extracted { facts: archive.facts().clone(), report, files })
}

/// In the current directory, the archive's name without its suffix.
fn default_target(archive: &Path) -> Result<PathBuf> {
    if is_stdin(archive) {
        let message = "an archive from standard input has no name for a directory: name one with -C";
        return Err(Error::new(code::USAGE_TARGET, message));
    }
    match (archive.file_stem(), archive.extension()) {
        // What is left of `...rtar` is the directory above.
        (Some(stem), Some(_)) if stem == "." || stem == ".." => {
            let message = format!(
                "without its suffix, the name of {} is that of no new directory: name one with -C",
                archive.display()
            );
            Err(Error::new(code::USAGE_TARGET, message))
        }
        (Some(stem), Some(_)) => Ok(Path::new(".").join(stem)),
        _ => {
            let message = format!("{} has no suffix to leave off: name a directory with -C", archive.display());
            Err(Error::new(code::USAGE_TARGET, message))
        }
    }
}

/// How much may be written of records: as text a record may be a thousand times as long, and even one of no bytes is long
/// as a row of columns.
struct Budget {
    written: Cell<u64>,
    limit: u64,
}

impl Budget {
    fn check(&self) -> Result<()> {
        match self.written.get() <= self.limit {
            true => Ok(()),
            false => {
                let message = format!("the files of records come to more than {} bytes", self.limit);
                Err(Error::new(code::LIMIT_DECODED_BYTES, message))
            }
        }
    }
}

/// A file whose bytes count.
struct Counted<'a, W> {
    file: W,
    budget: &'a Budget,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.budget.written.update(|before| before.saturating_add(written as u64));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file that the records of a stream are written to.
struct RecordFile {
    name: EntryPath,
    stream: rosettar::read::Stream,
    format: RecordFiles,
}

impl RecordFile {
    /// One for each stream.
    fn all(archive: &Archive, format: RecordFiles) -> Result<Vec<Self>> {
        let file = |stream: &rosettar::StreamInfo| {
            let name = EntryPath::new(format!("{}.{}", stream.name(), format.suffix()))?;
            Ok(Self { name, stream: archive.stream(stream.name())?, format })
        };
        archive.streams().iter().map(file).collect()
    }

    fn write(&self, context: &Context, sandbox: &Sandbox, mtime: Mtime, budget: &Budget) -> Result<()> {
        self.write_to(context, sandbox, mtime, budget).map_err(|error| error.with_entry(self.name.as_str()))
    }

    fn write_to(&self, context: &Context, sandbox: &Sandbox, mtime: Mtime, budget: &Budget) -> Result<()> {
        let file = BufWriter::with_capacity(1 << 18, Counted { file: sandbox.create_file(&self.name)?, budget });
        let mut writer = RecordWriter::new(file, self.format.into(), &self.stream.descriptor()?, Options::new());
        records::print(&self.stream, 0..self.stream.len(), &mut writer, || {
            context.interrupt.check()?;
            budget.check()
        })?;
        let file = writer.finish()?.into_inner().map_err(IntoInnerError::into_error);
        let file = file.map_err(|error| Error::io(code::IO_WRITE, "writing records", error))?;
        budget.check()?;
        file.file.finish(0o644, (mtime.seconds, mtime.nanoseconds))
    }
}

/// When the archive was made, as far as that is known, so that extracting once more gives the same files.
fn time_of_records(archive: &Archive, path: &Path) -> Result<Mtime> {
    if let Some(created) = archive.facts().manifest.created {
        return Ok(created);
    }
    if is_pipe(path)? {
        return Ok(Mtime::default());
    }
    let modified = uninterrupted(|| std::fs::metadata(path).and_then(|metadata| metadata.modified()));
    modified
        .map(Mtime::from)
        .map_err(|error| Error::io(code::IO_FILE, format_args!("cannot look at {}", path.display()), error))
}

fn warn(context: &Context, report: &ExtractReport) {
    for path in &report.skipped {
        context.warn(path, "is skipped: a symbolic link whose target is not inside the directory");
    }
    if report.stripped > 0 {
        let files = counted(report.stripped, "file or link is", "files or links are");
        context.warn("--strip-components", &format!("{files} left out, because nothing is left of the path"));
    }
    for path in &report.kept {
        context.warn(path, "is kept as it was");
    }
    for path in &report.left_behind {
        let message = "an interrupted extraction left this; remove it, unless that is still running";
        context.warn(&path.to_string_lossy(), message);
    }
}

fn object(target: &Path, report: &ExtractReport, files: &[RecordFile]) -> serde_json::Value {
    let left_behind: Vec<_> = report.left_behind.iter().map(|path| path.to_string_lossy()).collect();
    json!({
        "target": target.to_string_lossy(),
        "files": report.files,
        "directories": report.directories,
        "symlinks": report.symlinks,
        "bytes": report.bytes,
        "records": files.iter().map(|file| file.stream.len()).sum::<u64>(),
        "record_files": files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
        "skipped": report.skipped,
        "stripped": report.stripped,
        "kept": report.kept,
        "replaced": report.replaced,
        "left_behind": left_behind,
    })
}

fn print(out: &mut Stdout, target: &Path, report: &ExtractReport, files: &[RecordFile]) -> Result<()> {
    let text = format!(
        "extracted {} ({}), {} and {} to {}",
        counted(report.files, "file", "files"),
        human::bytes(report.bytes),
        counted(report.directories, "directory", "directories"),
        counted(report.symlinks, "link", "links"),
        printable(&target.to_string_lossy()),
    );
    line(out, text)?;
    for file in files {
        line(out, format!("{} to {}", counted(file.stream.len(), "record", "records"), file.name))?;
    }
    if report.replaced > 0 || !report.kept.is_empty() {
        let (replaced, kept) = (human::count(report.replaced), human::count(report.kept.len() as u64));
        line(out, format!("of these, {replaced} replaced what was there, and {kept} gave way to it"))?;
    }
    Ok(())
}
