//! Binding arrays to the fields that they fill.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, UnionArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use rosettar::error::{Error, Result, code};

use super::value::{Scalar, wire_type};
use super::{Bound, DELIMITED, Entries, Fault, Items, Source, Tag, VARINT, value_error};
use crate::table::shape::{Column, ENTRIES, ITEMS, NULLS, Node, may_be_null};

/// The places of the elements of each list.
pub(super) enum Ranges<'a> {
    Offsets32(&'a [i32]),
    Offsets64(&'a [i64]),
    Views32(&'a [i32], &'a [i32]),
    Views64(&'a [i64], &'a [i64]),
    Fixed(usize),
}

impl Ranges<'_> {
    #[inline]
    pub fn of(&self, row: usize) -> Range<usize> {
        match self {
            Self::Offsets32(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Offsets64(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Views32(offsets, sizes) => offsets[row] as usize..offsets[row] as usize + sizes[row] as usize,
            Self::Views64(offsets, sizes) => offsets[row] as usize..offsets[row] as usize + sizes[row] as usize,
            Self::Fixed(size) => row * size..(row + 1) * size,
        }
    }
}

/// The members of a union.
pub(super) struct Union<'a> {
    array: &'a UnionArray,
    null_member: Option<Tag>,
    /// By type number.
    members: Vec<Option<Member<'a>>>,
}

struct Member<'a> {
    number: u32,
    tag: Tag,
    nulls: Option<NullBuffer>,
    nullable: bool,
    path: String,
    source: Source<'a>,
}

impl Union<'_> {
    pub fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let id = self.array.type_id(row);
        let Some(member) = usize::try_from(id).ok().and_then(|id| self.members.get(id)).and_then(Option::as_ref) else {
            return Err(Fault::Here(format!("is of type number {id}, which the union does not have")));
        };
        let row = self.array.value_offset(row);
        if member.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            let Some(tag) = self.null_member.as_ref().filter(|_| member.nullable) else {
                let message = "is null, but the member is declared to hold no nulls";
                return Err(Fault::Inside(value_error(&member.path, message)));
            };
            tag.put(out);
            super::put_varint(member.number.into(), out);
            return Ok(());
        }
        member.tag.put(out);
        member.source.put_value(row, out).map_err(|fault| match fault {
            Fault::Here(message) => Fault::Inside(value_error(&member.path, message)),
            inside => inside,
        })
    }
}

pub(super) fn columns<'a>(columns: &[Column], arrays: &'a [ArrayRef], path: &str) -> Result<Vec<Bound<'a>>> {
    columns.iter().zip(arrays).map(|(column, array)| bound(column, array, path)).collect()
}

fn bound<'a>(column: &Column, array: &'a dyn Array, path: &str) -> Result<Bound<'a>> {
    let path = nested(path, column.field.name());
    Ok(Bound {
        tag: tag_of(column.number, &column.node),
        nulls: nulls_of(array),
        nullable: may_be_null(&column.field),
        implicit: !column.field.is_nullable() && column.node.is_scalar(),
        source: source(&column.node, array, &path)?,
        path,
    })
}

