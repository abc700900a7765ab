//! Converting between formats: Rosettar, C1Z v3 in each of its encodings, C1Z v1 (C1Z.md, "Converting").

mod losses;

pub use losses::Loss;

use std::cmp::Ordering;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;

use losses::{Losses, check_losses, entry_losses, no_database};

use crate::ancestors::{C1zOptions, C1zWriter, DATABASE, write_v1};
use crate::c1z;
use crate::error::{Error, Result, code};
use crate::io::AtomicFile;
use crate::limits::Limits;
use crate::model::{Annotation, C1zEncoding, Entry, EntryKind, Mtime};
use crate::monitor::Monitor;
use crate::parallel::Threads;
use crate::proto;
use crate::read::{Archive, Driver};
use crate::write::tree::{self, SourceOpener, TreeItem, TreeKind, WalkOptions};
use crate::write::{NewEntry, RecordType, WriteOptions};

/// The type of the annotation that holds a C1Z manifest.
const MANIFEST_TYPE: &str = "c1.c1z.v3.C1ZManifestV3";

/// What to convert to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A Rosettar archive.
    Rosettar,
    /// A C1Z v3 file in this encoding.
    C1z3(C1zEncoding),
    /// A C1Z v1 file.
    C1z1,
}

impl Target {
    /// The names that [`from_str`](Self::from_str) knows.
    pub const NAMES: &'static [&'static str] = &["rtar", "c1z3-indexed", "c1z3-tar-zstd", "c1z3-tar", "c1z1"];

    /// The target's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rosettar => "rtar",
            Self::C1z3(C1zEncoding::IndexedZstd) => "c1z3-indexed",
            Self::C1z3(C1zEncoding::TarZstd) => "c1z3-tar-zstd",
            Self::C1z3(C1zEncoding::Tar) => "c1z3-tar",
            Self::C1z1 => "c1z1",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "rtar" => Ok(Self::Rosettar),
            "c1z3-indexed" => Ok(Self::C1z3(C1zEncoding::IndexedZstd)),
            "c1z3-tar-zstd" => Ok(Self::C1z3(C1zEncoding::TarZstd)),
            "c1z3-tar" => Ok(Self::C1z3(C1zEncoding::Tar)),
            "c1z1" => Ok(Self::C1z1),
            _ => {
                let message = format!("no format is called {name:?}: expected {}", Self::NAMES.join(", "));
                Err(Error::new(code::USAGE_OPTION, message))
            }
        }
    }
}

/// What to convert to, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConvertOptions {
    target: Target,
    lossy: bool,
    engine: Option<String>,
    schema_version: u32,
    manifest: Option<Vec<u8>>,
    level: i32,
    threads: usize,
    limits: Limits,
    monitor: Monitor,
}

impl ConvertOptions {
    /// To this target; nothing may be lost.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            lossy: false,
            engine: None,
            schema_version: 0,
            manifest: None,
            level: 3,
            threads: Threads::default().get(),
            limits: Limits::default(),
            monitor: Monitor::new(),
        }
    }

    /// Whether to leave out what the target cannot hold; refused unless set.
    #[must_use]
    pub fn lossy(mut self, lossy: bool) -> Self {
        self.lossy = lossy;
        self
    }

    /// The storage engine that a C1Z v3 file names, where the source has no C1Z manifest, and the version of what the
    /// engine stores.
    #[must_use]
    pub fn engine(mut self, engine: impl Into<String>, schema_version: u32) -> Self {
        self.engine = Some(engine.into());
        self.schema_version = schema_version;
        self
    }

    /// The manifest that a C1Z v3 file gets, a serialized `c1.c1z.v3.C1ZManifestV3`, whatever the source has.
    #[must_use]
    pub fn manifest(mut self, manifest: impl Into<Vec<u8>>) -> Self {
        self.manifest = Some(manifest.into());
        self
    }

    /// zstd's compression level; 3 unless set.
    #[must_use]
    pub fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// How many threads compress; the number of cores unless set.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Limits; the reader's defaults unless set.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where to count the bytes of content taken in.
    #[must_use]
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }
}

