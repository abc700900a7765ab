#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of Rosettar archives, written from FORMAT.md alone.

It needs Python 3.11 and a zstd decoder: the standard library's (Python 3.14) or the package `backports.zstd`. It is
meant to be read beside the specification: comments name the section that a piece of code follows, by its title. It
reads archives at any offset (FORMAT.md, "Indexed"). Beside it, wire.py has the protobuf messages, protojson.py decodes
records, rosettar_stream.py reads from a pipe, rosettar_recover.py salvages, and rosettar_write.py writes.

    rosettar_reader.py list ARCHIVE [--json]             entries, streams, attributes
    rosettar_reader.py verify ARCHIVE [--json]           check every rule of the format
    rosettar_reader.py extract ARCHIVE -C DIR [--json]   write the entries to DIR, which must not exist or be empty
    rosettar_reader.py records ARCHIVE STREAM [--hex]    one record a line, in base64 or hexadecimal

Every command takes `--limit NAME=VALUE`, any number of times. A refused archive ends the program with status 2 and
`error: CODE: message` on standard error; with `--json`, an object with `code`, `kind` and `message` on standard output
instead. Other failures (no such file, wrong usage) end it with status 1.
"""

import argparse
import base64
import errno
import json
import os
import re
import shutil
import stat
import struct
import sys
import tempfile
from bisect import bisect_right
from dataclasses import dataclass

from protojson import Pool
from wire import (
    BATCH,
    DIRECTORY,
    ENTRY_PAGE,
    FILE,
    INDEX,
    KIND_NAMES,
    LIMITS,
    MANIFEST,
    MIB,
    SCHEMA,
    SCHEMA_MEMBER,
    SHA256,
    STREAM_MEMBER,
    SYMLINK,
    USER_KINDS,
    Refused,
    decode,
    require,
    varint,
)

try:
    from compression import zstd
except ImportError:
    try:
        from backports import zstd
    except ImportError:
        zstd = None  # decode_frame says so

# ---------------------------------------------------------------------------------------------------------------------
# Sections and zstd frames (FORMAT.md, "Frames")
# ---------------------------------------------------------------------------------------------------------------------

EMPTY_FRAME = bytes.fromhex("28B52FFD2000010000")
ZSTD_MAGIC = EMPTY_FRAME[:4]
HEADER_START = bytes.fromhex("5A2A4D180C000000") + b"ROSETTAR"
SECTION_MAGIC = bytes.fromhex("5A2A4D18")
SEEK_MAGIC = bytes.fromhex("5E2A4D18")
SEEK_FOOTER_MAGIC = bytes.fromhex("B1EA928F")
KNOWN_SECTIONS = (b"MANI", b"SCHM", b"ENTR", b"INDX")
MAX_CHUNK = 8 * MIB


def section_head(head, stored=None):
    """Checks the first 16 bytes of a section ("Sections"); returns its kind and the length that it states.

    `stored` is the length of its frame, where that is known: all of a head is judged before its kind is.
    """
    require(head[:4] == SECTION_MAGIC, "section.head", "a frame that must be a section has another magic number")
    length, kind = struct.unpack_from("<I", head, 4)[0], head[8:12]
    require(length >= 40, "section.head", f"a section states {length} bytes, less than its head has")
    require(kind.isalpha() and kind.isascii(), "section.head", f"section kind {kind!r} is not four letters")
    require(head[12:16] == bytes(4), "section.head", "reserved bytes of a section are not zero")
    fits = stored is None or length == stored - 8
    require(fits, "section.head", f"a section of {stored} bytes states {length} bytes")
    known = kind in KNOWN_SECTIONS or kind[:1].islower()
    require(known, "section.unknown-kind", f"section kind {kind!r} is unknown and not ancillary")
    return kind, length


def section_kind(frame):
    """Checks the head of a section that is there as a whole, and returns its kind."""
    return section_head(frame[:16], len(frame))[0]


def section_body(frame, expected, code="section.digest"):
    """Checks a section of which only one kind may stand at its place, and returns its body."""
    kind = section_kind(frame)
    require(kind == expected, "section.misplaced", f"section {kind!r} stands where {expected!r} must")
    body = frame[48:]
    require(SHA256(body).digest() == frame[16:48], code, f"the body of {kind!r} does not match its digest")
    return body


def largest_frame(size):
    return size + size // 128 + 1024


def header_length(descriptor):
    """The bytes of a zstd frame's header with its magic number, from the byte that describes it ("Payload frames")."""
    require(descriptor & 0x03 == 0, "frame.header", "the frame states a dictionary")
    require(descriptor & 0x08 == 0, "frame.header", "the reserved bit of the frame header is set")
    require(descriptor & 0x04, "frame.header", "the frame has no checksum")
    single_segment = descriptor & 0x20
    width = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    require(width, "frame.header", "the frame does not state its content size")
    return 5 + (0 if single_segment else 1) + width


def frame_header(frame):
    """Checks a zstd frame's header; returns its length and the content size that it states."""
    require(frame[:4] == ZSTD_MAGIC and len(frame) > 4, "frame.header", "not a zstd frame")
    length = header_length(frame[4])
    require(len(frame) >= length, "frame.header", "the frame header is cut off")
    width = (1, 2, 4, 8)[frame[4] >> 6]
    content_size = int.from_bytes(frame[length - width : length], "little") + (256 if width == 2 else 0)
    window = content_size
    if not frame[4] & 0x20:
        base = 1 << (10 + (frame[5] >> 3))
        window = base + base // 8 * (frame[5] & 7)
    require(window <= MAX_CHUNK, "frame.header", f"the window has {window} bytes")
    return length, content_size


def decode_frame(frame, size, size_code="frame.size"):
    """Decodes a zstd frame that must hold `size` bytes ("Payload frames")."""
    content_size = frame_header(frame)[1]
    require(1 <= content_size <= MAX_CHUNK, "frame.size", f"the frame states {content_size} bytes")
    require(content_size == size, size_code, f"the frame states {content_size} bytes, the index {size}")
    require(len(frame) <= largest_frame(size), "frame.size", "the frame is too large")
    if not zstd:
        raise OSError("no zstd decoder: install the package backports.zstd, or use Python 3.14")
    try:
        decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 23})
        content = decoder.decompress(frame, max_length=size + 1)
    except zstd.ZstdError as error:
        raise Refused("frame.decode", str(error)) from None
    require(decoder.eof and not decoder.unused_data, "frame.decode", "the frame does not end where the index says")
    require(len(content) == size, "frame.decode", f"the frame decodes to {len(content)} bytes, not {size}")
    return content


