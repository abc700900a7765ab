//! `pack`: an archive of files and records.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use prost_reflect::MessageDescriptor;
use rosettar::error::code;
use rosettar::model::{Mtime, Summary};
use rosettar::write::tree::{NoteKind, Tree, Unsupported, WalkOptions, walk_paths};
use rosettar::{Error, Monitor, RecordType, Result, StreamId, WriteOptions, Writer, schema};
use serde_json::json;

use super::input::uninterrupted;
use super::{Context, counted, done, info, json as shapes, line};
use crate::args::Pack;
use crate::ingest::{self, RecordsSpec, Source};
use crate::output::human;
use crate::output::table::escape;
use crate::ui::{Stdout, WaitingReader, Watch, exit};

/// How many bytes of a record file are read at once.
const READ_AHEAD: usize = 1 << 18;

pub(super) fn run(context: &Context, args: Pack) -> Result<u8> {
    let to_stdout = args.output.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        let message = "an archive is not written to a terminal: send standard output to a file or a pipe";
        return Err(Error::new(code::USAGE_OPTION, message));
    }
    // What can be wrong with the command line is found before anything is read.
    let times = Times::new(&args)?;
    let attributes = args.attributes.iter().map(|text| attribute(text)).collect::<Result<Vec<_>>>()?;
    let specs = args.records.iter().map(|text| RecordsSpec::parse(text)).collect::<Result<Vec<_>>>()?;
    let inputs = inputs(context, &args, specs)?;
    let mut tree = walk(context, &args, to_stdout)?;
    for item in &mut tree.items {
        item.mtime = times.of_item(item.mtime);
    }
    for note in &tree.notes {
        context.warn(&note.path, &note.message);
    }

    let progress = Counted::default();
    let mut options = WriteOptions::new()
        .level(args.level)
        .chunk_size(args.chunk_size)
        .limits(context.limits.clone())
        .monitor(progress.monitor.clone());
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    if let Some(created) = times.created {
        options = options.created(created);
    }
    if let Some(bytes) = args.flush_every {
        options = options.flush_every(bytes as u64);
    }
    let mut writer = match to_stdout {
        true => options.write_to(BufWriter::with_capacity(1 << 20, io::stdout()))?,
        false => options.create(&args.output)?,
    };
    for (key, value) in attributes {
        writer.attribute(key, value)?;
    }
    // Declared before anything is written, so that all of them stand in the manifest.
    let mut streams = Vec::with_capacity(inputs.len());
    for input in &inputs {
        let record_type = RecordType::new(input.spec.type_name.clone(), input.descriptor_set.to_vec());
        streams.push(writer.declare(&input.spec.stream, record_type)?);
    }
    let sizes: Option<u64> = inputs.iter().map(|input| input.size).sum();
    let watch = progress.watch(context, sizes.map_or(0, |sizes| sizes.saturating_add(tree.total_size())));
    // Records come first: where one does not fit, that is known before the files are read.
    for (input, stream) in inputs.into_iter().zip(streams) {
        ingest_records(context, &args, input, stream, &mut writer, &progress)?;
    }
    progress.files_begin();
    for item in &tree.items {
        context.interrupt.check()?;
        writer.add_item(item)?;
    }
    context.interrupt.check()?;
    let summary = writer.finish()?;
    drop(watch);
    print(context, &args, to_stdout, &summary, &tree)?;
    let skipped = tree.notes.iter().any(|note| note.kind == NoteKind::Skipped);
    Ok(if skipped { exit::FINDING } else { exit::DONE })
}

fn walk(context: &Context, args: &Pack, to_stdout: bool) -> Result<Tree> {
    if args.paths.is_empty() {
        return Ok(Tree::default());
    }
    let mut options =
        WalkOptions::new().links(args.links.into()).names(args.names.into()).limits(context.limits.clone());
    if args.skip_unsupported {
        options = options.unsupported(Unsupported::Skip);
    }
    if !to_stdout {
        options = options.output(&args.output);
    }
    options = args.include.iter().fold(options, WalkOptions::include);
    options = args.exclude.iter().fold(options, WalkOptions::exclude);
    walk_paths(&args.directory, &args.paths, &options)
}

/// A file of records, open, and the type of its records.
struct Input {
    spec: RecordsSpec,
    descriptor: MessageDescriptor,
    descriptor_set: Arc<[u8]>,
    reader: Box<dyn Read>,
    /// Where it is a regular file.
    size: Option<u64>,
}

