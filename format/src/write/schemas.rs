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

    /// Those of an archive that is continued, of which the manifest holds the first `in_manifest`.
    pub(super) fn continued(bodies: Vec<SchemaBody>, in_manifest: usize) -> Self {
        Self { bodies, in_manifest: Some(in_manifest), bytes: 0 }
    }

    /// The number of the Schema for a stream of `type_name`, as `descriptor_set` defines it: before the manifest is
    /// written one that holds the same files or agrees with them, later a new one, which declares the stream.
    pub(super) fn for_stream(&mut self, type_name: &str, descriptor_set: &[u8], limits: &Limits) -> Result<u32> {
        let closure = acceptable_closure(type_name, descriptor_set)?;
        match self.join(&closure)? {
            Some(number) => Ok(number),
            None => self.add(closure, limits),
        }
    }

    /// Makes sure that a Schema defines `type_name` as `descriptor_set` does; whether that took a new one.
    pub(super) fn for_annotation(&mut self, type_name: &str, descriptor_set: &[u8], limits: &Limits) -> Result<bool> {
        let closure = acceptable_closure(type_name, descriptor_set)?;
        for body in &self.bodies {
            if schema::merge(&[&body.descriptor_set, &closure])?.is_some_and(|merged| merged == body.descriptor_set) {
                return Ok(false);
            }
        }
        if self.join(&closure)?.is_some() {
            return Ok(false);
        }
        self.add(closure, limits).map(|_| true)
    }

    /// The number of a Schema that can still grow and that `closure` was merged into.
    fn join(&mut self, closure: &[u8]) -> Result<Option<u32>> {
        if self.in_manifest.is_some() {
            return Ok(None);
        }
        // Schema 0 is the format's own.
        for (number, body) in (0..).zip(&mut self.bodies).skip(1) {
            if let Some(merged) = schema::merge(&[&body.descriptor_set, closure])?
                && schema::check(&merged).is_ok()
            {
                body.descriptor_set = merged;
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn add(&mut self, closure: Vec<u8>, limits: &Limits) -> Result<u32> {
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

/// What of `descriptor_set` the type needs, found acceptable to every reader.
fn acceptable_closure(type_name: &str, descriptor_set: &[u8]) -> Result<Vec<u8>> {
    let closure = schema::closure_of(descriptor_set, &[type_name])?;
    schema::check(&closure)?;
    Ok(closure)
}
