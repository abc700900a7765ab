# SPDX-License-Identifier: Apache-2.0
"""Reading an archive that can only be read forward (FORMAT.md, "Streamed"): from a pipe, or a socket.

`ArchiveStream(source).read(see)` calls `see(entry, piece)` with contents as they pass. All of it is provisional until
`read` returns: only the index at the end confirms it. Then the object knows what an `Archive` does.

Zstd frames have to be delimited without an index, and entries have to be rebuilt from tar headers; `walk_frame` and
`read_header` do that, and serve recovery too.
"""

import re
import struct

from protojson import Pool
from rosettar_reader import (
    BATCH,
    DIRECTORY,
    FILE,
    LIMITS,
    MAX_CHUNK,
    RESERVED_PATH,
    SCHEMA_MEMBER,
    SECTION_MAGIC,
    SEEK_MAGIC,
    STREAM_MEMBER,
    SYMLINK,
    USER_KINDS,
    ZSTD_MAGIC,
    Archive,
    Entry,
    PathTable,
    RecordScanner,
    check_first_bytes,
    check_manifest,
    check_path,
    check_reserved,
    check_streams,
    check_target,
    check_types,
    decode_frame,
    frame_header,
    header_length,
    largest_frame,
    section_head,
)
from wire import SCHEMA, SHA256, Refused, decode, require

# ---------------------------------------------------------------------------------------------------------------------
# Frames and headers without an index
# ---------------------------------------------------------------------------------------------------------------------


def walk_frame(take, magic=b""):
    """A zstd frame delimited by its own blocks (RFC 8878, section 3.1.1), and its content size.

    `take(n)` gives n bytes; `magic` is what was taken already.
    """
    frame = bytearray(magic + take(5 - len(magic)))
    require(frame[:4] == ZSTD_MAGIC, "frame.header", "not a zstd frame")
    frame += take(header_length(frame[4]) - 5)
    size = frame_header(frame)[1]
    require(1 <= size <= MAX_CHUNK, "frame.size", f"the frame states {size} bytes")
    last = False
    while not last:
        head = take(3)
        block = int.from_bytes(head, "little")
        last, kind, length = block & 1, block >> 1 & 3, block >> 3
        require(kind != 3, "frame.decode", "a block has the reserved type")
        length = 1 if kind == 1 else length
        require(len(frame) + 3 + length + 4 <= largest_frame(size), "frame.size", "the frame is too large")
        frame += head + take(length)
    frame += take(4)
    return bytes(frame), size


def octal(field):
    digits = field.split(b"\0")[0]
    require(re.fullmatch(rb"[0-7]{1,11}", digits), "tar.header", "a number of a tar header is not octal")
    return int(digits, 8)


def pax_facts(records):
    facts, at = {}, 0
    while at < len(records):
        match = re.compile(rb"([1-9][0-9]{0,9}) ([a-z]+)=").match(records, at)
        require(match, "tar.header", "a PAX record is none")
        end, key = at + int(match[1]), match[2]
        right = match.end() < end <= len(records) and records[end - 1 : end] == b"\n" and key not in facts
        require(right and key in (b"path", b"linkpath", b"size", b"mtime"), "tar.header", "a PAX record is not allowed")
        facts[key] = records[match.end() : end - 1]
        at = end
    return facts


def read_header(take, limits):
    """Rebuilds an entry from the header at which `take` stands ("Tar profile"); None where there is a zero block.

    Returns the entry and the number of bytes of its header. A number of a stream or Schema is not looked for yet.
    """
    block = take(512)
    if not any(block):
        return None
    header, facts = block, {}
    if block[156:157] == b"x":
        size = octal(block[124:136])
        require(size <= 2 * limits["path-bytes"] + 256, "limit.path-bytes", f"a PAX header has {size} bytes")
        records = take(size + -size % 512)
        facts = pax_facts(records[:size])
        block = take(512)
        header += records + block

    def number(key, start):
        if key not in facts:
            return octal(block[start : start + 12])
        require(re.fullmatch(rb"-?[0-9]{1,20}", facts[key]), "tar.header", "a PAX record is no number")
        return int(facts[key])

    def text(key, start):
        try:
            return facts.get(key, block[start : start + 100].split(b"\0")[0]).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("path.invalid", "a path or target is not UTF-8") from None

    kind = {b"0": FILE, b"5": DIRECTORY, b"2": SYMLINK}.get(block[156:157])
    require(kind, "tar.header", f"a member has the type {block[156:157]!r}")
    size, mtime = number(b"size", 124), number(b"mtime", 136)
    require(0 <= size < 1 << 64 and -(1 << 63) <= mtime < 1 << 63, "tar.header", "a number is out of range")
    path = text(b"path", 0)
    if kind == DIRECTORY:
        path = path.removesuffix("/")
    entry = Entry(kind, path, size, octal(block[100:108]), mtime, 0)
    if kind == SYMLINK:
        entry.target = text(b"linkpath", 157)
    right = entry.mode <= 0o777 and (size == 0 or kind == FILE) and entry.header() == header
    require(right, "tar.header", f"the header of {path!r} is not the one that its entry has")
    check_path(path, limits)
    if kind == SYMLINK:
        require(entry.mode == 0o777, "tar.header", f"the symbolic link {path!r} has another mode than 0777")
        check_target(entry.target, limits)
    if path.split("/")[0].encode().lower() == b".rosettar":
        match = RESERVED_PATH.fullmatch(path)
        require(match and kind == FILE, "path.reserved", f"path {path!r} is reserved")
        entry.kind = SCHEMA_MEMBER if match[1] else BATCH if match[3] else STREAM_MEMBER
        require((entry.mode, mtime) == (0o644, 0), "tar.header", f"the reserved {path!r} has another mode or time")
    return entry, len(header)


