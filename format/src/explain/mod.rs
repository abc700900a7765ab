//! A map of the bytes of a file, for whoever debugs a writer of archives: what stands where, what it says, which section
//! of FORMAT.md has it, and what is wrong with it.
//!
//! ```
//! # let mut file = Vec::new();
//! # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
//! # writer.add_bytes(rosettar::NewEntry::new("notes/a.txt")?, b"alpha")?;
//! # writer.finish()?;
//! use rosettar::explain::ExplainOptions;
//!
//! let size = file.len() as u64;
//! let mut end = 0;
//! let verdict = ExplainOptions::new().explain(file, |line| {
//!     if line.level == 0 {
//!         // The outermost lines cover the file, each byte once.
//!         assert_eq!(line.offset, end);
//!         end += line.length;
//!     }
//!     println!("{:>10} {}: {}", line.offset, line.what, line.value);
//!     Ok(())
//! })?;
//! assert!(verdict.is_sound());
//! assert_eq!(end, size);
//! # Ok::<(), rosettar::Error>(())
//! ```

mod c1z;
mod fields;
mod frames;
mod members;
mod out;
mod plan;
mod sections;
mod table;
mod walk;

use std::ops::Range;
use std::sync::Arc;

use crate::dispatch::Format;
use crate::error::{Code, Error, Result, code};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::read::ReadOptions;
use crate::verify::VerifyOptions;
use crate::wire::prefix;

use out::Out;

/// How to explain a file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ExplainOptions {
    limits: Limits,
    monitor: Monitor,
    all: bool,
    at: Option<Range<u64>>,
}

impl ExplainOptions {
    /// The defaults: the whole file, and of things that are alike and follow each other the first few.
    pub fn new() -> Self {
        Self::default()
    }

    /// The limits to keep to. What exceeds them is not looked into, and said to do so.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where to count the bytes of the tar that were verified, and what stops the work.
    #[must_use]
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Whether each of the things that are alike gets a line; otherwise one line stands for those after the first few.
    #[must_use]
    pub fn all(mut self, all: bool) -> Self {
        self.all = all;
        self
    }

    /// Gives only the lines that enclose a byte of this range of the file. What a frame decodes to belongs to its blocks.
    #[must_use]
    pub fn at(mut self, range: Range<u64>) -> Self {
        self.at = Some(range);
        self
    }

    /// Verifies `source`, records included, then goes over its bytes from front to back and gives `see` a line for each
    /// thing. It goes on as far as frames can be told apart: by their own bytes, by the index, by the seek table.
    ///
    /// Memory is bounded by the limits, as that of a reader is, and time is that of a verification and of reading the
    /// file once more.
    ///
    /// # Errors
    /// `io.read`, `usage.interrupted`, `usage.option` where the range of [`at`](Self::at) is empty or begins after the
    /// file, and whatever `see` returns. What is wrong with the file is on the lines and in the verdict.
    pub fn explain(self, source: impl ReadAt + 'static, mut see: impl FnMut(Line) -> Result<()>) -> Result<Verdict> {
        let source: Arc<dyn ReadAt> = Arc::new(source);
        let size = source.size().map_err(cannot_read)?;
        if let Some(at) = &self.at
            && (at.is_empty() || at.start >= size)
        {
            let message = format!(
                "bytes {} up to {} are asked for: expected a range of the file, which has {size} bytes",
                at.start, at.end
            );
            return Err(Error::new(code::USAGE_OPTION, message));
        }
        let mut verdict = self.verdict(&source)?;
        let mut out = Out::new(&mut see, self.all, self.at.clone(), &verdict.problems);
        let head = read(source.as_ref(), 0, size.min(prefix::LEN as u64))?;
        match Format::of(&head) {
            Ok(Format::C1zV1 | Format::C1zV3) => c1z::explain(source.as_ref(), size, &self, &mut out)?,
            _ => walk::explain(source.as_ref(), size, &head, &self, &mut out)?,
        }
        verdict.unplaced = out.finish()?;
        Ok(verdict)
    }

