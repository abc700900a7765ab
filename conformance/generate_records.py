#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors about records and the types that describe them (FORMAT.md, sections 4.2 and 6)."""

from making import accept, hello, reject
from protos import (
    ANY,
    ANY_FILE,
    DURATION,
    DURATION_FILE,
    EMPTY,
    EMPTY_FILE,
    FIELD_MASK,
    FIELD_MASK_FILE,
    LIST_VALUE,
    SCALARS,
    STRUCT,
    STRUCT_FILE,
    TIMESTAMP,
    TIMESTAMP_FILE,
    VALUE,
    WRAPPERS,
    WRAPPERS_FILE,
    Enum,
    Field,
    File,
    Map,
    Message,
    Told,
    closure,
    dynamic,
    dynamic_list,
    dynamic_struct,
    packed_any,
    seconds,
    wrapped,
)
from writer import (
    GREETING,
    Archive,
    Record,
    descriptor_set,
    element,
    field,
    file_descriptor,
    greeting,
    repeated,
    varint,
)

MAX32, MAX64 = (1 << 31) - 1, (1 << 63) - 1


def archive_of(descriptors, kind, *records):
    return Archive().schema(descriptors, ("records", kind, 0)).batch("records", *records)


def shown(name, why, file, kind, *records, spec="6"):
    """A vector of records that a reader shows as JSON."""
    accept(f"records-{name}", spec, why, archive_of(closure(file), kind.full, *records), level=2)


def scalars():
    kind = Message("Scalars", *[Field(f"{name}_value", i, name) for i, name in enumerate(SCALARS, 1)])
    file = File("example/scalars.proto", "example", kind)
    least = {"int64": -MAX64 - 1, "sfixed64": -MAX64 - 1, "sint64": -MAX64 - 1}
    least |= {"int32": -MAX32 - 1, "sfixed32": -MAX32 - 1, "sint32": -MAX32 - 1, "double": -1.5, "float": -0.25}
    greatest = {"int64": MAX64, "sfixed64": MAX64, "sint64": MAX64, "uint64": 2 * MAX64 + 1, "fixed64": 2 * MAX64 + 1}
    greatest |= {"int32": MAX32, "sfixed32": MAX32, "sint32": MAX32, "uint32": 2 * MAX32 + 1, "fixed32": 2 * MAX32 + 1}
    greatest |= {"double": 1.7976931348623157e308, "float": 16777216.0, "bool": True, "string": "s", "bytes": b"\0\xff"}
    zero = dict.fromkeys(SCALARS, 0) | {"double": 0.0, "float": 0.0, "bool": False, "string": "", "bytes": b""}
    why = "Every scalar type, at its least and greatest, and zero: 64 bits are strings, and what is zero is left out."
    records = [kind.record(**{f"{n}_value": v for n, v in values.items()}) for values in (least, greatest, zero)]
    # Zero that was written all the same is the same record.
    records.append(Record(b"\x18\0\x28\0", {}))
    shown("scalars", why, file, kind, *records)

    kind = Message("Numbers", Field("d", 1, "double"), Field("f", 2, "float"), Field("all", 3, "double", "repeated"))
    file = File("example/numbers.proto", "example", kind)
    strange = [float("nan"), float("inf"), float("-inf"), 5e-324, 1e21]
    records = [kind.record(d=number, f=number) for number in strange[:3]] + [kind.record(all=strange)]
    shown(
        "non-finite",
        "Numbers that JSON has no form for are the strings NaN, Infinity and -Infinity.",
        file,
        kind,
        *records,
    )

    kind = Message("Text", Field("text", 1, "string"))
    file = File("example/text.proto", "example", kind)
    texts = ['"\\/\b\f\n\r\t', "\0\x01\x1f\x7f\x80", "\u00fc\u4e2d\U0001f600\u2028\ufeff\uffff", "e\u0301"]
    shown(
        "text",
        "Strings with control characters, quotes and characters of every plane.",
        file,
        kind,
        *[kind.record(text=text) for text in texts],
    )

    kind = Message("Data", Field("data", 1, "bytes"))
    file = File("example/data.proto", "example", kind)
    pieces = [b"\xfb", b"\xfb\xff", b"\xfb\xff\xbf", bytes(range(256))]
    why = "Bytes are base64 of the standard alphabet, padded."
    shown("bytes", why, file, kind, *[kind.record(data=piece) for piece in pieces])