/// What a conversion made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConvertReport {
    /// What was left out.
    pub losses: Vec<Loss>,
    /// Bytes of the new file.
    pub size: u64,
    /// Regular files in it.
    pub files: u64,
    /// Directories in it.
    pub directories: u64,
    /// Symbolic links in it.
    pub symlinks: u64,
    /// Bytes of the contents of all files.
    pub file_bytes: u64,
    /// Records in it.
    pub records: u64,
    /// Bytes of frames that were copied as they are.
    pub copied_bytes: u64,
}

impl Archive {
    /// What the target of a conversion cannot hold of this archive.
    ///
    /// # Errors
    /// `usage.format` where there is no such conversion, and whatever is wrong with the entries.
    pub fn losses(&self, target: Target) -> Result<Vec<Loss>> {
        let mut losses = match target {
            Target::Rosettar => Losses::default(),
            Target::C1z3(encoding) => entry_losses(&self.all()?, encoding),
            Target::C1z1 => self.losses_beside_database()?,
        };
        let facts = self.facts();
        if let (Target::Rosettar, Driver::Listed(archive)) = (target, &self.driver)
            && let Some(fault) = archive.unreadable_streams()
        {
            losses.add("the tables of a database that cannot be read", fault);
        }
        if target == Target::Rosettar || facts.c1z.is_some() {
            return Ok(losses.list());
        }
        facts.streams.iter().for_each(|stream| losses.add("streams of records", stream.name()));
        facts.manifest.attributes.keys().for_each(|key| losses.add("attributes", key));
        for annotation in &facts.manifest.annotations {
            if target == Target::C1z1 || annotation.type_name() != MANIFEST_TYPE {
                losses.add("annotations", annotation.type_name());
            }
        }
        if facts.manifest.created.is_some() {
            losses.add("the time of creation", "");
        }
        Ok(losses.list())
    }

    /// Converts the archive to the file at `path`, which appears when it is complete.
    ///
    /// ```
    /// use rosettar::convert::{ConvertOptions, Target};
    /// use rosettar::{C1zEncoding, NewEntry, WriteOptions};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("a.c1z");
    ///
    /// let mut archive = Vec::new();
    /// let mut writer = WriteOptions::new().write_to(&mut archive)?;
    /// writer.add_bytes(NewEntry::new("a.txt")?, b"alpha")?;
    /// writer.finish()?;
    /// let options = ConvertOptions::new(Target::C1z3(C1zEncoding::IndexedZstd)).engine("pebble", 24);
    /// rosettar::open(archive)?.convert(&path, &options)?;
    /// assert_eq!(rosettar::open_path(&path)?.read("a.txt")?, b"alpha");
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// `policy.lossy` where something would be lost that may not; `usage.format` where there is no such conversion;
    /// `usage.option` where a C1Z v3 file has no engine to name; whatever is wrong with the source; failures to write.
    pub fn convert(&self, path: impl AsRef<Path>, options: &ConvertOptions) -> Result<ConvertReport> {
        let losses = self.losses(options.target)?;
        check_losses(&losses, options)?;
        let mut report = match options.target {
            Target::Rosettar => self.to_rosettar(path.as_ref(), options),
            Target::C1z3(encoding) => self.to_c1z3(path.as_ref(), encoding, options),
            Target::C1z1 => {
                let entry = self.entry(DATABASE).map_err(|_| no_database())?;
                let mut file = AtomicFile::replace(&path)?;
                let size = write_v1(&mut file, self.open_entry(DATABASE)?, options.level, &options.monitor)?;
                file.commit()?;
                Ok(ConvertReport { size, files: 1, file_bytes: entry.size, ..empty_report() })
            }
        }?;
        report.losses = losses;
        Ok(report)
    }

