//! What the options of a derived type keep of an Arrow field, and the field again.
//!
//! Reading trusts nothing: what does not make sense yields no field, and what does is compared with the message
//! afterwards with what the message is read as ([`Restore`](crate::restore::Restore)).

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, IntervalUnit, Metadata, TimeUnit, UnionFields, UnionMode};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};

use crate::table::levels;
use crate::table::proto::{self, KeyValue, Layout, Simple, Unit, r#type::Kind as Kept};
use crate::table::shape::{Column, DEPTH, ENTRIES, ITEMS, Node};

/// Metadata, in order.
pub(crate) fn metadata(metadata: &Metadata) -> Vec<KeyValue> {
    let mut all: Vec<_> =
        metadata.iter().map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() }).collect();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

/// What the field of `column`, which may be null where `nullable`, does not say.
pub(crate) fn field(column: &Column, nullable: bool) -> Option<proto::Field> {
    let kept = keep(&column.field, &column.name, nullable, &column.node);
    (kept != proto::Field::default()).then_some(kept)
}

fn keep(field: &Field, name: &str, nullable: bool, node: &Node) -> proto::Field {
    proto::Field {
        name: (field.name() != name).then(|| field.name().clone()),
        r#type: keep_type(field.data_type(), Some(field), node).map(Box::new),
        nullable: (field.is_nullable() != nullable).then(|| field.is_nullable()),
        metadata: metadata(levels::strip(field.clone()).metadata()),
    }
}

/// `field` is that of the type, where it is of one: of a dictionary it has the order.
fn keep_type(data_type: &DataType, field: Option<&Field>, node: &Node) -> Option<proto::Type> {
    if is_natural(data_type, node) {
        return None;
    }
    let kind = match data_type {
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_ref().map(|zone| zone.to_string());
            Kept::Timestamp(proto::Timestamp { unit: keep_unit(*unit), zone })
        }
        DataType::Duration(unit) => Kept::Duration(keep_unit(*unit)),
        DataType::FixedSizeBinary(width) => Kept::FixedSizeBinary(*width),
        DataType::Decimal32(precision, scale) => decimal(32, *precision, *scale),
        DataType::Decimal64(precision, scale) => decimal(64, *precision, *scale),
        DataType::Decimal128(precision, scale) => decimal(128, *precision, *scale),
        DataType::Decimal256(precision, scale) => decimal(256, *precision, *scale),
        DataType::List(item) => list(Layout::List, item, 0, node),
        DataType::LargeList(item) => list(Layout::LargeList, item, 0, node),
        DataType::ListView(item) => list(Layout::ListView, item, 0, node),
        DataType::LargeListView(item) => list(Layout::LargeListView, item, 0, node),
        DataType::FixedSizeList(item, size) => list(Layout::FixedSizeList, item, *size, node),
        DataType::Map(entries, sorted) => map(entries, *sorted, node),
        DataType::Union(members, mode) => {
            let type_ids: Vec<i32> = members.iter().map(|(id, _)| i32::from(id)).collect();
            let counts = type_ids.iter().enumerate().all(|(position, id)| position as i32 == *id);
            let type_ids = if counts { Vec::new() } else { type_ids };
            Kept::Union(proto::Union { dense: *mode == UnionMode::Dense, type_ids })
        }
        DataType::Dictionary(index, values) => {
            let value = keep_type(values, None, node).map(Box::new);
            let ordered = field.and_then(Field::dict_is_ordered).unwrap_or(false);
            let values = field.filter(|_| ordered).and_then(levels::read).unwrap_or_default();
            Kept::Dictionary(Box::new(proto::Dictionary { index: simple_of(index).into(), value, ordered, values }))
        }
        DataType::RunEndEncoded(ends, values) => {
            let run_ends = simple_of(ends.data_type()).into();
            let values = Some(Box::new(keep(values, "values", true, node)));
            Kept::RunEndEncoded(Box::new(proto::RunEndEncoded { run_ends, values }))
        }
        other => Kept::Simple(simple_of(other).into()),
    };
    Some(proto::Type { kind: Some(kind) })
}

/// Whether the protobuf type alone yields `data_type` again (spec/ARROW.md, "Natural types").
fn is_natural(data_type: &DataType, node: &Node) -> bool {
    match data_type {
        DataType::Boolean
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Binary
        | DataType::Struct(_) => true,
        DataType::Timestamp(TimeUnit::Nanosecond, Some(zone)) => &**zone == "UTC",
        DataType::Duration(TimeUnit::Nanosecond) => true,
        DataType::List(item) => match node {
            Node::List(list) if !list.wrapped => keep(item, "item", false, &list.item) == proto::Field::default(),
            _ => false,
        },
        _ => false,
    }
}

