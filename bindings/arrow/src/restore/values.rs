//! Arrays of single values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{IntervalDayTime, IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use rosettar::error::Result;

use super::{place_of, unfit};
use crate::encode::value::{F16, per_second};
use crate::table::shape::Leaf;

/// The most bytes, or elements, that null values of a fixed size may take in one batch.
pub(super) const PADDING: usize = 1 << 28;

/// An array of `data_type` from one that `leaf` is read as.
pub(super) fn build(leaf: Leaf, data_type: &DataType, array: &ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    use DataType as D;
    Ok(match (leaf, data_type) {
        (_, D::Null) => Arc::new(NullArray::new(array.len())),
        (Leaf::Bool, _) => Arc::new(BooleanArray::new(array.as_boolean().values().clone(), nulls)),
        (Leaf::Int32, D::Int8) => narrow::<Int32Type, Int8Type>(array, nulls)?,
        (Leaf::Int32, D::Int16) => narrow::<Int32Type, Int16Type>(array, nulls)?,
        (Leaf::Int32, D::Int32) => same::<Int32Type, Int32Type>(array, nulls),
        (Leaf::Int32, D::Date32) => same::<Int32Type, Date32Type>(array, nulls),
        (Leaf::Int32, D::Time32(TimeUnit::Second)) => same::<Int32Type, Time32SecondType>(array, nulls),
        (Leaf::Int32, D::Time32(TimeUnit::Millisecond)) => same::<Int32Type, Time32MillisecondType>(array, nulls),
        (Leaf::Int32, D::Interval(IntervalUnit::YearMonth)) => same::<Int32Type, IntervalYearMonthType>(array, nulls),
        (Leaf::Int64, D::Int64) => same::<Int64Type, Int64Type>(array, nulls),
        (Leaf::Int64, D::Date64) => same::<Int64Type, Date64Type>(array, nulls),
        (Leaf::Int64, D::Time64(TimeUnit::Microsecond)) => same::<Int64Type, Time64MicrosecondType>(array, nulls),
        (Leaf::Int64, D::Time64(TimeUnit::Nanosecond)) => same::<Int64Type, Time64NanosecondType>(array, nulls),
        (Leaf::Uint32, D::UInt8) => narrow::<UInt32Type, UInt8Type>(array, nulls)?,
        (Leaf::Uint32, D::UInt16) => narrow::<UInt32Type, UInt16Type>(array, nulls)?,
        (Leaf::Uint32, D::UInt32) => same::<UInt32Type, UInt32Type>(array, nulls),
        (Leaf::Uint64, D::UInt64) => same::<UInt64Type, UInt64Type>(array, nulls),
        (Leaf::Float, D::Float32) => same::<Float32Type, Float32Type>(array, nulls),
        (Leaf::Float, D::Float16) => {
            let values = array.as_primitive::<Float32Type>().values().iter().map(|value| F16::from_f32(*value));
            Arc::new(Float16Array::new(values.collect::<Vec<_>>().into(), nulls))
        }
        (Leaf::Double, D::Float64) => same::<Float64Type, Float64Type>(array, nulls),
        (Leaf::Timestamp, D::Timestamp(unit, zone)) => {
            let D::Timestamp(from, _) = array.data_type() else {
                return Err(mismatch(array, data_type));
            };
            let values = rescale(times(array), *from, *unit, nulls.as_ref())?;
            let zone = zone.clone();
            match unit {
                TimeUnit::Second => Arc::new(TimestampSecondArray::new(values, nulls).with_timezone_opt(zone)),
                TimeUnit::Millisecond => {
                    Arc::new(TimestampMillisecondArray::new(values, nulls).with_timezone_opt(zone))
                }
                TimeUnit::Microsecond => {
                    Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone_opt(zone))
                }
                TimeUnit::Nanosecond => Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone_opt(zone)),
            }
        }
        (Leaf::Duration, D::Duration(unit)) => {
            let D::Duration(from) = array.data_type() else {
                return Err(mismatch(array, data_type));
            };
            let values = rescale(times(array), *from, *unit, nulls.as_ref())?;
            match unit {
                TimeUnit::Second => Arc::new(DurationSecondArray::new(values, nulls)),
                TimeUnit::Millisecond => Arc::new(DurationMillisecondArray::new(values, nulls)),
                TimeUnit::Microsecond => Arc::new(DurationMicrosecondArray::new(values, nulls)),
                TimeUnit::Nanosecond => Arc::new(DurationNanosecondArray::new(values, nulls)),
            }
        }
        (Leaf::DayTime, _) => {
            let (days, milliseconds) = (numbers::<Int32Type>(array, 1)?, numbers::<Int32Type>(array, 2)?);
            let values = days.iter().zip(&milliseconds).map(|(days, rest)| IntervalDayTime::new(*days, *rest));
            Arc::new(IntervalDayTimeArray::new(values.collect::<Vec<_>>().into(), nulls))
        }
        (Leaf::MonthDayNano, _) => {
            let (months, days) = (numbers::<Int32Type>(array, 1)?, numbers::<Int32Type>(array, 2)?);
            let nanoseconds = numbers::<Int64Type>(array, 3)?;
            let values = months.iter().zip(&days).zip(&nanoseconds);
            let values = values.map(|((months, days), rest)| IntervalMonthDayNano::new(*months, *days, *rest));
            Arc::new(IntervalMonthDayNanoArray::new(values.collect::<Vec<_>>().into(), nulls))
        }
        (Leaf::String, _) => text(data_type, array, nulls)?,
        (Leaf::Bytes, _) => bytes(data_type, array, nulls)?,
        _ => return Err(mismatch(array, data_type)),
    })
}

