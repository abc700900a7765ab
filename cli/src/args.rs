//! The command line: one definition for parsing, `--help`, completions and man pages.

mod conformance;
mod convert;
mod explain;
mod making;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub use conformance::{Conformance, KitFormat};
pub use convert::Convert;
pub use explain::Explain;
pub use making::{Append, Compression, Inputs, Pack, Remove};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Pack, list, read, extract and verify Rosettar archives
///
/// A Rosettar archive (.rtar) is a tar inside seekable zstd with typed protobuf records, the schemas to read them, and
/// digests that prove every byte. `tar xf` opens it as well.
#[derive(Debug, Parser)]
#[command(name = "rosettar", version, styles = STYLES, arg_required_else_help = true, after_long_help = ABOUT_EXITS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// What every verb takes.
    #[command(flatten)]
    pub global: Global,
}

const ABOUT_EXITS: &str = "\
Exit codes:
  0    done
  1    wrong usage, bad input to pack or append, or the environment: no such file, a full disk
  2    an archive that was read is not acceptable
  3    done, with a finding: something was skipped, is lost, or differs
  130  interrupted

Ctrl-C, SIGTERM or SIGHUP stops the work, which then removes its temporary files. Another one, a second later or more, ends it at \
once: then temporary files may be left, .NAME.rosettar-XXXXXXXX.tmp beside the file that was being written, or a directory with \
.rosettar-extract-XXXXXXXX in its name. A signal that was ignored when rosettar began, as with nohup, stays ignored.

Examples:
  rosettar pack -o notes.rtar notes/
  rosettar info notes.rtar
  rosettar extract notes.rtar
  rosettar verify notes.rtar";

/// Options of every verb.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Print JSON instead of text, and an error as one JSON object on standard error
    #[arg(long, global = true, help_heading = "General options")]
    pub json: bool,
    /// Print no progress bar, no summary and no warnings
    #[arg(long, short, global = true, help_heading = "General options")]
    pub quiet: bool,
    /// Change a limit, such as entries=2M or decoded-bytes=50G (repeatable)
    #[arg(long = "limit", value_name = "NAME=VALUE", global = true, help_heading = "General options",
          long_help = LIMIT_HELP)]
    pub limits: Vec<String>,
}

const LIMIT_HELP: &str = "Change a limit (repeatable). VALUE is a number with an optional suffix K, M, G or T (powers of \
1024). The names, and the defaults: decoded-bytes (the greater of 10G and 100 times the file's size), entries (1M), frames (4M), \
streams (4K), schemas (4K), path-bytes (4K), component-bytes (255), path-depth (64), record-bytes (64M), record-values \
(1M), manifest-bytes (16M), index-bytes (256M)";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make an archive of files, directories and typed records
    #[command(after_long_help = making::PACK)]
    Pack(Box<Pack>),
    /// Add files and records to an archive, whose frames are copied as they are
    #[command(after_long_help = making::APPEND)]
    Append(Box<Append>),
    /// Remove files and directories from an archive
    #[command(after_long_help = making::REMOVE)]
    Remove(Remove),
    /// Show what an archive is and holds, at a glance
    #[command(after_long_help = INFO)]
    Info(Info),
    /// List entries, or streams
    #[command(after_long_help = LIST)]
    List(List),
    /// Write the content of files to standard output
    #[command(after_long_help = CAT)]
    Cat(Cat),
    /// Print the records of a stream
    #[command(after_long_help = RECORDS)]
    Records(Records),
    /// Print the .proto text, or the descriptor set, of an archive's record types
    #[command(after_long_help = SCHEMA)]
    Schema(Schema),
    /// Extract to a directory: all of it, proven, or nothing
    #[command(after_long_help = EXTRACT)]
    Extract(Extract),
    /// Prove every byte of archives, or say what is wrong
    #[command(after_long_help = VERIFY)]
    Verify(Verify),
    /// Map the bytes of a file: what stands where, what it says, and what is wrong with it
    #[command(after_long_help = explain::EXPLAIN)]
    Explain(Explain),
    /// Salvage what is whole of a broken archive into a new one, and say what is lost
    #[command(after_long_help = RECOVER)]
    Recover(Recover),
    /// Convert between Rosettar archives and C1Z files, the formats that they descend from
    #[command(after_long_help = convert::CONVERT)]
    Convert(Convert),
    /// Say what differs between two archives, or an archive and a directory
    #[command(after_long_help = DIFF)]
    Diff(Diff),
    /// Write the specification and the conformance kit that belong to this version
    #[command(after_long_help = conformance::CONFORMANCE)]
    Conformance(Conformance),
    /// Print the completions for a shell
    #[command(after_long_help = COMPLETIONS)]
    Completions(Completions),
    /// Print, or write, the man pages
    #[command(after_long_help = MAN)]
    Man(Man),
}

