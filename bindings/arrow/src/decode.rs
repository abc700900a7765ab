//! From the wire into the columns, without a message in between.
//!
//! Protobuf's rules of merging hold because every value is written where it belongs at once: the last scalar wins, parts of
//! a message add up, elements are appended, and a member of a oneof clears the one before.

use std::io::{self, Write};

use prost_reflect::MessageDescriptor;
use rosettar::Limits;
use rosettar::record::{self, JsonOptions};

use crate::columns::{Growth, MOST_JSON, Slot, Table};
use crate::fault::Fault;
use crate::plan::{EnumPlan, FieldPlan, Found, Kind, MessagePlan, Shape};
use crate::wire::{self, Cursor};

/// How many bytes of one record are copied to put messages together that come in parts and become JSON or stay as they are.
const MOST_MERGED: usize = 64 << 20;

/// What decoding needs besides plan and tables.
pub(crate) struct State {
    pub(crate) growth: Growth,
    /// Bytes that stand nowhere in the source; those of the plan's constants first.
    pub(crate) arena: Vec<u8>,
    /// Bytes of strings and the like.
    pub(crate) text: usize,
    /// Fields and values that the types do not have.
    pub(crate) unknown: u64,
    /// Values of the record at hand, and whatever else takes as long as a value.
    pub(crate) values: u64,
    /// Bytes of messages of the record at hand that were put together from parts.
    pub(crate) merged: usize,
    pub(crate) limits: Limits,
    /// Whether each string is checked as it comes. Otherwise all of a column are, at the end, which is faster but does not
    /// tell the record.
    pub(crate) careful: bool,
}

impl State {
    #[inline(always)]
    fn count(&mut self) -> Result<(), Fault> {
        self.count_some(1)
    }

    #[inline(always)]
    fn count_some(&mut self, values: u64) -> Result<(), Fault> {
        self.values += values;
        if self.values > self.limits.record_values {
            return Err(self.too_many());
        }
        Ok(())
    }

    #[cold]
    fn too_many(&self) -> Fault {
        Fault::limit(format!("more than {} values exceed the limit record-values", self.limits.record_values))
    }

    #[inline(always)]
    fn slot(&mut self, (start, end): (usize, usize)) -> Slot {
        self.text += end - start;
        Slot::in_source(start, end)
    }
}

/// Decodes the record at `start..end` of `source` into `row`.
pub(crate) fn record(
    plan: &MessagePlan,
    table: &mut Table,
    row: usize,
    source: &[u8],
    (start, end): (usize, usize),
    state: &mut State,
) -> Result<(), Fault> {
    (state.values, state.merged) = (0, 0);
    message(plan, table, row, &mut Cursor { bytes: &source[..end], at: start }, None, 0, state)
}

/// Decodes fields up to the end of the cursor, or of the group with this number.
fn message(
    plan: &MessagePlan,
    table: &mut Table,
    row: usize,
    cursor: &mut Cursor<'_>,
    group: Option<u32>,
    depth: usize,
    state: &mut State,
) -> Result<(), Fault> {
    if depth > wire::MAX_DEPTH {
        return Err(wire::too_deep());
    }
    while !cursor.is_empty() {
        let key = cursor.key()?;
        if key & 7 == wire::END_GROUP {
            return match group == Some(key >> 3) {
                true => Ok(()),
                false => Err(Fault::new("the end of a group that was not begun")),
            };
        }
        state.count()?;
        match plan.find(key >> 3) {
            Found::Field(place) => {
                let field = &plan.fields[place];
                one(plan, field, table, row, key, cursor, depth, state).map_err(|fault| fault.within(&field.name))?;
            }
            found => {
                state.unknown += u64::from(found == Found::Unknown);
                cursor.pass(key, depth)?;
            }
        }
    }
    match group {
        Some(_) => Err(Fault::truncated()),
        None => Ok(()),
    }
}

