//! Schemas and streams of a broken archive, from wherever they survive: sections, the index, reserved members.

use std::collections::{BTreeMap, HashMap};

use super::report::{Losses, LostSchema};
use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::{Annotation, StreamDeclaration};
use crate::path::StreamName;
use crate::v1::{SchemaBody, check_type_name};
use crate::write::{RecordType, StreamId, Writer};

/// The longest `stream.txt` there can be.
pub(super) const LONGEST_DESCRIPTION: u64 = 2048;
/// How many bytes of descriptor sets are looked through in all to declare streams, as hostile archives can ask for much.
const MOST_WORK: u64 = 1 << 30;
/// How often at most a Schema is looked through for the type of an annotation.
const MOST_LOOKUPS: usize = 256;

/// What is known of Schemas and streams, and what of it the new archive has.
pub(super) struct Streams {
    /// The descriptor set of each Schema that survives.
    sets: BTreeMap<u32, Vec<u8>>,
    /// Bytes of those.
    bytes: u64,
    /// What each stream was declared as; what was seen first counts.
    declared: BTreeMap<String, StreamDeclaration>,
    /// In the order in which they became known.
    order: Vec<String>,
    /// Where each stream goes; `None` for one whose Schema is lost.
    targets: HashMap<String, Option<StreamId>>,
    /// Bytes of descriptor sets looked through to declare streams.
    work: u64,
    /// Why a Schema is lost that is there.
    refused: BTreeMap<u32, String>,
    limits: Limits,
}

