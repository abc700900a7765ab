//! Planning the fields of a message.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit};
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, Kind as Type, MessageDescriptor, Value};
use rosettar::error::{Error, code};
use rosettar::record::{JsonOptions, to_json, value_to_json};

use super::lookup::Lookup;
use super::select::Selected;
use super::{
    ColumnPlan, EnumPlan, FieldPlan, Kind, MAX_ARROW_DEPTH, MAX_COLUMNS, MessagePlan, Shape, Store, TablePlan,
};
use crate::columns::Slot;
use crate::options::{ArrowOptions, Cut, Enums, OnError};
use crate::wire;

/// The most bytes that the defaults of all columns may take.
const MOST_CONSTANTS: usize = 64 << 20;

/// Makes plans of messages, from the outside in.
pub(super) struct Planner<'o> {
    options: &'o ArrowOptions,
    recursion: usize,
    columns: usize,
    /// The types of the messages that the one being planned is inside of.
    inside: Vec<String>,
    /// How deep the Arrow types are at that place.
    depth: usize,
    enums: HashMap<String, Arc<EnumPlan>>,
    pub(super) constants: Vec<u8>,
    /// Units of times, by the full names of fields, where they are not the options'.
    units: HashMap<String, TimeUnit>,
    /// The unit of the field at hand.
    unit: TimeUnit,
    /// How many columns hold messages that were cut off.
    pub(super) cuts: usize,
}

/// A field or an extension.
struct Source {
    number: u32,
    name: String,
    full_name: String,
    kind: Type,
    list: bool,
    map: bool,
    group: bool,
    presence: bool,
    default: Value,
    oneof: Option<String>,
    options: DynamicMessage,
}

/// Whether a column's values may be absent, and what is there then.
enum Presence {
    /// Null.
    Null,
    /// A default value.
    Default(Value),
}

impl<'o> Planner<'o> {
    pub(super) fn new(options: &'o ArrowOptions, recursion: usize, units: HashMap<String, TimeUnit>) -> Self {
        Self {
            options,
            recursion,
            columns: 0,
            inside: Vec::new(),
            depth: 0,
            enums: HashMap::new(),
            constants: Vec::new(),
            unit: options.time_unit,
            units,
            cuts: 0,
        }
    }