const INFO: &str = "\
Examples:
  rosettar info notes.rtar
  rosettar info --json notes.rtar | jq -r .root_digest";

impl Verb {
    /// Whether exit code 0 says something of an archive, so that it must not be that where the work broke off because
    /// nobody reads the output any more.
    pub fn promises(&self) -> bool {
        match self {
            Self::Verify(_) | Self::Diff(_) | Self::Explain(_) => true,
            Self::Info(Info { provisional, .. })
            | Self::List(List { provisional, .. })
            | Self::Cat(Cat { provisional, .. })
            | Self::Records(Records { provisional, .. }) => provisional.provisional,
            _ => false,
        }
    }
}

/// How an archive that comes through a pipe is read.
#[derive(Args, Debug)]
pub struct FromPipe {
    /// Read front to back in one pass, without keeping the archive: what is printed is confirmed only by exit code 0
    #[arg(long)]
    pub provisional: bool,
}

/// `info`
#[derive(Args, Debug)]
pub struct Info {
    /// The archive; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// Read only what stands at the beginning: of a C1Z v3 file neither the payload nor the descriptors
    #[arg(long, conflicts_with = "provisional")]
    pub header: bool,
    /// When the archive comes through a pipe
    #[command(flatten)]
    pub provisional: FromPipe,
}

const LIST: &str = "\
Times are in UTC. Patterns are as for extract: what matches is listed with all that is below it.

Examples:
  rosettar list notes.rtar
  rosettar list notes.rtar '*.md' docs/
  rosettar list --streams flights.rtar
  rosettar list --json notes.rtar | jq -r 'select(.size > 1000000) | .path'
  curl -s https://example.org/notes.rtar | rosettar list -";

/// `list`
#[derive(Args, Debug)]
pub struct List {
    /// The archive; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// List only what matches, and what is below it
    #[arg(value_name = "GLOB")]
    pub globs: Vec<String>,
    /// List the streams of records instead
    #[arg(long, conflicts_with_all = ["globs", "all", "provisional"])]
    pub streams: bool,
    /// List also the members that the format itself needs, below .rosettar/
    #[arg(long, conflicts_with = "provisional")]
    pub all: bool,
    /// When the archive comes through a pipe
    #[command(flatten)]
    pub provisional: FromPipe,
}

const CAT: &str = "\
With --json, one object a line for each file, its content in base64.

Examples:
  rosettar cat notes.rtar notes/today.txt
  rosettar cat photos.rtar 2024/sea.jpg > sea.jpg";

/// `cat`
#[derive(Args, Debug)]
pub struct Cat {
    /// The archive; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// The paths of files in it
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
    /// When the archive comes through a pipe
    #[command(flatten)]
    pub provisional: FromPipe,
}

const RECORDS: &str = "\
Examples:
  rosettar records flights.rtar flights | head -n 3
  rosettar records flights.rtar flights --rows 1000:1010 --format csv
  rosettar records flights.rtar flights --fields carrier,time.hour --format csv --null NA
  rosettar records flights.rtar flights --rows -5: | jq .carrier";

