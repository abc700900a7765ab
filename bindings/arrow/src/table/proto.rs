//! The messages of `rosettar.arrow.v1`, generated from spec/rosettar/arrow/v1/arrow.proto; a test compares them with
//! their source.
#![allow(missing_docs, dead_code, clippy::all, clippy::pedantic, rustdoc::all)]

include!("rosettar.arrow.v1.rs");

/// The descriptor set that a derived type imports from: `rosettar.arrow.v1`, and the well-known types.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!("rosettar.arrow.v1.binpb");

/// The number of both extensions.
pub const EXTENSION: u32 = 56_420;
