//! Dictionaries and runs, from the values of each row.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::ArrowNativeType;
use arrow_data::ArrayDataBuilder;
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType;
use rosettar::error::Result;

use super::nested::{arrow, gather};
use super::unfit;
use crate::table::levels::{Levels, bytes_of};

/// A dictionary of the values: in the order in which they come first, but behind those of `levels`.
pub(super) fn build_dictionary(data_type: &DataType, values: ArrayRef, levels: Option<&Levels>) -> Result<ArrayRef> {
    let DataType::Dictionary(index, _) = data_type else {
        return Err(unfit("a dictionary was planned to become something else"));
    };
    let (keys, firsts) = distinct(&values, levels);
    let distinct = match levels {
        None if firsts.len() == values.len() => values,
        None => gather(&values, &firsts)?,
        Some(levels) if firsts.is_empty() => Arc::clone(&levels.values),
        Some(levels) => behind(&levels.values, &values, &firsts)?,
    };
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

/// `levels`, and behind them the elements of `values` at `rows`.
fn behind(levels: &ArrayRef, values: &ArrayRef, rows: &[usize]) -> Result<ArrayRef> {
    let (levels, values) = (levels.to_data(), values.to_data());
    let mut out = MutableArrayData::new(vec![&levels, &values], false, levels.len() + rows.len());
    out.try_extend(0, 0, levels.len()).map_err(arrow)?;
    for row in rows {
        out.try_extend(1, *row, *row + 1).map_err(arrow)?;
    }
    Ok(make_array(out.freeze()))
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

/// For each row the number of its value, and for each value that `levels` does not have the row in which it comes first.
fn distinct(values: &ArrayRef, levels: Option<&Levels>) -> (Vec<Option<usize>>, Vec<usize>) {
    let known = levels.map_or(0, |levels| levels.values.len());
    let nulls = values.logical_nulls();
    let data = values.to_data();
    let mut seen = HashMap::new();
    let mut firsts = Vec::new();
    let keys = (0..values.len()).map(|row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let next = known + firsts.len();
        let key = match bytes_of(values, &data, row) {
            Some(bytes) => match levels.and_then(|levels| levels.places.get(bytes)) {
                Some(place) => *place,
                None => *seen.entry(bytes).or_insert(next),
            },
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
