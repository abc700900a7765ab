//! Dictionaries and runs, from the values of each row.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::ArrowNativeType;
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::DataType;
use rosettar::error::Result;

use super::nested::gather;
use super::unfit;

/// A dictionary of the values, in the order in which they come first.
pub(super) fn build_dictionary(data_type: &DataType, values: ArrayRef) -> Result<ArrayRef> {
    let DataType::Dictionary(index, _) = data_type else {
        return Err(unfit("a dictionary was planned to become something else"));
    };
    let (keys, firsts) = distinct(&values);
    let distinct = if firsts.len() == values.len() { values } else { gather(&values, &firsts)? };
    match **index {
        DataType::Int8 => indexed::<Int8Type>(keys, distinct),
        DataType::Int16 => indexed::<Int16Type>(keys, distinct),
        DataType::Int32 => indexed::<Int32Type>(keys, distinct),
        DataType::Int64 => indexed::<Int64Type>(keys, distinct),
        DataType::UInt8 => indexed::<UInt8Type>(keys, distinct),
        DataType::UInt16 => indexed::<UInt16Type>(keys, distinct),
        DataType::UInt32 => indexed::<UInt32Type>(keys, distinct),
        DataType::UInt64 => indexed::<UInt64Type>(keys, distinct),
        ref other => Err(unfit(format!("a dictionary was planned to be indexed by {other}"))),
    }
}

fn indexed<K: ArrowDictionaryKeyType>(keys: Vec<Option<usize>>, values: ArrayRef) -> Result<ArrayRef> {
    if values.len().checked_sub(1).is_some_and(|last| K::Native::from_usize(last).is_none()) {
        let message =
            format!("{} different values are too many for a dictionary indexed by {}", values.len(), K::DATA_TYPE);
        return Err(unfit(format!("{message}; read fewer rows in a batch")));
    }
    let keys: PrimitiveArray<K> = keys.into_iter().map(|key| key.and_then(K::Native::from_usize)).collect();
    let array = DictionaryArray::try_new(keys, values).map_err(|error| unfit(error.to_string()))?;
    Ok(Arc::new(array))
}

/// For each row the number of its value, and for each value the row in which it comes first.
fn distinct(values: &ArrayRef) -> (Vec<Option<usize>>, Vec<usize>) {
    let nulls = values.logical_nulls();
    let data = values.to_data();
    let mut seen = HashMap::new();
    let mut firsts = Vec::new();
    let keys = (0..values.len()).map(|row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let next = firsts.len();
        let key = match bytes_of(values, &data, row) {
            Some(bytes) => *seen.entry(bytes).or_insert(next),
            // Nested values are not compared.
            None => next,
        };
        if key == next {
            firsts.push(row);
        }
        Some(key)
    });
    (keys.collect(), firsts)
}

/// What tells the value of a row from others, where that is simple.
fn bytes_of<'a>(array: &'a ArrayRef, data: &'a ArrayData, row: usize) -> Option<&'a [u8]> {
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

/// Runs of equal values.
pub(super) fn build_runs(data_type: &DataType, values: ArrayRef) -> Result<ArrayRef> {
    let DataType::RunEndEncoded(ends, _) = data_type else {
        return Err(unfit("runs were planned to become something else"));
    };
    let nulls = values.logical_nulls();
    let data = values.to_data();
    let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let same = |a: usize, b: usize| match (is_null(a), is_null(b)) {
        (false, false) => {
            let bytes = bytes_of(&values, &data, a);
            bytes.is_some() && bytes == bytes_of(&values, &data, b)
        }
        (a, b) => a && b,
    };
    let starts: Vec<usize> = (0..values.len()).filter(|row| *row == 0 || !same(row - 1, *row)).collect();
    let last = starts.iter().skip(1).copied().chain((!starts.is_empty()).then_some(values.len()));
    let run_ends: ArrayRef = match ends.data_type() {
        DataType::Int16 => ends_of::<Int16Type>(last)?,
        DataType::Int32 => ends_of::<Int32Type>(last)?,
        _ => ends_of::<Int64Type>(last)?,
    };
    let heads = if starts.len() == values.len() { values.clone() } else { gather(&values, &starts)? };
    let built = ArrayDataBuilder::new(data_type.clone())
        .len(values.len())
        .add_child_data(run_ends.to_data())
        .add_child_data(heads.to_data())
        .build();
    Ok(make_array(built.map_err(|error| unfit(error.to_string()))?))
}

fn ends_of<R: RunEndIndexType>(ends: impl Iterator<Item = usize>) -> Result<ArrayRef> {
    let ends = ends.map(|end| {
        let fits = R::Native::from_usize(end);
        fits.ok_or_else(|| {
            unfit(format!("{end} rows are too many for runs with {} ends; read fewer in a batch", R::DATA_TYPE))
        })
    });
    let ends = ends.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(PrimitiveArray::<R>::new(ends.into(), None)))
}
