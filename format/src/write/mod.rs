//! Writing archives: one pass to any [`Write`](std::io::Write), or to a path, where the old file or the new one is left
//! (FORMAT.md, "Writing").

mod chunk;
mod continuation;
mod entries;
mod finish;
mod members;
mod options;
mod pipeline;
mod schemas;
mod splice;
mod streams;
pub mod tree;
mod writer;

pub use continuation::Continuation;
pub use entries::NewEntry;
pub use options::WriteOptions;
pub use streams::{RecordType, StreamId};
pub use writer::Writer;
