//! The bodies of `MANI` and `SCHM` (FORMAT.md, "Manifest").

use std::collections::{BTreeMap, HashSet};

use prost::Message as _;

use super::guard::{Shape, tally};
use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::{Annotation, Manifest, Mtime, StreamDeclaration};
use crate::path::StreamName;
use crate::proto;

/// The most strings and messages in a manifest or schema section, which bounds the memory they take once decoded.
const MAX_FIELDS: u64 = 1 << 20;
/// The longest full name of a message type.
const MAX_TYPE_NAME: usize = 1024;

/// A `KeyValue` and an `Any` have two fields each.
const PAIR: Shape = Shape { last: 2, packed: &[], nested: &[] };
const STREAM: Shape = Shape { last: 3, packed: &[], nested: &[] };
const SCHEMA: Shape = Shape { last: 2, packed: &[], nested: &[(2, &STREAM)] };
const MANIFEST: Shape = Shape { last: 6, packed: &[], nested: &[(4, &PAIR), (5, &PAIR), (6, &SCHEMA)] };

/// The shapes by which messages are counted, for the test that compares them with the descriptors.
#[cfg(test)]
pub(super) const SHAPES: [(&str, &Shape); 2] = [("rosettar.v1.Manifest", &MANIFEST), ("rosettar.v1.Schema", &SCHEMA)];

/// The body of a manifest, checked by itself.
#[derive(Clone, Debug)]
pub(crate) struct ManifestBody {
    pub(crate) facts: Manifest,
    pub(crate) schemas: Vec<SchemaBody>,
}

/// A Schema: the bytes of its descriptor set, which are not looked into, and the streams it declares.
#[derive(Clone, Debug)]
pub(crate) struct SchemaBody {
    pub(crate) descriptor_set: Vec<u8>,
    pub(crate) streams: Vec<StreamDeclaration>,
}

impl ManifestBody {
    /// Reads and checks the body of a `MANI` section.
    ///
    /// # Errors
    /// `limit.manifest-bytes`, `manifest.*`, `limit.schemas`, `limit.streams`, `feature.unknown`.
    pub(crate) fn decode(body: &[u8], limits: &Limits, known_features: &[String]) -> Result<Self> {
        check_size(body, limits)?;
        let message: proto::Manifest = decode(body, &MANIFEST, "the manifest is no rosettar.v1.Manifest")?;
        let created = message
            .created
            .map(|time| Mtime { seconds: time.seconds, nanoseconds: u32::try_from(time.nanos).unwrap_or(u32::MAX) });
        if created.is_some_and(|created| !created.is_valid()) {
            let message = "the time of creation has nanoseconds out of range: expected 0 to 999999999";
            return Err(Error::new(code::MANIFEST_PROTOBUF, message));
        }
        check_features(&message.required_features, &[], known_features)?;
        let mut attributes = BTreeMap::new();
        add_attributes(&mut attributes, message.attributes)?;
        if message.schemas.is_empty() {
            return Err(schemas_fault("a manifest without Schemas: expected at least Schema 0"));
        }
        if !message.schemas[0].streams.is_empty() {
            return Err(schemas_fault("Schema 0, which describes the format itself, declares a stream"));
        }
        check_schema_count(message.schemas.len() as u64, limits)?;
        let schemas = (0..).zip(message.schemas).map(|(number, schema)| SchemaBody::check(number, schema));
        let schemas = schemas.collect::<Result<Vec<_>>>()?;
        check_streams(schemas.iter().flat_map(|schema| &schema.streams), limits)?;
        let facts = Manifest {
            producer: message.producer,
            created,
            attributes,
            annotations: message.annotations.into_iter().map(from_any).collect(),
            required_features: message.required_features,
        };
        Ok(Self { facts, schemas })
    }

    /// The body of a `MANI` section.
    pub(crate) fn encode(&self) -> Vec<u8> {
        proto::Manifest {
            required_features: self.facts.required_features.clone(),
            producer: self.facts.producer.clone(),
            created: self
                .facts
                .created
                .map(|time| prost_types::Timestamp { seconds: time.seconds, nanos: time.nanoseconds as i32 }),
            annotations: self.facts.annotations.iter().map(to_any).collect(),
            attributes: to_key_values(&self.facts.attributes),
            schemas: self.schemas.iter().map(SchemaBody::to_proto).collect(),
        }
        .encode_to_vec()
    }
}

impl SchemaBody {
    /// Reads and checks the body of a `SCHM` section for Schema `number`.
    ///
    /// # Errors
    /// `limit.manifest-bytes`, `manifest.protobuf`, `manifest.streams`, `limit.streams`.
    pub(crate) fn decode(body: &[u8], number: u32, limits: &Limits) -> Result<Self> {
        check_size(body, limits)?;
        let schema = Self::check(number, decode(body, &SCHEMA, "a schema section is no rosettar.v1.Schema")?)?;
        check_streams(schema.streams.iter(), limits)?;
        Ok(schema)
    }

    /// The body of a `SCHM` section.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.to_proto().encode_to_vec()
    }

    fn check(number: u32, schema: proto::Schema) -> Result<Self> {
        let streams = schema.streams.into_iter().map(|stream| {
            check_type_name(&stream.r#type)?;
            Ok(StreamDeclaration {
                name: StreamName::new(stream.name)?,
                type_name: stream.r#type,
                schema: number,
                schema_version: stream.schema_version,
            })
        });
        Ok(Self { descriptor_set: schema.descriptor_set, streams: streams.collect::<Result<_>>()? })
    }

    fn to_proto(&self) -> proto::Schema {
        let streams = self.streams.iter().map(|stream| proto::Stream {
            name: stream.name.to_string(),
            r#type: stream.type_name.clone(),
            schema_version: stream.schema_version,
        });
        proto::Schema { descriptor_set: self.descriptor_set.clone(), streams: streams.collect() }
    }
}

