//! From a message type to columns: which fields are decoded, into what, and the Arrow schema they make.
//!
//! Nothing is allocated for a column before it was counted, so that a schema that unfolds without bounds costs no more
//! than one that unfolds to the bound.

mod fields;
mod lookup;
mod select;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::StringArray;
use arrow_schema::{FieldRef, Schema, SchemaRef};
use prost_reflect::{EnumDescriptor, MessageDescriptor, Syntax};
use rosettar::error::{Error, code};

use crate::options::{ArrowOptions, OnError};
use crate::restore::{self, Restore};
pub(crate) use lookup::Found;
use lookup::Lookup;
use select::Selected;

/// The most columns of one schema, those inside of structs, lists and maps counted.
pub(crate) const MAX_COLUMNS: usize = 16_384;

/// How deep Arrow types may stand inside one another: readers of Arrow's C interface give up at 64.
const MAX_ARROW_DEPTH: usize = 48;

/// What is decoded and how.
pub(crate) struct Plan {
    pub(crate) root: MessagePlan,
    pub(crate) table: TablePlan,
    /// The schema that the mapping gives.
    pub(crate) plain: SchemaRef,
    /// The schema of the batches that come out.
    pub(crate) schema: SchemaRef,
    /// Bytes that default values point to.
    pub(crate) constants: Vec<u8>,
    /// What makes the columns again what they were in the table that the records come from.
    pub(crate) restore: Option<Restore>,
}

/// A message whose fields are columns of one table.
pub(crate) struct MessagePlan {
    pub(crate) fields: Vec<FieldPlan>,
    lookup: Lookup,
    /// The columns that hold which member of each oneof is set.
    pub(crate) oneofs: Vec<usize>,
}

impl MessagePlan {
    /// The plan of a message of which nothing is known.
    pub(crate) fn without_fields() -> Self {
        Self { fields: Vec::new(), lookup: Lookup::new(&[]), oneofs: Vec::new() }
    }

    /// What the field with this number is.
    #[inline(always)]
    pub(crate) fn find(&self, number: u32) -> Found {
        self.lookup.find(number)
    }
}

/// A field that is decoded.
pub(crate) struct FieldPlan {
    pub(crate) name: String,
    /// Number and wire type.
    pub(crate) key: u32,
    /// The key of its packed form; 0, which is no key, where it has none.
    pub(crate) packed_key: u32,
    pub(crate) shape: Shape,
    pub(crate) kind: Kind,
    /// The column in the table of its message. Of a message that is no list it holds only whether it is there.
    pub(crate) column: usize,
    /// The column with the state of its oneof, and what it is there when this member is set.
    pub(crate) oneof: Option<(usize, u32)>,
    pub(crate) arrow: FieldRef,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Singular,
    Repeated,
    Map,
}

/// What a value is on the wire and in its column.
pub(crate) enum Kind {
    Bool,
    Int32,
    Sint32,
    Uint32,
    Int64,
    Sint64,
    Uint64,
    Fixed32,
    Sfixed32,
    Fixed64,
    Sfixed64,
    Float,
    Double,
    String,
    Bytes,
    Enum(Arc<EnumPlan>),
    /// A struct. Of a map entry, key and value.
    Message(Box<MessagePlan>),
    /// A message without fields: whether it is there.
    Empty,
    /// `google.protobuf.Timestamp` or `Duration`, in units of which this many make a second.
    Time(i64),
    /// One of the wrappers of scalars, with the key of its field.
    Wrapper(Box<Kind>, u32),
    /// `google.protobuf.FieldMask`.
    Paths,
    /// As protobuf JSON.
    Json(MessageDescriptor),
    /// As it is serialized.
    Raw,
}

/// The columns of a table.
#[derive(Default)]
pub(crate) struct TablePlan {
    pub(crate) columns: Vec<ColumnPlan>,
}

/// One column of a table: what a row has before anything is decoded into it.
pub(crate) struct ColumnPlan {
    pub(crate) store: Store,
    pub(crate) nullable: bool,
}