fn nested(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The tag of a field that holds one value, or of each field of a repeated one.
fn tag_of(number: u32, node: &Node) -> Tag {
    match node {
        Node::Leaf(leaf) => Tag::new(number, wire_type(*leaf)),
        Node::List(list) if !list.wrapped => item_tag(number, &list.item),
        _ => Tag::new(number, DELIMITED),
    }
}

fn item_tag(number: u32, item: &Node) -> Tag {
    match item {
        Node::Leaf(leaf) if !leaf.packs() => Tag::new(number, wire_type(*leaf)),
        _ => Tag::new(number, DELIMITED),
    }
}

fn nulls_of(array: &dyn Array) -> Option<NullBuffer> {
    // A union's nulls are those of its members, which the members tell.
    if matches!(array.data_type(), DataType::Union(..)) {
        return None;
    }
    array.logical_nulls().filter(|nulls| nulls.null_count() > 0)
}

fn source<'a>(node: &Node, array: &'a dyn Array, path: &str) -> Result<Source<'a>> {
    // The message is around the value, whatever that is.
    if let Node::Boxed(column) = node {
        return Ok(Source::Boxed(Box::new(bound(column, array, path)?)));
    }
    if let Some((places, values)) = places(array) {
        return Ok(Source::Placed(places, Box::new(source(node, values, path)?)));
    }
    Ok(match node {
        Node::Leaf(_) => Source::Scalar(scalar(array).ok_or_else(|| unbound(array, path))?),
        Node::Struct(fields) => {
            let array = array.as_struct_opt().ok_or_else(|| unbound(array, path))?;
            Source::Struct(columns(fields, array.columns(), path)?)
        }
        Node::Union(members, null_member) => Source::Union(union(members, *null_member, array, path)?),
        Node::List(list) => {
            let (ranges, values) = ranges(array).ok_or_else(|| unbound(array, path))?;
            let path = nested(path, list.item_field.name());
            Source::List(Box::new(Items {
                ranges,
                wrapped: list.wrapped,
                packed: matches!(&list.item, Node::Leaf(leaf) if leaf.packs()),
                tag: item_tag(ITEMS, &list.item),
                nulls_tag: Tag::new(NULLS, DELIMITED),
                nulls: nulls_of(values).filter(|_| !is_null_type(values)),
                nullable: list.item_field.is_nullable(),
                source: source(&list.item, values, &path)?,
                path,
            }))
        }
        Node::Map(map) => {
            let array = array.as_map_opt().ok_or_else(|| unbound(array, path))?;
            let [key, value] = &map.entry;
            let key = bound(key, array.keys(), path)?;
            let value = match &value.node {
                // The null is told inside the message.
                Node::Boxed(_) => Bound {
                    tag: Tag::new(value.number, DELIMITED),
                    nulls: None,
                    nullable: false,
                    implicit: false,
                    path: nested(path, value.field.name()),
                    source: source(&value.node, array.values(), path)?,
                },
                _ => bound(value, array.values(), path)?,
            };
            Source::Map(Box::new(Entries {
                ranges: Ranges::Offsets32(array.value_offsets()),
                wrapped: map.wrapped,
                natural: map.natural,
                tag: Tag::new(ENTRIES, DELIMITED),
                key,
                value,
            }))
        }
        Node::Boxed(_) => return Err(unbound(array, path)),
    })
}

fn is_null_type(array: &dyn Array) -> bool {
    matches!(crate::table::shape::peel(array.data_type()), DataType::Null)
}

fn union<'a>(members: &[Column], null_member: Option<u32>, array: &'a dyn Array, path: &str) -> Result<Union<'a>> {
    let (DataType::Union(fields, _), Some(array)) = (array.data_type(), array.as_union_opt()) else {
        return Err(unbound(array, path));
    };
    let mut by_id = Vec::new();
    for ((id, _), member) in fields.iter().zip(members) {
        let place = usize::try_from(id).unwrap_or_default();
        let child = array.child(id);
        let path = nested(path, member.field.name());
        by_id.resize_with(by_id.len().max(place + 1), || None);
        by_id[place] = Some(Member {
            number: member.number,
            tag: tag_of(member.number, &member.node),
            nulls: nulls_of(child),
            nullable: may_be_null(&member.field),
            source: source(&member.node, child, &path)?,
            path,
        });
    }
    Ok(Union { array, null_member: null_member.map(|number| Tag::new(number, VARINT)), members: by_id })
}

/// Of a dictionary or of runs: the values, and where in them the value of each row is; 0 for a null.
fn places(array: &dyn Array) -> Option<(Vec<u32>, &dyn Array)> {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let array = array.as_any_dictionary();
            let keys = match array.values().len() {
                0 => vec![0; array.len()],
                _ => array.normalized_keys().into_iter().map(|key| key as u32).collect(),
            };
            Some((keys, array.values()))
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => run_places::<Int16Type>(array),
            DataType::Int32 => run_places::<Int32Type>(array),
            _ => run_places::<Int64Type>(array),
        },
        _ => None,
    }
}

fn run_places<R: RunEndIndexType>(array: &dyn Array) -> Option<(Vec<u32>, &dyn Array)> {
    let array = array.as_run_opt::<R>()?;
    let ends = array.run_ends();
    let (offset, len) = (ends.offset(), ends.len());
    let mut places = Vec::with_capacity(len);
    for (place, end) in ends.values().iter().enumerate() {
        let end = arrow_buffer::ArrowNativeType::as_usize(*end).saturating_sub(offset).min(len);
        places.resize(places.len().max(end), place as u32);
    }
    Some((places, array.values()))
}

fn ranges(array: &dyn Array) -> Option<(Ranges<'_>, &dyn Array)> {
    Some(match array.data_type() {
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            (Ranges::Offsets32(array.value_offsets()), array.values())
        }
        DataType::LargeList(_) => {
            let array = array.as_list::<i64>();
            (Ranges::Offsets64(array.value_offsets()), array.values())
        }
        DataType::ListView(_) => {
            let array = array.as_list_view::<i32>();
            (Ranges::Views32(array.value_offsets(), array.value_sizes()), array.values())
        }
        DataType::LargeListView(_) => {
            let array = array.as_list_view::<i64>();
            (Ranges::Views64(array.value_offsets(), array.value_sizes()), array.values())
        }
        DataType::FixedSizeList(_, size) => {
            (Ranges::Fixed(usize::try_from(*size).ok()?), array.as_fixed_size_list().values())
        }
        _ => return None,
    })
}

