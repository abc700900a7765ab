# SPDX-License-Identifier: Apache-2.0
"""What a stream must be in Arrow, from the parse of the `protobuf` package, and how the two are compared.

This is the mapping once more, written from its description and in another language. Values that Arrow has no Python
form for that tells all are compared in this one: instants and durations as nanoseconds, maps as sorted pairs, floats by
their bits (but every NaN is one value), JSON by what it says.
"""

import json
import math
import struct
from collections import Counter

import pyarrow as pa
from google.protobuf import descriptor_pb2, json_format, message_factory

Field = descriptor_pb2.FieldDescriptorProto
# How often a message type may stand inside of itself, itself counted, before a field of it is cut to JSON.
RECURSION = 2

PRIMITIVES = {
    Field.TYPE_DOUBLE: pa.float64(),
    Field.TYPE_FLOAT: pa.float32(),
    Field.TYPE_INT64: pa.int64(),
    Field.TYPE_UINT64: pa.uint64(),
    Field.TYPE_INT32: pa.int32(),
    Field.TYPE_FIXED64: pa.uint64(),
    Field.TYPE_FIXED32: pa.uint32(),
    Field.TYPE_BOOL: pa.bool_(),
    Field.TYPE_STRING: pa.string(),
    Field.TYPE_BYTES: pa.binary(),
    Field.TYPE_UINT32: pa.uint32(),
    Field.TYPE_SFIXED32: pa.int32(),
    Field.TYPE_SFIXED64: pa.int64(),
    Field.TYPE_SINT32: pa.int32(),
    Field.TYPE_SINT64: pa.int64(),
}
GOOGLE = "google.protobuf."
WRAPPERS = {f"{GOOGLE}{n}Value" for n in "Double Float Int64 UInt64 Int32 UInt32 Bool String Bytes".split()}
JSON = {f"{GOOGLE}{name}" for name in ("Struct", "Value", "ListValue")}


# How often a difference that test_oracle.py lists as accepted was met.
accepted = Counter()


class Json:
    """A value that the column holds as JSON text."""

    def __init__(self, value):
        self.value = value


class Cut:
    """A message that the column holds as protobuf JSON, where its type held itself too often."""

    def __init__(self, message, pool):
        self.message, self.pool = message, pool


def columns(descriptor, pool):
    """The fields of a message, and the extensions that the pool has of it, by the names of their columns."""
    named = [(field.name, field) for field in descriptor.fields]
    return named + [(f"[{field.full_name}]", field) for field in pool.FindAllExtensions(descriptor)]


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


# What the types must be.


def schema(descriptor, pool):
    return pa.schema([_field(name, field, pool, (descriptor.full_name,)) for name, field in columns(descriptor, pool)])


def _field(name, field, pool, path):
    if is_map(field):
        key, value = (field.message_type.fields_by_number[number] for number in (1, 2))
        of = pa.map_(_type(key, pool, path), _type(value, pool, path))
    elif field.is_repeated:
        of = pa.list_(_type(field, pool, path))
    else:
        return pa.field(name, _type(field, pool, path), nullable=field.has_presence)
    return pa.field(name, of, nullable=False)


def _type(field, pool, path):
    if field.enum_type is not None:
        return pa.dictionary(pa.int32(), pa.string())
    if field.message_type is None:
        return PRIMITIVES[field.type]
    name = field.message_type.full_name
    if name == f"{GOOGLE}Timestamp":
        return pa.timestamp("ns", "UTC")
    if name == f"{GOOGLE}Duration":
        return pa.duration("ns")
    if name in WRAPPERS:
        return PRIMITIVES[field.message_type.fields[0].type]
    if name in JSON or path.count(name) >= RECURSION:
        return pa.string()
    if name == f"{GOOGLE}FieldMask":
        return pa.list_(pa.string())
    inner = columns(field.message_type, pool)
    return pa.struct([_field(n, f, pool, (*path, name)) for n, f in inner]) if inner else pa.bool_()


