//! Checking what a set defines: the rules of the protobuf language that prost-reflect, or the printer, relies on.

use prost_reflect::{Cardinality, DescriptorPool, Kind};

use super::super::descriptor::{Enum, Field, File, MessageType, Range, kind, label};
use super::super::names::{is_identifier, map_entry_name, unescape};
use super::{descriptor, limit};
use crate::error::Result;

/// The options messages, which prost-reflect decodes and encodes again while it builds a pool.
const OPTION_TYPES: [&str; 10] = [
    "FileOptions",
    "MessageOptions",
    "FieldOptions",
    "OneofOptions",
    "EnumOptions",
    "EnumValueOptions",
    "ServiceOptions",
    "MethodOptions",
    "ExtensionRangeOptions",
    "UninterpretedOption",
];

/// One more than the greatest field number.
pub(in crate::schema) const MAX_FIELD_END: i32 = 1 << 29;

#[derive(Default)]
pub(super) struct Rules {
    name_bytes: usize,
    largest_enum: usize,
    enum_defaults: usize,
    proto3: bool,
}

impl Rules {
    pub fn file(&mut self, file: &File) -> Result<()> {
        self.proto3 = file.is_proto3();
        let package = file.package();
        if !package.is_empty() {
            if package.split('.').count() > limit::PACKAGE_PARTS {
                return Err(limit::exceeded("parts of a package name", limit::PACKAGE_PARTS));
            }
            let mut prefix = 0;
            for part in package.split('.') {
                identifier(part, package)?;
                prefix += part.len() + 1;
                self.name_bytes += prefix;
            }
        }
        for message in &file.messages {
            self.message(message, package, None)?;
        }
        for item in &file.enums {
            self.enumeration(item, package)?;
        }
        for extension in &file.extensions {
            self.extension(extension, package)?;
        }
        for service in &file.services {
            let full = self.symbol(package, service.name())?;
            for method in &service.methods {
                self.symbol(&full, method.name())?;
                reference(method.input_type(), &full)?;
                reference(method.output_type(), &full)?;
            }
        }
        Ok(())
    }

    /// What only the whole set shows.
    pub fn finish(&self) -> Result<()> {
        // prost-reflect looks for the default of an enum field among all values of the enum, one by one.
        if self.largest_enum.saturating_mul(self.enum_defaults) > 1 << 26 {
            return Err(limit::exceeded("default values of the largest enum", (1 << 26) / self.largest_enum.max(1)));
        }
        Ok(())
    }

    /// Checks a name and counts its full form, which it returns.
    fn symbol(&mut self, scope: &str, name: &str) -> Result<String> {
        identifier(name, scope)?;
        let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.name_bytes += full.len();
        if self.name_bytes > limit::NAME_BYTES {
            return Err(limit::exceeded("bytes of full names", limit::NAME_BYTES));
        }
        Ok(full)
    }

    fn message(&mut self, message: &MessageType, scope: &str, parent: Option<&MessageType>) -> Result<()> {
        let full = self.symbol(scope, message.name())?;
        if message.is_map_entry() {
            map_entry(message, parent, &full)?;
        }
        if scope == "google.protobuf" && OPTION_TYPES.contains(&message.name()) {
            options_message(message, &full)?;
        }
        for field in &message.fields {
            self.symbol(&full, field.name())?;
            self.field(field, &full)?;
            if field.extendee.is_some() {
                return Err(descriptor(format!("field {full}.{} names a message to extend", field.name())));
            }
        }
        oneofs(message, &full)?;
        for oneof in &message.oneofs {
            self.symbol(&full, oneof.name())?;
        }
        let end = if message.is_message_set() { i32::MAX } else { MAX_FIELD_END };
        let extensions = ranges(&message.extension_ranges, 1, end, 0, &full)?;
        if self.proto3 && !extensions.is_empty() {
            return Err(descriptor(format!("message {full} has an extension range, which proto3 does not allow")));
        }
        let reserved = ranges(&message.reserved_ranges, 1, end, 0, &full)?;
        for field in &message.fields {
            if within(&reserved, field.number()) || within(&extensions, field.number()) {
                return Err(descriptor(format!(
                    "field {full}.{} has the number {}, which a reserved or extension range holds",
                    field.name(),
                    field.number()
                )));
            }
        }
        for extension in &message.extensions {
            self.extension(extension, &full)?;
        }
        for item in &message.enums {
            self.enumeration(item, &full)?;
        }
        for inner in &message.messages {
            self.message(inner, &full, Some(message))?;
        }
        Ok(())
    }

