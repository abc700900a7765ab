#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Message types of every feature, their descriptors, and records of them together with their canonical JSON.

A type is stated once, in Python. From that come the bytes of its descriptor, the bytes of a record, and the JSON that
the record has: nothing here parses what it wrote. Where a type has a JSON form of its own (Timestamp, Any …), the JSON
is stated by hand beside the value.
"""

import base64
import math
import struct

from writer import Record, descriptor_set, element, field, repeated, varint, zigzag

SCALARS = {"double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8}
SCALARS |= {"string": 9, "bytes": 12, "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18}
GROUP, MESSAGE, ENUM = 10, 11, 14
FIXED = {"double": "<d", "float": "<f", "fixed64": "<Q", "fixed32": "<I", "sfixed32": "<i", "sfixed64": "<q"}
LABELS = {"optional": 1, "required": 2, "repeated": 3}
M64 = (1 << 64) - 1


class Told:
    """A value of a message that has a JSON form of its own: the bytes of the message, and that form."""

    def __init__(self, data, told):
        self.data, self.told = data, told


class Enum:
    def __init__(self, name, *values):
        self.name, self.values, self.full = name, dict(values), name

    def descriptor(self):
        return field(1, self.name) + repeated(
            2, [field(1, name) + varint(2 << 3) + varint(number & M64) for name, number in self.values.items()]
        )

    def told(self, number):
        return next((name for name, other in self.values.items() if other == number), number)


class Field:
    """A field. `of` is the type of a message, group or enum; `json` the JSON name to state, None for none."""

    def __init__(
        self, name, number, kind, label="optional", json="", oneof=None, optional=False, packed=None, default=""
    ):
        self.name, self.number, self.label, self.oneof, self.optional = name, number, label, oneof, optional
        self.of = kind if isinstance(kind, Message | Enum) else None
        self.kind = kind if isinstance(kind, str) else "message" if isinstance(kind, Message) else "enum"
        if self.of and getattr(kind, "group", False):
            self.kind = "group"
        self.derived = camel(name)
        self.json = self.derived if json == "" else json
        self.packed, self.default = packed, default
        self.extended = None  # of an extension: the full name of the message that it extends

    def descriptor(self, oneofs):
        number = {"message": MESSAGE, "group": GROUP, "enum": ENUM}.get(self.kind) or SCALARS[self.kind]
        out = field(1, self.name) + field(2, "." + self.extended if self.extended else "") + field(3, self.number)
        out += field(4, LABELS[self.label]) + field(5, number)
        out += field(6, "." + self.of.full if self.of else "") + field(7, self.default)
        if self.packed is not None:
            out += element(8, varint(2 << 3) + varint(self.packed))
        if self.oneof:
            out += varint(9 << 3) + varint(oneofs.index(self.oneof))
        out += field(10, self.json or "")
        return out + (varint(17 << 3) + varint(1) if self.optional else b"")

    def told_name(self):
        if self.extended:
            return f"[{self.scope}.{self.name}]" if self.scope else f"[{self.name}]"
        return self.json or self.derived

    def wire(self, value):
        """One value, its tag before it."""
        if self.kind == "group":
            return varint(self.number << 3 | 3) + bytes(value) + varint(self.number << 3 | 4)
        if self.kind in FIXED:
            return varint(self.number << 3 | (1 if struct.calcsize(FIXED[self.kind]) == 8 else 5)) + self.plain(value)
        return varint(self.number << 3 | (2 if self.kind in ("string", "bytes", "message") else 0)) + self.plain(value)

    def plain(self, value):
        """One value without its tag."""
        if self.kind in FIXED:
            return struct.pack(FIXED[self.kind], value)
        if self.kind in ("string", "bytes", "message"):
            data = value.encode() if isinstance(value, str) else value.data if isinstance(value, Told) else bytes(value)
            return varint(len(data)) + data
        if self.kind in ("sint32", "sint64"):
            return varint(zigzag(value) & M64)
        return varint(value & M64)

    def tell(self, value):
        """The JSON of one value."""
        if self.kind in ("message", "group"):
            return value.told
        if self.kind == "enum":
            return self.of.told(value)
        if self.kind == "bytes":
            return base64.b64encode(value).decode()
        if self.kind in ("double", "float"):
            return (
                value if math.isfinite(value) else "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
            )
        return str(value) if self.kind in ("int64", "uint64", "fixed64", "sfixed64", "sint64") else value


class Map(Field):
    """A map field: a repeated message of key and value, which the message that holds the field defines."""

    def __init__(self, name, number, key, value):
        entry = Message(camel(f"_{name}_entry"), Field("key", 1, key), Field("value", 2, value))
        entry.options = field(7, 1)  # map_entry
        super().__init__(name, number, entry, "repeated")
        self.key, self.value = entry.fields


class Message:
    """A message type; `inner` are the types that it defines."""

    def __init__(self, name, *fields, inner=(), group=False, extensions=(), proto2=False):
        self.name, self.fields, self.group, self.full, self.options = name, list(fields), group, name, b""
        self.extensions, self.proto2 = extensions, proto2
        self.inner = [*inner, *(f.of for f in fields if isinstance(f, Map))]
        self.inner += [f.of for f in fields if f.kind == "group"]

    def descriptor(self):
        oneofs = [name for name in dict.fromkeys(f.oneof for f in self.fields) if name]
        out = field(1, self.name) + repeated(2, [f.descriptor(oneofs) for f in self.fields])
        out += repeated(3, [m.descriptor() for m in self.inner if isinstance(m, Message)])
        out += repeated(4, [e.descriptor() for e in self.inner if isinstance(e, Enum)])
        out += repeated(5, [field(1, start) + field(2, end) for start, end in self.extensions])
        return out + field(7, self.options) + repeated(8, [field(1, name) for name in oneofs])

    def record(self, **values):
        """A record, its fields in the order in which they are given."""
        data, told = b"", {}
        for name, value in values.items():
            one = next(f for f in self.fields if f.name == name)
            if isinstance(one, Map):
                data += b"".join(one.wire(one.key.wire(k) + one.value.wire(v)) for k, v in value.items())
                keys = [json_key(key) for key in value]
                told[one.told_name()] = dict(zip(keys, map(one.value.tell, value.values())))
            elif one.label == "repeated":
                if one.packed:
                    data += element(one.number, b"".join(map(one.plain, value)))
                else:
                    data += b"".join(map(one.wire, value))
                told[one.told_name()] = [one.tell(v) for v in value]
            else:
                implicit = not (self.proto2 or one.optional or one.oneof or one.of and one.kind == "message")
                if implicit and not value and not (isinstance(value, float) and math.copysign(1, value) < 0):
                    continue
                data += one.wire(value)
                told[one.told_name()] = one.tell(value)
        return Record(data, told)


def json_key(key):
    return str(key).lower() if isinstance(key, bool) else str(key)


def camel(name):
    """The JSON name that protoc derives: each underscore goes, and the letter after it is a capital one."""
    out = ""
    for number, character in enumerate(name):
        if character != "_":
            out += character.upper() if number and name[number - 1] == "_" else character
    return out


class File:
    """A file of types. Its types know their full names from then on."""

    def __init__(self, path, package, *items, imports=(), syntax="proto3"):
        self.path, self.package, self.items, self.imports, self.syntax = path, package, items, imports, syntax
        for item in items:
            self._name(item, package)

    def _name(self, item, scope):
        if isinstance(item, Field):
            item.scope = scope
            return
        item.full = f"{scope}.{item.name}" if scope else item.name
        if isinstance(item, Message):
            item.proto2 = self.syntax == "proto2"
            for inner in item.inner:
                self._name(inner, item.full)

    def descriptor(self):
        out = field(1, self.path) + field(2, self.package) + repeated(3, [other.path for other in self.imports])
        out += repeated(4, [item.descriptor() for item in self.items if isinstance(item, Message)])
        out += repeated(5, [item.descriptor() for item in self.items if isinstance(item, Enum)])
        out += repeated(7, [item.descriptor(()) for item in self.items if isinstance(item, Field)])
        return out + field(12, "" if self.syntax == "proto2" else self.syntax)


def closure(file):
    """The descriptor set of a file: in the order of section 4.2, all that it imports before it."""
    found, todo = {}, [file]
    while todo:
        one = todo.pop()
        found[one.path] = one
        todo += one.imports
    out = []
    while found:
        path = min(path for path, one in found.items() if not any(other.path in found for other in one.imports))
        out.append(found.pop(path).descriptor())
    return descriptor_set(*out)


# ---------------------------------------------------------------------------------------------------------------------
# The types that every protobuf has, as their descriptors need to be
# ---------------------------------------------------------------------------------------------------------------------

WELL_KNOWN = "google.protobuf"
TIMESTAMP = Message("Timestamp", Field("seconds", 1, "int64"), Field("nanos", 2, "int32"))
TIMESTAMP_FILE = File("google/protobuf/timestamp.proto", WELL_KNOWN, TIMESTAMP)
DURATION = Message("Duration", Field("seconds", 1, "int64"), Field("nanos", 2, "int32"))
DURATION_FILE = File("google/protobuf/duration.proto", WELL_KNOWN, DURATION)
ANY = Message("Any", Field("type_url", 1, "string"), Field("value", 2, "bytes"))
ANY_FILE = File("google/protobuf/any.proto", WELL_KNOWN, ANY)
EMPTY = Message("Empty")
EMPTY_FILE = File("google/protobuf/empty.proto", WELL_KNOWN, EMPTY)
FIELD_MASK = Message("FieldMask", Field("paths", 1, "string", "repeated"))
FIELD_MASK_FILE = File("google/protobuf/field_mask.proto", WELL_KNOWN, FIELD_MASK)
WRAPPERS = {
    name: Message(f"{name}Value", Field("value", 1, name.lower()))
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
WRAPPERS_FILE = File("google/protobuf/wrappers.proto", WELL_KNOWN, *WRAPPERS.values())
NULL_VALUE = Enum("NullValue", ("NULL_VALUE", 0))
STRUCT, VALUE, LIST_VALUE = Message("Struct"), Message("Value"), Message("ListValue")


def _struct_file():
    entry = Map("fields", 1, "string", VALUE)
    STRUCT.fields, STRUCT.inner = [entry], [entry.of]
    kinds = (("null", NULL_VALUE), ("number", "double"), ("string", "string"), ("bool", "bool"), ("struct", STRUCT))
    kinds += (("list", LIST_VALUE),)
    VALUE.fields = [Field(f"{n}_value", i, kind, oneof="kind") for i, (n, kind) in enumerate(kinds, 1)]
    LIST_VALUE.fields = [Field("values", 1, VALUE, "repeated")]
    return File("google/protobuf/struct.proto", WELL_KNOWN, STRUCT, VALUE, LIST_VALUE, NULL_VALUE)


STRUCT_FILE = _struct_file()


def seconds(amount, nanos, told):
    """A Timestamp or Duration."""
    return Told(TIMESTAMP.record(seconds=amount, nanos=nanos), told)


def wrapped(name, value):
    one = WRAPPERS[name].fields[0]
    return Told(WRAPPERS[name].record(value=value), one.tell(value))


def dynamic(value):
    """A Value, a Struct or a ListValue: what JSON holds."""
    if value is None:
        return Told(bytes(VALUE.fields[0].wire(0)), None)
    if isinstance(value, dict):
        return Told(bytes(VALUE.fields[4].wire(dynamic_struct(value))), value)
    if isinstance(value, list):
        return Told(bytes(VALUE.fields[5].wire(dynamic_list(value))), value)
    kind = 3 if isinstance(value, bool) else 2 if isinstance(value, str) else 1
    return Told(bytes(VALUE.fields[kind].wire(value)), value)


def dynamic_struct(value):
    one = STRUCT.fields[0]
    return Told(b"".join(one.wire(one.key.wire(k) + one.value.wire(dynamic(v))) for k, v in value.items()), value)


def dynamic_list(value):
    return Told(b"".join(LIST_VALUE.fields[0].wire(dynamic(item)) for item in value), value)


def packed_any(type_url, value, told):
    """An Any; `told` are the members of its JSON beside the type."""
    return Told(ANY.record(type_url=type_url, value=bytes(value)), {"@type": type_url, **told})
