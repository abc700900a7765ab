//! Deriving a protobuf type from an Arrow schema.

pub(crate) mod descriptor;
pub(crate) mod kept;

use std::collections::BTreeSet;

use arrow_schema::Schema;
use prost::Message as _;
use rosettar::error::Result;

use self::descriptor::{Field, FieldOptions, File, MESSAGE, MessageOptions, MessageType, Oneof, UINT32, label};
use crate::table::names::{Names, camel, identifier, map_entry};
use crate::table::proto;
use crate::table::shape::{Column, ENTRIES, ITEMS, Leaf, List, Map, NULLS, Node};

/// The package of derived types.
const PACKAGE: &str = "rosettar.tables";

/// A derived type: its full name, and the descriptor set that defines it, closed.
pub(crate) fn derive(name: &str, schema: &Schema, columns: &[Column]) -> Result<(String, Vec<u8>)> {
    let name = identifier(name, "table");
    let message_name = camel(&name);
    let full = format!("{PACKAGE}.{message_name}");
    let mut imports = BTreeSet::from(["rosettar/arrow/v1/arrow.proto"]);
    let mut message = message(&message_name, &full, columns, &mut imports);
    let table = proto::Table { metadata: kept::metadata(&schema.metadata) };
    message.options = Some(MessageOptions { map_entry: None, table: Some(table) });
    let file = File {
        name: Some(format!("rosettar/tables/{}.proto", name.to_ascii_lowercase())),
        package: Some(PACKAGE.into()),
        dependency: imports.into_iter().map(Into::into).collect(),
        messages: vec![message],
        syntax: Some("proto3".into()),
    };
    // A set is its files, each with the tag of field 1, so another one can follow.
    let mut set = proto::DESCRIPTOR_SET.to_vec();
    let file = file.encode_to_vec();
    prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, &mut set);
    prost::encoding::encode_varint(file.len() as u64, &mut set);
    set.extend_from_slice(&file);
    Ok((full, set))
}

type Imports = BTreeSet<&'static str>;

/// A message being made.
struct Making<'a> {
    full: &'a str,
    names: Names,
    made: MessageType,
    imports: &'a mut Imports,
    /// The oneofs of `optional` fields, which come behind all others.
    synthetic: Vec<usize>,
}

impl<'a> Making<'a> {
    fn new(name: &str, full: &'a str, imports: &'a mut Imports) -> Self {
        let made = MessageType { name: Some(name.to_owned()), ..Default::default() };
        Self { full, names: Names::default(), made, imports, synthetic: Vec::new() }
    }

    /// Names that fields have; messages are named after all of them.
    fn claim<'b>(&mut self, columns: impl IntoIterator<Item = &'b Column>) {
        for column in columns {
            self.names.field(&column.name);
        }
    }

    fn finish(mut self) -> MessageType {
        for position in self.synthetic {
            let field = &mut self.made.fields[position];
            field.oneof_index = Some(self.made.oneofs.len() as i32);
            self.made.oneofs.push(Oneof { name: Some(format!("_{}", field.name())) });
        }
        self.made
    }

    /// Adds a field of what `node` is.
    fn field(&mut self, name: &str, number: u32, node: &Node, repeated: bool) -> &mut Field {
        let (kind, type_name) = self.kind(name, node);
        let repeated = repeated
            || match node {
                Node::List(list) => !list.wrapped,
                Node::Map(map) => !map.wrapped,
                _ => false,
            };
        self.made.fields.push(Field {
            name: Some(name.to_owned()),
            number: Some(number as i32),
            label: Some(if repeated { label::REPEATED } else { label::OPTIONAL }),
            kind: Some(kind),
            type_name,
            json_name: Some(json_name(name)),
            ..Default::default()
        });
        let last = self.made.fields.len() - 1;
        &mut self.made.fields[last]
    }

    /// Adds the field of a column, `optional` where it may be null and could not tell otherwise.
    fn column(&mut self, column: &Column) {
        let field = self.field(&column.name, column.number, &column.node, false);
        let presence = column.node.is_scalar() && column.field.is_nullable();
        field.proto3_optional = presence.then_some(true);
        let says = kept::field(column, column.node.is_message() || presence);
        field.options = says.map(|field| FieldOptions { field: Some(field) });
        if presence {
            self.synthetic.push(self.made.fields.len() - 1);
        }
    }

    /// The type of the field `name`; messages that it takes are put inside this one.
    fn kind(&mut self, name: &str, node: &Node) -> (i32, Option<String>) {
        match node {
            Node::Leaf(leaf) => return leaf_kind(*leaf, self.imports),
            Node::List(list) if !list.wrapped => return self.kind(name, &list.item),
            Node::Map(map) if !map.wrapped => return self.entry(name, map),
            _ => {}
        }
        let name = self.names.message(name);
        let full = format!("{}.{name}", self.full);
        let made = match node {
            Node::Struct(columns) => message(&name, &full, columns, self.imports),
            Node::Union(members, null_member) => union(&name, &full, members, *null_member, self.imports),
            Node::List(list) => wrapped_list(&name, &full, list, self.imports),
            Node::Map(map) => wrapped_map(&name, &full, map, self.imports),
            Node::Boxed(column) => message(&name, &full, std::slice::from_ref(column), self.imports),
            Node::Leaf(_) => MessageType::default(),
        };
        self.made.messages.push(made);
        (MESSAGE, Some(format!(".{full}")))
    }

    /// The message of a map's entries.
    fn entry(&mut self, name: &str, map: &Map) -> (i32, Option<String>) {
        let entry = if map.natural { map_entry(name) } else { self.names.message(&format!("{name}_pair")) };
        let full = format!("{}.{entry}", self.full);
        let made = if map.natural {
            // A map's entry holds nothing but its fields; messages that the value takes stand beside it.
            let fields = map.entry.iter().map(|column| {
                let (kind, type_name) = self.kind(&format!("{name}_{}", column.name), &column.node);
                Field { type_name, ..plain(&column.name, column.number, kind) }
            });
            let fields = fields.collect();
            let options = Some(MessageOptions { map_entry: Some(true), table: None });
            MessageType { name: Some(entry), fields, options, ..Default::default() }
        } else {
            let mut made = message(&entry, &full, &map.entry, self.imports);
            // What there is to say of them is said where the map is.
            made.fields.iter_mut().for_each(|field| field.options = None);
            made
        };
        self.made.messages.push(made);
        (MESSAGE, Some(format!(".{full}")))
    }
}

