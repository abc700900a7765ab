//! Decoding one record without compiled-in types, and checking one without decoding it (FORMAT.md, "Records").
//!
//! A decoder makes a value of what takes one byte on the wire, and prost-reflect looks an unknown field up among a
//! message's extensions one by one. So a record is first walked on the wire as its descriptor says: values are counted
//! against the limit, and whatever a decoder would refuse is found, with the place where it is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use prost::bytes::{Buf, Bytes};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};

use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::schema::wire::{self, Fault, MAX_DEPTH, WireType};

/// Decodes a record as a message of the type `descriptor`. Fields that the type does not have are kept.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("a.proto"), "syntax = \"proto3\"; message A { string s = 1; }").unwrap();
/// # let set = rosettar::schema::compile(&[dir.path().join("a.proto")], &[dir.path()])?;
/// let pool = rosettar::schema::build_pool(&set)?;
/// let descriptor = rosettar::schema::message(&pool, "A")?;
/// let record = rosettar::record::decode(&descriptor, b"\x0a\x02hi", &rosettar::Limits::default())?;
/// assert_eq!(record.get_field_by_name("s").unwrap().as_str(), Some("hi"));
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// `record.decode` where the bytes are no such message, with the field and the offset in the record; a string must be
/// UTF-8, in proto2 too, and messages nest at most 100 deep. `limit.record-bytes`; `limit.record-values`, which at most a
/// quarter of may be messages with fields. Absent required fields are no error here; [`check`] finds them.
pub fn decode(descriptor: &MessageDescriptor, record: &[u8], limits: &Limits) -> Result<DynamicMessage> {
    decode_inside(descriptor, record, 0, limits)
}

/// As [`decode`], for a message that stands `depth` messages deep in a record, and so has that many fewer levels to it.
///
/// # Errors
/// As [`decode`].
pub fn decode_inside(
    descriptor: &MessageDescriptor,
    message: &[u8],
    depth: usize,
    limits: &Limits,
) -> Result<DynamicMessage> {
    walk(descriptor, message, depth, limits)?.bounded(limits)?;
    build(descriptor, message)
}

/// As [`decode`] within the default limits; fields of bytes share what `message` holds.
pub(super) fn decode_shared(descriptor: &MessageDescriptor, message: Bytes) -> Result<DynamicMessage> {
    let limits = Limits::default();
    walk(descriptor, &message, 0, &limits)?.bounded(&limits)?;
    build(descriptor, message)
}

/// Checks that `record` is a message of the type `descriptor`, required fields of proto2 included: what [`decode`] and
/// every other protobuf library accepts. Does not decode it, so it costs little.
///
/// # Errors
/// As [`decode`], and `record.decode` for an absent required field.
pub fn check(descriptor: &MessageDescriptor, record: &[u8], limits: &Limits) -> Result<()> {
    let walked = walk(descriptor, record, 0, limits)?;
    if walked.complete {
        return Ok(());
    }
    walked.bounded(limits)?;
    // A message may come in parts, each lacking what another has; only merged does it show what is absent.
    match missing_required(&build(descriptor, record)?) {
        Some(path) => {
            let message = format!("{} lacks the required field {path}", descriptor.full_name());
            Err(Error::new(code::RECORD_DECODE, message))
        }
        None => Ok(()),
    }
}

fn build(descriptor: &MessageDescriptor, record: impl Buf) -> Result<DynamicMessage> {
    DynamicMessage::decode(descriptor.clone(), record).map_err(|error| {
        Error::new(code::RECORD_DECODE, format!("record is no {}: {error}", descriptor.full_name())).with_source(error)
    })
}

/// What walking a record found.
struct Walked {
    /// Whether each part of each message has all required fields.
    complete: bool,
    /// How many messages inside of it have fields.
    messages: u64,
}

impl Walked {
    /// Makes sure that the messages in it can be held: each with fields takes as much memory as a dozen values.
    fn bounded(&self, limits: &Limits) -> Result<()> {
        let most = (limits.record_values / VALUES_PER_MESSAGE).max(1);
        if self.messages > most {
            let message = format!(
                "record of {} messages exceeds the {most} that the limit record-values of {} allows",
                self.messages, limits.record_values
            );
            return Err(Error::new(code::LIMIT_RECORD_VALUES, message));
        }
        Ok(())
    }
}

/// A record has at most this many times more values than messages that are held as such.
const VALUES_PER_MESSAGE: u64 = 4;

/// What a walk has to know of a message type; kept, because asking costs as much as the type has fields.
struct Facts {
    /// How many extensions each unknown field is looked up among.
    extensions: u64,
    /// The numbers of required fields, sorted.
    required: Vec<u32>,
}