fn scalar(array: &dyn Array) -> Option<Scalar<'_>> {
    let scalar = match array.data_type() {
        DataType::Null => Scalar::Null,
        DataType::Boolean => Scalar::Bool(array.as_boolean().values()),
        DataType::Int8 => Scalar::Int8(array.as_primitive::<Int8Type>().values()),
        DataType::Int16 => Scalar::Int16(array.as_primitive::<Int16Type>().values()),
        DataType::Int32 => Scalar::Int32(array.as_primitive::<Int32Type>().values()),
        DataType::Int64 => Scalar::Int64(array.as_primitive::<Int64Type>().values()),
        DataType::UInt8 => Scalar::Uint8(array.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => Scalar::Uint16(array.as_primitive::<UInt16Type>().values()),
        DataType::UInt32 => Scalar::Uint32(array.as_primitive::<UInt32Type>().values()),
        DataType::UInt64 => Scalar::Uint64(array.as_primitive::<UInt64Type>().values()),
        DataType::Float16 => Scalar::Float16(array.as_primitive::<Float16Type>().values()),
        DataType::Float32 => Scalar::Float32(array.as_primitive::<Float32Type>().values()),
        DataType::Float64 => Scalar::Float64(array.as_primitive::<Float64Type>().values()),
        DataType::Utf8 => Scalar::Utf8(array.as_string()),
        DataType::LargeUtf8 => Scalar::LargeUtf8(array.as_string()),
        DataType::Utf8View => Scalar::Utf8View(array.as_string_view()),
        DataType::Binary => Scalar::Binary(array.as_binary()),
        DataType::LargeBinary => Scalar::LargeBinary(array.as_binary()),
        DataType::BinaryView => Scalar::BinaryView(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => Scalar::FixedSizeBinary(array.as_fixed_size_binary()),
        DataType::Date32 => Scalar::Int32(array.as_primitive::<Date32Type>().values()),
        DataType::Date64 => Scalar::Int64(array.as_primitive::<Date64Type>().values()),
        DataType::Time32(TimeUnit::Second) => Scalar::Int32(array.as_primitive::<Time32SecondType>().values()),
        DataType::Time32(_) => Scalar::Int32(array.as_primitive::<Time32MillisecondType>().values()),
        DataType::Time64(TimeUnit::Microsecond) => {
            Scalar::Int64(array.as_primitive::<Time64MicrosecondType>().values())
        }
        DataType::Time64(_) => Scalar::Int64(array.as_primitive::<Time64NanosecondType>().values()),
        DataType::Timestamp(unit, _) => Scalar::Timestamp(
            match unit {
                TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
                TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
                TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
            },
            *unit,
        ),
        DataType::Duration(unit) => Scalar::Duration(
            match unit {
                TimeUnit::Second => array.as_primitive::<DurationSecondType>().values(),
                TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().values(),
                TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().values(),
                TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().values(),
            },
            *unit,
        ),
        DataType::Interval(IntervalUnit::YearMonth) => {
            Scalar::Int32(array.as_primitive::<IntervalYearMonthType>().values())
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            Scalar::DayTime(array.as_primitive::<IntervalDayTimeType>().values())
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Scalar::MonthDayNano(array.as_primitive::<IntervalMonthDayNanoType>().values())
        }
        DataType::Decimal32(precision, scale) => {
            Scalar::Decimal32(array.as_primitive::<Decimal32Type>().values(), *precision, *scale)
        }
        DataType::Decimal64(precision, scale) => {
            Scalar::Decimal64(array.as_primitive::<Decimal64Type>().values(), *precision, *scale)
        }
        DataType::Decimal128(precision, scale) => {
            Scalar::Decimal128(array.as_primitive::<Decimal128Type>().values(), *precision, *scale)
        }
        DataType::Decimal256(precision, scale) => {
            Scalar::Decimal256(array.as_primitive::<Decimal256Type>().values(), *precision, *scale)
        }
        _ => return None,
    };
    Some(scalar)
}

/// An array that is not of the type that was derived from; the check before finds it first.
fn unbound(array: &dyn Array, path: &str) -> Error {
    let message =
        format!("column {path:?} of a batch is {}, not what the table's type was derived from", array.data_type());
    Error::new(code::USAGE_INPUT, message)
}
