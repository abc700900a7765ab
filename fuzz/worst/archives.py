#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The worst archives that anybody could think of, each of at most 1 MiB: fuzz/worst/archives.py FOLDER [NAME...]

Each is sound, or looks so until it has cost something. The same libzstd makes the same bytes every time.
"""

import argparse
import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from building import (
    BOOL,
    BYTES,
    DOUBLE,
    ENUM,
    FRAME_BYTES,
    INT32,
    INT64,
    MESSAGE,
    MIB,
    REPEATED,
    REQUIRED,
    STRING,
    Archive,
    Frame,
    Listed,
    Member,
    c1z,
    compressed,
    database,
    element,
    enum_type,
    field,
    field_type,
    frames_of_zeros,
    listed_only,
    long_package,
    many_fields,
    map_type,
    message_type,
    new_archive,
    one_batch,
    one_record,
    proto_file,
    share_the_pages,
    varint,
    writer,
    zero_blocks,
)

MOST_BYTES = MIB
RECORD_BYTES = 64 * MIB  # the limit record-bytes
RECORD_VALUES = 1 << 20  # the limit record-values
EMPTY = b"\x0a\x00"  # field 1: a message without content
SET = b"\x0a\x02\x08\x01"  # field 1: a message whose field 1 is 1


@dataclass(frozen=True)
class Attack:
    """An archive, and what it does."""

    name: str
    make: Callable[[], bytes]
    why: str  # the docstring of `make`
    decoded: int  # bytes that its frames decode to
    stream: str  # a stream in it, if there is one
    suffix: str
    quick: bool  # whether it is among those of a quick run

    @property
    def file(self) -> str:
        return self.name + self.suffix


ATTACKS: dict[str, Attack] = {}


def attack(
    decoded: float, stream: str = "", suffix: str = ".rtar", quick: bool = True
) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Puts a function among the attacks; `decoded` is in MiB."""

    def put(make: Callable[[], bytes]) -> Callable[[], bytes]:
        name = make.__name__.replace("_", "-")
        why = " ".join((make.__doc__ or "").split())
        ATTACKS[name] = Attack(name, make, why, int(decoded * MIB), stream, suffix, quick)
        return make

    return put


# ---------------------------------------------------------------------------------------------------------------------
# Records that unfold
# ---------------------------------------------------------------------------------------------------------------------


@attack(decoded=64, stream="g")
def control_text() -> bytes:
    """One text of 64 MiB, all control characters: six bytes each in JSON, four in text format."""
    types = message_type("R", [field_type("l", 1, STRING)])
    text = field(1, b"\x01" * (RECORD_BYTES - 20))
    return one_record(writer.descriptor_set(proto_file("t.proto", "t", [types])), "t.R", text)


