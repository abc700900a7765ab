//! Tables of every type.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{
    BooleanBuffer, IntervalDayTime, IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer, i256,
};
use arrow_schema::{DataType as D, Field, FieldRef, IntervalUnit, Metadata, Schema, TimeUnit, UnionFields, UnionMode};

use crate::encode::value::F16;

pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Numbers of every size, small ones and zeros often.
    fn number(&mut self) -> i64 {
        let bits = self.below(65) as u32;
        if bits == 0 { 0 } else { (self.next() >> (64 - bits)) as i64 }
    }

    fn text(&mut self) -> String {
        let len = if self.below(20) == 0 { 200 } else { self.below(6) };
        (0..len).map(|_| ['a', 'b', 'é', '0', '漢'][self.below(5)]).collect()
    }
}

fn item(data_type: D, nullable: bool) -> FieldRef {
    Arc::new(Field::new("item", data_type, nullable))
}

/// One of each type, and some that nest.
pub fn types() -> Vec<D> {
    let mut all = leaves();
    for nullable in [false, true] {
        for inner in [
            D::Int8,
            D::Utf8,
            D::Null,
            D::List(item(D::Int32, nullable)),
            D::Struct(vec![Field::new("x", D::UInt8, nullable)].into()),
            D::Struct(arrow_schema::Fields::empty()),
        ] {
            if inner == D::Null && !nullable {
                continue;
            }
            all.push(D::List(item(inner.clone(), nullable)));
            all.push(D::LargeList(item(inner.clone(), nullable)));
            all.push(D::ListView(item(inner.clone(), nullable)));
            all.push(D::LargeListView(item(inner.clone(), nullable)));
            all.push(D::FixedSizeList(item(inner.clone(), nullable), 3));
            all.push(D::Struct(
                vec![Field::new("a b", inner.clone(), nullable), Field::new("a_b", D::Float16, !nullable)].into(),
            ));
            for key in [D::Int16, D::Utf8, D::Float64] {
                all.push(map(key, inner.clone(), nullable));
            }
            for mode in [UnionMode::Dense, UnionMode::Sparse] {
                let fields = [Field::new("one", inner.clone(), nullable), Field::new("two", D::Date32, !nullable)];
                all.push(D::Union(UnionFields::try_new([3, 7], fields).unwrap(), mode));
            }
        }
    }
    for index in [D::Int8, D::UInt16, D::Int64] {
        all.push(D::Dictionary(Box::new(index), Box::new(D::LargeUtf8)));
    }
    for ends in [D::Int16, D::Int32, D::Int64] {
        let ends = Arc::new(Field::new("run_ends", ends, false));
        all.push(D::RunEndEncoded(ends, Arc::new(Field::new("values", D::Int16, true))));
    }
    all
}

fn map(key: D, value: D, nullable: bool) -> D {
    let fields = vec![Field::new("keys", key, false), Field::new("value", value, nullable)];
    D::Map(Arc::new(Field::new("entries", D::Struct(fields.into()), false)), false)
}

fn leaves() -> Vec<D> {
    use TimeUnit::*;
    let mut all = vec![
        D::Null,
        D::Boolean,
        D::Int8,
        D::Int16,
        D::Int32,
        D::Int64,
        D::UInt8,
        D::UInt16,
        D::UInt32,
        D::UInt64,
        D::Float16,
        D::Float32,
        D::Float64,
        D::Utf8,
        D::LargeUtf8,
        D::Utf8View,
        D::Binary,
        D::LargeBinary,
        D::BinaryView,
        D::Date32,
        D::Date64,
        D::Time32(Second),
        D::Time32(Millisecond),
        D::Time64(Microsecond),
        D::Time64(Nanosecond),
        D::Interval(IntervalUnit::YearMonth),
        D::Interval(IntervalUnit::DayTime),
        D::Interval(IntervalUnit::MonthDayNano),
        D::FixedSizeBinary(0),
        D::FixedSizeBinary(5),
        D::Decimal32(7, 2),
        D::Decimal64(18, 18),
        D::Decimal128(38, 10),
        D::Decimal128(20, -3),
        D::Decimal256(76, 5),
        D::Decimal128(9, 0),
    ];
    for unit in [Second, Millisecond, Microsecond, Nanosecond] {
        all.extend([D::Timestamp(unit, None), D::Timestamp(unit, Some("Europe/Berlin".into())), D::Duration(unit)]);
        all.push(D::Timestamp(unit, Some("UTC".into())));
    }
    all
}

