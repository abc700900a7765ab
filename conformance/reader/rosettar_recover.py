# SPDX-License-Identifier: Apache-2.0
"""Salvages what is whole in an archive that lost its end or was damaged (FORMAT.md, "Recovered").

`recover(path, out)` writes a new archive to `out` and returns an account. The functions follow the steps of the
section; comments have their numbers.
"""

import re
import struct
from collections import namedtuple
from functools import lru_cache

from protojson import Pool, put_in_order
from rosettar_reader import (
    BATCH,
    EMPTY_FRAME,
    FILE,
    HEADER_START,
    LIMITS,
    MAX_CHUNK,
    SCHEMA_MEMBER,
    SECTION_MAGIC,
    SEEK_FOOTER_MAGIC,
    STREAM_MEMBER,
    STREAM_NAME,
    TYPE_NAME,
    USER_KINDS,
    ZSTD_MAGIC,
    Archive,
    Entry,
    check_attributes,
    check_manifest,
    check_streams,
    check_types,
    decode_frame,
    frame_header,
    page_entries,
    section_head,
)
from rosettar_stream import read_header, walk_frame
from rosettar_write import Writer, field
from rosettar_write import varint as encode_varint
from wire import SCHEMA, SHA256, Refused, Undecodable, decode, require, varint

Section = namedtuple("Section", "kind body end")
Declaration = namedtuple("Declaration", "name type schema schema_version")


class Damaged(Exception):
    """Bytes that are needed are not there, or not whole."""


def is_answer(error):
    """Step 4: what is not damage but something that this reader must not or cannot read."""
    return error.code in ("feature.unknown", "entries.kind") or error.code.startswith("limit.")


def whole_section(data, at):
    """The section at `at` if it is whole, else None."""
    try:
        kind, length = section_head(data[at : at + 16])
    except (Refused, struct.error):
        return None
    body = data[at + 48 : at + 8 + length]
    if len(body) != length - 40 or SHA256(body).digest() != data[at + 16 : at + 48]:
        return None
    return Section(kind, body, at + 8 + length)


def taker(data, at):
    """A function that takes bytes from `at` on, as `walk_frame` wants it."""

    def take(count):
        nonlocal at
        if len(data) - at < count:
            raise Damaged
        at += count
        return data[at - count : at]

    return take


def whole_frame(data, at):
    """The payload frame at `at`, and what it decodes to, if it is whole; else None."""
    try:
        frame, size = walk_frame(taker(data, at))
        return frame, decode_frame(frame, size)
    except (Refused, Damaged):
        return None


# ---------------------------------------------------------------------------------------------------------------------
# Steps 2 and 3: the index, or the chain
# ---------------------------------------------------------------------------------------------------------------------


class Indexed(Archive):
    """An index that keeps rules 1 to 18, in a file of which everything else may be damaged."""

    def __init__(self, data, at, end, limits):
        self.data, self.limits, self.index_offset, self.table_offset = data, limits, at, end
        self._entries, self.pools = None, {}
        require(end - at - 48 <= limits["index-bytes"], "limit.index-bytes", "the index is too large")
        self._accept_index(data[at:end])

    def _read_at(self, offset, length):
        return self.data[offset : offset + length]


def find_index(data, at, end, limits):
    """The index in the section from `at` to `end`, None where it breaks a rule."""
    try:
        return Indexed(data, at, end, limits)
    except Refused as error:
        if is_answer(error):
            raise
        return None


def index_by_footer(data, limits):
    """Step 2."""
    footer = data[-9:]
    count = struct.unpack_from("<I", footer)[0]
    end = len(data) - (8 * count + 17)
    if footer[4:] != b"\0" + SEEK_FOOTER_MAGIC or count == 0 or end < 0:
        return None
    at = end - struct.unpack("<I", data[-17:-13])[0]
    section = whole_section(data, at) if at >= 0 else None
    if not section or section.kind != b"INDX" or section.end != end:
        return None
    return find_index(data, at, end, limits)