fn decimal(bits: u32, precision: u8, scale: i8) -> Kept {
    Kept::Decimal(proto::Decimal { bits, precision: precision.into(), scale: scale.into() })
}

fn list(layout: Layout, item: &Field, size: i32, node: &Node) -> Kept {
    let element = match node {
        Node::List(list) => Some(keep(item, "item", false, &list.item)),
        _ => None,
    };
    let element = element.filter(|kept| *kept != proto::Field::default()).map(Box::new);
    Kept::List(Box::new(proto::List { layout: layout.into(), size, element }))
}

fn map(entries: &Field, sorted: bool, node: &Node) -> Kept {
    let Node::Map(map) = node else {
        return Kept::Map(Box::default());
    };
    let own = proto::Field {
        name: (entries.name() != "entries").then(|| entries.name().clone()),
        metadata: metadata(entries.metadata()),
        ..Default::default()
    };
    let [key, value] = &map.entry;
    let value_node = match &value.node {
        Node::Boxed(column) => &column.node,
        other => other,
    };
    let kept = |kept: proto::Field| (kept != proto::Field::default()).then(|| Box::new(kept));
    Kept::Map(Box::new(proto::Map {
        sorted,
        entries: kept(own),
        key: kept(keep(&key.field, "key", false, &key.node)),
        value: kept(keep(&value.field, "value", false, value_node)),
    }))
}

fn keep_unit(unit: TimeUnit) -> i32 {
    let unit = match unit {
        TimeUnit::Second => Unit::Second,
        TimeUnit::Millisecond => Unit::Millisecond,
        TimeUnit::Microsecond => Unit::Microsecond,
        TimeUnit::Nanosecond => Unit::Nanosecond,
    };
    unit.into()
}

const SIMPLE: [(Simple, DataType); 28] = [
    (Simple::Null, DataType::Null),
    (Simple::Boolean, DataType::Boolean),
    (Simple::Int8, DataType::Int8),
    (Simple::Int16, DataType::Int16),
    (Simple::Int32, DataType::Int32),
    (Simple::Int64, DataType::Int64),
    (Simple::Uint8, DataType::UInt8),
    (Simple::Uint16, DataType::UInt16),
    (Simple::Uint32, DataType::UInt32),
    (Simple::Uint64, DataType::UInt64),
    (Simple::Float16, DataType::Float16),
    (Simple::Float32, DataType::Float32),
    (Simple::Float64, DataType::Float64),
    (Simple::Utf8, DataType::Utf8),
    (Simple::LargeUtf8, DataType::LargeUtf8),
    (Simple::Utf8View, DataType::Utf8View),
    (Simple::Binary, DataType::Binary),
    (Simple::LargeBinary, DataType::LargeBinary),
    (Simple::BinaryView, DataType::BinaryView),
    (Simple::Date32, DataType::Date32),
    (Simple::Date64, DataType::Date64),
    (Simple::Time32Second, DataType::Time32(TimeUnit::Second)),
    (Simple::Time32Millisecond, DataType::Time32(TimeUnit::Millisecond)),
    (Simple::Time64Microsecond, DataType::Time64(TimeUnit::Microsecond)),
    (Simple::Time64Nanosecond, DataType::Time64(TimeUnit::Nanosecond)),
    (Simple::IntervalYearMonth, DataType::Interval(IntervalUnit::YearMonth)),
    (Simple::IntervalDayTime, DataType::Interval(IntervalUnit::DayTime)),
    (Simple::IntervalMonthDayNano, DataType::Interval(IntervalUnit::MonthDayNano)),
];

fn simple_of(data_type: &DataType) -> Simple {
    SIMPLE.iter().find(|(_, of)| of == data_type).map_or(Simple::Unspecified, |(simple, _)| *simple)
}

fn of_simple(simple: i32) -> Option<DataType> {
    SIMPLE.iter().find(|(of, _)| *of as i32 == simple).map(|(_, data_type)| data_type.clone())
}

/// The metadata of the table that `message` stands for; `None` where it is no derived type.
pub(crate) fn read_table(message: &MessageDescriptor) -> Option<Metadata> {
    let table: proto::Table = option(&message.options(), "rosettar.arrow.v1.table")??;
    Some(read_metadata(&table.metadata))
}

