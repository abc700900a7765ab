#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the test vectors: vectors/NAME.rtar and, beside each, vectors/NAME.json (README.md explains its fields).

    python conformance/generate.py [DIRECTORY]

It needs the standard library only, and shares no code with the reader. The archives are made by writer.py.
"""

import json
import struct
import sys
from pathlib import Path

import generate_damage
import generate_orders
import generate_records
import generate_rules
from making import (
    FRAME_OF_FILE,
    PART_OF_FILE,
    VECTORS,
    accept,
    answer,
    empty,
    example,
    file_frame,
    flip,
    hello,
    in_part,
    increase,
    poke,
    reframe,
    reject,
    rename_section,
    resplit,
    setting,
    unpacked,
)
from writer import (
    BATCH,
    COMPRESSED,
    GREETING,
    HERE,
    RAW,
    RESERVED,
    RLE,
    STREAM,
    Archive,
    Chunk,
    Frame,
    Record,
    block,
    descriptor_set,
    element,
    field,
    file_descriptor,
    greeting,
    index_message,
    page_message,
    pax_records,
    raw_blocks,
    repeated,
    schema_message,
    section,
    sha256,
    tar_block,
    varint,
    zstd_frame,
)

# ---------------------------------------------------------------------------------------------------------------------
# Archives to accept
# ---------------------------------------------------------------------------------------------------------------------


UNKNOWN_FIELDS = (
    varint(1000 << 3) + varint((1 << 64) - 1)  # a varint
    + varint(1001 << 3 | 1) + bytes(8)
    + element(1002, b"\xff\xfe")  # bytes: unknown fields need not be UTF-8
    + varint(1003 << 3 | 3) + field(1, 5) + varint(1004 << 3 | 3) + varint(1004 << 3 | 4) + varint(1003 << 3 | 4)
    + varint(1005 << 3 | 5) + bytes(4)
)  # fmt: skip


def accepted():
    accept("empty", "15.1", "An archive without user entries and streams.", empty())
    accept("file-and-record", "15.2", "The archive of the second example.", example())

    archive = Archive()
    for path in (
        " leading and trailing space ",
        "..a/.b/...",
        ".rosetta",
        ".rosettarx/file",
        "C:\\back\\slash",
        "a" * 99 + "/b",  # the slash is byte 100 of the name
        "a/.rosettar/b",
        "d" * 95 + "/ee/f",
        "n" * 100,
        "o" * 101,
        "-rf",
        "e\u0301",  # decomposed: a reader must not compose it
        "\u00e9",
        ".ro\u017fettar",  # U+017F folds to "s" outside of ASCII: not reserved
        "u" * 98 + "\u00e9",  # 100 bytes, not ASCII
        "u" * 99 + "\u00e9",  # a character that begins at byte 100
        "\u4e2d\u6587/\U0001f600",
        "w" * 88 + "\u00e9",  # a PAX record for which both 99 and 100 count themselves; 99 is the least
        "/".join(["x" * 246] * 3 + ["x" * 248]),  # the same for 999 and 1000
    ):
        archive.file(path, b"")
    archive.items.sort(key=lambda member: member.path.encode())
    accept("file-names", "5.2", "Names at the edges of the header field, and names that only look special.", archive)

    archive = Archive()
    for length in (99, 100, 101):
        archive.directory("d" * length)
    archive.directory("e" * 97 + "\u00e9")  # with its slash exactly 100 bytes, not ASCII
    accept("directory-names", "5.2", "Directory names whose slash is byte 100, 101 and 102.", archive)

    archive = Archive()
    times = (0, 1, -1, 8**11 - 1, 8**11, -(1 << 63), (1 << 63) - 1)
    for number, mtime in enumerate(times):
        archive.file(f"file-{number}", b"", mtime=mtime, nanoseconds=999_999_999 if mtime % 2 else 0)
    archive.directory("n" * 101, mtime=-5)
    accept("times", "5.3", "Times that need a PAX record, alone and after a path, and nanoseconds.", archive)

    archive = Archive()
    archive.directory("a").directory("a/b").symlink("a/b/up", "../../c").symlink("a/dots", ".//../c")
    archive.symlink("backslash", "..\\x").file("c", b"content").symlink("dangling", "nowhere")
    archive.symlink("l" * 101, "l" * 101).symlink("slash", "t" * 99 + "/u").symlink("target-100", "t" * 100)
    archive.symlink("target-101", "t" * 101).symlink("unicode", "\u00fc").symlink("w", "w" * 84 + "\u00e9")
    accept("symlinks", "5.3", "Symbolic links with targets that need a PAX record, all inside.", archive)

    archive = hello().symlink("outside", "../outside")
    accept(
        "symlink-outside",
        "13",
        "A symbolic link that leads outside: well-formed, but not extracted by default.",
        archive,
        extract="policy.link",
    )

    archive = Archive().directory("empty", mode=0).directory("full", mode=0o777)
    archive.file("full/a", b"a", mode=0).file("full/b", b"", mode=0o777).file("no/parent/entry", b"x" * 512)
    accept("modes", "5.2", "Modes from 0000 to 0777, empty files and directories, content of just one block.", archive)

    archive = Archive()
    archive.file("b", b"b").file("a", b"a").directory("z").file("z/y", b"y").file("m/n", b"n").directory("m")
    accept("unsorted", "5.1", "User entries out of path order, a directory after an entry in it.", archive)

    archive = Archive(page_entries=2)
    archive.schema(GREETING, ("a", "example.Greeting", 0), ("b", "example.Greeting", 0))
    archive.file("1", b"1").batch("a", greeting("x")).batch("b", greeting("y"), greeting("z")).batch("a", greeting("t"))
    archive.file("2", b"2").file("0", b"0")
    accept("pages", "7", "Several pages, one of them without user entries.", archive)

    other = descriptor_set(
        file_descriptor("example/base.proto", "", [("Base", [])]),
        file_descriptor("example/greeting.proto", "example", [("Greeting", [("count", 7, 3)])], ["example/base.proto"]),
    )
    archive = Archive().schema(GREETING, ("zeta", "example.Greeting", 7), ("Alpha", "example.Greeting", 0))
    archive.schema(other, ("beta.2", "example.Greeting", 4_294_967_295), ("_base-", "Base", 1)).schema(GREETING)
    archive.batch("zeta", greeting("one"), greeting(""), greeting("two"))
    archive.batch("beta.2", Record(b"\x38\x05", {"count": "5"}))
    archive.batch("zeta", greeting("three" * 60))
    accept("streams", "4.2", "Schemas with other definitions under one name, empty streams, empty records.", archive)

    archive = hello().schema(GREETING, ("late", "example.Greeting", 3), late=True).batch("late", greeting("late"))
    archive.file("more", b"more").schema(other, late=True)
    accept("late-schemas", "4.2", "Schemas declared between members, the second without streams.", archive)

    archive = hello()
    archive.attributes = [("Title", "t"), ("title", ""), ("\u00e9", "\U0001f600")]
    archive.late_attributes = [("author", "line\nfeed"), ("z", "z")]
    note = ("type.googleapis.com/example.Greeting", greeting("hi"))
    archive.annotations, archive.late_annotations = [note, ("", b"")], [note, ("unknown", b"\xff")]
    archive.created = field(1, 1_700_000_000) + field(2, 5)
    accept("attributes", "4.1", "Attributes and annotations, early and late; annotations of unknown type.", archive)

    archive = hello().ancillary("note", b"ignored").file("x", b"x").ancillary("nOTE", b"")
    archive.on("frames", lambda frames: frames.insert(3, Frame(section("zzzz", b"before the first payload frame"))))
    accept("ancillary", "3.3", "Ancillary sections, one without a body.", archive)

    archive = example()
    archive.extra_manifest = archive.extra_index = UNKNOWN_FIELDS
    archive.on("page", lambda plain: plain + UNKNOWN_FIELDS)
    accept("unknown-fields", "1", "Unknown fields of every wire type in manifest, index and page.", archive)

    archive = example().file("y", b"").symlink("z", "y")
    archive.on("columns", lambda columns: kept.update(columns))
    archive.on("page", lambda plain: page_message(kept, unpacked))
    archive.on("index_body", lambda body: field(2, 99) + index_message(archive.index, unpacked))
    kept = {}
    accept("protobuf-forms", "1", "Repeated numbers not packed, and a scalar that occurs twice.", archive)

    accept("minor-version", "3.1", "Minor version 7.", Archive(minor=7).file("hello.txt", b"hello\n"))

    content = bytes(range(256)) * 12
    archive = Archive().file("large", content).file("next", b"next")
    archive.on("parts", lambda parts: resplit(parts, [1, 511, 512, 1000, 1, 1000, 600, 100]))
    accept("frame-splits", "3.2", "Frames that divide headers and content anywhere, one of a single byte.", archive)

    archive = Archive().file("n" * 101, b"content")
    archive.on("parts", lambda parts: resplit(parts, [700, 600, 400, 100]))
    accept("frame-splits-pax", "3.2", "Frames that divide a PAX header, its records and the padding.", archive)

    content = b"ab" * 18 + b"x" * 100_000 + b"cd" * 18 + b"yyyyyyy"
    match = bytes.fromhex("10 61 62 01 54 02 02 1F 05")  # "ab" and a match of 34 bytes at offset 2
    again = match.replace(b"ab", b"cd")
    run = bytes.fromhex("39 79 00")  # seven literals "y", run-length encoded, no sequences
    archive = Archive().file("blocks", content)

    def blocks(parts):
        data = bytes(parts[PART_OF_FILE].data)
        parts[PART_OF_FILE].options["blocks"] = (
            block(RAW, data[:512])
            + block(COMPRESSED, match)
            + block(RLE, b"x", 100_000)
            + block(COMPRESSED, again)
            + block(COMPRESSED, run)
            + block(RAW, b"")
            + block(RAW, data[512 + len(content) :], last=True)
        )

    accept(
        "blocks",
        "3.2",
        "Blocks of every type: raw, empty, RLE, and compressed with a match.",
        archive.on("parts", blocks),
    )

    archive = Archive().file("a", b"a").cut().file("b", b"b").cut().file("c", b"c").cut().file("d", b"d")

    def headers(parts):
        parts[1].options = {"window": 0x68}
        parts[2].options = {"window": 0x00}
        parts[3].options = {"width": 8}
        parts[4].options = {"descriptor": 0x10}

    archive.on("parts", headers)
    accept("frame-headers", "3.2", "A window of 8 MiB and of 1 KiB, a wide content size, the unused bit.", archive)

    archive = Archive().schema(GREETING, ("s", "example.Greeting", 0)).batch("s", greeting("x" * 10))
    archive.file("/".join(["a" * 2] * 3), b"").file("b" * 9, b"").symlink("c", "d" * 9)

    def exact(data):
        index, frames = archive.index, archive.index["frames"]
        pages = sum(page["decoded_size"] for page in index["pages"])
        return {
            "decoded-bytes": index["totals"]["tar_bytes"],
            "entries": sum(page["entry_count"] for page in index["pages"]),
            "frames": len(frames["stored_sizes"]) + 1,
            "streams": 1,
            "schemas": 2,
            "path-bytes": max(len(member.path) for member in archive.members),
            "component-bytes": max(len(part) for member in archive.members for part in member.path.split("/")),
            "path-depth": 4,
            "record-bytes": 12,
            "manifest-bytes": frames["stored_sizes"][2] - 48,
            "index-bytes": len(index_message(index)) + pages,
        }

    accept("limits", "11.4", "Exactly at every limit.", archive, limits=exact)

    archive = Archive().file("/".join(["e" * 64] + ["e" * 63] * 63), b"").file("c" * 255, b"")
    archive.symlink("l", "t" * 4096)
    accept(
        "longest-paths", "5.1", "A path of 4096 bytes and 64 components, a component of 255, a target of 4096.", archive
    )


# ---------------------------------------------------------------------------------------------------------------------
# Archives to refuse
# ---------------------------------------------------------------------------------------------------------------------


def envelope():
    good = empty().build()
    code = "envelope.unknown-magic"
    reject("magic", "3.1", code, "Byte 24 differs.", hello().on("frames", reframe(1, poke(15, b"r"))))
    reject(
        "magic-empty-frame", "3.1", code, "The file begins with another zstd frame.", good.replace(b"\x20", b"\x24", 1)
    )
    reject("no-bytes", "3.1", "envelope.truncated", "A file without any byte.", b"")
    reject("cut-in-header", "3.1", "envelope.truncated", "The first 28 bytes of an archive.", good[:28])
    reject(
        "major-version",
        "3.1",
        "envelope.unsupported-version",
        "Major version 2.",
        hello().on("frames", reframe(1, poke(16, b"\2"))),
    )
    reject(
        "header-reserved",
        "3.1",
        "envelope.reserved",
        "A reserved byte is 1.",
        hello().on("frames", reframe(1, poke(19, b"\1"))),
    )


def seek_table():
    def last_entry(value):
        def hook(data):
            table = len(data) - 9
            return data[: table - 8] + struct.pack("<I", value(data, table)) + data[table - 4 :]

        return hook

    code = "seek-table.footer"
    reject("seek-table-cut", "9", code, "The last byte is missing.", hello().on("file", lambda data: data[:-1]))
    reject(
        "seek-table-after", "9", code, "A byte follows the seek table.", hello().on("file", lambda data: data + b"\0")
    )
    reject(
        "seek-table-checksums", "9", code, "The descriptor announces checksums.", hello().on("file", poke(-5, b"\x80"))
    )
    reject(
        "seek-table-magic",
        "9",
        code,
        "The table has another skippable magic number.",
        hello().on("seek", poke(0, b"\x5f")),
    )
    reject(
        "seek-table-size",
        "9",
        code,
        "The table's frame states another size.",
        hello().on("seek", lambda t: poke(4, bytes([t[4] ^ 8]))(t)),
    )
    reject(
        "seek-table-large",
        "9",
        code,
        "The table has more entries than the file has room for.",
        hello().on("seek", poke(-9, b"\0\0\0\x10")),
    )
    nothing = bytes.fromhex("5E2A4D18 09000000 00000000 00 B1EA928F")
    reject("seek-table-empty", "9", code, "The table has no entry.", hello().on("seek", lambda table: nothing))
    code = "seek-table.mismatch"
    reject(
        "seek-table-index-small",
        "11.1",
        code,
        "The index would have 47 bytes.",
        hello().on("file", last_entry(lambda data, at: 47)),
    )
    reject(
        "seek-table-index-large",
        "11.1",
        code,
        "The index would begin in the header.",
        hello().on("file", last_entry(lambda d, at: len(d))),
    )
    reject(
        "seek-table-row",
        "9",
        code,
        "The decoded size of a payload frame differs.",
        hello().on("seek", lambda t: poke(8 + 8 * 3 + 4, bytes([t[36] ^ 1]))(t)),
    )
    reject(
        "seek-table-index-row", "9", code, "The decoded size of the index is 1.", hello().on("seek", poke(-13, b"\1"))
    )


def index_section():
    def head(make):
        return hello().on("index_section", make)

    reject(
        "index-magic",
        "3.3",
        "section.head",
        "The index is a skippable frame of another number.",
        head(poke(0, b"\x50")),
    )
    reject(
        "index-length",
        "3.3",
        "section.head",
        "The index states another length than the seek table.",
        head(lambda s: flip(4)(s)),
    )
    reject("index-reserved", "3.3", "section.head", "A reserved byte of a section is 1.", head(poke(12, b"\1")))
    reject("index-kind", "3.3", "section.head", "The kind of a section has a digit.", head(poke(8, b"IND0")))
    reject(
        "index-misplaced", "3.3", "section.misplaced", "A manifest stands where the index must.", head(poke(8, b"MANI"))
    )
    reject(
        "index-digest",
        "10.1",
        "index.digest",
        "The index does not match the digest in its section head.",
        head(flip(16)),
    )


def index_message_faults():
    def index(*facts, base=hello):
        return base().on("index", setting(*facts))

    code = "index.protobuf"
    reject(
        "index-cut",
        "8",
        code,
        "The message ends within a field.",
        hello().on("index_body", lambda body: body + b"\x3a\x05"),
    )
    reject(
        "index-field-0",
        "8",
        code,
        "The message has a field number 0.",
        hello().on("index_body", lambda body: body + b"\0\0"),
    )
    reject(
        "index-content-digest",
        "8",
        code,
        "The content digest has 31 bytes.",
        index(("content_digest", lambda d: d[:31])),
    )
    reject("index-utf-8", "1", code, "A string is not UTF-8.", index(("late_features", [b"\xff"])))
    reject("late-feature", "4.4", "feature.unknown", "A late feature is required.", Archive(late_features=["example"]))
    reject(
        "late-features-unsorted",
        "4.4",
        "manifest.features",
        "Late features are not sorted.",
        Archive(late_features=["b", "a"]),
    )

    code = "index.frames"
    reject(
        "frames-columns",
        "8",
        code,
        "The columns have other lengths.",
        index(("frames.decoded_sizes", lambda c: c + [0])),
    )
    reject("frames-digests", "8", code, "The digests have a byte less.", index(("frames.digests.0", lambda d: d[:31])))
    reject(
        "frames-empty-frame",
        "8",
        code,
        "Frame 0 is said to have 8 bytes, frame 1 21.",
        index(("frames.stored_sizes.0", 8), ("frames.stored_sizes.1", 21)),
    )

    def bloat(parts):
        data = bytes(parts[PART_OF_FILE].data)
        parts[PART_OF_FILE].options["blocks"] = block(RAW, b"") * 400 + raw_blocks(data)

    reject(
        "frame-stored-size",
        "3.2",
        code,
        "A frame has 400 empty blocks, more than its content allows.",
        hello().on("parts", bloat),
    )

    def join_end(parts):
        return parts[:-2] + [Chunk(parts[-2].data + parts[-1].data)]

    reject(
        "tar-end-shared", "3.2", code, "The end of the tar shares a frame with a member.", hello().on("parts", join_end)
    )
    none = Archive().on("pages", lambda frames: []).on("index", setting(("pages", [])))
    reject("pages-none", "8", code, "There is no page.", none)

    reject("frame-gap", "8", "index.frame-gap", "A byte stands between the last page and the index.", gap())
    reject(
        "totals-tar-bytes",
        "8",
        "index.totals",
        "The size of the tar is said to be greater.",
        index(("totals.tar_bytes", lambda n: n + 512)),
    )

    code = "index.streams"
    reject("schema-count", "8", code, "There is no Schema.", index(("schema_count", 0)))
    reject(
        "late-schema-payload",
        "8",
        code,
        "A payload frame is listed as a late Schema.",
        index(("schema_count", 2), ("late_schema_frames", [FRAME_OF_FILE])),
    )
    reject("stream-schema", "8", code, "A stream is of Schema 0.", index(("streams.0.schema", 0), base=example))
    more = index(("streams.0.record_count", 2), ("totals.records", 2), base=example)
    reject("stream-records", "8", code, "A stream has more records than its pages.", more)
    reject(
        "stream-batches",
        "8",
        code,
        "A stream has records and no batches.",
        index(("streams.0.batch_count", 0), base=example),
    )
    unlike = example().on(
        "manifest",
        lambda parts: parts.update(
            schemas=repeated(
                6,
                [
                    schema_message(Archive().schemas[0][0], []),
                    schema_message(GREETING, [("greetings", "example.Greeting", 2)]),
                ],
            )
        ),
    )
    reject("stream-differs", "4.3", code, "Manifest and index state other versions of a stream.", unlike)
    unlisted = hello().schema(GREETING, late=True).on("index", setting(("late_schema_frames", [])))
    reject("late-schema-unlisted", "4.2", code, "A late Schema is counted, but not listed.", unlisted)

    code = "manifest.streams"
    reject(
        "stream-name",
        "4.3",
        code,
        "A stream name begins with a dot.",
        Archive().schema(GREETING, (".a", "example.Greeting", 0)),
    )
    reject(
        "stream-name-long",
        "4.3",
        code,
        "A stream name has 64 characters.",
        Archive().schema(GREETING, ("a" * 64, "example.Greeting", 0)),
    )
    twice = Archive().schema(GREETING, ("a", "example.Greeting", 0), ("A", "example.Greeting", 0))
    reject("stream-names-case", "4.3", code, "Two stream names differ in case only.", twice)
    reject(
        "stream-type-name",
        "4.3",
        code,
        "A type name begins with a dot.",
        Archive().schema(GREETING, ("a", ".example.Greeting", 0)),
    )

    code = "index.pages"
    reject("page-offset", "8", code, "The first page begins at 512.", index(("pages.0.tar_offset", 512)))
    reject(
        "page-record-counts", "8", code, "A page has a record count too many.", index(("pages.0.record_counts", [0]))
    )
    reject(
        "totals-entries",
        "8",
        "index.totals",
        "The totals have more entries than the pages.",
        index(("totals.symlinks", 1)),
    )
    reject(
        "totals-records",
        "8",
        "index.totals",
        "The totals have more records than the streams.",
        index(("totals.records", 1)),
    )
    attributes = Archive(attributes=[("a", "1")], late_attributes=[("a", "2")])
    reject(
        "late-attribute-twice", "4.1", "manifest.attributes", "A late attribute is in the manifest already.", attributes
    )
    empty_key = Archive(late_attributes=[("", "1")])
    reject("late-attribute-empty", "4.1", "manifest.attributes", "A late attribute has an empty key.", empty_key)


def gap():
    archive = hello()

    def hook(data):
        at = data.index(b"INDX") - 8
        return data[:at] + b"\0" + data[at:]

    return archive.on("file", hook)


def manifest():
    def frame(make, base=hello):
        return base().on("frames", reframe(2, make))

    def parts(**changes):
        return hello().on("manifest", lambda parts: parts.update(changes))

    wrong = hello().on("index", setting(("frames.digests.2", flip(0))))
    reject("manifest-frame-digest", "8", "frame.digest", "The manifest's frame does not match the index.", wrong)
    reject(
        "manifest-misplaced",
        "3.3",
        "section.misplaced",
        "A page stands where the manifest must.",
        frame(rename_section("ENTR")),
    )
    reject(
        "manifest-unknown-kind",
        "3.3",
        "section.unknown-kind",
        "An unknown section stands where the manifest must.",
        frame(rename_section("MANX")),
    )
    reject("manifest-digest", "3.3", "section.digest", "The body does not match the section's digest.", frame(flip(16)))
    other = hello().on("index", setting(("manifest_digest", flip(0))))
    reject("manifest-other", "11.1", "index.manifest", "The index is of another manifest.", other)
    archive = hello()
    archive.created = field(1, 1_700_000_000) + field(2, 1_000_000_000)
    reject("manifest-created", "4", "manifest.protobuf", "The time of creation has a second of nanoseconds.", archive)
    reject("manifest-cut", "4", "manifest.protobuf", "The message ends within a field.", parts(extra=b"\x0a\x01"))
    reject("feature", "4.4", "feature.unknown", "A feature is required.", Archive(features=["example"]))
    reject("features-twice", "4.4", "manifest.features", "A feature occurs twice.", Archive(features=["a", "a"]))
    unsorted = Archive(attributes=[("b", ""), ("a", "")])
    reject("attributes-unsorted", "4.1", "manifest.attributes", "Attributes are not sorted.", unsorted)
    code = "manifest.schemas"
    reject("schemas-none", "4.2", code, "The manifest has no Schema.", parts(schemas=b""))
    own = schema_message(Archive().schemas[0][0], [("a", "rosettar.v1.Index", 0)])
    reject("schema-0-stream", "4.2", code, "Schema 0 has a stream.", parts(schemas=element(6, own)))
    foreign = Archive(schemas=[(GREETING, [])])
    reject("schema-0-foreign", "4.2", code, "Schema 0 does not define rosettar.v1.", foreign)


def schemas():
    def archive(*files, kind="example.Greeting"):
        return Archive().schema(descriptor_set(*files), ("a", kind, 0))

    message = [("Greeting", [("text", 1, 9)])]
    a, b = (file_descriptor(f"{name}.proto", name, []) for name in "ab")
    greeting_file = file_descriptor("example/greeting.proto", "example", message)
    imports = file_descriptor("example/greeting.proto", "example", message, ["missing.proto"])
    reject("schema-closure", "4.2", "schema.closure", "A file imports one that is missing.", archive(imports))
    reject(
        "schema-order", "4.2", "schema.order", "Files that need no other are not sorted.", archive(b, a, greeting_file)
    )
    above = file_descriptor("a.proto", "example", message, ["b.proto"])
    reject(
        "schema-order-imports",
        "4.2",
        "schema.order",
        "A file stands before the one that it imports.",
        archive(above, b),
    )
    back = file_descriptor("b.proto", "b", [], ["a.proto"])
    reject("schema-cycle", "4.2", "schema.cycle", "Two files import each other.", archive(above, back))
    reject(
        "schema-type",
        "4.3",
        "schema.type",
        "The type of a stream is not defined.",
        archive(greeting_file, kind="example.Farewell"),
    )


def sections():
    def between(stored):
        return hello().on("frames", lambda frames: frames.insert(4, Frame(stored)))

    reject(
        "section-unknown",
        "3.3",
        "section.unknown-kind",
        "A section with an unknown upper-case kind.",
        between(section("Note", b"")),
    )
    reject("section-manifest-again", "3.3", "section.misplaced", "A second manifest.", between(section("MANI", b"")))
    reject(
        "section-digest",
        "3.3",
        "section.digest",
        "An ancillary section does not match its digest.",
        between(flip(16)(section("note", b"x"))),
    )
    early = hello().on("frames", lambda frames: frames.insert(2, Frame(section("note", b""))))
    reject("ancillary-early", "3.3", "section.misplaced", "An ancillary section before the manifest.", early)
    late = hello().on("frames", lambda frames: frames.append(Frame(section("note", b""))))
    reject("ancillary-late", "2", "index.frames", "An ancillary section after the entry table.", late)
    foreign = bytes.fromhex("502A4D18 28000000") + bytes(40)
    reject("skippable-frame", "3.3", "section.head", "A skippable frame that is not a section.", between(foreign))

    archive = Archive().file("a", b"a").schema(GREETING, late=True)
    archive.items.append(archive.items.pop(0))  # the member now follows the Schema's section and member
    archive.items.insert(3, archive.items.pop())  # ... and stands between them
    reject(
        "late-schema-misplaced",
        "4.2",
        "section.misplaced",
        "A member stands between a late Schema and its own.",
        archive,
    )
    archive = hello().schema(GREETING, late=True)

    def digest(frames):
        at = next(number for number, frame in enumerate(frames) if frame.stored[8:12] == b"SCHM")
        frames[at].stored = flip(16)(frames[at].stored)

    reject(
        "late-schema-digest",
        "3.3",
        "section.digest",
        "A late Schema does not match its digest.",
        archive.on("frames", digest),
    )
    archive = hello().schema(GREETING, late=True)

    def broken(parts):
        late = next(part for part in parts if not isinstance(part, Chunk))
        late.body += b"\x0a\x05"

    reject(
        "late-schema-protobuf",
        "4.2",
        "manifest.protobuf",
        "A late Schema ends within a field.",
        archive.on("parts", broken),
    )


def pages():
    def columns(*facts, base=hello):
        return base().on("columns", setting(*facts))

    wrong = hello().on("pages", lambda frames: [Frame(flip(16)(frames[0].stored))])
    reject("page-digest", "3.3", "section.digest", "A page does not match its section's digest.", wrong)
    wrong = hello().on("index", setting(("pages.0.decoded_size", increase)))
    reject("page-size", "7", "index.pages", "A page has another decoded size than the index says.", wrong)

    def no_checksum(frames):
        body = frames[0].stored[48:]
        return [Frame(section("ENTR", body[:4] + bytes([body[4] ^ 4]) + body[5:-4]))]

    reject(
        "page-no-checksum",
        "3.3",
        "frame.header",
        "The zstd frame of a page has no checksum.",
        hello().on("pages", no_checksum),
    )

    def bloat(frames):
        stored, size = frames[0].stored, archive.index["pages"][0]["decoded_size"]
        at = 48 + 4 + 1 + (1 if size < 256 else 2)
        return [Frame(section("ENTR", stored[48:at] + block(RAW, b"") * 400 + stored[at:]))]

    archive = hello()
    archive.build()
    why = "The zstd frame of a page has 400 empty blocks, more than its content allows."
    reject("page-stored-size", "3.2", "frame.size", why, hello().on("pages", bloat))
    reject(
        "page-cut",
        "7",
        "entries.protobuf",
        "The message ends within a field.",
        hello().on("page", lambda plain: plain + b"\x0a\x01"),
    )
    code = "entries.columns"
    reject("columns-modes", "7", code, "A mode is missing.", columns(("modes", lambda modes: modes[:-1])))
    reject("columns-targets", "7", code, "A target too many.", columns(("targets", ["x"])))
    reject(
        "columns-digests",
        "7",
        code,
        "The digest of a file is missing.",
        columns(("digests", lambda digests: digests[:-1])),
    )
    reject("columns-mode-bits", "7", code, "A mode has the set-user-ID bit.", columns(("modes.1", 0o4644)))
    reject("columns-nanoseconds", "7", code, "Nanoseconds make a second.", columns(("nanoseconds.1", 1_000_000_000)))
    sized = Archive().directory("d").on("columns", setting(("sizes.1", 512)))
    reject("columns-directory-size", "7", code, "A directory has a size.", sized)
    reject(
        "kind-unknown",
        "7",
        "entries.kind",
        "An entry has the kind 7.",
        columns(("kinds.1", 7), ("digests", lambda digests: digests[:-1])),
    )
    code = "index.pages"
    more = hello().on("index", setting(("pages.0.entry_count", increase), ("totals.files", increase)))
    reject("page-entry-count", "7", code, "A page has fewer entries than the index says.", more)
    least = hello().on("index", setting(("pages.0.least_path", "hello")))
    reject("page-least-path", "7", code, "The least path of a page is another.", least)

    def stray(parts):
        parts[PART_OF_FILE].data += bytes(512)

    reject(
        "tar-stray-block",
        "7",
        code,
        "A zero block stands between the last member and the end of the tar.",
        hello().on("parts", stray),
    )
    swapped = Archive().file("f", b"").on("index", setting(("totals.files", 0), ("totals.directories", 1)))
    reject("totals-files", "8", "index.totals", "The totals take a file for a directory.", swapped)
    reject(
        "totals-file-bytes",
        "8",
        "index.totals",
        "The totals have another size of all files.",
        hello().on("index", setting(("totals.file_bytes", 7))),
    )


def paths():
    def archive(*names, target=None):
        out = Archive()
        for name in names:
            out.file(name, b"") if target is None else out.symlink(name, target)
        return out

    code = "path.invalid"
    reject("path-absolute", "5.1", code, "A path begins with a slash.", archive("/etc/passwd"))
    reject("path-parent-component", "5.1", code, "A path has a component '..'.", archive("a/../../b"))
    reject("path-slash", "5.1", code, "A path ends in a slash.", archive("a/"))
    reject("path-dot", "5.1", code, "A path is '.'.", archive("."))
    reject("path-control", "5.1", code, "A path holds U+0085.", archive("a\u0085b"))
    reject("target-empty", "5.1", code, "A target is empty.", archive("a", target=""))
    reject("target-control", "5.1", code, "A target holds a line feed.", archive("a", target="b\nc"))
    code = "path.reserved"
    reject("path-reserved", "5.1", code, "A file is in .Rosettar.", archive(".Rosettar/x"))
    code = "path.duplicate"
    reject("path-duplicate", "5.1", code, "Two entries have one path.", archive("a", "b", "a"))
    twice = Archive(page_entries=2).file("a", b"").directory("b").directory("a")
    reject("path-duplicate-pages", "5.1", code, "A directory in another page has the path of a file.", twice)
    code = "path.parent"
    reject("path-under-file", "5.1", code, "An entry is below a file.", archive("a", "a/b"))
    under = Archive().file("a/b", b"").symlink("a", "c")
    reject("path-under-symlink", "5.1", code, "An entry is below a symbolic link that follows it.", under)
    reject(
        "path-long",
        "5.1",
        "limit.path-bytes",
        "A path has 4097 bytes.",
        archive("/".join(["e" * 65] + ["e" * 63] * 63)),
    )
    reject(
        "path-component-long",
        "5.1",
        "limit.component-bytes",
        "A component has 256 bytes.",
        archive("c" * 254 + "\u00e9"),
    )
    reject("path-deep", "5.1", "limit.path-depth", "A path has 65 components.", archive("/".join("d" * 65)))
    reject("target-long", "5.1", "limit.path-bytes", "A target has 4097 bytes.", archive("a", target="t" * 4097))


def reserved_members():
    code = "entries.reserved"

    def change(hook, base=example):
        return base().on("members", hook)

    def two():
        return Archive().schema(GREETING, ("a", "example.Greeting", 0)).batch("a", b"").batch("a", b"")

    def swap_schemas(members):
        members[0], members[1] = members[1], members[0]

    def drop_stream(members):
        return [member for member in members if member.kind != STREAM]

    def stream_last(members):
        return sorted(members, key=lambda member: member.kind == STREAM)

    def renumber(members):
        members[-1].path = members[-1].path.replace("00000001", "00000002")

    def swap_batches(members):
        members[-1], members[-2] = members[-2], members[-1]

    def rename(kind, path):
        def hook(members):
            next(member for member in members if member.kind == kind).path = path

        return hook

    def text(members):
        member = next(member for member in members if member.kind == STREAM)
        member.content = member.content.replace(b"version 1", b"version 2")

    def descriptors(members):
        members[1].content = GREETING + b"\x28\0"

    def user_first(members):
        members.insert(1, members.pop(-1))

    reject("reserved-schema-order", "5.5", code, "Schema 1 stands before Schema 0.", change(swap_schemas))
    reject(
        "reserved-not-first",
        "5.5",
        code,
        "A file stands between the Schemas of the manifest.",
        change(user_first, lambda: Archive().schema(GREETING).file("a", b"")),
    )
    reject(
        "reserved-stream-missing",
        "5.5",
        code,
        "A stream has no description.",
        change(drop_stream, lambda: Archive().schema(GREETING, ("a", "example.Greeting", 0))),
    )
    reject("reserved-stream-late", "5.5", code, "A stream's description follows its batch.", change(stream_last))
    reject("reserved-batch-gap", "5.5", code, "A batch number is left out.", change(renumber, two))
    reject(
        "reserved-batch-order", "5.5", code, "Batches are not in the order of their numbers.", change(swap_batches, two)
    )
    reject(
        "reserved-path",
        "5.5",
        code,
        "The description of a stream has another path.",
        change(rename(STREAM, ".rosettar/streams/greetings/type.txt")),
    )
    reject(
        "reserved-batch-stream",
        "5.5",
        code,
        "The path of a batch names another stream.",
        change(rename(BATCH, ".rosettar/streams/greeting/00000000.binpb")),
    )
    reject("reserved-stream-text", "5.5", code, "The description of a stream states another version.", change(text))
    reject(
        "reserved-schema-bytes",
        "5.5",
        code,
        "The member of a Schema has other bytes than the manifest.",
        change(descriptors),
    )


def payload_frames():
    def stored(make):
        return hello().on("frames", reframe(FRAME_OF_FILE, make))

    wrong = hello().on("index", setting((f"frames.digests.{FRAME_OF_FILE}", flip(0))))
    reject("frame-digest", "8", "frame.digest", "A payload frame does not match the index.", wrong)
    code = "frame.header"
    dictionary = stored(lambda data: data[:4] + bytes([data[4] | 1, 0]) + data[5:])
    reject("frame-dictionary", "3.2", code, "A frame states the dictionary 0.", dictionary)
    reject(
        "frame-reserved-bit", "3.2", code, "The reserved bit is set.", hello().on("parts", file_frame(descriptor=0x08))
    )
    reject("frame-no-checksum", "3.2", code, "A frame has no checksum.", hello().on("parts", file_frame(checksum=b"")))
    reject(
        "frame-no-size",
        "3.2",
        code,
        "A frame does not state its content size.",
        hello().on("parts", file_frame(window=0x00, width=0)),
    )
    reject("frame-window", "3.2", code, "A window of 9 MiB.", hello().on("parts", file_frame(window=0x69)))
    reject(
        "frame-size",
        "3.2",
        "frame.size",
        "A frame states another content size than the index.",
        stored(lambda data: poke(5, bytes([data[5] ^ 1]))(data)),
    )
    code = "frame.decode"
    reject(
        "frame-checksum",
        "3.2",
        code,
        "A frame has a wrong checksum.",
        stored(lambda data: data[:-1] + bytes([data[-1] ^ 1])),
    )
    reject("frame-trailing", "3.2", code, "A byte follows a frame's checksum.", stored(lambda data: data + b"\0"))
    second = zstd_frame(b"x")
    reject("frame-two", "3.2", code, "A second zstd frame follows.", stored(lambda data: data + second))

    def blocks(make):
        def hook(parts):
            data = bytes(parts[PART_OF_FILE].data)
            parts[PART_OF_FILE].options["blocks"] = make(data)

        return hello().on("parts", hook)

    reject(
        "frame-short",
        "3.2",
        code,
        "A frame decodes to a byte less than it states.",
        blocks(lambda data: raw_blocks(data[:-1])),
    )
    reject(
        "frame-block-type",
        "3.2",
        code,
        "A block of the reserved type.",
        blocks(lambda data: block(RESERVED, data, last=True)),
    )
    reject("frame-cut", "3.2", code, "A frame has no last block.", blocks(lambda data: block(RAW, data)))


def tar():
    def header(make, base=hello):
        def hook(parts):
            data = parts[PART_OF_FILE].data
            changed = make(bytes(data))
            assert len(changed) == len(data)
            parts[PART_OF_FILE].data[:] = changed

        return base().on("parts", hook)

    def rechecked(block):
        block = block[:148] + b" " * 8 + block[156:]
        return block[:148] + f"{sum(block[:512]):06o}\0 ".encode() + block[156:]

    code = "tar.header"
    reject(
        "header-owner", "5.2", code, "A header has a user ID.", header(lambda d: rechecked(poke(108, b"0001750")(d)))
    )
    reject("header-checksum", "5.2", code, "A header's checksum is wrong.", header(poke(148, b"000000")))
    reject(
        "header-mode",
        "5.2",
        code,
        "The mode in a header is another than in the page.",
        header(lambda d: rechecked(poke(100, b"0000755")(d))),
    )
    reject(
        "header-type", "5.2", code, "A regular file has the type NUL.", header(lambda d: rechecked(poke(156, b"\0")(d)))
    )
    reject(
        "header-name",
        "5.2",
        code,
        "A header has another name than the page.",
        header(lambda d: rechecked(poke(0, b"jello.txt")(d))),
    )

    def long_name():
        return Archive().file("a" * 99 + "/b", b"", mtime=-1)

    reject(
        "header-field-form",
        "5.2",
        code,
        "Byte 100 of a long name is a slash.",
        header(lambda d: d[:1024] + rechecked(poke(99, b"/")(d[1024:])), long_name),
    )

    def pax_order(data):
        member = long_name().items[0]
        records = pax_records(reversed(member.pax_facts()))
        return data[:512] + records + data[512 + len(records) :]

    reject("pax-order", "5.3", code, "PAX records are in another order.", header(pax_order, long_name))

    def pax_name(data):
        size = len(pax_records(long_name().items[0].pax_facts()))
        return tar_block(b"././@PaxHeader", 0o644, size, 0, b"x") + data[512:]

    reject("pax-name", "5.3", code, "A PAX header has another name.", header(pax_name, long_name))
    reject("pax-padding", "5.3", code, "A PAX header is not padded with zeros.", header(poke(1023, b"\1"), long_name))

    def pax_length():
        return Archive().file("w" * 88 + "\u00e9", b"")

    def longer(data):
        record = data[512:611]
        return data[:124] + rechecked_size(data, 100) + b"100" + record[2:] + data[612:]

    def rechecked_size(data, size):
        return rechecked(data[:124] + f"{size:011o}\0".encode() + data[136:512])[124:512]

    reject(
        "pax-length",
        "5.3",
        code,
        "A PAX record has a length of 100 where 99 counts itself, too.",
        header(longer, pax_length),
    )
    reject("padding", "5", "tar.padding", "The padding of a file is not zero.", header(poke(1023, b"\1")))
    reject(
        "tar-end",
        "3.2",
        "tar.end",
        "The last byte of the tar is not zero.",
        hello().on("parts", in_part(2, 1023, b"\1")),
    )
    reject(
        "entry-digest",
        "11.1",
        "entry.digest",
        "The content of a file does not match its digest.",
        header(poke(512, b"j")),
    )


def records():
    def batch(content, count=1):
        return Archive().schema(GREETING, ("a", "example.Greeting", 0)).batch("a", content=content, count=count)

    text = greeting("hello")
    code = "record.framing"
    reject("record-not-minimal", "6", code, "The length of a record is not minimal.", batch(b"\x87\0" + text))
    reject("record-cut", "6", code, "A record ends behind its batch.", batch(b"\x08" + text))
    reject(
        "record-length-cut", "6", code, "A batch ends within the length of a record.", batch(b"\x07" + text + b"\x80")
    )
    reject("record-length-long", "6", code, "The length of a record has 11 bytes.", batch(b"\x80" * 10 + b"\1"))
    reject("record-length-large", "6", code, "The length of a record is 2 to the 64.", batch(b"\x80" * 9 + b"\2"))
    reject("record-count", "6", "record.count", "A batch has a record less than it states.", batch(b"\x07" + text, 2))
    more = batch((b"\x07" + text) * 2, 1)
    reject("record-count-more", "6", "record.count", "A batch has a record more than it states.", more)
    wrong = example().on("index", setting(("streams.0.digest", flip(0))))
    reject("stream-digest", "8", "stream.digest", "The digest of a stream is wrong.", wrong)
    wrong = example().on("index", setting(("content_digest", flip(0))))
    reject("content-digest", "10.2", "content.digest", "The content digest is wrong.", wrong)


def limits():
    archive = example()
    archive.build()
    index = archive.index
    size = len(index_message(index))
    values = {
        "decoded-bytes": index["totals"]["tar_bytes"] - 1,
        "entries": 4,
        "frames": len(index["frames"]["stored_sizes"]) - 1,
        "streams": 0,
        "schemas": 1,
        "record-bytes": 6,
        "manifest-bytes": index["frames"]["stored_sizes"][2] - 49,
        "index-bytes": size - 1,
    }
    for name, value in values.items():
        why = f"With the limit {name} at {value}, the example exceeds it."
        reject(f"limit-{name}", "11.4", f"limit.{name}", why, example(), limits={name: value})
    value = size + index["pages"][0]["decoded_size"] - 1
    why = "Index and pages together exceed the limit, the index alone does not."
    reject("limit-index-bytes-pages", "11.4", "limit.index-bytes", why, example(), limits={"index-bytes": value})
    late = hello().schema(GREETING, late=True)
    late.build()
    sizes = late.index["frames"]["stored_sizes"]
    value = sizes[2] - 48
    why = "The manifest and a late Schema together exceed the limit, the manifest alone does not."
    late = hello().schema(GREETING, late=True)
    reject("limit-manifest-bytes-late", "11.4", "limit.manifest-bytes", why, late, limits={"manifest-bytes": value})


# What a reader that reads forward (section 11.2) answers to the vectors above, where it is not what an indexed one
# says: without an index to begin with, it meets most faults of frames as what they do to the tar.
STREAMED = {
    "ancillary-late": ("section.misplaced", "index.frames"),
    "frame-gap": "frame.header",
    "frame-size": "frame.decode",
    "frame-stored-size": "frame.size",
    "frame-trailing": "frame.header",
    "frame-two": "tar.header",
    "index-length": "index.digest",
    "index-magic": "frame.header",
    "reserved-path": "path.reserved",
    "seek-table-checksums": "seek-table.mismatch",
    "seek-table-cut": ("envelope.truncated", "seek-table.mismatch"),
    "seek-table-empty": ("envelope.truncated", "seek-table.mismatch"),
    "seek-table-large": "seek-table.mismatch",
    "seek-table-magic": ("seek-table.mismatch", "frame.header"),
    "seek-table-size": ("seek-table.mismatch", "envelope.truncated"),
    "skippable-frame": "frame.header",
    "tar-end-shared": "tar.end",
    "tar-stray-block": "tar.end",
}

# The levels of those of which the code does not tell it: where the fault is, or what is particular, decides.
LEVELS = dict.fromkeys(("blocks", "frame-splits", "frame-splits-pax", "frame-headers"), 1)
LEVELS |= dict.fromkeys(("manifest-frame-digest", "page-no-checksum", "page-stored-size"), 0)
LEVELS |= dict.fromkeys(("section-digest", "section-unknown", "section-manifest-again", "skippable-frame"), 1)
LEVELS |= dict.fromkeys(("schema-0-foreign", "streams", "pages", "unknown-fields"), 2)

GROUPS = (
    accepted,
    envelope,
    seek_table,
    index_section,
    index_message_faults,
    manifest,
    schemas,
    sections,
    pages,
    paths,
)
GROUPS += (reserved_members, payload_frames, tar, records, limits)
LATER_GROUPS = (*generate_records.GROUPS, *generate_rules.GROUPS, *generate_damage.GROUPS, *generate_orders.GROUPS)


def generate():
    """All vectors: a dictionary from file name to bytes."""
    VECTORS.clear()
    for group in GROUPS + LATER_GROUPS:
        Archive.compact = group in LATER_GROUPS
        group()
    for name, said in STREAMED.items():
        VECTORS[name][1]["streamed"] = answer(said)
    for name, level in LEVELS.items():
        VECTORS[name][1]["level"] = level
    generate_damage.others()
    out, listed = {}, {}
    for name, (data, facts) in sorted(VECTORS.items()):
        told = (json.dumps(facts, indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode()
        out[f"{name}.rtar"], out[f"{name}.json"] = data, told
        listed[name] = {key: facts[key] for key in ("level", "expect", "code") if key in facts}
        listed[name] |= {"rtar": sha256(data).hex(), "json": sha256(told).hex()}
    index = {"format": "rosettar 1.0", "count": len(listed), "vectors": listed}
    vectors = ",\n".join(f"  {json.dumps(name)}: {json.dumps(facts)}" for name, facts in index.pop("vectors").items())
    head = json.dumps(index, indent=1).removesuffix("\n}")
    out["index.json"] = f'{head},\n "vectors": {{\n{vectors}\n }}\n}}\n'.encode()
    return out


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "vectors"
    folder.mkdir(exist_ok=True)
    files = generate()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    print(f"{len(VECTORS)} vectors written to {folder}")


if __name__ == "__main__":
    main()
