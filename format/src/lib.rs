//! The Rosettar archive format: a tar inside seekable zstd, with typed protobuf records and the schemas to read them.
#![forbid(unsafe_code)]

pub mod digest;
pub mod error;
mod frame;
pub mod io;
pub mod limits;
pub mod model;
mod parallel;
pub mod path;
#[allow(missing_docs)]
mod proto;
pub mod record;
pub mod schema;
mod tar;
mod wire;

pub use digest::Digest;
pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
pub use path::EntryPath;