    /// What the reader says.
    fn verdict(&self, source: &Arc<dyn ReadAt>) -> Result<Verdict> {
        let options = ReadOptions::new().limits(self.limits.clone()).monitor(self.monitor.clone());
        let opened = options.open(Arc::clone(source)).and_then(|archive| {
            let report = archive.verify(&VerifyOptions::new().records(true))?;
            Ok((archive.facts().format.clone(), report))
        });
        match opened {
            Ok((format, report)) => Ok(Verdict {
                format: Some(format),
                problems: report.problems,
                more_problems: report.more_problems,
                unplaced: Vec::new(),
            }),
            Err(error) if is_the_worlds(&error) => Err(error),
            Err(error) => Ok(Verdict { format: None, problems: vec![error], more_problems: 0, unplaced: Vec::new() }),
        }
    }
}

/// Where the offset of a line counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Space {
    /// The beginning of the file.
    File,
    /// The beginning of the tar.
    Tar,
    /// The beginning of what the page of the entry table decodes to.
    Page,
}

impl Space {
    /// The name of the space: `file`, `tar` or `page`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Tar => "tar",
            Self::Page => "page",
        }
    }
}

/// One thing in a file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Line {
    /// How many things it is in: 0 for the outermost, which follow each other without gaps.
    pub level: u32,
    /// Where `offset` counts from.
    pub space: Space,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has. 0 for what is only said, and no bytes of its own.
    pub length: u64,
    /// What it is.
    pub what: String,
    /// What it says, cut where it is long; may be empty. Text of the file is quoted, and its control characters escaped.
    pub value: String,
    /// The section of FORMAT.md that has it, such as `3.1`, or of C1Z.md, as `C1Z.md 5`; may be empty.
    pub spec: &'static str,
    /// How many things are not shown that this line stands for; 0 for an ordinary one.
    pub more: u64,
    /// What is wrong with it.
    pub problems: Vec<Error>,
}

impl Line {
    fn new(level: u32, offset: u64, length: u64, what: impl Into<String>, spec: &'static str) -> Self {
        let (value, problems) = (String::new(), Vec::new());
        Self { level, space: Space::File, offset, length, what: what.into(), value, spec, more: 0, problems }
    }

    fn space(mut self, space: Space) -> Self {
        self.space = space;
        self
    }

    fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    fn problem(mut self, problem: impl Into<Option<Error>>) -> Self {
        self.problems.extend(problem.into());
        self
    }
}

/// What the reader says of the file as a whole.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The format and its version; `None` where the file could not be opened.
    pub format: Option<String>,
    /// What is wrong, in the order in which opening and verifying found it: the first is what a reader reports.
    pub problems: Vec<Error>,
    /// How many more there are.
    pub more_problems: u64,
    /// Which of `problems`, by their place in it, are on no line: those that have no place in the file.
    pub unplaced: Vec<usize>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Whether an error is not the file's.
fn is_the_worlds(error: &Error) -> bool {
    use crate::error::ErrorKind::{Io, Usage};
    matches!(error.kind(), Io | Usage)
}

/// Something that is wrong.
fn fault(code: Code, message: impl Into<String>) -> Error {
    Error::new(code, message)
}

/// What was refused, of the file; what is wrong with the world is passed on.
fn refused<T>(outcome: Result<T>) -> Result<Result<T>> {
    match outcome {
        Err(error) if is_the_worlds(&error) => Err(error),
        outcome => Ok(outcome),
    }
}

/// Bytes of the file that are there and whose number the caller has bounded.
fn read(source: &dyn ReadAt, offset: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    source.read_exact_at(&mut bytes, offset).map_err(cannot_read)?;
    Ok(bytes)
}

fn cannot_read(error: std::io::Error) -> Error {
    Error::io(code::IO_READ, "reading the archive", error)
}

/// How many bytes, and characters, of a long value are shown.
const SHOWN_BYTES: usize = 16;
const SHOWN_CHARS: usize = 72;

/// Bytes as `28 B5 2F FD`, cut where there are many.
fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
    if bytes.len() > SHOWN_BYTES { format!("{shown} …") } else { shown }
}

/// Text in quotes, its control characters escaped, cut where it is long.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?} … {} bytes", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

/// Text of the file, which need not be UTF-8.
fn quoted_bytes(bytes: &[u8]) -> String {
    // No character has more than four bytes.
    let cut = &bytes[..bytes.len().min(4 * SHOWN_CHARS + 4)];
    match std::str::from_utf8(bytes) {
        Ok(text) => quoted(text),
        Err(_) => format!("{} (no UTF-8)", quoted(&String::from_utf8_lossy(cut))),
    }
}
