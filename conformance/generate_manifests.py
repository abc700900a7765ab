#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the manifests of level W: writer/NAME.json, each a list of what a writer has to put into an archive.

    python conformance/generate_manifests.py [--check]

It needs the standard library only. README.md explains the fields.
"""

import base64
import json
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "writer"
MANIFESTS = {}


# ---------------------------------------------------------------------------------------------------------------------
# Protobuf, as far as these few messages need it
# ---------------------------------------------------------------------------------------------------------------------


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


DOUBLE, INT64, STRING, MESSAGE, BYTES, UINT32, ENUM, SINT32 = 1, 3, 9, 11, 12, 13, 14, 17


def field_descriptor(name, number, kind, type_name="", repeated=False):
    label = 3 if repeated else 1
    described = field(1, name) + field(3, number) + field(4, label) + field(5, kind)
    return field(2, described + (field(6, type_name) if type_name else b"") + field(10, name))


def file_descriptor(path, package, messages, imports=(), enums=b""):
    head = field(1, path) + field(2, package) + b"".join(field(3, each) for each in imports)
    return head + b"".join(field(4, message) for message in messages) + enums + field(12, "proto3")


def files_of(data):
    """The files of a descriptor set, serialized, by their paths."""
    found, at = {}, 0
    while at < len(data):
        length, shift, at = 0, 0, at + 1
        while True:
            byte = data[at]
            length, shift, at = length | (byte & 0x7F) << shift, shift + 7, at + 1
            if byte < 0x80:
                break
        file = data[at : at + length]
        found[file[2 : 2 + file[1]].decode()] = file
        at += length
    return found


TIMESTAMP = files_of((HERE / "rosettar.v1.binpb").read_bytes())["google/protobuf/timestamp.proto"]
GREETING = field(
    1,
    file_descriptor("example/greeting.proto", "example", [field(1, "Greeting") + field_descriptor("text", 1, STRING)]),
)
OTHER_GREETING = field(
    1,
    file_descriptor("example/greeting.proto", "example", [field(1, "Greeting") + field_descriptor("number", 1, INT64)]),
)
COUNTS = field(1, "CountsEntry") + field_descriptor("key", 1, STRING) + field_descriptor("value", 2, UINT32)
READING = (
    field(1, "Reading")
    + field_descriptor("station", 1, STRING)
    + field_descriptor("time", 2, INT64)
    + field_descriptor("value", 3, DOUBLE)
    + field_descriptor("codes", 4, SINT32, repeated=True)
    + field_descriptor("kind", 5, ENUM, ".weather.Kind")
    + field_descriptor("counts", 6, MESSAGE, ".weather.Reading.CountsEntry", repeated=True)
    + field_descriptor("raw", 7, BYTES)
    + field_descriptor("at", 8, MESSAGE, ".google.protobuf.Timestamp")
    + field(3, COUNTS + field(7, field(7, 1)))
)
KIND = field(1, "Kind") + b"".join(field(2, field(1, n) + field(2, i)) for i, n in enumerate(("KIND_UNKNOWN", "RAIN")))
WEATHER = field(1, TIMESTAMP) + field(
    1,
    file_descriptor(
        "weather/reading.proto",
        "weather",
        [READING],
        ["google/protobuf/timestamp.proto"],
        field(5, KIND),
    ),
)

# ---------------------------------------------------------------------------------------------------------------------
# Tools
# ---------------------------------------------------------------------------------------------------------------------


def encoded(data):
    return base64.b64encode(data).decode()


def file(path, mode=0o644, mtime=0, nanoseconds=0, **content):
    row = {"path": path, "kind": "file", "mode": mode, "mtime": mtime}
    if nanoseconds:
        row["nanoseconds"] = nanoseconds
    return {**row, **(content or {"text": ""})}


def directory(path, mode=0o755, mtime=0):
    return {"path": path, "kind": "directory", "mode": mode, "mtime": mtime}


def link(path, target, mtime=0):
    return {"path": path, "kind": "symlink", "mtime": mtime, "target": target}


def stream(name, type_name, descriptors, records, schema_version=0):
    """`records`: pairs of the JSON of a record and its bytes."""
    return {
        "name": name,
        "type": type_name,
        "schema_version": schema_version,
        "descriptors": encoded(descriptors),
        "json": [as_json for as_json, _ in records],
        "records": [encoded(data) for _, data in records],
    }


def accept(name, spec, why, **facts):
    MANIFESTS[name] = {"id": name, "spec": spec, "why": why, "expect": "accept", **facts}


def refuse(name, spec, code, why, **facts):
    # A writer that has one code for whatever its caller did wrong is right, too.
    MANIFESTS[name] = {"id": name, "spec": spec, "why": why, "expect": "reject", "code": [code, "usage.input"], **facts}


def greetings(*texts):
    return [({"text": text} if text else {}, field(1, text) if text else b"") for text in texts]


# ---------------------------------------------------------------------------------------------------------------------
# The manifests
# ---------------------------------------------------------------------------------------------------------------------


def make_accepted():
    accept("write-empty", "15.1", "An archive of nothing.")
    accept(
        "write-file",
        "5",
        "One file and one attribute.",
        attributes={"title": "An example"},
        entries=[file("hello.txt", mtime=1700000000, text="hello\n")],
    )
    accept(
        "write-attributes",
        "4.1",
        "Attributes that are not given in the order they must stand in, one of them empty.",
        attributes={"b": "2", "a": "1", "Ä": "", "B": "\n"},
    )
    accept(
        "write-tree",
        "5.1",
        "Directories, modes, links, and a file whose directory is no entry.",
        entries=[
            directory("a", mtime=1),
            directory("a/empty", mode=0o700),
            file("a/run.sh", mode=0o755, text="#!/bin/sh\n"),
            file("a/secret", mode=0, text="x"),
            link("a/link", "../b/file", mtime=5),
            file("b/file", mode=0o777, text="content"),
            link("outside", "/etc/hosts"),
        ],
    )
    deep = "/".join("d" * 62 for _ in range(64))
    names = ["a b", "back\\slash", "c:d", "Ä", "e\u0308", "\U0001f600", "z" * 99, "z" * 100, "z" * 101, "é" * 51]
    names += ["y" * 99 + "/x", "w" * 255, deep, "-", "~", "a.", "x" * 96 + "é"]
    accept(
        "write-names",
        "5.2",
        "Names that fill a field of the tar header, do not fit it, or are not ASCII.",
        entries=[file(name, text=str(number)) for number, name in enumerate(sorted(names, key=str.encode))]
        + [directory("~" + "q" * 97), directory("~" + "q" * 98), directory("~é")],
    )
    targets = ["t" * 100, "t" * 101, "é", "a/" * 2000 + "b", "../" * 3 + "x"]
    accept(
        "write-targets",
        "5.3",
        "Targets that fit the field of the tar header, and such as do not.",
        entries=[link(f"link-{number}", target) for number, target in enumerate(targets)],
    )
    times = [0, 1, -1, 8589934591, 8589934592, -62135596800, 253402300800, (1 << 63) - 1, -(1 << 63)]
    accept(
        "write-times",
        "5.3",
        "Times that need a PAX record, and nanoseconds; numbers that need 64 bits.",
        entries=[
            file(f"time-{number}", mtime=moment, nanoseconds=(0, 1, 999999999)[number % 3])
            for number, moment in enumerate(times)
        ],
    )
    accept(
        "write-sizes",
        "5",
        "Contents around the size of a block, and one that needs more than one frame.",
        entries=[
            file(f"size-{size:08}", pattern={"hex": "000102030405060708090a0b0c0d0e0f10", "size": size})
            for size in (0, 1, 511, 512, 513, 1024, 70000, 9000000)
        ]
        + [file("zero-bytes", base64=encoded(bytes(600)))],
    )
    accept(
        "write-unsorted",
        "5.1",
        "Entries given in another order than that of their names; a writer may keep it or sort.",
        entries=[
            file("b", text="1"),
            file("a/z", text="2"),
            directory("a"),
            file("B", text="3"),
            file("a.b", text="4"),
        ],
    )
    accept(
        "write-pages",
        "7",
        "More entries than a page may have.",
        entries=[file(f"many/{number:04}") for number in range(4200)],
    )
    accept(
        "write-records",
        "6",
        "One stream, with an empty record.",
        streams=[stream("greetings", "example.Greeting", GREETING, greetings("hello", "", "ä"), 1)],
    )
    reading = (
        field(1, "Zürich")
        + field(2, -5)
        + varint(3 << 3 | 1)
        + struct.pack("<d", 0.1)
        + field(4, bytes([1, 0, 2]))
        + field(5, 1)
        + field(6, field(1, "a") + field(2, 1))
        + field(7, b"\0\1")
        + field(8, field(1, 1700000000) + field(2, 1))
    )
    as_json = {
        "station": "Zürich",
        "time": "-5",
        "value": 0.1,
        "codes": [-1, 0, 1],
        "kind": "RAIN",
        "counts": {"a": 1},
        "raw": "AAE=",
        "at": "2023-11-14T22:13:20.000000001Z",
    }
    accept(
        "write-types",
        "6",
        "Records with fields of many types, and a type from a file that is imported.",
        streams=[stream("readings", "weather.Reading", WEATHER, [(as_json, reading), ({}, b"")])],
    )
    numbered = [({"text": str(number) * 50}, field(1, str(number) * 50)) for number in range(400)]
    accept(
        "write-streams",
        "4.3",
        "Streams of two Schemas that define one type name in two ways, one of them without records; and a file.",
        entries=[file("readme", text="records beside a file")],
        streams=[
            stream("first", "example.Greeting", GREETING, numbered),
            stream("Second.stream-2", "example.Greeting", OTHER_GREETING, [({"number": "7"}, field(1, 7))], 4294967295),
            stream("_empty", "example.Greeting", GREETING, []),
            stream("0", "example.Greeting", GREETING, greetings("x")),
        ],
    )


def make_refused():
    for name, path in (
        ("absolute", "/a"),
        ("parent-component", "a/../b"),
        ("dot", "./a"),
        ("slash", "a/"),
        ("double-slash", "a//b"),
        ("control", "a\nb"),
        ("c1-control", "a\u0085b"),
        ("empty", ""),
    ):
        refuse(f"write-path-{name}", "5.1", "path.invalid", f"The path {path!r}.", entries=[file(path)])
    refuse("write-path-reserved", "5.1", "path.reserved", "A path of the format's.", entries=[file(".RosettaR/x")])
    refuse("write-path-long", "5.1", "limit.path-bytes", "4 097 bytes.", entries=[file(("x" * 255 + "/") * 16 + "x")])
    refuse(
        "write-path-component", "5.1", "limit.component-bytes", "A component of 256 bytes.", entries=[file("x" * 256)]
    )
    refuse("write-path-deep", "5.1", "limit.path-depth", "65 components.", entries=[file("/".join(["d"] * 65))])
    twice = [file("a", text="1"), file("a", text="2")]
    refuse("write-path-twice", "5.1", "path.duplicate", "The same path twice.", entries=twice)
    refuse("write-path-under-file", "5.1", "path.parent", "A path below a file.", entries=[file("a"), file("a/b")])
    refuse(
        "write-path-above-file",
        "5.1",
        "path.parent",
        "A file where a directory has to be.",
        entries=[file("a/b"), file("a")],
    )
    refuse("write-path-under-link", "5.1", "path.parent", "A path below a link.", entries=[link("a", "b"), file("a/b")])
    refuse("write-target-empty", "5.1", "path.invalid", "A link to nothing.", entries=[link("a", "")])
    refuse("write-target-control", "5.1", "path.invalid", "A target with a line feed.", entries=[link("a", "b\nc")])
    refuse("write-target-long", "5.1", "limit.path-bytes", "A target of 4 097 bytes.", entries=[link("a", "t" * 4097)])

    def one(name="s", type_name="example.Greeting", descriptors=GREETING):
        return stream(name, type_name, descriptors, greetings("x"))

    refuse("write-stream-name", "4.3", "manifest.streams", "A name that begins with a point.", streams=[one(".s")])
    refuse(
        "write-stream-twice", "4.3", "manifest.streams", "Names that differ in case only.", streams=[one("s"), one("S")]
    )
    refuse(
        "write-stream-type", "4.2", "schema.type", "A type that is not defined.", streams=[one(type_name="example.No")]
    )
    open_set = field(1, file_descriptor("a.proto", "a", [field(1, "A")], ["b.proto"]))
    refuse(
        "write-schema-open",
        "4.2",
        "schema.closure",
        "A missing import.",
        streams=[one(type_name="a.A", descriptors=open_set)],
    )


def text_of(manifest):
    """JSON with one entry or record a line."""
    lines = []
    for key, value in manifest.items():
        if key in ("entries", "streams") and value:
            rows = ",\n".join("    " + json.dumps(row, ensure_ascii=True) for row in value)
            lines.append(f"  {json.dumps(key)}: [\n{rows}\n  ]")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=True)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def generate():
    MANIFESTS.clear()
    make_accepted()
    make_refused()
    return {f"{name}.json": text_of(manifest) for name, manifest in MANIFESTS.items()}


def main():
    made = generate()
    FOLDER.mkdir(exist_ok=True)
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    if "--check" in sys.argv[1:]:
        differ = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
        raise SystemExit(f"not as they are made: {', '.join(differ)}" if differ else 0)
    for name in there.keys() - made.keys():
        (FOLDER / name).unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
