//! `convert`: an archive in another format.

use std::io::Read as _;
use std::path::Path;

use rosettar::convert::{ConvertOptions, ConvertReport, Loss, Target, convert_database, convert_directory};
use rosettar::error::code;
use rosettar::io::uninterrupted;
use rosettar::{Error, Monitor, Result};
use serde_json::{Value, json};

use super::input::{is_stdin, read_small};
use super::{Context, counted, done, line, may_wait_for};
use crate::args::Convert;
use crate::output::human;
use crate::output::table::printable;
use crate::ui::{Role, Stdout, exit};

/// What a SQLite database begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

pub(super) fn run(context: &Context, args: &Convert) -> Result<u8> {
    let target: Target = args.to.parse()?;
    let monitor = Monitor::new();
    let mut options = ConvertOptions::new(target)
        .lossy(args.lossy)
        .level(args.level)
        .limits(context.limits.clone())
        .monitor(monitor.clone());
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    if let Some(engine) = &args.engine {
        options = options.engine(engine, args.schema_version.unwrap_or(0));
    }
    if let Some(path) = &args.manifest {
        let manifest = read_small(path, |size| {
            let message = format!("{}: expected a manifest of at most {size} bytes", path.display());
            Error::new(code::USAGE_INPUT, message)
        })?;
        options = options.manifest(manifest);
    }
    let _waiting = may_wait_for(&args.output)?;
    let report = match what(&args.source)? {
        What::Archive => {
            let archive = context.open(&args.source)?;
            let _watch = context.watch("converting", &monitor)?;
            archive.convert(&args.output, &options)?
        }
        What::Directory => {
            context.blame(Role::Makes);
            let _watch = context.watch("converting", &monitor)?;
            convert_directory(&args.source, &args.output, &options)?
        }
        What::Database => {
            context.blame(Role::Makes);
            let _watch = context.watch("converting", &monitor)?;
            convert_database(&args.source, &args.output, &options)?
        }
    };
    context.warn_of_temporaries(&args.output);
    let mut out = Stdout::new();
    if context.json {
        line(&mut out, object(args, &report))?;
    } else if !context.quiet {
        line(&mut out, text(args, &report).trim_end())?;
    }
    match report.losses.is_empty() {
        true => done(&mut out),
        false => done(&mut out).map(|_| exit::FINDING),
    }
}

/// What is to be converted.
enum What {
    Archive,
    Directory,
    Database,
}

fn what(path: &Path) -> Result<What> {
    if is_stdin(path) {
        return Ok(What::Archive);
    }
    let cannot = |e| Error::io(code::IO_FILE, format_args!("cannot open {}", path.display()), e);
    let metadata = uninterrupted(|| std::fs::metadata(path)).map_err(cannot)?;
    if metadata.is_dir() {
        return Ok(What::Directory);
    }
    if !metadata.is_file() {
        return Ok(What::Archive);
    }
    let mut head = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(SQLITE.len() as u64).read_to_end(&mut head).map_err(cannot)?;
    Ok(if head == SQLITE { What::Database } else { What::Archive })
}

fn text(args: &Convert, report: &ConvertReport) -> String {
    let mut text = format!(
        "{}: {}, {} ({}), {}\n",
        printable(&args.output.to_string_lossy()),
        human::bytes(report.size),
        counted(report.files, "file", "files"),
        human::bytes(report.file_bytes),
        counted(report.records, "record", "records"),
    );
    for Loss { what, count, example, .. } in &report.losses {
        let example = if example.is_empty() { String::new() } else { format!(", such as {}", printable(example)) };
        text.push_str(&format!("  lost: {what}: {}{example}\n", human::count(*count)));
    }
    text
}

fn object(args: &Convert, report: &ConvertReport) -> Value {
    let losses = report.losses.iter();
    let losses = losses.map(|loss| json!({"what": loss.what, "count": loss.count, "example": loss.example}));
    json!({
        "source": args.source.to_string_lossy(),
        "output": args.output.to_string_lossy(),
        "to": args.to,
        "size": report.size,
        "files": report.files,
        "directories": report.directories,
        "symlinks": report.symlinks,
        "file_bytes": report.file_bytes,
        "records": report.records,
        "copied_bytes": report.copied_bytes,
        "losses": losses.collect::<Vec<_>>(),
    })
}