class Chain:
    """Step 3: the frames from the beginning of the file up to the first that is not whole."""

    def __init__(self, data, limits):
        self.data, self.limits = data, limits
        self.manifest = None  # the body of a whole MANI
        self.chunks = []  # of each payload frame: its place, length, and decoded size
        self.schemas = []  # of each SCHM: the tar offset, and the body
        self.pages, self.index, self.index_place = [], None, None
        self.decoded, self.frames, self.end = 0, 2, 29
        self.found = False  # whether there is anything at offset 29
        at = self._after_manifest()
        while at is not None:
            self.end = at
            require(self.decoded <= limits["decoded-bytes"], "limit.decoded-bytes", f"the tar has {self.decoded} bytes")
            require(self.frames <= limits["frames"], "limit.frames", f"the chain has {self.frames} frames")
            at = self._next(at)

    def _after_manifest(self):
        section = whole_section(self.data, 29)
        if section:
            if section.kind != b"MANI":
                return None
            self.manifest, self.found, self.frames = section.body, True, 3
            return section.end
        if self.data[29:33] != SECTION_MAGIC or len(self.data) < 37:
            return None
        at, ancillary = 37 + struct.unpack_from("<I", self.data, 33)[0], 0
        while (section := whole_section(self.data, at)) and section.kind[:1].islower():
            at, ancillary = section.end, ancillary + 1
        frame = whole_frame(self.data, at)
        if frame and begins_with_schema_0(frame[1], self.limits):
            self.found, self.frames = True, 3 + ancillary
            return at
        return None

    def _next(self, at):
        """Where the frame at `at` ends if it is whole and may stand here; else None."""
        if self.index_place:
            return None
        if self.data[at : at + 4] == ZSTD_MAGIC:
            frame = None if self.pages else whole_frame(self.data, at)
            if not frame:
                return None
            stored, content = frame
            self.chunks.append((at, len(stored), len(content)))
            self.decoded += len(content)
            self.frames += 1
            return at + len(stored)
        section = whole_section(self.data, at)
        if not section:
            return None
        if section.kind == b"SCHM" and self.chunks and not self.pages:
            self.schemas.append((self.decoded, section.body))
        elif section.kind == b"ENTR" and self.chunks:
            self.pages.append(section.body)
        elif section.kind == b"INDX" and self.pages:
            self.index_place = at, section.end
        elif not (section.kind[:1].islower() and not self.pages):
            return None
        self.frames += 1
        return section.end


def begins_with_schema_0(content, limits):
    try:
        entry, _ = read_header(taker(content, 0), limits)
    except (Refused, Damaged, TypeError):  # TypeError: zero blocks are no header
        return False
    return entry.path == ".rosettar/schemas/00000000.binpb"


# ---------------------------------------------------------------------------------------------------------------------
# Step 5: the tar, as far as frames are whole
# ---------------------------------------------------------------------------------------------------------------------


class Payload:
    """The tar; each chunk is (start, end, load), and `load()` gives its bytes, or None where its frame is not whole."""

    def __init__(self, chunks):
        self.chunks = chunks
        self.end = chunks[-1][1] if chunks else 0
        self._load = lru_cache(4)(lambda number: self.chunks[number][2]())

    def pieces(self, start, end):
        """The bytes from `start` to `end` in pieces; the last is None where something is not whole."""
        low, high = 0, len(self.chunks)
        while low < high:  # the first chunk that ends after `start`
            middle = (low + high) // 2
            low, high = (low, middle) if self.chunks[middle][1] > start else (middle + 1, high)
        at = start
        while at < end:
            content = self._load(low) if low < len(self.chunks) else None
            if content is None:
                yield None
                return
            begin = self.chunks[low][0]
            yield content[at - begin : end - begin]
            at, low = self.chunks[low][1], low + 1

    def prefix(self, start, end):
        """As much from `start` on as is whole."""
        return b"".join(piece for piece in self.pieces(start, end) if piece is not None)

    def read(self, start, end):
        data = self.prefix(start, end)
        if len(data) != end - start:
            raise Damaged
        return data


