//! The command `rosettar`, as a library: readers of typed records, writers of records as text, and what the verbs share.
#![forbid(unsafe_code)]

pub mod ingest;
pub mod output;
pub mod ui;
pub mod wire;

#[cfg(test)]
mod testing;
