//! Single values: from the elements of arrays to what follows a tag.

use arrow_array::types::{ArrowPrimitiveType, Float16Type};
use arrow_array::{
    BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray, LargeStringArray, StringArray,
    StringViewArray,
};
use arrow_buffer::{BooleanBuffer, IntervalDayTime, IntervalMonthDayNano, i256};
use arrow_schema::TimeUnit;

use super::put_varint;
use crate::table::shape::Leaf;

/// A number of 16 bits.
pub(crate) type F16 = <Float16Type as ArrowPrimitiveType>::Native;

/// The elements of an array of scalars, and the one way they are encoded.
pub(super) enum Scalar<'a> {
    Null,
    Bool(&'a BooleanBuffer),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Uint8(&'a [u8]),
    Uint16(&'a [u16]),
    Uint32(&'a [u32]),
    Uint64(&'a [u64]),
    Float16(&'a [F16]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedSizeBinary(&'a FixedSizeBinaryArray),
    Timestamp(&'a [i64], TimeUnit),
    Duration(&'a [i64], TimeUnit),
    DayTime(&'a [IntervalDayTime]),
    MonthDayNano(&'a [IntervalMonthDayNano]),
    Decimal32(&'a [i32], u8, i8),
    Decimal64(&'a [i64], u8, i8),
    Decimal128(&'a [i128], u8, i8),
    Decimal256(&'a [i256], u8, i8),
}

/// The seconds that `google.protobuf.Timestamp` may have: the years 1 to 9999.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// The seconds that `google.protobuf.Duration` may have, either way: 10 000 years.
const DURATIONS: std::ops::RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;

impl Scalar<'_> {
    /// Whether the element is the default of its protobuf type.
    #[inline]
    pub fn is_default(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(values) => !values.value(row),
            Self::Int8(values) => values[row] == 0,
            Self::Int16(values) => values[row] == 0,
            Self::Int32(values) => values[row] == 0,
            Self::Int64(values) => values[row] == 0,
            Self::Uint8(values) => values[row] == 0,
            Self::Uint16(values) => values[row] == 0,
            Self::Uint32(values) => values[row] == 0,
            Self::Uint64(values) => values[row] == 0,
            // By the bits: minus zero is not the default.
            Self::Float16(values) => values[row].to_bits() == 0,
            Self::Float32(values) => values[row].to_bits() == 0,
            Self::Float64(values) => values[row].to_bits() == 0,
            Self::Utf8(values) => values.value_length(row) == 0,
            Self::LargeUtf8(values) => values.value_length(row) == 0,
            Self::Utf8View(values) => values.value(row).is_empty(),
            Self::Binary(values) => values.value_length(row) == 0,
            Self::LargeBinary(values) => values.value_length(row) == 0,
            Self::BinaryView(values) => values.value(row).is_empty(),
            Self::FixedSizeBinary(values) => values.value_size() == 0,
            // Messages tell whether they are there, and a decimal has at least one digit.
            _ => false,
        }
    }

    /// Appends what follows the tag.
    ///
    /// # Errors
    /// What is wrong with the value.
    #[inline]
    pub fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Null => out.push(0),
            Self::Bool(values) => out.push(u8::from(values.value(row))),
            // Negative numbers are extended to 64 bits, as protobuf wants it.
            Self::Int8(values) => put_varint(i64::from(values[row]) as u64, out),
            Self::Int16(values) => put_varint(i64::from(values[row]) as u64, out),
            Self::Int32(values) => put_varint(i64::from(values[row]) as u64, out),
            Self::Int64(values) => put_varint(values[row] as u64, out),
            Self::Uint8(values) => put_varint(u64::from(values[row]), out),
            Self::Uint16(values) => put_varint(u64::from(values[row]), out),
            Self::Uint32(values) => put_varint(u64::from(values[row]), out),
            Self::Uint64(values) => put_varint(values[row], out),
            Self::Float16(values) => out.extend_from_slice(&values[row].to_f32().to_le_bytes()),
            Self::Float32(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Float64(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Utf8(values) => put_bytes(values.value(row).as_bytes(), out),
            Self::LargeUtf8(values) => put_bytes(values.value(row).as_bytes(), out),
            Self::Utf8View(values) => put_bytes(values.value(row).as_bytes(), out),
            Self::Binary(values) => put_bytes(values.value(row), out),
            Self::LargeBinary(values) => put_bytes(values.value(row), out),
            Self::BinaryView(values) => put_bytes(values.value(row), out),
            Self::FixedSizeBinary(values) => put_bytes(values.value(row), out),
            Self::Timestamp(values, unit) => {
                let per_second = per_second(*unit);
                let (seconds, rest) = (values[row].div_euclid(per_second), values[row].rem_euclid(per_second));
                if !TIMESTAMPS.contains(&seconds) {
                    return Err(format!("is {seconds} seconds from 1970; a record holds times of the years 1 to 9999"));
                }
                put_pair(seconds, rest * (1_000_000_000 / per_second), out);
            }
            Self::Duration(values, unit) => {
                let per_second = per_second(*unit);
                let (seconds, rest) = (values[row] / per_second, values[row] % per_second);
                if !DURATIONS.contains(&seconds) {
                    return Err(format!("is {seconds} seconds; a record holds durations of up to 10000 years"));
                }
                put_pair(seconds, rest * (1_000_000_000 / per_second), out);
            }
            Self::DayTime(values) => {
                put_pair(values[row].days.into(), values[row].milliseconds.into(), out);
            }
            Self::MonthDayNano(values) => {
                let value = values[row];
                put_numbers(&[value.months.into(), value.days.into(), value.nanoseconds], out);
            }
            Self::Decimal32(values, precision, scale) => put_decimal(values[row], *precision, *scale, out)?,
            Self::Decimal64(values, precision, scale) => put_decimal(values[row], *precision, *scale, out)?,
            Self::Decimal128(values, precision, scale) => put_decimal(values[row], *precision, *scale, out)?,
            Self::Decimal256(values, precision, scale) => put_decimal(values[row], *precision, *scale, out)?,
        }
        Ok(())
    }

    /// Appends the default of the protobuf type.
    pub fn put_default(&self, out: &mut Vec<u8>) {
        match self {
            Self::Float16(_) | Self::Float32(_) => out.extend_from_slice(&[0; 4]),
            Self::Float64(_) => out.extend_from_slice(&[0; 8]),
            _ => out.push(0),
        }
    }
}

/// The wire type of a leaf.
pub(super) fn wire_type(leaf: Leaf) -> u8 {
    match leaf {
        Leaf::Bool | Leaf::Int32 | Leaf::Int64 | Leaf::Uint32 | Leaf::Uint64 => super::VARINT,
        Leaf::Float => 5,
        Leaf::Double => 1,
        _ => super::DELIMITED,
    }
}

/// How many of a unit a second has.
pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

#[inline]
fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_pair(first: i64, second: i64, out: &mut Vec<u8>) {
    put_numbers(&[first, second], out);
}

/// Appends a message whose fields from 1 on are these numbers; it is shorter than 128 bytes.
fn put_numbers(numbers: &[i64], out: &mut Vec<u8>) {
    let start = out.len();
    out.push(0);
    for (position, number) in numbers.iter().enumerate() {
        if *number != 0 {
            out.push((position as u8 + 1) << 3);
            put_varint(*number as u64, out);
        }
    }
    out[start] = (out.len() - start - 1) as u8;
}

/// Appends a decimal as text: its digits, as many of them behind the point as the scale says.
fn put_decimal(value: impl ToString, precision: u8, scale: i8, out: &mut Vec<u8>) -> Result<(), String> {
    let text = value.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", &text[..]),
    };
    if digits.len() > usize::from(precision) {
        return Err(format!("has {} digits, but its type allows {precision}", digits.len()));
    }
    let behind = usize::from(scale.max(0).unsigned_abs());
    let zeros = if digits == "0" { 0 } else { usize::from(scale.min(0).unsigned_abs()) };
    let digits = format!("{digits:0>width$}{:0<zeros$}", "", width = behind + 1);
    let (whole, fraction) = digits.split_at(digits.len() - behind);
    let point = if behind > 0 { "." } else { "" };
    put_bytes(format!("{sign}{whole}{point}{fraction}").as_bytes(), out);
    Ok(())
}
