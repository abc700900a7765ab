# SPDX-License-Identifier: Apache-2.0
"""A small writer of Rosettar archives (FORMAT.md, "Writing"): what recovery needs, and level W of the kit.

    writer = Writer(file, attributes={"title": "An example"})
    stream = writer.declare(schema=writer.add_schema(descriptor_set), name="greetings", type="example.Greeting")
    writer.add(Entry(FILE, "hello.txt", 6, 0o644, 0, 0), b"hello\\n")
    writer.add_batch(stream, [record, ...])
    root = writer.finish()

Schemas and streams are declared before the first entry, so that all of them stand in the manifest.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from protojson import Pool
from rosettar_reader import (
    BATCH,
    DIRECTORY,
    EMPTY_FRAME,
    FILE,
    HEADER_START,
    LIMITS,
    SCHEMA_MEMBER,
    SECTION_MAGIC,
    SEEK_FOOTER_MAGIC,
    SEEK_MAGIC,
    STREAM_MEMBER,
    SYMLINK,
    USER_KINDS,
    Entry,
    PathTable,
    check_path,
    check_reserved,
    check_streams,
    check_target,
    check_types,
    content_digest,
    stream_text,
    zstd,
)
from wire import MIB, SHA256, Refused, require

# The descriptors of rosettar.v1 that become Schema 0 where nothing better is at hand.
OWN_DESCRIPTORS = Path(__file__).resolve().parent.parent / "rosettar.v1.binpb"


# ---------------------------------------------------------------------------------------------------------------------
# Protobuf and zstd
# ---------------------------------------------------------------------------------------------------------------------


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def element(number, value):
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def field(number, value):
    """One field, left out where it has its default value."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return element(number, value) if value else b""


def repeated(number, values):
    return b"".join(element(number, value) for value in values)


def packed(number, values):
    return field(number, b"".join(map(varint, values)))


def key_values(number, attributes):
    return repeated(number, [field(1, key) + field(2, value) for key, value in attributes.items()])


def compress(content):
    parameter = zstd.CompressionParameter
    options = {parameter.compression_level: 3, parameter.checksum_flag: 1, parameter.window_log: 20}
    return zstd.compress(content, options=options)


def section(kind, body):
    return SECTION_MAGIC + struct.pack("<I", 40 + len(body)) + kind + bytes(4) + SHA256(body).digest() + body


# ---------------------------------------------------------------------------------------------------------------------
# The writer
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class Annotation:
    type_url: str
    value: bytes


class Stream:
    """A stream's declaration and, as it grows, its totals; the fields are those of `StreamTotals`."""

    def __init__(self, name, type, schema, schema_version):
        self.name, self.type, self.schema, self.schema_version = name, type, schema, schema_version
        self.record_count = self.size = self.batch_count = 0
        self.hash = SHA256()

    @property
    def digest(self):
        return self.hash.digest()


