//! What the verbs that make archives share: `pack`, `append`, `remove`.

mod counted;
mod records;
mod times;

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use rosettar::error::code;
use rosettar::io::{Collisions, Names};
use rosettar::model::Summary;
use rosettar::write::tree::{Note, NoteKind, Tree, Unsupported, WalkOptions, walk_paths};
use rosettar::{Archive, Error, Result, WriteOptions, Writer};
use serde_json::{Value, json};

pub(super) use counted::Counted;
use records::RecordFile;
use times::Times;

use super::{Context, counted, done, info, json as shapes, line, may_wait_for};
use crate::args;
use crate::ingest::RecordsSpec;
use crate::output::human;
use crate::output::table::printable;
use crate::ui::{MayWait, StandardOutput, Stdout};

/// Where the archive goes.
pub(super) enum Target<'a> {
    Stdout,
    File(&'a Path),
}

impl<'a> Target<'a> {
    /// # Errors
    /// `usage.option` for standard output that is a terminal.
    pub(super) fn new(path: &'a Path) -> Result<Self> {
        if path.as_os_str() != "-" {
            return Ok(Self::File(path));
        }
        if io::stdout().is_terminal() {
            let message = "an archive is not written to a terminal: send standard output to a file or a pipe";
            return Err(Error::new(code::USAGE_OPTION, message));
        }
        Ok(Self::Stdout)
    }

    /// To be held while the archive is written: see [`may_wait_for`].
    pub(super) fn may_wait(&self) -> Result<Option<MayWait>> {
        match self {
            // Each write to it says so.
            Self::Stdout => Ok(None),
            Self::File(path) => may_wait_for(path),
        }
    }

    /// Prints what was made. Where the archive goes to standard output, nothing else may.
    pub(super) fn print(&self, text: &str) -> Result<()> {
        if let Self::Stdout = self {
            // Without standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "{text}");
            return Ok(());
        }
        let mut out = Stdout::new();
        line(&mut out, text)?;
        done(&mut out).map(drop)
    }
}

/// Standard output for an archive.
pub(super) fn stdout_sink() -> BufWriter<StandardOutput> {
    BufWriter::with_capacity(1 << 20, StandardOutput::new())
}

/// How to write, as the options say.
pub(super) fn writing(context: &Context, args: &args::Compression, progress: &Counted) -> WriteOptions {
    let options = WriteOptions::new()
        .level(args.level)
        .chunk_size(args.chunk_size)
        .limits(context.limits.clone())
        .monitor(progress.monitor.clone());
    match args.threads {
        Some(threads) => options.threads(threads),
        None => options,
    }
}

/// What the command line gives to put into an archive. What can be wrong with it is found before anything is written.
pub(super) struct Given<'a> {
    args: &'a args::Inputs,
    times: Times,
    attributes: Vec<(&'a str, &'a str)>,
    specs: Vec<RecordsSpec>,
    records: Vec<RecordFile>,
    pub(super) tree: Tree,
}

impl<'a> Given<'a> {
    /// Looks at what is given and walks the tree, without the files `own`. With `extends`, a stream need not have its type
    /// stated.
    pub(super) fn new(
        context: &Context,
        args: &'a args::Inputs,
        created: Option<&str>,
        extends: bool,
        own: &[&Path],
        threads: Option<usize>,
    ) -> Result<Self> {
        let times = Times::new(args.reproducible, created)?;
        let attributes = args.attributes.iter().map(|text| attribute(text)).collect::<Result<Vec<_>>>()?;
        let parse = if extends { RecordsSpec::parse_extending } else { RecordsSpec::parse };
        let specs = args.records.iter().map(|text| parse(text)).collect::<Result<Vec<_>>>()?;
        let given = Self { args, times, attributes, specs, records: Vec::new(), tree: Tree::default() };
        given.walked(context, own, threads)
    }

    fn walked(mut self, context: &Context, own: &[&Path], threads: Option<usize>) -> Result<Self> {
        self.tree = walk(context, self.args, own, threads)?;
        for item in &mut self.tree.items {
            item.mtime = self.times.of_item(item.mtime);
        }
        self.tree.notes.iter().for_each(|note| context.warn(&note.path, &note.message));
        Ok(self)
    }

    /// Opens the files of records; `archive` is the one that is to be continued.
    pub(super) fn open_records(&mut self, context: &Context, archive: Option<&Archive>) -> Result<()> {
        self.records = records::open(context, self.args, std::mem::take(&mut self.specs), archive)?;
        Ok(())
    }

