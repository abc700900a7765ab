//! The order of ordered dictionaries.
//!
//! In Arrow it is in the arrays: the values of the dictionary, in order, those included that no row has. A record holds the
//! value itself, so the type keeps the values ([`Dictionary`](super::proto::Dictionary)). On the way from the arrays to the
//! options, and from these to the arrays, they are in the metadata of the Arrow field, under [`LEVELS`].

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, LargeBinaryArray, LargeStringArray, RecordBatch,
    StringArray, StringViewArray, make_array,
};
use arrow_buffer::Buffer;
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, UnionFields};
use prost::Message as _;
use rosettar::error::{Error, Result, code};

use super::proto;

/// The name of the metadata; nobody outside sees it.
const LEVELS: &str = "rosettar.arrow.levels";
/// How many values an ordered dictionary may have, and how many bytes, so that they can stand in a schema.
const MOST: usize = 1 << 16;
const MOST_BYTES: usize = 1 << 20;

/// The values of an ordered dictionary, in order, and the place of each by what [`bytes_of`] it is.
#[derive(Debug)]
pub(crate) struct Levels {
    pub values: ArrayRef,
    pub places: HashMap<Box<[u8]>, usize>,
}

impl Levels {
    /// Of a field whose dictionary is ordered, and has values of this type.
    pub fn of(field: &Field, values: &DataType) -> Option<Self> {
        let kept = read(field)?;
        let DataType::Dictionary(index, _) = field.data_type() else { return None };
        let numbers = match **index {
            DataType::Int8 => 1 << 7,
            DataType::UInt8 => 1 << 8,
            DataType::Int16 => 1 << 15,
            _ => MOST,
        };
        if kept.len() > numbers {
            return None;
        }
        let places = kept.iter().enumerate().map(|(place, value)| (value.clone().into_boxed_slice(), place));
        let places: HashMap<_, _> = places.collect();
        let values = array_of(values, &kept)?;
        (places.len() == kept.len()).then_some(Self { values, places })
    }
}

/// `field` without what is here added to its metadata.
pub(crate) fn strip(field: Field) -> Field {
    let mut metadata = field.metadata().clone();
    match metadata.remove(LEVELS) {
        Some(_) => field.with_metadata(metadata),
        None => field,
    }
}

/// The values that a field's metadata have, as the option keeps them.
pub(crate) fn read(field: &Field) -> Option<Vec<Vec<u8>>> {
    // Bytes as the characters of the same numbers, since metadata are text.
    let text = field.metadata().get(LEVELS)?;
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>()?;
    Some(proto::Dictionary::decode(&bytes[..]).ok()?.values)
}

/// Puts values that an option keeps into a field's metadata.
pub(crate) fn write(field: Field, values: Vec<Vec<u8>>) -> Field {
    if values.len() > MOST || values.iter().map(Vec::len).sum::<usize>() > MOST_BYTES {
        return strip(field);
    }
    let bytes = proto::Dictionary { values, ..Default::default() }.encode_to_vec();
    let mut metadata = field.metadata().clone();
    metadata.insert(LEVELS, bytes.into_iter().map(char::from).collect::<String>());
    field.with_metadata(metadata)
}

/// `schema` with the values of all ordered dictionaries, as they are in `batch`.
///
/// # Errors
/// `usage.input` for dictionaries that are too large, or whose values are not simple.
pub(crate) fn noted(schema: &Schema, batch: Option<&RecordBatch>) -> Result<Schema> {
    let mut fields = Vec::with_capacity(schema.fields().len());
    for (place, field) in schema.fields().iter().enumerate() {
        let data = batch.and_then(|batch| batch.columns().get(place)).map(|array| array.to_data());
        fields.push(note(field, data.as_ref(), field.name())?);
    }
    Ok(Schema::new_with_metadata(Fields::from(fields), schema.metadata().clone()))
}

fn note(field: &FieldRef, data: Option<&ArrayData>, path: &str) -> Result<FieldRef> {
    let data_type = children(field.data_type(), |place, child| {
        let data = data.and_then(|data| data.child_data().get(place));
        note(child, data, &format!("{path}.{}", child.name()))
    })?;
    let field = strip(field.as_ref().clone()).with_data_type(data_type);
    if field.dict_is_ordered() != Some(true) {
        return Ok(Arc::new(field));
    }
    let values = match data.and_then(|data| data.child_data().first()) {
        Some(values) => values_of(values, path)?,
        None => Vec::new(),
    };
    Ok(Arc::new(write(field, values)))
}

/// Checks that ordered dictionaries of `batch` have no other values than `schema`, which is [`noted`], and in no other order.
///
/// # Errors
/// `usage.input`.
pub(crate) fn check(schema: &Schema, batch: &RecordBatch) -> Result<()> {
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        if has_order(field) {
            check_field(field, &array.to_data(), field.name())?;
        }
    }
    Ok(())
}

/// Whether there is an ordered dictionary in a field.
fn has_order(field: &FieldRef) -> bool {
    let mut found = field.dict_is_ordered() == Some(true);
    let _ = children(field.data_type(), |_, child| {
        found |= has_order(child);
        Ok(Arc::clone(child))
    });
    found
}

