//! The command `rosettar`, as a library: readers of typed records, writers of records as text, and the verbs.
//!
//! [`run`] is the whole command; the program `rosettar` and the Python package call it.
#![forbid(unsafe_code)]

pub mod args;
pub mod ingest;
mod kit;
pub mod output;
pub mod ui;
mod verbs;
mod well_known;
mod wire;

#[cfg(test)]
mod testing;

use std::ffi::OsString;
use std::io::Write as _;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};
use rosettar::Error;
use rosettar::error::code;

use args::Cli;
use output::table::printable;
use ui::{Advice, Stdout, Stream, colours, exit};

/// Runs the command with these arguments, the first of which is the program's name, and returns its exit code.
///
/// It prints to the process's standard output and error. On the first call it takes over the process's handling of
/// interruptions (see [`ui::Interrupt`]): a second Ctrl-C ends the process, and so does the first while another process
/// keeps it waiting (see [`ui::MayWait`]).
///
/// ```
/// assert_eq!(rosettar_cli::run(["rosettar", "info", "/no/such/file"].map(Into::into)), 1);
/// ```
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    match parse(&args) {
        Ok(cli) => verbs::run(cli),
        Err(error) => usage(error, &args),
    }
}

fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches))
}

/// Prints what `clap` has to say instead of a command line: help, or what is wrong with it.
fn usage(error: clap::Error, args: &[OsString]) -> u8 {
    let error = quoting(error, args);
    let text = |stream| match colours(stream) {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let mut out = Stdout::new();
        let written = out.write_all(text(Stream::Out).as_bytes()).and_then(|()| out.flush());
        return match written {
            Ok(()) => exit::DONE,
            Err(error) => {
                let error = Error::io(code::IO_WRITE, "writing to standard output", error);
                ui::report(&error, false, &Advice::default());
                ui::exit_code(&error, ui::Role::Makes)
            }
        };
    }
    if args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json") {
        ui::report(&Error::new(code::USAGE_OPTION, message(&error)), true, &Advice::default());
    } else {
        // Without standard error there is nobody to tell.
        let _ = std::io::stderr().write_all(text(Stream::Err).as_bytes());
    }
    exit::USAGE
}

/// The error with its arguments as a terminal may be given them: `clap` quotes them as they are, and they may be names of
/// files that a shell found.
fn quoting(error: clap::Error, args: &[OsString]) -> clap::Error {
    let texts: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let shown: Vec<_> = texts.iter().map(|text| printable(text)).collect();
    if shown == texts {
        return error;
    }
    // The same command line with its arguments as they are to be shown has the same fault.
    let shown: Vec<OsString> = shown.iter().map(|text| text.as_ref().into()).collect();
    match parse(&shown) {
        Err(again) if again.kind() == error.kind() => again,
        _ => Cli::command().error(error.kind(), "an argument has control characters, or is no text"),
    }
}

/// The message of an error without the usage and the hints that stand below it.
fn message(error: &clap::Error) -> String {
    if matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        return "no verb was given; `rosettar --help` lists them".to_owned();
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let end = text.find("\n\n").unwrap_or(text.len());
    let mut message = text[..end].split_whitespace().collect::<Vec<_>>().join(" ");
    for (kind, label) in
        [(ContextKind::SuggestedArg, "did you mean"), (ContextKind::SuggestedSubcommand, "did you mean")]
    {
        if let Some(value) = error.get(kind) {
            message.push_str(&format!("; {label} {value}?"));
        }
    }
    message
}
