//! How an Arrow type lies in a record: the one thing that deriving, encoding and restoring all go by.

use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use rosettar::error::{Error, Result, code};

use super::names::Names;

/// Types inside one another; a descriptor set may not hold messages that lie deeper.
pub(crate) const DEPTH: usize = 16;

/// A field of a message, and the Arrow field that it stands for.
#[derive(Debug)]
pub(crate) struct Column {
    pub number: u32,
    /// The name of the protobuf field.
    pub name: String,
    pub field: FieldRef,
    pub node: Node,
}

/// What lies in one protobuf field, or in each element of a repeated one.
#[derive(Debug)]
pub(crate) enum Node {
    Leaf(Leaf),
    /// A message of these fields.
    Struct(Vec<Column>),
    /// A message with a oneof of these fields, and where a member may be null, of the number of the null member.
    Union(Vec<Column>, Option<u32>),
    List(Box<List>),
    Map(Box<Map>),
    /// A message of one field, to tell null where the place itself cannot.
    Boxed(Box<Column>),
}

/// A list: a repeated field, or a message that holds one.
#[derive(Debug)]
pub(crate) struct List {
    pub item: Node,
    pub item_field: FieldRef,
    /// In a message of its own: [`ITEMS`], and where elements may be null, [`NULLS`].
    pub wrapped: bool,
}

/// A map: repeated entries, or a message that holds them as [`ENTRIES`].
#[derive(Debug)]
pub(crate) struct Map {
    /// The key and the value, fields 1 and 2 of an entry.
    pub entry: [Column; 2],
    /// Whether it is a protobuf map; else the entries are messages like others.
    pub natural: bool,
    pub wrapped: bool,
}

/// The field of a list's message that holds the elements; in the place of a null one, a default.
pub(crate) const ITEMS: u32 = 1;
/// The field of a list's message that holds the places of null elements, counted from 0.
pub(crate) const NULLS: u32 = 2;
/// The field of a map's message that holds the entries.
pub(crate) const ENTRIES: u32 = 1;

/// A protobuf type without parts of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Float,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    DayTime,
    MonthDayNano,
}

impl Leaf {
    /// The full name of a message, where it is one.
    pub fn message(self) -> Option<&'static str> {
        Some(match self {
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::DayTime => "rosettar.arrow.v1.DayTime",
            Self::MonthDayNano => "rosettar.arrow.v1.MonthDayNano",
            _ => return None,
        })
    }

    fn may_be_key(self) -> bool {
        matches!(self, Self::Bool | Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64 | Self::String)
    }

    /// Whether several lie in one field without a tag each.
    pub fn packs(self) -> bool {
        !matches!(self, Self::String | Self::Bytes) && self.message().is_none()
    }
}

impl Node {
    /// Whether it is in a message, and so tells by itself whether it is there.
    pub fn is_message(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.message().is_some(),
            Self::Struct(_) | Self::Union(..) | Self::Boxed(_) => true,
            Self::List(list) => list.wrapped,
            Self::Map(map) => map.wrapped,
        }
    }

    /// Whether it is a scalar of this protobuf type.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Leaf(leaf) if leaf.message().is_none())
    }
}

/// The type that a dictionary or runs are of.
pub(crate) fn peel(mut data_type: &DataType) -> &DataType {
    loop {
        data_type = match data_type {
            DataType::Dictionary(_, values) => values,
            DataType::RunEndEncoded(_, values) => values.data_type(),
            other => return other,
        }
    }
}

/// The number of the field at `position`; protobuf keeps some for itself.
pub(crate) fn field_number(position: usize) -> u32 {
    let number = position as u32 + 1;
    if number < 19_000 { number } else { number + 1_000 }
}