# ---------------------------------------------------------------------------------------------------------------------
# Tar (FORMAT.md, "Tar profile")
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class Entry:
    kind: int
    path: str
    size: int
    mode: int
    mtime: int
    nanoseconds: int
    target: str = ""
    digest: bytes = b""
    stream: int = -1
    records: int = 0
    schema: int = -1  # of a SCHEMA member: the number in its path
    batch: int = -1  # of a BATCH: the number in its path
    offset: int = 0  # in the tar

    def header(self):
        return member_header(self)

    def padding(self):
        return -self.size % 512

    def end(self):
        """Where it ends in the tar."""
        return self.offset + len(self.header()) + self.size + self.padding()

    def as_json(self):
        return {
            "path": self.path,
            "kind": KIND_NAMES[self.kind],
            "size": self.size,
            "mode": self.mode,
            "mtime": self.mtime,
            "nanoseconds": self.nanoseconds,
            "sha256": self.digest.hex() if self.kind == FILE else None,
            "target": self.target if self.kind == SYMLINK else None,
        }


def fits_field(text):
    return len(text) <= 100 and text.isascii()


def field_form(text):
    """ "Header block": what of a text stands in a field of 100 bytes."""
    if fits_field(text):
        return text
    field = bytes(ord("_") if byte >= 0x80 else byte for byte in text[:100])
    return field[:99] + b"_" if field[99:] == b"/" else field


def header_block(name, mode, size, mtime, kind, linkname=b""):
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:148] = b"0000%03o\x000000000\x000000000\x00%011o\x00%011o\x00" % (mode, size, mtime)
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[157 : 157 + len(linkname)] = linkname
    block[257:265] = b"ustar\x0000"
    block[329:345] = b"0000000\x000000000\x00"
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block)


def pax_record(key, value):
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(rest) + len(str(length)) > length:  # the least length that counts its own digits
        length += 1
    return str(length).encode() + rest


def member_header(entry):
    """All bytes of a member before its content: they are a function of the entry."""
    name = entry.path.encode() + (b"/" if entry.kind == DIRECTORY else b"")
    target = entry.target.encode()
    records, size, mtime = b"", entry.size, entry.mtime
    if not fits_field(name):
        records += pax_record(b"path", name)
    if not fits_field(target):
        records += pax_record(b"linkpath", target)
    if size >= 8**11:
        records, size = records + pax_record(b"size", b"%d" % size), 0
    if not 0 <= mtime < 8**11:
        records, mtime = records + pax_record(b"mtime", b"%d" % mtime), 0
    header = b""
    if records:
        header = header_block(b"PaxHeader", 0o644, len(records), 0, b"x") + records + bytes(-len(records) % 512)
    kind = {DIRECTORY: b"5", SYMLINK: b"2"}.get(entry.kind, b"0")
    return header + header_block(field_form(name), entry.mode, size, mtime, kind, field_form(target))


MOST_IMPLIED = 1_048_576  # directories that are no entries
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
RESERVED_PATH = re.compile(
    r"\.rosettar/(?:schemas/([0-9]{8})\.binpb|streams/([^/]+)/(?:([0-9]{8})\.binpb|stream\.txt))"
)


def check_path(path, limits):
    """ "Entries and paths"."""
    components = path.split("/")
    require(not CONTROL.search(path), "path.invalid", f"path {path!r} has a control character")
    require(
        not any(part in ("", ".", "..") for part in components),
        "path.invalid",
        f"path {path!r} has a component that is empty, '.' or '..'",
    )
    size = len(path.encode())
    require(size <= limits["path-bytes"], "limit.path-bytes", f"a path has {size} bytes")
    longest = max(len(part.encode()) for part in components)
    require(longest <= limits["component-bytes"], "limit.component-bytes", f"a component has {longest} bytes")
    require(len(components) <= limits["path-depth"], "limit.path-depth", f"a path has {len(components)} components")


def check_target(target, limits):
    require(
        target and not CONTROL.search(target), "path.invalid", f"target {target!r} is empty or has control characters"
    )
    size = len(target.encode())
    require(size <= limits["path-bytes"], "limit.path-bytes", f"a target has {size} bytes")


def check_reserved(entry):
    """ "Reserved members": the kind of an entry and the form of its path agree. Declared or not comes later."""
    match = RESERVED_PATH.fullmatch(entry.path)
    if entry.kind in USER_KINDS:
        first = entry.path.split("/")[0]
        # Only ASCII letters are folded: str.lower() would also take U+212A, the Kelvin sign, for a "k".
        require(first.encode().lower() != b".rosettar", "path.reserved", f"path {entry.path!r} is reserved")
        return
    code = "entries.reserved"
    require(match, code, f"{entry.path!r} is not the path of a reserved member")
    schema, stream, batch = match.groups()
    if entry.kind == SCHEMA_MEMBER:
        require(schema, code, f"{entry.path!r} is not the path of a Schema")
        entry.schema = int(schema)
        return
    right = stream and (batch is not None) == (entry.kind == BATCH)
    require(right, code, f"{entry.path!r} has another kind")
    require(STREAM_NAME.fullmatch(stream), code, f"{entry.path!r} is of a stream that cannot be")
    if entry.kind == BATCH:
        entry.batch = int(batch)


class PathTable:
    """What shows only in all paths together, one at a time ("Entries and paths")."""

    def __init__(self):
        self.kinds, self.implied = {}, set()  # of entries; directories that are none so far

    def add(self, entry):
        path = entry.path
        if entry.kind not in USER_KINDS:
            return  # that reserved members occur once is another rule, and no other path may be among theirs
        require(path not in self.kinds, "path.duplicate", f"path {path!r} occurs twice")
        require(entry.kind == DIRECTORY or path not in self.implied, "path.parent", f"{path!r} is no directory")
        implied, at = [], path.find("/")
        while at >= 0:
            parent = path[:at]
            kind = self.kinds.get(parent)
            require(kind in (None, DIRECTORY), "path.parent", f"{parent!r} is no directory")
            if kind is None and parent not in self.implied:
                implied.append(parent)
            at = path.find("/", at + 1)
        few = len(self.implied) + len(implied) <= MOST_IMPLIED
        require(few, "limit.entries", f"paths imply more than {MOST_IMPLIED} directories")
        self.implied.update(implied)
        self.kinds[path] = entry.kind
        self.implied.discard(path)


