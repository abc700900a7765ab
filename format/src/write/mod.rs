//! Writing archives.

pub mod tree;
