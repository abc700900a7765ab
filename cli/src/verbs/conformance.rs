//! `conformance`: the kit that belongs to this version.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rosettar::error::code;
use rosettar::io::{AtomicFile, Modes, Staging, StagingOptions};
use rosettar::model::Mtime;
use rosettar::{Digest, EntryPath, Error, Monitor, NewEntry, Result, WriteOptions};
use serde_json::{Value, json};

use super::making::{self, Target};
use super::{Context, counted, done, json as shapes, line};
use crate::args::{Conformance, KitFormat};
use crate::kit::{Kit, MTIME, VERSION, mode};
use crate::output::human;
use crate::output::table::printable;
use crate::ui::Stdout;

/// The kit is small, and read more often than it is written.
const LEVEL: i32 = 19;
const CHUNK_SIZE: usize = 8 << 20;

pub(super) fn run(context: &Context, args: &Conformance) -> Result<u8> {
    let kit = Kit::new();
    if args.list {
        return list(context, &kit);
    }
    if let Some(directory) = &args.directory {
        write_files(context, &kit, directory)?;
        let made = Made { output: directory, format: "directory", size: None, root_digest: None };
        let mut out = Stdout::new();
        match context.json {
            true => line(&mut out, made.object(&kit))?,
            false if !context.quiet => line(&mut out, made.text(&kit).trim_end())?,
            false => {}
        }
        return done(&mut out);
    }
    let format = args.format.unwrap_or_else(|| match &args.output {
        Some(path) if path.extension().is_some_and(|extension| extension == "tar") => KitFormat::Tar,
        _ => KitFormat::Rtar,
    });
    let output = match &args.output {
        Some(path) => Cow::Borrowed(path.as_path()),
        None => Cow::Owned(PathBuf::from(format!("rosettar-conformance-{VERSION}.{}", format.suffix()))),
    };
    let target = Target::new(&output)?;
    let _waiting = target.may_wait()?;
    let (size, root_digest) = match format {
        KitFormat::Rtar => write_rtar(context, &kit, &target)?,
        KitFormat::Tar => write_tar(&kit, &target)?,
    };
    context.warn_of_temporaries(&output);
    let made = Made { output: &output, format: format.suffix(), size: Some(size), root_digest: Some(root_digest) };
    match context.json {
        true => target.print(&made.object(&kit).to_string())?,
        false if !context.quiet => target.print(made.text(&kit).trim_end())?,
        false => {}
    }
    Ok(crate::ui::exit::DONE)
}

fn list(context: &Context, kit: &Kit) -> Result<u8> {
    let mut out = Stdout::new();
    for (path, content) in &kit.files {
        match context.json {
            true => {
                let digest = shapes::digest(&Digest::of(content));
                line(&mut out, json!({"path": path, "size": content.len(), "digest": digest}))?;
            }
            false => line(&mut out, format_args!("{:>8}  {path}", content.len()))?,
        }
    }
    done(&mut out)
}

/// Writes a Rosettar archive; its size and root digest.
fn write_rtar(context: &Context, kit: &Kit, target: &Target<'_>) -> Result<(u64, Digest)> {
    let monitor = Monitor::new();
    monitor.set_total(kit.bytes());
    let _watch = context.watch("exporting", &monitor)?;
    let options = WriteOptions::new().level(LEVEL).chunk_size(CHUNK_SIZE).monitor(monitor);
    let mut writer = match target {
        Target::Stdout => options.write_to(making::stdout_sink())?,
        Target::File(path) => options.create_new(path).map_err(taken)?,
    };
    writer.attribute("rosettar", VERSION)?;
    writer.attribute("format", kit.spec_version.as_str())?;
    for (path, content) in &kit.files {
        writer.add_bytes(
            NewEntry::new(path.as_str())?.mode(mode(path, content)).mtime(Mtime::from_seconds(MTIME)),
            content,
        )?;
    }
    let summary = writer.finish()?;
    Ok((summary.size, summary.root_digest))
}

/// Writes a plain tar; its size and digest.
fn write_tar(kit: &Kit, target: &Target<'_>) -> Result<(u64, Digest)> {
    let tar = kit.tar();
    let cannot = |error| Error::io(code::IO_WRITE, "writing the kit", error);
    match target {
        Target::Stdout => {
            let mut out = making::stdout_sink();
            out.write_all(&tar).and_then(|()| out.flush()).map_err(cannot)?;
        }
        Target::File(path) => {
            let mut file = AtomicFile::create_new(path).map_err(taken)?;
            file.write_all(&tar).map_err(cannot)?;
            file.commit()?;
        }
    }
    Ok((tar.len() as u64, Digest::of(&tar)))
}

/// An error of making a file, with what to do where one is there.
fn taken(error: Error) -> Error {
    match error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists) {
        true => error.with_note("name another, or remove it first"),
        false => error,
    }
}

/// Writes the files below an absent or empty directory, all or none.
fn write_files(context: &Context, kit: &Kit, directory: &Path) -> Result<()> {
    let staging = Staging::new(directory, StagingOptions::new().modes(Modes::Umask)).map_err(|error| {
        if !error.is(code::USAGE_TARGET) {
            return error;
        }
        // What follows is for those who extract.
        let found = error.message().split(';').next().unwrap_or_default();
        Error::new(code::USAGE_TARGET, format!("{found}; name one that is absent or empty with `--directory`"))
    })?;
    let fill = || {
        let sandbox = staging.sandbox()?;
        for (path, content) in &kit.files {
            context.interrupt.check()?;
            let mut file = sandbox.create_file(&EntryPath::new(path.as_str())?)?;
            file.write_all(content)
                .map_err(|error| Error::io(code::IO_WRITE, "writing a file", error).with_entry(path.as_str()))?;
            file.finish(mode(path, content) | 0o022, (MTIME, 0))?;
        }
        Ok(())
    };
    match fill() {
        Ok(()) => staging.publish().map(drop),
        Err(error) => Err(staging.discard_after(error)),
    }
}

/// What was written.
struct Made<'a> {
    output: &'a Path,
    format: &'static str,
    size: Option<u64>,
    root_digest: Option<Digest>,
}

impl Made<'_> {
    fn text(&self, kit: &Kit) -> String {
        let output = self.output.to_string_lossy();
        let files = counted(kit.files.len() as u64, "file", "files");
        let size = self.size.map_or_else(String::new, |size| format!("{}, ", human::bytes(size)));
        let mut text = format!(
            "{}: {size}{files} ({}), of rosettar {VERSION} and format {}\n",
            printable(&output),
            human::bytes(kit.bytes()),
            kit.spec_version
        );
        if let Some(digest) = &self.root_digest {
            text.push_str(&format!("  root digest {}\n", shapes::digest(digest)));
        }
        text.push_str(&format!("  SHA256SUMS  {}\n", shapes::digest(&kit.seal())));
        text
    }

    fn object(&self, kit: &Kit) -> Value {
        json!({
            "output": self.output.to_string_lossy(),
            "format": self.format,
            "version": VERSION,
            "spec_version": kit.spec_version,
            "files": kit.files.len(),
            "bytes": kit.bytes(),
            "size": self.size,
            "root_digest": shapes::optional_digest(self.root_digest),
            "sha256sums": shapes::digest(&kit.seal()),
        })
    }
}