/// A column of the type null holds nulls, and the members of a union may.
fn honest(field: Field) -> Field {
    let null = matches!(field.data_type(), D::Null | D::Union(..));
    let nullable = field.is_nullable() || null;
    field.with_nullable(nullable)
}

fn random_type(random: &mut Random, depth: usize) -> D {
    let leaves = leaves();
    if depth == 0 || random.below(3) > 0 {
        return leaves[random.below(leaves.len())].clone();
    }
    let field =
        |random: &mut Random, name: &str| honest(Field::new(name, random_type(random, depth - 1), random.flip()));
    match random.below(10) {
        0 => D::List(Arc::new(field(random, "item"))),
        1 => D::LargeList(Arc::new(field(random, "element"))),
        2 => D::ListView(Arc::new(field(random, "item"))),
        3 => D::FixedSizeList(Arc::new(field(random, "item")), random.below(4) as i32),
        4 | 5 => {
            let fields: Vec<_> = (0..random.below(4)).map(|n| field(random, ["x", "y z", "X", "größe"][n])).collect();
            D::Struct(fields.into())
        }
        6 => {
            let key = [D::Int16, D::Utf8, D::UInt64, D::Float32][random.below(4)].clone();
            let value = field(random, "v");
            map(key, value.data_type().clone(), value.is_nullable())
        }
        7 => {
            let fields: Vec<_> =
                (0..1 + random.below(3)).map(|n| field(random, ["value", "null_member", "c"][n])).collect();
            let mode = if random.flip() { UnionMode::Dense } else { UnionMode::Sparse };
            D::Union(UnionFields::try_new((0..fields.len() as i8).map(|n| n * 2), fields).unwrap(), mode)
        }
        8 => {
            let value = leaves[1 + random.below(leaves.len() - 1)].clone();
            D::Dictionary(Box::new(D::Int32), Box::new(value))
        }
        _ => {
            let value = leaves[1 + random.below(leaves.len() - 1)].clone();
            let ends = Arc::new(Field::new("run_ends", D::Int32, false));
            D::RunEndEncoded(ends, Arc::new(Field::new("values", value, true)))
        }
    }
}

pub fn batch(seed: u64) -> RecordBatch {
    let mut random = Random(seed);
    let names = ["a", "a", "b c", "", "A", "name", "_x", "1st"];
    let fields: Vec<FieldRef> = (0..random.below(6))
        .map(|_| {
            let name = names[random.below(names.len())];
            let mut field = honest(Field::new(name, random_type(&mut random, 3), random.flip()));
            if random.below(4) == 0 {
                field = field.with_metadata(Metadata::from([("ARROW:extension:name", "a.b"), ("k", "")]));
            }
            Arc::new(field)
        })
        .collect();
    let rows = random.below(30);
    batch_of(random.next(), fields, rows)
}

pub fn batch_of(seed: u64, fields: Vec<FieldRef>, rows: usize) -> RecordBatch {
    let mut random = Random(seed);
    let arrays = fields.iter().map(|field| array(&mut random, field, rows)).collect();
    let schema = Schema::new_with_metadata(fields, Metadata::from([("pandas", "{}")]));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options).unwrap()
}

fn nulls(random: &mut Random, field: &Field, len: usize) -> Option<NullBuffer> {
    field.is_nullable().then(|| (0..len).map(|_| random.below(3) > 0).collect())
}