pub(crate) enum Store {
    Bool(bool),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    /// A place in the source or, with the default, in the plan's constants.
    Slot(crate::columns::Slot),
    Time,
    /// JSON, which is this before anything came.
    Json(crate::columns::Slot),
    /// Nothing but whether it is there.
    Mark,
    List(TablePlan),
}

/// The values of an enum.
pub(crate) struct EnumPlan {
    /// Whether an unknown number is an unknown field.
    pub(crate) closed: bool,
    /// Where names are wanted: one for each number.
    pub(crate) names: Option<StringArray>,
    /// The place of each number's name.
    index: HashMap<i32, i32>,
    /// The same for small numbers, from 0.
    dense: Vec<i32>,
}

/// The largest number that is looked up by indexing.
const DENSE: usize = 1024;

impl EnumPlan {
    fn new(descriptor: &EnumDescriptor, names: bool) -> Self {
        let mut index = HashMap::new();
        let mut values = Vec::new();
        // In the order of the declaration: of several names for a number, the first is the one to show.
        for value in &descriptor.enum_descriptor_proto().value {
            index.entry(value.number()).or_insert_with(|| {
                values.push(value.name().to_owned());
                values.len() as i32 - 1
            });
        }
        let most = index.keys().filter_map(|n| usize::try_from(*n).ok()).filter(|n| *n < DENSE).max();
        let dense = (0..most.map_or(0, |most| most as i32 + 1)).map(|n| index.get(&n).copied().unwrap_or(-1)).collect();
        let closed = descriptor.parent_file().syntax() == Syntax::Proto2;
        Self { closed, names: names.then(|| StringArray::from(values)), index, dense }
    }

    /// The place of the name of `number`.
    #[inline]
    pub(crate) fn place(&self, number: i32) -> Option<i32> {
        match self.dense.get(number as usize) {
            Some(&place) => (place >= 0).then_some(place),
            None => self.index.get(&number).copied(),
        }
    }
}

impl Plan {
    /// The plan for records of the type `descriptor`.
    ///
    /// # Errors
    /// `usage.option` for a column that there is not, `schema.too-large` for a type that unfolds to more columns than
    /// there may be.
    pub(crate) fn new(descriptor: &MessageDescriptor, options: &ArrowOptions) -> Result<Self, Error> {
        let names = if options.restore { restore::names(descriptor) } else { HashMap::new() };
        let selected = Selected::parse(&options.columns, &names)?;
        let mut recursion = options.recursion;
        loop {
            match Self::build(descriptor, options, &selected, recursion) {
                // A type that holds itself in many ways may unfold to too much; one level less is worth a try.
                Err(error) if error.is(code::SCHEMA_TOO_LARGE) && recursion > 1 => recursion -= 1,
                built => return built,
            }
        }
    }

    fn build(
        descriptor: &MessageDescriptor,
        options: &ArrowOptions,
        selected: &Selected,
        recursion: usize,
    ) -> Result<Self, Error> {
        let units = if options.restore { restore::time_units(descriptor) } else { HashMap::new() };
        let mut planner = fields::Planner::new(options, recursion, units);
        let mut table = TablePlan::default();
        let root = planner.message(descriptor, selected, &mut table)?;
        let arrow: Vec<FieldRef> = root.arrow_fields().cloned().collect();
        let mut metadata = HashMap::from([("rosettar.type".to_owned(), descriptor.full_name().to_owned())]);
        if planner.cuts > 0 {
            metadata.insert("rosettar.recursion".to_owned(), recursion.to_string());
        }
        let plain = Arc::new(Schema::new_with_metadata(arrow, metadata));
        let mut schema = Arc::clone(&plain);
        let any_null = options.errors == OnError::Null;
        let restore = options.restore.then(|| Restore::of(descriptor, &plain, any_null)).flatten();
        if let Some(restore) = &restore {
            schema = Arc::clone(restore.schema());
        }
        Ok(Self { root, table, plain, schema, constants: planner.constants, restore })
    }
}