def shapes():
    inner = Message("Inner", Field("n", 1, "int32"))
    kind = Message(
        "Lists",
        Field("packed", 1, "sint32", "repeated", packed=True),
        Field("loose", 2, "fixed64", "repeated", packed=False),
        Field("texts", 3, "string", "repeated"),
        Field("messages", 4, inner, "repeated"),
    )
    file = File("example/lists.proto", "example", inner, kind)
    one = kind.record(packed=[0, -1, 1], loose=[0, 1], texts=["", "a"], messages=[inner.record(), inner.record(n=5)])
    # The other form of both, in pieces: packed and loose elements of one field come in the order of the bytes.
    other = Record(
        b"\x08\x01\x0a\x02\x02\x03\x08\x04" + b"\x12\x08" + bytes(8), {"packed": [-1, 1, -2, 2], "loose": ["0"]}
    )
    shown(
        "repeated",
        "Repeated fields, packed and not, in the form of the declaration and in the other.",
        file,
        kind,
        one,
        other,
    )

    inner = Message("Inner", Field("n", 1, "int32"))
    colour = Enum("Colour", ("RED", 0), ("BLUE", 2))
    maps = (("texts", "string", "string"), ("longs", "int64", "int32"), ("small", "uint32", "bytes"))
    maps += (("flags", "bool", inner), ("colours", "sint32", colour), ("wide", "fixed64", "uint64"))
    kind = Message("Maps", *[Map(name, i, key, value) for i, (name, key, value) in enumerate(maps, 1)])
    file = File("example/maps.proto", "example", colour, inner, kind)
    one = kind.record(
        texts={"b": "x", "": "y", "a": ""}, longs={-MAX64 - 1: 1, 0: 0, 7: -7}, small={4294967295: b"\xff"}
    )
    two = kind.record(
        flags={True: inner.record(n=1), False: inner.record()}, colours={-1: 2, 1: 9}, wide={2**64 - 1: 5}
    )
    texts = kind.fields[0]
    # The last one of a key counts; an entry without key or value has the default of it.
    entries = [b"\x0a\x01k\x12\x01a", b"\x12\x01d", b"\x0a\x01k\x12\x01b", b"\x0a\x01z"]
    three = Record(repeated(texts.number, entries), {"texts": {"k": "b", "": "d", "z": ""}})
    shown(
        "maps",
        "Maps with keys of many types; a key that comes twice; entries without key or value.",
        file,
        kind,
        one,
        two,
        three,
    )

    inner = Message("Inner", Field("n", 1, "int32"), Field("m", 2, "int32"))
    kind = Message(
        "Choice",
        Field("text", 1, "string", oneof="choice"),
        Field("number", 2, "int64", oneof="choice"),
        Field("inner", 3, inner, oneof="choice"),
        Field("beside", 4, "bool"),
    )
    file = File("example/choice.proto", "example", inner, kind)
    records = [
        kind.record(text=""),
        kind.record(number=0, beside=True),
        kind.record(inner=inner.record()),
        kind.record(),
    ]
    records.append(Record(bytes(kind.record(text="x")) + bytes(kind.record(number=5)), {"number": "5"}))
    records.append(Record(b"\x1a\x02\x08\x01\x1a\x02\x10\x02", {"inner": {"n": 1, "m": 2}}))
    shown(
        "oneof",
        "A oneof: a default that is set is shown, the last one counts, a message is merged.",
        file,
        kind,
        *records,
    )

    kind = Message(
        "Optional",
        Field("number", 1, "int32", oneof="_number", optional=True),
        Field("text", 2, "string", oneof="_text", optional=True),
        Field("plain", 3, "int32"),
    )
    file = File("example/optional.proto", "example", kind)
    records = [kind.record(), kind.record(number=0, text="", plain=0), kind.record(number=-1, text="x", plain=1)]
    shown("optional", "Fields of proto3 that are optional: what is set is shown, be it zero.", file, kind, *records)

    kind = Message("Node")
    kind.fields = [Field("value", 1, "int32"), Field("left", 2, kind), Field("right", 3, kind)]
    file = File("example/node.proto", "example", kind)
    deep = kind.record(value=40)
    for value in range(39, 0, -1):
        deep = kind.record(value=value, left=deep)
    shown("recursive", "A message that holds itself, 40 deep.", file, kind, deep, kind.record(right=kind.record()))

    state = Enum("State", ("UNKNOWN", 0), ("ON", 1))
    kind = Message("Inner", Field("state", 1, state))
    outer = Message("Outer", inner=[kind, state])
    file = File("example/outer.proto", "", outer)
    shown(
        "nested-type",
        "A stream of a type that another message defines, in a file without package.",
        file,
        kind,
        kind.record(state=1),
    )

    kind = Message(
        "Names",
        Field("snake_case_2d", 1, "int32"),
        Field("stated", 2, "int32", json="a name!"),
        Field("_two__lines_", 3, "int32", json=None),
        Field("CamelCase", 4, "int32", json=None),
    )
    file = File("example/names.proto", "example", kind)
    record = kind.record(snake_case_2d=1, stated=2, _two__lines_=3, CamelCase=4)
    shown(
        "json-names",
        "JSON names that the descriptor states, and those derived where it states none.",
        file,
        kind,
        record,
    )