fn lens(random: &mut Random, nulls: Option<&NullBuffer>, len: usize) -> Vec<usize> {
    (0..len).map(|row| if nulls.is_some_and(|nulls| nulls.is_null(row)) { 0 } else { random.below(4) }).collect()
}

fn primitive<T: ArrowPrimitiveType>(
    random: &mut Random,
    nulls: Option<NullBuffer>,
    len: usize,
    value: impl Fn(&mut Random) -> T::Native,
) -> ArrayRef {
    let values: Vec<_> = (0..len).map(|_| value(random)).collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

fn array(random: &mut Random, field: &Field, len: usize) -> ArrayRef {
    let valid = nulls(random, field, len);
    let r = random;
    // prost-reflect takes a minus zero for the default, and loses it where there is no presence.
    let zero = if field.is_nullable() { -0.0 } else { 0.0 };
    match field.data_type() {
        D::Null => Arc::new(NullArray::new(len)),
        D::Boolean => Arc::new(BooleanArray::new((0..len).map(|_| r.flip()).collect::<BooleanBuffer>(), valid)),
        D::Int8 => primitive::<Int8Type>(r, valid, len, |r| r.number() as i8),
        D::Int16 => primitive::<Int16Type>(r, valid, len, |r| r.number() as i16),
        D::Int32 => primitive::<Int32Type>(r, valid, len, |r| r.number() as i32),
        D::Int64 => primitive::<Int64Type>(r, valid, len, |r| r.number()),
        D::UInt8 => primitive::<UInt8Type>(r, valid, len, |r| r.number() as u8),
        D::UInt16 => primitive::<UInt16Type>(r, valid, len, |r| r.number() as u16),
        D::UInt32 => primitive::<UInt32Type>(r, valid, len, |r| r.number() as u32),
        D::UInt64 => primitive::<UInt64Type>(r, valid, len, |r| r.number() as u64),
        D::Float16 => primitive::<Float16Type>(r, valid, len, |r| {
            F16::from_f32([0.0, zero, 1.5, -7.25, f32::INFINITY][r.below(5)])
        }),
        D::Float32 => primitive::<Float32Type>(r, valid, len, |r| [0.0, zero, 0.1, f32::NAN, f32::MIN][r.below(5)]),
        D::Float64 => {
            primitive::<Float64Type>(r, valid, len, |r| [0.0, f64::from(zero), 0.1, f64::NAN, f64::MAX][r.below(5)])
        }
        D::Date32 => primitive::<Date32Type>(r, valid, len, |r| r.number() as i32),
        D::Date64 => primitive::<Date64Type>(r, valid, len, |r| r.number()),
        D::Time32(TimeUnit::Second) => primitive::<Time32SecondType>(r, valid, len, |r| r.number() as i32),
        D::Time32(_) => primitive::<Time32MillisecondType>(r, valid, len, |r| r.number() as i32),
        D::Time64(TimeUnit::Microsecond) => primitive::<Time64MicrosecondType>(r, valid, len, |r| r.number()),
        D::Time64(_) => primitive::<Time64NanosecondType>(r, valid, len, |r| r.number()),
        D::Interval(IntervalUnit::YearMonth) => {
            primitive::<IntervalYearMonthType>(r, valid, len, |r| r.number() as i32)
        }
        D::Interval(IntervalUnit::DayTime) => primitive::<IntervalDayTimeType>(r, valid, len, |r| {
            IntervalDayTime::new(r.number() as i32, r.number() as i32)
        }),
        D::Interval(IntervalUnit::MonthDayNano) => primitive::<IntervalMonthDayNanoType>(r, valid, len, |r| {
            IntervalMonthDayNano::new(r.number() as i32, r.number() as i32, r.number())
        }),
        D::Timestamp(unit, zone) => {
            let zone = zone.clone();
            let limit = 60_000_000_000_i64;
            match unit {
                TimeUnit::Second => {
                    let values = (0..len).map(|_| r.number() % limit).collect::<Vec<_>>();
                    Arc::new(TimestampSecondArray::new(values.into(), valid).with_timezone_opt(zone))
                }
                TimeUnit::Millisecond => {
                    let values = (0..len).map(|_| r.number() % (limit * 1_000)).collect::<Vec<_>>();
                    Arc::new(TimestampMillisecondArray::new(values.into(), valid).with_timezone_opt(zone))
                }
                TimeUnit::Microsecond => {
                    let values = (0..len).map(|_| r.number() % (limit * 1_000_000)).collect::<Vec<_>>();
                    Arc::new(TimestampMicrosecondArray::new(values.into(), valid).with_timezone_opt(zone))
                }
                TimeUnit::Nanosecond => {
                    let values = (0..len).map(|_| r.number()).collect::<Vec<_>>();
                    Arc::new(TimestampNanosecondArray::new(values.into(), valid).with_timezone_opt(zone))
                }
            }
        }
        D::Duration(unit) => {
            let limit = 300_000_000_000_i64;
            match unit {
                TimeUnit::Second => primitive::<DurationSecondType>(r, valid, len, |r| r.number() % limit),
                TimeUnit::Millisecond => {
                    primitive::<DurationMillisecondType>(r, valid, len, |r| r.number() % (limit * 1_000))
                }
                TimeUnit::Microsecond => {
                    primitive::<DurationMicrosecondType>(r, valid, len, |r| r.number() % (limit * 1_000_000))
                }
                TimeUnit::Nanosecond => primitive::<DurationNanosecondType>(r, valid, len, |r| r.number()),
            }
        }
        D::Decimal32(p, s) => {
            let values: Vec<_> = (0..len).map(|_| (r.number() % 10_i64.pow(u32::from(*p))) as i32).collect();
            Arc::new(Decimal32Array::new(values.into(), valid).with_precision_and_scale(*p, *s).unwrap())
        }
        D::Decimal64(p, s) => {
            let values: Vec<_> = (0..len).map(|_| r.number() % 10_i64.pow(u32::from(*p))).collect();
            Arc::new(Decimal64Array::new(values.into(), valid).with_precision_and_scale(*p, *s).unwrap())
        }
        D::Decimal128(p, s) => {
            let values: Vec<_> = (0..len)
                .map(|_| i128::from(r.number()) * i128::from(r.number()) % 10_i128.pow(u32::from(*p)))
                .collect();
            Arc::new(Decimal128Array::new(values.into(), valid).with_precision_and_scale(*p, *s).unwrap())
        }
        D::Decimal256(p, s) => {
            let values: Vec<_> =
                (0..len).map(|_| i256::from(r.number()).wrapping_mul(i256::from(r.number()))).collect();
            Arc::new(Decimal256Array::new(values.into(), valid).with_precision_and_scale(*p, *s).unwrap())
        }
        D::Utf8 => Arc::new(StringArray::from_iter_values((0..len).map(|_| r.text())).with_nulls(valid)),
        D::LargeUtf8 => Arc::new(LargeStringArray::from_iter_values((0..len).map(|_| r.text())).with_nulls(valid)),
        D::Utf8View => Arc::new(StringViewArray::from(
            &StringArray::from_iter_values((0..len).map(|_| r.text())).with_nulls(valid),
        )),
        D::Binary => Arc::new(BinaryArray::from_iter_values((0..len).map(|_| r.text())).with_nulls(valid)),
        D::LargeBinary => Arc::new(LargeBinaryArray::from_iter_values((0..len).map(|_| r.text())).with_nulls(valid)),
        D::BinaryView => Arc::new(BinaryViewArray::from(
            &BinaryArray::from_iter_values((0..len).map(|_| r.text())).with_nulls(valid),
        )),
        D::FixedSizeBinary(size) => {
            let bytes: Vec<u8> = (0..len * *size as usize).map(|_| r.number() as u8).collect();
            Arc::new(FixedSizeBinaryArray::try_new_with_len(*size, bytes.into(), valid, len).unwrap())
        }
        D::Struct(fields) => {
            let arrays = fields.iter().map(|field| array(r, field, len)).collect();
            Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, valid, len).unwrap())
        }
        D::List(item) => {
            let lens = lens(r, valid.as_ref(), len);
            let values = array(r, item, lens.iter().sum());
            Arc::new(ListArray::new(item.clone(), OffsetBuffer::from_lengths(lens), values, valid))
        }
        D::LargeList(item) => {
            let lens = lens(r, valid.as_ref(), len);
            let values = array(r, item, lens.iter().sum());
            Arc::new(LargeListArray::new(item.clone(), OffsetBuffer::from_lengths(lens), values, valid))
        }
        D::ListView(item) => {
            // Out of order, and overlapping.
            let values = array(r, item, 10);
            let sizes: Vec<i32> = (0..len).map(|_| r.below(4) as i32).collect();
            let offsets: Vec<i32> = (0..len).map(|_| r.below(6) as i32).collect();
            Arc::new(ListViewArray::new(item.clone(), offsets.into(), sizes.into(), values, valid))
        }
        D::LargeListView(item) => {
            let values = array(r, item, 10);
            let sizes: Vec<i64> = (0..len).map(|_| r.below(4) as i64).collect();
            let offsets: Vec<i64> = (0..len).map(|_| r.below(6) as i64).collect();
            Arc::new(LargeListViewArray::new(item.clone(), offsets.into(), sizes.into(), values, valid))
        }
        D::FixedSizeList(item, size) => {
            let values = array(r, item, len * *size as usize);
            Arc::new(FixedSizeListArray::try_new_with_length(item.clone(), *size, values, valid, len).unwrap())
        }
        D::Map(entries, sorted) => {
            let D::Struct(fields) = entries.data_type() else { panic!() };
            let lens = lens(r, valid.as_ref(), len);
            let total: usize = lens.iter().sum();
            let keys: ArrayRef = match fields[0].data_type() {
                D::Int16 => Arc::new(Int16Array::from_iter_values((0..total).map(|n| n as i16))),
                D::UInt64 => Arc::new(UInt64Array::from_iter_values((0..total).map(|n| n as u64))),
                D::Float32 => Arc::new(Float32Array::from_iter_values((0..total).map(|n| n as f32))),
                D::Float64 => Arc::new(Float64Array::from_iter_values((0..total).map(|n| n as f64))),
                _ => Arc::new(StringArray::from_iter_values((0..total).map(|n| format!("{n:05}")))),
            };
            let values = array(r, &fields[1], total);
            let pairs = StructArray::new(fields.clone(), vec![keys, values], None);
            Arc::new(MapArray::new(entries.clone(), OffsetBuffer::from_lengths(lens), pairs, valid, *sorted))
        }
        D::Union(fields, mode) => {
            let ids: Vec<i8> = fields.iter().map(|(id, _)| id).collect();
            let chosen: ScalarBuffer<i8> = (0..len).map(|_| ids[r.below(ids.len())]).collect();
            let children = fields.iter().map(|(_, field)| array(r, field, len)).collect();
            let offsets = (*mode == UnionMode::Dense).then(|| (0..len as i32).collect());
            Arc::new(UnionArray::try_new(fields.clone(), chosen, offsets, children).unwrap())
        }
        D::Dictionary(index, values) => {
            let values = array(r, &Field::new("v", values.as_ref().clone(), field.is_nullable()), 5);
            macro_rules! dictionary {
                ($t:ty) => {
                    Arc::new(DictionaryArray::<$t>::new(
                        PrimitiveArray::new((0..len).map(|_| r.below(5) as _).collect::<Vec<_>>().into(), valid),
                        values,
                    ))
                };
            }
            match **index {
                D::Int8 => dictionary!(Int8Type),
                D::UInt16 => dictionary!(UInt16Type),
                D::Int64 => dictionary!(Int64Type),
                _ => dictionary!(Int32Type),
            }
        }
        D::RunEndEncoded(ends, values) => {
            let runs = len.div_ceil(3);
            let values = array(r, &values.as_ref().clone().with_nullable(field.is_nullable()), runs);
            let all = (1..=runs).map(|n| (n * 3).min(len));
            let ends_array: ArrayRef = match ends.data_type() {
                D::Int16 => Arc::new(Int16Array::from_iter_values(all.map(|n| n as i16))),
                D::Int32 => Arc::new(Int32Array::from_iter_values(all.map(|n| n as i32))),
                _ => Arc::new(Int64Array::from_iter_values(all.map(|n| n as i64))),
            };
            let data = arrow_data::ArrayData::builder(field.data_type().clone()).len(len);
            make_array(data.add_child_data(ends_array.to_data()).add_child_data(values.to_data()).build().unwrap())
        }
    }
}

