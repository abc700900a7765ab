//! `explain`: a map of the bytes of a file.

use rosettar::explain::{ExplainOptions, Line, Space, Verdict};
use rosettar::{Error, Monitor, Result};
use serde_json::{Value, json};

use super::{Context, counted, done, line};
use crate::args::Explain;
use crate::output::human;
use crate::output::table::printable;
use crate::ui::{self, Stdout, Stream, Watch, colours, exit};

/// How far what is in something else is indented; deeper it is not.
const DEEPEST: usize = 20;

pub(super) fn run(context: &Context, args: &Explain) -> Result<u8> {
    let source = context.open_bytes(&args.archive)?;
    let monitor = Monitor::new();
    let mut options = ExplainOptions::new().limits(context.limits.clone()).monitor(monitor.clone()).all(args.all);
    if let Some(at) = &args.at {
        options = options.at(at.clone());
    }
    let mut out = Stdout::new();
    let mut watch = Some(context.watch("verifying", &monitor)?);
    let mut begun = false;
    let style = Style::new();
    let verdict = options.explain(source, |found| {
        if !begun {
            begun = true;
            // Nothing is drawn while lines are printed.
            watch = None;
            let stopping = monitor.clone();
            let interrupt = context.interrupt.clone();
            watch = Some(Watch::new("explaining", true, interrupt, || (0, 0), move || stopping.stop())?);
            if !context.json {
                line(&mut out, HEADING)?;
            }
        }
        context.interrupt.check()?;
        match context.json {
            true => line(&mut out, object(&found)),
            false => style.print(&mut out, &found),
        }
    })?;
    drop(watch);
    match context.json {
        true => line(&mut out, verdict_object(args, &verdict))?,
        false => style.verdict(&mut out, &verdict)?,
    }
    done(&mut out)?;
    Ok(if verdict.is_sound() { exit::DONE } else { exit::ARCHIVE })
}

const HEADING: &str = "       offset     length  what it is: what it says  [section of FORMAT.md]";

/// Colours, where they may be.
struct Style {
    bold: &'static str,
    dim: &'static str,
    green: &'static str,
    red: &'static str,
    off: &'static str,
}

impl Style {
    fn new() -> Self {
        match colours(Stream::Out) {
            true => Self { bold: "\x1b[1m", dim: "\x1b[2m", green: "\x1b[1;32m", red: "\x1b[1;31m", off: "\x1b[0m" },
            false => Self { bold: "", dim: "", green: "", red: "", off: "" },
        }
    }

    fn print(&self, out: &mut Stdout, found: &Line) -> Result<()> {
        let Self { bold, dim, red, off, .. } = self;
        let indent = 2 * (found.level as usize).min(DEEPEST);
        let space = match found.space {
            Space::Tar => "t",
            Space::Page => "p",
            _ => " ",
        };
        let bold = if found.level == 0 { bold } else { &"" };
        let end = if bold.is_empty() { &"" } else { off };
        let mut text = match found.more {
            0 => printable(&found.what).into_owned(),
            more => format!("… {} more {}", human::count(more), printable(&found.what)),
        };
        if !found.value.is_empty() {
            text.push_str(": ");
            text.push_str(&printable(&found.value));
        }
        let spec = if found.spec.is_empty() { String::new() } else { format!("  {dim}[{}]{off}", found.spec) };
        line(
            out,
            format_args!("{space} {:>11} {:>10}  {:indent$}{bold}{text}{end}{spec}", found.offset, found.length, ""),
        )?;
        for problem in &found.problems {
            let problem = problem_text(problem);
            line(out, format_args!("{:24}  {:indent$}{red}!{off} {}", "", "", printable(&problem)))?;
        }
        Ok(())
    }

    fn verdict(&self, out: &mut Stdout, verdict: &Verdict) -> Result<()> {
        let Self { green, red, off, .. } = self;
        let Some(first) = verdict.problems.first() else {
            let format = verdict.format.as_deref().unwrap_or_default();
            return line(out, format_args!("verdict: {green}sound{off}, {format}"));
        };
        line(out, format_args!("verdict: {red}not sound{off}: {}", printable(&first.to_string())))?;
        // What has a place is on a line.
        for number in verdict.unplaced.iter().filter(|number| **number > 0) {
            let text = verdict.problems[*number].to_string();
            line(out, format_args!("  and: {}", printable(&text)))?;
        }
        if verdict.more_problems > 0 {
            line(out, format_args!("  and {} more", counted(verdict.more_problems, "problem", "problems")))?;
        }
        Ok(())
    }
}

/// A problem without its place, which the line has.
fn problem_text(problem: &Error) -> String {
    let entry = problem.entry().map_or_else(String::new, |entry| format!(" (entry {entry:?})"));
    format!("{}: {}{entry}", problem.code(), problem.message())
}

fn object(found: &Line) -> Value {
    json!({
        "level": found.level,
        "space": found.space.as_str(),
        "offset": found.offset,
        "length": found.length,
        "what": found.what,
        "value": found.value,
        "spec": found.spec,
        "more": found.more,
        "problems": found.problems.iter().map(ui::error_value).collect::<Vec<_>>(),
    })
}

fn verdict_object(args: &Explain, verdict: &Verdict) -> Value {
    json!({
        "archive": args.archive.to_string_lossy(),
        "format": verdict.format,
        "sound": verdict.is_sound(),
        "problems": verdict.problems.iter().map(ui::error_value).collect::<Vec<_>>(),
        "more_problems": verdict.more_problems,
    })
}
