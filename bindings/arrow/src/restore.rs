//! Tables as they were: from columns as the plain mapping has them to the Arrow types that a derived type keeps.
//!
//! What the options say is not trusted. It is planned against the plain columns first ([`Want`]); a column for which that
//! does not work out, or of which too little was selected, stays as it is. Then arrays are rebuilt with checks of every value.

mod nested;
mod places;
#[cfg(test)]
mod tests;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit, UnionFields};
use prost_reflect::{FieldDescriptor, MessageDescriptor};
use rosettar::error::{Error, Result, code};

use crate::derive::kept;
use crate::table::levels::{self, Levels};
use crate::table::shape::{self, Column, ENTRIES, ITEMS, Leaf, List, Map, NULLS, Node, Path};

/// Rebuilds the batches of a table.
#[derive(Debug)]
pub(crate) struct Restore {
    schema: SchemaRef,
    /// For each column; `None` where it stays as it is.
    wants: Vec<Option<Want>>,
}

impl Restore {
    /// What to do with columns of the schema `plain`, which the plain mapping gives records of the type `message`, or a
    /// selection of them; `None` where the type was not derived from a table. Where `any_null`, a row of nulls may stand
    /// for a record, and every column keeps its nulls.
    pub fn of(message: &MessageDescriptor, plain: &Schema, any_null: bool) -> Option<Self> {
        let metadata = kept::read_table(message)?;
        let columns = columns_of(message);
        let mut wants = Vec::with_capacity(plain.fields().len());
        let mut fields = Vec::with_capacity(plain.fields().len());
        for field in plain.fields() {
            let column = number_of(field).and_then(|number| columns.iter().find(|column| column.number == number));
            let want = column
                .and_then(|column| Some((column, Want::of_field(&column.field, &column.node, field.data_type())?)));
            match want {
                Some((column, want)) => {
                    let nullable = column.field.is_nullable() || any_null;
                    fields.push(Arc::new(want.field(&column.field).with_nullable(nullable)));
                    wants.push(Some(want));
                }
                None => {
                    fields.push(Arc::clone(field));
                    wants.push(None);
                }
            }
        }
        Some(Self { schema: Arc::new(Schema::new_with_metadata(Fields::from(fields), metadata)), wants })
    }

    /// The schema of the batches that come out.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rebuilds a batch of the plain schema.
    ///
    /// # Errors
    /// `record.value` where a value does not fit the type that the table has, with the column's name.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.wants.iter().zip(self.schema.fields()).zip(batch.columns());
        let arrays = columns.map(|((want, field), array)| match want {
            Some(want) => want.build_field(array, field.is_nullable()).map_err(|error| error.about(field.name())),
            None => Ok(Arc::clone(array)),
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| unfit(error.to_string()))
    }
}

/// The units of the timestamps and durations of the derived type `message`, by the full name of the protobuf field: what
/// does not fit into 64 bits of nanoseconds may fit into those of the column.
pub(crate) fn time_units(message: &MessageDescriptor) -> HashMap<String, TimeUnit> {
    let mut units = HashMap::new();
    if kept::read_table(message).is_some() {
        for column in columns_of(message) {
            if let Some(field) = message.get_field(column.number) {
                units_of(column.field.data_type(), &column.node, &field, &mut units);
            }
        }
    }
    units
}

/// The fields of the derived type `message`, by the names that their columns had.
pub(crate) fn names(message: &MessageDescriptor) -> HashMap<String, String> {
    if kept::read_table(message).is_none() {
        return HashMap::new();
    }
    let named = columns_of(message).into_iter();
    named
        .filter_map(|column| {
            let field = message.get_field(column.number)?;
            Some((column.field.name().clone(), field.name().to_owned()))
        })
        .collect()
}