    fn to_rosettar(&self, path: &Path, options: &ConvertOptions) -> Result<ConvertReport> {
        let Some(c1z) = self.facts().c1z.as_deref() else {
            let message = "the archive is a Rosettar archive already: expected another format";
            return Err(Error::new(code::USAGE_FORMAT, message));
        };
        let mut writer = WriteOptions::new()
            .level(options.level)
            .threads(options.threads)
            .limits(options.limits.clone())
            .monitor(options.monitor.clone())
            .create(path)?;
        if let Some(manifest) = &c1z.manifest {
            let type_url = format!("type.googleapis.com/{MANIFEST_TYPE}");
            let annotation = Annotation { type_url, value: manifest.bytes.clone() };
            writer.annotate_encoded(annotation, proto::C1Z_MANIFEST_SET)?;
        }
        let mut records = 0;
        let declared = self
            .streams()
            .iter()
            .map(|info| {
                let set = self.descriptor_set(info.declaration.schema)?;
                writer.declare(info.name(), RecordType::new(info.type_name(), set.to_vec()))
            })
            .collect::<Result<Vec<_>>>()?;
        for entry in self.sorted(Order::Tar)? {
            let new = NewEntry::at(entry.path.clone()).mode(u32::from(entry.mode)).mtime(entry.mtime);
            match entry.kind {
                EntryKind::Directory => writer.add_directory(new)?,
                _ => writer.add_reader(new, Some(entry.size), self.open_entry(entry.path.as_str())?)?,
            }
        }
        for (info, id) in self.streams().iter().zip(declared) {
            let mut stream = self.stream(info.name())?.records(..)?;
            while let Some(record) = stream.next_record()? {
                writer.append_encoded(id, record)?;
                records += 1;
            }
        }
        let summary = writer.finish()?;
        let totals = summary.totals;
        Ok(ConvertReport {
            losses: Vec::new(),
            size: summary.size,
            files: totals.files,
            directories: totals.directories,
            symlinks: totals.symlinks,
            file_bytes: totals.file_bytes,
            records,
            copied_bytes: 0,
        })
    }

    fn to_c1z3(&self, path: &Path, encoding: C1zEncoding, options: &ConvertOptions) -> Result<ConvertReport> {
        let mut c1z = options.c1z(encoding, self.c1z_manifest())?;
        if encoding == C1zEncoding::IndexedZstd && matches!(self.driver, Driver::Listed(_)) {
            c1z = c1z.previous(self);
        }
        let mut writer = c1z.create(path)?;
        let order = if encoding == C1zEncoding::IndexedZstd { Order::Path } else { Order::Tar };
        for entry in self.sorted(order)? {
            let path = entry.path.clone();
            let content = match entry.kind {
                EntryKind::File => Some(self.open_entry(path.as_str())?),
                _ => None,
            };
            add(&mut writer, &entry, encoding, content)?;
        }
        Ok(report_of(writer.finish()?))
    }

    /// The C1Z manifest that the archive has, as its own or as an annotation: a serialized `c1.c1z.v3.C1ZManifestV3`, which
    /// [`c1z_manifest_descriptors`](crate::c1z_manifest_descriptors) describes.
    pub fn c1z_manifest(&self) -> Option<&[u8]> {
        let facts = self.facts();
        if let Some(c1z) = &facts.c1z {
            return c1z.manifest.as_ref().map(|manifest| manifest.bytes.as_slice());
        }
        let annotations = &facts.manifest.annotations;
        annotations.iter().find(|found| found.type_name() == MANIFEST_TYPE).map(|found| found.value.as_slice())
    }

    /// The entries, of which a C1Z file can hold the paths.
    fn all(&self) -> Result<Vec<Entry>> {
        let mut left = c1z::INDEX_MAX;
        let fitting = self.entries().map(|entry| {
            let entry = entry?;
            let len = entry.path.as_str().len() as u64;
            left = left.checked_sub(len).ok_or_else(|| c1z::paths_too_long(c1z::INDEX_MAX))?;
            Ok(entry)
        });
        fitting.collect()
    }

    fn sorted(&self, order: Order) -> Result<Vec<Entry>> {
        let mut entries = self.all()?;
        entries.sort_by(|a, b| compare(a, b, order));
        Ok(entries)
    }

