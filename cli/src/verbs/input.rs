//! Where an archive comes from: a file that can be read anywhere, or standard input and other pipes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rosettar::error::code;
use rosettar::io::{NamedFile, ReadAt, Spool, uninterrupted};
use rosettar::model::Facts;
use rosettar::read::ArchiveStream;
use rosettar::{Archive, Error, ErrorKind, Monitor, ReadOptions, Result};

use super::Context;
use crate::ui::{MayWait, WaitingReader};

/// What a spooled archive may take of memory, before a temporary file takes the rest.
const SPOOL_MEMORY: usize = 8 << 20;
/// Enough of an archive's beginning to tell that it is one.
const HEAD: u64 = 4096;
/// Enough to tell which format an archive is of, where it is not Rosettar's own.
const MAGIC: u64 = 5;

/// An archive that comes through a pipe.
pub(super) enum Piped {
    Stream(Box<ArchiveStream<Box<dyn Read>>>),
    Spooled(Archive),
}

impl Context {
    /// Opens the archive at `path`, or, where that is `-` or a pipe, the one that comes from there, once all of it has
    /// come.
    pub(super) fn open(&self, path: &Path) -> Result<Archive> {
        self.open_with(path, self.reading())
    }

    /// As [`open`](Self::open), with these options.
    pub(super) fn open_with(&self, path: &Path, options: ReadOptions) -> Result<Archive> {
        if !is_pipe(path)? {
            return options.open_path(path).inspect_err(|_| self.look_at_format_of(path));
        }
        let monitor = Monitor::new();
        let _watch = self.watch("reading", &monitor)?;
        let mut source = Counted { source: self.pipe(path)?, monitor };
        let mut head = Vec::new();
        (&mut source).take(HEAD).read_to_end(&mut head).map_err(cannot_read)?;
        self.look_at_format(&head);
        // What is no archive is refused before the rest of it is waited for.
        if let Err(error) = ReadOptions::new().stream(&head[..])
            && (error.is(code::ENVELOPE_UNKNOWN_MAGIC) || error.kind() == ErrorKind::Unsupported)
        {
            return Err(error);
        }
        let mut spool = Spool::new(SPOOL_MEMORY);
        spool.fill_from(head.chain(source))?;
        options.open(spool.finish())
    }

    /// What stands at the beginning of the archive at `path`.
    pub(super) fn header(&self, path: &Path) -> Result<Facts> {
        match is_pipe(path)? {
            true => self.open(path).map(|archive| archive.facts().clone()),
            false => self.reading().header(NamedFile::open(path)?).inspect_err(|_| self.look_at_format_of(path)),
        }
    }

    /// The bytes at `path`, or of standard input or a pipe once all of it has come, whatever they are.
    pub(super) fn open_bytes(&self, path: &Path) -> Result<Box<dyn ReadAt>> {
        if !is_pipe(path)? {
            return Ok(Box::new(NamedFile::open(path)?));
        }
        let mut spool = Spool::new(SPOOL_MEMORY);
        spool.fill_from(self.pipe(path)?)?;
        Ok(Box::new(spool.finish()))
    }

    /// Begins to read the archive at `path`, or from standard input where that is `-`, from front to back.
    pub(super) fn stream(&self, path: &Path, options: ReadOptions) -> Result<ArchiveStream<Box<dyn Read>>> {
        let source: Box<dyn Read> = match is_pipe(path)? {
            true => Box::new(self.pipe(path)?),
            false => Box::new(open_file(path)?),
        };
        options.stream(source)
    }

    /// What comes through the pipe at `path`: an archive to be read from front to back, or, where its format cannot be read
    /// like that, one that was spooled.
    pub(super) fn piped(&self, path: &Path, options: ReadOptions) -> Result<Piped> {
        let mut source = self.pipe(path)?;
        let mut head = Vec::new();
        (&mut source).take(MAGIC).read_to_end(&mut head).map_err(cannot_read)?;
        self.look_at_format(&head);
        let spools = ReadOptions::new().stream(&head[..]).is_err_and(|error| error.is(code::USAGE_FORMAT));
        let source: Box<dyn Read> = Box::new(io::Cursor::new(head).chain(source));
        if !spools {
            return options.stream(source).map(|stream| Piped::Stream(Box::new(stream)));
        }
        let mut spool = Spool::new(SPOOL_MEMORY);
        spool.fill_from(source)?;
        options.open(spool.finish()).map(Piped::Spooled)
    }

    /// Recovery takes no C1Z file.
    fn look_at_format(&self, head: &[u8]) {
        if head.starts_with(b"C1Z") {
            self.recovery.set(false);
        }
    }

    fn look_at_format_of(&self, path: &Path) {
        let mut head = Vec::new();
        // Where it cannot be read, that is what is reported.
        if File::open(path).and_then(|file| file.take(MAGIC).read_to_end(&mut head)).is_ok() {
            self.look_at_format(&head);
        }
    }

    fn pipe(&self, path: &Path) -> Result<WaitingReader> {
        let interrupt = self.interrupt.clone();
        if is_stdin(path) {
            return WaitingReader::new(io::stdin(), interrupt);
        }
        let path = path.to_owned();
        let open = move || {
            let cannot =
                |error: io::Error| io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display()));
            File::open(&path).map_err(cannot)
        };
        WaitingReader::opening(open, interrupt)
    }
}

/// Whether `path` stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether what is at `path` can only be read forward: standard input, a FIFO, a terminal, the `/dev/fd/63` of a shell.
pub(super) fn is_pipe(path: &Path) -> Result<bool> {
    if is_stdin(path) {
        return Ok(true);
    }
    match uninterrupted(|| std::fs::metadata(path)) {
        Ok(metadata) => Ok(!metadata.is_file() && !metadata.is_dir()),
        // Opening it says so.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(code::IO_FILE, format_args!("cannot open {}", path.display()), error)),
    }
}

/// What a file that the command line names may have, where all of it is read at once: schemas and manifests.
const SMALL: u64 = 16 << 20;

/// The content of a small file, or what comes through the FIFO at `path`; `too_large` makes the error for one that has more
/// than so many bytes. Nothing may have been written yet: an interruption may end the process.
pub(super) fn read_small(path: &Path, too_large: impl FnOnce(u64) -> Error) -> Result<Vec<u8>> {
    let _waiting = MayWait::begin();
    let mut content = Vec::new();
    let read = open_file(path)?.take(SMALL + 1).read_to_end(&mut content);
    read.map_err(|error| Error::io(code::IO_FILE, format_args!("cannot read {}", path.display()), error))?;
    if content.len() as u64 > SMALL { Err(too_large(SMALL)) } else { Ok(content) }
}

fn open_file(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::io(code::IO_FILE, format_args!("cannot open {}", path.display()), error))
}

fn cannot_read(error: io::Error) -> Error {
    Error::io(code::IO_READ, "reading the archive", error)
}

/// Counts what is read.
struct Counted<R> {
    source: R,
    monitor: Monitor,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buf)?;
        self.monitor.advance(read as u64).map_err(io::Error::other)?;
        Ok(read)
    }
}
