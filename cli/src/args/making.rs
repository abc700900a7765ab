//! The arguments of the verbs that make archives.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Links, Names, threads};

pub(super) const PACK: &str = "\
Records come from .csv, .jsonl (or .ndjson) and length-delimited .binpb (or .pb) files; FILE may be preceded by csv:, \
jsonl: or binpb:, and is - for standard input. Every value is checked against the message type; where one does not fit, \
nothing is written.

Patterns are globs over archive paths: ? and * match within a component, ** across components; one without a / matches a \
name at any depth.

Examples:
  rosettar pack -o notes.rtar notes/
  rosettar pack -o site.rtar -C /srv/www --exclude '*.log' .
  rosettar pack -o flights.rtar --proto flights.proto --null NA \\
      --records flights:demo.Flight=flights.csv
  zcat log.jsonl.gz | rosettar pack -o log.rtar --proto log.proto --records log:app.Line=jsonl:-
  rosettar pack -o - notes | ssh backup 'cat > notes.rtar'";

pub(super) const APPEND: &str = "\
The archive is never written to in place: a new one takes its place when it is complete, and until then, and after any \
failure, the old one is there. Several processes may append to one archive at the same time; each waits for those before \
it.

A path that the archive has already is refused, unless --replace is given. Records for a stream that the archive has \
extend it: --records NAME=FILE takes its type from the archive itself, and NAME:TYPE=FILE with --proto makes sure that \
the type is the same. A new stream needs its TYPE. Files of records and patterns are as for pack.

Examples:
  rosettar append notes.rtar notes/today.txt
  rosettar append site.rtar -C /srv/www --replace index.html
  rosettar append flights.rtar --records flights=february.csv
  rosettar append notes.rtar -o more.rtar notes/today.txt
  rosettar append notes.rtar --attr reviewed=yes";

pub(super) const REMOVE: &str = "\
Patterns are as for extract: what matches is removed with all that is below it. Records and schemas stay. The archive is \
never written to in place: a new one takes its place when it is complete.

Examples:
  rosettar remove notes.rtar drafts '*.tmp'
  rosettar remove --dry-run notes.rtar '*.tmp'
  rosettar remove photos.rtar 2019 -o newer.rtar";

/// `pack`
#[derive(Args, Debug)]
pub struct Pack {
    /// Where the archive goes: a file, which appears when it is complete, or - for standard output
    #[arg(short, long, value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// What goes in.
    #[command(flatten)]
    pub inputs: Inputs,
    /// How it is stored.
    #[command(flatten)]
    pub compression: Compression,
    /// State when the archive was made: an RFC 3339 time, @SECONDS since 1970, or now
    #[arg(long, value_name = "TIME", help_heading = "Format")]
    pub created: Option<String>,
    /// Write and sync whenever this many bytes were taken: until the archive is complete, ARCHIVE.partial has them, and
    /// `rosettar recover` salvages them after a crash
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Format")]
    pub flush_every: Option<usize>,
}

/// `append`
#[derive(Args, Debug)]
pub struct Append {
    /// The archive
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// Write the new archive here, or with - to standard output, and leave the old one alone
    #[arg(short, long, value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// What comes in.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Put a PATH that the archive has already in the place of what it has
    #[arg(long, help_heading = "Selection")]
    pub replace: bool,
    /// How it is stored.
    #[command(flatten)]
    pub compression: Compression,
}

/// `remove`
#[derive(Args, Debug)]
pub struct Remove {
    /// The archive
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// What to remove, with what is below it
    #[arg(value_name = "GLOB", required = true)]
    pub globs: Vec<String>,
    /// Write the new archive here, or with - to standard output, and leave the old one alone
    #[arg(short, long, value_name = "ARCHIVE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// List what would be removed, and leave it
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// How it is stored.
    #[command(flatten)]
    pub compression: Compression,
}

/// What is put into an archive.
#[derive(Args, Debug)]
pub struct Inputs {
    /// Take PATHs relative to this directory
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".", hide_default_value = true,
          value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// Files and directories, by the paths that they get in the archive; . is all that DIR holds
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath,
          required_unless_present_any = ["records", "attributes"])]
    pub paths: Vec<PathBuf>,
    /// Take in a file of records as stream NAME of message type TYPE (repeatable)
    #[arg(long, value_name = "NAME:TYPE=FILE", help_heading = "Records")]
    pub records: Vec<String>,
    /// Compile this .proto file for the types of --records (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Records", value_hint = ValueHint::FilePath)]
    pub proto: Vec<PathBuf>,
    /// Look for imported .proto files in this directory (repeatable) [default: that of each file]
    #[arg(short = 'I', long = "include-dir", value_name = "DIR", help_heading = "Records", requires = "proto",
          value_hint = ValueHint::DirPath)]
    pub include_dirs: Vec<PathBuf>,
    /// Take the types of --records from this FileDescriptorSet, as `protoc --include_imports -o` writes it
    #[arg(long, value_name = "FILE", help_heading = "Records", conflicts_with = "proto",
          value_hint = ValueHint::FilePath)]
    pub descriptor_set: Option<PathBuf>,
    /// Read this text in a CSV cell as an unset field, as an empty cell is
    #[arg(long, value_name = "TEXT", help_heading = "Records")]
    pub null: Option<String>,
    /// Take only what matches GLOB, and what is below it (repeatable)
    #[arg(long, value_name = "GLOB", help_heading = "Selection")]
    pub include: Vec<String>,
    /// Leave out what matches GLOB, and what is below it (repeatable)
    #[arg(long, value_name = "GLOB", help_heading = "Selection")]
    pub exclude: Vec<String>,
    /// What becomes of symbolic links that lead out of the tree
    #[arg(long, value_name = "WHAT", default_value = "refuse", help_heading = "Selection")]
    pub links: Links,
    /// Which names are accepted
    #[arg(long, value_name = "WHICH", default_value = "any", help_heading = "Selection")]
    pub names: Names,
    /// Leave out, and report, devices, FIFOs, sockets, and names that are no UTF-8 or have control characters
    #[arg(long, help_heading = "Selection")]
    pub skip_unsupported: bool,
    /// Add an attribute (repeatable)
    #[arg(long = "attr", value_name = "KEY=VALUE", help_heading = "Format")]
    pub attributes: Vec<String>,
    /// Drop nanoseconds, and set times after $SOURCE_DATE_EPOCH, if that is set, to it
    #[arg(long, help_heading = "Format")]
    pub reproducible: bool,
}

/// How an archive is stored.
#[derive(Args, Debug)]
pub struct Compression {
    /// zstd's compression level, -131072 to 22
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true, help_heading = "Format")]
    pub level: i32,
    /// How many threads compress; the bytes are the same [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = threads, help_heading = "Format")]
    pub threads: Option<usize>,
    /// Bytes per chunk: what a reader decodes to get at one small file; 4K to 8M, a multiple of 512
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = size, help_heading = "Format")]
    pub chunk_size: usize,
}

fn size(text: &str) -> Result<usize, String> {
    rosettar::limits::parse_size(text)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "expected a number of bytes such as 65536, 64K or 4M".to_owned())
}