    /// What a C1Z v1 file cannot hold.
    fn losses_beside_database(&self) -> Result<Losses> {
        let (mut losses, mut found) = (Losses::default(), false);
        for entry in self.entries() {
            let entry = entry?;
            match entry.path.as_str() {
                DATABASE => found = entry.kind == EntryKind::File,
                other => losses.add("entries beside the database", other),
            }
        }
        if found { Ok(losses) } else { Err(no_database()) }
    }
}

/// Makes a C1Z v3 file or a Rosettar archive of all that is in `directory`.
///
/// # Errors
/// As [`Archive::convert`] and [`walk`](tree::walk).
pub fn convert_directory(
    directory: impl AsRef<Path>,
    path: impl AsRef<Path>,
    options: &ConvertOptions,
) -> Result<ConvertReport> {
    let Target::C1z3(encoding) = options.target else {
        let message = format!(
            "a directory cannot be made a file of the format {}: `pack` makes a Rosettar archive",
            options.target
        );
        return Err(Error::new(code::USAGE_FORMAT, message));
    };
    let walk = WalkOptions::new().limits(options.limits.clone()).threads(options.threads).output(path.as_ref());
    let tree = tree::walk(directory, &walk)?;
    let mut items: Vec<(Entry, &TreeItem)> = tree.items.iter().map(|item| (entry_of(item), item)).collect();
    let entries: Vec<Entry> = items.iter().map(|(entry, _)| entry.clone()).collect();
    let losses = entry_losses(&entries, encoding).list();
    check_losses(&losses, options)?;
    let order = if encoding == C1zEncoding::IndexedZstd { Order::Path } else { Order::Tar };
    items.sort_by(|(a, _), (b, _)| compare(a, b, order));
    let mut writer = options.c1z(encoding, None)?.create(path)?;
    let mut opener = SourceOpener::default();
    for (entry, item) in items {
        if is_held(&entry, encoding) {
            writer.add_item(entry, item, &mut opener)?;
        }
    }
    let mut report = report_of(writer.finish()?);
    report.losses = losses;
    Ok(report)
}

/// Makes a C1Z v1 file of the SQLite database at `database`, which nothing may be writing to.
///
/// # Errors
/// `c1z.database` where it is none; `io.*`; `usage.option`, `usage.format` for another target.
pub fn convert_database(
    database: impl AsRef<Path>,
    path: impl AsRef<Path>,
    options: &ConvertOptions,
) -> Result<ConvertReport> {
    if options.target != Target::C1z1 {
        let message =
            format!("a SQLite database cannot be made a file of the format {}: expected c1z1", options.target);
        return Err(Error::new(code::USAGE_FORMAT, message));
    }
    let database = database.as_ref();
    let cannot = |e| Error::io(code::IO_FILE, format_args!("cannot read {}", database.display()), e);
    let source = File::open(database).map_err(cannot)?;
    let before = source.metadata().map_err(cannot)?;
    let mut file = AtomicFile::replace(path)?;
    let size = write_v1(&mut file, &source, options.level, &options.monitor)?;
    let after = source.metadata().map_err(cannot)?;
    if before.len() != after.len() || before.modified().ok() != after.modified().ok() {
        let message = format!("{} changed while it was read: try again when nothing writes to it", database.display());
        return Err(Error::new(code::IO_SOURCE_CHANGED, message));
    }
    file.flush().map_err(|e| Error::io(code::IO_WRITE, "writing the file", e))?;
    file.commit()?;
    Ok(ConvertReport { size, files: 1, file_bytes: before.len(), ..empty_report() })
}

impl ConvertOptions {
    /// What a C1Z v3 file is written with, with the manifest that the source has, unless the options have another.
    fn c1z(&self, encoding: C1zEncoding, manifest: Option<&[u8]>) -> Result<C1zOptions> {
        let options = match (self.manifest.as_deref().or(manifest), &self.engine) {
            (Some(manifest), _) => C1zOptions::with_manifest(encoding, manifest),
            (None, Some(engine)) => C1zOptions::new(encoding, engine).schema_version(self.schema_version),
            (None, None) => {
                let message = "a C1Z v3 file names the storage engine of its payload, and the source has no C1Z manifest: state the engine (`--engine`), or a manifest";
                return Err(Error::new(code::USAGE_OPTION, message));
            }
        };
        Ok(options.level(self.level).threads(self.threads).limits(self.limits.clone()).monitor(self.monitor.clone()))
    }
}