    /// Plans the fields of `descriptor` that are `selected` as columns of `table`.
    pub(super) fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        selected: &Selected,
        table: &mut TablePlan,
    ) -> Result<MessagePlan, Error> {
        let sources = sources_of(descriptor);
        let top = self.inside.is_empty();
        self.inside.push(descriptor.full_name().to_owned());
        let mut numbers: HashMap<u32, Option<usize>> = sources.iter().map(|source| (source.number, None)).collect();
        let mut fields = Vec::new();
        let mut oneofs: HashMap<String, usize> = HashMap::new();
        let everything = Selected::everything();
        let wanted: Vec<(&Source, &Selected)> = match selected.all {
            true => sources.iter().map(|source| (source, &everything)).collect(),
            false => (selected.fields.iter())
                .map(|(name, inner)| match sources.iter().find(|source| source.name == *name) {
                    Some(source) => Ok((source, inner)),
                    None => Err(no_such_column(descriptor, name, &sources)),
                })
                .collect::<Result<_, _>>()?,
        };
        for (source, inner) in wanted {
            let oneof = match &source.oneof {
                None => None,
                Some(name) => {
                    let column = match oneofs.get(name) {
                        Some(column) => *column,
                        None => self.column(table, Store::U32(0), false)?,
                    };
                    oneofs.insert(name.clone(), column);
                    Some((column, source.number))
                }
            };
            let field = self.field(source, inner, oneof, table, top)?;
            numbers.insert(source.number, Some(fields.len()));
            fields.push(field);
        }
        // Members of a oneof that are not decoded still take the place of those that are.
        for source in &sources {
            if let (Some(name), None) = (&source.oneof, numbers[&source.number])
                && let Some(&column) = oneofs.get(name)
            {
                numbers.insert(source.number, Some(fields.len()));
                fields.push(FieldPlan::displacing(source.number, column, wire_type(source)));
            }
        }
        self.inside.pop();
        let mut oneofs: Vec<usize> = oneofs.into_values().collect();
        oneofs.sort_unstable();
        let numbers: Vec<(u32, Option<usize>)> = numbers.into_iter().collect();
        Ok(MessagePlan { fields, lookup: Lookup::new(&numbers), oneofs })
    }

    fn field(
        &mut self,
        source: &Source,
        selected: &Selected,
        oneof: Option<(usize, u32)>,
        table: &mut TablePlan,
        top: bool,
    ) -> Result<FieldPlan, Error> {
        self.unit = self.units.get(&source.full_name).copied().unwrap_or(self.options.time_unit);
        let mut metadata = HashMap::from([("rosettar.number".to_owned(), source.number.to_string())]);
        if let Some(oneof) = &source.oneof {
            metadata.insert("rosettar.oneof".to_owned(), oneof.clone());
        }
        if source.presence && source.kind.as_message().is_none() && source.default != Value::default_value(&source.kind)
        {
            let text = value_to_json(&source.default, &source.kind, &JsonOptions::new());
            metadata.insert("rosettar.default".to_owned(), text.unwrap_or_default());
        }
        if source.options.fields().next().is_some() || source.options.extensions().next().is_some() {
            metadata.extend(to_json(&source.options, &JsonOptions::new()).ok().map(|t| ("rosettar.options".into(), t)));
        }
        let null_rows = top && self.options.errors == OnError::Null;
        let arrow = |name: &str, kind: DataType, nullable: bool, metadata| {
            Arc::new(Field::new(name, kind, nullable || null_rows).with_metadata(metadata))
        };
        let (shape, column, kind, arrow) = if source.map {
            let entry = source.kind.as_message().expect("a map's type is its entry").clone();
            let (store, kind, data_type) = self.map(&entry, selected)?;
            let column = self.column(table, store, false)?;
            (Shape::Map, column, kind, arrow(&source.name, data_type, false, metadata))
        } else if source.list {
            self.depth += 1;
            let mut items = TablePlan::default();
            let zero = Presence::Default(Value::default_value(&source.kind));
            let (_, kind, data_type) = self.value(&source.kind, zero, selected, &mut items, &mut metadata, true)?;
            self.depth -= 1;
            let column = self.column(table, Store::List(items), false)?;
            let item = Arc::new(Field::new("item", data_type, false));
            (Shape::Repeated, column, kind, arrow(&source.name, DataType::List(item), false, metadata))
        } else {
            let keeps_null = source.kind.as_message().is_some() || source.oneof.is_some() || !self.options.defaults;
            let presence = match source.presence && keeps_null {
                true => Presence::Null,
                false => Presence::Default(source.default.clone()),
            };
            let nullable = matches!(presence, Presence::Null);
            let (column, kind, data_type) =
                self.value(&source.kind, presence, selected, table, &mut metadata, false)?;
            (Shape::Singular, column, kind, arrow(&source.name, data_type, nullable, metadata))
        };
        let wire_type = match shape {
            Shape::Map => wire::BYTES,
            _ => wire_type(source),
        };
        let packed = shape == Shape::Repeated && !matches!(wire_type, wire::BYTES | wire::GROUP);
        Ok(FieldPlan {
            name: source.name.clone(),
            key: source.number << 3 | wire_type,
            packed_key: if packed { source.number << 3 | wire::BYTES } else { 0 },
            shape,
            kind,
            column,
            oneof,
            arrow,
        })
    }

    /// A map: a table of its own, with a key and a value in each row.
    fn map(&mut self, entry: &MessageDescriptor, selected: &Selected) -> Result<(Store, Kind, DataType), Error> {
        self.depth += 2;
        let mut table = TablePlan::default();
        let mut fields = Vec::new();
        for (name, field, inner) in [
            ("key", entry.map_entry_key_field(), &Selected::everything()),
            ("value", entry.map_entry_value_field(), selected_value(entry, selected)?),
        ] {
            self.unit = self.units.get(field.full_name()).copied().unwrap_or(self.options.time_unit);
            let mut metadata = HashMap::new();
            let zero = Presence::Default(Value::default_value(&field.kind()));
            let (column, kind, data_type) = self.value(&field.kind(), zero, inner, &mut table, &mut metadata, false)?;
            let arrow = Arc::new(Field::new(name, data_type, false).with_metadata(metadata));
            let key = field.number() << 3 | scalar_wire_type(&field.kind());
            let (name, shape) = (name.to_owned(), Shape::Singular);
            fields.push(FieldPlan { name, key, packed_key: 0, shape, kind, column, oneof: None, arrow });
        }
        self.depth -= 2;
        let members: Fields = fields.iter().map(|field| Arc::clone(&field.arrow)).collect();
        let lookup = Lookup::new(&[(1, Some(0)), (2, Some(1))]);
        let entries = Arc::new(Field::new("entries", DataType::Struct(members), false));
        let plan = MessagePlan { fields, lookup, oneofs: Vec::new() };
        Ok((Store::List(table), Kind::Message(Box::new(plan)), DataType::Map(entries, false)))
    }

    /// A value as a column of `table`, or as several: those of the fields of a message. The first number is that of the
    /// column that is the value itself; a message that is an element of a list has none.
    fn value(
        &mut self,
        kind: &Type,
        presence: Presence,
        selected: &Selected,
        table: &mut TablePlan,
        metadata: &mut HashMap<String, String>,
        element: bool,
    ) -> Result<(usize, Kind, DataType), Error> {
        let nullable = matches!(presence, Presence::Null);
        if let Type::Message(message) = kind {
            return self.message_value(message, nullable, selected, table, metadata, element);
        }
        leaf(selected, kind)?;
        let default = match presence {
            Presence::Null => Value::default_value(kind),
            Presence::Default(value) => value,
        };
        let (kind, data_type) = self.scalar(kind);
        let store = self.store(&kind, &default);
        Ok((self.column(table, store, nullable)?, kind, data_type))
    }

    fn scalar(&mut self, kind: &Type) -> (Kind, DataType) {
        match kind {
            Type::Bool => (Kind::Bool, DataType::Boolean),
            Type::Int32 => (Kind::Int32, DataType::Int32),
            Type::Sint32 => (Kind::Sint32, DataType::Int32),
            Type::Sfixed32 => (Kind::Sfixed32, DataType::Int32),
            Type::Uint32 => (Kind::Uint32, DataType::UInt32),
            Type::Fixed32 => (Kind::Fixed32, DataType::UInt32),
            Type::Int64 => (Kind::Int64, DataType::Int64),
            Type::Sint64 => (Kind::Sint64, DataType::Int64),
            Type::Sfixed64 => (Kind::Sfixed64, DataType::Int64),
            Type::Uint64 => (Kind::Uint64, DataType::UInt64),
            Type::Fixed64 => (Kind::Fixed64, DataType::UInt64),
            Type::Float => (Kind::Float, DataType::Float32),
            Type::Double => (Kind::Double, DataType::Float64),
            Type::String => (Kind::String, DataType::Utf8),
            Type::Bytes => (Kind::Bytes, DataType::Binary),
            Type::Enum(descriptor) => {
                let names = self.options.enums == Enums::Names;
                let plan = (self.enums.entry(descriptor.full_name().to_owned()))
                    .or_insert_with(|| Arc::new(EnumPlan::new(descriptor, names)));
                let data_type = match names {
                    true => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
                    false => DataType::Int32,
                };
                (Kind::Enum(Arc::clone(plan)), data_type)
            }
            Type::Message(_) => unreachable!("messages are no scalars"),
        }
    }

    fn store(&mut self, kind: &Kind, default: &Value) -> Store {
        match (kind, default) {
            (Kind::Bool, value) => Store::Bool(value.as_bool().unwrap_or_default()),
            (Kind::Enum(_), value) => Store::I32(value.as_enum_number().unwrap_or_default()),
            (Kind::Int32 | Kind::Sint32 | Kind::Sfixed32, value) => Store::I32(value.as_i32().unwrap_or_default()),
            (Kind::Uint32 | Kind::Fixed32, value) => Store::U32(value.as_u32().unwrap_or_default()),
            (Kind::Int64 | Kind::Sint64 | Kind::Sfixed64, value) => Store::I64(value.as_i64().unwrap_or_default()),
            (Kind::Uint64 | Kind::Fixed64, value) => Store::U64(value.as_u64().unwrap_or_default()),
            (Kind::Float, value) => Store::F32(value.as_f32().unwrap_or_default()),
            (Kind::Double, value) => Store::F64(value.as_f64().unwrap_or_default()),
            (_, Value::String(text)) => Store::Slot(self.constant(text.as_bytes())),
            (_, Value::Bytes(bytes)) => Store::Slot(self.constant(bytes)),
            _ => Store::Slot(Slot::EMPTY),
        }
    }

    fn constant(&mut self, bytes: &[u8]) -> Slot {
        if bytes.is_empty() {
            return Slot::EMPTY;
        }
        let slot = Slot::in_arena(self.constants.len(), bytes.len());
        self.constants.extend_from_slice(bytes);
        slot
    }

    /// A message without content, as JSON: the value of a map's entry that states none.
    fn empty_json(&mut self, message: &MessageDescriptor) -> Slot {
        let text = to_json(&DynamicMessage::new(message.clone()), &JsonOptions::new());
        self.constant(text.as_deref().unwrap_or("null").as_bytes())
    }

    fn message_value(
        &mut self,
        message: &MessageDescriptor,
        nullable: bool,
        selected: &Selected,
        table: &mut TablePlan,
        metadata: &mut HashMap<String, String>,
        element: bool,
    ) -> Result<(usize, Kind, DataType), Error> {
        if let Some((kind, data_type)) = self.well_known(message, metadata) {
            leaf(selected, &Type::Message(message.clone()))?;
            let store = match &kind {
                Kind::Time(_) => Store::Time,
                Kind::Json(_) => Store::Json(self.empty_json(message)),
                Kind::Paths => {
                    let paths = ColumnPlan { store: Store::Slot(Slot::EMPTY), nullable: false };
                    Store::List(TablePlan { columns: vec![paths] })
                }
                Kind::Wrapper(inner, _) => self.store(inner, &Value::Bool(false)),
                _ => unreachable!("no other kind is a well-known type"),
            };
            return Ok((self.column(table, store, nullable)?, kind, data_type));
        }
        if message.fields().len() == 0 && message.extensions().len() == 0 {
            leaf(selected, &Type::Message(message.clone()))?;
            metadata.insert("rosettar.empty".to_owned(), message.full_name().to_owned());
            // Where it cannot be absent, it is there.
            return Ok((self.column(table, Store::Bool(!nullable), nullable)?, Kind::Empty, DataType::Boolean));
        }
        let stands = self.inside.iter().filter(|name| *name == message.full_name()).count();
        if stands >= self.recursion || self.depth >= MAX_ARROW_DEPTH {
            leaf(selected, &Type::Message(message.clone()))?;
            self.cuts += 1;
            return match self.options.cut {
                Cut::Json => {
                    metadata.insert("rosettar.json".to_owned(), message.full_name().to_owned());
                    let store = Store::Json(self.empty_json(message));
                    let column = self.column(table, store, nullable)?;
                    Ok((column, Kind::Json(message.clone()), DataType::Utf8))
                }
                Cut::Binary => {
                    metadata.insert("rosettar.binary".to_owned(), message.full_name().to_owned());
                    let column = self.column(table, Store::Slot(Slot::EMPTY), nullable)?;
                    Ok((column, Kind::Raw, DataType::Binary))
                }
            };
        }
        // Of a list's elements none is absent.
        let mark = if element { usize::MAX } else { self.column(table, Store::Mark, nullable)? };
        self.depth += 1;
        let plan = self.message(message, selected, table)?;
        self.depth -= 1;
        let members: Fields = plan.arrow_fields().cloned().collect();
        Ok((mark, Kind::Message(Box::new(plan)), DataType::Struct(members)))
    }

    /// What a well-known type becomes that does not become what its fields say.
    fn well_known(
        &self,
        message: &MessageDescriptor,
        metadata: &mut HashMap<String, String>,
    ) -> Option<(Kind, DataType)> {
        let per_second = match self.unit {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        };
        let name = message.full_name();
        // That a type bears one of these names does not make its fields what they must be.
        let has = |fields: &[(&str, u32, Type)]| {
            message.fields().len() == fields.len()
                && fields.iter().all(|(name, number, kind)| {
                    message.get_field(*number).is_some_and(|f| f.name() == *name && f.kind() == *kind && !f.is_list())
                })
        };
        let time = [("seconds", 1, Type::Int64), ("nanos", 2, Type::Int32)];
        Some(match name {
            "google.protobuf.Timestamp" if has(&time) => {
                (Kind::Time(per_second), DataType::Timestamp(self.unit, Some("UTC".into())))
            }
            "google.protobuf.Duration" if has(&time) => (Kind::Time(per_second), DataType::Duration(self.unit)),
            "google.protobuf.FieldMask"
                if message.fields().len() == 1
                    && message.get_field(1).is_some_and(|f| f.is_list() && f.kind() == Type::String) =>
            {
                (Kind::Paths, DataType::List(Arc::new(Field::new("item", DataType::Utf8, false))))
            }
            "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue" => {
                metadata.insert("rosettar.json".to_owned(), name.to_owned());
                (Kind::Json(message.clone()), DataType::Utf8)
            }
            _ => {
                let (kind, data_type, value) = match name {
                    "google.protobuf.DoubleValue" => (Kind::Double, DataType::Float64, Type::Double),
                    "google.protobuf.FloatValue" => (Kind::Float, DataType::Float32, Type::Float),
                    "google.protobuf.Int64Value" => (Kind::Int64, DataType::Int64, Type::Int64),
                    "google.protobuf.UInt64Value" => (Kind::Uint64, DataType::UInt64, Type::Uint64),
                    "google.protobuf.Int32Value" => (Kind::Int32, DataType::Int32, Type::Int32),
                    "google.protobuf.UInt32Value" => (Kind::Uint32, DataType::UInt32, Type::Uint32),
                    "google.protobuf.BoolValue" => (Kind::Bool, DataType::Boolean, Type::Bool),
                    "google.protobuf.StringValue" => (Kind::String, DataType::Utf8, Type::String),
                    "google.protobuf.BytesValue" => (Kind::Bytes, DataType::Binary, Type::Bytes),
                    _ => return None,
                };
                if !has(&[("value", 1, value.clone())]) {
                    return None;
                }
                (Kind::Wrapper(Box::new(kind), 1 << 3 | scalar_wire_type(&value)), data_type)
            }
        })
    }

    /// Adds a column to `table`, once it was counted.
    fn column(&mut self, table: &mut TablePlan, store: Store, nullable: bool) -> Result<usize, Error> {
        self.columns += 1;
        if self.constants.len() > MOST_CONSTANTS {
            let message =
                format!("defaults of more than {MOST_CONSTANTS} bytes, for all columns: select fewer of them");
            return Err(Error::new(code::SCHEMA_TOO_LARGE, message));
        }
        if self.columns > MAX_COLUMNS {
            let message = format!(
                "the type unfolds to more than {MAX_COLUMNS} columns, those inside of others counted: select fewer of them"
            );
            return Err(Error::new(code::SCHEMA_TOO_LARGE, message));
        }
        table.columns.push(ColumnPlan { store, nullable });
        Ok(table.columns.len() - 1)
    }
}