/// Decodes one field.
#[allow(clippy::too_many_arguments)]
#[inline]
fn one(
    plan: &MessagePlan,
    field: &FieldPlan,
    table: &mut Table,
    row: usize,
    key: u32,
    cursor: &mut Cursor<'_>,
    depth: usize,
    state: &mut State,
) -> Result<(), Fault> {
    if key != field.key {
        return match key {
            key if key == field.packed_key => packed(field, table, row, cursor, state),
            _ => Err(other_wire_type(field, key)),
        };
    }
    if let Kind::Enum(values) = &field.kind
        && values.closed
        && field.shape != Shape::Map
        && values.place(peek(cursor)? as i32).is_none()
    {
        // To who knows the values of the enum, a number that is none of them is an unknown field.
        state.unknown += 1;
        return cursor.skip(key, depth).map(drop);
    }
    match field.shape {
        Shape::Singular => {
            if let Some((oneof, member)) = field.oneof {
                take_over(plan, table, row, oneof, member, state)?;
                if field.is_displacing() {
                    return cursor.skip(key, depth).map(drop);
                }
            }
            let grown = table.grown;
            if let Some(column) = table.columns.get_mut(field.column) {
                column.mark(row, grown);
            }
            value(&field.kind, table, field.column, row, key, cursor, depth, state)
        }
        Shape::Repeated => {
            let list = table.list(field.column);
            list.begin(row);
            let item = list.items.push(&mut state.growth)?;
            value(&field.kind, &mut list.items, 0, item, key, cursor, depth, state)
        }
        Shape::Map => {
            let Kind::Message(entry) = &field.kind else { unreachable!("the type of a map is its entry") };
            let (start, end) = cursor.delimited()?;
            let mut inner = Cursor { bytes: &cursor.bytes[..end], at: start };
            if let Kind::Enum(values) = &entry.fields[1].kind
                && values.closed
                && !knows_value(values, inner, depth)?
            {
                state.unknown += 1;
                return Ok(());
            }
            let list = table.list(field.column);
            list.begin(row);
            let item = list.items.push(&mut state.growth)?;
            message(entry, &mut list.items, item, &mut inner, None, depth + 1, state)
        }
    }
}

/// The number that comes next, which stays.
fn peek(cursor: &Cursor<'_>) -> Result<u64, Fault> {
    Cursor { ..*cursor }.varint()
}

/// Whether the value of a map's entry is one that the enum has.
fn knows_value(values: &EnumPlan, mut entry: Cursor<'_>, depth: usize) -> Result<bool, Fault> {
    let mut number = None;
    while !entry.is_empty() {
        match entry.key()? {
            key if key == 2 << 3 | wire::VARINT => number = Some(entry.varint()? as i32),
            key => drop(entry.skip(key, depth)?),
        }
    }
    Ok(number.is_none_or(|number| values.place(number).is_some()))
}

/// Makes `member` the one that is set, and clears another that was.
fn take_over(
    plan: &MessagePlan,
    table: &mut Table,
    row: usize,
    oneof: usize,
    member: u32,
    state: &mut State,
) -> Result<(), Fault> {
    let grown = table.grown;
    let before = std::mem::replace(table.columns[oneof].data.u32(row, grown), member);
    if before != member
        && before != 0
        && let Found::Field(place) = plan.find(before)
    {
        let cleared = table.clear(&plan.fields[place], row);
        state.count_some(cleared)?;
    }
    Ok(())
}