/// Checks that `name` is written like the full name of a message type.
///
/// # Errors
/// `manifest.streams`.
pub(crate) fn check_type_name(name: &str) -> Result<()> {
    let identifier = |part: &str| {
        part.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if name.len() > MAX_TYPE_NAME || !name.split('.').all(identifier) {
        let shown: String = name.chars().take(80).collect();
        return Err(Error::new(
            code::MANIFEST_STREAMS,
            format!("type {shown:?}: expected the full name of a message type, such as weather.v1.Observation"),
        ));
    }
    Ok(())
}

/// Checks that the streams of an archive are not too many and that no two names are equal but for case.
pub(super) fn check_streams<'a>(streams: impl Iterator<Item = &'a StreamDeclaration>, limits: &Limits) -> Result<()> {
    let mut names = HashSet::new();
    for stream in streams {
        if names.len() as u64 >= limits.streams {
            return Err(Error::new(
                code::LIMIT_STREAMS,
                format!("more streams than the limit streams of {}", limits.streams),
            ));
        }
        if !names.insert(stream.name.folded()) {
            return Err(Error::new(
                code::MANIFEST_STREAMS,
                format!("two streams are called {}, case ignored: expected different names", stream.name),
            ));
        }
    }
    Ok(())
}

/// Checks the number of Schemas against the limit.
pub(super) fn check_schema_count(count: u64, limits: &Limits) -> Result<()> {
    if count > limits.schemas {
        let message = format!("{count} Schemas exceed the limit schemas of {}", limits.schemas);
        return Err(Error::new(code::LIMIT_SCHEMAS, message));
    }
    Ok(())
}

/// Checks that `features` are sorted, named, none of them in `earlier`, and known.
pub(super) fn check_features(features: &[String], earlier: &[String], known: &[String]) -> Result<()> {
    let named = features.iter().all(|feature| !feature.is_empty());
    if !named || !features.is_sorted_by(|a, b| a < b) || features.iter().any(|feature| earlier.contains(feature)) {
        let shown = &features[..features.len().min(5)];
        return Err(Error::new(
            code::MANIFEST_FEATURES,
            format!("{} required features {shown:?}: expected them sorted, each once, none empty", features.len()),
        ));
    }
    match features.iter().find(|feature| !known.contains(feature)) {
        Some(feature) => Err(Error::new(
            code::FEATURE_UNKNOWN,
            format!("the archive requires the feature {feature:?}, which this reader does not know; use a newer one"),
        )),
        None => Ok(()),
    }
}

/// Adds `pairs` to `attributes` once they are found sorted, named and new.
pub(super) fn add_attributes(attributes: &mut BTreeMap<String, String>, pairs: Vec<proto::KeyValue>) -> Result<()> {
    let sorted = pairs.is_sorted_by(|a, b| a.key < b.key);
    for pair in pairs {
        if !sorted || pair.key.is_empty() || attributes.contains_key(&pair.key) {
            return Err(Error::new(
                code::MANIFEST_ATTRIBUTES,
                format!("attribute {:?}: expected attributes sorted by key, each key once, none empty", pair.key),
            ));
        }
        attributes.insert(pair.key, pair.value);
    }
    Ok(())
}

pub(super) fn to_key_values(attributes: &BTreeMap<String, String>) -> Vec<proto::KeyValue> {
    attributes.iter().map(|(key, value)| proto::KeyValue { key: key.clone(), value: value.clone() }).collect()
}

pub(super) fn from_any(any: prost_types::Any) -> Annotation {
    Annotation { type_url: any.type_url, value: any.value }
}

pub(super) fn to_any(annotation: &Annotation) -> prost_types::Any {
    prost_types::Any { type_url: annotation.type_url.clone(), value: annotation.value.clone() }
}

fn decode<M: prost::Message + Default>(body: &[u8], shape: &Shape, fault: &str) -> Result<M> {
    let malformed = || Error::new(code::MANIFEST_PROTOBUF, fault);
    let found = tally(body, shape).ok_or_else(malformed)?;
    if found.fields > MAX_FIELDS {
        return Err(Error::new(
            code::LIMIT_MANIFEST_BYTES,
            format!(
                "{} strings and messages in a manifest or schema section: expected at most {MAX_FIELDS}",
                found.fields
            ),
        ));
    }
    M::decode(body).map_err(|e| malformed().with_source(e))
}

fn check_size(body: &[u8], limits: &Limits) -> Result<()> {
    if body.len() as u64 > limits.manifest_bytes {
        return Err(Error::new(
            code::LIMIT_MANIFEST_BYTES,
            format!(
                "a manifest or schema section of {} bytes exceeds the limit manifest-bytes of {}",
                body.len(),
                limits.manifest_bytes
            ),
        ));
    }
    Ok(())
}

fn schemas_fault(message: &str) -> Error {
    Error::new(code::MANIFEST_SCHEMAS, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names() {
        for good in ["A", "a.B_1", "_a.b.c"] {
            check_type_name(good).unwrap();
        }
        for bad in ["", ".a", "a.", "a..b", "1a", "a-b", "é"] {
            assert!(check_type_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_flood_of_empty_attributes_is_refused_before_it_is_decoded() {
        let body = [0x2A, 0].repeat(2 << 20);
        let error = ManifestBody::decode(&body, &Limits::default(), &[]).unwrap_err();
        assert_eq!(error.code(), "limit.manifest-bytes");
    }
}
