//! Pools of descriptors: built after the guard, and looked up in.

use std::collections::HashMap;

use prost_reflect::{Cardinality, DescriptorPool, Kind, MessageDescriptor};

use super::descriptor::{Field, File, MessageType, kind};
use super::guard::{self, Checked, descriptor, limit};
use crate::error::{Error, Result, code};

/// A pool of the descriptor set `set`, which need not be trusted.
///
/// Source info is left out of the pool, and public imports are plain ones in it; options, custom ones included, are kept.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("a.proto"), "syntax = \"proto3\"; message A { string s = 1; }").unwrap();
/// let set = rosettar::schema::compile(&[dir.path().join("a.proto")], &[dir.path()])?;
/// let pool = rosettar::schema::build_pool(&set)?;
/// assert_eq!(rosettar::schema::message(&pool, "A")?.fields().len(), 1);
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// Those of [`check`].
pub fn build_pool(set: &[u8]) -> Result<DescriptorPool> {
    build(set).map(|(pool, _)| pool)
}

/// Checks that the descriptor set `set` is one that a compiler could have made, closed, and within the
/// [limits](super::limit).
///
/// # Errors
/// `schema.protobuf`, `schema.closure`, `schema.cycle`, `schema.order` (a path occurs twice), `schema.edition`,
/// `schema.descriptor`, `schema.too-large`.
pub fn check(set: &[u8]) -> Result<()> {
    build(set).map(drop)
}

pub(super) fn build(set: &[u8]) -> Result<(DescriptorPool, Vec<File>)> {
    let Checked { working_copy, files } = guard::prepare(set)?;
    let pool = DescriptorPool::decode(&working_copy[..])
        .map_err(|error| descriptor(format!("the descriptor set is not valid: {error}")).with_source(error))?;
    for file in &files {
        // A relative reference resolves to what it is meant to be only as far as prost-reflect says so.
        for message in &file.messages {
            check_message(&pool, message, file.package())?;
        }
    }
    check_extensions(&pool, &files)?;
    Ok((pool, files))
}

/// The message type `name`, a full name without a leading dot.
///
/// # Errors
/// `schema.type` where the pool has no message of that name; the error names some that it has.
pub fn message(pool: &DescriptorPool, name: &str) -> Result<MessageDescriptor> {
    if let Some(found) = pool.get_message_by_name(name).filter(|m| m.full_name() == name && !m.is_map_entry()) {
        return Ok(found);
    }
    const SHOWN: usize = 5;
    let wanted = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let mut all: Vec<_> = pool
        .all_messages()
        .filter(|m| !m.is_map_entry())
        .map(|m| {
            // Those that are called alike, in whatever package, come first.
            let last = m.name().to_ascii_lowercase();
            let rank =
                if last == wanted { 0 } else { 1 + u8::from(!last.contains(&wanted) && !wanted.contains(&last)) };
            (rank, m.full_name().to_owned())
        })
        .collect();
    all.sort();
    let more = all.len().saturating_sub(SHOWN);
    let mut shown: Vec<_> = all.into_iter().take(SHOWN).map(|(_, name)| name).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    let message = match shown.len() {
        0 => format!("the schema has no message {name:?}, nor any other"),
        _ => format!("the schema has no message {name:?}; it has {}", shown.join(", ")),
    };
    Err(Error::new(code::SCHEMA_TYPE, message))
}

/// The whole descriptor set of the pool that `message` is of, in order, custom options included.
///
/// prost-reflect keeps the encoded options of each element beside the decoded ones, so custom options survive, extension
/// or not. What it does not keep is lost: fields of descriptors that it does not know. Where the set's original bytes
/// are at hand, use those.
///
/// # Errors
/// `schema.closure`, `schema.cycle`, `schema.too-large` where the pool exceeds what a stored set may be.
pub fn descriptor_set_of(message: &MessageDescriptor) -> Result<Vec<u8>> {
    super::closure::order(&message.parent_pool().encode_to_vec())
}

fn check_message(pool: &DescriptorPool, message: &MessageType, scope: &str) -> Result<()> {
    let full = if scope.is_empty() { message.name().to_owned() } else { format!("{scope}.{}", message.name()) };
    let Some(built) = pool.get_message_by_name(&full) else {
        return Err(descriptor(format!("message {full} was not built")));
    };
    for (field, built) in message.fields.iter().zip(built_fields(&built, message)) {
        let built = built.ok_or_else(|| descriptor(format!("field {full}.{} was not built", field.name())))?;
        check_kind(field, &built.kind(), &full)?;
        if let Kind::Message(entry) = built.kind()
            && entry.is_map_entry()
        {
            let own = entry.parent_message().is_some_and(|parent| parent.full_name() == full);
            if !own || built.cardinality() != Cardinality::Repeated || built.is_group() {
                return Err(descriptor(format!("field {full}.{} is of another field's map entry", field.name())));
            }
        }
    }
    message.messages.iter().try_for_each(|inner| check_message(pool, inner, &full))
}

fn built_fields<'a>(
    built: &'a MessageDescriptor,
    message: &'a MessageType,
) -> impl Iterator<Item = Option<prost_reflect::FieldDescriptor>> + 'a {
    message.fields.iter().map(|field| built.get_field_by_name(field.name()))
}

fn check_kind(field: &Field, built: &Kind, scope: &str) -> Result<()> {
    let same = match field.kind {
        Some(kind::MESSAGE | kind::GROUP) => matches!(built, Kind::Message(_)),
        Some(kind::ENUM) => matches!(built, Kind::Enum(_)),
        _ => true,
    };
    if same {
        return Ok(());
    }
    Err(descriptor(format!(
        "field {scope}.{} is of type {}, which is of another kind",
        field.name(),
        field.type_name()
    )))
}

/// Extensions are found by a linear search in prost-reflect, so the number of one message's is bounded.
fn check_extensions(pool: &DescriptorPool, files: &[File]) -> Result<()> {
    let mut numbers: HashMap<String, Vec<u32>> = HashMap::new();
    for extension in pool.all_extensions() {
        if extension.kind().as_message().is_some_and(MessageDescriptor::is_map_entry) {
            return Err(descriptor(format!("extension {} is a map", extension.full_name())));
        }
        numbers.entry(extension.containing_message().full_name().to_owned()).or_default().push(extension.number());
    }
    for (name, mut numbers) in numbers {
        if numbers.len() > limit::EXTENSIONS_OF_ONE_MESSAGE {
            return Err(limit::exceeded("extensions of one message", limit::EXTENSIONS_OF_ONE_MESSAGE));
        }
        numbers.sort_unstable();
        if let Some(pair) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(descriptor(format!("message {name} has two extensions with the number {}", pair[0])));
        }
    }
    fn walk(pool: &DescriptorPool, extensions: &[Field], messages: &[MessageType], scope: &str) -> Result<()> {
        let join = |name: &str| if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        for extension in extensions {
            if let Some(built) = pool.get_extension_by_name(&join(extension.name())) {
                check_kind(extension, &built.kind(), scope)?;
            }
        }
        messages.iter().try_for_each(|m| walk(pool, &m.extensions, &m.messages, &join(m.name())))
    }
    files.iter().try_for_each(|file| walk(pool, &file.extensions, &file.messages, file.package()))
}