def payload_of_chain(chain):
    chunks, offset = [], 0
    for at, length, size in chain.chunks:

        def load(at=at, length=length, size=size):
            return decode_frame(chain.data[at : at + length], size)

        chunks.append((offset, offset + size, load))
        offset += size
    return Payload(chunks)


def payload_of_index(index):
    chunks = []
    for number, size in enumerate(index.index.frames.decoded_sizes):
        if not size:
            continue

        def load(number=number, size=size):
            try:
                return decode_frame(index.read_frame(number), size)
            except Refused:
                return None

        chunks.append((index.chunk_offsets[number], index.chunk_offsets[number + 1], load))
    return Payload(chunks)


# ---------------------------------------------------------------------------------------------------------------------
# Step 6: members
# ---------------------------------------------------------------------------------------------------------------------


def parse_members(payload, start, end, limits, cut=False):
    """Members by their headers, from `start` until something is wrong or `end` is reached.

    `cut`: a member that goes on after `end` counts, too, for what is there of it.
    """
    members = []
    while start < end:
        at = start

        def take(count):
            nonlocal at
            if at + count > end:
                raise Damaged
            at += count
            return payload.read(at - count, at)

        try:
            found = read_header(take, limits)
        except (Refused, Damaged):
            break
        if found is None:
            break
        past = start + found[1] + found[0].size + found[0].padding() > end
        if past and not cut:
            break
        entry, _ = found
        entry.offset = start
        if entry.kind == SCHEMA_MEMBER:
            entry.schema = int(entry.path.split("/")[2][:8])
        elif entry.kind == BATCH:
            entry.batch = int(entry.path.split("/")[3][:8])
        members.append(entry)
        start = entry.end()
    return members


def members_by_index(index, payload, lost):
    members, pages = [], index.index.pages
    for number, page in enumerate(pages):
        try:
            members += index.page(number)
            continue
        except Refused as error:
            if is_answer(error):
                raise
        end = pages[number + 1].tar_offset if number + 1 < len(pages) else payload.end - 1024
        found = parse_members(payload, page.tar_offset, end, index.limits)
        members += found
        missing = page.entry_count - len(found)
        if missing > 0:
            lost.append(f"{missing} members of page {number}, which is damaged")
        if any(entry.kind in USER_KINDS for entry in found):
            lost.append(f"nanoseconds of page {number}, which is damaged")
        for stream, count in enumerate(page.record_counts):
            mine = [
                entry for entry in found if entry.kind == BATCH and stream_of(entry) == index.index.streams[stream].name
            ]
            if mine:
                mine[-1].page_records = count, mine
            elif count:
                lost.append(f"{count} records of page {number}, which is damaged")
    return members


def members_by_chain(chain, payload):
    members, size = [], 0
    for body in chain.pages:
        try:
            content_size = frame_header(body)[1]
            require(content_size <= MAX_CHUNK, "frame.size", "a page is too large")
            size += content_size
            require(size <= chain.limits["index-bytes"], "limit.index-bytes", f"the pages have {size} bytes")
            offset = members[-1].end() if members else 0
            members += page_entries(decode_frame(body, content_size), chain.limits, None, None, offset)
        except Refused as error:
            if is_answer(error):
                raise
            break
    start = members[-1].end() if members else 0
    return members + parse_members(payload, start, payload.end, chain.limits, cut=True)


def stream_of(entry):
    return entry.path.split("/")[2]


# ---------------------------------------------------------------------------------------------------------------------
# Steps 7 and 8: what is complete
# ---------------------------------------------------------------------------------------------------------------------