/// [`Facts`] by where the type's full name is in memory: names may be long, and messages many. What is kept of a type keeps
/// its pool, so the place is that of no other.
#[derive(Default)]
struct FactsByType(HashMap<usize, Rc<Facts>>);

thread_local! {
    /// Of the type that this thread looked at last, and of those inside it: records of one type come one after another.
    static LAST: RefCell<Option<(MessageDescriptor, FactsByType)>> = const { RefCell::new(None) };
}

impl FactsByType {
    /// What is known from the record before, if that was of the same type.
    fn kept_for(descriptor: &MessageDescriptor) -> Self {
        LAST.take().filter(|(last, _)| last == descriptor).map(|(_, facts)| facts).unwrap_or_default()
    }

    /// Whether a record of this type may be empty, as far as is known from the record before. There may be 64 Mi of them in an
    /// archive of a few kilobytes.
    fn needs_nothing(descriptor: &MessageDescriptor) -> bool {
        LAST.with_borrow(|last| {
            let (of, facts) = last.as_ref()?;
            (of == descriptor).then_some(())?;
            let facts = facts.0.get(&descriptor.full_name().as_ptr().addr())?;
            Some(facts.required.is_empty())
        })
        .unwrap_or_default()
    }

    fn keep_for(self, descriptor: &MessageDescriptor) {
        LAST.set(Some((descriptor.clone(), self)));
    }

    fn of(&mut self, descriptor: &MessageDescriptor) -> Rc<Facts> {
        let place = descriptor.full_name().as_ptr().addr();
        if let Some(facts) = self.0.get(&place) {
            return Rc::clone(facts);
        }
        let required = descriptor.fields().filter(FieldDescriptor::is_required).map(|field| field.number()).collect();
        let facts = Rc::new(Facts { extensions: descriptor.extensions().len() as u64, required });
        self.0.insert(place, Rc::clone(&facts));
        facts
    }
}

/// A message, known or not, that the walk is inside.
struct Level {
    descriptor: Option<MessageDescriptor>,
    facts: Option<Rc<Facts>>,
    /// The field that holds it, for messages of errors.
    field: Option<FieldDescriptor>,
    number: u32,
    end: End,
    /// For each required field whether it came.
    came: Vec<bool>,
}

#[derive(Clone, Copy)]
enum End {
    /// At this offset.
    At(usize),
    /// With the end of this group, before this offset.
    Group(u32, usize),
}

impl Level {
    fn bound(&self) -> usize {
        match self.end {
            End::At(end) | End::Group(_, end) => end,
        }
    }
}

/// How many extensions to search, or required fields to tick off, cost as much as one value costs to hold.
const SEARCHED_PER_VALUE: u64 = 16;

struct Walk<'a> {
    record: &'a [u8],
    position: usize,
    /// How many messages the whole is inside of.
    depth: usize,
    levels: Vec<Level>,
    facts: FactsByType,
    values: u64,
    messages: u64,
    limit: u64,
    complete: bool,
}

/// Walks `record` as `descriptor` says, with a stack of its own.
fn walk(descriptor: &MessageDescriptor, record: &[u8], depth: usize, limits: &Limits) -> Result<Walked> {
    if record.len() as u64 > limits.record_bytes {
        let message =
            format!("record of {} bytes exceeds the limit record-bytes of {}", record.len(), limits.record_bytes);
        return Err(Error::new(code::LIMIT_RECORD_BYTES, message));
    }
    if record.is_empty() && FactsByType::needs_nothing(descriptor) {
        return Ok(Walked { complete: true, messages: 0 });
    }
    let facts = FactsByType::kept_for(descriptor);
    let (levels, limit) = (Vec::new(), limits.record_values);
    let mut walk = Walk { record, position: 0, depth, levels, facts, values: 0, messages: 0, limit, complete: true };
    let outcome = walk.enter(Some(descriptor.clone()), None, 0, End::At(record.len())).and_then(|()| walk.run());
    std::mem::take(&mut walk.facts).keep_for(descriptor);
    // The record itself is no message inside of it.
    outcome.map(|()| Walked { complete: walk.complete, messages: walk.messages.saturating_sub(1) })
}