/// `records`
#[derive(Args, Debug)]
pub struct Records {
    /// The archive; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// The stream's name
    pub stream: String,
    /// jsonl: canonical protobuf JSON, one object a line; csv: what pack reads back; binpb: each message after its
    /// length; text: protobuf text format, one message a line
    #[arg(long, default_value = "jsonl", value_name = "FORMAT")]
    pub format: RecordFormat,
    /// Print records START up to, not including, END; also START:, :END, one number; negative ones count from the end
    #[arg(long, value_name = "START:END", allow_hyphen_values = true)]
    pub rows: Option<String>,
    /// Print only these fields, such as a,b.c
    #[arg(long, value_name = "PATHS")]
    pub fields: Option<String>,
    /// Print this text in CSV for an unset field
    #[arg(long, value_name = "TEXT")]
    pub null: Option<String>,
    /// When the archive comes through a pipe
    #[command(flatten)]
    pub provisional: FromPipe,
}

const SCHEMA: &str = "\
A Schema is the closed set of .proto files that define some streams' types. Without STREAM, every Schema but the format's own (number \
0) is meant. Printed text leaves out google/protobuf/*.proto, which every protobuf has, unless --all is given. With -o, DIR gets \
all files, directly where there is one Schema, and in a directory for each, named by its number, where there are more; then \
`protoc -I DIR FILE` builds them.

