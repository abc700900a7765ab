//! Streams, by name.

use std::collections::BTreeMap;

use super::{Aspect, NEW, OLD, Sides, StreamDifference};
use crate::error::Result;
use crate::model::StreamInfo;
use crate::read::Archive;

pub(super) fn compare(old: &Archive, new: &Archive) -> Result<Vec<StreamDifference>> {
    let mut streams: BTreeMap<&str, Sides<&StreamInfo>> = BTreeMap::new();
    for info in old.streams() {
        streams.entry(info.name()).or_insert(Sides { old: None, new: None }).old = Some(info);
    }
    for info in new.streams() {
        streams.entry(info.name()).or_insert(Sides { old: None, new: None }).new = Some(info);
    }
    let mut found = Vec::new();
    for (name, infos) in streams {
        let (mut aspects, mut first_record) = (Vec::new(), None);
        if let (Some(a), Some(b)) = (infos.old, infos.new) {
            aspects = differing(a, b);
            if aspects.is_empty() {
                continue;
            }
            // Each record stands after its length, so equal contents are equal records.
            if a.digest != b.digest {
                first_record = first_differing(old, new, name)?;
            }
        }
        let sides = Sides { old: infos.old.cloned(), new: infos.new.cloned() };
        found.push(StreamDifference { sides, aspects, first_record });
    }
    Ok(found)
}

fn differing(old: &StreamInfo, new: &StreamInfo) -> Vec<Aspect> {
    let (a, b) = (&old.declaration, &new.declaration);
    [
        (a.type_name != b.type_name, Aspect::Type),
        (a.schema_version != b.schema_version, Aspect::SchemaVersion),
        (old.records != new.records, Aspect::Records),
        (old.digest != new.digest, Aspect::Content),
    ]
    .into_iter()
    .filter_map(|(differs, aspect)| differs.then_some(aspect))
    .collect()
}

/// The number of the first record of stream `name` that is not the same on both sides.
fn first_differing(old: &Archive, new: &Archive, name: &str) -> Result<Option<u64>> {
    let monitor = &old.options().monitor;
    let (mut old, mut new) = (old.stream(name)?.records(..)?, new.stream(name)?.records(..)?);
    for number in 0.. {
        let record = old.next_record().map_err(|error| error.about(OLD))?;
        match (record, new.next_record().map_err(|error| error.about(NEW))?) {
            // The digests of a sound archive do not differ then.
            (None, None) => break,
            (a, b) if a == b => monitor.advance(a.map_or(0, <[u8]>::len) as u64)?,
            _ => return Ok(Some(number)),
        }
    }
    Ok(None)
}