fn units_of(data_type: &DataType, node: &Node, field: &FieldDescriptor, units: &mut HashMap<String, TimeUnit>) {
    let kind = field.kind();
    let inner = |number| kind.as_message().and_then(|message| message.get_field(number));
    match (node, shape::peel(data_type)) {
        (Node::Leaf(_), DataType::Timestamp(unit, _) | DataType::Duration(unit)) => {
            units.insert(field.full_name().to_owned(), *unit);
        }
        (Node::Struct(columns) | Node::Union(columns, _), _) => {
            for column in columns {
                if let Some(field) = inner(column.number) {
                    units_of(column.field.data_type(), &column.node, &field, units);
                }
            }
        }
        (Node::List(list), _) => {
            let items = if list.wrapped { inner(ITEMS) } else { Some(field.clone()) };
            if let Some(items) = items {
                units_of(list.item_field.data_type(), &list.item, &items, units);
            }
        }
        (Node::Map(map), _) => {
            let entries = if map.wrapped { inner(ENTRIES) } else { Some(field.clone()) };
            let Some(entry) = entries.and_then(|entries| entries.kind().as_message().cloned()) else {
                return;
            };
            for column in &map.entry {
                if let Some(field) = entry.get_field(column.number) {
                    units_of(column.field.data_type(), &column.node, &field, units);
                }
            }
        }
        (Node::Boxed(column), _) => {
            if let Some(field) = inner(column.number) {
                units_of(column.field.data_type(), &column.node, &field, units);
            }
        }
        _ => {}
    }
}

/// The columns of a derived type, but those whose options make no sense.
fn columns_of(message: &MessageDescriptor) -> Vec<Column> {
    let mut reader = kept::Reader::new();
    let fields = kept::ordered(message);
    let columns = fields.iter().filter_map(|descriptor| {
        let field = Arc::new(reader.field(descriptor, 1)?);
        let column = shape::columns([&field], &Path::ROOT).ok()?.pop()?;
        Some(Column { number: descriptor.number(), ..column })
    });
    columns.collect()
}

/// The number that the plain mapping states of a column.
fn number_of(field: &Field) -> Option<u32> {
    field.metadata().get("rosettar.number")?.parse().ok()
}

/// A value that does not fit the table.
fn unfit(message: impl Into<String>) -> Error {
    let message = message.into();
    Error::new(
        code::RECORD_VALUE,
        format!("{message}; the column can be read as it is without restoring the table's types"),
    )
}

/// What an array is to become.
#[derive(Debug)]
struct Want {
    data_type: DataType,
    form: Form,
}

/// How it becomes that.
#[derive(Debug)]
enum Form {
    Leaf(Leaf),
    Struct(Vec<Member>),
    /// A struct without fields: true where it is.
    Empty,
    Union(Vec<Member>, Option<usize>),
    /// Of a list's message: the places of the elements and of the nulls.
    List {
        item: Box<Want>,
        nullable: bool,
        wrapped: Option<(usize, Option<usize>)>,
    },
    Map {
        key: Member,
        value: Member,
        wrapped: Option<usize>,
    },
    Boxed(Member),
    /// Of these values; of an ordered dictionary also all of them in order.
    Dictionary(Box<Want>, Option<Levels>),
    Runs(Box<Want>),
}

/// A field of a struct and the like.
#[derive(Debug)]
struct Member {
    number: u32,
    /// Its place among the plain fields.
    place: usize,
    field: FieldRef,
    want: Box<Want>,
}

impl Want {
    /// As [`of`](Self::of), of what `field` is.
    fn of_field(field: &Field, node: &Node, plain: &DataType) -> Option<Self> {
        let mut want = Self::of(field.data_type(), node, plain)?;
        if field.dict_is_ordered() == Some(true)
            && let Form::Dictionary(values, levels) = &mut want.form
        {
            *levels = Levels::of(field, &values.data_type);
        }
        Some(want)
    }

    /// What becomes of an array of the type `plain`, that `node` is read as; `None` where the two do not fit.
    fn of(data_type: &DataType, node: &Node, plain: &DataType) -> Option<Self> {
        // The message is around the value, whatever that is.
        if let Node::Boxed(column) = node {
            let member = member(column, plain)?;
            return Some(Self { data_type: member.want.data_type.clone(), form: Form::Boxed(member) });
        }
        match data_type {
            DataType::Dictionary(index, values) => {
                let values = Self::of(values, node, plain)?;
                let data_type = DataType::Dictionary(index.clone(), Box::new(values.data_type.clone()));
                return Some(Self { data_type, form: Form::Dictionary(Box::new(values), None) });
            }
            DataType::RunEndEncoded(ends, values) => {
                let want = Self::of_field(values, node, plain)?;
                let data_type = DataType::RunEndEncoded(ends.clone(), Arc::new(want.field(values)));
                return Some(Self { data_type, form: Form::Runs(Box::new(want)) });
            }
            _ => {}
        }
        match node {
            Node::Leaf(leaf) => {
                fits(*leaf, plain).then(|| Self { data_type: data_type.clone(), form: Form::Leaf(*leaf) })
            }
            Node::Struct(columns) if columns.is_empty() => {
                let form = Form::Empty;
                (*plain == DataType::Boolean).then(|| Self { data_type: data_type.clone(), form })
            }
            Node::Struct(columns) => {
                let members = members(columns, plain)?;
                let fields: Fields = members.iter().map(|member| member.field.clone()).collect();
                Some(Self { data_type: DataType::Struct(fields), form: Form::Struct(members) })
            }
            Node::Union(columns, null_member) => Self::union(data_type, columns, *null_member, plain),
            Node::List(list) => Self::list(data_type, list, plain),
            Node::Map(map) => Self::map(data_type, map, plain),
            Node::Boxed(_) => None,
        }
    }

