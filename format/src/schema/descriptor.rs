//! `google/protobuf/descriptor.proto` as this crate reads it: options stay bytes, so that custom ones survive, and what
//! no check or printer looks at is left out.
//!
//! prost-types would drop every custom option and knows no `edition`; prost-reflect's own mirror is private.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct File {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub package: Option<String>,
    #[prost(string, repeated, tag = "3")]
    pub dependency: Vec<String>,
    #[prost(int32, repeated, packed = "false", tag = "10")]
    pub public_dependency: Vec<i32>,
    #[prost(int32, repeated, packed = "false", tag = "11")]
    pub weak_dependency: Vec<i32>,
    #[prost(message, repeated, tag = "4")]
    pub messages: Vec<MessageType>,
    #[prost(message, repeated, tag = "5")]
    pub enums: Vec<Enum>,
    #[prost(message, repeated, tag = "6")]
    pub services: Vec<Service>,
    #[prost(message, repeated, tag = "7")]
    pub extensions: Vec<Field>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub options: Vec<Vec<u8>>,
    #[prost(string, optional, tag = "12")]
    pub syntax: Option<String>,
    #[prost(int32, optional, tag = "14")]
    pub edition: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageType {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub fields: Vec<Field>,
    #[prost(message, repeated, tag = "6")]
    pub extensions: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    pub messages: Vec<MessageType>,
    #[prost(message, repeated, tag = "4")]
    pub enums: Vec<Enum>,
    #[prost(message, repeated, tag = "5")]
    pub extension_ranges: Vec<Range>,
    #[prost(message, repeated, tag = "8")]
    pub oneofs: Vec<Oneof>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub options: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "9")]
    pub reserved_ranges: Vec<Range>,
    #[prost(string, repeated, tag = "10")]
    pub reserved_names: Vec<String>,
}

/// A range of field numbers, its end exclusive, or of enum values, its end inclusive.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Range {
    #[prost(int32, optional, tag = "1")]
    pub start: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub end: Option<i32>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub options: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Field {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub number: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub label: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    pub kind: Option<i32>,
    #[prost(string, optional, tag = "6")]
    pub type_name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub extendee: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub default_value: Option<String>,
    #[prost(int32, optional, tag = "9")]
    pub oneof_index: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub json_name: Option<String>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub options: Vec<Vec<u8>>,
    #[prost(bool, optional, tag = "17")]
    pub proto3_optional: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Oneof {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub options: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Enum {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub values: Vec<EnumValue>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub options: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub reserved_ranges: Vec<Range>,
    #[prost(string, repeated, tag = "5")]
    pub reserved_names: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumValue {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub number: Option<i32>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub options: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Service {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub methods: Vec<Method>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub options: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Method {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub input_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub output_type: Option<String>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub options: Vec<Vec<u8>>,
    #[prost(bool, optional, tag = "5")]
    pub client_streaming: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub server_streaming: Option<bool>,
}

/// `FieldDescriptorProto.Type`.
pub(super) mod kind {
    pub const DOUBLE: i32 = 1;
    pub const FLOAT: i32 = 2;
    pub const STRING: i32 = 9;
    pub const GROUP: i32 = 10;
    pub const MESSAGE: i32 = 11;
    pub const BYTES: i32 = 12;
    pub const ENUM: i32 = 14;
    pub const BOOL: i32 = 8;
    pub const MAX: i32 = 18;

    /// The word for a scalar type in `.proto` text.
    pub fn word(kind: i32) -> Option<&'static str> {
        Some(match kind {
            1 => "double",
            2 => "float",
            3 => "int64",
            4 => "uint64",
            5 => "int32",
            6 => "fixed64",
            7 => "fixed32",
            8 => "bool",
            9 => "string",
            12 => "bytes",
            13 => "uint32",
            15 => "sfixed32",
            16 => "sfixed64",
            17 => "sint32",
            18 => "sint64",
            _ => return None,
        })
    }
}

/// `FieldDescriptorProto.Label`.
pub(super) mod label {
    pub const OPTIONAL: i32 = 1;
    pub const REQUIRED: i32 = 2;
    pub const REPEATED: i32 = 3;
}

impl File {
    pub fn is_proto3(&self) -> bool {
        self.syntax() == "proto3"
    }
}

impl MessageType {
    pub fn is_map_entry(&self) -> bool {
        option_bool(&self.options, 7)
    }

    /// Whether the message is encoded in the old MessageSet format, where extension numbers go up to 2³¹ − 2.
    pub fn is_message_set(&self) -> bool {
        option_bool(&self.options, 1)
    }
}

/// The value of a boolean option in encoded options; the last one counts, as in every parser.
pub(super) fn option_bool(options: &[Vec<u8>], number: u32) -> bool {
    let mut found = false;
    for field in options.iter().flat_map(|bytes| super::wire::fields(bytes)).flatten() {
        if let (true, super::wire::Raw::Varint(value)) = (field.number == number, field.value) {
            found = value != 0;
        }
    }
    found
}