fn message(name: &str, full: &str, columns: &[Column], imports: &mut Imports) -> MessageType {
    let mut making = Making::new(name, full, imports);
    making.claim(columns);
    for column in columns {
        making.column(column);
    }
    making.finish()
}

fn union(name: &str, full: &str, members: &[Column], null: Option<u32>, imports: &mut Imports) -> MessageType {
    let mut making = Making::new(name, full, imports);
    making.names.field("null_member");
    making.names.field("value");
    making.claim(members);
    for member in members {
        let field = making.field(&member.name, member.number, &member.node, false);
        field.oneof_index = Some(0);
        field.options = kept::field(member, true).map(|field| FieldOptions { field: Some(field) });
    }
    if let Some(number) = null {
        making.made.fields.push(Field { oneof_index: Some(0), ..plain("null_member", number, UINT32) });
    }
    if !making.made.fields.is_empty() {
        making.made.oneofs.push(Oneof { name: Some("value".into()) });
    }
    making.finish()
}

fn wrapped_list(name: &str, full: &str, list: &List, imports: &mut Imports) -> MessageType {
    let mut making = Making::new(name, full, imports);
    making.names.field("items");
    making.names.field("nulls");
    making.field("items", ITEMS, &list.item, true);
    if list.item_field.is_nullable() {
        making.made.fields.push(Field { label: Some(label::REPEATED), ..plain("nulls", NULLS, UINT32) });
    }
    making.finish()
}

fn wrapped_map(name: &str, full: &str, map: &Map, imports: &mut Imports) -> MessageType {
    let mut making = Making::new(name, full, imports);
    making.names.field("entries");
    let (kind, type_name) = making.entry("entries", map);
    let field = plain("entries", ENTRIES, kind);
    making.made.fields.push(Field { label: Some(label::REPEATED), type_name, ..field });
    making.finish()
}

fn plain(name: &str, number: u32, kind: i32) -> Field {
    Field {
        name: Some(name.into()),
        number: Some(number as i32),
        label: Some(label::OPTIONAL),
        kind: Some(kind),
        json_name: Some(json_name(name)),
        ..Default::default()
    }
}

fn leaf_kind(leaf: Leaf, imports: &mut Imports) -> (i32, Option<String>) {
    let kind = match leaf {
        Leaf::Double => 1,
        Leaf::Float => 2,
        Leaf::Int64 => 3,
        Leaf::Uint64 => 4,
        Leaf::Int32 => 5,
        Leaf::Bool => 8,
        Leaf::String => 9,
        Leaf::Bytes => 12,
        Leaf::Uint32 => UINT32,
        Leaf::Timestamp | Leaf::Duration | Leaf::DayTime | Leaf::MonthDayNano => MESSAGE,
    };
    match leaf {
        Leaf::Timestamp => _ = imports.insert("google/protobuf/timestamp.proto"),
        Leaf::Duration => _ = imports.insert("google/protobuf/duration.proto"),
        _ => {}
    }
    (kind, leaf.message().map(|name| format!(".{name}")))
}

/// The name in JSON that protoc gives a field.
fn json_name(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c => {
                out.push(if upper { c.to_ascii_uppercase() } else { c });
                upper = false;
            }
        }
    }
    out
}
