//! `diff`: what differs between two archives, or an archive and a directory.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use rosettar::diff::{
    Aspect, Change, DiffOptions, Difference, EntryDifference, SchemaDifference, SchemaElement, Sides, StreamDifference,
};
use rosettar::error::code;
use rosettar::io::uninterrupted;
use rosettar::model::{Entry, Facts, Mtime, StreamInfo};
use rosettar::write::tree::{Note, NoteKind};
use rosettar::{Archive, Digest, Error, ErrorKind, Monitor, Result};
use serde_json::{Value, json};

use super::input::is_stdin;
use super::{Context, counted, done, json as shapes, line};
use crate::args::Diff;
use crate::output::human;
use crate::output::table::{escape, printable};
use crate::ui::{self, Role, Stdout, exit};

/// The directory at the top of every archive that is the format's own.
const RESERVED: &str = ".rosettar";

pub(super) fn run(context: &Context, args: &Diff) -> Result<u8> {
    let monitor = Monitor::new();
    let open = |path: &Path| {
        let opened = context.open_with(path, context.reading().monitor(monitor.clone()));
        // What is wrong with a file is told with its name anyway.
        opened.map_err(|error| if error.kind() == ErrorKind::Io { error } else { error.about(path.display()) })
    };
    let mut options = DiffOptions::new().times(!args.ignore_times);
    options = args.include.iter().fold(options, DiffOptions::include);
    options = args.exclude.iter().fold(options, DiffOptions::exclude);
    if is_stdin(&args.old) && is_stdin(&args.new) {
        let message = "standard input can be read for one archive only";
        return Err(Error::new(code::USAGE_OPTION, message));
    }
    let is_directory = |path| uninterrupted(|| std::fs::metadata(path)).is_ok_and(|metadata| metadata.is_dir());
    if is_directory(&args.old) {
        let message = format!("{} is a directory: expected an archive; a directory comes second", args.old.display());
        return Err(Error::new(code::USAGE_OPTION, message));
    }
    let old = open(&args.old)?;
    let new = if is_directory(&args.new) { None } else { Some(open(&args.new)?) };
    let reserved = if new.is_none() { reserved(&args.new)? } else { None };
    let watch = context.watch("comparing", &monitor)?;
    let difference = match &new {
        Some(new) => old.diff(new, &options),
        None => {
            let own = (!is_stdin(&args.old)).then_some(args.old.as_path());
            old.diff_directory(&args.new, own, &leaving_out(reserved.as_ref(), options)).inspect_err(|_| {
                // What is wrong is wrong with the directory, unless the archive cannot be read.
                if old.entries().all(|entry| entry.is_ok()) {
                    context.blame(Role::Makes);
                }
            })
        }
    };
    drop(watch);
    let mut difference = difference?;
    difference.skipped.extend(reserved);
    for note in &difference.skipped {
        context.warn(&note.path, &note.message);
    }
    let mut out = Stdout::new();
    let printed = match (context.json, context.quiet) {
        (true, _) => print_json(&mut out, args, &old, new.as_ref(), &difference),
        (false, true) => Ok(()),
        (false, false) => print_text(&mut out, &old, new.as_ref(), &difference),
    };
    match printed.and_then(|()| done(&mut out)) {
        // Nobody reads what differs any more, but the exit code still tells whether something does.
        Err(error) if ui::is_closed_pipe(&error) => {}
        printed => drop(printed?),
    }
    Ok(if difference.is_same() { exit::DONE } else { exit::FINDING })
}