/// Opens what `--records` names, with the schema that the other options give.
fn inputs(context: &Context, args: &Pack, specs: Vec<RecordsSpec>) -> Result<Vec<Input>> {
    let usage = |message: &str| Error::new(code::USAGE_OPTION, message);
    let (has_schema, has_records) = (!args.proto.is_empty() || args.descriptor_set.is_some(), !specs.is_empty());
    match (has_schema, has_records) {
        (false, false) if args.null.is_none() => return Ok(Vec::new()),
        (false, false) => return Err(usage("--null is of use only with --records")),
        (true, false) => return Err(usage("--proto and --descriptor-set are of use only with --records")),
        (false, true) => return Err(usage("--records needs the types: give --proto FILE or --descriptor-set FILE")),
        (true, true) => {}
    }
    if specs.iter().filter(|spec| spec.source == Source::Stdin).count() > 1 {
        return Err(usage("standard input can be read for one stream only"));
    }
    let set = match &args.descriptor_set {
        None => schema::compile(&args.proto, &args.include_dirs)?,
        Some(path) => {
            let set = std::fs::read(path)
                .map_err(|error| Error::io(code::IO_FILE, format_args!("reading {}", path.display()), error))?;
            schema::order(&set)?
        }
    };
    let pool = schema::build_pool(&set)?;
    let set: Arc<[u8]> = set.into();
    let open = |spec: RecordsSpec| {
        let descriptor = schema::message(&pool, &spec.type_name)?;
        let (reader, size): (Box<dyn Read>, Option<u64>) = match &spec.source {
            Source::Stdin => (Box::new(WaitingReader::new(io::stdin(), context.interrupt.clone())), None),
            Source::File(name) => {
                let failed = |error| Error::io(code::IO_FILE, format_args!("opening {name}"), error);
                let file = File::open(name).map_err(failed)?;
                let metadata = uninterrupted(|| file.metadata()).map_err(failed)?;
                if metadata.is_dir() {
                    return Err(usage(&format!("{name} is a directory: expected a file of records")));
                }
                match metadata.is_file() {
                    true => (Box::new(file), Some(metadata.len())),
                    // A FIFO, such as the shell makes of `<(command)`.
                    false => (Box::new(WaitingReader::new(file, context.interrupt.clone())), None),
                }
            }
        };
        Ok(Input { spec, descriptor, descriptor_set: Arc::clone(&set), reader, size })
    };
    specs.into_iter().map(open).collect()
}

fn ingest_records(
    context: &Context,
    args: &Pack,
    input: Input,
    stream: StreamId,
    writer: &mut Writer<'_>,
    progress: &Counted,
) -> Result<()> {
    let mut options = ingest::Options::new().limits(context.limits.clone());
    if let Some(null) = &args.null {
        options = options.null(null);
    }
    let name = match &input.spec.source {
        Source::Stdin => "standard input",
        Source::File(name) => name,
    };
    let reader = BufReader::with_capacity(READ_AHEAD, progress.reader(input.reader));
    let mut records = ingest::open(input.spec.format, reader, name, &input.descriptor, &options)?;
    while let Some(record) = records.next_record()? {
        context.interrupt.check()?;
        writer.append_encoded(stream, record)?;
    }
    Ok(())
}

/// Counts what is done: the bytes of record files as they are read, then those of other files as the writer takes them.
#[derive(Default)]
struct Counted {
    monitor: Monitor,
    read: Arc<AtomicU64>,
    /// What the writer had counted, records, when the files began; before that, all that it counts is records.
    before_files: Arc<AtomicU64>,
}

impl Counted {
    fn watch(&self, context: &Context, total: u64) -> Watch {
        self.before_files.store(u64::MAX, Relaxed);
        let (monitor, read, before) = (self.monitor.clone(), Arc::clone(&self.read), Arc::clone(&self.before_files));
        let look = move || {
            let files = monitor.bytes().saturating_sub(before.load(Relaxed));
            (read.load(Relaxed).saturating_add(files), total)
        };
        let monitor = self.monitor.clone();
        Watch::new("packing", context.quiet, context.interrupt.clone(), look, move || monitor.stop())
    }

    fn files_begin(&self) {
        self.before_files.store(self.monitor.bytes(), Relaxed);
    }

    fn reader<R: Read>(&self, reader: R) -> impl Read {
        CountingReader { reader, read: Arc::clone(&self.read) }
    }
}

struct CountingReader<R> {
    reader: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

/// What `--created` and `--reproducible` say of times.
struct Times {
    created: Option<Mtime>,
    reproducible: bool,
    /// `SOURCE_DATE_EPOCH`, where it is set and asked for.
    latest: Option<i64>,
}

impl Times {
    fn new(args: &Pack) -> Result<Self> {
        let latest = if args.reproducible { source_date_epoch()? } else { None };
        let created = match args.created.as_deref() {
            None => None,
            Some("now") => Some(match (args.reproducible, latest) {
                (true, Some(latest)) => Mtime::from_seconds(latest),
                (true, None) => {
                    let message = "--created now is not reproducible: set SOURCE_DATE_EPOCH, or state a time";
                    return Err(Error::new(code::USAGE_OPTION, message));
                }
                (false, _) => Mtime::from(std::time::SystemTime::now()),
            }),
            Some(text) => Some(parse_time(text)?),
        };
        Ok(Self { created, reproducible: args.reproducible, latest })
    }