class Writer:
    CHUNK = MIB
    PAGE_ENTRIES, PAGE_BYTES = 4096, 4 * MIB

    def __init__(
        self, file, attributes=None, annotations=(), created=b"", own_schema=None, producer="rosettar_write 1"
    ):
        if not zstd:
            raise OSError("no zstd compressor: install the package backports.zstd, or use Python 3.14")
        self.file, self.annotations, self.created, self.producer = file, list(annotations), created, producer
        self.attributes = dict(sorted((attributes or {}).items(), key=lambda item: item[0].encode()))
        require(all(self.attributes), "usage.input", "an attribute has an empty key")
        self.schemas, self.streams = [own_schema or OWN_DESCRIPTORS.read_bytes()], []
        self.frames, self.chunk = [], b""  # (stored size, decoded size, digest) of each; what is not yet compressed
        self.entries, self.paths = [], PathTable()
        self.offset, self.begun = 0, False

    # What is said in the manifest

    def add_schema(self, descriptor_set):
        """Returns the Schema's number. Equal descriptor sets are one Schema."""
        if descriptor_set not in self.schemas[1:]:
            Pool(descriptor_set)
            self.schemas.append(descriptor_set)
        return self.schemas.index(descriptor_set, 1)

    def declare(self, schema, name, type, schema_version=0):
        stream = Stream(name, type, schema, schema_version)
        check_streams([*self.streams, stream], LIMITS)
        check_types(schema, Pool(self.schemas[schema]), [stream])
        self.streams.append(stream)
        return stream

    def _begin(self):
        if self.begun:
            return
        self.begun = True
        self.streams.sort(key=lambda stream: stream.schema)  # a stable sort; streams are numbered by their Schemas
        schemas = []
        for number, descriptor_set in enumerate(self.schemas):
            streams = [
                field(1, stream.name) + field(2, stream.type) + field(3, stream.schema_version)
                for stream in self.streams
                if stream.schema == number
            ]
            schemas.append(field(1, descriptor_set) + repeated(2, streams))
        manifest = field(2, self.producer) + field(3, self.created)
        manifest += repeated(4, [field(1, each.type_url) + field(2, each.value) for each in self.annotations])
        manifest += key_values(5, self.attributes) + repeated(6, schemas)
        self._frame(EMPTY_FRAME)
        self._frame(HEADER_START + b"\x01\0\0\0")
        self.manifest_digest = SHA256(manifest).digest()
        self._frame(section(b"MANI", manifest))
        for number, descriptor_set in enumerate(self.schemas):
            self._reserved(SCHEMA_MEMBER, f".rosettar/schemas/{number:08}.binpb", descriptor_set)
        for stream in self.streams:
            self._reserved(STREAM_MEMBER, f".rosettar/streams/{stream.name}/stream.txt", stream_text(stream))
        self._end_chunk()  # reserved and user members do not share a frame

    # Members

    def _reserved(self, kind, path, content):
        entry = Entry(kind, path, len(content), 0o644, 0, 0, digest=SHA256(content).digest())
        self._member(entry, content)

    def add(self, entry, content=b""):
        """Adds a user's entry."""
        self._begin()
        check_path(entry.path, LIMITS)
        check_reserved(entry)
        in_range = 0 <= entry.mode <= 0o777 and 0 <= entry.nanoseconds < 10**9 and -(1 << 63) <= entry.mtime < 1 << 63
        require(in_range, "usage.input", f"a mode or time of {entry.path!r} is out of range")
        if entry.kind == SYMLINK:
            check_target(entry.target, LIMITS)
            entry.mode = 0o777
        self.paths.add(entry)
        if entry.kind == FILE:
            entry.size, entry.digest = len(content), SHA256(content).digest()
        self._member(entry, content)

    def add_batch(self, stream, records):
        """Adds a batch of serialized records, of which there is at least one."""
        self._begin()
        content = b"".join(varint(len(record)) + record for record in records)
        entry = Entry(
            BATCH, f".rosettar/streams/{stream.name}/{stream.batch_count:08}.binpb", len(content), 0o644, 0, 0
        )
        entry.digest, entry.records = SHA256(content).digest(), len(records)
        entry.stream = self.streams.index(stream)
        stream.record_count += len(records)
        stream.batch_count += 1
        stream.size += len(content)
        stream.hash.update(content)
        self._end_chunk()
        self._member(entry, content, alone=True)

    def _member(self, entry, content, alone=False):
        entry.offset, header = self.offset, entry.header()
        size = len(header) + len(content) + entry.padding()
        self.offset += size
        self.entries.append(entry)
        alone = alone or size > self.CHUNK
        if alone or len(self.chunk) + size > self.CHUNK:
            self._end_chunk()
        self.chunk += header
        if alone:  # its header in one frame, its content in frames of its own
            self._end_chunk()
        body = content + bytes(entry.padding())
        for at in range(0, len(body), self.CHUNK):
            self.chunk += body[at : at + self.CHUNK]
            if alone:
                self._end_chunk()

    def _end_chunk(self):
        if self.chunk:
            self._frame(compress(self.chunk), len(self.chunk))
            self.chunk = b""

    def _frame(self, frame, decoded=0):
        self.file.write(frame)
        self.frames.append((len(frame), decoded, SHA256(frame).digest()))

    # The end

    def finish(self):
        """Writes what follows the entries; returns the root digest."""
        self._begin()
        self._end_chunk()
        self.chunk = bytes(1024)
        self._end_chunk()
        pages = [self._page(entries) for entries in self._page_lists()]
        index = section(b"INDX", self._index(pages))
        self.file.write(index)
        rows = b"".join(struct.pack("<II", stored, decoded) for stored, decoded, _ in self.frames)
        rows += struct.pack("<II", len(index), 0)
        head, footer = struct.pack("<I", len(rows) + 9), struct.pack("<I", len(rows) // 8)
        self.file.write(SEEK_MAGIC + head + rows + footer + b"\0" + SEEK_FOOTER_MAGIC)
        return index[16:48]

    def _page_lists(self):
        page, size = [], 0
        for entry in self.entries:
            bytes_of = len(entry.path.encode()) + len(entry.target.encode()) + 100
            if page and (len(page) == self.PAGE_ENTRIES or size + bytes_of > self.PAGE_BYTES):
                yield page
                page, size = [], 0
            page.append(entry)
            size += bytes_of
        yield page

    def _page(self, entries):
        """Writes a page; returns the index's message about it."""
        batches = [entry for entry in entries if entry.kind == BATCH]
        page = repeated(1, [entry.path for entry in entries])
        page += packed(2, [entry.kind for entry in entries]) + packed(3, [entry.size for entry in entries])
        page += packed(4, [entry.mode for entry in entries])
        page += packed(5, [(entry.mtime << 1) ^ (entry.mtime >> 63) for entry in entries])
        page += packed(6, [entry.nanoseconds for entry in entries])
        page += repeated(7, [entry.target for entry in entries if entry.kind == SYMLINK])
        page += field(8, b"".join(entry.digest for entry in entries if entry.kind not in (DIRECTORY, SYMLINK)))
        page += packed(9, [entry.stream for entry in batches]) + packed(10, [entry.records for entry in batches])
        self._frame(section(b"ENTR", compress(page)))
        paths = sorted(entry.path.encode() for entry in entries if entry.kind in USER_KINDS) or [b""]
        counts = [sum(e.records for e in batches if e.stream == number) for number in range(len(self.streams))]
        message = field(1, len(page)) + field(2, len(entries)) + field(3, entries[0].offset) + packed(4, counts)
        return message + field(5, paths[0]) + field(6, paths[-1])

    def _index(self, pages):
        def count(kind):
            return sum(entry.kind == kind for entry in self.entries)

        files = [entry for entry in self.entries if entry.kind == FILE]
        reserved = sum(entry.kind not in USER_KINDS for entry in self.entries)
        totals = field(1, len(files)) + field(2, count(DIRECTORY)) + field(3, count(SYMLINK)) + field(4, reserved)
        totals += field(5, sum(entry.size for entry in files))
        totals += field(6, sum(stream.record_count for stream in self.streams)) + field(7, self.offset + 1024)
        streams = []
        for s in self.streams:
            declaration = field(1, s.name) + field(2, s.type) + field(3, s.schema) + field(4, s.schema_version)
            sizes = field(5, s.record_count) + field(6, s.size) + field(7, s.digest) + field(8, s.batch_count)
            streams.append(declaration + sizes)
        stored, decoded, digests = zip(*self.frames)
        frames = packed(1, stored) + packed(2, decoded) + field(3, b"".join(digests))
        index = field(1, self.manifest_digest) + field(2, len(self.schemas)) + repeated(7, streams) + element(8, totals)
        digest = content_digest(self.entries, self.streams, self.attributes, self.annotations)
        return index + field(9, digest) + element(10, frames) + repeated(11, pages)


def write_manifest(manifest, file):
    """Makes the archive that a manifest of the kit's level W lists; returns its root digest (README.md there)."""
    import base64

    writer = Writer(file, attributes=manifest.get("attributes", {}))
    streams = []
    for row in manifest.get("streams", []):
        schema = writer.add_schema(base64.b64decode(row["descriptors"]))
        stream = writer.declare(schema, row["name"], row["type"], row.get("schema_version", 0))
        streams.append((stream, [base64.b64decode(record) for record in row["records"]]))
    kinds = {"file": FILE, "directory": DIRECTORY, "symlink": SYMLINK}
    for row in manifest.get("entries", []):
        content = b""
        if "text" in row:
            content = row["text"].encode()
        elif "base64" in row:
            content = base64.b64decode(row["base64"])
        elif "pattern" in row:
            unit, size = bytes.fromhex(row["pattern"]["hex"]), row["pattern"]["size"]
            content = (unit * (size // len(unit) + 1))[:size]
        try:
            row["path"].encode()
        except UnicodeEncodeError:
            raise Refused("path.invalid", "a path is not Unicode text") from None
        entry = Entry(
            kinds[row["kind"]], row["path"], 0, row.get("mode", 0o777), row["mtime"], row.get("nanoseconds", 0)
        )
        entry.target = row.get("target", "")
        writer.add(entry, content)
    for stream, records in streams:
        if records:
            writer.add_batch(stream, records)
    return writer.finish()