def is_inside(entry):
    """ "Extraction": whether a symbolic link leads to a place inside the archive."""
    parts = [part for part in entry.target.split("/") if part not in ("", ".")]
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    return not entry.target.startswith("/") and ".." not in parts[ups:] and ups <= entry.path.count("/")


class RecordScanner:
    """Counts the records of a batch that arrives in pieces ("Records")."""

    def __init__(self, limit):
        self.limit, self.count, self.left, self.varint, self.fault = limit, 0, 0, b"", None

    def feed(self, data):
        at = 0
        while at < len(data) and not self.fault:
            if self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
                at += step
                continue
            self.varint += data[at : at + 1]
            at += 1
            if self.varint[-1] >= 0x80:
                if len(self.varint) == 10:
                    self.fault = Refused("record.framing", "the length of a record does not end")
                continue
            length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(self.varint))
            if length >> 64 or self.varint[-1] == 0 and len(self.varint) > 1:
                self.fault = Refused("record.framing", "the length of a record is not minimal or too large")
            elif length > self.limit:
                self.fault = Refused("limit.record-bytes", f"a record has {length} bytes")
            self.varint, self.left = b"", length
            self.count += 1

    def finish(self, expected):
        if self.fault:
            raise self.fault
        require(not self.left and not self.varint, "record.framing", "a batch ends within a record")
        require(self.count == expected, "record.count", f"a batch has {self.count} records, not {expected}")


def split_records(content):
    """The records of whole batches whose framing was found right."""
    at = 0
    while at < len(content):
        length, at = varint(content, at)
        yield content[at : at + length]
        at += length


# ---------------------------------------------------------------------------------------------------------------------
# Attributes, features, streams (FORMAT.md, "Manifest")
# ---------------------------------------------------------------------------------------------------------------------


def check_attributes(attributes, others=()):
    keys = [item.key.encode() for item in attributes]
    require(all(keys), "manifest.attributes", "an attribute has an empty key")
    ascending = all(a < b for a, b in zip(keys, keys[1:]))
    require(ascending, "manifest.attributes", "attributes are not sorted, or a key occurs twice")
    taken = {item.key.encode() for item in others}
    require(taken.isdisjoint(keys), "manifest.attributes", "a late attribute occurs in the manifest")


def check_features(features, others=()):
    names = [name.encode() for name in features]
    ascending = all(a < b for a, b in zip(names, names[1:]))
    require(all(names) and ascending, "manifest.features", "features are empty, not sorted, or occur twice")
    require(set(names).isdisjoint(n.encode() for n in others), "manifest.features", "a feature occurs early and late")
    for name in features:
        raise Refused("feature.unknown", f"feature {name!r} is required and unknown")


STREAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def check_streams(streams, limits, also=lambda stream: None):
    """Streams, each in turn; `also` is what else is to be checked of one."""
    require(len(streams) <= limits["streams"], "limit.streams", f"the archive has {len(streams)} streams")
    names = set()
    for stream in streams:
        require(STREAM_NAME.fullmatch(stream.name), "manifest.streams", f"stream name {stream.name!r} is not allowed")
        require(stream.name.lower() not in names, "manifest.streams", f"stream name {stream.name!r} occurs twice")
        names.add(stream.name.lower())
        legal = TYPE_NAME.fullmatch(stream.type) and len(stream.type) <= 1024
        require(legal, "manifest.streams", f"type {stream.type!r} of stream {stream.name!r} is not a type name")
        also(stream)


def page_entries(data, limits, streams, count, offset):
    """The entries of a decoded page ("Entry table"), the first of which begins at `offset` in the tar.

    In a recovery without index nothing says how many there are (`count`), nor which streams: both are None.
    """
    columns = decode(ENTRY_PAGE, data, "entries.protobuf")

    def check(condition, message):
        require(condition, "entries.columns", message)

    kinds = columns.kinds
    for name in ("kinds", "sizes", "modes", "mtimes", "nanoseconds"):
        check(len(getattr(columns, name)) == len(columns.paths), f"{name} does not have {len(columns.paths)} elements")
    right = len(kinds) == count if count is not None else 1 <= len(kinds) <= 4096
    require(right, "index.pages", f"a page has {len(kinds)} entries, not {count}")
    for kind in kinds:
        require(FILE <= kind <= BATCH, "entries.kind", f"an entry has the unknown kind {kind}")
    check(len(columns.targets) == kinds.count(SYMLINK), "targets has a wrong length")
    with_content = sum(kind not in (DIRECTORY, SYMLINK) for kind in kinds)
    check(len(columns.digests) == 32 * with_content, "digests has a wrong length")
    check(len(columns.streams) == kinds.count(BATCH), "streams has a wrong length")
    check(len(columns.record_counts) == kinds.count(BATCH), "record_counts has a wrong length")
    entries, content = [], 0
    targets, batch_streams, batch_records = map(iter, (columns.targets, columns.streams, columns.record_counts))
    for row in zip(kinds, columns.paths, columns.sizes, columns.modes, columns.mtimes, columns.nanoseconds):
        entry = Entry(*row, offset=offset)
        check_path(entry.path, limits)
        if entry.kind == SYMLINK:
            entry.target = next(targets)
            check_target(entry.target, limits)
        check(entry.mode <= 0o777, "a mode has more than nine bits")
        check(entry.nanoseconds <= 999_999_999, "nanoseconds make more than a second")
        if entry.kind in (DIRECTORY, SYMLINK):
            check(entry.size == 0, "a directory or symbolic link has content")
        else:
            entry.digest = columns.digests[content : content + 32]
            content += 32
        if entry.kind == SYMLINK:
            check(entry.mode == 0o777, "a symbolic link has another mode than 0777")
        if entry.kind not in USER_KINDS:
            facts = (entry.mode, entry.mtime, entry.nanoseconds)
            check(facts == (0o644, 0, 0), "a reserved member has another mode or time")
        if entry.kind == BATCH:
            entry.stream, entry.records = next(batch_streams), next(batch_records)
            check(entry.records >= 1, "a batch has no records")
        check_reserved(entry)
        declared = entry.kind != BATCH or streams is None or entry.stream < len(streams)
        require(declared, "entries.reserved", f"{entry.path!r} is of stream {entry.stream}, which does not exist")
        offset = entry.end()
        require(offset < 1 << 64, "index.pages", f"{entry.path!r} ends beyond what 64 bits can count")
        entries.append(entry)
    return entries


