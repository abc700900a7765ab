//! Integration tests of the crate `rosettar`, in one binary.
#![allow(missing_docs)]

mod concurrency;
mod counted;
mod counts;
mod errors;
mod extract;
mod flips;
mod generated;
mod hostile;
mod layers;
mod memory;
#[cfg(unix)]
mod outside;
mod property;
mod slow;
mod splice;
mod streamed;
mod support;
#[cfg(unix)]
mod trees;
mod vectors;
mod writer;