fn check_field(field: &FieldRef, data: &ArrayData, path: &str) -> Result<()> {
    children(field.data_type(), |place, child| {
        if let Some(data) = data.child_data().get(place) {
            check_field(child, data, &format!("{path}.{}", child.name()))?;
        }
        Ok(Arc::clone(child))
    })?;
    if field.dict_is_ordered() != Some(true) {
        return Ok(());
    }
    let Some(values) = data.child_data().first() else { return Ok(()) };
    let known = read(field).unwrap_or_default();
    let mut rest = known.iter();
    for value in values_of(values, path)? {
        if !rest.any(|known| *known == value) {
            let message = format!(
                "column {path:?} is an ordered dictionary, and a batch has other values in it, or another order, than the \
                 first one; unify the dictionaries, or state no order"
            );
            return Err(Error::new(code::USAGE_INPUT, message));
        }
    }
    Ok(())
}

/// The values of a dictionary, each once, as [`bytes_of`] has them.
fn values_of(data: &ArrayData, path: &str) -> Result<Vec<Vec<u8>>> {
    let refused = |found: String| {
        let message = format!(
            "column {path:?} is an ordered dictionary, whose order cannot be kept: {found}; state no order, or store numbers \
             that have it"
        );
        Error::new(code::USAGE_INPUT, message)
    };
    let values = make_array(data.clone());
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::new();
    let mut size = 0;
    for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
        let Some(value) = bytes_of(&values, data, row) else {
            return Err(refused(format!("its values are of type {}", values.data_type())));
        };
        if seen.insert(value) {
            size += value.len();
            out.push(value.to_vec());
        }
        if out.len() > MOST || size > MOST_BYTES {
            return Err(refused(format!("it has more than {MOST} values, or more than {MOST_BYTES} bytes of them")));
        }
    }
    // As nothing, they are written in the order of their bytes in memory.
    if cfg!(target_endian = "big") && values.data_type().primitive_width().is_some_and(|width| width > 1) {
        return Err(refused("this machine is big-endian".to_owned()));
    }
    Ok(out)
}

/// What tells the value of a row from others, where that is simple.
pub(crate) fn bytes_of<'a>(array: &'a ArrayRef, data: &'a ArrayData, row: usize) -> Option<&'a [u8]> {
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).as_bytes(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).as_bytes(),
        DataType::Utf8View => array.as_string_view().value(row).as_bytes(),
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        DataType::FixedSizeBinary(_) => array.as_fixed_size_binary().value(row),
        DataType::Boolean => match array.as_boolean().value(row) {
            true => &[1],
            false => &[0],
        },
        other => {
            let width = other.primitive_width()?;
            data.buffers().first()?.as_slice().get((data.offset() + row) * width..)?.get(..width)?
        }
    })
}

/// An array of values that [`bytes_of`] yielded; `None` where they are none of the type.
fn array_of(data_type: &DataType, values: &[Vec<u8>]) -> Option<ArrayRef> {
    let binary = || values.iter().map(Vec::as_slice);
    let text = || binary().map(|value| std::str::from_utf8(value).ok()).collect::<Option<Vec<&str>>>();
    Some(match data_type {
        DataType::Utf8 => Arc::new(StringArray::from(text()?)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(text()?)),
        DataType::Utf8View => Arc::new(StringViewArray::from_iter_values(text()?)),
        DataType::Binary => Arc::new(BinaryArray::from_iter_values(binary())),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from_iter_values(binary())),
        DataType::BinaryView => Arc::new(BinaryViewArray::from_iter_values(binary())),
        DataType::Boolean => {
            let values = binary().map(|value| match value {
                [0] => Some(false),
                [1] => Some(true),
                _ => None,
            });
            Arc::new(BooleanArray::from(values.collect::<Option<Vec<bool>>>()?))
        }
        other => {
            let width = match other {
                DataType::FixedSizeBinary(width) => usize::try_from(*width).ok()?,
                other => other.primitive_width().filter(|_| cfg!(target_endian = "little"))?,
            };
            if binary().any(|value| value.len() != width) {
                return None;
            }
            let buffer = Buffer::from_vec(values.concat());
            let data = ArrayDataBuilder::new(other.clone()).len(values.len()).add_buffer(buffer).align_buffers(true);
            make_array(data.build().ok()?)
        }
    })
}

/// `data_type` with `change` applied to each field in it, which is told its place among the children of an array.
fn children(data_type: &DataType, mut change: impl FnMut(usize, &FieldRef) -> Result<FieldRef>) -> Result<DataType> {
    Ok(match data_type {
        DataType::List(item) => DataType::List(change(0, item)?),
        DataType::LargeList(item) => DataType::LargeList(change(0, item)?),
        DataType::ListView(item) => DataType::ListView(change(0, item)?),
        DataType::LargeListView(item) => DataType::LargeListView(change(0, item)?),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(change(0, item)?, *size),
        DataType::Map(entries, sorted) => DataType::Map(change(0, entries)?, *sorted),
        DataType::RunEndEncoded(ends, values) => DataType::RunEndEncoded(ends.clone(), change(1, values)?),
        DataType::Struct(fields) => {
            let fields = fields.iter().enumerate().map(|(place, field)| change(place, field));
            DataType::Struct(fields.collect::<Result<Vec<_>>>()?.into())
        }
        DataType::Union(members, mode) => {
            let (ids, fields): (Vec<_>, Vec<_>) = members.iter().map(|(id, field)| (id, field.clone())).unzip();
            let fields = fields.iter().enumerate().map(|(place, field)| change(place, field));
            let fields = fields.collect::<Result<Vec<_>>>()?;
            let same = |error: arrow_schema::ArrowError| Error::new(code::USAGE_INPUT, error.to_string());
            DataType::Union(UnionFields::try_new(ids, fields).map_err(same)?, *mode)
        }
        other => other.clone(),
    })
}
