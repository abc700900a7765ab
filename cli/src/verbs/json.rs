//! What several verbs print as JSON (spec/CLI-JSON.md).

use rosettar::Digest;
use rosettar::model::{Entry, Mtime, StreamInfo, Totals};
use serde_json::{Value, json};

use crate::output::human;

/// A point in time.
pub(super) fn time(time: Mtime) -> Value {
    json!({"utc": human::utc(time.seconds), "seconds": time.seconds, "nanoseconds": time.nanoseconds})
}

/// An entry, as `list` prints it.
pub(super) fn entry(entry: &Entry) -> Value {
    any_entry(entry, false)
}

/// An entry that nothing has confirmed yet.
pub(super) fn provisional(entry: &Entry) -> Value {
    any_entry(entry, true)
}

fn any_entry(entry: &Entry, provisional: bool) -> Value {
    json!({
        "provisional": provisional,
        "path": entry.path.as_str(),
        "kind": entry.kind.as_str(),
        "mode": format!("{:04o}", entry.mode),
        "size": entry.size,
        "mtime": time(entry.mtime),
        // No content has a digest of zeros: they stand where `diff` had no need to read a file.
        "digest": (entry.kind.has_content() && entry.digest != Digest::ZERO).then(|| digest(&entry.digest)),
        "target": entry.target.as_ref().map(|target| target.as_str()),
        "stream": entry.stream,
        "records": entry.stream.map(|_| entry.records),
    })
}

/// A stream, as `list --streams`, `info` and `pack` print it.
pub(super) fn stream(stream: &StreamInfo) -> Value {
    json!({
        "name": stream.name(),
        "type": stream.type_name(),
        "schema": stream.declaration.schema,
        "schema_version": stream.declaration.schema_version,
        "records": stream.records,
        "bytes": stream.size,
        "batches": stream.batches,
        "digest": (stream.digest != Digest::ZERO).then(|| digest(&stream.digest)),
    })
}

/// Counts and sizes.
pub(super) fn totals(totals: &Totals) -> Value {
    json!({
        "files": totals.files,
        "directories": totals.directories,
        "symlinks": totals.symlinks,
        "reserved_members": totals.reserved_members,
        "file_bytes": totals.file_bytes,
        "records": totals.records,
        "tar_bytes": totals.tar_bytes,
    })
}

/// A digest, or `null` for an archive of a format that has none.
pub(super) fn optional_digest(found: Option<Digest>) -> Value {
    json!(found.map(|found| digest(&found)))
}

/// A digest with its algorithm, as `sha256sum` and signatures name it.
pub(super) fn digest(digest: &Digest) -> String {
    format!("sha256:{digest}")
}
