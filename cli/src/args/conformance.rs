//! The arguments of `conformance`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

pub(super) const CONFORMANCE: &str = "\
The kit is all that an implementation in another language needs: the specification (spec/), and test archives with their expected \
results, a runner, templates of drivers and two readers (conformance/). VERSION has the versions of this command and of the format, \
SHA256SUMS the digest of every other file. The same command always writes the same bytes. A file that is there is not replaced.

Examples:
  rosettar conformance kit.rtar
  rosettar conformance --directory kit && cd kit && sha256sum --quiet -c SHA256SUMS && conformance/run --help
  rosettar conformance - --format tar | tar xf - -C kit
  rosettar conformance --list | grep FORMAT";

/// `conformance`
#[derive(Args, Debug)]
pub struct Conformance {
    /// The file to write, or - for standard output [default: rosettar-conformance-VERSION.rtar, here]
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath, conflicts_with_all = ["directory", "list"])]
    pub output: Option<PathBuf>,
    /// What is written [default: tar where the name of OUT ends in .tar, otherwise rtar]
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["directory", "list"])]
    pub format: Option<KitFormat>,
    /// Write the files below this absent or empty directory instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "list")]
    pub directory: Option<PathBuf>,
    /// List the files, and write none
    #[arg(long)]
    pub list: bool,
}

/// The formats of a kit in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KitFormat {
    /// A Rosettar archive
    Rtar,
    /// A plain tar
    Tar,
}

impl KitFormat {
    /// What the names of such files end in, after a dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Rtar => "rtar",
            Self::Tar => "tar",
        }
    }
}