/// The option called `name`, if it is there; `None` where it is not what it should be.
fn option<T: prost::Message + Default>(options: &DynamicMessage, name: &str) -> Option<Option<T>> {
    let Some((_, value)) =
        options.extensions().find(|(own, _)| own.full_name() == name && own.number() == proto::EXTENSION)
    else {
        return Some(None);
    };
    // Through its bytes: the definition that came along need not be the one that is known here.
    let bytes = prost::Message::encode_to_vec(value.as_message()?);
    T::decode(&bytes[..]).ok().map(Some)
}

fn read_metadata(kept: &[KeyValue]) -> Metadata {
    kept.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
}

/// Reads Arrow fields from the options of messages, as many as a descriptor set may define.
pub(crate) struct Reader {
    budget: usize,
}

/// Where a type is looked for.
enum Site<'a> {
    /// A field, with its cardinality.
    Field(&'a FieldDescriptor),
    /// One value of this kind.
    One(Kind),
}

impl Site<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::Field(field) => field.kind(),
            Self::One(kind) => kind.clone(),
        }
    }

    fn message(&self) -> Option<MessageDescriptor> {
        self.kind().as_message().cloned()
    }

    fn repeated(&self) -> bool {
        matches!(self, Self::Field(field) if field.is_list() || field.is_map())
    }
}

impl Reader {
    pub fn new() -> Self {
        Self { budget: rosettar::schema::limit::SYMBOLS }
    }

    /// The Arrow field that `field` stands for.
    pub fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Option<Field> {
        let kept: proto::Field = option(&field.options(), "rosettar.arrow.v1.field")?.unwrap_or_default();
        self.kept(&kept, field.name(), field.supports_presence(), &Site::Field(field), depth)
    }

    fn kept(
        &mut self,
        kept: &proto::Field,
        name: &str,
        nullable: bool,
        site: &Site<'_>,
        depth: usize,
    ) -> Option<Field> {
        self.budget = self.budget.checked_sub(1)?;
        if depth > DEPTH {
            return None;
        }
        let data_type = self.data_type(kept.r#type.as_deref(), site, depth)?;
        let values = match kept.r#type.as_ref().and_then(|kept| kept.kind.as_ref()) {
            Some(Kept::Dictionary(dictionary)) if dictionary.ordered => Some(dictionary.values.clone()),
            _ => None,
        };
        let name = kept.name.as_deref().unwrap_or(name);
        let field = Field::new(name, data_type, kept.nullable.unwrap_or(nullable));
        let field = field.with_dict_is_ordered(values.is_some()).with_metadata(read_metadata(&kept.metadata));
        Some(match values {
            Some(values) => levels::write(field, values),
            None => levels::strip(field),
        })
    }

    fn data_type(&mut self, kept: Option<&proto::Type>, site: &Site<'_>, depth: usize) -> Option<DataType> {
        if depth > DEPTH {
            return None;
        }
        let Some(kept) = kept else {
            return self.natural(site, depth);
        };
        Some(match kept.kind.as_ref()? {
            Kept::Simple(simple) => of_simple(*simple)?,
            Kept::Timestamp(kept) => DataType::Timestamp(unit(kept.unit)?, kept.zone.as_deref().map(Arc::from)),
            Kept::Duration(kept) => DataType::Duration(unit(*kept)?),
            Kept::FixedSizeBinary(width) => DataType::FixedSizeBinary(*width),
            Kept::Decimal(kept) => {
                let (precision, scale) = (u8::try_from(kept.precision).ok()?, i8::try_from(kept.scale).ok()?);
                match kept.bits {
                    32 => DataType::Decimal32(precision, scale),
                    64 => DataType::Decimal64(precision, scale),
                    128 => DataType::Decimal128(precision, scale),
                    256 => DataType::Decimal256(precision, scale),
                    _ => return None,
                }
            }
            Kept::List(kept) => {
                let site = match site.repeated() {
                    true => Site::One(site.kind()),
                    false => Site::One(site.message()?.get_field(ITEMS)?.kind()),
                };
                let default = proto::Field::default();
                let element = kept.element.as_deref().unwrap_or(&default);
                let item = Arc::new(self.kept(element, "item", false, &site, depth + 1)?);
                match Layout::try_from(kept.layout).ok()? {
                    Layout::List => DataType::List(item),
                    Layout::LargeList => DataType::LargeList(item),
                    Layout::ListView => DataType::ListView(item),
                    Layout::LargeListView => DataType::LargeListView(item),
                    Layout::FixedSizeList => DataType::FixedSizeList(item, kept.size),
                }
            }
            Kept::Map(kept) => self.map(kept, site, depth)?,
            Kept::Union(kept) => self.union(kept, site, depth)?,
            Kept::Dictionary(kept) => {
                let value = self.data_type(kept.value.as_deref(), site, depth + 1)?;
                DataType::Dictionary(Box::new(of_simple(kept.index)?), Box::new(value))
            }
            Kept::RunEndEncoded(kept) => {
                let default = proto::Field::default();
                let values = kept.values.as_deref().unwrap_or(&default);
                let values = self.kept(values, "values", true, site, depth + 1)?;
                let run_ends = Field::new("run_ends", of_simple(kept.run_ends)?, false);
                DataType::RunEndEncoded(Arc::new(run_ends), Arc::new(values))
            }
        })
    }

