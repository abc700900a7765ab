//! The Schemas of an archive being written: closures computed, merged where they agree, numbered (FORMAT.md, "Schemas").

use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::StreamDeclaration;
use crate::proto;
use crate::schema;
use crate::v1::SchemaBody;

/// The Schemas declared so far.
pub(super) struct Schemas {
    bodies: Vec<SchemaBody>,
    /// How many of them the manifest holds; `None` while it is not written.
    in_manifest: Option<usize>,
    bytes: u64,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let own = SchemaBody { descriptor_set: proto::DESCRIPTOR_SET.to_vec(), streams: Vec::new() };
        Self { bodies: vec![own], in_manifest: None, bytes: 0 }
    }

    /// The number of the Schema that defines `type_name` as `descriptor_set` does: one declared before that holds the
    /// same bytes or can be merged, otherwise a new one.
    pub(super) fn number_for(&mut self, type_name: &str, descriptor_set: &[u8], limits: &Limits) -> Result<u32> {
        let closure = schema::closure_of(descriptor_set, &[type_name])?;
        // The guard that every reader applies.
        schema::check(&closure)?;
        // What the manifest says is said; a late stream has a Schema of its own, which no later one can join.
        if self.in_manifest.is_none() {
            for number in 1..self.bodies.len() {
                if let Some(merged) = schema::merge(&[&self.bodies[number].descriptor_set, &closure])?
                    && (merged.len() == self.bodies[number].descriptor_set.len() || schema::check(&merged).is_ok())
                {
                    self.bodies[number].descriptor_set = merged;
                    return Ok(number as u32);
                }
            }
        }
        if self.bodies.len() as u64 >= limits.schemas {
            let message = format!("more Schemas than the limit schemas of {}", limits.schemas);
            return Err(Error::new(code::LIMIT_SCHEMAS, message));
        }
        self.bodies.push(SchemaBody { descriptor_set: closure, streams: Vec::new() });
        Ok(self.bodies.len() as u32 - 1)
    }

    /// Adds a stream to its Schema.
    pub(super) fn add_stream(&mut self, declaration: StreamDeclaration) {
        self.bodies[declaration.schema as usize].streams.push(declaration);
    }

    /// The Schemas of the manifest, which is written now.
    pub(super) fn close_manifest(&mut self) -> &[SchemaBody] {
        self.in_manifest = Some(self.bodies.len());
        &self.bodies
    }

    /// How many Schemas the manifest holds.
    pub(super) fn in_manifest(&self) -> usize {
        self.in_manifest.unwrap_or(self.bodies.len())
    }

    pub(super) fn bodies(&self) -> &[SchemaBody] {
        &self.bodies
    }

    /// Counts the bytes of a manifest or schema section.
    pub(super) fn count(&mut self, bytes: usize, limits: &Limits) -> Result<()> {
        self.bytes += bytes as u64;
        if self.bytes > limits.manifest_bytes {
            let message = format!(
                "the manifest and schemas have {} bytes, more than the limit manifest-bytes of {}",
                self.bytes, limits.manifest_bytes
            );
            return Err(Error::new(code::LIMIT_MANIFEST_BYTES, message));
        }
        Ok(())
    }
}