def check_types(number, pool, streams):
    """A Schema defines what it must ("Schemas")."""
    if number == 0:
        own = ("rosettar.v1.Manifest", "rosettar.v1.Index", "rosettar.v1.EntryPage")
        require(all(map(pool.message, own)), "manifest.schemas", "Schema 0 does not define the messages of rosettar.v1")
    for stream in streams:
        require(pool.message(stream.type), "schema.type", f"Schema {number} does not define {stream.type!r}")


# ---------------------------------------------------------------------------------------------------------------------
# The archive (FORMAT.md, "Indexed")
# ---------------------------------------------------------------------------------------------------------------------


def lp(data):
    return struct.pack("<I", len(data)) + data


def check_first_bytes(first):
    """ "The first 29 bytes", or as many as there are; returns the version."""
    constant = EMPTY_FRAME + HEADER_START
    require(first[:25] == constant[: len(first)], "envelope.unknown-magic", "the file is no Rosettar archive")
    require(len(first) == 29, "envelope.truncated", "the file ends within its header")
    require(first[25] == 1, "envelope.unsupported-version", f"major version {first[25]} is not supported, only 1 is")
    require(first[27:] == b"\0\0", "envelope.reserved", "reserved bytes of the header are not zero")
    return first[25], first[26]


def check_manifest(body, limits):
    """Decodes a manifest and checks what needs no index."""
    manifest = decode(MANIFEST, body, "manifest.protobuf")
    in_range = 0 <= manifest.created.nanos < 1_000_000_000
    require(in_range, "manifest.protobuf", "the nanoseconds of `created` are out of range")
    check_features(manifest.required_features)
    check_attributes(manifest.attributes)
    require(manifest.schemas, "manifest.schemas", "the manifest has no Schema")
    require(not manifest.schemas[0].streams, "manifest.schemas", "Schema 0 has streams")
    count = len(manifest.schemas)
    require(count <= limits["schemas"], "limit.schemas", f"the manifest has {count} Schemas")
    check_streams([stream for schema in manifest.schemas for stream in schema.streams], limits)
    return manifest


def stream_text(stream):
    """The content of a STREAM member ("Reserved members")."""
    return f"type {stream.type}\nschema {stream.schema:08}\nversion {stream.schema_version}\n".encode()


def content_digest(entries, streams, attributes, annotations):
    """ "Content digest". Entries of all kinds; `attributes` is a dict in bytewise order of its keys."""
    user = sorted((entry for entry in entries if entry.kind in USER_KINDS), key=lambda entry: entry.path.encode())
    digest = SHA256(b"rosettar.content.v1\n" + struct.pack("<I", len(user)))
    for entry in user:
        digest.update(lp(entry.path.encode()) + struct.pack("<BHQ", entry.kind, entry.mode, entry.size))
        digest.update(lp(entry.target.encode()) + (entry.digest or bytes(32)))
    digest.update(struct.pack("<I", len(streams)))
    for stream in sorted(streams, key=lambda stream: stream.name.encode()):
        digest.update(lp(stream.name.encode()) + lp(stream.type.encode()))
        digest.update(struct.pack("<Q", stream.record_count) + stream.digest)
    digest.update(struct.pack("<I", len(attributes)))
    for key, value in attributes.items():
        digest.update(lp(key.encode()) + lp(value.encode()))
    digest.update(struct.pack("<I", len(annotations)))
    for annotation in annotations:
        digest.update(lp(annotation.type_url.encode()) + SHA256(annotation.value).digest())
    return digest.digest()


class Table:
    """What only the whole entry table shows ("Indexed", step 11), an entry at a time in tar order.

    The archive is open, and has all Schemas of which a member may come.
    """

    def __init__(self, archive):
        self.archive, self.paths = archive, PathTable()
        self.numbers = {stream.name: number for number, stream in enumerate(archive.index.streams)}
        count = len(archive.index.streams)
        self.schemas, self.described, self.batches, self.sizes = 0, set(), [0] * count, [0] * count
        self.counts, self.file_bytes = dict.fromkeys(range(FILE, BATCH + 1), 0), 0

    def add(self, entry):
        self.paths.add(entry)
        first = self.schemas >= self.archive.early_schemas or entry.kind == SCHEMA_MEMBER
        require(first, "entries.reserved", "the manifest's Schemas do not open the tar")
        if entry.kind == SCHEMA_MEMBER:
            self._schema(entry)
        elif entry.kind == STREAM_MEMBER:
            self._description(entry)
        elif entry.kind == BATCH:
            self._batch(entry)
        self.counts[entry.kind] += 1
        if entry.kind == FILE:
            self.file_bytes += entry.size

    def _schema(self, entry):
        archive, number = self.archive, self.schemas
        right = entry.schema == number < archive.index.schema_count
        require(right, "entries.reserved", f"Schema {entry.schema} stands where {number} must")
        if number >= archive.early_schemas:
            frame = archive.index.late_schema_frames[number - archive.early_schemas]
            right = archive.chunk_offsets[frame] == entry.offset
            require(right, "section.misplaced", f"Schema {number} does not precede its member")
        self._content(entry, archive.schemas[number].descriptor_set)
        self.schemas += 1

    def _description(self, entry):
        code, name = "entries.reserved", entry.path.split("/")[2]
        require(name in self.numbers, code, f"there is no stream {name!r}")
        entry.stream = self.numbers[name]
        stream = self.archive.index.streams[entry.stream]
        require(stream.schema < self.schemas, code, f"stream {name!r} stands before its Schema")
        require(entry.stream not in self.described, code, f"stream {name!r} has two descriptions")
        self.described.add(entry.stream)
        self._content(entry, stream_text(stream))

    def _batch(self, entry):
        code, number = "entries.reserved", entry.stream
        right = self.archive.index.streams[number].name == entry.path.split("/")[2]
        require(right, code, f"{entry.path!r} does not name its stream")
        require(number in self.described, code, f"{entry.path!r} stands before the stream's description")
        require(entry.batch == self.batches[number], code, f"{entry.path!r} is out of order")
        self.batches[number] += 1
        self.sizes[number] += entry.size

    def _content(self, entry, content):
        right = entry.digest == SHA256(content).digest()
        require(right, "entries.reserved", f"{entry.path!r} has another content than the sections say")

    def finish(self):
        """What is missing, and then what "Index" calls totals."""
        index = self.archive.index
        right = self.schemas == index.schema_count
        require(right, "entries.reserved", f"{self.schemas} of {index.schema_count} Schemas are members")
        require(len(self.described) == len(index.streams), "entries.reserved", "a stream has no description")
        totals, counts = index.totals, self.counts
        reserved = counts[SCHEMA_MEMBER] + counts[STREAM_MEMBER] + counts[BATCH]
        found = (counts[FILE], counts[DIRECTORY], counts[SYMLINK], reserved)
        stated = (totals.files, totals.directories, totals.symlinks, totals.reserved_members)
        require(found == stated, "index.totals", f"the entries are {found}, the totals say {stated}")
        right = self.file_bytes == totals.file_bytes
        require(right, "index.totals", f"files have {self.file_bytes} bytes, the totals {totals.file_bytes}")
        for number, stream in enumerate(index.streams):
            right = (self.batches[number], self.sizes[number]) == (stream.batch_count, stream.size)
            require(right, "index.totals", f"stream {stream.name!r} has another size or number of batches")


