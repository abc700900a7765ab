//! `schema`: the types of records.

use std::io::Write as _;
use std::path::Path;

use rosettar::error::code;
use rosettar::io::{AtomicFile, Modes, Staging, StagingOptions};
use rosettar::model::Mtime;
use rosettar::{Archive, Digest, EntryPath, Error, Result};
use serde_json::{Value, json};

use super::{Context, bytes, done, json as shapes, line, may_wait_for};
use crate::args::Schema;
use crate::output::table::escape;
use crate::ui::Stdout;

pub(super) fn run(context: &Context, args: &Schema) -> Result<u8> {
    let archive = context.open(&args.archive)?;
    let mut out = Stdout::new();
    let numbers: Vec<u32> = match &args.stream {
        Some(stream) => vec![archive.stream(stream)?.info().declaration.schema],
        None => (u32::from(!args.all)..archive.facts().schemas).collect(),
    };
    if args.descriptor_set {
        return descriptor_set(context, args, &archive, &numbers, out);
    }
    if let Some(directory) = &args.output {
        let written = write_files(context, &archive, &numbers, directory)?;
        if context.json {
            line(&mut out, object(&archive, &numbers, args, Some(directory))?)?;
        } else if !context.quiet {
            written.iter().try_for_each(|path| line(&mut out, escape(path)))?;
        }
        return done(&mut out);
    }
    if context.json {
        line(&mut out, object(&archive, &numbers, args, None)?)?;
        return done(&mut out);
    }
    let mut first = true;
    for number in numbers {
        for (path, text) in files(&archive, number, args.all)? {
            if !std::mem::take(&mut first) {
                line(&mut out, "")?;
            }
            line(&mut out, format_args!("// {} (Schema {number})", escape(&path)))?;
            bytes(&mut out, text.as_bytes())?;
        }
    }
    done(&mut out)
}

fn files(archive: &Archive, number: u32, all: bool) -> Result<Vec<(String, String)>> {
    let mut files = archive.proto_files(number)?;
    files.retain(|(path, _)| all || !path.starts_with("google/protobuf/"));
    Ok(files)
}

fn descriptor_set(context: &Context, args: &Schema, archive: &Archive, numbers: &[u32], mut out: Stdout) -> Result<u8> {
    let &[number] = numbers else {
        let message = match numbers.len() {
            0 => "the archive has no Schema but the format's own, which --all gives".to_owned(),
            more => format!("the archive has {more} Schemas to choose from: name a stream"),
        };
        return Err(Error::new(code::USAGE_OPTION, message));
    };
    let set = archive.descriptor_set(number)?;
    let Some(path) = &args.output else {
        if context.json {
            let message = "--json and --descriptor-set cannot share standard output: give -o FILE";
            return Err(Error::new(code::USAGE_OPTION, message));
        }
        bytes(&mut out, set)?;
        return done(&mut out);
    };
    let _waiting = may_wait_for(path)?;
    let mut file = AtomicFile::replace(path)?;
    file.write_all(set)
        .map_err(|error| Error::io(code::IO_WRITE, format_args!("writing {}", path.display()), error))?;
    file.commit()?;
    if context.json {
        line(&mut out, object(archive, numbers, args, Some(path))?)?;
    }
    done(&mut out)
}

/// Writes the files of Schemas to an absent or empty directory, all or none, and returns their paths in it.
fn write_files(context: &Context, archive: &Archive, numbers: &[u32], directory: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for &number in numbers {
        for (path, text) in archive.proto_files(number)? {
            let path = if numbers.len() == 1 { path } else { format!("{number:08}/{path}") };
            // A descriptor set names its files as it likes; what is no path below the directory is refused here.
            files.push((EntryPath::with_limits(path, &context.limits)?, text));
        }
    }
    let staging = Staging::new(directory, StagingOptions::new().modes(Modes::Umask)).map_err(|error| {
        if !error.is(code::USAGE_TARGET) {
            return error;
        }
        // What follows is for those who extract.
        let found = error.message().split(';').next().unwrap_or_default();
        Error::new(code::USAGE_TARGET, format!("{found}; name one that is absent or empty with `-o`"))
    })?;
    let now = Mtime::from(std::time::SystemTime::now());
    let now = (now.seconds, now.nanoseconds);
    let fill = || {
        let sandbox = staging.sandbox()?;
        for (path, text) in &files {
            context.interrupt.check()?;
            let mut file = sandbox.create_file(path)?;
            file.write_all(text.as_bytes())
                .map_err(|error| Error::io(code::IO_WRITE, "writing a file", error).with_entry(path.as_str()))?;
            file.finish(0o666, now)?;
        }
        Ok(())
    };
    match fill() {
        Ok(()) => drop(staging.publish()?),
        Err(error) => return Err(staging.discard_after(error)),
    }
    Ok(files.into_iter().map(|(path, _)| path.to_string()).collect())
}

fn object(archive: &Archive, numbers: &[u32], args: &Schema, output: Option<&Path>) -> Result<Value> {
    let mut schemas = Vec::new();
    for &number in numbers {
        let set = archive.descriptor_set(number)?;
        let streams: Vec<_> =
            archive.streams().iter().filter(|s| s.declaration.schema == number).map(|s| s.name()).collect();
        let files: Vec<_> = files(archive, number, args.all || output.is_some())?
            .into_iter()
            .map(|(path, text)| json!({"path": path, "text": text}))
            .collect();
        schemas.push(json!({
            "number": number,
            "streams": streams,
            "descriptor_set": {"bytes": set.len(), "digest": shapes::digest(&Digest::of(set))},
            "files": files,
        }));
    }
    Ok(json!({"schemas": schemas, "output": output.map(Path::to_string_lossy)}))
}