/// The fields of the message that stands for `fields`.
///
/// # Errors
/// `usage.input` for a type that Arrow does not have, or that lies too deep; the error has the path of the column.
pub(crate) fn columns<'a>(fields: impl IntoIterator<Item = &'a FieldRef>, path: &Path<'_>) -> Result<Vec<Column>> {
    let mut names = Names::default();
    let fields: Vec<_> = fields.into_iter().collect();
    fields
        .into_iter()
        .enumerate()
        .map(|(position, field)| {
            let node = Node::of(field.data_type(), Some(field.is_nullable()), &path.then(field.name()))?;
            let name = names.field(field.name());
            Ok(Column { number: field_number(position), name, field: field.clone(), node })
        })
        .collect()
}

impl Node {
    /// How `data_type` lies in a field of a message that may be null or not, or in a place that holds exactly one value.
    fn of(data_type: &DataType, nullable: Option<bool>, path: &Path<'_>) -> Result<Self> {
        if path.depth > DEPTH {
            return Err(path.refused(format!("types lie more than {DEPTH} deep in one another"), "flatten the table"));
        }
        check_index(data_type, path)?;
        let leaf = match peel(data_type) {
            // A column of nulls has a field so that it has a name; no record holds it.
            DataType::Null | DataType::Boolean => Leaf::Bool,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Date32 => Leaf::Int32,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Leaf::Uint32,
            DataType::Int64 | DataType::Date64 => Leaf::Int64,
            DataType::UInt64 => Leaf::Uint64,
            DataType::Float16 | DataType::Float32 => Leaf::Float,
            DataType::Float64 => Leaf::Double,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Leaf::String,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Leaf::Bytes,
            DataType::FixedSizeBinary(width) => {
                path.size(*width)?;
                Leaf::Bytes
            }
            DataType::Timestamp(..) => Leaf::Timestamp,
            DataType::Duration(_) => Leaf::Duration,
            DataType::Time32(TimeUnit::Second | TimeUnit::Millisecond) => Leaf::Int32,
            DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => Leaf::Int64,
            DataType::Interval(IntervalUnit::YearMonth) => Leaf::Int32,
            DataType::Interval(IntervalUnit::DayTime) => Leaf::DayTime,
            DataType::Interval(IntervalUnit::MonthDayNano) => Leaf::MonthDayNano,
            DataType::Decimal32(precision, scale) => path.decimal(*precision, *scale, 9)?,
            DataType::Decimal64(precision, scale) => path.decimal(*precision, *scale, 18)?,
            DataType::Decimal128(precision, scale) => path.decimal(*precision, *scale, 38)?,
            DataType::Decimal256(precision, scale) => path.decimal(*precision, *scale, 76)?,
            DataType::Struct(fields) => return Ok(Self::Struct(columns(fields, path)?)),
            DataType::Union(members, _) => return Self::union(members, path),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => return Self::list(item, nullable, path),
            DataType::FixedSizeList(item, size) => {
                path.size(*size)?;
                return Self::list(item, nullable, path);
            }
            DataType::Map(entries, _) => return Self::map(entries, nullable, path),
            other => return Err(path.refused(format!("Arrow has no type {other}"), "cast the column")),
        };
        Ok(Self::Leaf(leaf))
    }

    fn list(item: &FieldRef, nullable: Option<bool>, path: &Path<'_>) -> Result<Self> {
        let node = Self::of(item.data_type(), None, &path.then(item.name()))?;
        let wrapped = nullable != Some(false) || item.is_nullable();
        Ok(Self::List(Box::new(List { item: node, item_field: item.clone(), wrapped })))
    }

