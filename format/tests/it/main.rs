//! Integration tests of the crate `rosettar`, in one binary.
#![allow(missing_docs)]

#[cfg(target_os = "linux")]
mod attacks;
#[cfg(target_os = "linux")]
mod bare;
mod c1z;
mod concurrency;
mod counted;
mod counts;
mod diff;
mod errors;
mod explain;
mod extract;
mod flips;
mod flush;
mod generated;
mod hostile;
mod layers;
mod memory;
#[cfg(unix)]
mod outside;
mod property;
mod races;
mod recover;
mod security;
mod slow;
mod splice;
mod streamed;
mod support;
#[cfg(unix)]
mod trees;
mod vectors;
mod writer;