    /// What refuses paths that are no portable names beside each other, where only such are to be accepted.
    pub(super) fn collisions(&self) -> Option<Collisions> {
        let names = Names::from(self.args.names);
        (names == Names::Portable).then(|| Collisions::new(names))
    }

    /// When the archive is to say that it was made.
    pub(super) fn created(&self) -> Option<rosettar::Mtime> {
        self.times.created
    }

    /// How many bytes there are to take in, where that is known.
    pub(super) fn size(&self) -> Option<u64> {
        let records: Option<u64> = self.records.iter().map(|file| file.size).sum();
        records.map(|records| records.saturating_add(self.tree.total_size()))
    }

    /// Puts everything into the archive, and returns what there is to tell of the tree.
    pub(super) fn add(self, context: &Context, writer: &mut Writer<'_>, progress: &Counted) -> Result<Vec<Note>> {
        for (key, value) in self.attributes {
            writer.attribute(key, value)?;
        }
        // Declared before anything is written, so that all of them stand in the manifest of a new archive.
        let streams = self.records.iter().map(|file| file.declare(writer)).collect::<Result<Vec<_>>>()?;
        // Records come first: where one does not fit, that is known before the files are read.
        progress.records_begin();
        for (file, stream) in self.records.into_iter().zip(streams) {
            file.ingest(context, self.args.null.as_deref(), stream, writer, progress)?;
        }
        progress.records_end();
        writer.add_items(self.tree.items)?;
        context.interrupt.check()?;
        Ok(self.tree.notes)
    }
}

fn walk(context: &Context, args: &args::Inputs, own: &[&Path], threads: Option<usize>) -> Result<Tree> {
    if args.paths.is_empty() {
        return Ok(Tree::default());
    }
    let mut options =
        WalkOptions::new().links(args.links.into()).names(args.names.into()).limits(context.limits.clone());
    if let Some(threads) = threads {
        options = options.threads(threads);
    }
    if args.skip_unsupported {
        options = options.unsupported(Unsupported::Skip);
    }
    let files = own.iter().copied().filter(|path| path.as_os_str() != "-").map(PathBuf::from);
    options = files.fold(options, WalkOptions::output);
    options = args.include.iter().fold(options, WalkOptions::include);
    options = args.exclude.iter().fold(options, WalkOptions::exclude);
    walk_paths(&args.directory, &args.paths, &options)
}

fn attribute(text: &str) -> Result<(&str, &str)> {
    text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
        Error::new(code::USAGE_OPTION, format!("--attr {text:?}: expected KEY=VALUE, with a key that is not empty"))
    })
}

/// What was made, as JSON; `archive` is where it went.
pub(super) fn summary_json(archive: &Path, summary: &Summary) -> Value {
    json!({
        "archive": archive.to_string_lossy(),
        "size": summary.size,
        "ratio": info::ratio(summary.size, summary.totals.tar_bytes),
        "root_digest": shapes::digest(&summary.root_digest),
        "content_digest": shapes::digest(&summary.content_digest),
        "totals": shapes::totals(&summary.totals),
        "streams": summary.streams.iter().map(shapes::stream).collect::<Vec<_>>(),
    })
}

/// What was made, for people.
pub(super) fn summary_text(archive: &Path, summary: &Summary) -> String {
    let totals = &summary.totals;
    let shown = archive.to_string_lossy();
    let percent = 100.0 * info::ratio(summary.size, totals.tar_bytes);
    format!(
        "{}: {}, {percent:.1} % of {}\n  {} ({}), {}, {}, {} in {}\n  root digest {}",
        if archive.as_os_str() == "-" { "standard output".into() } else { printable(&shown) },
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
}

/// The notes on a tree, as JSON.
pub(super) fn notes_json(notes: &[Note]) -> Vec<Value> {
    let kind = |kind| match kind {
        NoteKind::Skipped => "skipped",
        NoteKind::ModeBits => "mode-bits",
        NoteKind::Unportable => "unportable",
        _ => "other",
    };
    notes.iter().map(|note| json!({"path": note.path, "kind": kind(note.kind), "message": note.message})).collect()
}

/// Whether something that was given was left out.
pub(super) fn has_skipped(notes: &[Note]) -> bool {
    notes.iter().any(|note| note.kind == NoteKind::Skipped)
}

/// Warns where something of the old archive could not be kept; whether so.
pub(super) fn warn_of_dropped(context: &Context, archive: &Path, summary: &Summary) -> bool {
    if summary.dropped_fields > 0 {
        let fields = counted(summary.dropped_fields, "field", "fields");
        let message = format!("{fields} of its index that only a newer version knows could not be kept");
        context.warn(&archive.to_string_lossy(), &message);
    }
    summary.dropped_fields > 0
}
