// SPDX-License-Identifier: Apache-2.0
//! The driver of this crate for `conformance/run`: every action of its protocol (conformance/README.md), with the public
//! API only.
//!
//! ```text
//! cargo build --example conformance_driver
//! conformance/run target/debug/examples/conformance_driver
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;

use rosettar::digest::Hasher;
use rosettar::error::code;
use rosettar::read::{Confirmed, Provisional};
use rosettar::record::{self, JsonOptions};
use rosettar::{
    Archive, Digest, Entry, EntryPath, Error, Facts, Limits, Mtime, NewEntry, ReadOptions, RecordType, RecoverOptions,
    Result, StreamInfo, VerifyOptions, WriteOptions, schema,
};
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["about"] => Ok(about()),
        ["list", file, limits @ ..] => limits_of(limits).and_then(|limits| list(&open(file, limits)?)),
        ["read", file, limits @ ..] => {
            limits_of(limits).and_then(|limits| read(&open(file, limits.clone())?, &limits, false))
        }
        ["records", file, limits @ ..] => {
            limits_of(limits).and_then(|limits| read(&open(file, limits.clone())?, &limits, true))
        }
        ["stream", limits @ ..] => limits_of(limits).and_then(stream),
        ["recover", file, out, limits @ ..] => limits_of(limits).and_then(|limits| recover(file, out, limits)),
        ["write", manifest, out] => write(manifest, out),
        _ => return ExitCode::from(2),
    };
    match answer {
        Ok(found) => {
            println!("{found}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{}", json!({"code": error.code(), "kind": error.kind().as_str(), "message": error.message()}));
            ExitCode::from(1)
        }
    }
}

fn about() -> Value {
    json!({"name": "rosettar (Rust)", "version": env!("CARGO_PKG_VERSION"), "levels": [0, 1, 2, 3], "writer": true})
}

fn limits_of(words: &[&str]) -> Result<Limits> {
    let mut limits = Limits::default();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        limits.set(name, value)?;
    }
    Ok(limits)
}

fn open(file: &str, limits: Limits) -> Result<Archive> {
    ReadOptions::new().limits(limits).threads(1).open_path(file)
}

fn entry_row(entry: &Entry) -> Value {
    json!({
        "path": entry.path.as_str(),
        "kind": entry.kind.as_str(),
        "size": entry.size,
        "mode": entry.mode,
        "mtime": entry.mtime.seconds,
        "nanoseconds": entry.mtime.nanoseconds,
        "target": entry.target.as_ref().map(|target| target.as_str()),
        "sha256": entry.kind.has_content().then(|| entry.digest.to_string()),
    })
}

fn stream_row(info: &StreamInfo) -> Value {
    json!({"name": info.name(), "type": info.type_name(), "records": info.records})
}

fn answer(facts: &Facts, entries: Vec<Value>, streams: Vec<Value>) -> Value {
    json!({
        "entries": entries,
        "streams": streams,
        "attributes": facts.manifest.attributes.iter().collect::<BTreeMap<_, _>>(),
        "root": facts.root_digest.map(|digest| digest.to_string()),
        "content": facts.content_digest.map(|digest| digest.to_string()),
    })
}

fn list(archive: &Archive) -> Result<Value> {
    let entries = archive.entries().map(|entry| Ok(entry_row(&entry?))).collect::<Result<_>>()?;
    Ok(answer(archive.facts(), entries, archive.streams().iter().map(stream_row).collect()))
}

fn read(archive: &Archive, limits: &Limits, with_json: bool) -> Result<Value> {
    if let Some(problem) = archive.verify(&VerifyOptions::new())?.problems.into_iter().next() {
        return Err(problem);
    }
    let mut entries = Vec::new();
    for entry in archive.entries() {
        let entry = entry?;
        let mut row = entry_row(&entry);
        if entry.kind.has_content() {
            row["sha256"] = json!(Digest::of(&archive.read(entry.path.as_str())?).to_string());
        }
        entries.push(row);
    }
    let mut streams = Vec::new();
    for info in archive.streams() {
        let stream = archive.stream(info.name())?;
        let descriptor = if with_json { Some(stream.descriptor()?) } else { None };
        let mut content = Content::default();
        let mut records = stream.records(..)?;
        while let Some(record) = records.next_record()? {
            content.add(descriptor.as_ref(), record, limits)?;
        }
        streams.push(content.finish(info, with_json));
    }
    Ok(answer(archive.facts(), entries, streams))
}

/// What was read of a stream.
#[derive(Default)]
struct Content {
    hasher: Hasher,
    json: Vec<Value>,
}

impl Content {
    fn add(
        &mut self,
        descriptor: Option<&prost_reflect::MessageDescriptor>,
        record: &[u8],
        limits: &Limits,
    ) -> Result<()> {
        let mut framed = Vec::new();
        record::put_record(&mut framed, record);
        self.hasher.update(&framed);
        if let Some(descriptor) = descriptor {
            let message = record::decode(descriptor, record, limits)?;
            let text = record::to_json(&message, &JsonOptions::new())?;
            self.json.push(serde_json::from_str(&text).expect("the JSON of a record"));
        }
        Ok(())
    }

    fn finish(self, info: &StreamInfo, with_json: bool) -> Value {
        let mut row = stream_row(info);
        row["sha256"] = json!(self.hasher.finish().to_string());
        if with_json {
            row["json"] = json!(self.json);
        }
        row
    }
}

