//! What an archive holds, as values without bytes: entries, the manifest's facts, streams, summaries and reports.

mod c1z;
mod entry;
mod facts;
mod report;

pub use c1z::{C1zEncoding, C1zFacts, C1zGrantDigest, C1zManifest, C1zRecordType, C1zSyncRun, C1zSyncStats};
pub use entry::{Entry, EntryKind, Mtime};
pub use facts::{Annotation, Facts, Manifest, StreamDeclaration, StreamInfo, Totals};
pub use report::{Problem, Summary, VerifyReport};
