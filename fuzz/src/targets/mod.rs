//! The targets. Each `run` takes whatever bytes there are, and panics where a promise is broken.

use std::path::Path;
use std::sync::OnceLock;

use rosettar::{Limits, ReadOptions};

use crate::forge;

pub mod c1z;
pub mod extract;
pub mod header;
mod input;
pub mod open;
pub mod record;
pub mod recover;
pub mod schema;
pub mod stream;
pub mod write;

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: &[Target] = &[
    ("open", open::run),
    ("stream", stream::run),
    ("recover", recover::run),
    ("schema", schema::run),
    ("record", record::run),
    ("c1z", c1z::run),
    ("write", write::run),
    ("extract", extract::run),
    ("header", header::run),
];

/// What may be held at a time, beside the input: the limits below, frames and caches.
const MEMORY: usize = 128 << 20;

/// Limits that keep one execution short.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.decoded_bytes = Some(16 << 20);
    limits.entries = 4096;
    limits.frames = 4096;
    limits.record_bytes = 1 << 20;
    limits.record_values = 1 << 16;
    limits.manifest_bytes = 1 << 20;
    limits.index_bytes = 1 << 20;
    limits
}

fn reading() -> ReadOptions {
    ReadOptions::new().threads(1).limits(limits())
}

/// Descriptors that have every kind of field: those that the tests of records use.
fn kinds() -> &'static [u8] {
    static SET: OnceLock<Vec<u8>> = OnceLock::new();
    SET.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../format/src/record");
        rosettar::schema::compile(&[folder.join("tests.proto")], &[folder]).expect("the tests' types compile")
    })
}

/// The archive that the input is: as it is where the first byte is odd, else sealed.
fn archive(data: &[u8]) -> Vec<u8> {
    match data.split_first() {
        Some((first, rest)) if first % 2 == 1 => rest.to_vec(),
        Some((_, rest)) => forge::seal(rest),
        None => Vec::new(),
    }
}