def content_of(entry, payload):
    """The content of a complete member."""
    header = entry.header()
    if payload.read(entry.offset, entry.offset + len(header)) != header:
        raise Damaged
    start = entry.offset + len(header)
    content = payload.read(start, start + entry.size)
    if any(payload.read(start + entry.size, entry.end())):
        raise Damaged
    if entry.digest and SHA256(content).digest() != entry.digest:
        raise Damaged
    return content


def records_of(entry, payload, limits):
    """The records of a batch, as far as it is whole from its beginning."""
    header = entry.header()
    start = entry.offset + len(header)
    try:
        if payload.read(entry.offset, start) != header:
            return []
    except Damaged:
        return []
    content = payload.prefix(start, start + entry.size)
    if len(content) == entry.size and entry.digest and SHA256(content).digest() != entry.digest:
        return []
    records, at = [], 0
    while at < len(content):
        try:
            length, begin = varint(content, at)
        except Undecodable:
            break
        minimal = begin - at == 1 or content[begin - 1]
        if not minimal or length > limits["record-bytes"] or begin + length > len(content):
            break
        records.append(content[begin : begin + length])
        at = begin + length
    return records


# ---------------------------------------------------------------------------------------------------------------------
# Step 9: Schemas and streams
# ---------------------------------------------------------------------------------------------------------------------


def manifest_of(body, limits, lost):
    """The manifest, if its section is whole and keeps the rules."""
    try:
        if body is None:
            return None
        require(len(body) <= limits["manifest-bytes"], "limit.manifest-bytes", f"the manifest has {len(body)} bytes")
        return check_manifest(body, limits)
    except Refused as error:
        if is_answer(error):
            raise
        lost.append("the manifest, which breaks a rule")
        return None


def schema_of(body, limits):
    """What an SCHM declares, None where it breaks a rule."""
    try:
        schema = decode(SCHEMA, body, "manifest.protobuf")
        check_streams(schema.streams, limits)
        return schema
    except Refused:
        return None


def known_schemas(manifest, late, complete):
    """Descriptor sets by number: those of sections first, then those of complete members. `late`: number -> Schema."""
    schemas = {number: schema.descriptor_set for number, schema in enumerate(manifest.schemas if manifest else [])}
    for number, schema in late.items():
        schemas.setdefault(number, schema.descriptor_set)
    for entry, content in complete:
        if entry.kind == SCHEMA_MEMBER:
            schemas.setdefault(entry.schema, content)
    return {number: put_in_order(descriptor_set) for number, descriptor_set in schemas.items()}


def declarations(index, manifest, late, complete):
    """The streams, in order: what sections declare, then what complete STREAM members say."""
    found = []
    if index:
        found = [Declaration(s.name, s.type, s.schema, s.schema_version) for s in index.index.streams]
    elif manifest or late:
        numbered = dict(enumerate(manifest.schemas if manifest else [])) | late
        for number, schema in sorted(numbered.items()):
            found += [Declaration(s.name, s.type, number, s.schema_version) for s in schema.streams]
    for entry, content in complete:
        if entry.kind == STREAM_MEMBER:
            match = re.fullmatch(rb"type ([^\n]{1,1024})\nschema (\d{8})\nversion (0|[1-9]\d{0,9})\n", content)
            name = stream_of(entry)
            if match and STREAM_NAME.fullmatch(name):
                type_name = match[1].decode(errors="replace")
                if TYPE_NAME.fullmatch(type_name):
                    found.append(Declaration(name, type_name, int(match[2]), int(match[3])))
    unique = {}
    for declaration in found:
        unique.setdefault(declaration.name.lower(), declaration)
    return list(unique.values())


def acceptable(number, descriptor_set, streams):
    """Whether a new archive may hold the Schema with these streams."""
    try:
        check_types(number, Pool(descriptor_set), streams)
    except Refused:
        return False
    return True


# ---------------------------------------------------------------------------------------------------------------------
# All of it
# ---------------------------------------------------------------------------------------------------------------------


