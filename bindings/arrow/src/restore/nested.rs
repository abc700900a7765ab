//! Arrays of arrays.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::*;
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::transform::MutableArrayData;
use arrow_schema::{ArrowError, DataType, UnionMode};
use rosettar::error::Result;

use super::values::check_padding;
use super::{Form, Member, Want, unfit};

pub(super) fn arrow(error: ArrowError) -> rosettar::Error {
    unfit(error.to_string())
}

impl Member {
    fn build(&self, plain: &StructArray) -> Result<ArrayRef> {
        self.want.build_field(plain.column(self.place), self.field.is_nullable())
    }
}

pub(super) fn build_struct(members: &[Member], array: &ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let plain = array.as_struct();
    let arrays = members.iter().map(|member| member.build(plain)).collect::<Result<Vec<_>>>()?;
    let fields = members.iter().map(|member| member.field.clone()).collect();
    Ok(Arc::new(StructArray::try_new_with_length(fields, arrays, nulls, plain.len()).map_err(arrow)?))
}

pub(super) fn build_boxed(member: &Member, array: &ArrayRef) -> Result<ArrayRef> {
    let plain = array.as_struct();
    let inner = plain.column(member.place);
    member.want.build(inner, NullBuffer::union(member.want.nulls_of(inner).as_ref(), plain.nulls()))
}

pub(super) fn build_union(
    data_type: &DataType,
    members: &[Member],
    null_member: Option<usize>,
    array: &ArrayRef,
) -> Result<ArrayRef> {
    let DataType::Union(fields, mode) = data_type else {
        return Err(unfit("a union was planned to become something else"));
    };
    let ids: Vec<i8> = fields.iter().map(|(id, _)| id).collect();
    let len = array.len();
    let Some(plain) = array.as_struct_opt().filter(|_| !members.is_empty()) else {
        if len > 0 {
            return Err(unfit("a union without members has values"));
        }
        return Ok(new_empty_array(data_type));
    };
    // The member of each row, by its place: the one that is set, or that is said to be null, or the first.
    let mut chosen = vec![0_usize; len];
    if let Some(place) = null_member {
        let nulls = plain.column(place).as_primitive::<UInt32Type>();
        for row in (0..len).filter(|row| nulls.is_valid(*row)) {
            let number = nulls.value(row);
            let found = members.iter().position(|member| member.number == number && member.field.is_nullable());
            chosen[row] = match found.or_else(|| members.iter().position(|member| member.number == number)) {
                Some(place) => place,
                None => return Err(unfit(format!("member {number} of a union is null, but there is none"))),
            };
        }
    }
    for (at, member) in members.iter().enumerate() {
        let child = plain.column(member.place);
        let nulls = member.want.nulls_of(child);
        for row in (0..len).filter(|row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row))) {
            chosen[row] = at;
        }
    }
    let mut children = members.iter().map(|member| member.build(plain)).collect::<Result<Vec<_>>>()?;
    let mut offsets = None;
    if *mode == UnionMode::Dense {
        let mut rows = vec![Vec::new(); members.len()];
        let mut places = Vec::with_capacity(len);
        for (row, at) in chosen.iter().enumerate() {
            places.push(rows[*at].len() as i32);
            rows[*at].push(row);
        }
        children = children.iter().zip(rows).map(|(child, rows)| gather(child, &rows)).collect::<Result<_>>()?;
        offsets = Some(ScalarBuffer::from(places));
    }
    let type_ids: ScalarBuffer<i8> = chosen.iter().map(|at| ids[*at]).collect();
    Ok(Arc::new(UnionArray::try_new(fields.clone(), type_ids, offsets, children).map_err(arrow)?))
}

/// The elements of `array` at `rows`.
pub(super) fn gather(array: &ArrayRef, rows: &[usize]) -> Result<ArrayRef> {
    let data = array.to_data();
    let mut out = MutableArrayData::new(vec![&data], false, rows.len());
    for row in rows {
        out.try_extend(0, *row, *row + 1).map_err(arrow)?;
    }
    Ok(make_array(out.freeze()))
}

/// Lists as offsets from 0, and exactly the elements that they hold.
fn normalized(offsets: &OffsetBuffer<i32>, values: &ArrayRef) -> (Vec<i32>, ArrayRef) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let values = values.slice(first as usize, (last - first) as usize);
    (offsets.iter().map(|offset| offset - first).collect(), values)
}