class Archive:
    """An open archive. Opening makes the checks of steps 1 to 5 of "Indexed"."""

    def __init__(self, file, limits=None):
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self.limits = LIMITS | {"decoded-bytes": max(10 << 30, 100 * self.size)} | (limits or {})
        self._entries = None
        self.pools = {}  # the types of each Schema that was parsed so far, by number
        self._check_first_bytes()
        self._find_index()
        self._load_index()
        self._check_seek_table()
        self._load_manifest()

    def _read_at(self, offset, length):
        self.file.seek(offset)
        data = self.file.read(length)
        if len(data) != length:
            raise OSError(f"the file ends before byte {offset + length}")
        return data

    # Step 1: the first 29 bytes.

    def _check_first_bytes(self):
        self.version = check_first_bytes(self._read_at(0, min(29, self.size)))

    # Step 2: the place of the index ("Seek table").

    def _find_index(self):
        code = "seek-table.footer"
        require(self.size >= 29 + 17, code, "the file has no room for a seek table")
        footer = self._read_at(self.size - 9, 9)
        require(footer[4:] == b"\0" + SEEK_FOOTER_MAGIC, code, "the file does not end in a seek table")
        count = struct.unpack_from("<I", footer)[0]
        self.table_offset = self.size - (8 * count + 17)
        require(count > 0, code, "the seek table has no entry")
        require(self.table_offset >= 29, code, f"the seek table has {count} entries, more than the file has room for")
        require(count <= self.limits["frames"], "limit.frames", f"the archive has {count} frames")
        stored = struct.unpack("<I", self._read_at(self.size - 17, 4))[0]
        fits = 48 <= stored <= self.table_offset - 29
        require(fits, "seek-table.mismatch", f"the seek table says that the index has {stored} bytes")
        self.index_offset = self.table_offset - stored
        size = stored - 48
        require(size <= self.limits["index-bytes"], "limit.index-bytes", f"the index has {size} bytes")
        head = SEEK_MAGIC + struct.pack("<I", 8 * count + 9)
        require(self._read_at(self.table_offset, 8) == head, code, "the seek table has no header")

    # Step 3: the index, rule by rule in the order of the table in "Index".

    def _load_index(self):
        self._accept_index(self._read_at(self.index_offset, self.table_offset - self.index_offset))

    def _accept_index(self, section):
        limits, size = self.limits, len(section) - 48
        body = section_body(section, b"INDX", "index.digest")
        self.root = section[16:48]
        self.index = index = decode(INDEX, body, "index.protobuf")
        for digest in [index.manifest_digest, index.content_digest] + [s.digest for s in index.streams]:
            require(len(digest) == 32, "index.protobuf", f"a digest has {len(digest)} bytes")
        check_features(index.late_features)

        # Frames.
        code = "index.frames"
        stored, decoded = index.frames.stored_sizes, index.frames.decoded_sizes
        count = len(stored)
        require(len(decoded) == count, code, "the columns of the frames differ in length")
        require(len(index.frames.digests) == 32 * count, code, "the columns of the frames differ in length")
        require(count < limits["frames"], "limit.frames", f"the archive has {count} frames and the index")
        require(count >= 3, code, "the index has fewer than three frames")
        require((stored[0], decoded[0]) == (9, 0), code, "frame 0 is not the empty frame")
        require((stored[1], decoded[1]) == (20, 0), code, "frame 1 is not the header")
        require(stored[2] >= 48 and decoded[2] == 0, code, "frame 2 is not the manifest")
        for number in range(2, count):
            s, d = stored[number], decoded[number]
            fits = d <= MAX_CHUNK and 1 <= s <= largest_frame(d) if d else s >= 48
            require(fits, code, f"frame {number} has {s} bytes for {d} bytes of content")
        pages = len(index.pages)
        require(1 <= pages <= count - 3, code, f"{pages} pages cannot be among {count} frames")
        require(not any(decoded[count - pages :]), code, "the last frames are not pages")
        self.first_page = count - pages
        require(decoded[self.first_page - 1] == 1024, code, "the frame before the pages does not end the tar")
        require(any(decoded[: self.first_page - 1]), code, "there are fewer than two payload frames")

        self.frame_offsets, self.chunk_offsets = [0], [0]  # where each frame begins in the file, each chunk in the tar
        for s, d in zip(stored, decoded):
            self.frame_offsets.append(self.frame_offsets[-1] + s)
            self.chunk_offsets.append(self.chunk_offsets[-1] + d)
        end = self.frame_offsets[-1]
        require(
            end == self.index_offset, "index.frame-gap", f"frames end at {end}, the index is at {self.index_offset}"
        )
        totals, tar_bytes = index.totals, self.chunk_offsets[-1]
        right = totals.tar_bytes == tar_bytes and tar_bytes % 512 == 0
        require(right, "index.totals", f"the tar has {tar_bytes} bytes, the totals say {totals.tar_bytes}")
        require(tar_bytes <= limits["decoded-bytes"], "limit.decoded-bytes", f"the tar has {tar_bytes} bytes")

        # Schemas and streams.
        code, late = "index.streams", index.late_schema_frames
        self.early_schemas = index.schema_count - len(late)
        require(self.early_schemas >= 1, code, f"of {index.schema_count} Schemas, {len(late)} are late")
        require(all(a < b for a, b in zip(late, late[1:])), code, "late Schemas are not ascending")
        first_payload = next(number for number, d in enumerate(decoded) if d)
        for number in late:
            between = first_payload < number < self.first_page - 1
            require(between and decoded[number] == 0, code, f"frame {number} cannot be a late Schema")
        count = index.schema_count
        require(count <= limits["schemas"], "limit.schemas", f"the archive has {count} Schemas")
        before = 1

        def check_schema(stream):
            nonlocal before
            right = before <= stream.schema < index.schema_count
            require(right, "index.streams", f"stream {stream.name!r} has a wrong Schema")
            before = stream.schema

        check_streams(index.streams, limits, check_schema)

        # Pages.
        code, offset = "index.pages", -1
        for page in index.pages:
            require(1 <= page.entry_count <= 4096, code, f"a page has {page.entry_count} entries")
            require(1 <= page.decoded_size <= MAX_CHUNK, code, f"a page has {page.decoded_size} bytes")
            follows = page.tar_offset > offset if offset >= 0 else page.tar_offset == 0
            follows = follows and page.tar_offset < tar_bytes - 1024
            require(follows, code, f"a page begins at {page.tar_offset}, the page before it at {offset}")
            offset = page.tar_offset
            require(len(page.record_counts) == len(index.streams), code, "a page has too few or too many record counts")
        for number, stream in enumerate(index.streams):
            records = sum(page.record_counts[number] for page in index.pages)
            right = records == stream.record_count
            require(right, "index.streams", f"stream {stream.name!r} has {records} records in its pages")
            agree = (stream.batch_count > 0) == (stream.record_count > 0)
            require(agree, "index.streams", f"stream {stream.name!r} has batches without records, or records without")
        entries = sum(page.entry_count for page in index.pages)
        require(entries <= limits["entries"], "limit.entries", f"the archive has {entries} entries")
        counted = totals.files + totals.directories + totals.symlinks + totals.reserved_members
        require(entries == counted, "index.totals", f"the pages have {entries} entries, the totals {counted}")
        records = sum(stream.record_count for stream in index.streams)
        require(records == totals.records, "index.totals", f"the streams have {records} records, not {totals.records}")
        size += sum(page.decoded_size for page in index.pages)
        require(size <= limits["index-bytes"], "limit.index-bytes", f"index and pages have {size} bytes")
        check_attributes(index.late_attributes)

    # Step 4: the seek table as a whole.

    def seek_table(self):
        """The seek table that the index yields."""
        frames = self.index.frames
        sizes = list(zip(frames.stored_sizes, frames.decoded_sizes)) + [(self.table_offset - self.index_offset, 0)]
        rows = b"".join(struct.pack("<II", *pair) for pair in sizes)
        head = SEEK_MAGIC + struct.pack("<I", len(rows) + 9)
        return head + rows + struct.pack("<I", len(sizes)) + b"\0" + SEEK_FOOTER_MAGIC

    def _check_seek_table(self):
        table = self.seek_table()
        right = self.size - self.table_offset == len(table) and self._read_at(self.table_offset, len(table)) == table
        require(right, "seek-table.mismatch", "the seek table differs from the index")

    # Step 5: the manifest.

    def _load_manifest(self):
        stored = self.index.frames.stored_sizes
        size = sum(stored[number] - 48 for number in [2, *self.index.late_schema_frames])
        require(size <= self.limits["manifest-bytes"], "limit.manifest-bytes", f"the Schemas have {size} bytes")
        section = self.read_frame(2)
        body = section_body(section, b"MANI")
        require(section[16:48] == self.index.manifest_digest, "index.manifest", "the index is of another manifest")
        self.manifest = check_manifest(body, self.limits)
        self.schemas = list(self.manifest.schemas)
        self._join_manifest()

    def _join_manifest(self):
        """What manifest and index say together."""
        manifest, index, count = self.manifest, self.index, len(self.manifest.schemas)
        check_features(index.late_features, manifest.required_features)
        check_attributes(index.late_attributes, manifest.attributes)
        require(
            count == self.early_schemas, "index.streams", f"the manifest has {count} Schemas, not {self.early_schemas}"
        )
        for number in range(len(self.schemas)):
            self._check_declarations(number)
        items = sorted(manifest.attributes + index.late_attributes, key=lambda item: item.key.encode())
        self.attributes = {item.key: item.value for item in items}
        self.annotations = manifest.annotations + index.late_annotations

    def _check_declarations(self, number):
        """The streams of a Schema and the index's agree."""

        def facts(stream):
            return stream.name, stream.type, stream.schema_version

        declared = [facts(stream) for stream in self.schemas[number].streams]
        indexed = [facts(stream) for stream in self.index.streams if stream.schema == number]
        require(declared == indexed, "index.streams", f"the streams of Schema {number} are not those of the index")

    # Any frame: its digest comes first ("Index").

    def read_frame(self, number):
        frame = self._read_at(self.frame_offsets[number], self.index.frames.stored_sizes[number])
        right = SHA256(frame).digest() == self.index.frames.digests[32 * number : 32 * number + 32]
        require(right, "frame.digest", f"frame {number} does not match its digest")
        return frame

    # Step 6: the pages ("Entry table").

    def page(self, number):
        """The entries of one page."""
        page, streams = self.index.pages[number], self.index.streams
        body = section_body(self.read_frame(self.first_page + number), b"ENTR")
        data = decode_frame(body, page.decoded_size, "index.pages")
        entries = page_entries(data, self.limits, streams, page.entry_count, page.tar_offset)
        records = [0] * len(streams)
        for entry in entries:
            if entry.kind == BATCH:
                records[entry.stream] += entry.records
        code, paths = "index.pages", sorted(entry.path.encode() for entry in entries if entry.kind in USER_KINDS)
        require(records == page.record_counts, code, f"page {number} has other record counts than the index")
        ends = (paths[0], paths[-1]) if paths else (b"", b"")
        right = ends == (page.least_path.encode(), page.greatest_path.encode())
        require(right, code, f"page {number} has another least or greatest path")
        last = number + 1 == len(self.index.pages)
        end = self.index.totals.tar_bytes - 1024 if last else self.index.pages[number + 1].tar_offset
        offset = entries[-1].end()
        require(offset == end, code, f"the members of page {number} end at {offset}, not {end}")
        return entries

    def entries(self):
        """All entries, reserved members included, after the checks that one who lists makes but for the tar's end."""
        if self._entries is None:
            self.read_late_schemas()
            entries, table = [], Table(self)
            for number in range(len(self.index.pages)):
                for entry in self.page(number):
                    table.add(entry)
                    entries.append(entry)
            table.finish()
            self._entries = entries
        return self._entries

    # Step 7: payload frames, read where they are needed.

    def read(self, entry):
        """The content of one entry, checked."""
        header = entry.header()
        start = entry.offset + len(header)
        end = start + entry.size + entry.padding()
        if start == end:
            data, chunk_start = b"", start
        else:
            number = bisect_right(self.chunk_offsets, start) - 1
            chunk_start, data = self.chunk_offsets[number], b""
            while self.chunk_offsets[number] < end:
                size = self.index.frames.decoded_sizes[number]
                data += decode_frame(self.read_frame(number), size) if size else b""
                number += 1
        held = data[max(0, entry.offset - chunk_start) : start - chunk_start]
        require(held == header[len(header) - len(held) :], "tar.header", f"the header of {entry.path!r} differs")
        content = data[start - chunk_start : start - chunk_start + entry.size]
        padding = data[start - chunk_start + entry.size : end - chunk_start]
        require(not any(padding), "tar.padding", f"the padding of {entry.path!r} is not zero")
        if entry.kind not in (DIRECTORY, SYMLINK):
            require(
                SHA256(content).digest() == entry.digest, "entry.digest", f"{entry.path!r} does not match its digest"
            )
        return content

    def records(self, name):
        """The records of a stream, serialized."""
        for entry in self.entries():
            if entry.kind == BATCH and self.index.streams[entry.stream].name == name:
                content = self.read(entry)
                scanner = RecordScanner(self.limits["record-bytes"])
                scanner.feed(content)
                scanner.finish(entry.records)
                yield from split_records(content)

    # Step 8: late Schemas.

    def read_late_schemas(self, count=None):
        """Reads those that were not read so far, up to a number of Schemas in all."""
        for number in range(len(self.schemas), self.index.schema_count if count is None else count):
            section = self.read_frame(self.index.late_schema_frames[number - self.early_schemas])
            self.schemas.append(decode(SCHEMA, section_body(section, b"SCHM"), "manifest.protobuf"))
            self._check_declarations(number)

    # Verification: steps 9 to 11.

    def verify(self, write=None):
        """Checks every rule. `write(entry, piece)` receives the content of files and batches as it passes."""
        for number in range(self.early_schemas):
            self._check_schema(number)
        for number in range(self.early_schemas, self.index.schema_count):
            self.read_late_schemas(number + 1)
            self._check_schema(number)
        self._check_sections()
        self._pieces, self._rest = self._chunks(), b""
        entries, table, streams = [], Table(self), [SHA256() for _ in self.index.streams]
        for number in range(len(self.index.pages)):
            for entry in self.page(number):
                table.add(entry)
                self._check_member(entry, streams, write)
                entries.append(entry)
        require(not self._rest, "tar.end", "the end of the tar does not stand alone in its frame")
        require(not any(b"".join(self._take(1024))), "tar.end", "the tar does not end in zero bytes")
        table.finish()
        self._entries = entries
        for stream, digest in zip(self.index.streams, streams):
            require(
                digest.digest() == stream.digest, "stream.digest", f"stream {stream.name!r} does not match its digest"
            )
        right = self.content_digest(entries) == self.index.content_digest
        require(right, "content.digest", "the content digest is another")

    def _check_member(self, entry, streams, write):
        """Step 7, for all of a member: header, content, padding, digest, records."""
        header = entry.header()
        require(b"".join(self._take(len(header))) == header, "tar.header", f"the header of {entry.path!r} differs")
        digest, scanner = SHA256(), RecordScanner(self.limits["record-bytes"])
        for piece in self._take(entry.size):
            digest.update(piece)
            if entry.kind == BATCH:
                streams[entry.stream].update(piece)
                scanner.feed(piece)
            if write and entry.kind in (FILE, BATCH):
                write(entry, piece)
        padding = b"".join(self._take(entry.padding()))
        require(not any(padding), "tar.padding", f"the padding of {entry.path!r} is not zero")
        if entry.kind not in (DIRECTORY, SYMLINK):
            require(digest.digest() == entry.digest, "entry.digest", f"{entry.path!r} does not match its digest")
        if entry.kind == BATCH:
            scanner.finish(entry.records)

    def check_listing(self):
        """What one who lists checks besides the entries: the last payload frame holds the end of the tar."""
        content = decode_frame(self.read_frame(self.first_page - 1), 1024)
        require(not any(content), "tar.end", "the tar does not end in zero bytes")

    def _check_sections(self):
        """Every frame that decodes to nothing, in order."""
        late = self.index.late_schema_frames
        for number, size in enumerate(self.index.frames.decoded_sizes):
            if size:
                continue
            frame = self.read_frame(number)
            if number < 2:
                continue  # their bytes were judged in step 1
            kind = section_kind(frame)
            if number == 2:
                expected = b"MANI"
            elif number >= self.first_page:
                expected = b"ENTR"
            elif number in late:
                expected = b"SCHM"
            else:
                require(kind != b"SCHM", "index.streams", f"frame {number} is a Schema that the index does not list")
                require(kind not in KNOWN_SECTIONS, "section.misplaced", f"section {kind!r} stands among the payload")
                expected = kind
            section_body(frame, expected)

    def _chunks(self):
        """Decodes all payload frames in order."""
        for number, size in enumerate(self.index.frames.decoded_sizes):
            if size:
                yield decode_frame(self.read_frame(number), size)

    def _take(self, count):
        while count:
            if not self._rest:
                self._rest = next(self._pieces)
            piece, self._rest = self._rest[:count], self._rest[count:]
            count -= len(piece)
            yield piece

    def _check_schema(self, number):
        pool = self.pools[number] = Pool(self.schemas[number].descriptor_set)
        check_types(number, pool, self.schemas[number].streams)

    def content_digest(self, entries):
        return content_digest(entries, self.index.streams, self.attributes, self.annotations)

    def as_json(self):
        """What the archive holds, in the form of the conformance vectors."""
        streams = [
            {"name": s.name, "type": s.type, "records": s.record_count, "sha256": s.digest.hex()}
            for s in self.index.streams
        ]
        return {
            "entries": [entry.as_json() for entry in self.entries() if entry.kind in USER_KINDS],
            "streams": streams,
            "attributes": self.attributes,
            "root": self.root.hex(),
            "content": self.index.content_digest.hex(),
        }