    fn enumeration(&mut self, item: &Enum, scope: &str) -> Result<()> {
        let full = self.symbol(scope, item.name())?;
        self.largest_enum = self.largest_enum.max(item.values.len());
        let reserved = ranges(&item.reserved_ranges, i32::MIN, i32::MAX, 1, &full)?;
        for value in &item.values {
            // The values of an enum are its siblings.
            self.symbol(scope, value.name())?;
            if within(&reserved, value.number()) {
                return Err(descriptor(format!("enum value {full}.{} has a reserved number", value.name())));
            }
        }
        Ok(())
    }

    fn extension(&mut self, field: &Field, scope: &str) -> Result<()> {
        let full = self.symbol(scope, field.name())?;
        reference(field.extendee(), &full)?;
        if field.oneof_index.is_some() || field.label() == label::REQUIRED {
            return Err(descriptor(format!("extension {full} is in a oneof or required")));
        }
        if OPTION_TYPES.iter().any(|name| field.extendee().ends_with(name)) && field.number() < 1000 {
            return Err(descriptor(format!("extension {full} has the number {}, which options use", field.number())));
        }
        self.field(field, scope)
    }

    fn field(&mut self, field: &Field, scope: &str) -> Result<()> {
        let fault = |what: &str| Err(descriptor(format!("field {scope}.{} {what}", field.name())));
        if !(1..=kind::MAX).contains(&field.kind.unwrap_or(1)) || !(1..=3).contains(&field.label.unwrap_or(1)) {
            return fault("has an unknown type or label");
        }
        let named = matches!(field.kind, None | Some(kind::MESSAGE | kind::GROUP | kind::ENUM));
        if named {
            reference(field.type_name(), scope)?;
        } else if field.type_name.is_some() {
            return fault("has both a scalar type and a type name");
        }
        // A record's JSON has it once for each value.
        if field.json_name.as_ref().is_some_and(|name| name.len() > limit::IDENTIFIER_BYTES) {
            return Err(limit::exceeded("bytes in a JSON name", limit::IDENTIFIER_BYTES));
        }
        if self.proto3 && (field.label() == label::REQUIRED || field.kind() == kind::GROUP) {
            return fault("is required or a group, which proto3 does not allow");
        }
        if let Some(default) = &field.default_value {
            if self.proto3 || field.label() == label::REPEATED {
                return fault("has a default value, which proto3 and repeated fields do not allow");
            }
            self.enum_defaults += usize::from(named);
            match field.kind() {
                kind::BYTES if unescape(default).is_none() => {
                    return fault("has a default value that is no C-escaped text");
                }
                kind::DOUBLE | kind::FLOAT if !is_float(default) => {
                    return fault("has a default value that is no number");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_float(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    matches!(digits, "inf" | "nan")
        || (digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok())
}

fn identifier(name: &str, scope: &str) -> Result<()> {
    if name.len() > limit::IDENTIFIER_BYTES {
        return Err(limit::exceeded("bytes in an identifier", limit::IDENTIFIER_BYTES));
    }
    if !is_identifier(name) {
        return Err(descriptor(format!("expected an identifier in {scope:?}, found {name:?}")));
    }
    Ok(())
}

/// Checks a reference to a type.
fn reference(name: &str, scope: &str) -> Result<()> {
    let mut parts = 0;
    for part in name.strip_prefix('.').unwrap_or(name).split('.') {
        identifier(part, scope)?;
        parts += 1;
    }
    if parts > limit::PACKAGE_PARTS + limit::NESTING {
        return Err(limit::exceeded("parts of a type's name", limit::PACKAGE_PARTS + limit::NESTING));
    }
    Ok(())
}

/// Ranges, sorted, each as first and last number; `inclusive` is 1 where ends are.
fn ranges(ranges: &[Range], least: i32, most: i32, inclusive: i64, scope: &str) -> Result<Vec<(i64, i64)>> {
    let mut sorted = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (first, last) = (i64::from(range.start()), i64::from(range.end()) - 1 + inclusive);
        if first < i64::from(least) || last > i64::from(most) - 1 + inclusive || first > last {
            return Err(descriptor(format!("{scope} has a range from {} to {}", range.start(), range.end())));
        }
        sorted.push((first, last));
    }
    sorted.sort_unstable();
    // Overlapping ranges would let prost-reflect collect one error for each field and range.
    if sorted.windows(2).any(|pair| pair[0].1 >= pair[1].0) {
        return Err(descriptor(format!("{scope} has ranges that overlap")));
    }
    Ok(sorted)
}

fn within(ranges: &[(i64, i64)], number: i32) -> bool {
    let number = i64::from(number);
    let after = ranges.partition_point(|range| range.0 <= number);
    after > 0 && ranges[after - 1].1 >= number
}

fn oneofs(message: &MessageType, full: &str) -> Result<()> {
    let mut members = vec![0usize; message.oneofs.len()];
    let mut previous = None;
    for field in &message.fields {
        let fault = |what: &str| Err(descriptor(format!("field {full}.{} {what}", field.name())));
        if let Some(index) = field.oneof_index {
            let Some(count) = usize::try_from(index).ok().and_then(|i| members.get_mut(i)) else {
                return fault("is in a oneof that its message lacks");
            };
            if field.label() != label::OPTIONAL {
                return fault("is in a oneof, and required or repeated");
            }
            if *count > 0 && previous != field.oneof_index {
                return fault("stands apart from the other fields of its oneof");
            }
            *count += 1;
        }
        previous = field.oneof_index;
    }
    for field in &message.fields {
        let alone = field.oneof_index.is_some_and(|i| members[i as usize] == 1);
        if field.proto3_optional() && !alone {
            return Err(descriptor(format!("optional field {full}.{} is not alone in a oneof", field.name())));
        }
    }
    match members.iter().position(|&count| count == 0) {
        Some(empty) => Err(descriptor(format!("oneof {full}.{} has no field", message.oneofs[empty].name()))),
        None => Ok(()),
    }
}

/// A map entry has a key and a value and nothing else, and stands beside the one field it is for: prost-reflect
/// panics on any other.
fn map_entry(message: &MessageType, parent: Option<&MessageType>, full: &str) -> Result<()> {
    let fault = |what: &str| Err(descriptor(format!("map entry {full} {what}")));
    let Some(parent) = parent else {
        return fault("is not inside a message");
    };
    let [key, value] = &message.fields[..] else {
        return fault("does not have exactly two fields");
    };
    let alike = |field: &Field, name, number| {
        field.name() == name
            && field.number() == number
            && field.label.unwrap_or(label::OPTIONAL) == label::OPTIONAL
            && field.oneof_index.is_none()
            && field.default_value.is_none()
    };
    if !alike(key, "key", 1) || !alike(value, "value", 2) {
        return fault("does not have a field 1 `key` and a field 2 `value`, both optional");
    }
    let legal_key = match key.kind {
        Some(kind::DOUBLE | kind::FLOAT | kind::BYTES) => false,
        Some(number) => kind::word(number).is_some(),
        None => false,
    };
    if !legal_key || value.kind() == kind::GROUP {
        return fault("has a key or value of a type that maps do not allow");
    }
    let bare = message.messages.is_empty()
        && message.enums.is_empty()
        && message.extensions.is_empty()
        && message.oneofs.is_empty()
        && message.extension_ranges.is_empty()
        && message.reserved_ranges.is_empty();
    if !bare {
        return fault("holds more than its two fields");
    }
    let mut users = parent.fields.iter().filter(|field| {
        matches!(field.kind, None | Some(kind::MESSAGE))
            && field.type_name().rsplit('.').next() == Some(message.name())
            && field.label() == label::REPEATED
            && map_entry_name(field.name()) == message.name()
    });
    match (users.next(), users.next()) {
        (Some(_), None) => Ok(()),
        _ => fault("is not that of exactly one repeated field beside it"),
    }
}

/// prost-reflect decodes options with the set's own `google.protobuf.*Options` and reads what it encoded with the
/// compiled-in ones, unchecked: so the fields that both know must be the same.
fn options_message(message: &MessageType, full: &str) -> Result<()> {
    let pool = DescriptorPool::global();
    let Some(known) = pool.get_message_by_name(full) else { return Ok(()) };
    for field in &message.fields {
        let Some(expected) = u32::try_from(field.number()).ok().and_then(|number| known.get_field(number)) else {
            continue;
        };
        let cardinality = match expected.cardinality() {
            Cardinality::Optional => label::OPTIONAL,
            Cardinality::Required => label::REQUIRED,
            Cardinality::Repeated => label::REPEATED,
        };
        let same = match expected.kind() {
            Kind::Message(_) => field.kind() == kind::MESSAGE,
            Kind::Enum(_) => field.kind() == kind::ENUM,
            Kind::String => field.kind() == kind::STRING,
            Kind::Bytes => field.kind() == kind::BYTES,
            Kind::Bool => field.kind() == kind::BOOL,
            Kind::Double => field.kind() == kind::DOUBLE,
            other => kind::word(field.kind()).is_some_and(|word| word == format!("{other:?}")),
        };
        if !same || field.label() != cardinality {
            return Err(descriptor(format!("{full}.{} is not the field that every protobuf has there", field.name())));
        }
    }
    let ranges = message.extension_ranges.iter().any(|range| range.start() < 1000);
    if ranges { Err(descriptor(format!("{full} has an extension range below 1000"))) } else { Ok(()) }
}