@attack(decoded=2, stream="g")
def enum_names() -> bytes:
    """A record of 524 000 messages with an enum each; the field and the value have names of 255 bytes."""
    element_type = message_type("N", [field_type("f" * 255, 1, ENUM, of="t.E")])
    types = [message_type("R", [field_type("r", 1, MESSAGE, REPEATED, "t.N")]), element_type]
    enum = enum_type("E", [("Z", 0), ("E" * 255, 1)])
    descriptors = writer.descriptor_set(proto_file("t.proto", "t", types, [enum]))
    return one_record(descriptors, "t.R", SET * (RECORD_VALUES // 2 - 10))


@attack(decoded=2, stream="g")
def chains() -> bytes:
    """A record of a million messages, each in another, 97 deep: as many trees with one node."""
    types = [message_type("R", [field_type("r", 1, MESSAGE, REPEATED, "t.N")])]
    types.append(message_type("N", [field_type("n", 1, MESSAGE, of="t.N")]))
    chain = b""
    for _ in range(97):
        chain = element(1, chain)
    descriptors = writer.descriptor_set(proto_file("t.proto", "t", types))
    return one_record(descriptors, "t.R", chain * (RECORD_VALUES // 98))


@attack(decoded=2, stream="g")
def two_parts() -> bytes:
    """524 000 messages, and one in two parts, each of which lacks what is required: only what is merged is complete."""
    both = [field_type("a", 1, INT32, REQUIRED), field_type("b", 2, INT32, REQUIRED)]
    many, parted = field_type("r", 1, MESSAGE, REPEATED, "t.N"), field_type("p", 2, MESSAGE, of="t.P")
    types = [message_type("R", [many, parted]), message_type("N", [field_type("f", 1, INT32)]), message_type("P", both)]
    descriptors = writer.descriptor_set(proto_file("t.proto", "t", types, syntax="proto2"))
    parts = element(2, field(1, 1)) + element(2, field(2, 1))
    return one_record(descriptors, "t.R", SET * (RECORD_VALUES // 2 - 10) + parts)


@attack(decoded=64, stream="g")
def any_in_any() -> bytes:
    """A text of 64 MiB in an `Any`, in an `Any`, eight deep: as JSON each is decoded."""
    contents = [field_type("type_url", 1, STRING), field_type("value", 2, BYTES)]
    path = "google/protobuf/any.proto"
    known = proto_file(path, "google.protobuf", [message_type("Any", contents)])
    fields = [field_type("a", 1, MESSAGE, of="google.protobuf.Any"), field_type("s", 2, STRING)]
    types = proto_file("t.proto", "t", [message_type("R", fields)], imports=[path])
    record = field(2, b"\x01" * (RECORD_BYTES - 400))
    for _ in range(8):
        record = field(1, field(1, "x/t.R") + field(2, record))
    return one_record(writer.descriptor_set(known, types), "t.R", record)


def struct_proto() -> bytes:
    """google/protobuf/struct.proto."""
    package = "google.protobuf"
    kinds = [("null_value", ENUM, "NullValue"), ("number_value", DOUBLE, ""), ("string_value", STRING, "")]
    kinds += [("bool_value", BOOL, ""), ("struct_value", MESSAGE, "Struct"), ("list_value", MESSAGE, "ListValue")]
    in_oneof = varint(9 << 3) + b"\0"
    fields = [
        field_type(name, number, kind, of=of and f"{package}.{of}", more=in_oneof)
        for number, (name, kind, of) in enumerate(kinds, 1)
    ]
    value = message_type("Value", fields, more=element(8, field(1, "kind")))
    entry = map_type("FieldsEntry", field_type("value", 2, MESSAGE, of=f"{package}.Value"))
    pairs = field_type("fields", 1, MESSAGE, REPEATED, f"{package}.Struct.FieldsEntry")
    values = message_type("ListValue", [field_type("values", 1, MESSAGE, REPEATED, f"{package}.Value")])
    messages = [message_type("Struct", [pairs], more=entry), value, values]
    return proto_file(
        f"{package.replace('.', '/')}/struct.proto", package, messages, [enum_type("NullValue", [("NULL_VALUE", 0)])]
    )


@attack(decoded=64, stream="g")
def value_in_value() -> bytes:
    """Lists in lists of `google.protobuf.Value`, 45 deep, around 64 MiB of text and NaN, which has no JSON."""
    types = message_type("R", [field_type("v", 1, MESSAGE, of="google.protobuf.Value")])
    file = proto_file("t.proto", "t", [types], imports=["google/protobuf/struct.proto"])
    values = element(1, field(3, b"\x01" * (RECORD_BYTES - 4_000)))
    values += element(1, b"\x11" + struct.pack("<d", float("nan")))
    value = field(6, values)
    for _ in range(45):
        value = field(6, element(1, value))
    return one_record(writer.descriptor_set(struct_proto(), file), "t.R", field(1, value))


@attack(decoded=1, stream="g", quick=False)
def json_names() -> bytes:
    """A JSON name of 900 000 bytes, in one record 500 000 times: 450 GB of JSON. It is refused."""
    named = field_type("f", 1, INT32, more=field(10, "j" * 900_000))
    types = [message_type("R", [field_type("r", 1, MESSAGE, REPEATED, "t.N")]), message_type("N", [named])]
    return one_record(writer.descriptor_set(proto_file("t.proto", "t", types)), "t.R", SET * 500_000)


# ---------------------------------------------------------------------------------------------------------------------
# Records that are many
# ---------------------------------------------------------------------------------------------------------------------


@attack(decoded=64, stream="g")
def empty_records() -> bytes:
    """64 Mi records of no bytes."""
    count = 64 * MIB
    return one_batch(writer.GREETING, "example.Greeting", bytes(count), count)


@attack(decoded=64, stream="g")
def short_records() -> bytes:
    """22 million records of two bytes."""
    types = message_type("R", [field_type("n", 1, INT32)])
    count = 64 * MIB // 3
    return one_batch(writer.descriptor_set(proto_file("t.proto", "t", [types])), "t.R", b"\x02\x08\x01" * count, count)


@attack(decoded=9, stream="g")
def wide_type() -> bytes:
    """A type of 50 000 fields, and 8 Mi empty records: what is asked of the type for each record costs."""
    types = message_type("R", many_fields(50_000, BOOL))
    count = 8 * MIB
    return one_batch(writer.descriptor_set(proto_file("t.proto", "t", [types])), "t.R", bytes(count), count)


@attack(decoded=2, stream="g")
def wide_elements() -> bytes:
    """A record of 500 000 empty messages of a type with 50 000 fields: as a dict, each has all of them."""
    types = [message_type("N", many_fields(50_000, INT64))]
    types.append(message_type("R", [field_type("r", 1, MESSAGE, REPEATED, "t.N")]))
    return one_record(writer.descriptor_set(proto_file("t.proto", "t", types)), "t.R", EMPTY * 500_000)


@attack(decoded=8, stream="g")
def enum_defaults() -> bytes:
    """4 090 fields of an enum whose default has a name of 255 bytes, and 8 Mi empty records: 1 MiB each as CSV."""
    types = message_type("R", many_fields(4_090, ENUM, "t.E"))
    file = proto_file("t.proto", "t", [types], [enum_type("E", [("E" * 255, 0)])])
    count = 8 * MIB
    return one_batch(writer.descriptor_set(file), "t.R", bytes(count), count)


@attack(decoded=31, stream="g")
def long_names() -> bytes:
    """16 records of a million empty messages of a type whose full name has 8 KiB."""
    package = long_package()
    inner = proto_file("a.proto", package, [message_type("N", [field_type("a", 1, INT32)])])
    outer = message_type("R", [field_type("r", 1, MESSAGE, REPEATED, f"{package}.N")])
    descriptors = writer.descriptor_set(inner, proto_file("t.proto", "t", [outer], imports=["a.proto"]))
    record = EMPTY * 1_000_000
    return one_batch(descriptors, "t.R", (varint(len(record)) + record) * 16, 16)


@attack(decoded=9, stream="g")
def wide_records() -> bytes:
    """A type of 16 000 fields, and 2 million records, each with one of them."""
    types = message_type("R", many_fields(16_000, DOUBLE))
    record = b"\x09" + struct.pack("<d", 1.0)
    count = 9 * MIB // 10
    content = (varint(len(record)) + record) * count
    return one_batch(writer.descriptor_set(proto_file("t.proto", "t", [types])), "t.R", content, count)


@attack(decoded=2, stream="g", quick=False)
def columns_of_elements() -> bytes:
    """A record of 500 000 empty messages of a type with 16 000 fields: as columns, 8 billion cells."""
    types = [message_type("N", many_fields(16_000, DOUBLE))]
    types.append(message_type("R", [field_type("r", 1, MESSAGE, REPEATED, "t.N")]))
    return one_record(writer.descriptor_set(proto_file("t.proto", "t", types)), "t.R", EMPTY * 500_000)


@attack(decoded=1, stream="g", quick=False)
def columns_of_records() -> bytes:
    """100 000 empty records of a type with 16 000 fields: as columns, 1.6 billion cells."""
    types = message_type("R", many_fields(16_000, DOUBLE))
    return one_batch(writer.descriptor_set(proto_file("t.proto", "t", [types])), "t.R", bytes(100_000), 100_000)


@attack(decoded=2, stream="g", quick=False)
def enum_columns() -> bytes:
    """12 000 fields of an enum of 2 600 values with names of 255 bytes: as columns, 12 000 dictionaries of 650 KB."""
    enum = enum_type("E", [(f"{number:E<255}"[::-1], number) for number in range(2_600)])
    types = message_type("R", many_fields(12_000, ENUM, "t.E"))
    count = 10_000
    return one_batch(writer.descriptor_set(proto_file("t.proto", "t", [types], [enum])), "t.R", bytes(count), count)


@attack(decoded=3, stream="g")
def batches_of_columns() -> bytes:
    """16 batches, whose first record has a number in each of 16 000 columns and 2 000 more records have none: each is
    256 MB as columns, and threads decode them side by side."""
    types = message_type("R", many_fields(16_000, DOUBLE))
    archive = new_archive().schema(writer.descriptor_set(proto_file("t.proto", "t", [types])), ("g", "t.R", 0))
    numbers = (number if number < 19_000 else number + 2_000 for number in range(1, 16_001))
    record = b"".join(varint(number << 3 | 1) + struct.pack("<d", 1.0) for number in numbers)
    for _ in range(16):
        archive.batch("g", content=varint(len(record)) + record + bytes(2_000), count=2_001)
    return archive.build()


# ---------------------------------------------------------------------------------------------------------------------
# Schemas, entries, contents
# ---------------------------------------------------------------------------------------------------------------------


@attack(decoded=1, quick=False)
def names_of_types() -> bytes:
    """40 Schemas of 1 990 messages each in a package of 8 KiB: 640 MB of full names."""
    archive = new_archive()
    for number in range(40):
        types = [element(1, f"m{message:x}") for message in range(1_990)]
        archive.schema(writer.descriptor_set(proto_file(f"f{number}.proto", long_package(), types)))
    return archive.build()


@attack(decoded=100, quick=False)
def deep_paths() -> bytes:
    """62 000 files, each below 63 directories of its own that are no entries. They are too many."""
    inner = "/".join(["a"] * 62) + "/b"
    return listed_only([Listed(writer.FILE, f"{number:x}/{inner}", b"", 0o755) for number in range(62_000)])


@attack(decoded=512, quick=False)
def long_paths() -> bytes:
    """240 000 entries with paths of 1 000 bytes, each below four directories of its own that are no entries."""
    inner = "/".join(["d" * 247] * 4)
    return listed_only([Listed(writer.FILE, f"{number:06x}/{inner}") for number in range(240_000)])


@attack(decoded=2048, quick=False)
def zeros() -> bytes:
    """A file of 2 GiB, all zeros."""
    size = 2 << 30
    digest, piece = hashlib.sha256(), bytes(FRAME_BYTES)
    for _ in range(size // len(piece)):
        digest.update(piece)

    class Large(Member):
        """The only file; its content is not held."""

        def header(self) -> bytes:
            return writer.tar_block(self.name(), self.mode, size, self.mtime, b"0")

    archive = Archive(compress=compressed, items=[Large(writer.FILE, "zeros")])

    def columns(columns: dict[str, list[object]]) -> None:
        columns["sizes"][-1], columns["digests"][-1] = size, digest.digest()

    def index(index: dict[str, dict[str, int]]) -> None:
        index["totals"]["file_bytes"] = size

    def frames(frames: list[Frame]) -> list[Frame]:
        return frames[:-1] + frames_of_zeros(size) + frames[-1:]

    def content_digest(_members: list[Member]) -> bytes:
        entry = struct.pack("<I", 5) + b"zeros" + struct.pack("<BHQ", writer.FILE, 0o644, size)
        text = b"rosettar.content.v1\n" + struct.pack("<I", 1) + entry + bytes(4) + digest.digest() + bytes(12)
        return writer.sha256(text)

    archive._content_digest = content_digest
    return archive.on("columns", columns).on("index", index).on("frames", frames).build()


# ---------------------------------------------------------------------------------------------------------------------
# C1Z
# ---------------------------------------------------------------------------------------------------------------------


@attack(decoded=0.1, stream="v1_x", suffix=".c1z")
def computed_columns() -> bytes:
    """200 rows with a generated column, which makes 2 000 strings of 4 to 60 MB for each."""
    terms = ["length(replace(replace(printf('%.*c',4000000,a),'1','11'),'11','1'))"] * 2_000
    while len(terms) > 1:
        pairs = [terms[at : at + 2] for at in range(0, len(terms), 2)]
        terms = [f"({'+'.join(pair)})" if len(pair) == 2 else pair[0] for pair in pairs]
    made = f"CREATE TABLE v1_x(a, b as ({terms[0]}))"
    return c1z(
        database(
            4_096,
            lambda db: db.execute("create table v1_x(a, b as (a))"),
            lambda db: db.execute("insert into v1_x(a) values " + ",".join(["(1)"] * 200)),
            lambda db: db.execute("pragma writable_schema=on"),
            lambda db: db.execute("update sqlite_master set sql=? where name='v1_x'", (made,)),
        )
    )


@attack(decoded=55, stream="v1_x", suffix=".c1z")
def shared_pages() -> bytes:
    """2 800 rows whose overflow pages are the same 30 MiB: 82 GiB of records."""
    page_size = 65_536
    data = database(
        page_size,
        lambda db: db.execute("create table v1_x(a)"),
        lambda db: db.execute(f"insert into v1_x values(zeroblob({30 * MIB}))"),
    )
    return c1z(share_the_pages(data, page_size, leaves=400))


@attack(decoded=2048, stream="v1_x", suffix=".c1z", quick=False)
def far_window() -> bytes:
    """2 GiB of zeros, which are no database, in a frame with a window of 128 MiB."""
    window = 17 << 3  # 2 to the power of 10 + 17
    blocks = zero_blocks(2 << 30)
    return b"C1ZF\0" + writer.zstd_frame(b"", blocks=blocks, window=window, width=0, checksum=b"", size=0)


# ---------------------------------------------------------------------------------------------------------------------


def small() -> bytes:
    """What is no attack: a file and a record. What a verb takes for it, it takes for any archive."""
    archive = new_archive().schema(writer.GREETING, ("g", "example.Greeting", 0))
    return archive.file("a", b"a\n").batch("g", writer.greeting("hello")).build()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ATTACKS))
    parser.add_argument("--quick", action="store_true", help="those that are made, and tried, soon")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ATTACKS):
        parser.error(f"no attack is called {', '.join(sorted(unknown))}")
    (arguments.folder / "small.rtar").write_bytes(small())
    for name, attack in ATTACKS.items():
        if name not in (arguments.names or ATTACKS) or (arguments.quick and not attack.quick):
            continue
        made = attack.make()
        assert len(made) <= MOST_BYTES, f"{name} has {len(made)} bytes"
        (arguments.folder / attack.file).write_bytes(made)
        facts = {"name": name, "file": attack.file, "bytes": len(made), "decoded": attack.decoded}
        facts |= {"stream": attack.stream, "why": attack.why, "sha256": hashlib.sha256(made).hexdigest()}
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