impl MessagePlan {
    /// The Arrow fields of its columns, without what is decoded for its effect on others only.
    pub(crate) fn arrow_fields(&self) -> impl Iterator<Item = &FieldRef> {
        self.fields.iter().filter(|field| !field.is_displacing()).map(|field| &field.arrow)
    }
}

impl FieldPlan {
    /// A member of a oneof that is not decoded, only noticed.
    fn displacing(number: u32, oneof: usize, wire_type: u32) -> Self {
        Self {
            name: String::new(),
            key: number << 3 | wire_type,
            packed_key: 0,
            shape: Shape::Singular,
            kind: Kind::Raw,
            column: usize::MAX,
            oneof: Some((oneof, number)),
            arrow: Arc::new(Field::new("", DataType::Null, true)),
        }
    }

    /// Whether it is decoded for no column.
    pub(crate) fn is_displacing(&self) -> bool {
        self.column == usize::MAX && self.oneof.is_some()
    }
}

fn sources_of(descriptor: &MessageDescriptor) -> Vec<Source> {
    let mut fields: Vec<FieldDescriptor> = descriptor.fields().collect();
    // As the type declares them, which is how its author would have the columns.
    let declared: HashMap<i32, usize> =
        descriptor.descriptor_proto().field.iter().enumerate().map(|(at, field)| (field.number(), at)).collect();
    fields.sort_by_key(|field| declared.get(&(field.number() as i32)).copied());
    let mut extensions: Vec<_> = descriptor.extensions().collect();
    extensions.sort_by_key(|extension| extension.number());
    let fields = fields.into_iter().map(|field| Source {
        number: field.number(),
        name: field.name().to_owned(),
        full_name: field.full_name().to_owned(),
        kind: field.kind(),
        list: field.is_list(),
        map: field.is_map(),
        group: field.is_group(),
        presence: field.supports_presence() || field.cardinality() == Cardinality::Required,
        default: field.default_value(),
        oneof: field.containing_oneof().filter(|oneof| !oneof.is_synthetic()).map(|oneof| oneof.name().to_owned()),
        options: field.options(),
    });
    let extensions = extensions.into_iter().map(|extension| Source {
        number: extension.number(),
        name: format!("[{}]", extension.full_name()),
        full_name: extension.full_name().to_owned(),
        kind: extension.kind(),
        list: extension.is_list(),
        map: false,
        group: extension.is_group(),
        presence: !extension.is_list(),
        default: extension.default_value(),
        oneof: None,
        options: extension.options(),
    });
    fields.chain(extensions).collect()
}

