//! The Rosettar archive format: a tar inside seekable zstd, with typed protobuf records and the schemas to read them.
#![forbid(unsafe_code)]

pub mod digest;
pub mod error;
pub mod io;
pub mod limits;
pub mod path;
pub mod record;
pub mod schema;
pub mod write;

pub use digest::Digest;
pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
pub use path::EntryPath;