fn text(data_type: &DataType, array: &ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let plain = array.as_string::<i32>();
    let (offsets, values) = (plain.offsets().clone(), plain.values().clone());
    Ok(match data_type {
        DataType::Utf8 => Arc::new(StringArray::new(offsets, values, nulls)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::new(widen(&offsets), values, nulls)),
        DataType::Utf8View => Arc::new(StringViewArray::from(&StringArray::new(offsets, values, nulls))),
        DataType::Decimal32(precision, scale) => {
            let values =
                decimals(plain, *precision, *scale, nulls.as_ref(), |value| i32::try_from(value.to_i128()?).ok())?;
            decimal(Decimal32Array::new(values.into(), nulls).with_precision_and_scale(*precision, *scale))?
        }
        DataType::Decimal64(precision, scale) => {
            let values =
                decimals(plain, *precision, *scale, nulls.as_ref(), |value| i64::try_from(value.to_i128()?).ok())?;
            decimal(Decimal64Array::new(values.into(), nulls).with_precision_and_scale(*precision, *scale))?
        }
        DataType::Decimal128(precision, scale) => {
            let values = decimals(plain, *precision, *scale, nulls.as_ref(), i256::to_i128)?;
            decimal(Decimal128Array::new(values.into(), nulls).with_precision_and_scale(*precision, *scale))?
        }
        DataType::Decimal256(precision, scale) => {
            let values = decimals(plain, *precision, *scale, nulls.as_ref(), Some)?;
            decimal(Decimal256Array::new(values.into(), nulls).with_precision_and_scale(*precision, *scale))?
        }
        _ => return Err(mismatch(array, data_type)),
    })
}

fn bytes(data_type: &DataType, array: &ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let plain = array.as_binary::<i32>();
    let (offsets, values) = (plain.offsets().clone(), plain.values().clone());
    Ok(match data_type {
        DataType::Binary => Arc::new(BinaryArray::new(offsets, values, nulls)),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::new(widen(&offsets), values, nulls)),
        DataType::BinaryView => Arc::new(BinaryViewArray::from(&BinaryArray::new(offsets, values, nulls))),
        DataType::FixedSizeBinary(width) => {
            let size = usize::try_from(*width).map_err(|_| mismatch(array, data_type))?;
            let empty = (0..plain.len()).filter(|row| plain.value(*row).is_empty()).count();
            check_padding(empty, size)?;
            let mut out = Vec::new();
            for row in 0..plain.len() {
                let value = plain.value(row);
                let null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                match value.len() {
                    found if found == size && !null => out.extend_from_slice(value),
                    // Absent, as it is in a struct that is null.
                    0 => out.resize(out.len() + size, 0),
                    _ if null => out.resize(out.len() + size, 0),
                    found => return Err(unfit(format!("a value has {found} bytes, but the table's have {size}"))),
                }
            }
            let array = FixedSizeBinaryArray::try_new_with_len(*width, out.into(), nulls, plain.len());
            Arc::new(array.map_err(|error| unfit(error.to_string()))?)
        }
        _ => return Err(mismatch(array, data_type)),
    })
}

/// Refuses what nulls of a fixed size would take, where that is out of all proportion.
pub(super) fn check_padding(rows: usize, size: usize) -> Result<()> {
    match rows.checked_mul(size).filter(|total| *total <= PADDING) {
        Some(_) => Ok(()),
        None => {
            let message =
                format!("{rows} values that are absent would take {size} places each, more than {PADDING} in all");
            Err(unfit(format!("{message}; read fewer rows in a batch")))
        }
    }
}