trait WithNulls {
    fn with_nulls(self, nulls: Option<NullBuffer>) -> Self;
}

impl<T: ByteArrayType> WithNulls for GenericByteArray<T> {
    fn with_nulls(self, nulls: Option<NullBuffer>) -> Self {
        let (offsets, values, _) = self.into_parts();
        Self::new(offsets, values, nulls)
    }
}

/// What stands for an array where two are compared: each value as text, nulls told.
pub fn comparable(array: &ArrayRef) -> Vec<String> {
    (0..array.len()).map(|row| text(array.as_ref(), row)).collect()
}

fn text(array: &dyn Array, row: usize) -> String {
    use arrow_array::cast::AsArray;
    let many = |values: ArrayRef| format!("[{}]", comparable(&values).join(", "));
    if array.is_null(row) {
        return "null".into();
    }
    match array.data_type() {
        D::Null => "null".into(),
        D::Dictionary(..) => {
            let array = array.as_any_dictionary();
            text(array.values().as_ref(), array.normalized_keys()[row])
        }
        D::RunEndEncoded(ends, _) => match ends.data_type() {
            D::Int16 => text(array.as_run::<Int16Type>().values(), array.as_run::<Int16Type>().get_physical_index(row)),
            D::Int32 => text(array.as_run::<Int32Type>().values(), array.as_run::<Int32Type>().get_physical_index(row)),
            _ => text(array.as_run::<Int64Type>().values(), array.as_run::<Int64Type>().get_physical_index(row)),
        },
        D::Struct(_) => {
            let columns = array.as_struct().columns();
            format!("{{{}}}", columns.iter().map(|column| text(column, row)).collect::<Vec<_>>().join(", "))
        }
        D::List(_) => many(array.as_list::<i32>().value(row)),
        D::LargeList(_) => many(array.as_list::<i64>().value(row)),
        D::ListView(_) => many(array.as_list_view::<i32>().value(row)),
        D::LargeListView(_) => many(array.as_list_view::<i64>().value(row)),
        D::FixedSizeList(..) => many(array.as_fixed_size_list().value(row)),
        D::Map(..) => many(Arc::new(array.as_map().value(row))),
        D::Union(..) => {
            let array = array.as_union();
            let id = array.type_id(row);
            format!("{id}:{}", text(array.child(id), array.value_offset(row)))
        }
        _ => leaf(array, row),
    }
}

/// The bytes of a value.
fn leaf(array: &dyn Array, row: usize) -> String {
    use arrow_array::cast::AsArray;
    match array.data_type() {
        D::Boolean => array.as_boolean().value(row).to_string(),
        D::Utf8 => array.as_string::<i32>().value(row).into(),
        D::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        D::Utf8View => array.as_string_view().value(row).into(),
        D::Binary => format!("{:?}", array.as_binary::<i32>().value(row)),
        D::LargeBinary => format!("{:?}", array.as_binary::<i64>().value(row)),
        D::BinaryView => format!("{:?}", array.as_binary_view().value(row)),
        D::FixedSizeBinary(_) => format!("{:?}", array.as_fixed_size_binary().value(row)),
        other => {
            let width = other.primitive_width().unwrap();
            let data = array.to_data();
            let at = (data.offset() + row) * width;
            format!("{:?}", &data.buffers()[0].as_slice()[at..at + width])
        }
    }
}
