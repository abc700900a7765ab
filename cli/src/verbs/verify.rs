//! `verify`: is every byte proven?

use std::path::Path;

use rosettar::model::{Facts, VerifyReport};
use rosettar::{Error, ErrorKind, Monitor, Result, VerifyOptions};
use serde_json::{Value, json};

use super::{Context, counted, json as shapes, line};
use crate::args::Verify;
use crate::output::table::{escape, printable};
use crate::ui::{self, Stdout, Stream, colours, exit};

pub(super) fn run(context: &Context, args: &Verify) -> Result<u8> {
    let (mut unsound, mut unread) = (false, false);
    let mut out = Stdout::new();
    for (number, path) in args.archives.iter().enumerate() {
        context.interrupt.check()?;
        let outcome = verify(context, args, path);
        context.interrupt.check()?;
        let printed = match outcome {
            Ok((facts, report)) => {
                unsound |= !report.is_sound();
                print(context, &mut out, path, Some(&facts), &report.problems, &report)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Usage) => {
                unread = true;
                ui::report(&error, context.json, &context.advice());
                Ok(())
            }
            // What cannot be opened is not sound.
            Err(error) => {
                unsound = true;
                print(context, &mut out, path, None, &[error], &VerifyReport::default())
            }
        };
        match printed.and_then(|()| flush(&mut out)) {
            // Nobody reads the verdict any more, but the exit code still tells it; no more than that of what was verified.
            Err(error) if ui::is_closed_pipe(&error) => {
                unread |= number + 1 < args.archives.len();
                break;
            }
            printed => printed?,
        }
    }
    Ok(match (unsound, unread) {
        (true, _) => exit::ARCHIVE,
        (false, true) => exit::USAGE,
        (false, false) => exit::DONE,
    })
}

fn flush(out: &mut Stdout) -> Result<()> {
    super::done(out).map(drop)
}

fn verify(context: &Context, args: &Verify, path: &Path) -> Result<(Facts, VerifyReport)> {
    let monitor = Monitor::new();
    let mut reading = context.reading().monitor(monitor.clone());
    if let Some(threads) = args.threads {
        reading = reading.threads(threads);
    }
    let options = VerifyOptions::new().records(args.records);
    if args.provisional.provisional {
        let _watch = context.watch("verifying", &monitor)?;
        let (confirmed, report) = context.stream(path, reading)?.verify(&options)?;
        return Ok((confirmed.facts().clone(), report));
    }
    let archive = context.open_with(path, reading)?;
    let _watch = context.watch("verifying", &monitor)?;
    let report = archive.verify(&options)?;
    Ok((archive.facts().clone(), report))
}

fn print(
    context: &Context,
    out: &mut Stdout,
    path: &Path,
    facts: Option<&Facts>,
    problems: &[Error],
    report: &VerifyReport,
) -> Result<()> {
    if context.json {
        return line(out, object(path, facts, problems, report));
    }
    if context.quiet && problems.is_empty() {
        return Ok(());
    }
    let (green, red, off) = if colours(Stream::Out) { ("\x1b[1;32m", "\x1b[1;31m", "\x1b[0m") } else { ("", "", "") };
    let shown = path.to_string_lossy();
    if problems.is_empty() {
        line(out, format_args!("{}: {green}sound{off}", printable(&shown)))?;
    } else {
        let problems = counted(problems.len() as u64, "problem", "problems");
        line(out, format_args!("{}: {red}not sound{off}, {problems}", printable(&shown)))?;
    }
    for problem in problems {
        line(out, format_args!("  problem: {}", printable(&problem.to_string())))?;
    }
    /// As many damaged entries are named; `--json` has more.
    const NAMED: usize = 20;
    for path in report.damaged.iter().take(NAMED) {
        line(out, format_args!("  damaged: {}", escape(path)))?;
    }
    if let Some(more @ 1..) = report.damaged.len().checked_sub(NAMED) {
        line(out, format_args!("  damaged: {} more", counted(more as u64, "entry", "entries")))?;
    }
    if report.more_problems > 0 {
        line(out, format_args!("  and {} more", counted(report.more_problems, "problem", "problems")))?;
    }
    if !context.quiet {
        report.proven.iter().try_for_each(|text| line(out, format_args!("  proven: {}", printable(text))))?;
        report.unproven.iter().try_for_each(|text| line(out, format_args!("  not proven: {}", printable(text))))?;
    }
    Ok(())
}

fn object(path: &Path, facts: Option<&Facts>, problems: &[Error], report: &VerifyReport) -> Value {
    let problems: Vec<Value> = problems.iter().map(ui::error_value).collect();
    json!({
        "archive": path.to_string_lossy(),
        "format": facts.map(|facts| facts.format.clone()),
        "sound": problems.is_empty(),
        "root_digest": facts.map(|facts| shapes::optional_digest(facts.root_digest)),
        "content_digest": facts.map(|facts| shapes::optional_digest(facts.content_digest)),
        "problems": problems,
        "damaged": report.damaged,
        "proven": report.proven,
        "unproven": report.unproven,
        "stored_bytes": report.stored_bytes,
        "decoded_bytes": report.decoded_bytes,
        "entries": report.entries,
        "records": report.records,
        "records_decoded": report.records_decoded,
    })
}