/// Arrays of the same numbers under another type.
fn same<F, T>(array: &ArrayRef, nulls: Option<NullBuffer>) -> ArrayRef
where
    F: ArrowPrimitiveType,
    T: ArrowPrimitiveType<Native = F::Native>,
{
    Arc::new(PrimitiveArray::<T>::new(array.as_primitive::<F>().values().clone(), nulls))
}

fn narrow<F, T>(array: &ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef>
where
    F: ArrowPrimitiveType,
    T: ArrowPrimitiveType,
    T::Native: TryFrom<F::Native>,
    F::Native: std::fmt::Display,
{
    let values = array.as_primitive::<F>().values().iter().enumerate().map(|(row, value)| {
        if array.is_null(row) {
            return Ok(T::Native::default());
        }
        T::Native::try_from(*value).map_err(|_| unfit(format!("{value} is no {}", T::DATA_TYPE)))
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)))
}

fn times(array: &ArrayRef) -> ScalarBuffer<i64> {
    // Whatever the unit, these are 64-bit numbers, and the planning saw that they are times.
    ScalarBuffer::new(array.to_data().buffers()[0].clone(), array.to_data().offset(), array.len())
}

fn rescale(
    values: ScalarBuffer<i64>,
    from: TimeUnit,
    to: TimeUnit,
    nulls: Option<&NullBuffer>,
) -> Result<ScalarBuffer<i64>> {
    let (from, to) = (per_second(from), per_second(to));
    if from == to {
        return Ok(values);
    }
    if from > to {
        // Finer than the table's, which nothing is that was written from it: cut off towards the past.
        return Ok(values.iter().map(|value| value.div_euclid(from / to)).collect());
    }
    let rescaled = values.iter().enumerate().map(|(row, value)| match value.checked_mul(to / from) {
        Some(value) => Ok(value),
        None if nulls.is_some_and(|nulls| nulls.is_null(row)) => Ok(0),
        None => Err(unfit(format!("a time, {value}, does not fit 64 bits in the table's unit"))),
    });
    rescaled.collect::<Result<Vec<_>>>().map(Into::into)
}

/// The numbers of a message's field, 0 where there is none.
fn numbers<T: ArrowPrimitiveType>(array: &ArrayRef, number: u32) -> Result<Vec<T::Native>> {
    let (place, _) = place_of(array.data_type(), number).ok_or_else(|| unfit("an interval lacks a field"))?;
    let column = array.as_struct().column(place).as_primitive::<T>();
    Ok((0..column.len())
        .map(|row| if column.is_null(row) { T::Native::default() } else { column.value(row) })
        .collect())
}

fn widen(offsets: &OffsetBuffer<i32>) -> OffsetBuffer<i64> {
    OffsetBuffer::new(offsets.iter().map(|offset| i64::from(*offset)).collect())
}

fn decimal<T: DecimalType>(
    array: std::result::Result<PrimitiveArray<T>, arrow_schema::ArrowError>,
) -> Result<ArrayRef> {
    array.map(|array| Arc::new(array) as ArrayRef).map_err(|error| unfit(error.to_string()))
}

fn decimals<T: Default>(
    plain: &StringArray,
    precision: u8,
    scale: i8,
    nulls: Option<&NullBuffer>,
    narrow: impl Fn(i256) -> Option<T>,
) -> Result<Vec<T>> {
    let values = (0..plain.len()).map(|row| {
        let text = plain.value(row);
        if text.is_empty() || nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(T::default());
        }
        parse_decimal(text, precision, scale).and_then(&narrow).ok_or_else(|| {
            let text: String = text.chars().take(80).collect();
            unfit(format!("{text:?} is no decimal of {precision} digits, {scale} of them after the point"))
        })
    });
    values.collect()
}

/// A decimal as it is encoded, without its point; `None` for any other text.
fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i256> {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (rest, ""),
    };
    let behind = usize::from(scale.max(0).unsigned_abs());
    let zeros = usize::from(scale.min(0).unsigned_abs());
    // No longer than a number of its type may be, so that a long text is refused before it is looked at.
    if whole.is_empty() || text.len() > usize::from(precision) + zeros + 4 || fraction.len() != behind {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits if zeros > 0 => {
            let (head, tail) = digits.split_at_checked(digits.len().checked_sub(zeros)?)?;
            tail.bytes().all(|digit| digit == b'0').then_some(head)?
        }
        digits => digits,
    };
    if digits.len() > usize::from(precision) {
        return None;
    }
    i256::from_string(&format!("{sign}{digits}"))
}

fn mismatch(array: &ArrayRef, data_type: &DataType) -> rosettar::Error {
    unfit(format!("a column of {} was planned to become {data_type}, which it cannot", array.data_type()))
}
