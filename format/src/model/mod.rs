//! What an archive holds, as values without bytes: entries, the manifest's facts, streams, summaries and reports.

mod entry;
mod facts;
mod report;

pub use entry::{Entry, EntryKind, Mtime};
pub use facts::{Annotation, Facts, Manifest, StreamDeclaration, StreamInfo, Totals};
pub use report::{Problem, Summary, VerifyReport};
