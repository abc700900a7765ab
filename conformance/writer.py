#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A writer of Rosettar archives that can also make each part of one wrong. generate.py makes the vectors with it.

It needs the standard library only and shares no code with the reader. Its zstd frames are made of raw blocks (where a
vector wants it, of hand-made RLE and compressed ones), so that no byte depends on the version of a compressor.

An archive is built in stages. A vector with a fault changes what one stage made; the later stages then compute sizes,
digests, index and seek table from the changed parts, so that the fault is the only one:

    members -> parts (chunks and sections) -> frames -> columns of the pages -> index -> seek table -> file
"""

import hashlib
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROSETTAR_DESCRIPTORS = (HERE / "rosettar.v1.binpb").read_bytes()
# The frame of the member of Schema 0, as zstd 1.5 made it once: it saves each archive 2.6 KiB.
SCHEMA_0_FRAME = (HERE / "schema-0.zst").read_bytes()


def sha256(data):
    return hashlib.sha256(data).digest()


# ---------------------------------------------------------------------------------------------------------------------
# Protobuf
# ---------------------------------------------------------------------------------------------------------------------


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return (value << 1) ^ (value >> 63)


def field(number, value):
    """One field: an int as a varint, bytes or text with their length. A default value is left out."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return element(number, value) if value else b""


