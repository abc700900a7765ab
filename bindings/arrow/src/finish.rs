//! From filled tables to Arrow arrays.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, DurationMicrosecondArray, DurationMillisecondArray,
    DurationNanosecondArray, DurationSecondArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray,
    MapArray, StringArray, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt32Array, UInt64Array, make_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use arrow_select::filter::filter;

use crate::columns::{Column, Data, List, Slot, Table, extend};
use crate::decode::to_unit;
use crate::plan::{EnumPlan, FieldPlan, Kind, MessagePlan, Shape};

/// What slots point into.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    pub(crate) source: &'a [u8],
    pub(crate) arena: &'a [u8],
}

/// Arrays of columns that nothing was written to, by type, number of rows, and whether all are null: one stands for any
/// number of columns.
pub(crate) type Blanks = HashMap<(DataType, usize, bool), ArrayRef>;

/// Takes the columns of `table` as arrays, one for each field of `message`.
pub(crate) fn columns(
    message: &MessagePlan,
    table: &mut Table,
    bytes: Bytes<'_>,
    blanks: &mut Blanks,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let wanted = message.fields.iter().filter(|field| !field.is_displacing());
    wanted.map(|field| column(field, table, bytes, blanks)).collect()
}

fn column(field: &FieldPlan, table: &mut Table, bytes: Bytes<'_>, blanks: &mut Blanks) -> Result<ArrayRef, ArrowError> {
    let data_type = field.arrow.data_type();
    if field.shape == Shape::Singular {
        return value(&field.kind, data_type, field.column, table, bytes, blanks);
    }
    let rows = table.len;
    let list = table.list(field.column);
    let offsets = offsets(list, rows);
    let made: ArrayRef = match (data_type, &field.kind) {
        (DataType::List(item), kind) => {
            // Whether an element is there is no question, so a message has no column that says so.
            let column = if matches!(kind, Kind::Message(_)) { usize::MAX } else { 0 };
            let values = value(kind, item.data_type(), column, &mut list.items, bytes, blanks)?;
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, None)?)
        }
        (DataType::Map(entries, sorted), Kind::Message(entry)) => {
            let kept = last_of_each_key(&entry.fields[0], &list.items, &offsets, bytes);
            let mut members = columns(entry, &mut list.items, bytes, blanks)?;
            let mut offsets = offsets;
            if let Some(kept) = kept {
                offsets = without(&offsets, &kept);
                let mask = BooleanArray::new(kept, None);
                members = members.iter().map(|member| filter(member, &mask)).collect::<Result<_, _>>()?;
            }
            let structs = StructArray::try_new(entry.arrow_fields().cloned().collect(), members, None)?;
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, structs, None, *sorted)?)
        }
        _ => unreachable!("lists and maps have no other types"),
    };
    list.items.forget();
    Ok(made)
}

/// Where the elements of each row begin and end.
fn offsets(list: &mut List, rows: usize) -> OffsetBuffer<i32> {
    let mut starts = std::mem::take(&mut list.starts);
    starts.resize(rows + 1, list.items.len as i32);
    OffsetBuffer::new(ScalarBuffer::from(starts))
}

fn value(
    kind: &Kind,
    data_type: &DataType,
    column: usize,
    table: &mut Table,
    bytes: Bytes<'_>,
    blanks: &mut Blanks,
) -> Result<ArrayRef, ArrowError> {
    let rows = table.len;
    if let Kind::Message(message) = kind {
        let nulls = table.columns.get_mut(column).and_then(|mark| nulls(mark, rows));
        let DataType::Struct(fields) = data_type else { unreachable!("a message is a struct") };
        let members = columns(message, table, bytes, blanks)?;
        return Ok(Arc::new(match members.is_empty() {
            true => StructArray::new_empty_fields(rows, nulls),
            false => StructArray::try_new(fields.clone(), members, nulls)?,
        }));
    }
    let taken = &mut table.columns[column];
    // An enum's array has the names that are its own.
    if taken.data.is_blank() && !matches!(kind, Kind::Enum(_)) && taken.valid.as_ref().is_none_or(Vec::is_empty) {
        let key = (data_type.clone(), rows, taken.valid.is_some());
        if let Some(blank) = blanks.get(&key) {
            return Ok(Arc::clone(blank));
        }
        let blank = filled(kind, data_type, taken, rows, bytes, blanks)?;
        blanks.insert(key, Arc::clone(&blank));
        return Ok(blank);
    }
    filled(kind, data_type, taken, rows, bytes, blanks)
}

