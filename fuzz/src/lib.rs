//! What the fuzz targets do with their input, apart from where it comes from: a fuzzer, or the corpus.

pub mod descriptors;
pub mod forge;
pub mod memory;
pub mod seeds;
pub mod targets;