/// Writes the value of a field whose key was read to `column` of `row`.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn value(
    kind: &Kind,
    table: &mut Table,
    column: usize,
    row: usize,
    key: u32,
    cursor: &mut Cursor<'_>,
    depth: usize,
    state: &mut State,
) -> Result<(), Fault> {
    if let Kind::Message(inner) = kind {
        if key & 7 == wire::GROUP {
            return message(inner, table, row, cursor, Some(key >> 3), depth + 1, state);
        }
        let (start, end) = cursor.delimited()?;
        return message(
            inner,
            table,
            row,
            &mut Cursor { bytes: &cursor.bytes[..end], at: start },
            None,
            depth + 1,
            state,
        );
    }
    let (grown, data) = (table.grown, &mut table.columns[column].data);
    match kind {
        Kind::Int32 | Kind::Enum(_) => *data.i32(row, grown) = cursor.varint()? as i32,
        Kind::Int64 => *data.i64(row, grown) = cursor.varint()? as i64,
        Kind::Double => *data.f64(row, grown) = f64::from_le_bytes(cursor.fixed64()?),
        Kind::String => {
            let place = cursor.delimited()?;
            if state.careful {
                check_text(&cursor.bytes[place.0..place.1])?;
            }
            *data.slot(row, grown) = state.slot(place);
        }
        Kind::Bool => *data.bool(row, grown) = cursor.varint()? != 0,
        Kind::Uint32 => *data.u32(row, grown) = cursor.varint()? as u32,
        Kind::Uint64 => *data.u64(row, grown) = cursor.varint()?,
        Kind::Float => *data.f32(row, grown) = f32::from_le_bytes(cursor.fixed32()?),
        Kind::Sint32 => *data.i32(row, grown) = zigzag32(cursor.varint()?),
        Kind::Sint64 => *data.i64(row, grown) = zigzag64(cursor.varint()?),
        Kind::Fixed32 => *data.u32(row, grown) = u32::from_le_bytes(cursor.fixed32()?),
        Kind::Sfixed32 => *data.i32(row, grown) = i32::from_le_bytes(cursor.fixed32()?),
        Kind::Fixed64 => *data.u64(row, grown) = u64::from_le_bytes(cursor.fixed64()?),
        Kind::Sfixed64 => *data.i64(row, grown) = i64::from_le_bytes(cursor.fixed64()?),
        Kind::Bytes => *data.slot(row, grown) = state.slot(cursor.delimited()?),
        Kind::Time(per_second) => time(data.time(row, grown), *per_second, key, cursor, depth, state)?,
        _ => special(kind, table, column, row, key, cursor, depth, state)?,
    }
    Ok(())
}

/// [`value`] for what is rarer, or takes longer anyway.
#[allow(clippy::too_many_arguments)]
#[inline(never)]
fn special(
    kind: &Kind,
    table: &mut Table,
    column: usize,
    row: usize,
    key: u32,
    cursor: &mut Cursor<'_>,
    depth: usize,
    state: &mut State,
) -> Result<(), Fault> {
    let (grown, data) = (table.grown, &mut table.columns[column].data);
    match kind {
        Kind::Empty => {
            *data.bool(row, grown) = true;
            skip_message(key, cursor, depth, state)?;
        }
        Kind::Wrapper(inner, inner_key) => {
            wrapper(inner, *inner_key, table, column, row, key, cursor, depth, state)?;
        }
        Kind::Paths => {
            let list = table.list(column);
            list.begin(row);
            each_field(key, cursor, |inner, key| {
                state.count()?;
                if !is_first(key, 1 << 3 | wire::BYTES)? {
                    state.unknown += 1;
                    return inner.skip(key, depth + 1).map(drop);
                }
                let item = list.items.push(&mut state.growth)?;
                value(&Kind::String, &mut list.items, 0, item, key, inner, depth, state)
            })?;
        }
        Kind::Json(descriptor) => {
            let slots = data.json(row, grown);
            let raw = gather(slots.0, key, cursor, depth, state)?;
            *slots = (raw, json(descriptor, raw, cursor.bytes, depth, state)?);
        }
        Kind::Raw => {
            let slot = data.slot(row, grown);
            *slot = gather(*slot, key, cursor, depth, state)?;
        }
        _ => unreachable!("the other kinds are done above"),
    }
    Ok(())
}