    fn union(data_type: &DataType, columns: &[Column], null_member: Option<u32>, plain: &DataType) -> Option<Self> {
        let DataType::Union(fields, mode) = data_type else {
            return None;
        };
        // Without members there is nothing it could be but empty.
        let members: Vec<_> = columns.iter().map(|column| member(column, plain)).collect::<Option<_>>()?;
        let null_member = match null_member {
            Some(number) => Some(place_of(plain, number).filter(|(_, found)| *found == &DataType::UInt32)?.0),
            None => None,
        };
        let ids = fields.iter().map(|(id, _)| id);
        let fields = UnionFields::try_new(ids, members.iter().map(|member| member.field.clone())).ok()?;
        Some(Self { data_type: DataType::Union(fields, *mode), form: Form::Union(members, null_member) })
    }

    fn list(data_type: &DataType, list: &List, plain: &DataType) -> Option<Self> {
        let nullable = list.item_field.is_nullable();
        let (wrapped, items) = if list.wrapped {
            let (place, items) = place_of(plain, ITEMS)?;
            let nulls = match nullable {
                true => {
                    let (place, nulls) = place_of(plain, NULLS)?;
                    matches!(nulls, DataType::List(item) if item.data_type() == &DataType::UInt32).then_some(())?;
                    Some(place)
                }
                false => None,
            };
            (Some((place, nulls)), items)
        } else {
            (None, plain)
        };
        let DataType::List(plain_item) = items else {
            return None;
        };
        let item = Box::new(Self::of_field(&list.item_field, &list.item, plain_item.data_type())?);
        let field = Arc::new(item.field(&list.item_field));
        let data_type = match data_type {
            DataType::List(_) => DataType::List(field),
            DataType::LargeList(_) => DataType::LargeList(field),
            DataType::ListView(_) => DataType::ListView(field),
            DataType::LargeListView(_) => DataType::LargeListView(field),
            DataType::FixedSizeList(_, size) => DataType::FixedSizeList(field, *size),
            _ => return None,
        };
        Some(Self { data_type, form: Form::List { item, nullable, wrapped } })
    }

    fn map(data_type: &DataType, map: &Map, plain: &DataType) -> Option<Self> {
        let DataType::Map(entries, sorted) = data_type else {
            return None;
        };
        let (wrapped, plain) = if map.wrapped {
            let (place, plain) = place_of(plain, ENTRIES)?;
            (Some(place), plain)
        } else {
            (None, plain)
        };
        let [key, value] = &map.entry;
        let (key, value) = match (map.natural, plain) {
            (true, DataType::Map(plain, _)) => {
                let DataType::Struct(plain) = plain.data_type() else {
                    return None;
                };
                let [plain_key, plain_value] = &plain[..] else {
                    return None;
                };
                (placed(key, 0, plain_key.data_type())?, placed(value, 1, plain_value.data_type())?)
            }
            (false, DataType::List(plain)) => (member(key, plain.data_type())?, member(value, plain.data_type())?),
            _ => return None,
        };
        let fields = DataType::Struct(vec![key.field.clone(), value.field.clone()].into());
        let entries = Arc::new(entries.as_ref().clone().with_data_type(fields));
        Some(Self { data_type: DataType::Map(entries, *sorted), form: Form::Map { key, value, wrapped } })
    }

    /// `field` with the type that comes out.
    fn field(&self, field: &Field) -> Field {
        let field = levels::strip(field.clone()).with_data_type(self.data_type.clone());
        match &self.form {
            // An order that is not known is none.
            Form::Dictionary(_, levels) => field.with_dict_is_ordered(levels.is_some()),
            _ => field,
        }
    }