fn filled(
    kind: &Kind,
    data_type: &DataType,
    taken: &mut Column,
    rows: usize,
    bytes: Bytes<'_>,
    blanks: &mut Blanks,
) -> Result<ArrayRef, ArrowError> {
    let nulls = nulls(taken, rows);
    if let (Data::List(list), DataType::List(item)) = (&mut taken.data, data_type) {
        let offsets = offsets(list, rows);
        let values = value(&Kind::String, item.data_type(), 0, &mut list.items, bytes, blanks)?;
        list.items.forget();
        return Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, nulls)?));
    }
    Ok(match (&mut taken.data, kind) {
        (Data::Bool(values, absent), _) => {
            Arc::new(BooleanArray::new(BooleanBuffer::from(take(values, rows, *absent)), nulls))
        }
        (Data::I32(values, absent), Kind::Enum(plan)) => match &plan.names {
            Some(names) => dictionary(plan, names, take(values, rows, *absent), nulls)?,
            None => Arc::new(Int32Array::new(take(values, rows, *absent).into(), nulls)),
        },
        (Data::I32(values, absent), _) => Arc::new(Int32Array::new(take(values, rows, *absent).into(), nulls)),
        (Data::U32(values, absent), _) => Arc::new(UInt32Array::new(take(values, rows, *absent).into(), nulls)),
        (Data::I64(values, absent), _) => Arc::new(Int64Array::new(take(values, rows, *absent).into(), nulls)),
        (Data::U64(values, absent), _) => Arc::new(UInt64Array::new(take(values, rows, *absent).into(), nulls)),
        (Data::F32(values, absent), _) => Arc::new(Float32Array::new(take(values, rows, *absent).into(), nulls)),
        (Data::F64(values, absent), _) => Arc::new(Float64Array::new(take(values, rows, *absent).into(), nulls)),
        (Data::Slot(slots, absent), _) => {
            let slots = take(slots, rows, *absent);
            let (offsets, data) = gathered(slots.iter().copied(), bytes);
            match data_type {
                DataType::Utf8 => Arc::new(StringArray::try_new(offsets, data, nulls)?),
                _ => Arc::new(BinaryArray::try_new(offsets, data, nulls)?),
            }
        }
        (Data::Json(slots, absent), _) => {
            let slots = take(slots, rows, *absent);
            let (offsets, data) = gathered(slots.iter().map(|(_, text)| *text), bytes);
            Arc::new(StringArray::try_new(offsets, data, nulls)?)
        }
        (Data::Time(values, absent), Kind::Time(per_second)) => {
            let values: Vec<i64> = take(values, rows, *absent)
                .into_iter()
                .map(|time| to_unit(time, *per_second).unwrap_or_default())
                .collect();
            times(data_type, values.into(), nulls)
        }
        _ => unreachable!("a column holds what its plan says"),
    })
}

/// The values of so many rows.
fn take<T: Copy>(values: &mut Vec<T>, rows: usize, absent: T) -> Vec<T> {
    values.truncate(rows);
    extend(values, rows, absent);
    std::mem::take(values)
}

fn nulls(column: &mut Column, rows: usize) -> Option<NullBuffer> {
    let valid = take(column.valid.as_mut()?, rows, false);
    // Most columns that may hold nulls hold none.
    if valid.iter().all(|valid| *valid) {
        return None;
    }
    Some(NullBuffer::from(valid))
}

/// The bytes of all slots one after the other.
fn gathered(slots: impl Iterator<Item = Slot> + Clone, bytes: Bytes<'_>) -> (OffsetBuffer<i32>, Buffer) {
    let mut offsets = Vec::with_capacity(slots.size_hint().0 + 1);
    let mut at = 0usize;
    offsets.push(0i32);
    for slot in slots.clone() {
        at += slot.len();
        offsets.push(at as i32);
    }
    let mut data = Vec::with_capacity(at);
    for slot in slots {
        data.extend_from_slice(slot.of(bytes.source, bytes.arena));
    }
    (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(data))
}

