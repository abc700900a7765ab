//! The well-known types of protobuf.

/// Whether `name` is one of the messages of `google/protobuf/wrappers.proto`.
pub(crate) fn is_wrapper(name: &str) -> bool {
    let kind = name.strip_prefix("google.protobuf.").and_then(|name| name.strip_suffix("Value"));
    kind.is_some_and(|kind| {
        matches!(kind, "Double" | "Float" | "Int64" | "UInt64" | "Int32" | "UInt32" | "Bool" | "String" | "Bytes")
    })
}

/// Whether messages of this type have a JSON form of their own.
pub(crate) fn is_special(name: &str) -> bool {
    is_wrapper(name)
        || name.strip_prefix("google.protobuf.").is_some_and(|name| {
            matches!(name, "Any" | "Timestamp" | "Duration" | "FieldMask" | "Struct" | "Value" | "ListValue" | "Empty")
        })
}
