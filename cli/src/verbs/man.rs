//! `man`: the man pages.

use std::io::Write as _;

use clap::{Command, CommandFactory as _};
use rosettar::error::code;
use rosettar::io::AtomicFile;
use rosettar::{Error, Result};
use serde_json::json;

use super::{Context, bytes, done, line};
use crate::args::{Cli, Man};
use crate::ui::Stdout;

pub(super) fn run(context: &Context, args: &Man) -> Result<u8> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut out = Stdout::new();
    let Some(directory) = &args.output else {
        let command = match &args.verb {
            None => &root,
            Some(verb) => root.find_subcommand(verb).ok_or_else(|| {
                let names: Vec<_> = root.get_subcommands().map(Command::get_name).collect();
                let message = format!("no verb is called {verb:?}; the verbs are {}", names.join(", "));
                Error::new(code::USAGE_OPTION, message)
            })?,
        };
        bytes(&mut out, &page(command)?)?;
        return done(&mut out);
    };
    std::fs::create_dir_all(directory)
        .map_err(|error| Error::io(code::IO_FILE, format_args!("making {}", directory.display()), error))?;
    let mut written = Vec::new();
    for command in std::iter::once(&root).chain(root.get_subcommands()) {
        let name = format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()));
        let path = directory.join(&name);
        let mut file = AtomicFile::replace(&path)?;
        file.write_all(&page(command)?)
            .map_err(|error| Error::io(code::IO_WRITE, format_args!("writing {}", path.display()), error))?;
        file.commit()?;
        written.push(name);
    }
    if context.json {
        line(&mut out, json!({"directory": directory.to_string_lossy(), "files": written}))?;
    }
    done(&mut out)
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let source = format!("rosettar {}", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone())
        .source(source)
        .manual("Rosettar")
        .render(&mut text)
        .map_err(|error| Error::io(code::IO_WRITE, "writing a man page", error))?;
    Ok(text)
}