/// Decodes the elements of a packed field.
fn packed(
    field: &FieldPlan,
    table: &mut Table,
    row: usize,
    cursor: &mut Cursor<'_>,
    state: &mut State,
) -> Result<(), Fault> {
    let (start, end) = cursor.delimited()?;
    let mut inner = Cursor { bytes: &cursor.bytes[..end], at: start };
    let list = table.list(field.column);
    list.begin(row);
    while !inner.is_empty() {
        state.count()?;
        if let Kind::Enum(values) = &field.kind
            && values.closed
            && values.place(peek(&inner)? as i32).is_none()
        {
            state.unknown += 1;
            inner.varint()?;
            continue;
        }
        let item = list.items.push(&mut state.growth)?;
        value(&field.kind, &mut list.items, 0, item, field.key, &mut inner, 0, state)?;
    }
    Ok(())
}

/// Passes over a message none of whose fields is known.
fn skip_message(key: u32, cursor: &mut Cursor<'_>, depth: usize, state: &mut State) -> Result<(), Fault> {
    let none = MessagePlan::without_fields();
    let (mut inner, group) = match key & 7 {
        wire::GROUP => (*cursor, Some(key >> 3)),
        _ => {
            let (start, end) = cursor.delimited()?;
            (Cursor { bytes: &cursor.bytes[..end], at: start }, None)
        }
    };
    let mut table = Table::new(&Default::default());
    message(&none, &mut table, 0, &mut inner, group, depth + 1, state)?;
    if group.is_some() {
        *cursor = inner;
    }
    Ok(())
}

/// Decodes seconds and nanoseconds over those that are there.
fn time(
    slot: &mut (i64, i32),
    per_second: i64,
    key: u32,
    cursor: &mut Cursor<'_>,
    depth: usize,
    state: &mut State,
) -> Result<(), Fault> {
    const SECONDS: u32 = 1 << 3 | wire::VARINT;
    const NANOS: u32 = 2 << 3 | wire::VARINT;
    each_field(key, cursor, |inner, key| {
        match key {
            SECONDS => slot.0 = inner.varint()? as i64,
            NANOS => slot.1 = inner.varint()? as i32,
            key if matches!(key >> 3, 1 | 2) => {
                return Err(Fault::new(format!("expected a varint, found {}", wire::name(key))));
            }
            key => {
                state.unknown += 1;
                inner.skip(key, depth + 1)?;
            }
        }
        Ok(())
    })?;
    if to_unit(*slot, per_second).is_none() {
        return Err(Fault::new(format!(
            "{} seconds and {} nanoseconds are more than 64 bits hold at {per_second} to a second: choose a coarser unit",
            slot.0, slot.1
        )));
    }
    Ok(())
}

/// A time in units of which so many make a second, rounded towards the past.
#[inline]
pub(crate) fn to_unit((seconds, nanos): (i64, i32), per_second: i64) -> Option<i64> {
    let nanos_per_unit = 1_000_000_000 / per_second;
    seconds.checked_mul(per_second)?.checked_add(i64::from(nanos).div_euclid(nanos_per_unit))
}

#[allow(clippy::too_many_arguments)]
fn wrapper(
    kind: &Kind,
    inner_key: u32,
    table: &mut Table,
    column: usize,
    row: usize,
    key: u32,
    cursor: &mut Cursor<'_>,
    depth: usize,
    state: &mut State,
) -> Result<(), Fault> {
    each_field(key, cursor, |inner, key| {
        state.count()?;
        if is_first(key, inner_key)? {
            return value(kind, table, column, row, key, inner, depth, state);
        }
        state.unknown += 1;
        inner.skip(key, depth + 1).map(drop)
    })
}