impl Walk<'_> {
    fn run(&mut self) -> Result<()> {
        while let Some(level) = self.levels.last() {
            if self.position == level.bound() {
                if let End::Group(..) = level.end {
                    return Err(self.fault(Fault::Truncated));
                }
                self.leave();
                continue;
            }
            let (number, wire_type) = self.read(wire::key)?;
            if wire_type == WireType::EndGroup {
                match level_end(self.levels.last()) {
                    Some(End::Group(open, _)) if open == number => self.leave(),
                    _ => return Err(self.fault(Fault::EndGroup)),
                }
                continue;
            }
            self.field(number, wire_type)?;
        }
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.complete &= level.came.iter().all(|&came| came);
        }
    }

    fn field(&mut self, number: u32, wire_type: WireType) -> Result<()> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let mut extensions = 0;
        if let Some(facts) = &level.facts {
            extensions = facts.extensions;
            if let Ok(index) = facts.required.binary_search(&number) {
                level.came[index] = true;
            }
        }
        let field = level.descriptor.as_ref().and_then(|d| d.get_field(number));
        if let Some(field) = field {
            self.count(1)?;
            return self.known(&field.kind(), field.is_list(), field.is_group(), wire_type, number, Some(&field));
        }
        self.count(1 + extensions / SEARCHED_PER_VALUE)?;
        let extension = match extensions {
            0 => None,
            _ => self.levels.last().and_then(|level| level.descriptor.as_ref()?.get_extension(number)),
        };
        match extension {
            Some(e) => self.known(&e.kind(), e.is_list(), e.is_group(), wire_type, number, None),
            None => self.skip(number, wire_type),
        }
    }

    fn count(&mut self, values: u64) -> Result<()> {
        self.values = self.values.saturating_add(values);
        if self.values > self.limit {
            return Err(Error::new(
                code::LIMIT_RECORD_VALUES,
                format!("record of more than {} values exceeds the limit record-values", self.limit),
            ));
        }
        Ok(())
    }

    fn known(
        &mut self,
        kind: &Kind,
        list: bool,
        group: bool,
        wire_type: WireType,
        number: u32,
        field: Option<&FieldDescriptor>,
    ) -> Result<()> {
        let expected = match kind {
            Kind::Message(_) if group => WireType::StartGroup,
            Kind::Message(_) | Kind::String | Kind::Bytes => WireType::Bytes,
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::Fixed64,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::Fixed32,
            _ => WireType::Varint,
        };
        if wire_type == WireType::Bytes && list && expected != WireType::Bytes && expected != WireType::StartGroup {
            return self.packed(expected, number);
        }
        if wire_type != expected {
            return Err(self.bad_field(number, format_args!("expected {expected}, found {wire_type}")));
        }
        match kind {
            Kind::Message(message) => {
                let end = match wire_type {
                    WireType::StartGroup => End::Group(number, self.bound()),
                    _ => End::At(self.length(number)?),
                };
                self.enter(Some(message.clone()), field.cloned(), number, end)
            }
            Kind::String => {
                let end = self.length(number)?;
                let bytes = &self.record[self.position..end];
                if let Err(error) = std::str::from_utf8(bytes) {
                    let at = error.valid_up_to();
                    return Err(self.bad_field(number, format_args!("string is not UTF-8 after {at} bytes")));
                }
                self.position = end;
                Ok(())
            }
            _ => self.skip(number, wire_type),
        }
    }

    /// Counts and checks the elements of a packed field.
    fn packed(&mut self, element: WireType, number: u32) -> Result<()> {
        let end = self.length(number)?;
        let bytes = &self.record[self.position..end];
        let width = match element {
            WireType::Fixed64 => 8,
            WireType::Fixed32 => 4,
            _ => {
                self.count(bytes.iter().filter(|&&byte| byte < 0x80).count() as u64)?;
                let mut rest = bytes;
                while !rest.is_empty() {
                    wire::varint(&mut rest).map_err(|fault| self.bad_field(number, format_args!("{fault}")))?;
                }
                self.position = end;
                return Ok(());
            }
        };
        self.count((bytes.len() / width) as u64)?;
        if !bytes.len().is_multiple_of(width) {
            return Err(
                self.bad_field(number, format_args!("expected a multiple of {width} bytes, found {}", bytes.len()))
            );
        }
        self.position = end;
        Ok(())
    }

    /// Skips a value, or enters an unknown group.
    fn skip(&mut self, number: u32, wire_type: WireType) -> Result<()> {
        match wire_type {
            WireType::Varint => self.read(wire::varint).map(drop),
            WireType::Fixed64 => self.read(|bytes| wire::take(bytes, 8).map(drop)),
            WireType::Fixed32 => self.read(|bytes| wire::take(bytes, 4).map(drop)),
            WireType::Bytes => {
                self.position = self.length(number)?;
                Ok(())
            }
            WireType::StartGroup => self.enter(None, None, number, End::Group(number, self.bound())),
            WireType::EndGroup => Err(self.fault(Fault::EndGroup)),
        }
    }

    fn enter(
        &mut self,
        descriptor: Option<MessageDescriptor>,
        field: Option<FieldDescriptor>,
        number: u32,
        end: End,
    ) -> Result<()> {
        if self.depth + self.levels.len() > MAX_DEPTH {
            let message = format!("{}: messages nested more than {MAX_DEPTH} deep", self.context());
            return Err(Error::new(code::RECORD_DECODE, message));
        }
        let facts = descriptor.as_ref().map(|descriptor| self.facts.of(descriptor));
        let required = facts.as_ref().map_or(0, |facts| facts.required.len());
        self.count(required as u64 / SEARCHED_PER_VALUE)?;
        // The entry of a map becomes a key and a value.
        let is_message = descriptor.as_ref().is_some_and(|descriptor| !descriptor.is_map_entry());
        self.messages += u64::from(is_message && !matches!(end, End::At(end) if end == self.position));
        self.levels.push(Level { descriptor, facts, field, number, end, came: vec![false; required] });
        Ok(())
    }

    fn bound(&self) -> usize {
        self.levels.last().map_or(0, Level::bound)
    }

    /// Reads a length, and returns the offset at which what follows it ends.
    fn length(&mut self, number: u32) -> Result<usize> {
        let length = self.read(wire::varint)?;
        usize::try_from(length)
            .ok()
            .and_then(|length| self.position.checked_add(length))
            .filter(|&end| end <= self.bound())
            .ok_or_else(|| {
                let left = self.bound() - self.position;
                self.bad_field(number, format_args!("expected {length} bytes, found {left}"))
            })
    }

    fn read<T>(&mut self, read: impl FnOnce(&mut &[u8]) -> Result<T, Fault>) -> Result<T> {
        let bound = self.bound();
        let mut rest = &self.record[self.position..bound];
        let value = read(&mut rest).map_err(|fault| self.fault(fault))?;
        self.position = bound - rest.len();
        Ok(value)
    }

    fn fault(&self, fault: Fault) -> Error {
        Error::new(code::RECORD_DECODE, format!("{}: {fault}", self.context()))
    }

    fn bad_field(&self, number: u32, what: std::fmt::Arguments<'_>) -> Error {
        let name = self
            .levels
            .last()
            .and_then(|level| level.descriptor.as_ref())
            .and_then(|d| d.get_field(number))
            .map_or_else(|| number.to_string(), |field| field.name().to_owned());
        Error::new(code::RECORD_DECODE, format!("{}, field {name}: {what}", self.context()))
    }

    /// Where the walk is: the type of the record, the fields it is inside, the offset.
    fn context(&self) -> String {
        let mut text = "record".to_owned();
        for (depth, level) in self.levels.iter().enumerate() {
            let _ = match (&level.field, depth) {
                (_, 0) => write!(text, " of {}", level.descriptor.as_ref().map_or("", |d| d.full_name())),
                (Some(field), 1) => write!(text, ", in {}", field.name()),
                (None, 1) => write!(text, ", in {}", level.number),
                // The path to a fault is shown whole only where it is short enough to read.
                (Some(field), 2..8) => write!(text, ".{}", field.name()),
                (None, 2..8) => write!(text, ".{}", level.number),
                (_, 8) => write!(text, "…"),
                _ => Ok(()),
            };
        }
        let _ = write!(text, ", byte {}", self.position);
        text
    }
}