def enums():
    colour = Enum("Colour", ("COLOUR_NONE", 0), ("COLOUR_RED", 1), ("COLOUR_LEAST", -MAX32 - 1))
    kind = Message("Paint", Field("one", 1, colour), Field("all", 2, colour, "repeated", packed=True))
    file = File("example/paint.proto", "example", colour, kind)
    records = [kind.record(one=1, all=[0, 1, -MAX32 - 1]), kind.record(one=0), kind.record(one=7, all=[1, -5])]
    shown("enum", "An open enum: names, and numbers where there is no name.", file, kind, *records)

    level = Enum("Level", ("LOW", 5), ("HIGH", 6))
    kind = Message("Old", Field("level", 1, level, default="HIGH"), Field("all", 2, level, "repeated"))
    file = File("example/old.proto", "example", level, kind, syntax="proto2")
    records = [kind.record(level=5), kind.record(), kind.record(level=6, all=[6, 5])]
    shown("enum-closed", "A closed enum (proto2) without a zero; the default is not shown.", file, kind, *records)


def proto2():
    kind = Message(
        "Settings",
        Field("name", 1, "string", "required"),
        Field("size", 2, "int32", default="10"),
        Field("ratio", 3, "double", default="0.5"),
        Field("flag", 4, "bool", default="true"),
        Field("loose", 5, "int32", "repeated"),
        Field("packed", 6, "int32", "repeated", packed=True),
    )
    file = File("example/settings.proto", "example", kind, syntax="proto2")
    records = [kind.record(name=""), kind.record(name="x", size=10, ratio=0.0, flag=False, loose=[0, 1], packed=[-1])]
    shown(
        "proto2",
        "Fields of proto2: what is absent is not shown, whatever its default; what is set is.",
        file,
        kind,
        *records,
    )

    item = Message("Item", Field("n", 2, "int32"), group=True)
    pair = Message("Pair", Field("text", 4, "string"), group=True)
    kind = Message("Groups", Field("item", 1, item, "repeated"), Field("pair", 3, pair))
    file = File("example/groups.proto", "example", kind, syntax="proto2")
    records = [kind.record(item=[item.record(n=1), item.record()], pair=pair.record(text="t")), kind.record()]
    shown("groups", "Groups of proto2, one of them repeated.", file, kind, *records)

    kind = Message("Base", Field("id", 1, "int32"), extensions=[(100, 200)])
    note = Field("note", 100, "string")
    marks = Field("marks", 101, "int32", "repeated")
    note.extended = marks.extended = "example.Base"
    file = File("example/base.proto", "example", kind, note, marks, syntax="proto2")
    own = kind.record(id=1)
    data = bytes(own) + note.wire("n") + marks.wire(1) + marks.wire(2)
    record = Record(data, {"id": 1, "[example.note]": "n", "[example.marks]": [1, 2]})
    shown("extensions", "Extensions of proto2: their names are full and in brackets.", file, kind, record, own)