fn times(data_type: &DataType, values: ScalarBuffer<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    match data_type {
        DataType::Timestamp(unit, zone) => match unit {
            TimeUnit::Second => Arc::new(TimestampSecondArray::new(values, nulls).with_timezone_opt(zone.clone())),
            TimeUnit::Millisecond => {
                Arc::new(TimestampMillisecondArray::new(values, nulls).with_timezone_opt(zone.clone()))
            }
            TimeUnit::Microsecond => {
                Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone_opt(zone.clone()))
            }
            TimeUnit::Nanosecond => {
                Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone_opt(zone.clone()))
            }
        },
        DataType::Duration(TimeUnit::Second) => Arc::new(DurationSecondArray::new(values, nulls)),
        DataType::Duration(TimeUnit::Millisecond) => Arc::new(DurationMillisecondArray::new(values, nulls)),
        DataType::Duration(TimeUnit::Microsecond) => Arc::new(DurationMicrosecondArray::new(values, nulls)),
        _ => Arc::new(DurationNanosecondArray::new(values, nulls)),
    }
}

/// Numbers of an enum as a dictionary of its names; those that have no name are there in digits.
fn dictionary(
    plan: &EnumPlan,
    names: &StringArray,
    mut numbers: Vec<i32>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let mut others: HashMap<i32, i32> = HashMap::new();
    let mut digits: Vec<String> = Vec::new();
    for (row, number) in numbers.iter_mut().enumerate() {
        *number = match plan.place(*number) {
            Some(place) => place,
            // What a row that has no value begins with.
            None if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) => 0,
            None => *others.entry(*number).or_insert_with(|| {
                digits.push(number.to_string());
                (names.len() + digits.len()) as i32 - 1
            }),
        };
    }
    let values = match digits.is_empty() {
        true => names.clone(),
        false => names.iter().flatten().chain(digits.iter().map(String::as_str)).map(Some).collect(),
    };
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(Int32Array::new(numbers.into(), nulls), Arc::new(values))?))
}

/// How many keys are compared with each other before they are hashed.
const FEW: usize = 16;

/// Of the entries of maps, which are the last with their key; `None` where all are.
fn last_of_each_key(
    key: &FieldPlan,
    entries: &Table,
    offsets: &OffsetBuffer<i32>,
    bytes: Bytes<'_>,
) -> Option<BooleanBuffer> {
    let data = &entries.columns[key.column].data;
    let mut doubled: Vec<usize> = Vec::new();
    for bounds in offsets.windows(2) {
        let row = bounds[0] as usize..bounds[1] as usize;
        if row.len() <= FEW {
            for at in row.clone().skip(1) {
                doubled
                    .extend((row.start..at).filter(|before| Key::of(data, *before, bytes) == Key::of(data, at, bytes)));
            }
        } else {
            let mut seen = HashSet::with_capacity(row.len());
            doubled.extend(row.rev().filter(|at| !seen.insert(Key::of(data, *at, bytes))));
        }
    }
    if doubled.is_empty() {
        return None;
    }
    let mut kept = vec![true; entries.len];
    doubled.into_iter().for_each(|at| kept[at] = false);
    Some(BooleanBuffer::from(kept))
}

/// The key of an entry of a map.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Number(u64),
    Text(&'a [u8]),
}

impl<'a> Key<'a> {
    fn of(data: &Data, row: usize, bytes: Bytes<'a>) -> Self {
        match data {
            Data::Bool(values, absent) => Self::Number(u64::from(*values.get(row).unwrap_or(absent))),
            Data::I32(values, absent) => Self::Number(*values.get(row).unwrap_or(absent) as u64),
            Data::U32(values, absent) => Self::Number(u64::from(*values.get(row).unwrap_or(absent))),
            Data::I64(values, absent) => Self::Number(*values.get(row).unwrap_or(absent) as u64),
            Data::U64(values, absent) => Self::Number(*values.get(row).unwrap_or(absent)),
            Data::Slot(values, absent) => Self::Text(values.get(row).unwrap_or(absent).of(bytes.source, bytes.arena)),
            _ => unreachable!("keys of maps are integers, booleans or strings"),
        }
    }
}

/// The offsets once only the entries that are `kept` are there.
fn without(offsets: &OffsetBuffer<i32>, kept: &BooleanBuffer) -> OffsetBuffer<i32> {
    let lengths = offsets
        .windows(2)
        .map(|bounds| kept.slice(bounds[0] as usize, (bounds[1] - bounds[0]) as usize).count_set_bits());
    OffsetBuffer::from_lengths(lengths)
}

/// Makes the rows that are not `good` null in a column.
pub(crate) fn with_nulls(column: &ArrayRef, good: &NullBuffer) -> Result<ArrayRef, ArrowError> {
    let nulls = NullBuffer::union(column.nulls(), Some(good));
    Ok(make_array(column.to_data().into_builder().nulls(nulls).build()?))
}
