# SPDX-License-Identifier: Apache-2.0
"""Annotates the bytes of an archive: offset, length, bytes, what they are, and the section of FORMAT.md.

`conformance/run --explain ID` prints what `explain` returns. Broken archives are annotated as far as they make sense;
a line says where that ends and why. Without a zstd decoder, compressed blocks stay closed. It takes the folder
`reader`; where that is not there, `run` prints a plain dump.
"""

import struct
import sys
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "reader"))

import rosettar_reader as reader
import wire

WIDTH = 16  # bytes a row
SHOWN = 32  # bytes of a longer run of bytes that are shown
MOST_ROWS = 64  # of a seek table
MOST_NUMBERS = 24  # of a packed field


class Dump:
    """Rows of offset, bytes and meaning, as FORMAT.md has them."""

    def __init__(self):
        self.rows = []

    def add(self, offset, data, meaning, shown=SHOWN, spec=""):
        for number, (where, text) in enumerate(self._pieces(offset, data, shown)):
            self.rows.append(f"    {where}  {text:<50} {meaning if number == 0 else ''}".rstrip())

    def _pieces(self, offset, data, shown):
        cut = data[:shown]
        pieces = [cut[at : at + WIDTH] for at in range(0, len(cut), WIDTH)] or [b""]
        for number, piece in enumerate(pieces):
            text = piece.hex(" ").upper()
            if number == len(pieces) - 1 and len(data) > shown:
                text += " …"
            yield f"{offset + number * WIDTH:08}", text

    def heading(self, text, spec=""):
        self.rows += ["", f"    {text}"]

    def text(self):
        return "\n".join(self.rows).strip("\n")


class Map(Dump):
    """The same with lengths and sections of FORMAT.md; `mark` says what an offset is one of."""

    mark = " "

    def add(self, offset, data, meaning, shown=SHOWN, spec="", mark=None):
        mark = mark or self.mark
        for number, (where, text) in enumerate(self._pieces(offset, data, shown)):
            size, told = (len(data), meaning) if number == 0 else ("", "")
            reference = f"  [{spec}]" if spec and number == 0 else ""
            self.rows.append(f"{mark}{where} {size:>7}  {text:<50} {told}{reference}".rstrip())

    def heading(self, text, spec=""):
        self.rows += ["", f"{text}" + (f"  [{spec}]" if spec else "")]

    def note(self, text):
        self.rows.append(f"{'':18} ! {text}")


# ---------------------------------------------------------------------------------------------------------------------
# Protobuf
# ---------------------------------------------------------------------------------------------------------------------


def fields(dump, offset, body, shape, depth=0, spec=""):
    """Adds the fields of a serialized message; messages in it follow, indented. Returns what is wrong, if anything."""
    at, indent = 0, "  " * depth
    while at < len(body):
        start = at
        try:
            tag, at = wire.varint(body, at)
            name, kind = shape.get(tag >> 3, (f"unknown field {tag >> 3}", None))
            kind = kind[0] if isinstance(kind, list) else kind
            if tag & 7 == 0:
                value, at = wire.varint(body, at)
                value = wire.SCALARS[kind](value) if isinstance(kind, str) and kind in wire.SCALARS else value
                dump.add(offset + start, body[start:at], f"{indent}{name}: {value}", spec=spec)
                continue
            if tag & 7 in (1, 5):
                at += 8 if tag & 7 == 1 else 4
                dump.add(offset + start, body[start:at], f"{indent}{name}: {at - start - 1} bytes", spec=spec)
                continue
            if tag & 7 != 2:
                raise wire.Undecodable(f"field {tag >> 3} has the wire type {tag & 7}")
            length, at = wire.varint(body, at)
            value = body[at : at + length]
            if len(value) < length:
                raise wire.Undecodable(f"{name} should have {length} bytes, and {len(value)} are left")
            if isinstance(kind, dict):
                dump.add(offset + start, body[start:at], f"{indent}{name}, {length} bytes:", spec=spec)
                problem = fields(dump, offset + at, value, kind, depth + 1)
                if problem:
                    return problem
            else:
                dump.add(
                    offset + start, body[start : at + length], f"{indent}{name}: {meaning(kind, value)}", spec=spec
                )
            at += length
        except wire.Undecodable as error:
            dump.add(offset + start, body[start:], f"{indent}does not decode: {error}")
            return str(error)
    return ""