/// Calls `each` with the key of every field of the message or group that comes next, and where its value begins.
#[inline(always)]
fn each_field<'a>(
    key: u32,
    cursor: &mut Cursor<'a>,
    mut each: impl FnMut(&mut Cursor<'a>, u32) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let end_group = (key & 7 == wire::GROUP).then_some((key & !7) | wire::END_GROUP);
    let mut inner = match end_group {
        Some(_) => *cursor,
        None => {
            let (start, end) = cursor.delimited()?;
            Cursor { bytes: &cursor.bytes[..end], at: start }
        }
    };
    loop {
        if inner.is_empty() {
            return if end_group.is_some() { Err(Fault::truncated()) } else { Ok(()) };
        }
        let key = inner.key()?;
        if Some(key) == end_group {
            *cursor = inner;
            return Ok(());
        }
        each(&mut inner, key)?;
    }
}

/// Whether this is the key of the one field, number 1, that a type has. Another wire type is wrong, another number unknown.
fn is_first(key: u32, expected: u32) -> Result<bool, Fault> {
    match key {
        key if key == expected => Ok(true),
        key if key >> 3 == 1 => {
            Err(Fault::new(format!("expected {}, found {}", wire::name(expected), wire::name(key))))
        }
        _ => Ok(false),
    }
}

/// The bytes of a message, after those that came before: together they are the message merged.
fn gather(before: Slot, key: u32, cursor: &mut Cursor<'_>, depth: usize, state: &mut State) -> Result<Slot, Fault> {
    let (start, end) = match key & 7 {
        wire::GROUP => {
            let start = cursor.at;
            (start, cursor.skip(key, depth)?)
        }
        _ => cursor.delimited()?,
    };
    if before.len() == 0 {
        return Ok(state.slot((start, end)));
    }
    // Each part copies those before it, so that a great many of them would take forever.
    state.merged += before.len() + end - start;
    if state.merged > MOST_MERGED {
        return Err(Fault::limit("a message in so many parts that it takes more than 64 MiB to put it together"));
    }
    let mut whole = before.of(cursor.bytes, &state.arena).to_vec();
    whole.extend_from_slice(&cursor.bytes[start..end]);
    Ok(Made(whole).put(state))
}

/// Bytes that were made, for the arena.
struct Made(Vec<u8>);

impl Made {
    fn put(self, state: &mut State) -> Slot {
        let slot = Slot::in_arena(state.arena.len(), self.0.len());
        state.arena.extend_from_slice(&self.0);
        state.text += self.0.len();
        slot
    }
}

/// Appends the JSON of a message to the arena.
fn json(
    descriptor: &MessageDescriptor,
    raw: Slot,
    source: &[u8],
    depth: usize,
    state: &mut State,
) -> Result<Slot, Fault> {
    let message = record::decode_inside(descriptor, raw.of(source, &state.arena), depth + 1, &state.limits)
        .map_err(|error| Fault::of(&error))?;
    let start = state.arena.len();
    let mut text = Text { arena: &mut state.arena, left: MOST_JSON };
    if let Err(error) = record::write_json(&message, &JsonOptions::new(), &mut text) {
        let fault = match text.left {
            0 => Fault::limit(format!("JSON of more than {MOST_JSON} bytes")),
            _ => Fault::of(&error),
        };
        state.arena.truncate(start);
        return Err(fault);
    }
    let len = state.arena.len() - start;
    state.text += len;
    Ok(Slot::in_arena(start, len))
}

/// Takes text as long as there is not too much of it: it may be six times as long as what it tells.
struct Text<'a> {
    arena: &'a mut Vec<u8>,
    left: usize,
}

impl Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            self.left = 0;
            return Err(io::Error::other("too much text"));
        };
        self.left = left;
        self.arena.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn check_text(bytes: &[u8]) -> Result<(), Fault> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(format!("string is not UTF-8 after {} bytes", error.valid_up_to()))),
    }
}

#[cold]
fn other_wire_type(field: &FieldPlan, key: u32) -> Fault {
    Fault::new(format!("expected {}, found {}", wire::name(field.key), wire::name(key)))
}

#[inline(always)]
fn zigzag32(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[inline(always)]
fn zigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