impl Streams {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            sets: BTreeMap::new(),
            bytes: 0,
            declared: BTreeMap::new(),
            order: Vec::new(),
            targets: HashMap::new(),
            work: 0,
            refused: BTreeMap::new(),
            limits: limits.clone(),
        }
    }

    /// Takes in a Schema as its section has it.
    pub(super) fn section(&mut self, number: u32, body: SchemaBody) {
        self.schema(number, body.descriptor_set);
        body.streams.into_iter().for_each(|declaration| self.stream(declaration));
    }

    /// Takes in a descriptor set, if none is known of that number.
    pub(super) fn schema(&mut self, number: u32, set: Vec<u8>) {
        let bytes = self.bytes + set.len() as u64;
        if !self.sets.contains_key(&number)
            && bytes <= self.limits.manifest_bytes
            && (self.sets.len() as u64) < self.limits.schemas
        {
            self.bytes = bytes;
            self.sets.insert(number, set);
        }
    }

    /// Whether the descriptor set of this Schema is known.
    pub(super) fn has_schema(&self, number: u32) -> bool {
        self.sets.contains_key(&number)
    }

    /// Whether the Schema of every stream is known.
    pub(super) fn is_complete(&self) -> bool {
        self.declared.values().all(|stream| self.has_schema(stream.schema))
    }

    /// Takes in a declaration, if none is known of that name.
    pub(super) fn stream(&mut self, declaration: StreamDeclaration) {
        let name = declaration.name.as_str();
        if !self.declared.contains_key(name) && (self.order.len() as u64) < self.limits.streams {
            self.order.push(name.to_owned());
            self.declared.insert(name.to_owned(), declaration);
        }
    }

    /// Takes in the content of the `stream.txt` of the stream called `name`.
    pub(super) fn description(&mut self, name: &str, text: &[u8]) {
        if let Some(declaration) = parse_description(name, text) {
            self.stream(declaration);
        }
    }

    /// Declares every stream that is known with its Schema.
    ///
    /// # Errors
    /// Those after which `writer` is of no further use.
    pub(super) fn declare_known(&mut self, writer: &mut Writer<'_>) -> Result<()> {
        for name in self.order.clone() {
            if self.declared.get(&name).is_some_and(|stream| self.has_schema(stream.schema)) {
                self.target(&name, writer)?;
            }
        }
        Ok(())
    }

    /// Where records of the stream called `name` go; `None` where its Schema is lost.
    ///
    /// # Errors
    /// Those after which `writer` is of no further use.
    pub(super) fn target(&mut self, name: &str, writer: &mut Writer<'_>) -> Result<Option<StreamId>> {
        if let Some(target) = self.targets.get(name) {
            return Ok(*target);
        }
        let target = self.declare(name, writer)?;
        self.targets.insert(name.to_owned(), target);
        Ok(target)
    }

    fn declare(&mut self, name: &str, writer: &mut Writer<'_>) -> Result<Option<StreamId>> {
        let Some(declaration) = self.declared.get(name) else { return Ok(None) };
        let Some(set) = self.sets.get(&declaration.schema) else { return Ok(None) };
        self.work += set.len() as u64;
        let declared = match self.work <= MOST_WORK {
            true => {
                let record_type = RecordType::new(declaration.type_name.clone(), set.clone());
                writer.declare(name, record_type.schema_version(declaration.schema_version))
            }
            false => {
                let message = format!("too many streams of large Schemas: over {MOST_WORK} bytes to look through");
                Err(Error::new(code::SCHEMA_TOO_LARGE, message))
            }
        };
        match declared {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if writer.has_failed() => Err(error),
            Err(error) => {
                self.refused.entry(declaration.schema).or_insert_with(|| error.to_string());
                Ok(None)
            }
        }
    }

    /// Adds an annotation, with the descriptors of its type where a Schema defines it.
    ///
    /// # Errors
    /// Those after which `writer` is of no further use.
    pub(super) fn annotate(&self, annotations: Vec<Annotation>, writer: &mut Writer<'_>) -> Result<()> {
        let mut lookups = 0;
        'annotations: for annotation in annotations {
            for set in self.sets.values() {
                lookups += 1;
                if lookups > MOST_LOOKUPS {
                    break;
                }
                match writer.annotate_encoded(annotation.clone(), set) {
                    Ok(()) => continue 'annotations,
                    Err(error) if writer.has_failed() => return Err(error),
                    Err(_) => {}
                }
            }
            writer.annotate_undefined(annotation)?;
        }
        Ok(())
    }

    /// Notes the Schemas that are lost; of `count` in all, where that is known.
    pub(super) fn report(&self, count: Option<u32>, losses: &mut Losses) {
        // Schema 0 is the format's own; the new archive has it.
        let used = self.declared.values().map(|stream| stream.schema);
        let mut missing: Vec<u32> = (1..count.unwrap_or_default()).chain(used).filter(|number| *number > 0).collect();
        missing.retain(|number| !self.has_schema(*number));
        missing.sort_unstable();
        missing.dedup();
        for number in missing {
            let why = "neither its section nor its member is whole".to_owned();
            losses.lost_schemas.push(LostSchema { number, why });
        }
        for (number, why) in &self.refused {
            losses.lost_schemas.push(LostSchema { number: *number, why: why.clone() });
        }
    }
}

/// What a `stream.txt` declares.
fn parse_description(name: &str, text: &[u8]) -> Option<StreamDeclaration> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines();
    let mut line = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ');
    let declaration = StreamDeclaration {
        name: StreamName::new(name).ok()?,
        type_name: line("type")?.to_owned(),
        schema: line("schema")?.parse().ok()?,
        schema_version: line("version")?.parse().ok()?,
    };
    check_type_name(&declaration.type_name).ok()?;
    (declaration.description() == text).then_some(declaration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_come_back() {
        let text = "type a.B\nschema 00000007\nversion 3\n";
        let found = parse_description("s", text.as_bytes()).unwrap();
        assert_eq!((found.type_name.as_str(), found.schema, found.schema_version), ("a.B", 7, 3));
        for bad in ["", "type a.B\nschema 7\nversion 3\n", "type a-B\nschema 00000007\nversion 3\n"] {
            assert!(parse_description("s", bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(parse_description(".s", text.as_bytes()).is_none());
    }
}