def meaning(kind, value):
    if kind == "string":
        return f'"{value.decode(errors="backslashreplace")}"'
    if kind == "bytes" or kind is None:
        return f"{len(value)} bytes"
    numbers, at = [], 0
    while at < len(value):
        number, at = wire.varint(value, at)
        numbers.append(wire.SCALARS[kind](number))
    more = f" and {len(numbers) - MOST_NUMBERS} more" if len(numbers) > MOST_NUMBERS else ""
    return ", ".join(str(number) for number in numbers[:MOST_NUMBERS]) + more


# ---------------------------------------------------------------------------------------------------------------------
# A whole file
# ---------------------------------------------------------------------------------------------------------------------

SHAPES = {b"MANI": (wire.MANIFEST, "4"), b"SCHM": (wire.SCHEMA, "4.2"), b"INDX": (wire.INDEX, "8")}


class Stop(Exception):
    """The next frame cannot be told from here on."""


class Walk:
    """The frames of a file in order; the tar is put together on the way."""

    def __init__(self, data):
        self.data, self.map, self.at, self.number = data, Map(), 0, 0
        self.tar = Tar(self.map)
        self.index = None  # the bytes of INDX, once met

    def run(self):
        try:
            self.first_bytes()
            while self.at < len(self.data):
                self.frame()
        except Stop as stop:
            left = len(self.data) - self.at
            self.map.heading(f"from {self.at} on, {left} bytes: {stop}")
            self.map.add(self.at, self.data[self.at :], "not annotated in order")
            self.from_the_end()
        return self.map.text()

    def row(self, length, told, spec="", shown=SHOWN):
        piece = self.data[self.at : self.at + length]
        self.map.add(self.at, piece, told, shown, spec)
        self.at += len(piece)
        if len(piece) < length:
            raise Stop(f"the file ends; {length - len(piece)} bytes are missing")
        return piece

    def compare(self, right, told, spec):
        piece = self.data[self.at : self.at + len(right)]
        wrong = "" if piece == right else f" - WRONG, must be {right.hex(' ').upper()}"
        self.row(len(right), told + wrong, spec)

    def first_bytes(self):
        self.map.heading("frame 0: an empty zstd frame", "3.1")
        self.compare(reader.EMPTY_FRAME, "decodes to nothing", "3.1")
        self.map.heading("frame 1: the header", "3.1")
        self.compare(reader.HEADER_START[:8], "skippable frame of 12 bytes", "3.1")
        self.compare(reader.HEADER_START[8:], '"ROSETTAR"', "3.1")
        self.row(1, f"major version {self.data[25:26].hex() or '?'}", "3.1")
        self.row(1, f"minor version {self.data[26:27].hex() or '?'}", "3.1")
        self.compare(bytes(2), "reserved", "3.1")
        self.number = 2

    def frame(self):
        magic = self.data[self.at : self.at + 4]
        if magic == reader.ZSTD_MAGIC:
            self.payload_frame()
        elif magic == reader.SECTION_MAGIC:
            self.section()
        elif magic == reader.SEEK_MAGIC:
            self.seek_table()
        elif len(magic) == 4 and magic[1:] == reader.SECTION_MAGIC[1:] and magic[0] & 0xF0 == 0x50:
            self.map.heading(f"frame {self.number}: a skippable frame that no archive has", "3.3")
            length = struct.unpack("<I", self.row(8, "magic number, length")[4:])[0]
            self.row(length, f"{length} bytes")
        else:
            raise Stop("no frame begins like this")
        self.number += 1

    # Payload

    def payload_frame(self):
        start = self.at
        self.map.heading(f"frame {self.number}: payload, from tar offset {self.tar.offset}", "3.2")
        self.row(4, "magic number of a zstd frame", "3.2")
        descriptor = self.row(1, "descriptor: " + descriptor_text(self.data[self.at : self.at + 1]), "3.2")[0]
        single = descriptor & 0x20
        if not single:
            byte = self.data[self.at] if self.at < len(self.data) else 0
            base = 1 << (10 + (byte >> 3))
            self.row(1, f"window of {base + base // 8 * (byte & 7)} bytes", "3.2")
        if descriptor & 3:
            self.row((0, 1, 2, 4)[descriptor & 3], "dictionary - WRONG, there must be none", "3.2")
        width, size = (1 if single else 0, 2, 4, 8)[descriptor >> 6], None
        if width:
            field = self.data[self.at : self.at + width]
            size = int.from_bytes(field, "little") + (256 if width == 2 else 0)
            self.row(width, f"content size {size}", "3.2")
        else:
            self.map.note("the frame states no content size, which it must")
        content = self.blocks()
        if descriptor & 4:
            self.row(4, "checksum (XXH64, the lower half)", "3.2")
        else:
            self.map.note("there is no checksum, which there must be")
        frame = self.data[start : self.at]
        if size is not None:
            try:
                content = reader.decode_frame(frame, size)
            except reader.Refused as error:
                self.map.note(f"{error.code}: {error.message}")
            except OSError:
                pass  # no zstd decoder; raw and RLE blocks were put together all the same
        if content is None:
            raise Stop("what is in this frame could not be decoded, so tar offsets are unknown")
        self.map.rows.append(f"{'':18} {len(frame)} bytes stored, {len(content)} decoded:")
        self.tar.feed(content)

    def blocks(self):
        """Annotates blocks; returns what they hold where all are raw or RLE, else None."""
        content, last = b"", False
        while not last:
            head = int.from_bytes(self.data[self.at : self.at + 3], "little")
            last, kind, size = head & 1, head >> 1 & 3, head >> 3
            name = ("raw", "RLE", "compressed", "reserved type - WRONG")[kind]
            self.row(3, f"{'last ' if last else ''}block, {name}, {size} bytes", "3.2")
            if kind == 3:
                raise Stop("a block of the reserved type has no end")
            body = self.row(1 if kind == 1 else size, "its content", shown=WIDTH)
            if kind == 2:
                content = None
            elif content is not None:
                content += body if kind == 0 else body * min(size, reader.MAX_CHUNK)
        return content

    # Sections

    def section(self):
        length, kind = struct.unpack("<I", self.data[self.at + 4 : self.at + 8].ljust(4, b"\0"))[0], self.kind()
        shape, spec = SHAPES.get(kind, (None, "7" if kind == b"ENTR" else "3.3"))
        self.map.heading(f"frame {self.number}: section {kind.decode('ascii', 'backslashreplace')}", spec)
        self.row(8, f"skippable frame of {length} bytes", "3.3")
        end = self.at + length
        self.row(4, f"kind {kind.decode('ascii', 'backslashreplace')}", "3.3")
        self.compare(bytes(4), "reserved", "3.3")
        digest, body = self.data[self.at : self.at + 32], self.data[self.at + 32 : end]
        right = sha256(body).digest() == digest
        self.row(32, "SHA-256 of the body" + ("" if right else f" - WRONG, it is {sha256(body).hexdigest()}"), "3.3")
        if kind == b"INDX":
            self.index = body
        if kind == b"ENTR":
            self.page(body)
        elif shape:
            fields(self.map, self.at, body, shape)
        else:
            self.map.add(self.at, body, f"body, {len(body)} bytes")
        if end > len(self.data):
            self.at = len(self.data)
            raise Stop(f"the section should have {end - len(self.data)} bytes more")
        self.at = end

    def kind(self):
        return self.data[self.at + 8 : self.at + 12]

    def page(self, body):
        self.map.add(self.at, body, "body: a zstd frame", spec="7")
        try:
            size = reader.frame_header(body)[1]
            content = reader.decode_frame(body, size)
        except reader.Refused as error:
            self.map.note(f"{error.code}: {error.message}")
            return
        except OSError as error:
            self.map.note(str(error))
            return
        self.map.rows.append(f"{'':18} the page it decodes to, {len(content)} bytes:")
        self.map.mark = "p"
        fields(self.map, 0, content, wire.ENTRY_PAGE, 1)
        self.map.mark = " "

    # The end

    def seek_table(self):
        length = struct.unpack("<I", self.data[self.at + 4 : self.at + 8].ljust(4, b"\0"))[0]
        rows = max(0, min((length - 9) // 8, (len(self.data) - self.at - 17) // 8))
        self.map.heading("seek table", "9")
        self.row(8, f"skippable frame of {length} bytes, which makes {(length - 9) / 8:g} rows", "9")
        for row in range(min(rows, MOST_ROWS)):
            stored, decoded = struct.unpack_from("<II", self.data, self.at)
            self.row(8, f"frame {row}: {stored} stored, {decoded} decoded", "9")
        if rows > MOST_ROWS:
            self.row(8 * (rows - MOST_ROWS), f"{rows - MOST_ROWS} more rows", "9")
        count = self.data[self.at : self.at + 4]
        self.row(4, f"{int.from_bytes(count, 'little')} frames", "9")
        self.compare(b"\0", "no checksums", "9")
        self.compare(reader.SEEK_FOOTER_MAGIC, "magic number", "9")
        if self.at < len(self.data):
            raise Stop("something follows the seek table")

    def from_the_end(self):
        """Where the frames could not be followed, the last ones can be found as an indexed reader does."""
        data = self.data
        if self.index is not None or data[-5:] != b"\0" + reader.SEEK_FOOTER_MAGIC:
            return
        table = len(data) - 8 * struct.unpack("<I", data[-9:-5])[0] - 17
        index = table - struct.unpack("<I", data[-17:-13])[0] if table >= 0 else -1
        if not self.at <= index < table:
            return
        self.map.heading("found from the end of the file:")
        self.at, self.number = index, "before the last"
        try:
            if data[index : index + 4] == reader.SECTION_MAGIC:
                self.section()
            self.at = table
            self.seek_table()
        except Stop as stop:
            self.map.note(str(stop))


def descriptor_text(byte):
    if not byte:
        return "missing"
    value, told = byte[0], []
    told.append("single segment" if value & 0x20 else "with a window")
    told.append("checksum" if value & 4 else "no checksum - WRONG")
    if value & 8:
        told.append("reserved bit - WRONG")
    if value & 3:
        told.append("dictionary - WRONG")
    return ", ".join(told)


class Tar:
    """Annotates the tar, which comes in chunks; its rows have offsets in the tar, marked with a `t`."""

    def __init__(self, rows):
        self.map, self.offset = rows, 0
        self.pending, self.left, self.padding, self.sense = b"", 0, 0, True
        self.name, self.pax = "", {}

    def feed(self, content):
        at = 0
        while at < len(content):
            if not self.sense:
                self._row(content[at:], "…", "")
                break
            if self.left:
                piece = content[at : at + self.left]
                self._row(
                    piece, f"content of {self.name}" if len(piece) == self.left else f"a part of {self.name}", "5"
                )
                self.left -= len(piece)
                at += len(piece)
            elif self.padding:
                piece = content[at : at + self.padding]
                self._row(piece, "padding" + (" - WRONG, not zero" if any(piece) else ""), "5")
                self.padding -= len(piece)
                at += len(piece)
            else:
                piece = content[at : at + 512 - len(self.pending)]
                self.pending += piece
                at += len(piece)
                if len(self.pending) == 512:
                    block, self.pending = self.pending, b""
                    self._block(block)
                else:
                    self._row(piece, "a part of a header", "5.2")

    def _row(self, data, told, spec, shown=WIDTH):
        self.map.add(self.offset, data, told, shown, spec, mark="t")
        self.offset += len(data)

    def _block(self, block):
        if not any(block):
            self._row(block, "zero block", "5")
            return
        name, size = text_of(block[0:100]), number_of(block[124:136])
        right = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 256) == block[148:156]
        checksum = "" if right else ", checksum - WRONG"
        kind = block[156:157].decode("ascii", "backslashreplace")
        if size is None:
            self._row(block, f"header without a size{checksum}", "5.2")
            self.map.note("this is no tar header, so the rest of the tar is not annotated")
            self.sense = False
            return
        facts = f"mode {text_of(block[100:108])}, size {size}, mtime {text_of(block[136:148])}{checksum}"
        if kind == "x":
            self._row(block, f"PAX header, {facts}", "5.3")
            self.name = "the PAX header"
        else:
            target = text_of(block[157:257])
            what = f"header of {name}" + (f" -> {target}" if target else "")
            self._row(block, f"{what}: type {kind}, {facts}", "5.2")
            self.name = name
        self.left, self.padding = size, -size % 512


def text_of(field):
    return field.split(b"\0")[0].decode("utf-8", "backslashreplace")


def number_of(field):
    try:
        return int(field.split(b"\0")[0], 8)
    except ValueError:
        return None


# ---------------------------------------------------------------------------------------------------------------------
# A vector
# ---------------------------------------------------------------------------------------------------------------------


def expectation(vector):
    lines = [f"{vector['id']}: level {vector.get('level', '?')}, FORMAT.md, section {vector.get('spec', '?')}"]
    lines.append(f"why:       {vector.get('why', '')}")
    if vector.get("limits"):
        lines.append("limits:    " + ", ".join(f"{name}={value}" for name, value in vector["limits"].items()))
    if vector.get("code"):
        lines.append(f"expected:  refused with {vector['code']} ({vector.get('kind', vector['expect'])})")
    else:
        counts = f"{len(vector['entries'])} entries, {len(vector['streams'])} streams"
        lines.append(f"expected:  accepted, with {counts}, root digest {vector.get('root')}")
    if "streamed" in vector:
        lines.append(f"by a pipe: {vector['streamed'].get('code') or vector['streamed'].get('expect')}")
    if "recovered" in vector:
        kept = vector["recovered"]
        told = kept.get("code") or (
            f"entries {', '.join(kept.get('entries', [])) or 'none'}; records {kept.get('records', {})}; "
            + ("nothing is lost" if kept.get("whole") else "something is lost")
        )
        lines.append(f"recovered: {told}")
    if vector.get("extract"):
        lines.append(f"extracted: {vector['extract'].get('code')}")
    return lines


def verdict(path, limits):
    """What the Python reader says, which may help to find the fault."""
    if not reader.zstd:
        return "the Python reader was not asked: neither compression.zstd nor backports.zstd is there"
    try:
        with open(path, "rb") as file:
            reader.Archive(file, limits).verify()
    except reader.Refused as error:
        return f"the Python reader refuses it with {error.code}: {error.message}"
    return "the Python reader accepts it"


def explain(path, vector=None):
    """The text for a file, or for the vector that it belongs to."""
    path = Path(path)
    data = path.read_bytes()
    lines = expectation(vector) if vector else [str(path)]
    lines.append(f"{path.name}, {len(data)} bytes; {verdict(path, vector.get('limits', {}) if vector else {})}")
    lines.append("")
    lines.append(f"   offset  length  {'bytes':<50} what  [section of FORMAT.md]; offsets: t in the tar, p in a page")
    return "\n".join(lines) + "\n" + Walk(data).run()