    fn of_item(&self, (seconds, nanoseconds): (i64, u32)) -> (i64, u32) {
        match self.reproducible {
            true => (self.latest.map_or(seconds, |latest| seconds.min(latest)), 0),
            false => (seconds, nanoseconds),
        }
    }
}

fn source_date_epoch() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(seconds) => Ok(Some(seconds)),
        None => {
            let message = format!("SOURCE_DATE_EPOCH is {text:?}: expected a number of seconds since 1970");
            Err(Error::new(code::USAGE_OPTION, message))
        }
    }
}

fn parse_time(text: &str) -> Result<Mtime> {
    if let Some(seconds) = text.strip_prefix('@').and_then(|seconds| seconds.parse().ok()) {
        return Ok(Mtime::from_seconds(seconds));
    }
    let time: Timestamp = text.parse().map_err(|error| {
        let message =
            format!("--created {text:?}: expected a time such as 2013-01-01T05:00:00Z, @SECONDS or now: {error}");
        Error::new(code::USAGE_OPTION, message)
    })?;
    let (seconds, nanoseconds) = (time.as_second(), time.subsec_nanosecond());
    // Before 1970 jiff counts both parts downwards.
    Ok(match u32::try_from(nanoseconds) {
        Ok(nanoseconds) => Mtime { seconds, nanoseconds },
        Err(_) => Mtime { seconds: seconds - 1, nanoseconds: (1_000_000_000 + nanoseconds).unsigned_abs() },
    })
}

fn attribute(text: &str) -> Result<(&str, &str)> {
    text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
        Error::new(code::USAGE_OPTION, format!("--attr {text:?}: expected KEY=VALUE, with a key that is not empty"))
    })
}

fn print(context: &Context, args: &Pack, to_stdout: bool, summary: &Summary, tree: &Tree) -> Result<()> {
    let shown = args.output.to_string_lossy();
    let totals = &summary.totals;
    let text = if context.json {
        let notes: Vec<_> = tree
            .notes
            .iter()
            .map(|note| json!({"path": note.path, "kind": note_kind(note.kind), "message": note.message}))
            .collect();
        json!({
            "archive": shown,
            "size": summary.size,
            "ratio": info::ratio(summary.size, totals.tar_bytes),
            "root_digest": shapes::digest(&summary.root_digest),
            "content_digest": shapes::digest(&summary.content_digest),
            "totals": shapes::totals(totals),
            "streams": summary.streams.iter().map(shapes::stream).collect::<Vec<_>>(),
            "notes": notes,
        })
        .to_string()
    } else if context.quiet {
        return Ok(());
    } else {
        let percent = 100.0 * info::ratio(summary.size, totals.tar_bytes);
        format!(
            "{}: {}, {percent:.1} % of {}\n  {} ({}), {}, {}, {} in {}\n  root digest {}",
            if to_stdout { "standard output".into() } else { escape(&shown) },
            info::exact(summary.size),
            human::bytes(totals.tar_bytes),
            counted(totals.files, "file", "files"),
            human::bytes(totals.file_bytes),
            counted(totals.directories, "directory", "directories"),
            counted(totals.symlinks, "link", "links"),
            counted(totals.records, "record", "records"),
            counted(summary.streams.len() as u64, "stream", "streams"),
            shapes::digest(&summary.root_digest),
        )
    };
    // Where the archive goes to standard output, nothing else may.
    if to_stdout {
        use std::io::Write as _;
        let _ = writeln!(io::stderr(), "{text}");
        return Ok(());
    }
    let mut out = Stdout::new();
    line(&mut out, text)?;
    done(&mut out).map(drop)
}

fn note_kind(kind: NoteKind) -> &'static str {
    match kind {
        NoteKind::Skipped => "skipped",
        NoteKind::ModeBits => "mode-bits",
        NoteKind::Unportable => "unportable",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let of = |text: &str| parse_time(text).map(|time| (time.seconds, time.nanoseconds));
        assert_eq!(of("2013-01-01T05:00:00Z").unwrap(), (1_357_016_400, 0));
        assert_eq!(of("1969-12-31T23:59:59.25Z").unwrap(), (-1, 250_000_000));
        assert_eq!(of("1970-01-01T00:00:00.5+00:00").unwrap(), (0, 500_000_000));
        assert_eq!(of("@-7").unwrap(), (-7, 0));
        for bad in ["", "@", "@1.5", "yesterday", "2013-01-01", "1357016400"] {
            assert!(of(bad).unwrap_err().is(code::USAGE_OPTION), "{bad}");
        }
    }
}