Examples:
  rosettar schema flights.rtar flights
  rosettar schema flights.rtar flights -o protos && protoc -I protos --python_out=. protos/*.proto
  rosettar schema flights.rtar flights --descriptor-set > flights.binpb";

/// `schema`
#[derive(Args, Debug)]
pub struct Schema {
    /// The archive; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// The stream whose Schema is meant
    pub stream: Option<String>,
    /// Write the FileDescriptorSet as it is stored
    #[arg(long)]
    pub descriptor_set: bool,
    /// Write .proto files below this absent or empty directory; with --descriptor-set, the file to write
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// Include google/protobuf/*.proto, and without STREAM the format's own Schema
    #[arg(long)]
    pub all: bool,
}

const EXTRACT: &str = "\
Patterns are globs over the paths in the archive: ? and * match within a component, ** across components; one without a / \
matches a name at any depth. What matches is extracted with all that is below it.

Everything is written to a staging directory and proven there before anything appears in DIR. An absent DIR appears in one \
step. With --merge, entries are moved into DIR one after the other; directories that are there keep their modes, symbolic \
links in DIR are not followed, and nothing is ever put in the place of a directory. Should the move be interrupted, DIR has \
a directory .rosettar-extract-XXXXXXXX, and running the same again completes and removes it.

With --records, each stream becomes a file at the top of DIR, such as flights.csv, whatever GLOBs there are; `rosettar \
schema` gives the .proto files that describe the records, for binpb the only way to read them.

Examples:
  rosettar extract notes.rtar
  rosettar extract notes.rtar -C /tmp/notes '*.md'
  rosettar extract --merge --overwrite newer --strip-components 1 notes.rtar -C ~/notes
  rosettar extract --records csv flights.rtar
  rosettar extract --modes exact --sync backup.rtar -C /srv/restored";

/// `extract`
#[derive(Args, Debug)]
pub struct Extract {
    /// The archive; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// Extract only what matches, and what is below it
    #[arg(value_name = "GLOB")]
    pub globs: Vec<String>,
    /// Leave out what matches GLOB, and what is below it (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// The directory to extract to, absent or empty unless --merge is given [default: the archive's name without its
    /// suffix, here]
    #[arg(short = 'C', long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    /// What becomes of symbolic links that lead out of the directory
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub links: Links,
    /// Which names are accepted; whatever this says, no entry ever takes the place of another
    #[arg(long, value_name = "WHICH", default_value = "any")]
    pub names: Names,
    /// Leave the first N components off every path; what has no more than N is left out
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub strip_components: usize,
    /// Add to what DIR holds; a file in the way is an error, before anything is changed, unless --overwrite is given
    #[arg(long)]
    pub merge: bool,
    /// What becomes of a file in DIR, or a link, where the archive has another one
    #[arg(long, value_name = "WHICH", requires = "merge")]
    pub overwrite: Option<Overwrite>,
    /// Write the records of each stream NAME to a file, NAME.jsonl, NAME.csv or NAME.binpb
    #[arg(long, value_name = "FORMAT")]
    pub records: Option<RecordFiles>,
    /// Whether the modes of files honour the umask
    #[arg(long, value_name = "HOW", default_value = "umask")]
    pub modes: Modes,
    /// Write everything to the disk before it appears, so that a power cut leaves all or nothing
    #[arg(long)]
    pub sync: bool,
    /// How many threads decode [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}

const VERIFY: &str = "\
Exits with 0 only if every byte of every archive is proven, with 2 if one is not sound, and with 1 if one could not be \
read, or is left because nobody reads the output any more.

Examples:
  rosettar verify notes.rtar
  rosettar verify --records *.rtar
  rosettar verify --quiet notes.rtar && echo sound
  ssh host rosettar pack -o - notes | rosettar verify -";

/// `verify`
#[derive(Args, Debug)]
pub struct Verify {
    /// The archives; - for standard input
    #[arg(value_name = "ARCHIVE", required = true, value_hint = ValueHint::FilePath)]
    pub archives: Vec<PathBuf>,
    /// Decode every record by its schema, too
    #[arg(long)]
    pub records: bool,
    /// How many threads decode [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// When the archive comes through a pipe
    #[command(flatten)]
    pub provisional: FromPipe,
}

const RECOVER: &str = "\
Every entry and record is salvaged whose bytes a digest or checksum vouches for; nothing else is. With an intact index, damage \
costs only what it hits; of a file that was cut off, everything before the cut that is complete. Records whose schema is lost are \
kept as files below recovered-records/. Where anything is lost, the new archive carries the report as an annotation, which info \
prints. The broken archive is not changed. `pack --flush-every` leaves ARCHIVE.partial after a crash, which this verb takes.

Exit codes: 0 nothing is lost, 3 something is, 2 nothing is to be recognised.

Examples:
  rosettar recover broken.rtar -o new.rtar
  rosettar recover log.rtar.partial -o log.rtar   # exits with 3: at least the index is lost
  ssh host cat broken.rtar | rosettar recover --json - -o new.rtar";

/// `recover`
#[derive(Args, Debug)]
pub struct Recover {
    /// The broken archive, or - for standard input
    #[arg(value_name = "BROKEN", value_hint = ValueHint::FilePath)]
    pub archive: PathBuf,
    /// Where the new archive goes: a file, which appears when it is complete, or - for standard output
    #[arg(short, long, value_name = "NEW", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// zstd's compression level, -131072 to 22
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true)]
    pub level: i32,
    /// How many threads compress; the bytes are the same [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}

const DIFF: &str = "\
Contents and records are compared by the digests that archives state; that an archive keeps to them, verify shows.

Each line begins with + for what only NEW has, - for what only OLD has, and ~ for what differs. A directory is compared as \
`pack -C DIR --links keep --skip-unsupported .` would take it; it has no streams and attributes, so those of the archive are left out. Patterns are as for \
extract.

Exits with 0 if nothing differs, and with 3 if something does.

Examples:
  rosettar diff monday.rtar tuesday.rtar
  rosettar diff --ignore-times backup.rtar /srv/www
  rosettar diff --quiet a.rtar b.rtar && echo same
  rosettar diff --json a.rtar b.rtar | jq -r '.entries[].path'";

/// `diff`
#[derive(Args, Debug)]
pub struct Diff {
    /// The old archive; - for standard input
    #[arg(value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub old: PathBuf,
    /// The new archive, or a directory; - for standard input
    #[arg(value_name = "NEW", value_hint = ValueHint::AnyPath)]
    pub new: PathBuf,
    /// Compare only entries that match GLOB, and what is below them (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave out entries that match GLOB, and what is below them (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Do not compare times
    #[arg(long)]
    pub ignore_times: bool,
}

const COMPLETIONS: &str = "\
Examples:
  rosettar completions bash > ~/.local/share/bash-completion/completions/rosettar
  rosettar completions zsh > ~/.zfunc/_rosettar
  rosettar completions fish > ~/.config/fish/completions/rosettar.fish";

/// `completions`
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

const MAN: &str = "\
Examples:
  rosettar man | man -l -
  rosettar man pack | man -l -
  rosettar man -o ~/.local/share/man/man1";

/// `man`
#[derive(Args, Debug)]
pub struct Man {
    /// The verb whose page to print [default: the page of rosettar itself]
    pub verb: Option<String>,
    /// Write all pages to this directory, which is made if need be
    #[arg(short, long, value_name = "DIR", conflicts_with = "verb", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
}

/// What becomes of symbolic links whose target is not inside the tree.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Links {
    /// They are an error
    Refuse,
    /// They are left out, and reported
    Skip,
    /// They are kept
    Keep,
}

impl From<Links> for rosettar::io::Links {
    fn from(links: Links) -> Self {
        match links {
            Links::Refuse => Self::Refuse,
            Links::Skip => Self::Skip,
            Links::Keep => Self::Keep,
        }
    }
}

/// Which names of entries are accepted.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Names {
    /// Whatever this system can hold
    Any,
    /// Only what Windows, macOS and Linux can all hold: no CON or a:b, and no two names in a directory that differ only
    /// by case or by how their characters are composed
    Portable,
}

impl From<Names> for rosettar::io::Names {
    fn from(names: Names) -> Self {
        match names {
            Names::Any => Self::Any,
            Names::Portable => Self::Portable,
        }
    }
}

/// What becomes of files that are in the way of a merge.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Overwrite {
    /// It is kept, and reported
    Never,
    /// It is replaced if it is older, otherwise kept, and reported
    Newer,
    /// It is replaced
    Always,
}

impl From<Overwrite> for rosettar::io::Overwrite {
    fn from(overwrite: Overwrite) -> Self {
        match overwrite {
            Overwrite::Never => Self::Never,
            Overwrite::Newer => Self::Newer,
            Overwrite::Always => Self::Always,
        }
    }
}

/// The formats of files that records are extracted to.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RecordFiles {
    /// Canonical protobuf JSON, one object a line
    Jsonl,
    /// CSV with a header row
    Csv,
    /// Messages, each after its length
    Binpb,
}

impl RecordFiles {
    /// What the names of such files end in, after a dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Binpb => "binpb",
        }
    }
}

impl From<RecordFiles> for crate::output::Format {
    fn from(files: RecordFiles) -> Self {
        match files {
            RecordFiles::Jsonl => Self::Jsonl,
            RecordFiles::Csv => Self::Csv,
            RecordFiles::Binpb => Self::Binpb,
        }
    }
}

/// How the modes of extracted entries are set.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Modes {
    /// Without the bits of the umask
    Umask,
    /// As stored
    Exact,
}

impl From<Modes> for rosettar::io::Modes {
    fn from(modes: Modes) -> Self {
        match modes {
            Modes::Umask => Self::Umask,
            Modes::Exact => Self::Exact,
        }
    }
}

/// The formats of printed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordFormat {
    /// Canonical protobuf JSON, one object a line
    Jsonl,
    /// CSV with a header row
    Csv,
    /// Messages, each after its length
    Binpb,
    /// Protobuf text format, one message a line
    Text,
}

impl From<RecordFormat> for crate::output::Format {
    fn from(format: RecordFormat) -> Self {
        match format {
            RecordFormat::Jsonl => Self::Jsonl,
            RecordFormat::Csv => Self::Csv,
            RecordFormat::Binpb => Self::Binpb,
            RecordFormat::Text => Self::Text,
        }
    }
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=1024) => Ok(number),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_limit_is_documented() {
        for name in rosettar::Limits::NAMES {
            assert!(LIMIT_HELP.contains(&format!("{name} (")), "{name}");
        }
    }
}