def same_type(expected, actual, where=""):
    """The first place where two types differ, as text; None where they are the same.

    Not compared: the names of list items and map entries, the difference of nullability that a list of values without
    nulls has, and 32 or 64 bits of offsets.
    """
    if pa.types.is_struct(expected) and pa.types.is_struct(actual):
        return same_fields(list(expected), list(actual), where)
    for of in (pa.types.is_list, pa.types.is_large_list):
        if pa.types.is_list(expected) and of(actual):
            return same_type(expected.value_type, actual.value_type, f"{where}[]")
    if pa.types.is_map(expected) and pa.types.is_map(actual):
        keys = same_type(expected.key_type, actual.key_type, f"{where}(key)")
        return keys or same_type(expected.item_type, actual.item_type, f"{where}(value)")
    if pa.types.is_dictionary(expected) and pa.types.is_dictionary(actual):
        return same_type(expected.value_type, actual.value_type, where)
    large = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    if actual in (expected, large.get(expected)):
        return None
    return f"{where}: expected {expected}, found {actual}"


def same_fields(expected, actual, where=""):
    if [field.name for field in expected] != [field.name for field in actual]:
        if sorted(field.name for field in expected) != sorted(field.name for field in actual):
            return f"{where}: expected {[f.name for f in expected]}, found {[f.name for f in actual]}"
        order = {field.name: field for field in actual}
        actual = [order[field.name] for field in expected]
    for want, have in zip(expected, actual):
        place = f"{where}.{want.name}"
        if want.nullable and not have.nullable:
            return f"{place}: expected nullable"
        if not want.nullable and have.nullable:
            return f"{place}: expected not nullable"
        if difference := same_type(want.type, have.type, place):
            return difference
    return None


# What the values must be.


def row(message, pool, defaults=False):
    """The row of a parsed message: column names and values in the form in which they are compared."""
    return _struct(message, pool, (message.DESCRIPTOR.full_name,), defaults)


def _struct(message, pool, path, defaults):
    out = {}
    for name, field in columns(message.DESCRIPTOR, pool):
        if field.is_extension:
            there = None if field.is_repeated else message.HasExtension(field)
            value = message.Extensions[field] if there is not False else None
        else:
            there = message.HasField(field.name) if field.has_presence else None
            value = getattr(message, field.name)
        if is_map(field):
            key, of = (field.message_type.fields_by_number[number] for number in (1, 2))
            pairs = [
                (value_of(key, k, pool, path, defaults), value_of(of, value[k], pool, path, defaults)) for k in value
            ]
            out[name] = sorted(pairs, key=lambda pair: pair[0])
        elif field.is_repeated:
            out[name] = [value_of(field, item, pool, path, defaults) for item in value]
        elif there is False:
            scalar = field.message_type is None
            out[name] = value_of(field, field.default_value, pool, path, defaults) if defaults and scalar else None
        else:
            out[name] = value_of(field, value, pool, path, defaults)
    return out


def value_of(field, value, pool, path, defaults):
    if field.enum_type is not None:
        # The first name of a number; a number without a name stands for itself.
        return next((v.name for v in field.enum_type.values if v.number == value), str(value))
    if field.message_type is None:
        return floating(value) if isinstance(value, float) else value
    name = field.message_type.full_name
    if name in (f"{GOOGLE}Timestamp", f"{GOOGLE}Duration"):
        return value.seconds * 10**9 + value.nanos
    if name in WRAPPERS:
        return floating(value.value) if isinstance(value.value, float) else value.value
    if name in JSON:
        return Json(plain(value))
    if path.count(name) >= RECURSION:
        return Cut(value, pool)
    if name == f"{GOOGLE}FieldMask":
        return list(value.paths)
    if not columns(field.message_type, pool):
        return True
    return _struct(value, pool, (*path, name), defaults)


def plain(value):
    """A Struct, ListValue or Value as what JSON parses to."""
    kind = value.DESCRIPTOR.name
    if kind == "Struct":
        return {key: plain(value.fields[key]) for key in value.fields}
    if kind == "ListValue":
        return [plain(item) for item in value.values]
    which = value.WhichOneof("kind")
    if which in (None, "null_value"):
        return None
    inner = getattr(value, which)
    if which in ("struct_value", "list_value"):
        return plain(inner)
    return floating(inner) if which == "number_value" else inner


def floating(value):
    """A float in a form that tells -0.0 from 0.0, and in which NaN equals itself."""
    return "NaN" if math.isnan(value) else struct.pack(">d", value)


# What the values are.