def recover(path, out, limits=None):
    """Writes what is salvaged of the archive at `path` to a new file `out`, and returns an account of it."""
    with open(path, "rb") as file:
        data = file.read()
    limits = LIMITS | {"decoded-bytes": max(10 << 30, 100 * len(data))} | (limits or {})
    constant = EMPTY_FRAME + HEADER_START
    if len(data) < 25:  # step 1
        right = data == constant[: len(data)]
        raise Refused("envelope.truncated" if right else "envelope.unknown-magic", "the file is too short")
    index, chain = index_by_footer(data, limits), None
    if not index:
        chain = Chain(data, limits)
        if chain.index_place:
            index = find_index(data, *chain.index_place, limits)
    refuse_versions(data, index, chain, data[:25] == constant)
    lost = [] if index else ["what stood behind the end of the chain of frames, if anything"]
    payload = payload_of_index(index) if index else payload_of_chain(chain)
    members = members_by_index(index, payload, lost) if index else members_by_chain(chain, payload)
    with open(out, "wb") as file:
        return Salvage(data, index, chain, payload, members, limits, lost).write(file)


def refuse_versions(data, index, chain, right):
    """Step 4. `right`: bytes 0 to 24 are as they must be."""
    require(index or chain.found or right, "envelope.unknown-magic", "the file is no Rosettar archive")
    if index:
        right = SHA256(data[9:29]).digest() == index.index.frames.digests[32:64]
    known = not right or len(data) <= 25 or data[25] == 1
    require(known, "envelope.unsupported-version", "the archive has another major version")


