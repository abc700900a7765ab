//! The Rosettar archive format: a tar inside seekable zstd, with typed protobuf records and the schemas to read them.
#![forbid(unsafe_code)]

mod ancestors;
mod c1z;
pub mod convert;
pub mod diff;
pub mod digest;
mod dispatch;
pub mod error;
pub mod explain;
mod extract;
mod frame;
pub mod io;
pub mod limits;
pub mod model;
mod monitor;
mod parallel;
pub mod path;
#[allow(missing_docs)]
mod proto;
pub mod read;
pub mod record;
pub mod recover;
pub mod schema;
mod select;
mod tar;
mod v1;
mod verify;
mod wire;
pub mod write;

pub use ancestors::{C1zOptions, C1zSummary, C1zWriter, c1z_manifest_descriptors};
pub use diff::{DiffOptions, Difference};
pub use digest::Digest;
pub use dispatch::{open, open_path};
pub use error::{Error, ErrorKind, Result};
pub use extract::{ExtractOptions, ExtractReport};
pub use limits::Limits;
pub use model::{
    Annotation, C1zEncoding, C1zFacts, C1zManifest, Entry, EntryKind, Facts, Manifest, Mtime, StreamInfo, Summary,
    Totals, VerifyReport,
};
pub use monitor::Monitor;
pub use path::EntryPath;
pub use read::{Archive, ArchiveStream, ReadOptions};
pub use recover::{RecoverOptions, RecoverReport};
pub use select::Selection;
pub use verify::VerifyOptions;
pub use write::{Continuation, NewEntry, RecordType, StreamId, WriteOptions, Writer};

/// Doors for the fuzz targets of this project; nothing behind them is promised.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::tar::{Parsed, member_header, parse_header};
}

/// The examples of the READMEs run as tests.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../README.md")]
    struct Crate;
    #[doc = include_str!("../../README.md")]
    struct Project;
}