def values(array):
    """The values of an Arrow array in the form in which they are compared."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.dictionary_decode().to_pylist()
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return array.cast(pa.int64()).to_pylist()
    if pa.types.is_floating(kind):
        return [None if value is None else floating(value) for value in array.to_pylist()]
    if pa.types.is_struct(kind):
        parts = [values(part) for part in array.flatten()]
        names = [kind.field(at).name for at in range(kind.num_fields)]
        valid = array.is_valid().to_pylist()
        return [dict(zip(names, [p[at] for p in parts])) if valid[at] else None for at in range(len(array))]
    if pa.types.is_map(kind):
        keys, items, offsets, valid = (
            values(array.keys),
            values(array.items),
            array.offsets.to_pylist(),
            array.is_valid(),
        )
        out = []
        for at, there in enumerate(valid.to_pylist()):
            pairs = list(zip(keys[offsets[at] : offsets[at + 1]], items[offsets[at] : offsets[at + 1]]))
            out.append(sorted(pairs, key=lambda pair: pair[0]) if there else None)
        return out
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner, offsets, valid = values(array.values), array.offsets.to_pylist(), array.is_valid().to_pylist()
        return [inner[offsets[at] : offsets[at + 1]] if there else None for at, there in enumerate(valid)]
    return array.to_pylist()


def rows(table):
    """The rows of a table, each as names and values."""
    named = []
    for name, column in zip(table.column_names, table.columns):
        named.append((name, [value for chunk in column.chunks for value in values(chunk)]))
    return [{name: column[at] for name, column in named} for at in range(table.num_rows)]


def difference(expected, actual, where=""):
    """The first place where two values differ, as text; None where they are the same."""
    if isinstance(expected, Json):
        return _json(expected, actual, where)
    if isinstance(expected, Cut):
        return _cut(expected, actual, where)
    if type(expected) is not type(actual):
        return f"{where}: expected {expected!r}, found {actual!r}"
    if isinstance(expected, dict):
        if expected.keys() != actual.keys():
            return f"{where}: expected {sorted(expected)}, found {sorted(actual)}"
        return next(filter(None, (difference(expected[k], actual[k], f"{where}.{k}") for k in expected)), None)
    if isinstance(expected, list | tuple):
        if len(expected) != len(actual):
            return f"{where}: expected {len(expected)} items, found {len(actual)}: {expected!r} {actual!r}"
        pairs = enumerate(zip(expected, actual))
        return next(filter(None, (difference(e, a, f"{where}[{at}]") for at, (e, a) in pairs)), None)
    return None if expected == actual else f"{where}: expected {expected!r}, found {actual!r}"


def _json(expected, actual, where):
    if not isinstance(actual, str):
        return f"{where}: expected JSON text, found {actual!r}"

    def number(text):
        return floating(float(text))

    try:
        found = json.loads(actual, parse_int=number, parse_float=number)
    except ValueError as error:
        return f"{where}: {error}: {actual!r}, expected JSON of {expected.value!r}"
    return None if found == expected.value else f"{where}: expected JSON of {expected.value!r}, found {actual}"


def _cut(expected, actual, where):
    if not isinstance(actual, str):
        return f"{where}: expected the JSON of a message, found {actual!r}"
    known = message_factory.GetMessageClass(expected.message.DESCRIPTOR)()
    known.CopyFrom(expected.message)
    known.DiscardUnknownFields()
    # By way of protobuf's own JSON, for what JSON does not tell: an empty Value is null, as one that says null.
    known = json_format.Parse(
        json_format.MessageToJson(known, descriptor_pool=expected.pool), type(known)(), descriptor_pool=expected.pool
    )
    try:
        found = json_format.Parse(actual, type(known)(), descriptor_pool=expected.pool)
    except json_format.ParseError as error:
        if "Invalid enum value" in str(error):
            accepted["the number of a closed enum in JSON"] += 1
            return None
        return f"{where}: {error}: {actual}"
    if _drop_negative_zeros(known):
        _drop_negative_zeros(found)
        accepted["-0.0 in JSON"] += 1
    if found.SerializePartialToString(deterministic=True) == known.SerializePartialToString(deterministic=True):
        return None
    return f"{where}: expected a message that is\n{known}found {actual}"


def _drop_negative_zeros(message):
    """Clears the fields without presence that are -0.0; whether there were any."""
    dropped = False
    for field, value in message.ListFields():
        if is_map(field):
            of = field.message_type.fields_by_number[2]
            inner = [value[key] for key in value] if of.message_type else []
        elif field.message_type:
            inner = value if field.is_repeated else [value]
        else:
            inner = []
            if isinstance(value, float) and value == 0 and not field.has_presence:
                message.ClearField(field.name)
                dropped = True
        for item in inner:
            dropped |= _drop_negative_zeros(item)
    return dropped
