#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the annotated dumps of FORMAT.md from the vectors: `dumps.py` compares, `dumps.py --write` replaces them.

A dump stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

import re
import struct
import sys
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER / "reader"))

import rosettar_reader as reader  # noqa: E402
from explain import WIDTH, Dump, fields  # noqa: E402

SPEC = FOLDER.parent / "spec" / "FORMAT.md"


def section(dump, offset, frame, shape):
    kind, body = frame[8:12].decode(), frame[48:]
    dump.heading(f"section {kind}")
    dump.add(offset, frame[:8], f"skippable frame of {len(frame) - 8} bytes")
    dump.add(offset + 8, frame[8:16], f"kind {kind}, reserved")
    dump.add(offset + 16, frame[16:48], "SHA-256 of the body")
    if kind == "ENTR":
        dump.add(offset + 48, body, "body: a zstd frame")
        content = reader.decode_frame(body, reader.frame_header(body)[1])
        dump.heading("the page it decodes to")
        fields(dump, 0, content, reader.ENTRY_PAGE)
    else:
        fields(dump, offset + 48, body, shape)


def members(archive, start, end):
    """What of the tar lies in a chunk, in words."""
    found = []
    for entry in archive.entries():
        header_end = entry.offset + len(entry.header())
        content_end = header_end + entry.size
        if entry.offset < end and header_end > start:
            found.append(f"header of {entry.path}")
        if entry.size and header_end < end and content_end > start:
            found.append("its content" if found else f"content of {entry.path}")
    return ", ".join(found) or "two zero blocks"


def dump_archive(path):
    dump = Dump()
    with open(path, "rb") as file:
        archive = reader.Archive(file)
        archive.verify()
        file.seek(0)
        data = file.read()
    offsets = archive.frame_offsets
    dump.rows.append("    first frames")
    dump.add(0, data[:9], "an empty zstd frame")
    dump.add(9, data[9:17], "skippable frame of 12 bytes")
    dump.add(17, data[17:25], '"ROSETTAR"')
    dump.add(25, data[25:29], "version 1.0, reserved")
    section(dump, offsets[2], data[offsets[2] : offsets[3]], reader.MANIFEST)
    for number in range(3, archive.first_page):
        offset, frame = offsets[number], data[offsets[number] : offsets[number + 1]]
        start, end = archive.chunk_offsets[number : number + 2]
        dump.heading(f"payload frame: tar bytes {start} to {end - 1}: {members(archive, start, end)}")
        dump.add(offset, frame, f"{len(frame)} bytes stored, {end - start} decoded")
    for number in range(archive.first_page, len(offsets) - 1):
        section(dump, offsets[number], data[offsets[number] : offsets[number + 1]], None)
    section(dump, archive.index_offset, data[archive.index_offset : archive.table_offset], reader.INDEX)
    table, at = data[archive.table_offset :], archive.table_offset
    dump.heading("seek table")
    dump.add(at, table[:8], f"skippable frame of {len(table) - 8} bytes")
    for row in range(8, len(table) - 9, 8):
        stored, decoded = struct.unpack_from("<II", table, row)
        dump.add(at + row, table[row : row + 8], f"frame {row // 8 - 1}: {stored} stored, {decoded} decoded")
    dump.add(at + len(table) - 9, table[-9:], f"{len(table) // 8 - 2} frames, no checksums, magic number")
    root, content = archive.root.hex(), archive.index.content_digest.hex()
    facts = f"{len(data)} bytes. Root digest\n`{root}`,\ncontent digest\n`{content}`."
    return f"[`{path.name}`](../conformance/vectors/{path.name}), {facts}\n\n{dump.text()}"


