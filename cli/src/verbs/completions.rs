//! `completions`: for shells.

use clap::CommandFactory as _;
use rosettar::Result;

use super::{bytes, done};
use crate::args::{Cli, Completions};
use crate::ui::Stdout;

pub(super) fn run(args: &Completions) -> Result<u8> {
    // Made in memory, because the generators panic where the output cannot be written.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rosettar", &mut text);
    let mut out = Stdout::new();
    bytes(&mut out, &text)?;
    done(&mut out)
}