# ---------------------------------------------------------------------------------------------------------------------
# Extraction (FORMAT.md, "Extraction")
# ---------------------------------------------------------------------------------------------------------------------


def extract(archive, directory):
    """Verifies an archive and writes its entries to `directory`, which appears only once everything was right.

    The work is done in a new directory beside it that only this user can enter. Parents of entries are never symbolic
    links: no path continues the path of one (`path.parent`), and links are created last.
    """
    try:
        user = [entry for entry in archive.entries() if entry.kind in USER_KINDS]
    except Refused:
        archive.verify()  # what is met first in this order is what is reported
        raise
    for entry in user:
        if entry.kind == SYMLINK:
            require(is_inside(entry), "policy.link", f"{entry.path!r} leads outside, to {entry.target!r}")
    directory = os.path.abspath(directory)
    if os.path.islink(directory) or os.path.lexists(directory) and os.listdir(directory):
        raise OSError(f"{directory} exists and is not an empty directory")
    stage = tempfile.mkdtemp(prefix=".rosettar-", dir=os.path.dirname(directory))
    writer = Extraction(os.path.join(stage, "root"))
    try:
        try:
            for entry in user:
                writer.make_directory(entry.path if entry.kind == DIRECTORY else os.path.dirname(entry.path))
                if entry.kind == FILE:
                    writer.make_file(entry)
            archive.verify(writer.write)
            writer.close()
            for entry in user:
                if entry.kind == SYMLINK:
                    os.symlink(entry.target, writer.place(entry.path))
            for entry in sorted(user, key=lambda entry: entry.path, reverse=True):  # children before parents
                writer.set_facts(entry)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                raise Refused(
                    "policy.name", f"this host cannot hold a name, or takes it for another's: {error}"
                ) from None
            raise
        os.rename(writer.root, directory)
    finally:
        writer.close()
        for path, names, _ in os.walk(stage):
            for name in names:
                if not os.path.islink(os.path.join(path, name)):
                    os.chmod(os.path.join(path, name), stat.S_IRWXU)
        shutil.rmtree(stage)