def dump_header(path):
    """The header of the first file of a vector."""
    with open(path, "rb") as file:
        entry = next(entry for entry in reader.Archive(file).entries() if entry.kind == reader.FILE)
    dump, block = Dump(), entry.header()
    for start, end, name in (
        (0, 100, "name"),
        (100, 108, "mode"),
        (108, 116, "uid"),
        (116, 124, "gid"),
        (124, 136, "size"),
        (136, 148, "mtime"),
        (148, 156, "checksum"),
        (156, 157, "type"),
        (157, 257, "linkname"),
        (257, 265, "magic"),
        (265, 329, "uname, gname"),
        (329, 345, "devmajor, devminor"),
        (345, 512, "prefix, padding"),
    ):
        field = block[start:end]
        value = " ".join(field.replace(b"\0", b" ").decode().split()) or "zero bytes"
        dump.add(start, field, f"{name}: {value}", WIDTH)
    facts = f"mode {entry.mode:04o}, {entry.size} bytes, modified {entry.mtime} seconds after 1970"
    digest = sha256(block).hexdigest()
    return f"The file `{entry.path}`, {facts}; the SHA-256 of the block is\n`{digest}`.\n\n{dump.text()}"


def dump_content_digest(path):
    """What the content digest of a vector is the SHA-256 of."""
    with open(path, "rb") as file:
        archive = reader.Archive(file)
        entries = [entry for entry in archive.entries() if entry.kind in reader.USER_KINDS]
    dump, message = Dump(), b""

    def add(data, meaning):
        nonlocal message
        dump.add(len(message), data, meaning)
        message += data

    add(b"rosettar.content.v1\n", "the context, with its line feed")
    add(struct.pack("<I", len(entries)), "user entries")
    for entry in sorted(entries, key=lambda entry: entry.path.encode()):
        add(reader.lp(entry.path.encode()), f"path {entry.path}")
        add(struct.pack("<B", entry.kind), "kind: file")
        add(struct.pack("<H", entry.mode), f"mode {entry.mode:04o}")
        add(struct.pack("<Q", entry.size), f"{entry.size} bytes")
        add(reader.lp(b""), "no target")
        add(entry.digest, "SHA-256 of the content")
    add(struct.pack("<I", len(archive.index.streams)), "streams")
    for stream in archive.index.streams:
        add(reader.lp(stream.name.encode()), f"name {stream.name}")
        add(reader.lp(stream.type.encode()), f"type {stream.type}")
        add(struct.pack("<Q", stream.record_count), "records")
        add(stream.digest, "SHA-256 of the batches")
    add(struct.pack("<I", len(archive.attributes)), "attributes")
    for key, value in archive.attributes.items():
        add(reader.lp(key.encode()), f"key {key}")
        add(reader.lp(value.encode()), f"value {value}")
    add(struct.pack("<I", len(archive.annotations)), "annotations")
    digest = sha256(message).hexdigest()
    assert digest == archive.index.content_digest.hex()
    about = f"The archive of section 15.2 has the content digest\n`{digest}`, of these {len(message)} bytes:"
    return f"{about}\n\n{dump.text()}"


def generated():
    vectors = FOLDER / "vectors"
    return {
        "header": dump_header(vectors / "file-and-record.rtar"),
        "content-digest": dump_content_digest(vectors / "file-and-record.rtar"),
        "empty": dump_archive(vectors / "empty.rtar"),
        "file-and-record": dump_archive(vectors / "file-and-record.rtar"),
    }


def with_dumps(spec):
    """The specification with every dump as it must be."""
    for name, dump in generated().items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
        spec, found = re.subn(pattern, lambda match: f"{match[1]}{dump}\n{match[2]}", spec, flags=re.S)  # noqa: B023
        if found != 1:
            raise SystemExit(f"FORMAT.md has {found} places for the dump {name}: expected one")
    return spec


def main():
    spec = SPEC.read_text(encoding="utf-8")
    expected = with_dumps(spec)
    if "--write" in sys.argv[1:]:
        SPEC.write_text(expected, encoding="utf-8")
    elif spec != expected:
        raise SystemExit("the dumps of FORMAT.md are not those of the vectors: run conformance/dumps.py --write")


if __name__ == "__main__":
    main()
