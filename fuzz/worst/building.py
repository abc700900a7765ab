# SPDX-License-Identifier: Apache-2.0
"""What the worst archives are built of: descriptor sets, frames that decode to much, archives, C1Z databases.

Over conformance/writer.py, whose frames hold raw blocks; here libzstd compresses, as archives of 1 MiB need it.
"""

import os
import sqlite3
import struct
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "conformance"))

import writer
from writer import Archive, Chunk, Frame, Member, element, field, repeated, varint

try:
    from compression import zstd
except ImportError:
    from backports import zstd

MIB = 1 << 20
FRAME_BYTES = 8 * MIB  # what a frame of ours may decode to
BLOCK_BYTES = 128 << 10  # what a zstd block may decode to

# ---------------------------------------------------------------------------------------------------------------------
# Descriptor sets
# ---------------------------------------------------------------------------------------------------------------------

# Types and labels of fields, as in descriptor.proto.
DOUBLE, INT64, INT32, BOOL, STRING, MESSAGE, BYTES, ENUM = 1, 3, 5, 8, 9, 11, 12, 14
OPTIONAL, REQUIRED, REPEATED = 1, 2, 3


def field_type(name: str, number: int, kind: int, label: int = OPTIONAL, of: str = "", more: bytes = b"") -> bytes:
    """A FieldDescriptorProto; `of` is the full name of a message or an enum, `more` further fields."""
    return field(1, name) + field(3, number) + field(4, label) + field(5, kind) + field(6, of and "." + of) + more


def message_type(name: str, fields: Iterable[bytes], more: bytes = b"") -> bytes:
    """A DescriptorProto."""
    return field(1, name) + repeated(2, fields) + more


def map_type(name: str, value: bytes) -> bytes:
    """A nested type for the entries of a map from strings, as a field of a DescriptorProto; `value` is its field 2."""
    return element(3, message_type(name, [field_type("key", 1, STRING), value], more=element(7, field(7, 1))))


def enum_type(name: str, values: Iterable[tuple[str, int]]) -> bytes:
    """An EnumDescriptorProto."""
    return field(1, name) + repeated(2, [field(1, text) + field(2, number) for text, number in values])


def proto_file(
    path: str,
    package: str,
    messages: Iterable[bytes],
    enums: Iterable[bytes] = (),
    imports: Iterable[str] = (),
    syntax: str = "proto3",
) -> bytes:
    """A FileDescriptorProto."""
    return (
        field(1, path)
        + field(2, package)
        + repeated(3, imports)
        + repeated(4, messages)
        + repeated(5, enums)
        + field(12, syntax)
    )


def many_fields(count: int, kind: int, of: str = "") -> list[bytes]:
    """So many fields with short names, past the numbers that protobuf keeps for itself."""
    numbers = (number if number < 19_000 else number + 2_000 for number in range(1, count + 1))
    return [field_type(f"f{number:x}", number, kind, of=of) for number in numbers]


def long_package() -> str:
    """The longest name of a package that is accepted: 8 KiB."""
    return ".".join(["p" * 255] * 31)


# ---------------------------------------------------------------------------------------------------------------------
# Frames
# ---------------------------------------------------------------------------------------------------------------------


def compressed(data: bytes) -> bytes:
    """A frame as `writer.zstd_frame` makes it, but compressed. Long data gets less effort: it is the same all over."""
    parameter = zstd.CompressionParameter
    settings = {
        parameter.compression_level: 19 if len(data) < 2 * MIB else 9,
        parameter.window_log: 23,
        parameter.content_size_flag: 1,
        parameter.checksum_flag: 1,
    }
    compressor = zstd.ZstdCompressor(options=settings)
    compressor.set_pledged_input_size(len(data))
    return compressor.compress(data, compressor.FLUSH_FRAME)


def zero_blocks(size: int) -> bytes:
    """Blocks of four bytes, each of which decodes to 128 KiB of zeros."""
    sizes = [min(BLOCK_BYTES, size - at) for at in range(0, size, BLOCK_BYTES)]
    return b"".join(
        writer.block(writer.RLE, b"\0", size=size, last=number + 1 == len(sizes)) for number, size in enumerate(sizes)
    )


@cache
def zeros(size: int) -> Frame:
    """A frame of zeros."""
    checksum = compressed(bytes(size))[-4:]
    return Frame(writer.zstd_frame(b"", blocks=zero_blocks(size), checksum=checksum, size=size, width=4), size)


def frames_of_zeros(size: int) -> list[Frame]:
    """As few frames as may be."""
    whole, rest = divmod(size, FRAME_BYTES)
    return [zeros(FRAME_BYTES)] * whole + ([zeros(rest)] if rest else [])


# ---------------------------------------------------------------------------------------------------------------------
# Archives
# ---------------------------------------------------------------------------------------------------------------------


