//! `convert`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use rosettar::convert::Target;

use super::threads;

pub(super) const CONVERT: &str = "\
FORMAT is rtar, or one of the formats that it descends from: c1z3-indexed, c1z3-tar-zstd, c1z3-tar, c1z1. SOURCE is an archive of \
any of them; for the c1z3 formats also a directory, and for c1z1 a SQLite database.

What FORMAT cannot hold is listed before anything is written, and refused unless --lossy is given; then the exit code is 3 where \
something was left out.

Examples:
  rosettar convert sync.c1z -o sync.rtar --to rtar
  rosettar convert sync.rtar -o sync.c1z --to c1z3-indexed
  rosettar convert db/ -o sync.c1z --to c1z3-tar-zstd --engine pebble --schema-version 24 --lossy
  rosettar convert sync.db -o sync.c1z --to c1z1";

/// `convert`
#[derive(Args, Debug)]
pub struct Convert {
    /// What to convert; - for an archive on standard input
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub source: PathBuf,
    /// The new file, which appears when it is complete
    #[arg(short, long, value_name = "NEW", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// The format of the new file
    #[arg(long, value_name = "FORMAT", value_parser = clap::builder::PossibleValuesParser::new(Target::NAMES))]
    pub to: String,
    /// Leave out what the format cannot hold
    #[arg(long)]
    pub lossy: bool,
    /// The storage engine that a c1z3 file names, where SOURCE has no C1Z manifest
    #[arg(long, value_name = "NAME")]
    pub engine: Option<String>,
    /// The version of what the engine stores
    #[arg(long, value_name = "N", requires = "engine")]
    pub schema_version: Option<u32>,
    /// The manifest that a c1z3 file gets: a file with a serialized c1.c1z.v3.C1ZManifestV3
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "engine")]
    pub manifest: Option<PathBuf>,
    /// zstd's compression level, -131072 to 22
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true)]
    pub level: i32,
    /// How many threads compress; the bytes are the same [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}