def well_known():
    def message(name, imports, *fields):
        kind = Message(name, *fields)
        return kind, File(f"example/{name.lower()}.proto", "example", kind, imports=imports)

    kind, file = message("Times", [TIMESTAMP_FILE], Field("at", 1, TIMESTAMP), Field("all", 2, TIMESTAMP, "repeated"))
    times = [
        seconds(0, 0, "1970-01-01T00:00:00Z"),
        seconds(1_700_000_000, 1, "2023-11-14T22:13:20.000000001Z"),
        seconds(1_700_000_000, 1_000, "2023-11-14T22:13:20.000001Z"),
        seconds(1_700_000_000, 120_000_000, "2023-11-14T22:13:20.120Z"),
        seconds(-1, 500_000_000, "1969-12-31T23:59:59.500Z"),
        seconds(951_782_400, 0, "2000-02-29T00:00:00Z"),
        seconds(-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
        seconds(253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
    ]
    shown(
        "timestamp",
        "Times of every precision, before 1970, the first and the last.",
        file,
        kind,
        kind.record(at=times[0]),
        kind.record(all=times),
    )

    kind, file = message("Spans", [DURATION_FILE], Field("all", 1, DURATION, "repeated"))
    spans = [
        seconds(0, 0, "0s"),
        seconds(1, 0, "1s"),
        seconds(0, -500_000_000, "-0.500s"),
        seconds(-3, -1_000, "-3.000001s"),
        seconds(3, 1, "3.000000001s"),
        seconds(315_576_000_000, 0, "315576000000s"),
        seconds(-315_576_000_000, 0, "-315576000000s"),
    ]
    shown("duration", "Durations of both signs and every precision.", file, kind, kind.record(all=spans))

    kind, file = message(
        "Wrapped", [WRAPPERS_FILE], *[Field(n.lower(), i, WRAPPERS[n]) for i, n in enumerate(WRAPPERS, 1)]
    )
    values = {"Double": 1.5, "Float": -0.25, "Int64": -(2**53) - 1, "UInt64": 2**64 - 1, "Int32": -5, "UInt32": 5}
    values |= {"Bool": True, "String": "s", "Bytes": b"\xff"}
    zero = {"Double": 0.0, "Float": 0.0, "Int64": 0, "UInt64": 0, "Int32": 0, "UInt32": 0, "Bool": False}
    zero |= {"String": "", "Bytes": b""}
    records = [kind.record(**{n.lower(): wrapped(n, v) for n, v in some.items()}) for some in (values, zero)]
    shown(
        "wrappers",
        "Every wrapper is the JSON of its value, and shown where it is set, be it zero.",
        file,
        kind,
        *records,
    )

    kind, file = message(
        "Dynamic", [STRUCT_FILE], Field("object", 1, STRUCT), Field("value", 2, VALUE), Field("list", 3, LIST_VALUE)
    )
    whole = {"null": None, "": True, "n": 1.5, "text": "t", "list": [False, [], {}, 2.0], "object": {"a": {"b": None}}}
    records = [kind.record(object=dynamic_struct(whole)), kind.record(object=dynamic_struct({}), list=dynamic_list([]))]
    records += [kind.record(value=dynamic(value)) for value in (None, False, "", -2.5, [None], {"k": "v"})]
    records.append(kind.record(list=dynamic_list([1.0, "two", None])))
    shown("struct", "Struct, Value and ListValue are the JSON that they hold, null included.", file, kind, *records)

    kind, file = message(
        "Masks", [EMPTY_FILE, FIELD_MASK_FILE], Field("mask", 1, FIELD_MASK), Field("nothing", 2, EMPTY)
    )
    mask = Told(FIELD_MASK.record(paths=["user.display_name", "photo"]), "user.displayName,photo")
    none = Told(b"", "")
    records = [kind.record(mask=mask), kind.record(mask=none, nothing=EMPTY.record())]
    shown(
        "field-mask",
        "A FieldMask is a text of paths with commas; Empty is an object without members.",
        file,
        kind,
        *records,
    )

    inner = Message("Inner", Field("n", 1, "int64"))
    kind = Message("Holder", Field("any", 1, ANY))
    imports = [ANY_FILE, DURATION_FILE, WRAPPERS_FILE]
    file = File("example/holder.proto", "example", inner, kind, imports=imports)
    held = inner.record(n=5)
    site = "type.googleapis.com"
    records = [
        kind.record(any=packed_any(f"{site}/example.Inner", held, held.told)),
        kind.record(any=packed_any(f"{site}/example.Inner", b"", {})),
        kind.record(any=packed_any(f"{site}/google.protobuf.Duration", DURATION.record(seconds=3), {"value": "3s"})),
        kind.record(
            any=packed_any(f"{site}/google.protobuf.Int64Value", WRAPPERS["Int64"].record(value=7), {"value": "7"})
        ),
    ]
    again = packed_any("example.org/x/example.Inner", held, held.told)
    outer = packed_any(f"{site}/example.Holder", kind.record(any=again), {"any": again.told})
    records.append(kind.record(any=outer))
    records.append(kind.record(any=packed_any(f"{site}/google.protobuf.Any", again.data, {"value": again.told})))
    shown(
        "any",
        "Any: the members of what it holds beside its type, or the own form of that under `value`.",
        file,
        kind,
        *records,
    )


def wire():
    inner = Message("Inner", Field("a", 1, "int32"), Field("b", 2, "int32"))
    kind = Message("Merged", Field("inner", 1, inner), Field("n", 2, "int32"), Field("text", 3, "string"))
    file = File("example/merged.proto", "example", inner, kind)
    records = [Record(b"\x0a\x04\x08\x01\x10\x02\x10\x05\x0a\x02\x08\x03\x10\x06", {"inner": {"a": 3, "b": 2}, "n": 6})]
    # An int32 of ten bytes, its upper half cut off; a varint that is longer than it need be; fields in any order.
    records.append(Record(b"\x1a\x01x\x10" + varint((1 << 64) - 2), {"text": "x", "n": -2}))
    records.append(Record(b"\x10\x85\x80\x00", {"n": 5}))
    shown(
        "merged",
        "A message that comes twice is merged, of a scalar the last counts; fields in another order.",
        file,
        kind,
        *records,
    )

    unknown = element(9, b"\xff") + varint(10 << 3) + varint(1) + varint(11 << 3 | 1) + bytes(8)
    unknown += varint(12 << 3 | 3) + varint(1 << 3) + b"\x05" + varint(12 << 3 | 4) + varint(13 << 3 | 5) + bytes(4)
    why = "Fields that the type does not have are no part of the JSON."
    record = Record(unknown + b"\x10\x07" + unknown, {"n": 7})
    shown("unknown-fields", why, file, kind, record)

    values = Message(
        "Values",
        Field("n", 1, "int32"),
        Field("packed", 2, "int32", "repeated", packed=True),
        Map("map", 3, "string", "int32"),
        Field("inner", 4, inner),
    )
    one = values.record(n=1, packed=[1, 2, 3], map={"k": 1}, inner=inner.record(a=1))
    record = Record(bytes(one) + varint(9 << 3) + b"\x01", one.told)
    why = "Exactly at the limit record-values: a number, three packed ones, a map entry, a message, an unknown field."
    archive = archive_of(closure(File("example/values.proto", "example", inner, values)), values.full, record)
    accept("records-values", "6", why, archive, level=2, limits=lambda data: {"record-values": 1 + 4 + 3 + 2 + 1})

    shown("deep", "Messages in each other, 100 deep.", *nested(100))

    archive = Archive().schema(closure(file), ("first", "example.Merged", 0), ("second", "example.Inner", 0))
    archive.schema(GREETING, ("third", "example.Greeting", 0))
    archive.batch("first", kind.record(n=1), kind.record(n=2)).batch("third", greeting("a"))
    archive.batch("second", inner.record(a=3)).batch("first", kind.record(n=4)).file("file", b"between")
    archive.batch("third", greeting(""), greeting("c")).batch("first", Record(b"", {}))
    accept("records-many-streams", "4.3", "Three streams of two Schemas, their batches in turns.", archive, level=2)

    archive = Archive().schema(GREETING, ("s", "example.Greeting", 0))
    for number in range(11):
        archive.batch("s", *[greeting(f"{number}.{place}") for place in range(1 + number % 3)])
    accept("records-many-batches", "5.5", "Eleven batches of one stream.", archive, level=2)

    def split(parts):
        out = []
        for part in parts:
            data, batch = bytes(part.data), part.data[:5] == b"\x86\x02\x0a\x83\x02"
            pieces = [data[at : at + 100] for at in range(0, len(data), 100)] if batch else [data]
            out += [type(part)(piece) for piece in pieces]
        return out

    records = [greeting("x" * 259), greeting("y" * 1000), greeting(""), greeting("z" * 130)]
    archive = Archive().schema(GREETING, ("s", "example.Greeting", 0)).batch("s", *records).on("parts", split)
    accept("records-across-frames", "6", "A batch whose frames divide records and their lengths.", archive, level=2)

    archive = Archive().schema(GREETING, ("s", "example.Greeting", 0)).batch("s", *[greeting("")] * 300)
    accept("records-empty", "6", "Three hundred records of no bytes.", archive, level=2)


def nested(depth):
    """A file, a type of it, and a record of that: messages in each other, `depth` deep."""
    kind = Message("Deep", Field("value", 1, "int32"))
    kind.fields.append(Field("in", 2, kind))
    record = kind.record(value=1)
    for _ in range(depth):
        record = Record(element(2, record), {"in": record.told})
    return File("example/deep.proto", "example", kind), kind, record


def undecodable():
    inner = Message("Inner", Field("n", 1, "int32"))
    kind = Message("Outer", Field("text", 1, "string"), Field("inner", 2, inner), Field("data", 3, "bytes"))
    file = File("example/outer.proto", "example", inner, kind)

    def bad(name, why, data):
        archive = archive_of(closure(file), kind.full, kind.record(text="sound"), data)
        reject(f"record-{name}", "6", "record.decode", why, archive)

    bad("cut-field", "A record ends within a field.", b"\x0a\x05abc")
    bad("cut-varint", "A record ends within a varint.", b"\x28\x80")
    bad("inner-cut", "A message in a record ends within a field.", b"\x12\x02\x08\x80")
    bad("utf-8", "A string of a record is not UTF-8.", b"\x0a\x02\xc3\x28")
    bad("field-0", "A record has a field number 0.", b"\x02\x01x")
    bad("wire-type", "A record has the wire type 7.", b"\x0f")
    bad("group-open", "A group without its end.", b"\x4b\x08\x05")
    bad("group-end", "The end of a group that did not begin.", b"\x4c")

    numbers = Message("Numbers", Field("all", 1, "fixed64", "repeated", packed=True))
    packed = closure(File("example/numbers.proto", "example", numbers))
    why = "Packed numbers of eight bytes have seven."
    reject(
        "record-packed-cut", "6", "record.decode", why, archive_of(packed, "example.Numbers", b"\x0a\x07" + bytes(7))
    )

    archive = archive_of(closure(file), kind.full, Record(element(2, b"\x08\x01") * 20 + b"\x28\x01" * 20, {}))
    why = "With the limit record-values at 5, a record of dozens of values exceeds it."
    reject("limit-record-values", "6", "limit.record-values", why, archive, limits={"record-values": 5})

    def many(name, why, data):
        kind = Message("Values", Field("packed", 1, "int32", "repeated", packed=True))
        archive = archive_of(closure(File("example/values.proto", "example", kind)), kind.full, Record(data, {}))
        reject(f"limit-record-values-{name}", "6", "limit.record-values", why, archive, limits={"record-values": 3})

    many(
        "packed", "With the limit record-values at 3, a packed field of three numbers: a value itself.", b"\x0a\3\1\2\3"
    )
    many("unknown", "With the limit record-values at 3, four fields that the type does not have.", b"\x48\1" * 4)

    file, kind, record = nested(101)
    reject(
        "record-deep",
        "6",
        "record.decode",
        "Messages in each other, 101 deep.",
        archive_of(closure(file), kind.full, record),
    )
    old = Message("Old", Field("text", 1, "string"), proto2=True)
    why = "A string of a record of proto2 is not UTF-8."
    archive = archive_of(
        closure(File("example/old.proto", "example", old, syntax="proto2")), old.full, b"\x0a\x02\xc3\x28"
    )
    reject("record-utf-8-proto2", "6", "record.decode", why, archive)


def descriptors():
    """Descriptor sets that no reader may accept."""
    message = [("Greeting", [("text", 1, 9)])]
    greeting_file = file_descriptor("example/greeting.proto", "example", message)

    def refuse(name, code, why, *files, tail=b"", **more):
        # There is a record, because some readers first find these faults when one is to be decoded.
        archive = Archive().schema(descriptor_set(*files) + tail, ("a", "example.Greeting", 0)).batch("a", b"")
        reject(f"schema-{name}", "4.2", code, why, archive, **more)

    refuse("protobuf", "schema.protobuf", "A descriptor set ends within a field.", greeting_file, tail=b"\x0a\x05")
    refuse("more", "schema.protobuf", "A descriptor set holds more than files.", greeting_file, tail=b"\x10\x01")
    refuse("twice", "schema.order", "A path occurs twice.", greeting_file, greeting_file)
    spaced = file_descriptor("a.proto", "a b", [])
    refuse("package-name", "schema.descriptor", "A package has a name with a space.", spaced, greeting_file)
    selfish = file_descriptor("example/greeting.proto", "example", message, ["example/greeting.proto"])
    refuse("cycle-self", "schema.cycle", "A file imports itself.", selfish)
    twice = file_descriptor("example/greeting.proto", "example", message * 2)
    refuse("duplicate", "schema.descriptor", "A file defines one message twice.", twice)
    other = file_descriptor("example/other.proto", "example", message)
    refuse("duplicate-files", "schema.descriptor", "Two files define one message.", greeting_file, other)
    lost = Message("Lost")
    lost.full = "example.Lost"
    kind = Message("Greeting", Field("lost", 1, lost))
    refuse(
        "unresolved",
        "schema.descriptor",
        "A field is of a type that is not defined.",
        File("example/greeting.proto", "example", kind).descriptor(),
    )

    def one(name, why, *members, enums=(), more=b""):
        """A file whose message has these members, each a serialized FieldDescriptorProto."""
        parts = field(1, "Greeting") + repeated(2, members) + repeated(4, enums) + more
        refuse(
            name,
            "schema.descriptor",
            why,
            field(1, "a.proto") + field(2, "example") + element(4, parts) + field(12, "proto3"),
        )

    def member(name, number, kind=5, label=1, more=b""):
        return field(1, name) + field(3, number) + field(4, label) + field(5, kind) + more

    one("field-twice", "A message has two fields of one number.", member("a", 1), member("b", 1))
    one("field-0", "A field has the number 0.", member("a", 0))
    one("field-large", "A field has the number 536 870 912.", member("a", 1 << 29))
    one("field-name", "Two fields have one name.", member("a", 1), member("a", 2))
    one("identifier", "A field has a name with a space.", member("a b", 1))
    one("oneof", "A field is in a oneof that does not exist.", member("a", 1, more=varint(9 << 3) + varint(1)))
    one("enum-empty", "An enum has no values.", enums=[field(1, "E")])
    one(
        "enum-first",
        "An enum of proto3 does not begin with 0.",
        enums=[field(1, "E") + element(2, field(1, "A") + field(2, 1))],
    )
    one("required", "A field of proto3 is required.", member("a", 1, label=2))
    base = field(1, "a.proto") + field(2, "example")
    ranges = element(5, field(1, 100) + field(2, 200))
    taken = member("x", 100, more=field(2, ".example.Greeting"))
    again = member("y", 100, more=field(2, ".example.Greeting"))
    greeting_type = element(4, field(1, "Greeting") + ranges)
    refuse(
        "extension-twice",
        "schema.descriptor",
        "Two extensions have one number.",
        base + greeting_type + element(7, taken) + element(7, again),
    )
    number = element(5, field(1, "E") + element(2, field(1, "A") + varint(2 << 3) + b"\0"))
    of_enum = element(7, member("x", 100, more=field(2, ".example.E")))
    refuse(
        "extension-enum", "schema.descriptor", "An extension extends an enum.", base + greeting_type + number + of_enum
    )
    extends = field(1, "a.proto") + field(2, "example") + element(4, field(1, "Greeting")) + element(7, member("x", 1))
    refuse("extension", "schema.descriptor", "An extension extends nothing.", extends)
    refuse("syntax", "schema.descriptor", "A file has an unknown syntax.", greeting_file[:-6] + b"proto9")
    edition = field(12, "editions") + varint(14 << 3) + varint(900_000)
    later = field(1, "example/greeting.proto") + field(2, "example") + element(4, field(1, "Greeting")) + edition
    refuse("edition", "schema.edition", "A file is of an edition that does not exist.", later)

    kind = Message("M")
    for _ in range(33):
        kind = Message("M", inner=[kind])
    deep = File("example/greeting.proto", "example", kind, Message("Greeting")).descriptor()
    refuse("deep", "schema.too-large", "Messages are defined inside each other, 34 deep.", deep)
    long = file_descriptor("example/greeting.proto", "example", message + [("M" * 256, [])])
    refuse("name-long", "schema.too-large", "A message has a name of 256 bytes.", long)
    parts = file_descriptor("a.proto", ".".join(["p"] * 33), [])
    refuse("package-deep", "schema.too-large", "A package has 33 parts.", parts, greeting_file)
    named = [file_descriptor(f"{number:x}", "", [], syntax="") for number in range(4096)]
    order = sorted([*((f"{n:x}", file) for n, file in enumerate(named)), ("example/greeting.proto", greeting_file)])
    refuse("files", "schema.too-large", "A descriptor set has 4 097 files.", *[file for _, file in order])

    path = field(1, b"\xff.proto") + field(2, "example") + element(4, field(1, "Greeting"))
    refuse("utf-8", "schema.protobuf", "A path is not UTF-8.", path)
    pathless = field(2, "example") + element(4, field(1, "Greeting"))
    refuse("path-empty", "schema.descriptor", "A file has no path.", pathless)
    refuse(
        "more-bytes",
        "schema.protobuf",
        "A descriptor set holds bytes beside files.",
        greeting_file,
        tail=element(100, b"x"),
    )
    cut = element(8, b"\x0a\x05x")
    refuse("options-cut", "schema.protobuf", "Options end within a field.", greeting_file + cut)
    cut = element(9, b"\x0a\x05x")
    refuse("source-cut", "schema.protobuf", "Source info ends within a field.", greeting_file + cut)

    def named(length):
        members = member("a", 1, more=field(10, "j" * length))
        return base + element(4, field(1, "Greeting") + element(2, members)) + field(12, "proto3")

    refuse("json-name-long", "schema.too-large", "A field has a JSON name of 256 bytes.", named(256))
    archive = archive_of(descriptor_set(named(255)), "example.Greeting", Record(b"\x08\x01", {"j" * 255: 1}))
    accept("schema-json-name-longest", "4.2", "A field has a JSON name of 255 bytes.", archive, level=2)

    # Nothing uses these, but who verifies builds the types all the same.
    for name, why, more in (
        ("twice", "A Schema without streams has a message twice.", element(4, field(1, "Greeting")) * 2),
        (
            "unresolved",
            "A Schema without streams has a field of a type that is not defined.",
            element(4, field(1, "M") + element(2, member("a", 1, kind=11, more=field(6, ".example.Lost")))),
        ),
    ):
        archive = hello().schema(descriptor_set(base + more + field(12, "proto3")))
        reject(f"schema-unused-{name}", "4.2", "schema.descriptor", why, archive)

    def order(name, code, why, *files, kind="example.Greeting"):
        archive = Archive().schema(descriptor_set(*files), ("a", kind, 0))
        reject(f"order-{name}", "11.1", code, f"{why}: the first is reported.", archive)

    order(
        "descriptor-type",
        "schema.descriptor",
        "A message twice, and a type that is missing",
        twice,
        kind="example.None",
    )
    lost = file_descriptor("a.proto", "", [], ["nowhere.proto"])
    order("closure-order", "schema.closure", "A file that is missing, and a wrong order", greeting_file, lost)
    order("twice-closure", "schema.order", "A path twice, and a file that is missing", lost, lost, greeting_file)
    cycle = file_descriptor("x.proto", "", [], ["x.proto"])
    empty_file = file_descriptor("a.proto", "", [])
    order("cycle-order", "schema.cycle", "A cycle, and a wrong order before it", greeting_file, empty_file, cycle)
    spaced = file_descriptor("a.proto", "a b", [])
    order("order-descriptor", "schema.order", "A wrong order, and a package with a space", greeting_file, spaced)

    long = "p" * 255 + "." + "q" * 255 + "." + "r" * 255
    kind = Message("N" * 128, Field("text", 1, "string"))
    outer = Message("M" * 127, inner=[kind])
    file = File("example/long.proto", long, outer)
    name = "a_Z0.-" + "n" * 57
    archive = Archive().schema(closure(file), (name, kind.full, 0)).batch(name, kind.record(text="x"))
    accept("stream-longest", "4.3", "A stream name of 63 characters and a type of 1 024 bytes.", archive, level=2)
    assert len(kind.full) == 1024


GROUPS = (scalars, shapes, enums, proto2, well_known, wire, undecodable, descriptors)