class Extraction:
    """Creates each name exclusively, so that two names that the host takes for one are noticed."""

    def __init__(self, root):
        self.root, self.made, self.current, self.file = root, {""}, None, None
        os.mkdir(root)

    def place(self, path):
        return os.path.join(self.root, *path.split("/"))

    def make_directory(self, path):
        if path not in self.made:
            self.make_directory(os.path.dirname(path))
            os.mkdir(self.place(path))
            self.made.add(path)

    def make_file(self, entry):
        os.close(os.open(self.place(entry.path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def write(self, entry, piece):
        if entry.kind != FILE:
            return
        if entry is not self.current:
            self.close()
            self.current, self.file = entry, open(self.place(entry.path), "ab")
        self.file.write(piece)

    def close(self):
        if self.file:
            self.file.close()

    def set_facts(self, entry):
        path, moment = self.place(entry.path), entry.mtime * 1_000_000_000 + entry.nanoseconds
        if entry.kind != SYMLINK:
            os.chmod(path, entry.mode)
        try:
            os.utime(path, ns=(moment, moment), follow_symlinks=False)
        except OverflowError:
            pass  # a time that this host cannot express; the format does not say what to do with it


# ---------------------------------------------------------------------------------------------------------------------
# Command line
# ---------------------------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(1, f"error: {message}\n")


def parse_limit(text):
    name, _, value = text.partition("=")
    if name not in LIMITS or not value.isdigit():
        raise argparse.ArgumentTypeError(f"limits are NAME=VALUE, names {', '.join(LIMITS)}")
    return name, int(value)


def main(arguments=None):
    parser = Parser(description="Reads Rosettar archives.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    for name in ("list", "verify", "extract", "records"):
        command = commands.add_parser(name)
        command.add_argument("archive")
        command.add_argument("--limit", action="append", type=parse_limit, default=[], metavar="NAME=VALUE")
        if name == "records":
            command.add_argument("stream")
            command.add_argument("--hex", action="store_true")
        else:
            command.add_argument("--json", action="store_true")
        if name == "extract":
            command.add_argument("-C", dest="directory", required=True)
    options = parser.parse_args(arguments)
    as_json = getattr(options, "json", False)
    try:
        with open(options.archive, "rb") as file:
            archive = Archive(file, dict(options.limit))
            if options.command == "records":
                if options.stream not in [stream.name for stream in archive.index.streams]:
                    raise OSError(f"no stream {options.stream!r}")
                for record in archive.records(options.stream):
                    print(record.hex() if options.hex else base64.b64encode(record).decode())
                return 0
            if options.command == "verify":
                archive.verify()
            elif options.command == "extract":
                extract(archive, options.directory)
            contents = archive.as_json()
    except Refused as error:
        if as_json:
            print(json.dumps({"code": error.code, "kind": error.kind, "message": error.message}))
        else:
            print(f"error: {error.code}: {error.message}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(contents))
    elif options.command == "list":
        for entry in contents["entries"]:
            arrow = f" -> {entry['target']}" if entry["target"] is not None else ""
            print(f"{entry['kind']:9} {entry['mode']:04o} {entry['size']:>12} {entry['path']}{arrow}")
        for stream in contents["streams"]:
            print(f"stream {stream['name']}: {stream['records']} records of {stream['type']}")
        for key, value in contents["attributes"].items():
            print(f"attribute {key}: {value}")
    else:
        print(f"ok: root {contents['root']}, content {contents['content']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
