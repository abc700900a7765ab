//! `info`: what an archive is, at a glance.

use std::collections::HashMap;

use prost_reflect::MessageDescriptor;
use rosettar::model::{Annotation, Facts, StreamInfo};
use rosettar::{Digest, Result, record, schema};
use serde_json::{Value, json};

use super::{Context, c1z, done, json as shapes, line};
use crate::args::Info;
use crate::output::human;
use crate::output::table::{Align, Table, printable};
use crate::ui::Stdout;

pub(super) fn run(context: &Context, args: &Info) -> Result<u8> {
    if args.provisional.provisional {
        // Read to its end, it is confirmed, and nothing was printed before.
        let confirmed = context.stream(&args.archive, context.reading())?.confirm()?;
        let annotations = annotations(context, confirmed.facts(), |number| confirmed.descriptor_set(number));
        return print(
            context,
            confirmed.facts(),
            annotations,
            "none: every frame is the one that the index commits to",
        );
    }
    if args.header {
        let facts = context.header(&args.archive)?;
        let annotations = facts.manifest.annotations.iter().map(|_| Value::Null).collect();
        return print(context, &facts, annotations, "only the header was read");
    }
    let archive = context.open(&args.archive)?;
    let annotations = annotations(context, archive.facts(), |number| archive.descriptor_set(number).ok());
    // What was opened has these proven; the rest takes reading it.
    let damage = "none in manifest, index and seek table; `rosettar verify` checks the rest";
    print(context, archive.facts(), annotations, damage)?;
    let mut out = Stdout::new();
    if !context.json && archive.facts().c1z.as_deref().is_some_and(|c1z| c1z.version == 1) {
        line(&mut out, c1z::sync_runs_of_v1(&archive)?.trim_end())?;
    }
    done(&mut out)
}

fn print(context: &Context, facts: &Facts, annotations: Vec<Value>, damage: &str) -> Result<u8> {
    let mut out = Stdout::new();
    if context.json {
        line(&mut out, object(facts, annotations))?;
    } else {
        line(&mut out, text(facts, &annotations, damage).trim_end())?;
    }
    done(&mut out)
}

/// The annotations as JSON values; `null` for one whose type no Schema defines, or that does not decode.
fn annotations<'a>(context: &Context, facts: &Facts, descriptor_set: impl Fn(u32) -> Option<&'a [u8]>) -> Vec<Value> {
    let annotations = &facts.manifest.annotations;
    let mut decoded = vec![Value::Null; annotations.len()];
    // Those whose type was not found so far. Each type of a Schema is looked up here once, and not each annotation in each
    // Schema: there may be a million of the one and thousands of the other.
    let mut wanted: HashMap<&str, Vec<usize>> = HashMap::new();
    for (number, annotation) in annotations.iter().enumerate() {
        wanted.entry(annotation.type_name()).or_default().push(number);
    }
    for number in 0..facts.schemas {
        if wanted.is_empty() {
            break;
        }
        let Some(Ok(pool)) = descriptor_set(number).map(schema::build_pool) else { continue };
        for descriptor in pool.all_messages().filter(|message| !message.is_map_entry()) {
            for number in wanted.remove(descriptor.full_name()).unwrap_or_default() {
                decoded[number] = decode(context, &descriptor, &annotations[number]).unwrap_or(Value::Null);
            }
        }
    }
    decoded
}

fn decode(context: &Context, descriptor: &MessageDescriptor, annotation: &Annotation) -> Option<Value> {
    let message = record::decode(descriptor, &annotation.value, &context.limits).ok()?;
    serde_json::from_str(&record::to_json(&message, &record::JsonOptions::new()).ok()?).ok()
}

fn object(facts: &Facts, annotations: Vec<Value>) -> Value {
    let manifest = &facts.manifest;
    let annotations: Vec<_> = manifest
        .annotations
        .iter()
        .zip(annotations)
        .map(|(annotation, value)| {
            json!({"type_url": annotation.type_url, "bytes": annotation.value.len(), "value": value})
        })
        .collect();
    json!({
        "format": facts.format,
        "size": facts.size,
        "ratio": ratio(facts.size, facts.totals.tar_bytes),
        "root_digest": shapes::optional_digest(facts.root_digest),
        "content_digest": shapes::optional_digest(facts.content_digest),
        "producer": manifest.producer,
        "created": manifest.created.map(shapes::time),
        "totals": shapes::totals(&facts.totals),
        "schemas": facts.schemas,
        "frames": facts.frames,
        "pages": facts.pages,
        "required_features": manifest.required_features,
        "attributes": manifest.attributes,
        "annotations": annotations,
        "streams": facts.streams.iter().map(shapes::stream).collect::<Vec<_>>(),
        "c1z": facts.c1z.as_deref().map(c1z::object),
    })
}