# ---------------------------------------------------------------------------------------------------------------------
# The stream
# ---------------------------------------------------------------------------------------------------------------------


class Source:
    """Bytes that come one after the other, with the digest of those since a frame began."""

    def __init__(self, file):
        self.file, self.offset, self.start, self.digest = file, 0, 0, SHA256()

    def take(self, count):
        taken = bytearray()
        while len(taken) < count:  # in pieces, so that memory grows with what has come
            piece = self.file.read(min(count - len(taken), 1 << 20))
            require(piece, "envelope.truncated", f"the source ends after {self.offset} bytes")
            taken += piece
            self.offset += len(piece)
            self.digest.update(piece)
        return bytes(taken)

    def begin(self):
        self.start, self.digest = self.offset, SHA256()


class ArchiveStream(Archive):
    def __init__(self, file, limits=None):
        self.source, self.pools, self._entries = Source(file), {}, None
        self.chosen = limits or {}
        self.limits = LIMITS | {"decoded-bytes": 0} | self.chosen
        self.seen = []  # of each frame: stored size, decoded size, digest
        self.kept = {}  # the frames of pages, by number
        self.schema_frames, self.manifest_bytes, self.page_bytes, self.decoded = [], 0, 0, 0
        self.rest = b""  # of the chunk that was decoded last
        self.awaited = None  # the late Schema whose member has to come next
        self._begin()

    # Frames

    def _end_frame(self, decoded=0):
        """Notes the frame that was just read."""
        self.seen.append((self.source.offset - self.source.start, decoded, self.source.digest.digest()))
        self.source.begin()
        most = self.limits["frames"]  # INDX counts, too
        require(len(self.seen) <= most, "limit.frames", f"the archive has more than {most} frames")

    def _begin(self):
        first = bytearray()
        try:
            while len(first) < 29:
                first += self.source.take(1)
                if len(first) == 9:
                    self._end_frame()
        except Refused:
            pass  # what came is judged below
        self.version = check_first_bytes(bytes(first))
        self._end_frame()
        magic = self.source.take(4)
        require(magic == SECTION_MAGIC, "section.head", "the manifest does not follow the header")
        kind, length = self._section_head(magic)
        require(kind == b"MANI", "section.misplaced", f"section {kind!r} stands where the manifest must")
        self._count_manifest(length - 40)
        body = self._section_body(kind, length)
        self.manifest_digest = SHA256(body).digest()
        self.manifest = check_manifest(body, self.limits)
        self.schemas = list(self.manifest.schemas)
        self.streams = [stream for schema in self.schemas for stream in schema.streams]
        self.stream_digests = [SHA256() for _ in self.streams]

    def _section_head(self, magic):
        return section_head(magic + self.source.take(12))

    def _section_body(self, kind, length):
        digest, body = self.source.take(32), self.source.take(length - 40)
        require(SHA256(body).digest() == digest, "section.digest", f"the body of {kind!r} does not match its digest")
        self._end_frame()
        return body

    def _skip_section(self, kind, length):
        stated, digest, left = self.source.take(32), SHA256(), length - 40
        while left:
            piece = self.source.take(min(left, 1 << 20))
            digest.update(piece)
            left -= len(piece)
        require(digest.digest() == stated, "section.digest", f"the body of {kind!r} does not match its digest")
        self._end_frame()

    def _count_manifest(self, size):
        self.manifest_bytes += size
        most = self.limits["manifest-bytes"]
        require(self.manifest_bytes <= most, "limit.manifest-bytes", f"the Schemas have {self.manifest_bytes} bytes")

    def _next_chunk(self, between):
        """Decodes the next payload frame, past the sections before it. `between`: no member is under way."""
        while True:
            magic = self.source.take(4)
            if magic == ZSTD_MAGIC:
                frame, size = walk_frame(self.source.take, magic)
                self.decoded += size
                most = self.chosen.get("decoded-bytes", max(10 << 30, 100 * self.source.offset))
                require(self.decoded <= most, "limit.decoded-bytes", f"the tar has more than {most} bytes")
                chunk = decode_frame(frame, size)
                self._end_frame(size)
                return chunk
            require(magic != SEEK_MAGIC, "section.misplaced", "the seek table stands before the index")
            require(magic == SECTION_MAGIC, "frame.header", f"a frame begins with {magic.hex()}")
            kind, length = self._section_head(magic)
            if kind in (b"ENTR", b"INDX"):
                raise Refused("tar.end", f"section {kind!r} comes before the tar has ended")
            if kind == b"SCHM":
                require(between and self.decoded, "section.misplaced", "a late Schema stands within a member")
                self._late_schema(length)
            else:
                require(kind != b"MANI", "section.misplaced", "there is a second manifest")
                self._skip_section(kind, length)

    def _late_schema(self, length):
        require(self.awaited is None, "section.misplaced", f"Schema {self.awaited} does not precede its member")
        self._count_manifest(length - 40)
        self.schema_frames.append(len(self.seen))
        schema = decode(SCHEMA, self._section_body(b"SCHM", length), "manifest.protobuf")
        self.awaited = len(self.schemas)
        self.schemas.append(schema)
        require(len(self.schemas) <= self.limits["schemas"], "limit.schemas", f"there are {len(self.schemas)} Schemas")
        self.streams += schema.streams
        check_streams(self.streams, self.limits)
        self.stream_digests += [SHA256() for _ in schema.streams]

    # The tar

    def _pieces(self, count, between=False):
        while count:
            if not self.rest:
                self.rest = self._next_chunk(between)
                self.chunk_start = True
            piece, self.rest = self.rest[:count], self.rest[count:]
            count -= len(piece)
            yield piece
            between = self.chunk_start = False

    def _take(self, count, between=False):
        return b"".join(self._pieces(count, between))

    def read(self, see=None):
        """Reads everything; returns once the index has confirmed it."""
        members, paths, offset = [], PathTable(), 0
        while True:
            fresh = not self.rest
            first = True

            def take(count):
                nonlocal first
                between, first = first, False
                return self._take(count, between)

            found = read_header(take, self.limits)
            if found is None:
                alone = fresh and self.rest == bytes(512)
                require(alone, "tar.end", "zero blocks stand elsewhere than alone in the last frame")
                self.rest = b""
                require(self.awaited is None, "section.misplaced", f"Schema {self.awaited} does not precede its member")
                break
            entry, length = found
            entry.offset = offset
            require(len(members) < self.limits["entries"], "limit.entries", "there are too many entries")
            self._judge(entry, paths)
            self._content(entry, see)
            offset += length + entry.size + entry.padding()
            require(offset < 1 << 64, "index.pages", f"{entry.path!r} ends beyond what 64 bits can count")
            members.append(entry)
        self._tail()
        self._confirm(members)
        return self

    def _judge(self, entry, paths):
        paths.add(entry)
        if entry.kind not in USER_KINDS:
            name = entry.path.split("/")[2]
            names = [stream.name for stream in self.streams]
            entry.stream = names.index(name) if name in names else -1
            check_reserved(entry)
            declared = entry.kind == SCHEMA_MEMBER or entry.stream >= 0
            require(declared, "entries.reserved", f"{entry.path!r} is of a stream that was not declared")
        if self.awaited is not None:
            right = entry.kind == SCHEMA_MEMBER and entry.schema == self.awaited
            require(right, "section.misplaced", f"Schema {self.awaited} does not precede its member")
            self.awaited = None

    def _content(self, entry, see):
        digest, scanner = SHA256(), RecordScanner(self.limits["record-bytes"])
        for piece in self._pieces(entry.size):
            digest.update(piece)
            if entry.kind == BATCH:
                self.stream_digests[entry.stream].update(piece)
                scanner.feed(piece)
                if scanner.fault:
                    raise scanner.fault
            if see and entry.kind in (FILE, BATCH):
                see(entry, piece)
        require(not any(self._take(entry.padding())), "tar.padding", f"the padding of {entry.path!r} is not zero")
        if entry.kind == BATCH:
            scanner.finish(scanner.count)
            entry.records = scanner.count
        if entry.kind not in (DIRECTORY, SYMLINK):
            entry.digest = digest.digest()

    # What follows the tar

    def _tail(self):
        """Pages, index, seek table."""
        kind = None
        while kind != b"INDX":
            magic = self.source.take(4)
            require(magic != ZSTD_MAGIC, "tar.end", "a payload frame follows the end of the tar")
            require(magic != SEEK_MAGIC, "section.misplaced", "the seek table stands before the index")
            require(magic == SECTION_MAGIC, "frame.header", f"a frame begins with {magic.hex()}")
            self.index_offset = self.source.offset - 4
            kind, length = self._section_head(magic)
            require(kind in (b"ENTR", b"INDX"), "section.misplaced", f"section {kind!r} follows the end of the tar")
            if kind == b"ENTR":
                require(length - 40 <= largest_frame(MAX_CHUNK), "frame.size", "a page is too large")
                number = len(self.seen)
                body = self._section_body(kind, length)
                self.page_bytes += frame_header(body)[1]
                self._limit_index(0)
                self.kept[number] = magic + struct.pack("<I", length) + kind + bytes(4) + SHA256(body).digest() + body
        self._limit_index(length - 40)
        index = magic + struct.pack("<I", length) + kind + bytes(4) + self.source.take(length - 8)
        most = self.limits["frames"]
        require(len(self.seen) < most, "limit.frames", f"the archive has more than {most} frames")
        self.table_offset = self.source.offset
        size = self.table_offset + 8 * (len(self.seen) + 1) + 17
        self.limits["decoded-bytes"] = self.chosen.get("decoded-bytes", max(10 << 30, 100 * size))
        self._accept_index(index)
        # Nothing but the seek table may follow the index, so whatever stands there is compared with it.
        table = self.seek_table()
        right = self.source.take(len(table)) == table
        require(right, "seek-table.mismatch", "the seek table differs from the index")
        require(not self.source.file.read(1), "seek-table.footer", "something follows the seek table")

    def _limit_index(self, more):
        most = self.limits["index-bytes"]
        require(self.page_bytes + more <= most, "limit.index-bytes", f"index and pages have more than {most} bytes")

    # Confirmation: everything that went by is held against the index.

    def _confirm(self, members):
        index, frames = self.index, self.index.frames
        count = len(frames.stored_sizes)
        require(count == len(self.seen), "index.frame-gap", f"the index has {count} frames, not {len(self.seen)}")
        for number, (stored, decoded, digest) in enumerate(self.seen):
            stated = frames.stored_sizes[number], frames.decoded_sizes[number]
            require(stated == (stored, decoded), "frame.size", f"frame {number} has other sizes than the index says")
            right = frames.digests[32 * number : 32 * number + 32] == digest
            require(right, "frame.digest", f"frame {number} does not match its digest")
        require(index.manifest_digest == self.manifest_digest, "index.manifest", "the index is of another manifest")
        right = index.late_schema_frames == self.schema_frames
        require(right, "index.streams", "the index has other late Schemas")
        self._join_manifest()
        require(len(self.schemas) == index.schema_count, "index.streams", "the index has another number of Schemas")
        for number, schema in enumerate(self.schemas):
            pool = self.pools[number] = Pool(schema.descriptor_set)
            check_types(number, pool, schema.streams)
        entries = self.entries()
        require(len(entries) == len(members), "tar.header", f"the tar has {len(members)} members, not {len(entries)}")
        for entry, member in zip(entries, members):
            self._compare(entry, member)
        for stream, digest in zip(index.streams, self.stream_digests):
            right = digest.digest() == stream.digest
            require(right, "stream.digest", f"stream {stream.name!r} does not match its digest")
        require(self.content_digest(entries) == index.content_digest, "content.digest", "the content digest is another")

    def _compare(self, entry, member):
        right = (entry.kind, entry.header()) == (member.kind, member.header())
        require(right, "tar.header", f"the entry {entry.path!r} is not the member {member.path!r}")
        require(entry.digest == member.digest, "entry.digest", f"{entry.path!r} does not match its digest")
        require(entry.records == member.records, "record.count", f"{entry.path!r} has {member.records} records")

    def read_frame(self, number):
        return self.kept[number]  # pages only; `seen` has their digests, and was compared