    fn map(entries: &FieldRef, nullable: Option<bool>, path: &Path<'_>) -> Result<Self> {
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(path.refused(format!("a map holds {} and no pairs", entries.data_type()), "rebuild the column"));
        };
        let [key, value] = &fields[..] else {
            return Err(
                path.refused(format!("a map's entries have {} fields, not 2", fields.len()), "rebuild the column")
            );
        };
        if key.is_nullable() || entries.is_nullable() {
            return Err(path.refused("a map's keys or entries are nullable", "declare them as not nullable"));
        }
        let key_path = path.then(key.name());
        let key_node = Self::of(key.data_type(), None, &key_path)?;
        let natural = matches!(key_node, Self::Leaf(leaf) if leaf.may_be_key());
        let key_node = if natural { key_node } else { Self::of(key.data_type(), Some(false), &key_path)? };
        let key = Column { number: 1, name: "key".into(), field: key.clone(), node: key_node };
        let value_path = path.then(value.name());
        let node = match (natural, value.is_nullable()) {
            (false, nullable) => Self::of(value.data_type(), Some(nullable), &value_path)?,
            (true, false) => Self::of(value.data_type(), None, &value_path)?,
            (true, true) => {
                let node = Self::of(value.data_type(), Some(true), &value_path)?;
                Self::Boxed(Box::new(Column { number: 1, name: "value".into(), field: value.clone(), node }))
            }
        };
        let value = Column { number: 2, name: "value".into(), field: value.clone(), node };
        Ok(Self::Map(Box::new(Map { entry: [key, value], natural, wrapped: nullable != Some(false) })))
    }

    fn union(members: &arrow_schema::UnionFields, path: &Path<'_>) -> Result<Self> {
        let mut names = Names::default();
        names.field("null_member");
        names.field("value");
        let mut columns = Vec::new();
        for (position, (id, field)) in members.iter().enumerate() {
            if id < 0 {
                return Err(path.refused(format!("a union has the type number {id}"), "number its members from 0"));
            }
            let node = Self::of(field.data_type(), None, &path.then(field.name()))?;
            let name = names.field(field.name());
            columns.push(Column { number: field_number(position), name, field: field.clone(), node });
        }
        let null_member = columns.iter().any(|column| may_be_null(&column.field)).then(|| field_number(columns.len()));
        Ok(Self::Union(columns, null_member))
    }
}

/// Whether a field may hold a null, which one of the type null does whatever it says.
pub(crate) fn may_be_null(field: &Field) -> bool {
    field.is_nullable() || matches!(peel(field.data_type()), DataType::Null)
}

fn check_index(mut data_type: &DataType, path: &Path<'_>) -> Result<()> {
    loop {
        data_type = match data_type {
            DataType::Dictionary(index, values) if index.is_dictionary_key_type() => values,
            DataType::RunEndEncoded(ends, values) if ends.data_type().is_run_ends_type() => values.data_type(),
            DataType::Dictionary(index, _) => {
                return Err(path.refused(format!("a dictionary is indexed by {index}"), "index it by an integer"));
            }
            DataType::RunEndEncoded(ends, _) => {
                let found = ends.data_type();
                return Err(path.refused(format!("run ends are of type {found}"), "use int16, int32 or int64"));
            }
            _ => return Ok(()),
        }
    }
}

/// The way to a column, for errors.
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: &'a str,
    depth: usize,
}

impl<'a> Path<'a> {
    pub const ROOT: Path<'static> = Path { parent: None, name: "", depth: 0 };

    pub fn then(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), name, depth: self.depth + 1 }
    }

    fn refused(&self, found: impl std::fmt::Display, advice: &str) -> Error {
        Error::new(
            code::USAGE_INPUT,
            format!("column {:?} cannot be a record's field: {found}; {advice}", self.to_string()),
        )
    }

    fn size(&self, size: i32) -> Result<()> {
        if size < 0 { Err(self.refused(format!("its fixed size is {size}"), "cast the column")) } else { Ok(()) }
    }

    fn decimal(&self, precision: u8, scale: i8, most: u8) -> Result<Leaf> {
        if precision == 0 || precision > most || (scale > 0 && scale.unsigned_abs() > precision) {
            let found =
                format!("a decimal of its width has 1 to {most} digits, this one {precision}, {scale} after the point");
            return Err(self.refused(found, "cast the column"));
        }
        Ok(Leaf::String)
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(parent) = self.parent.filter(|parent| parent.parent.is_some()) {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)
    }
}