def element(number, value):
    """One element of a repeated field, or a message: written even where it is empty."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def repeated(number, values):
    return b"".join(element(number, value) for value in values)


def packed(number, values):
    return field(number, b"".join(varint(value) for value in values))


def any_message(type_url, value):
    return field(1, type_url) + field(2, value)


def key_values(number, pairs):
    return repeated(number, [field(1, key) + field(2, value) for key, value in pairs])


def file_descriptor(path, package, messages, imports=(), syntax="proto3"):
    """A FileDescriptorProto, its messages as (name, [(field, number, type)]); type 9 is a string, 3 an int64."""
    types = []
    for name, members in messages:
        described = []
        for text, number, kind in members:
            described.append(
                field(1, text) + field(3, number) + field(4, 1) + field(5, kind) + field(10, text)  # label 1: optional
            )
        types.append(field(1, name) + repeated(2, described))
    return field(1, path) + field(2, package) + repeated(3, imports) + repeated(4, types) + field(12, syntax)


def descriptor_set(*files):
    return repeated(1, files)


GREETING = descriptor_set(file_descriptor("example/greeting.proto", "example", [("Greeting", [("text", 1, 9)])]))


class Record(bytes):
    """A serialized message together with its canonical JSON, which whoever made the message states."""

    def __new__(cls, data, told):
        self = super().__new__(cls, data)
        self.told = told
        return self


def greeting(text):
    return Record(field(1, text), {"text": text} if text else {})


# ---------------------------------------------------------------------------------------------------------------------
# XXH64 and zstd frames
# ---------------------------------------------------------------------------------------------------------------------

P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
M64 = (1 << 64) - 1


def rotate(value, by):
    return (value << by | value >> (64 - by)) & M64


def xxh64(data):
    def one(lane, word):
        return rotate((lane + word * P2) & M64, 31) * P1 & M64

    at, end = 0, len(data)
    if end >= 32:
        lanes = [(P1 + P2) & M64, P2, 0, -P1 & M64]
        while at + 32 <= end:
            words = struct.unpack_from("<4Q", data, at)
            lanes = [one(lane, word) for lane, word in zip(lanes, words)]
            at += 32
        value = sum(rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18))) & M64
        for lane in lanes:
            value = ((value ^ one(0, lane)) * P1 + P4) & M64
    else:
        value = P5
    value = (value + end) & M64
    while at + 8 <= end:
        value = (rotate(value ^ one(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & M64
        at += 8
    if at + 4 <= end:
        value = (rotate(value ^ struct.unpack_from("<I", data, at)[0] * P1 & M64, 23) * P2 + P3) & M64
        at += 4
    for byte in data[at:]:
        value = rotate(value ^ byte * P5 & M64, 11) * P1 & M64
    value = (value ^ value >> 33) * P2 & M64
    value = (value ^ value >> 29) * P3 & M64
    return value ^ value >> 32


RAW, RLE, COMPRESSED, RESERVED = range(4)


def block(kind, data, size=None, last=False):
    """A zstd block; `size` is what its header states, where that is not the length of the data."""
    size = len(data) if size is None else size
    return struct.pack("<I", size << 3 | kind << 1 | last)[:3] + data


def raw_blocks(data, size=1 << 17):
    pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    return b"".join(block(RAW, piece, last=number + 1 == len(pieces)) for number, piece in enumerate(pieces))


def zstd_frame(data, blocks=None, window=None, width=None, checksum=None, size=None, descriptor=0):
    """A zstd frame of raw blocks.

    `blocks`: other blocks; `window`: a window descriptor, else it is a single-segment frame; `width`: bytes of the
    content size; `checksum`: None for the right one, b"" for none; `size`: the content size to state; `descriptor`:
    bits of the frame header descriptor to flip.
    """
    size = len(data) if size is None else size
    if width is None:
        width = 1 if window is None and size < 256 else 2 if 256 <= size < 65792 else 4
    stated = (size - 256 if width == 2 else size).to_bytes(width, "little") if width else b""
    head = (0x20 if window is None else 0) | (width.bit_length() - 1 if width else 0) << 6
    head |= 0x04 if checksum != b"" else 0
    if checksum is None:
        checksum = struct.pack("<Q", xxh64(data))[:4]
    if blocks is None:
        blocks = raw_blocks(data, 1 << 17 if window is None else min(1 << 17, 1 << 10 + (window >> 3)))
    out = bytes.fromhex("28B52FFD") + bytes([head ^ descriptor])
    return out + (b"" if window is None else bytes([window])) + stated + blocks + checksum


# ---------------------------------------------------------------------------------------------------------------------
# Sections and tar
# ---------------------------------------------------------------------------------------------------------------------


def section(kind, body, digest=None, reserved=0):
    content = kind.encode() + struct.pack("<I", reserved) + (digest or sha256(body)) + body
    return bytes.fromhex("5A2A4D18") + struct.pack("<I", len(content)) + content


def tar_block(name, mode, size, mtime, kind, linkname=b""):
    def octal(value, digits):
        return f"{value:0{digits}o}\0".encode()

    fields = [name.ljust(100, b"\0"), octal(mode, 7), octal(0, 7), octal(0, 7), octal(size, 11), octal(mtime, 11)]
    after = [kind, linkname.ljust(100, b"\0"), b"ustar\0" + b"00", bytes(64), octal(0, 7), octal(0, 7), bytes(167)]
    total = sum(map(sum, fields + after)) + 8 * 0x20
    return b"".join(fields + [octal(total, 6) + b" "] + after)


def needs_pax(text):
    return len(text) > 100 or max(text, default=0) > 127


def field_form(text):
    if not needs_pax(text):
        return text
    out = bytes(0x5F if byte > 127 else byte for byte in text[:100])
    return out[:99] + b"_" if len(out) == 100 and out.endswith(b"/") else out


def pax_records(facts):
    out = b""
    for key, value in facts:
        rest = b" " + key + b"=" + value + b"\n"
        digits = next(d for d in range(1, 9) if len(str(d + len(rest))) == d)
        out += str(digits + len(rest)).encode() + rest
    return out


def padded(data):
    return data + bytes(-len(data) % 512)


FILE, DIRECTORY, SYMLINK, SCHEMA, STREAM, BATCH = range(1, 7)
KINDS = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink"}


class Member:
    def __init__(self, kind, path, content=b"", mode=0o644, mtime=0, nanoseconds=0, target="", stream=None, records=0):
        self.kind, self.path, self.content, self.mode = kind, path, content, mode
        self.mtime, self.nanoseconds, self.target = mtime, nanoseconds, target
        self.stream, self.records = stream, records
        self.told = []  # of a batch: the JSON of each record, where it is known

    def pax_facts(self):
        name = self.name()
        facts = [(b"path", name)] if needs_pax(name) else []
        if needs_pax(self.target.encode()):
            facts.append((b"linkpath", self.target.encode()))
        if not 0 <= self.mtime < 8**11:
            facts.append((b"mtime", str(self.mtime).encode()))
        return facts

    def name(self):
        return self.path.encode() + (b"/" if self.kind == DIRECTORY else b"")

    def header(self):
        records, mtime, out = pax_records(self.pax_facts()), self.mtime, b""
        if not 0 <= mtime < 8**11:
            mtime = 0
        if records:
            out = tar_block(b"PaxHeader", 0o644, len(records), 0, b"x") + padded(records)
        kind = {DIRECTORY: b"5", SYMLINK: b"2"}.get(self.kind, b"0")
        target = field_form(self.target.encode())
        return out + tar_block(field_form(self.name()), self.mode, len(self.content), mtime, kind, target)

    def data(self):
        return padded(self.content)


class Late:
    """A Schema declared between members, or a section that stands there."""

    def __init__(self, kind, body):
        self.kind, self.body = kind, body


class Cut:
    """Where a frame ends."""


class Chunk:
    """The plain bytes of one payload frame to be, and how its zstd frame is made."""

    def __init__(self, data=b""):
        self.data = bytearray(data)
        self.options = {}


class Frame:
    def __init__(self, stored, decoded=0):
        self.stored, self.decoded = stored, decoded


# ---------------------------------------------------------------------------------------------------------------------
# An archive
# ---------------------------------------------------------------------------------------------------------------------


class Archive:
    """A builder. After the members, each stage hands what it made to the hook of its name, which may change it."""

    STAGES = ("manifest", "members", "parts", "frames", "columns", "page", "pages", "index", "index_body")
    STAGES += ("index_section", "seek", "file")
    compact = False  # whether the member of Schema 0, where it is alone in its frame, is compressed
    compress = staticmethod(zstd_frame)  # what makes the frames of the tar and of pages

    def __init__(self, **options):
        self.schemas = [(ROSETTAR_DESCRIPTORS, [])]
        self.late_schemas = []
        self.items = []
        self.attributes = []
        self.late_attributes = []
        self.annotations = []
        self.late_annotations = []
        self.features = []
        self.late_features = []
        self.producer = "rosettar-vectors 1"
        self.created = None
        self.extra_manifest = b""
        self.extra_index = b""
        self.minor = 0
        self.page_entries = 4096
        self.hooks = {}
        self.__dict__.update(options)

    def on(self, stage, hook):
        assert stage in self.STAGES
        self.hooks[stage] = hook
        return self

    def _hook(self, stage, value):
        if stage in self.hooks:
            changed = self.hooks[stage](value)
            return value if changed is None else changed
        return value

    # What is inside.

    def schema(self, descriptors, *streams, late=False):
        """Adds a Schema; its streams as (name, type, schema version). A late one is written where it is called."""
        if late:
            self.late_schemas.append((descriptors, list(streams)))
            number = len(self.schemas) + len(self.late_schemas) - 1
            self.items += [Cut(), Late("SCHM", schema_message(descriptors, streams)), Cut()]
            self.items += [schema_member(number, descriptors)] + [stream_member(number, stream) for stream in streams]
        else:
            self.schemas.append((descriptors, list(streams)))
        return self

    def file(self, path, content, mode=0o644, mtime=1_700_000_000, nanoseconds=0):
        self.items.append(Member(FILE, path, content, mode, mtime, nanoseconds))
        return self

    def directory(self, path, mode=0o755, mtime=1_700_000_000, nanoseconds=0):
        self.items.append(Member(DIRECTORY, path, b"", mode, mtime, nanoseconds))
        return self

    def symlink(self, path, target, mtime=1_700_000_000):
        self.items.append(Member(SYMLINK, path, b"", 0o777, mtime, 0, target))
        return self

    def batch(self, name, *records, content=None, count=None):
        told = [record.told for record in records if isinstance(record, Record)]
        content = b"".join(varint(len(r)) + r for r in records) if content is None else content
        number = next(n for n, stream in enumerate(self.all_streams()) if stream[0] == name)
        batch = sum(isinstance(item, Member) and item.stream == number for item in self.items)
        path = f".rosettar/streams/{name}/{batch:08}.binpb"
        count = len(records) if count is None else count
        self.items.append(Member(BATCH, path, content, stream=number, records=count))
        self.items[-1].told = told
        return self

    def cut(self):
        self.items.append(Cut())
        return self

    def ancillary(self, kind, body):
        self.items += [Cut(), Late(kind, body), Cut()]
        return self

    def all_schemas(self):
        return self.schemas + self.late_schemas

    def all_streams(self):
        return [stream for _, streams in self.all_schemas() for stream in streams]

    # Stages.

    def _manifest(self):
        parts = {
            "features": repeated(1, self.features),
            "producer": field(2, self.producer),
            "created": field(3, self.created or b""),
            "annotations": repeated(4, [any_message(*annotation) for annotation in self.annotations]),
            "attributes": key_values(5, self.attributes),
            "schemas": repeated(6, [schema_message(*schema) for schema in self.schemas]),
            "extra": self.extra_manifest,
        }
        body = self._hook("manifest", parts)
        return body if isinstance(body, bytes) else b"".join(body.values())

    def _members(self):
        opening = [schema_member(number, schema[0]) for number, schema in enumerate(self.schemas)]
        for number, (_, streams) in enumerate(self.schemas):
            opening += [stream_member(number, stream) for stream in streams]
        return self._hook("members", opening + self.items)

    def _parts(self, items):
        """Chunks (as section 12 of FORMAT.md recommends, but for small files) and sections, in order."""
        parts, chunk, previous = [], Chunk(), None

        def cut():
            nonlocal chunk
            if chunk.data:
                parts.append(chunk)
            chunk = Chunk()

        for item in items:
            if isinstance(item, Cut):
                cut()
            elif isinstance(item, Late):
                cut()
                parts.append(item)
            else:
                group = "batch" if item.kind == BATCH else "reserved" if item.kind in (SCHEMA, STREAM) else "user"
                alone = self.compact and chunk.data == SCHEMA_0_CHUNK
                if group != previous or group == "batch" or alone:
                    cut()
                previous = group
                chunk.data += item.header()
                if group == "batch":
                    cut()
                chunk.data += item.data()
        cut()
        parts.append(Chunk(bytes(1024)))
        return self._hook("parts", parts)

    def build(self):
        manifest = self._manifest()
        items = self._members()
        members = [item for item in items if isinstance(item, Member)]
        header = b"\x5a\x2a\x4d\x18\x0c\0\0\0ROSETTAR" + bytes([1, self.minor, 0, 0])
        frames = [Frame(bytes.fromhex("28B52FFD2000010000")), Frame(header), Frame(section("MANI", manifest))]
        late = []
        for part in self._parts(items):
            if isinstance(part, Late):
                if part.kind == "SCHM":
                    late.append(len(frames))
                frames.append(Frame(section(part.kind, part.body)))
            else:
                data = bytes(part.data)
                alone = self.compact and not part.options and data == SCHEMA_0_CHUNK
                frames.append(Frame(SCHEMA_0_FRAME if alone else self.compress(data, **part.options), len(data)))
        frames = self._hook("frames", frames)

        streams = self.all_streams()
        pages, page_frames, offset = [], [], 0
        for at in range(0, len(members), self.page_entries):
            some = members[at : at + self.page_entries]
            columns = self._hook("columns", page_columns(some))
            plain = self._hook("page", page_message(columns))
            paths = sorted(member.path.encode() for member in some if member.kind in KINDS)
            records = [sum(m.records for m in some if m.stream == number) for number in range(len(streams))]
            pages.append(
                {
                    "decoded_size": len(plain),
                    "entry_count": len(some),
                    "tar_offset": offset,
                    "record_counts": records,
                    "least_path": paths[0].decode() if paths else "",
                    "greatest_path": paths[-1].decode() if paths else "",
                }
            )
            page_frames.append(Frame(section("ENTR", self.compress(plain))))
            offset += sum(len(member.header()) + len(member.data()) for member in some)
        frames += self._hook("pages", page_frames)

        def count(*kinds):
            return sum(member.kind in kinds for member in members)

        totals = {
            "files": count(FILE),
            "directories": count(DIRECTORY),
            "symlinks": count(SYMLINK),
            "reserved_members": count(SCHEMA, STREAM, BATCH),
            "file_bytes": sum(len(member.content) for member in members if member.kind == FILE),
            "records": sum(member.records for member in members),
            "tar_bytes": sum(frame.decoded for frame in frames),
        }
        index = {
            "manifest_digest": sha256(manifest),
            "schema_count": len(self.all_schemas()),
            "late_schema_frames": late,
            "late_features": list(self.late_features),
            "late_attributes": list(self.late_attributes),
            "late_annotations": list(self.late_annotations),
            "streams": self._stream_totals(members),
            "totals": totals,
            "content_digest": self._content_digest(members),
            "frames": {
                "stored_sizes": [len(frame.stored) for frame in frames],
                "decoded_sizes": [frame.decoded for frame in frames],
                "digests": [sha256(frame.stored) for frame in frames],
            },
            "pages": pages,
            "extra": self.extra_index,
        }
        self.members = members
        self.index = self._hook("index", index)
        body = self._hook("index_body", index_message(self.index))
        last = self._hook("index_section", section("INDX", body))
        self.root, self.content = sha256(body), self.index["content_digest"]
        rows = [(len(frame.stored), frame.decoded) for frame in frames] + [(len(last), 0)]
        table = b"".join(struct.pack("<II", *row) for row in rows)
        table = bytes.fromhex("5E2A4D18") + struct.pack("<I", len(table) + 9) + table + struct.pack("<I", len(rows))
        table = self._hook("seek", bytearray(table + b"\0" + bytes.fromhex("B1EA928F")))
        return bytes(self._hook("file", bytearray(b"".join(frame.stored for frame in frames) + last + table)))

    def _stream_totals(self, members):
        out, number = [], 0
        for schema, (_, streams) in enumerate(self.all_schemas()):
            for name, kind, version in streams:
                batches = [member for member in members if member.stream == number]
                content = b"".join(batch.content for batch in batches)
                out.append(
                    {
                        "name": name,
                        "type": kind,
                        "schema": schema,
                        "schema_version": version,
                        "record_count": sum(batch.records for batch in batches),
                        "size": len(content),
                        "digest": sha256(content),
                        "batch_count": len(batches),
                    }
                )
                number += 1
        return out

    def _content_digest(self, members):
        def lp(data):
            data = data.encode() if isinstance(data, str) else data
            return struct.pack("<I", len(data)) + data

        user = sorted((member for member in members if member.kind in KINDS), key=lambda member: member.path.encode())
        out = bytearray(b"rosettar.content.v1\n" + struct.pack("<I", len(user)))
        for member in user:
            out += lp(member.path) + struct.pack("<BHQ", member.kind, member.mode, len(member.content))
            out += lp(member.target) + (sha256(member.content) if member.kind == FILE else bytes(32))
        streams = sorted(self._stream_totals(members), key=lambda stream: stream["name"].encode())
        out += struct.pack("<I", len(streams))
        for stream in streams:
            out += (
                lp(stream["name"]) + lp(stream["type"]) + struct.pack("<Q", stream["record_count"]) + stream["digest"]
            )
        attributes = sorted(self.attributes + self.late_attributes, key=lambda pair: pair[0].encode())
        out += struct.pack("<I", len(attributes)) + b"".join(lp(key) + lp(value) for key, value in attributes)
        annotations = self.annotations + self.late_annotations
        out += struct.pack("<I", len(annotations))
        return sha256(out + b"".join(lp(type_url) + sha256(value) for type_url, value in annotations))

    def expected(self):
        """What a reader finds, once the archive was built."""
        entries = [
            {
                "path": member.path,
                "kind": KINDS[member.kind],
                "size": len(member.content),
                "mode": member.mode,
                "mtime": member.mtime,
                "nanoseconds": member.nanoseconds,
                "sha256": sha256(member.content).hex() if member.kind == FILE else None,
                "target": member.target if member.kind == SYMLINK else None,
            }
            for member in self.members
            if member.kind in KINDS
        ]
        streams = []
        for number, stream in enumerate(self._stream_totals(self.members)):
            told = [record for member in self.members if member.stream == number for record in member.told]
            assert len(told) == stream["record_count"], f"the JSON of a record of {stream['name']} is not stated"
            facts = {"name": stream["name"], "type": stream["type"], "records": stream["record_count"]}
            streams.append(facts | {"sha256": stream["digest"].hex(), "json": told})
        attributes = dict(sorted(self.attributes + self.late_attributes))
        return {
            "entries": entries,
            "streams": streams,
            "attributes": attributes,
            "root": self.root.hex(),
            "content": self.content.hex(),
        }


def schema_message(descriptors, streams):
    declared = [field(1, name) + field(2, kind) + field(3, version) for name, kind, version in streams]
    return field(1, descriptors) + repeated(2, declared)


def schema_member(number, descriptors):
    return Member(SCHEMA, f".rosettar/schemas/{number:08}.binpb", descriptors)


SCHEMA_0_CHUNK = schema_member(0, ROSETTAR_DESCRIPTORS).header() + padded(ROSETTAR_DESCRIPTORS)


def stream_member(schema, stream):
    name, kind, version = stream
    text = f"type {kind}\nschema {schema:08}\nversion {version}\n"
    return Member(STREAM, f".rosettar/streams/{name}/stream.txt", text.encode())


def page_columns(members):
    batches = [member for member in members if member.kind == BATCH]
    return {
        "paths": [member.path for member in members],
        "kinds": [member.kind for member in members],
        "sizes": [len(member.content) for member in members],
        "modes": [member.mode for member in members],
        "mtimes": [member.mtime for member in members],
        "nanoseconds": [member.nanoseconds for member in members],
        "targets": [member.target for member in members if member.kind == SYMLINK],
        "digests": [sha256(member.content) for member in members if member.kind not in (DIRECTORY, SYMLINK)],
        "streams": [member.stream for member in batches],
        "record_counts": [member.records for member in batches],
    }


def page_message(columns, numbers=packed):
    """An EntryPage; `numbers` writes a repeated number."""
    return (
        repeated(1, columns["paths"])
        + numbers(2, columns["kinds"])
        + numbers(3, columns["sizes"])
        + numbers(4, columns["modes"])
        + numbers(5, [zigzag(mtime) for mtime in columns["mtimes"]])
        + numbers(6, columns["nanoseconds"])
        + repeated(7, columns["targets"])
        + field(8, b"".join(columns["digests"]))
        + numbers(9, columns["streams"])
        + numbers(10, columns["record_counts"])
    )


def index_message(index, numbers=packed):
    def message(facts):
        return b"".join(field(number, value) for number, value in enumerate(facts.values(), 1))

    frames = index["frames"]
    pages = []
    for page in index["pages"]:
        out = field(1, page["decoded_size"]) + field(2, page["entry_count"]) + field(3, page["tar_offset"])
        out += numbers(4, page["record_counts"]) + field(5, page["least_path"]) + field(6, page["greatest_path"])
        pages.append(out)
    return (
        field(1, index["manifest_digest"])
        + field(2, index["schema_count"])
        + numbers(3, index["late_schema_frames"])
        + repeated(4, index["late_features"])
        + key_values(5, index["late_attributes"])
        + repeated(6, [any_message(*annotation) for annotation in index["late_annotations"]])
        + repeated(7, [message(stream) for stream in index["streams"]])
        + field(8, message(index["totals"]))
        + field(9, index["content_digest"])
        + field(
            10,
            numbers(1, frames["stored_sizes"])
            + numbers(2, frames["decoded_sizes"])
            + field(3, b"".join(frames["digests"])),
        )
        + repeated(11, pages)
        + index["extra"]
    )