/// How entries are sorted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// By their names in a tar, where a directory's ends in `/`.
    Tar,
    /// By path.
    Path,
}

fn compare(a: &Entry, b: &Entry, order: Order) -> Ordering {
    let (left, right) = (a.path.as_str().as_bytes(), b.path.as_str().as_bytes());
    let common = left.len().min(right.len());
    let rest = |entry: &Entry, path: &[u8]| match path[common..] {
        // Of two paths, one has no more than what both may have.
        [] if order == Order::Tar && entry.kind == EntryKind::Directory => Some(b'/'),
        [] => None,
        [next, ..] => Some(next),
    };
    let unlike = left[..common].cmp(&right[..common]).then_with(|| rest(a, left).cmp(&rest(b, right)));
    // A directory comes before what is in it.
    unlike.then(left.len().cmp(&right.len()))
}

/// Adds an entry, unless the encoding cannot hold it, which was looked at before.
fn add(
    writer: &mut C1zWriter<'_>,
    entry: &Entry,
    encoding: C1zEncoding,
    content: Option<impl std::io::Read>,
) -> Result<()> {
    let new = NewEntry::at(entry.path.clone()).mode(u32::from(entry.mode)).mtime(entry.mtime);
    match content {
        _ if !is_held(entry, encoding) => Ok(()),
        Some(content) => writer.add_reader(new, entry.size, content),
        None => writer.add_directory(new),
    }
}

/// Whether the encoding can hold an entry of this kind.
fn is_held(entry: &Entry, encoding: C1zEncoding) -> bool {
    match entry.kind {
        EntryKind::File => true,
        EntryKind::Directory => encoding != C1zEncoding::IndexedZstd,
        _ => false,
    }
}

fn entry_of(item: &TreeItem) -> Entry {
    let (path, mode) = (item.path.clone(), item.mode as u16);
    let mtime = Mtime { seconds: item.mtime.0, nanoseconds: item.mtime.1 };
    match &item.kind {
        TreeKind::File => Entry::file(path, mode, mtime, item.size, crate::Digest::ZERO),
        TreeKind::Directory => Entry::directory(path, mode, mtime),
        TreeKind::Symlink(target) => Entry::symlink(path, mtime, target.clone()),
    }
}

fn report_of(summary: crate::ancestors::C1zSummary) -> ConvertReport {
    ConvertReport {
        size: summary.size,
        files: summary.files,
        directories: summary.directories,
        file_bytes: summary.file_bytes,
        copied_bytes: summary.copied_bytes,
        ..empty_report()
    }
}

fn empty_report() -> ConvertReport {
    ConvertReport {
        losses: Vec::new(),
        size: 0,
        files: 0,
        directories: 0,
        symlinks: 0,
        file_bytes: 0,
        records: 0,
        copied_bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::EntryPath;

    #[test]
    fn entries_are_in_the_order_of_their_names() {
        let directory = |path| Entry::directory(EntryPath::new(path).unwrap(), 0o755, Mtime::default());
        let file = |path| Entry::file(EntryPath::new(path).unwrap(), 0o644, Mtime::default(), 0, crate::Digest::ZERO);
        let entries = [
            directory("a"),
            file("a/b"),
            file("a.b"),
            file("a0"),
            directory("a/c"),
            directory("a/c/d"),
            file("a/c.d"),
            file("ab"),
            file("ä"),
        ];
        for (a, b) in entries.iter().flat_map(|a| entries.iter().map(move |b| (a, b))) {
            let slash = |entry: &Entry| if entry.kind == EntryKind::Directory { "/" } else { "" };
            let name = |entry: &Entry| format!("{}{}", entry.path, slash(entry));
            assert_eq!(compare(a, b, Order::Tar), name(a).cmp(&name(b)), "{} {}", a.path, b.path);
            assert_eq!(compare(a, b, Order::Path), a.path.as_str().cmp(b.path.as_str()), "{} {}", a.path, b.path);
        }
    }
}