pub(super) fn build_list(
    data_type: &DataType,
    item: &Want,
    nullable: bool,
    wrapped: Option<(usize, Option<usize>)>,
    array: &ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let (items, places) = match wrapped {
        Some((items, places)) => {
            let plain = array.as_struct();
            (plain.column(items).as_list::<i32>(), places.map(|place| plain.column(place).as_list::<i32>()))
        }
        None => (array.as_list::<i32>(), None),
    };
    let (mut offsets, mut values) = normalized(items.offsets(), items.values());
    let mut item_nulls = match places {
        Some(places) if nullable => null_items(&offsets, places)?,
        _ => None,
    };
    if let DataType::FixedSizeList(_, size) = data_type {
        let size = usize::try_from(*size).map_err(|_| unfit("a fixed size is negative"))?;
        (offsets, values, item_nulls) = padded(&offsets, values, item_nulls, size)?;
    }
    let item_nulls = match &item.form {
        // Told by the value itself; the element is there.
        Form::Boxed(_) => None,
        _ => item_nulls.filter(|_| nullable),
    };
    let values = item.build(&values, item_nulls)?;
    let len = items.len();
    let sizes = || offsets.windows(2).map(|pair| pair[1] - pair[0]);
    let wide = || offsets.iter().map(|offset| i64::from(*offset));
    Ok(match data_type {
        DataType::List(field) => {
            let offsets = OffsetBuffer::new(offsets.into());
            Arc::new(ListArray::try_new(field.clone(), offsets, values, nulls).map_err(arrow)?)
        }
        DataType::LargeList(field) => {
            let offsets = OffsetBuffer::new(wide().collect());
            Arc::new(LargeListArray::try_new(field.clone(), offsets, values, nulls).map_err(arrow)?)
        }
        DataType::ListView(field) => {
            let (starts, sizes) = (offsets[..len].to_vec().into(), sizes().collect());
            Arc::new(ListViewArray::try_new(field.clone(), starts, sizes, values, nulls).map_err(arrow)?)
        }
        DataType::LargeListView(field) => {
            let (starts, sizes) = (wide().take(len).collect(), sizes().map(i64::from).collect());
            Arc::new(LargeListViewArray::try_new(field.clone(), starts, sizes, values, nulls).map_err(arrow)?)
        }
        DataType::FixedSizeList(field, size) => {
            let array = FixedSizeListArray::try_new_with_length(field.clone(), *size, values, nulls, len);
            Arc::new(array.map_err(arrow)?)
        }
        other => return Err(unfit(format!("a list was planned to become {other}"))),
    })
}

/// Which elements are null, of lists with these offsets and these places in each.
fn null_items(offsets: &[i32], places: &ListArray) -> Result<Option<NullBuffer>> {
    let (starts, places) = normalized(places.offsets(), places.values());
    if places.is_empty() {
        return Ok(None);
    }
    let places = places.as_primitive::<UInt32Type>().values();
    let total = offsets.last().copied().unwrap_or_default() as usize;
    let mut valid = BooleanBufferBuilder::new(total);
    valid.append_n(total, true);
    for (list, own) in offsets.windows(2).zip(starts.windows(2)) {
        let len = (list[1] - list[0]) as u32;
        for place in &places[own[0] as usize..own[1] as usize] {
            if *place >= len {
                return Err(unfit(format!("element {place} of a list is said to be null, but the list has {len}")));
            }
            valid.set_bit(list[0] as usize + *place as usize, false);
        }
    }
    Ok(Some(NullBuffer::new(valid.finish())))
}

/// Lists of `size` elements each: those that are absent get as many defaults.
fn padded(
    offsets: &[i32],
    values: ArrayRef,
    nulls: Option<NullBuffer>,
    size: usize,
) -> Result<(Vec<i32>, ArrayRef, Option<NullBuffer>)> {
    let lens = || offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize);
    if let Some(len) = lens().find(|len| *len != size && *len != 0) {
        return Err(unfit(format!("a list has {len} elements, but the table's have {size}")));
    }
    let absent = lens().filter(|len| *len != size).count();
    if absent == 0 {
        return Ok((offsets.to_vec(), values, nulls));
    }
    check_padding(absent, size)?;
    let rows = offsets.len() - 1;
    if rows.checked_mul(size).is_none_or(|total| i32::try_from(total).is_err()) {
        return Err(unfit("lists of a fixed size have too many elements for one batch; read fewer rows in a batch"));
    }
    let data = values.to_data();
    let mut out = MutableArrayData::new(vec![&data], true, rows * size);
    let mut valid = BooleanBufferBuilder::new(rows * size);
    for pair in offsets.windows(2) {
        if pair[1] - pair[0] == 0 {
            out.try_extend_nulls(size).map_err(arrow)?;
            valid.append_n(size, false);
        } else {
            out.try_extend(0, pair[0] as usize, pair[1] as usize).map_err(arrow)?;
            (pair[0]..pair[1])
                .for_each(|at| valid.append(nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at as usize))));
        }
    }
    let offsets = (0..=rows).map(|row| (row * size) as i32).collect();
    Ok((offsets, make_array(out.freeze()), Some(NullBuffer::new(valid.finish()))))
}

pub(super) fn build_map(
    data_type: &DataType,
    key: &Member,
    value: &Member,
    wrapped: Option<usize>,
    array: &ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let DataType::Map(field, sorted) = data_type else {
        return Err(unfit("a map was planned to become something else"));
    };
    let plain = match wrapped {
        Some(place) => array.as_struct().column(place),
        None => array,
    };
    let (offsets, entries) = match plain.as_map_opt() {
        Some(map) => normalized(map.offsets(), &(Arc::new(map.entries().clone()) as ArrayRef)),
        None => normalized(plain.as_list::<i32>().offsets(), plain.as_list::<i32>().values()),
    };
    let entries = entries.as_struct();
    let arrays = vec![key.build(entries)?, value.build(entries)?];
    let fields = vec![key.field.clone(), value.field.clone()].into();
    let entries = StructArray::try_new(fields, arrays, None).map_err(arrow)?;
    let offsets = OffsetBuffer::new(offsets.into());
    Ok(Arc::new(MapArray::try_new(field.clone(), offsets, entries, nulls, *sorted).map_err(arrow)?))
}