    fn natural(&mut self, site: &Site<'_>, depth: usize) -> Option<DataType> {
        if let Site::Field(field) = site
            && field.is_list()
        {
            let item = self.kept(&proto::Field::default(), "item", false, &Site::One(field.kind()), depth + 1)?;
            return Some(DataType::List(Arc::new(item)));
        }
        Some(match site.kind() {
            Kind::Bool => DataType::Boolean,
            Kind::Int32 => DataType::Int32,
            Kind::Int64 => DataType::Int64,
            Kind::Uint32 => DataType::UInt32,
            Kind::Uint64 => DataType::UInt64,
            Kind::Float => DataType::Float32,
            Kind::Double => DataType::Float64,
            Kind::String => DataType::Utf8,
            Kind::Bytes => DataType::Binary,
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
                "google.protobuf.Duration" => DataType::Duration(TimeUnit::Nanosecond),
                _ => DataType::Struct(self.fields(&message, depth)?),
            },
            _ => return None,
        })
    }

    fn fields(&mut self, message: &MessageDescriptor, depth: usize) -> Option<Fields> {
        ordered(message).iter().map(|field| self.field(field, depth + 1)).collect()
    }

    fn map(&mut self, kept: &proto::Map, site: &Site<'_>, depth: usize) -> Option<DataType> {
        let (entry, natural) = match site {
            Site::Field(field) if site.repeated() => (site.message()?, field.is_map()),
            _ => {
                let entries = site.message()?.get_field(ENTRIES)?;
                (entries.kind().as_message()?.clone(), entries.is_map())
            }
        };
        let default = proto::Field::default();
        let (kept_key, kept_value) =
            (kept.key.as_deref().unwrap_or(&default), kept.value.as_deref().unwrap_or(&default));
        let (key, value) = (entry.get_field(1)?, entry.get_field(2)?);
        let boxed = match natural && kept_value.nullable == Some(true) {
            true => value.kind().as_message()?.get_field(1)?,
            false => value,
        };
        let key = self.kept(kept_key, "key", false, &Site::Field(&key), depth + 1)?;
        let value = self.kept(kept_value, "value", false, &Site::Field(&boxed), depth + 1)?;
        let own = kept.entries.as_deref().unwrap_or(&default);
        let name = own.name.as_deref().unwrap_or("entries");
        let entries = Field::new(name, DataType::Struct(vec![key, value].into()), false);
        Some(DataType::Map(Arc::new(entries.with_metadata(read_metadata(&own.metadata))), kept.sorted))
    }

    fn union(&mut self, kept: &proto::Union, site: &Site<'_>, depth: usize) -> Option<DataType> {
        let mut members = ordered(&site.message()?);
        if members.last().is_some_and(|field| field.name() == "null_member") {
            members.pop();
        }
        let fields: Vec<_> = members.iter().map(|field| self.field(field, depth + 1)).collect::<Option<_>>()?;
        let ids: Vec<i8> = match kept.type_ids.is_empty() {
            true => (0..fields.len()).map(|id| i8::try_from(id).ok()).collect::<Option<_>>()?,
            false => {
                kept.type_ids.iter().map(|id| i8::try_from(*id).ok().filter(|id| *id >= 0)).collect::<Option<_>>()?
            }
        };
        if ids.len() != fields.len() {
            return None;
        }
        let mode = if kept.dense { UnionMode::Dense } else { UnionMode::Sparse };
        Some(DataType::Union(UnionFields::try_new(ids, fields).ok()?, mode))
    }
}

/// The fields of `message`, by number.
pub(crate) fn ordered(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let mut fields: Vec<_> = message.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    fields
}

fn unit(kept: i32) -> Option<TimeUnit> {
    Some(match Unit::try_from(kept).ok()? {
        Unit::Second => TimeUnit::Second,
        Unit::Millisecond => TimeUnit::Millisecond,
        Unit::Microsecond => TimeUnit::Microsecond,
        Unit::Nanosecond => TimeUnit::Nanosecond,
        Unit::Unspecified => return None,
    })
}