fn stream(limits: Limits) -> Result<Value> {
    let mut stream = ReadOptions::new().limits(limits.clone()).threads(1).stream(std::io::stdin().lock())?;
    let mut digests = BTreeMap::new();
    let mut contents: BTreeMap<String, Content> = BTreeMap::new();
    while let Some(item) = stream.next_item()? {
        match item {
            Provisional::Entry(mut entry) => {
                let mut hasher = Hasher::new();
                entry.read_all(|piece| {
                    hasher.update(piece);
                    Ok(())
                })?;
                digests.insert(entry.path().to_string(), hasher.finish());
            }
            Provisional::Batch(mut batch) => {
                let content = contents.entry(batch.stream().name.to_string()).or_default();
                let descriptor = batch.descriptor()?;
                while let Some(record) = batch.next_record()? {
                    content.add(Some(&descriptor), record, &limits)?;
                }
            }
            _ => unreachable!("there are entries and batches"),
        }
    }
    // Nothing before this line was more than provisional.
    let confirmed = stream.confirm()?;
    let mut entries = Vec::new();
    for entry in confirmed.entries() {
        let entry = entry?;
        let mut row = entry_row(&entry);
        if entry.kind.has_content() {
            row["sha256"] = json!(digests.get(entry.path.as_str()).map(Digest::to_string));
        }
        entries.push(row);
    }
    let facts = confirmed.facts();
    check_schemas(&confirmed)?;
    let mut streams = Vec::new();
    for info in &facts.streams {
        streams.push(contents.remove(info.name()).unwrap_or_default().finish(info, true));
    }
    Ok(answer(facts, entries, streams))
}

/// Confirming a stream compares descriptor sets and does not parse them, which this driver does as if it verified.
fn check_schemas(confirmed: &Confirmed) -> Result<()> {
    const OWN: [&str; 3] = ["rosettar.v1.Manifest", "rosettar.v1.Index", "rosettar.v1.EntryPage"];
    for number in 0..confirmed.facts().schemas {
        let set = confirmed.descriptor_set(number).expect("a Schema");
        schema::check_order(set)?;
        let pool = schema::build_pool(set)?;
        for name in OWN.iter().filter(|_| number == 0) {
            schema::message(&pool, name)
                .map_err(|error| Error::new(code::MANIFEST_SCHEMAS, error.message().to_string()))?;
        }
        for info in confirmed.facts().streams.iter().filter(|info| info.declaration.schema == number) {
            schema::message(&pool, info.type_name())?;
        }
    }
    Ok(())
}

fn recover(file: &str, out: &str, limits: Limits) -> Result<Value> {
    let report =
        RecoverOptions::new().limits(limits).recover_path(file, WriteOptions::new().threads(1).create(out)?)?;
    let salvaged = open(out, Limits::default())?;
    let paths = salvaged.entries().map(|entry| Ok(entry?.path.to_string())).collect::<Result<Vec<_>>>()?;
    let records: BTreeMap<_, _> = salvaged.streams().iter().map(|info| (info.name(), info.records)).collect();
    Ok(json!({"whole": report.is_complete(), "entries": paths, "records": records}))
}

fn write(manifest: &str, out: &str) -> Result<Value> {
    let text = std::fs::read_to_string(manifest).expect("a file that can be read");
    let manifest: Value = serde_json::from_str(&text).expect("a manifest");
    let limits = Limits::default();
    let mut writer = WriteOptions::new().threads(1).create(out)?;
    for (key, value) in manifest["attributes"].as_object().unwrap_or(&Map::new()) {
        writer.attribute(key, text_of(value))?;
    }
    for row in manifest["streams"].as_array().unwrap_or(&Vec::new()) {
        let version = row["schema_version"].as_u64().unwrap_or(0) as u32;
        let record_type = RecordType::new(text_of(&row["type"]), base64(text_of(&row["descriptors"])));
        let stream = writer.declare(text_of(&row["name"]), record_type.schema_version(version))?;
        let pool = schema::build_pool(&base64(text_of(&row["descriptors"])))?;
        let descriptor = schema::message(&pool, text_of(&row["type"]))?;
        for record in row["json"].as_array().expect("records") {
            writer.append_dynamic(stream, &record::from_json(&descriptor, &record.to_string(), &limits)?)?;
        }
    }
    for row in manifest["entries"].as_array().unwrap_or(&Vec::new()) {
        let nanoseconds = row["nanoseconds"].as_u64().unwrap_or(0) as u32;
        let mtime = Mtime { seconds: row["mtime"].as_i64().expect("a time"), nanoseconds };
        let entry = NewEntry::at(EntryPath::new(text_of(&row["path"]))?).mtime(mtime);
        let entry = entry.mode(row["mode"].as_u64().unwrap_or(0o777) as u32);
        match text_of(&row["kind"]) {
            "file" => writer.add_bytes(entry, &content_of(row))?,
            "directory" => writer.add_directory(entry)?,
            "symlink" => writer.add_symlink(entry, text_of(&row["target"]))?,
            kind => panic!("kind {kind}"),
        }
    }
    Ok(json!({"root": writer.finish()?.root_digest.to_string()}))
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// The content of a file in a manifest: text, base64, or a pattern that is repeated up to a size.
fn content_of(row: &Value) -> Vec<u8> {
    if let Some(text) = row["text"].as_str() {
        return text.into();
    }
    if let Some(text) = row["base64"].as_str() {
        return base64(text);
    }
    let hex = text_of(&row["pattern"]["hex"]);
    let unit: Vec<u8> =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    unit.into_iter().cycle().take(row["pattern"]["size"].as_u64().expect("a size") as usize).collect()
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        bits = bits << 6 | ALPHABET.iter().position(|known| *known == letter).expect("base64") as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