/// The choice among the fields of a map's values.
fn selected_value<'s>(entry: &MessageDescriptor, selected: &'s Selected) -> Result<&'s Selected, Error> {
    match &selected.fields[..] {
        _ if selected.all => Ok(selected),
        [(name, inner)] if name == "value" => Ok(inner),
        _ => {
            let message = format!("the columns of a map are value or its fields; of {} no others", entry.name());
            Err(Error::new(code::USAGE_OPTION, message))
        }
    }
}

/// That nobody selected a part of what is one column.
fn leaf(selected: &Selected, kind: &Type) -> Result<(), Error> {
    match selected.fields.first() {
        Some((name, _)) if !selected.all => {
            let message = format!("no column is called {name:?}: a {kind:?} is one column without parts");
            Err(Error::new(code::USAGE_OPTION, message))
        }
        _ => Ok(()),
    }
}

fn no_such_column(descriptor: &MessageDescriptor, name: &str, sources: &[Source]) -> Error {
    const SHOWN: usize = 12;
    let wanted = name.to_lowercase();
    let mut names: Vec<&str> = sources.iter().map(|source| &*source.name).collect();
    // Those that are spelled alike come first.
    names.sort_by_key(|known| {
        let known = known.to_lowercase();
        !(known.contains(&wanted) || wanted.contains(&known))
    });
    let more = names.len().saturating_sub(SHOWN);
    let mut shown = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        shown.push_str(&format!(" and {more} more"));
    }
    let message = format!("{} has no column {name:?}; it has {shown}", descriptor.full_name());
    Error::new(code::USAGE_OPTION, message)
}

fn wire_type(source: &Source) -> u32 {
    if source.group { wire::GROUP } else { scalar_wire_type(&source.kind) }
}

fn scalar_wire_type(kind: &Type) -> u32 {
    match kind {
        Type::Double | Type::Fixed64 | Type::Sfixed64 => wire::FIXED64,
        Type::Float | Type::Fixed32 | Type::Sfixed32 => wire::FIXED32,
        Type::String | Type::Bytes | Type::Message(_) => wire::BYTES,
        _ => wire::VARINT,
    }
}