/// A note on the members that the format itself needs, where another program than this one extracted them to `directory`.
fn reserved(directory: &Path) -> Result<Option<Note>> {
    let path = directory.join(RESERVED);
    match uninterrupted(|| std::fs::symlink_metadata(&path)) {
        Ok(_) => {
            let message =
                "is left out: another program extracted it from an archive, whose records and index are there";
            Ok(Some(Note { path: RESERVED.to_owned(), kind: NoteKind::Skipped, message: message.to_owned() }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(code::IO_FILE, format_args!("cannot look at {}", path.display()), error)),
    }
}

/// The options for a directory with what is reserved.
fn leaving_out(reserved: Option<&Note>, options: DiffOptions) -> DiffOptions {
    match reserved {
        Some(_) => options.exclude(format!("/{RESERVED}")),
        None => options,
    }
}

fn print_text(out: &mut impl Write, old: &Archive, new: Option<&Archive>, difference: &Difference) -> Result<()> {
    for entry in &difference.entries {
        let change = if entry.aspects.is_empty() { String::new() } else { format!(": {}", entry_text(entry)) };
        line(out, format_args!("{} {}{}", sign(&entry.sides), escape(entry.path()), printable(&change)))?;
    }
    for stream in &difference.streams {
        line(out, format_args!("{} stream {}: {}", sign(&stream.sides), stream.name(), stream_text(stream)))?;
    }
    for schema in &difference.schemas {
        line(out, format_args!("{} {}", sign(&schema.sides), printable(&schema_text(schema))))?;
    }
    for attribute in &difference.attributes {
        let values = sides_text(&attribute.sides, |value| format!("{value:?}"));
        let key = printable(&attribute.key);
        line(out, format_args!("{} attribute {key}: {}", sign(&attribute.sides), printable(&values)))?;
    }
    for annotation in &difference.annotations {
        let sizes = sides_text(&annotation.sides, |value| human::bytes(value.len() as u64));
        line(out, format_args!("{} annotation {}: {sizes}", sign(&annotation.sides), printable(&annotation.type_url)))?;
    }
    if difference.annotations_reordered {
        line(out, "~ annotations: their order")?;
    }
    let text = |text: &String| format!("{text:?}");
    fact(out, "format", &difference.format, text)?;
    fact(out, "producer", &difference.producer, text)?;
    let whole = |sides: &Sides<Mtime>| [sides.old, sides.new].iter().flatten().all(|time| time.nanoseconds == 0);
    let whole = difference.created.as_ref().is_none_or(whole);
    fact(out, "created", &difference.created, |time| time_text(*time, whole))?;
    fact(out, "required features", &difference.required_features, |names| format!("{names:?}"))?;
    for sentence in &difference.not_compared {
        line(out, format_args!("not compared: {}", printable(sentence)))?;
    }
    line(out, summary(old, new, difference))
}

fn fact<T>(out: &mut impl Write, name: &str, sides: &Option<Sides<T>>, text: impl Fn(&T) -> String) -> Result<()> {
    match sides {
        Some(sides) => line(out, format_args!("{} {name}: {}", sign(sides), printable(&sides_text(sides, text)))),
        None => Ok(()),
    }
}

fn sign<T>(sides: &Sides<T>) -> char {
    match sides.change() {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    }
}

fn sides_text<T, D: Display>(sides: &Sides<T>, text: impl Fn(&T) -> D) -> String {
    match (&sides.old, &sides.new) {
        (Some(old), Some(new)) => format!("{} -> {}", text(old), text(new)),
        (one, other) => one.as_ref().or(other.as_ref()).map_or(String::new(), |value| text(value).to_string()),
    }
}

fn entry_text(entry: &EntryDifference) -> String {
    let of = |text: &dyn Fn(&Entry) -> String| sides_text(&entry.sides, text);
    // The fraction of a second is of interest where one of the times has one.
    let times = [&entry.sides.old, &entry.sides.new].into_iter().flatten();
    let whole = times.clone().all(|entry| entry.mtime.nanoseconds == 0);
    let aspects = entry.aspects.iter().map(|aspect| match aspect {
        Aspect::Kind => format!("kind {}", of(&|entry| entry.kind.as_str().to_owned())),
        Aspect::Size => format!("size {}", of(&|entry| human::count(entry.size))),
        Aspect::Mode => format!("mode {}", of(&|entry| format!("{:04o}", entry.mode))),
        Aspect::Time => format!("time {}", of(&|entry| time_text(entry.mtime, whole))),
        Aspect::Target => {
            format!("target {}", of(&|entry| format!("{:?}", entry.target.as_ref().map_or("", |t| t.as_str()))))
        }
        other => other.as_str().to_owned(),
    });
    aspects.collect::<Vec<_>>().join(", ")
}

fn time_text(time: Mtime, whole: bool) -> String {
    let text = human::utc(time.seconds);
    match text.strip_suffix('Z') {
        _ if whole => text,
        Some(text) => format!("{text}.{:09}Z", time.nanoseconds),
        None => format!("{text}.{:09}", time.nanoseconds),
    }
}

fn stream_text(stream: &StreamDifference) -> String {
    if stream.aspects.is_empty() {
        let text =
            |info: &StreamInfo| format!("{} of {}", counted(info.records, "record", "records"), info.type_name());
        return sides_text(&stream.sides, text);
    }
    let of = |text: &dyn Fn(&StreamInfo) -> String| sides_text(&stream.sides, text);
    let aspects = stream.aspects.iter().map(|aspect| match aspect {
        Aspect::Type => format!("type {}", of(&|info| info.type_name().to_owned())),
        Aspect::SchemaVersion => format!("schema version {}", of(&|info| info.declaration.schema_version.to_string())),
        Aspect::Records => format!("records {}", of(&|info| human::count(info.records))),
        other => other.as_str().to_owned(),
    });
    let mut text = aspects.collect::<Vec<_>>().join(", ");
    if let Some(number) = stream.first_record {
        text.push_str(&format!("; the first record that differs is number {number}"));
    }
    text
}

fn schema_text(schema: &SchemaDifference) -> String {
    let element = match schema.element {
        SchemaElement::EnumValue => "enum value",
        SchemaElement::DescriptorSet => {
            return format!("schema of {}: options, comments, or types beside the streams' own", schema.name);
        }
        other => other.as_str(),
    };
    match schema.element {
        SchemaElement::Message | SchemaElement::Enum => format!("{element} {}", schema.name),
        _ => format!("{element} {}: {}", schema.name, sides_text(&schema.sides, String::clone)),
    }
}

/// The last line: what differs, counted.
fn summary(old: &Archive, new: Option<&Archive>, difference: &Difference) -> String {
    if difference.is_same() {
        return match new {
            None => "same: the directory holds what the archive states".to_owned(),
            Some(new) if equal(old, new, |facts| facts.root_digest) == Some(true) => {
                "same: both state the same root digest; `rosettar verify` shows that they keep to it".to_owned()
            }
            Some(_) => "same: nothing of what was compared differs; byte for byte, the archives do".to_owned(),
        };
    }
    let mut parts = Vec::new();
    let mut part = |number: usize, one: &str, more: &str| {
        if number > 0 {
            parts.push(counted(number as u64, one, more));
        }
    };
    let entries = |change| difference.entries.iter().filter(|entry| entry.sides.change() == change).count();
    part(entries(Change::Added), "entry added", "entries added");
    part(entries(Change::Removed), "entry removed", "entries removed");
    part(entries(Change::Changed), "entry changed", "entries changed");
    part(difference.streams.len(), "stream", "streams");
    part(difference.schemas.len(), "part of a schema", "parts of schemas");
    part(difference.attributes.len(), "attribute", "attributes");
    part(difference.annotations.len() + usize::from(difference.annotations_reordered), "annotation", "annotations");
    let facts = [
        difference.format.is_some(),
        difference.producer.is_some(),
        difference.created.is_some(),
        difference.required_features.is_some(),
    ];
    part(facts.into_iter().filter(|differs| *differs).count(), "fact", "facts");
    format!("different: {}", parts.join(", "))
}

/// Whether two archives have the same digest; `None` where one has none.
fn equal(old: &Archive, new: &Archive, digest: fn(&Facts) -> Option<Digest>) -> Option<bool> {
    Some(digest(old.facts())? == digest(new.facts())?)
}

/// One object, written piece by piece: there may be a million entries.
fn print_json(
    out: &mut impl Write,
    args: &Diff,
    old: &Archive,
    new: Option<&Archive>,
    difference: &Difference,
) -> Result<()> {
    let equal = |digest: fn(&Facts) -> Option<Digest>| new.and_then(|new| equal(old, new, digest));
    let mut first = true;
    let mut key = |out: &mut dyn Write, name: &str| {
        let comma = if std::mem::take(&mut first) { '{' } else { ',' };
        write!(out, "{comma}{}:", json!(name)).map_err(super::unwritable)
    };
    let values = [
        ("old", json!(args.old.to_string_lossy())),
        ("new", json!(args.new.to_string_lossy())),
        ("same", json!(difference.is_same())),
        ("root_digests_equal", json!(equal(|facts| facts.root_digest))),
        ("content_digests_equal", json!(equal(|facts| facts.content_digest))),
        ("annotations_reordered", json!(difference.annotations_reordered)),
        ("format", sides(&difference.format, |text| json!(text))),
        ("producer", sides(&difference.producer, |text| json!(text))),
        ("created", sides(&difference.created, |time| shapes::time(*time))),
        ("required_features", sides(&difference.required_features, |names| json!(names))),
        ("not_compared", json!(difference.not_compared)),
        ("skipped", difference.skipped.iter().map(|note| json!(note.path)).collect()),
    ];
    for (name, value) in values {
        key(out, name)?;
        write!(out, "{value}").map_err(super::unwritable)?;
    }
    key(out, "entries")?;
    array(out, &difference.entries, |entry| {
        json!({
            "path": entry.path(),
            "change": entry.sides.change().as_str(),
            "aspects": aspects(&entry.aspects),
            "old": entry.sides.old.as_ref().map(shapes::entry),
            "new": entry.sides.new.as_ref().map(shapes::entry),
        })
    })?;
    key(out, "streams")?;
    array(out, &difference.streams, |stream| {
        json!({
            "name": stream.name(),
            "change": stream.sides.change().as_str(),
            "aspects": aspects(&stream.aspects),
            "first_record": stream.first_record,
            "old": stream.sides.old.as_ref().map(shapes::stream),
            "new": stream.sides.new.as_ref().map(shapes::stream),
        })
    })?;
    key(out, "schemas")?;
    array(out, &difference.schemas, |schema| {
        json!({
            "name": schema.name,
            "element": schema.element.as_str(),
            "change": schema.sides.change().as_str(),
            "aspects": aspects(&schema.aspects),
            "old": schema.sides.old,
            "new": schema.sides.new,
        })
    })?;
    key(out, "attributes")?;
    array(
        out,
        &difference.attributes,
        |attribute| json!({"key": attribute.key, "old": attribute.sides.old, "new": attribute.sides.new}),
    )?;
    key(out, "annotations")?;
    array(out, &difference.annotations, |annotation| {
        let set = |value: &Option<Vec<u8>>| {
            value.as_ref().map(|value| json!({"bytes": value.len(), "digest": shapes::digest(&Digest::of(value))}))
        };
        json!({
            "type_url": annotation.type_url,
            "old": set(&annotation.sides.old),
            "new": set(&annotation.sides.new),
        })
    })?;
    line(out, '}')
}

fn array<T>(out: &mut impl Write, items: &[T], value: impl Fn(&T) -> Value) -> Result<()> {
    for (number, item) in items.iter().enumerate() {
        let before = if number == 0 { '[' } else { ',' };
        write!(out, "{before}{}", value(item)).map_err(super::unwritable)?;
    }
    write!(out, "{}", if items.is_empty() { "[]" } else { "]" }).map_err(super::unwritable)
}

fn aspects(aspects: &[Aspect]) -> Vec<&'static str> {
    aspects.iter().map(|aspect| aspect.as_str()).collect()
}

/// `null` where nothing differs.
fn sides<T>(sides: &Option<Sides<T>>, value: impl Fn(&T) -> Value) -> Value {
    sides.as_ref().map_or(
        Value::Null,
        |sides| json!({"old": sides.old.as_ref().map(&value), "new": sides.new.as_ref().map(&value)}),
    )
}