class Salvage:
    def __init__(self, data, index, chain, payload, members, limits, lost):
        self.data, self.index, self.chain, self.payload, self.limits, self.lost = (
            data,
            index,
            chain,
            payload,
            limits,
            lost,
        )
        self.members = members
        if index:
            self._sections_by_index()
        else:
            self.manifest = manifest_of(chain.manifest, limits, lost)
            self.late = self._late_by_chain()

    def _sections_by_index(self):
        def body(number, kind):
            try:
                frame = self.index.read_frame(number)
            except Refused:
                return None
            section = whole_section(frame, 0)
            return section.body if section and section.kind == kind else None

        stored, frames = self.index.index.frames.stored_sizes, [2, *self.index.index.late_schema_frames]
        size = sum(stored[number] - 48 for number in frames)
        require(size <= self.limits["manifest-bytes"], "limit.manifest-bytes", f"the Schemas have {size} bytes")
        manifest = body(2, b"MANI")
        if manifest is not None and SHA256(manifest).digest() != self.index.index.manifest_digest:
            manifest = None  # the index is of another one
        self.manifest = manifest_of(manifest, self.limits, self.lost)
        if not self.manifest:
            self.lost.append("attributes, annotations and the time of creation of the manifest, if any")
        self.late = {}
        for number, frame in enumerate(self.index.index.late_schema_frames, self.index.early_schemas):
            schema = schema_of(body(frame, b"SCHM") or b"\0", self.limits)
            if schema:
                self.late[number] = schema

    def _late_by_chain(self):
        late = {}
        places = {entry.offset: entry.schema for entry in self.members if entry.kind == SCHEMA_MEMBER}
        for position, (offset, body) in enumerate(self.chain.schemas):
            number = len(self.manifest.schemas) + position if self.manifest else places.get(offset)
            schema = schema_of(body, self.limits)
            if schema and number is not None:
                late[number] = schema
        return late

    def write(self, file):
        complete = []
        for entry in self.members:
            if entry.kind in (SCHEMA_MEMBER, STREAM_MEMBER):
                try:
                    complete.append((entry, content_of(entry, self.payload)))
                except Damaged:
                    pass
        schemas = known_schemas(self.manifest, self.late, complete)
        streams = declarations(self.index, self.manifest, self.late, complete)
        own = schemas.get(0)
        writer = Writer(
            file,
            attributes=self._attributes(),
            annotations=self._annotations(),
            created=self._created(),
            own_schema=own if own and acceptable(0, own, []) else None,
            producer="rosettar_recover 1",
        )
        self._declare(writer, schemas, streams)
        self._entries(writer)
        self._records(writer)
        writer.finish()
        return {
            "whole": not self.lost,
            "entries": [entry.path for entry in writer.entries if entry.kind in USER_KINDS],
            "records": {stream.name: stream.record_count for stream in writer.streams},
            "lost": self.lost,
        }

    # Step 10

    def _attributes(self):
        early = list(self.manifest.attributes) if self.manifest else []
        late = list(self.index.index.late_attributes) if self.index else []
        try:
            check_attributes(late, early)
        except Refused:
            self.lost.append("attributes of the index that the manifest has, too")
        return {item.key: item.value for item in late + early}

    def _annotations(self):
        early = self.manifest.annotations if self.manifest else []
        return early + (self.index.index.late_annotations if self.index else [])

    def _created(self):
        if not self.manifest or "created" not in self.manifest.present:
            return b""
        created = self.manifest.created
        return field(1, created.seconds & (1 << 64) - 1) + field(2, created.nanos)

    # Step 9

    def _declare(self, writer, schemas, streams):
        self.streams = {}  # by name, those that the new archive has
        count = self.index.index.schema_count if self.index else max(schemas, default=0) + 1
        for number in range(1, count):
            mine = [stream for stream in streams if stream.schema == number]
            if number not in schemas or not acceptable(number, schemas[number], []):
                self.lost.append(f"Schema {number}")
                continue
            writer.schemas.append(schemas[number])
            for stream in mine:
                if acceptable(number, schemas[number], [stream]):
                    made = writer.declare(len(writer.schemas) - 1, stream.name, stream.type, stream.schema_version)
                    self.streams[stream.name] = made
                else:
                    self.lost.append(f"stream {stream.name}, whose type its Schema does not define")

    # Step 7

    def _entries(self, writer):
        for entry in self.members:
            if entry.kind not in USER_KINDS:
                continue
            try:
                content = content_of(entry, self.payload)
                copy = Entry(
                    entry.kind, entry.path, entry.size, entry.mode, entry.mtime, entry.nanoseconds, entry.target
                )
                writer.add(copy, content)
            except (Damaged, Refused):
                self.lost.append(f"entry {entry.path}")

    # Step 8

    def _records(self, writer):
        last, kept, folder = {}, [], 1
        for entry in self.members:
            if entry.kind != BATCH:
                continue
            name = stream_of(entry)
            in_order = entry.batch > last.get(name, -1)
            last[name] = max(last.get(name, -1), entry.batch)
            records = records_of(entry, self.payload, self.limits) if in_order else []
            entry.salvaged = len(records)
            if len(records) < entry.records or not entry.records and not whole_batch(entry, records):
                self.lost.append(f"records of {entry.path}")
            if hasattr(entry, "page_records"):
                count, batches = entry.page_records
                if sum(batch.salvaged for batch in batches) < count:
                    self.lost.append(f"records of stream {name}")
            if records and name in self.streams:
                writer.add_batch(self.streams[name], records)
            elif records:
                kept.append((name, entry.batch, records))
        for name, batch, records in kept:
            self.lost.append(f"records of stream {name}, kept as a file")
            content = b"".join(framed(record) for record in records)
            while True:
                top = "recovered-records" if folder == 1 else f"recovered-records-{folder}"
                entry = Entry(FILE, f"{top}/{name}/{batch:08}.binpb", len(content), 0o644, 0, 0)
                try:
                    writer.add(entry, content)
                    break
                except Refused as error:
                    if error.code not in ("path.duplicate", "path.parent"):
                        raise
                    folder += 1


def framed(record):
    return encode_varint(len(record)) + record


def whole_batch(entry, records):
    """Whether the records are all bytes of the batch: what says that none is missing where no page does."""
    return sum(len(framed(record)) for record in records) == entry.size