def split(parts: Sequence[object]) -> list[object]:
    """Chunks of what a frame may decode to."""
    out: list[object] = []
    for part in parts:
        if isinstance(part, Chunk) and len(part.data) > FRAME_BYTES:
            out += [Chunk(part.data[at : at + FRAME_BYTES]) for at in range(0, len(part.data), FRAME_BYTES)]
        else:
            out.append(part)
    return out


def new_archive() -> Archive:
    return Archive(compress=compressed).on("parts", split)


def one_batch(descriptors: bytes, type_name: str, content: bytes, count: int) -> bytes:
    """An archive of one stream `g` with one batch."""
    archive = new_archive().schema(descriptors, ("g", type_name, 0))
    return archive.batch("g", content=content, count=count).build()


def one_record(descriptors: bytes, type_name: str, record: bytes) -> bytes:
    return one_batch(descriptors, type_name, varint(len(record)) + record, 1)


class Listed(Member):
    """An entry whose header nobody reads; its length is right."""

    def header(self) -> bytes:
        return bytes(512 if len(self.path) <= 100 else 3 * 512 if len(self.path) < 500 else 4 * 512)


def listed_only(members: list[Member]) -> bytes:
    """An archive whose members are right in the entry table; in place of the tar are zeros, which no list reads."""
    archive = Archive(compress=compressed, items=members)
    size = 0

    def keep_the_ends(parts: list[Chunk]) -> list[Chunk]:
        nonlocal size
        size = sum(len(part.data) for part in parts[1:-1])
        return [parts[0], parts[-1]]

    archive.on("parts", keep_the_ends)
    archive.on("frames", lambda frames: frames[:-1] + frames_of_zeros(size) + frames[-1:])
    return archive.build()


# ---------------------------------------------------------------------------------------------------------------------
# C1Z, version 1: a SQLite database in a zstd frame
# ---------------------------------------------------------------------------------------------------------------------


def database(page_size: int, *steps: Callable[[sqlite3.Connection], object]) -> bytes:
    """The bytes of a database after these steps."""
    handle, path = tempfile.mkstemp(suffix=".db")
    os.close(handle)
    try:
        connection = sqlite3.connect(path)
        connection.execute(f"pragma page_size={page_size}")
        for step in steps:
            step(connection)
        connection.commit()
        connection.close()
        return Path(path).read_bytes()
    finally:
        os.unlink(path)


def c1z(content: bytes) -> bytes:
    return b"C1ZF\0" + compressed(content)


def sqlite_varint(value: int) -> bytes:
    """An integer as SQLite has it: the most significant seven bits first."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def read_sqlite_varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer at an offset, and the offset after it."""
    value = 0
    while True:
        value, at = value << 7 | data[at] & 0x7F, at + 1
        if data[at - 1] < 0x80:
            return value, at


def share_the_pages(data: bytes, page_size: int, leaves: int) -> bytes:
    """Has the table whose root is page 2, and whose only row is long, hold that row as often as leaves have room.

    All those rows have the same overflow pages. `page_size` is 65 536.
    """
    page = data[page_size : 2 * page_size]
    cell = struct.unpack_from(">H", page, 8)[0]
    length, at = read_sqlite_varint(page, cell)
    _, at = read_sqlite_varint(page, at)
    # How much of a row is in the leaf itself, as SQLite's file format says it.
    least = (page_size - 12) * 32 // 255 - 23
    local = least + (length - least) % (page_size - 4)
    local = local if local <= page_size - 35 else least
    row = page[at : at + local + 4]
    each = min(1_000, (page_size - 100) // (len(row) + 8))

    first_leaf = len(data) // page_size
    out, root, root_end, places = bytearray(data), bytearray(page_size), page_size, []
    for leaf in range(leaves):
        body, end, cells = bytearray(page_size), page_size, []
        for key in range(leaf * each + 1, leaf * each + each + 1):
            stored = sqlite_varint(length) + sqlite_varint(key) + row
            end -= len(stored)
            body[end : end + len(stored)] = stored
            cells.append(end)
        body[0:8] = struct.pack(">BHHHB", 13, 0, each, end & 0xFFFF, 0)
        struct.pack_into(f">{each}H", body, 8, *cells)
        out += body
        if leaf + 1 < leaves:
            stored = struct.pack(">I", first_leaf + leaf + 1) + sqlite_varint(leaf * each + each)
            root_end -= len(stored)
            root[root_end : root_end + len(stored)] = stored
            places.append(root_end)
    root[0:12] = struct.pack(">BHHHBI", 5, 0, len(places), root_end & 0xFFFF, 0, first_leaf + leaves)
    struct.pack_into(f">{len(places)}H", root, 12, *places)
    out[page_size : 2 * page_size] = root
    out[28:32] = struct.pack(">I", len(out) // page_size)
    return bytes(out)