fn level_end(level: Option<&Level>) -> Option<End> {
    level.map(|level| level.end)
}

/// The path of the first required field that `message` lacks. Recursion is bounded: nothing deeper than 100 is decoded.
pub(super) fn missing_required(message: &DynamicMessage) -> Option<String> {
    missing(message, &mut FactsByType::default())
}

fn missing(message: &DynamicMessage, facts: &mut FactsByType) -> Option<String> {
    let descriptor = message.descriptor();
    for &number in &facts.of(&descriptor).required {
        if !message.has_field_by_number(number) {
            return descriptor.get_field(number).map(|field| field.name().to_owned());
        }
    }
    for (field, value) in message.fields() {
        if let Some(path) = missing_in(value, facts) {
            return Some(format!("{}.{path}", field.name()));
        }
    }
    for (extension, value) in message.extensions() {
        if let Some(path) = missing_in(value, facts) {
            return Some(format!("({}).{path}", extension.full_name()));
        }
    }
    None
}

fn missing_in(value: &Value, facts: &mut FactsByType) -> Option<String> {
    match value {
        Value::Message(inner) => missing(inner, facts),
        Value::List(values) => values.iter().find_map(|value| missing_in(value, facts)),
        Value::Map(values) => values.values().find_map(|value| missing_in(value, facts)),
        _ => None,
    }
}