    /// Rebuilds an array of a field that keeps its nulls, or in which a value that is absent is a default.
    fn build_field(&self, array: &ArrayRef, nullable: bool) -> Result<ArrayRef> {
        let nulls = if nullable { self.nulls_of(array) } else { None };
        self.build(array, nulls)
    }

    /// Where an array has values.
    fn nulls_of(&self, array: &ArrayRef) -> Option<NullBuffer> {
        use arrow_array::cast::AsArray;
        match &self.form {
            Form::Empty => {
                let set = array.as_boolean_opt().map(|array| NullBuffer::new(array.values().clone()));
                NullBuffer::union(set.as_ref(), array.nulls())
            }
            Form::Dictionary(values, _) | Form::Runs(values) => values.nulls_of(array),
            _ => array.nulls().cloned(),
        }
    }

    fn build(&self, array: &ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        match &self.form {
            Form::Leaf(leaf) => values::build(*leaf, &self.data_type, array, nulls),
            Form::Struct(members) => nested::build_struct(members, array, nulls),
            Form::Empty => Ok(Arc::new(arrow_array::StructArray::new_empty_fields(array.len(), nulls))),
            Form::Union(members, null_member) => nested::build_union(&self.data_type, members, *null_member, array),
            Form::List { item, nullable, wrapped } => {
                nested::build_list(&self.data_type, item, *nullable, *wrapped, array, nulls)
            }
            Form::Map { key, value, wrapped } => nested::build_map(&self.data_type, key, value, *wrapped, array, nulls),
            Form::Boxed(member) => nested::build_boxed(member, array),
            Form::Dictionary(values, levels) => {
                places::build_dictionary(&self.data_type, values.build(array, nulls)?, levels.as_ref())
            }
            Form::Runs(values) => places::build_runs(&self.data_type, values.build(array, nulls)?),
        }
    }
}

/// The plain field of this number, and its place.
fn place_of(plain: &DataType, number: u32) -> Option<(usize, &DataType)> {
    let DataType::Struct(fields) = plain else {
        return None;
    };
    let place = fields.iter().position(|field| number_of(field) == Some(number))?;
    Some((place, fields[place].data_type()))
}

fn placed(column: &Column, place: usize, plain: &DataType) -> Option<Member> {
    let want = Box::new(Want::of_field(&column.field, &column.node, plain)?);
    let field = Arc::new(want.field(&column.field));
    Some(Member { number: column.number, place, field, want })
}

fn member(column: &Column, plain: &DataType) -> Option<Member> {
    let (place, plain) = place_of(plain, column.number)?;
    placed(column, place, plain)
}

/// The members that were selected, in the order in which they come.
fn members(columns: &[Column], plain: &DataType) -> Option<Vec<Member>> {
    let DataType::Struct(fields) = plain else {
        return None;
    };
    let members = fields.iter().enumerate().map(|(place, field)| {
        let number = number_of(field)?;
        placed(columns.iter().find(|column| column.number == number)?, place, field.data_type())
    });
    members.collect()
}

/// Whether the plain mapping reads `leaf` as `plain`.
fn fits(leaf: Leaf, plain: &DataType) -> bool {
    let field_is = |number, data_type| place_of(plain, number).is_some_and(|(_, found)| *found == data_type);
    match leaf {
        Leaf::Bool => *plain == DataType::Boolean,
        Leaf::Int32 => *plain == DataType::Int32,
        Leaf::Int64 => *plain == DataType::Int64,
        Leaf::Uint32 => *plain == DataType::UInt32,
        Leaf::Uint64 => *plain == DataType::UInt64,
        Leaf::Float => *plain == DataType::Float32,
        Leaf::Double => *plain == DataType::Float64,
        Leaf::String => *plain == DataType::Utf8,
        Leaf::Bytes => *plain == DataType::Binary,
        Leaf::Timestamp => matches!(plain, DataType::Timestamp(..)),
        Leaf::Duration => matches!(plain, DataType::Duration(_)),
        Leaf::DayTime => field_is(1, DataType::Int32) && field_is(2, DataType::Int32),
        Leaf::MonthDayNano => {
            field_is(1, DataType::Int32) && field_is(2, DataType::Int32) && field_is(3, DataType::Int64)
        }
    }
}