fn text(facts: &Facts, annotations: &[Value], damage: &str) -> String {
    if let Some(found) = &facts.c1z {
        let mut text = c1z::text(facts, found, facts.totals.files == 0 && damage.contains("header"));
        if !facts.streams.is_empty() {
            text.push_str("\nstreams\n");
            text.push_str(&indented(&streams(&facts.streams)));
        }
        return text;
    }
    let (manifest, totals) = (&facts.manifest, &facts.totals);
    let mut table = Table::new([Align::Left, Align::Left]);
    let mut row = |name: &str, value: String| table.row([name, &value]);
    row("format", facts.format.clone());
    row("damage", damage.to_owned());
    row("producer", if manifest.producer.is_empty() { "not stated".to_owned() } else { manifest.producer.clone() });
    row("created", manifest.created.map_or("not stated".to_owned(), |time| human::utc(time.seconds)));
    row("size", exact(facts.size));
    let percent = 100.0 * ratio(facts.size, totals.tar_bytes);
    row("tar", format!("{}, stored in {percent:.1} % of that", exact(totals.tar_bytes)));
    let mut digest = |name: &str, digest: Option<Digest>| {
        if let Some(digest) = digest {
            row(name, shapes::digest(&digest));
        }
    };
    digest("root digest", facts.root_digest);
    digest("content digest", facts.content_digest);
    row("files", format!("{}, {}", human::count(totals.files), exact(totals.file_bytes)));
    row("directories", human::count(totals.directories));
    row("links", human::count(totals.symlinks));
    row(
        "records",
        format!(
            "{} in {}",
            human::count(totals.records),
            super::counted(facts.streams.len() as u64, "stream", "streams")
        ),
    );
    if !manifest.required_features.is_empty() {
        row("requires", manifest.required_features.join(", "));
    }
    let mut text = table.to_string();
    if !facts.streams.is_empty() {
        text.push_str("\nstreams\n");
        text.push_str(&indented(&streams(&facts.streams)));
    }
    if !manifest.attributes.is_empty() {
        let mut table = Table::new([Align::Left, Align::Left]);
        manifest.attributes.iter().for_each(|(key, value)| table.row([key, value]));
        text.push_str("\nattributes\n");
        text.push_str(&indented(&table.to_string()));
    }
    if !annotations.is_empty() {
        text.push_str("\nannotations\n");
        for (annotation, value) in manifest.annotations.iter().zip(annotations) {
            let shown = match value {
                Value::Null => human::bytes(annotation.value.len() as u64),
                value => value.to_string(),
            };
            text.push_str(&format!("  {}  {}\n", printable(&annotation.type_url), printable(&shown)));
        }
    }
    text
}

/// The table of streams, for `list --streams` too.
pub(super) fn streams(streams: &[StreamInfo]) -> String {
    let mut table = Table::new([Align::Left, Align::Right, Align::Right, Align::Left]);
    for stream in streams {
        let records = super::counted(stream.records, "record", "records");
        // The tables of a C1Z v1 file have no size of their own.
        let size = if stream.size == 0 && stream.records > 0 { String::new() } else { human::bytes(stream.size) };
        table.row([stream.name(), &records, &size, stream.type_name()]);
    }
    table.to_string()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// `1.2 MiB (1 258 291 bytes)`.
pub(super) fn exact(bytes: u64) -> String {
    if bytes < 1024 {
        return super::counted(bytes, "byte", "bytes");
    }
    format!("{} ({} bytes)", human::bytes(bytes), human::count(bytes))
}

/// The archive's share of the size of what is in it.
pub(super) fn ratio(size: u64, tar_bytes: u64) -> f64 {
    size as f64 / tar_bytes.max(1) as f64
}
