#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the C1Z vectors, the same bytes every time: python conformance/c1z/generate.py

Written from spec/C1Z.md alone. Frames hold raw blocks, so that everything can be read in a hex dump; where a vector has
a fault, everything else about it is right.
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# The checksum is the reader's; test_c1z.py holds it against known values.
from c1z_reader import xxh64  # noqa: E402

VECTORS = HERE / "vectors"
KINDS = {
    "envelope.unknown-magic": "malformed",
    "envelope.truncated": "malformed",
    "limit.manifest-bytes": "limit",
    "limit.decoded-bytes": "limit",
    "frame.header": "malformed",
    "frame.decode": "malformed",
    "frame.size": "malformed",
    "c1z.window": "limit",
    "c1z.trailing": "malformed",
    "c1z.manifest": "malformed",
    "c1z.engine": "malformed",
    "c1z.encoding": "unsupported",
    "c1z.index": "malformed",
    "c1z.index-checksum": "integrity",
    "c1z.manifest-checksum": "integrity",
    "c1z.content-checksum": "integrity",
    "c1z.tar": "malformed",
    "c1z.tar-kind": "unsupported",
    "c1z.database": "malformed",
    "entry.digest": "integrity",
    "tar.padding": "integrity",
    "path.invalid": "malformed",
    "path.duplicate": "malformed",
    "path.parent": "malformed",
    "schema.closure": "schema",
    "schema.cycle": "schema",
    "schema.order": "schema",
}


# --- building blocks -------------------------------------------------------------------------------------------------


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def length(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def fixed(field, value):
    return varint(field << 3 | 1) + struct.pack("<Q", value)


def frame(content, *, checksum=True, window=0x58, size=True, wrong_size=0, flip=0):
    """A zstd frame of raw blocks: with its content size in eight bytes, or with a window and without it."""
    descriptor = (0xE0 if size else 0) | (4 if checksum else 0)
    out = b"\x28\xb5\x2f\xfd" + bytes([descriptor])
    out += struct.pack("<Q", len(content) + wrong_size) if size else bytes([window])
    pieces = [content[at : at + 65536] for at in range(0, len(content), 65536)] or [b""]
    for at, piece in enumerate(pieces):
        out += struct.pack("<I", len(piece) << 3 | (at == len(pieces) - 1))[:3] + piece
    return out + (struct.pack("<I", xxh64(content) & 0xFFFFFFFF ^ flip) if checksum else b"")


def file_descriptor(path, *imports):
    return length(1, path.encode()) + b"".join(length(3, name.encode()) for name in imports)


def descriptors(*files):
    return length(10, b"".join(length(1, file) for file in files))


def manifest(encoding, *more, engine=b"pebble"):
    named = length(1, engine) if engine else b""
    return named + number(2, 24) + (number(4, encoding) if encoding else b"") + b"".join(more)


def envelope(head, payload):
    return b"C1Z3\0" + struct.pack(">I", len(head)) + head + payload


def member(name, content=b"", *, kind=b"0", mode=0o644, mtime=1700000000, target=b"", prefix=b"", **fields):
    header = bytearray(512)

    def put(at, value):
        header[at : at + len(value)] = value

    put(0, name)
    put(100, b"%07o" % mode)
    put(108, b"0000000")
    put(116, b"0000000")
    put(124, fields.get("size", b"%011o" % len(content)))
    put(136, b"%011o" % mtime)
    put(156, kind)
    put(157, target)
    put(257, fields.get("magic", b"ustar\x0000"))
    put(345, prefix)
    put(148, b"        ")
    put(148, b"%06o\0" % (sum(header) ^ fields.get("flip", 0)))
    return bytes(header) + content + fields.get("padding", b"\0" * (-len(content) % 512))


def pax(records):
    return member(b"PaxHeader", records, kind=b"x", mtime=0)


def pax_record(key, value):
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest)
    while len(str(size)) + len(rest) != size:
        size = len(str(size)) + len(rest)
    return str(size).encode() + rest


def tar(*members, end=b"\0" * 1024):
    return b"".join(members) + end


def indexed(files, *, head=None, change=None, totals=None, footer=None, manifest_sum=None, gap=b""):
    """`files` are pairs of name and content; `change` alters the index's rows, `totals` its totals."""
    head = manifest(5) if head is None else head
    body, rows = b"", []
    for name, content in files:
        stored = frame(content)
        row = {
            "name": name,
            "offset": 9 + len(head) + len(body),
            "stored": len(stored),
            "raw": len(content),
            "xxh64": xxh64(content),
            "sha256": hashlib.sha256(content).digest(),
        }
        rows.append(row)
        body += stored
    sums = {"raw": sum(row["raw"] for row in rows), "stored": sum(row["stored"] for row in rows)}
    body += gap
    if change:
        change(rows)
    sums |= totals or {}
    index = b""
    for row in rows:
        entry = length(1, row["name"]) + number(2, row["offset"]) + number(3, row["stored"]) + number(4, row["raw"])
        index += length(1, entry + fixed(5, row["xxh64"]) + length(6, row["sha256"]))
    index += number(2, sums["raw"]) + number(3, sums["stored"])
    index += fixed(4, xxh64(head) if manifest_sum is None else manifest_sum)
    at = 9 + len(head) + len(body)
    parts = {"at": at, "size": len(index), "sum": xxh64(index), "magic": b"C1ZIDX1\0"} | (footer or {})
    end = struct.pack(">QIQ", parts["at"], parts["size"], parts["sum"]) + parts["magic"]
    return envelope(head, body + index + end)


# --- the vectors -----------------------------------------------------------------------------------------------------

FILES = [(b"CURRENT", b"MANIFEST-000001\n"), (b"d/empty", b""), (b"d/x", b"x" * 600)]
MEMBERS = [
    member(b"CURRENT", b"MANIFEST-000001\n"),
    member(b"d", kind=b"5", mode=0o755),
    member(b"d/empty"),
    member(b"d/x", b"x" * 600, mode=0o600),
]
DATABASE = b"SQLite format 3\0" + bytes(4080)


def entry(path, content=None, mode=0o644, mtime=0):
    return {
        "path": path,
        "kind": "directory" if content is None else "file",
        "mode": mode,
        "mtime": mtime,
        "size": len(content or b""),
        "sha256": None if content is None else hashlib.sha256(content).hexdigest(),
    }


def file_entries(mtime=0):
    return [entry(name.decode(), content, 0o644, mtime) for name, content in FILES]


def tar_entries():
    entries = file_entries(1700000000)
    entries[2]["mode"] = 0o600
    return [entries[0], entry("d", None, 0o755, 1700000000), *entries[1:]]


def sound():
    """Name, section, why, bytes, entries, what the manifest says."""
    closed = descriptors(file_descriptor("a.proto", "b.proto"), file_descriptor("b.proto"))
    run = length(40, length(1, b"run 1") + number(2, 1))

    def says(encoding, runs=(), version=24):
        return {"engine": "pebble", "schema_version": version, "encoding": encoding, "sync_runs": list(runs)}

    names = {1: "tar_zstd", 2: "tar", 5: "indexed_zstd"}
    payload = tar(*MEMBERS)
    yield "tar", 4, "files and directories", envelope(manifest(2), payload), tar_entries(), says("tar")
    yield "tar-zstd", 4, "the same, compressed", envelope(manifest(1), frame(payload)), tar_entries(), says("tar_zstd")
    bare = frame(payload, checksum=False, size=False)
    yield "tar-zstd-bare", 2, "no checksum, no size", envelope(manifest(1), bare), tar_entries(), says("tar_zstd")
    wide = frame(payload, size=False, window=0x88)
    yield "window-128m", 2, "the greatest window", envelope(manifest(1), wide), tar_entries(), says("tar_zstd")
    yield "tar-empty", 4, "no member", envelope(manifest(2), tar()), [], says("tar")
    yield "indexed", 5, "three files, one of them empty", indexed(FILES), file_entries(), says("indexed_zstd")
    yield "indexed-empty", 5, "no file", indexed([]), [], says("indexed_zstd")
    swapped = indexed(FILES, change=lambda rows: rows.reverse())
    yield "indexed-any-order", 5, "rows in another order", swapped, file_entries()[::-1], says("indexed_zstd")
    unrecorded = indexed(FILES, manifest_sum=0)
    yield "manifest-not-recorded", 5, "a checksum of 0", unrecorded, file_entries(), says("indexed_zstd")
    full = manifest(5, closed, run, length(99, b"unknown"), number(41, 7))
    found = says("indexed_zstd", ["run 1"])
    yield (
        "manifest-full",
        3,
        "descriptors, a sync run, an unknown field",
        indexed(FILES, head=full),
        file_entries(),
        found,
    )
    later = length(1, b"pebble") + number(2, 9999) + number(4, 2)
    yield "schema-version-9999", 3, "accepted", envelope(later, tar()), [], says("tar", version=9999)
    twice = manifest(2, number(4, 1))
    last = envelope(twice, frame(tar()))
    yield "encoding-twice", 3, "a scalar that occurs twice counts with its last value", last, [], says(names[1])
    long = "/".join(["n" * 100] * 3)
    extended = pax(pax_record(b"path", long.encode()) + pax_record(b"mtime", b"-1.5"))
    members = tar(extended + member(b"n" * 100, b"x"), member(b"name", b"x", prefix=b"a/b", mtime=0))
    entries = [entry(long, b"x", 0o644, -2), entry("a/b/name", b"x")]
    yield (
        "tar-pax-and-prefix",
        4,
        "a long path, a time before 1970",
        envelope(manifest(2), members),
        entries,
        says("tar"),
    )
    slash = tar(member(b"d/", kind=b"5", mode=0o777))
    listed = [entry("d", None, 0o755, 1700000000)]
    yield "tar-directory-slash", 4, "a directory's name with a slash", envelope(manifest(2), slash), listed, says("tar")
    yield "v1", 1, "a database", b"C1ZF\0" + frame(DATABASE), [entry("database.sqlite", DATABASE)], None
    no_size = b"C1ZF\0" + frame(DATABASE, size=False, window=0x68)
    yield "v1-no-size", 1, "a window of 8 MiB, no content size", no_size, [entry("database.sqlite", DATABASE)], None


def faulty():
    """Name, section, why, code, bytes."""
    payload = tar(*MEMBERS)
    good_tar, good_zstd, good = envelope(manifest(2), payload), envelope(manifest(1), frame(payload)), indexed(FILES)

    def tarred(*members):
        return envelope(manifest(2), tar(*members))

    yield "magic", 1, "a version that there is not", "envelope.unknown-magic", b"C1Z4" + good[4:]
    yield "cut-in-magic", 1, "four bytes", "envelope.truncated", b"C1Z3"
    yield "cut-in-manifest", 1, "half a manifest", "envelope.truncated", good[:15]
    yield (
        "manifest-17m",
        1,
        "a length of 17 MiB",
        "limit.manifest-bytes",
        b"C1Z3\0" + struct.pack(">I", 17 << 20) + good,
    )
    yield "manifest-garbage", 3, "no message", "c1z.manifest", envelope(b"\x0a\xff", payload)
    yield "no-engine", 3, "no engine", "c1z.engine", envelope(manifest(2, engine=b""), payload)
    for value, what in [(0, "missing"), (3, "reserved"), (4, "reserved"), (6, "unknown")]:
        yield f"encoding-{value}", 3, what, "c1z.encoding", envelope(manifest(value), payload)
    open_set = descriptors(file_descriptor("a.proto", "b.proto"))
    yield "closure", 3, "an import is missing", "schema.closure", envelope(manifest(2, open_set), payload)
    cycle = descriptors(file_descriptor("a.proto", "b.proto"), file_descriptor("b.proto", "a.proto"))
    yield "closure-cycle", 3, "two files import each other", "schema.cycle", envelope(manifest(2, cycle), payload)
    same = descriptors(file_descriptor("a.proto"), file_descriptor("a.proto"))
    yield "closure-twice", 3, "a path twice", "schema.order", envelope(manifest(2, same), payload)

    yield "tar-cut", 4, "no end", "envelope.truncated", envelope(manifest(2), payload[:-1024])
    yield "tar-one-block", 4, "half an end", "envelope.truncated", envelope(manifest(2), payload[:-512])
    yield "tar-nothing", 4, "an empty payload", "envelope.truncated", envelope(manifest(2), b"")
    yield "tar-trailing", 4, "zeros after the end", "c1z.trailing", good_tar + b"\0" * 512
    middle = envelope(manifest(2), MEMBERS[0] + b"\0" * 512 + tar(*MEMBERS[1:]))
    yield "tar-zeros-between", 4, "a block of zeros between members", "c1z.tar", middle
    yield "tar-symlink", 4, "a symbolic link", "c1z.tar-kind", tarred(member(b"l", kind=b"2", target=b"x"))
    yield "tar-hard-link", 4, "a hard link", "c1z.tar-kind", tarred(member(b"l", kind=b"1", target=b"x"))
    yield "tar-fifo", 4, "a FIFO", "c1z.tar-kind", tarred(member(b"p", kind=b"6"))
    yield "tar-gnu-long", 4, "a long name of GNU tar", "c1z.tar-kind", tarred(member(b"x", b"name\0", kind=b"L"))
    yield (
        "tar-global",
        4,
        "a global PAX header",
        "c1z.tar-kind",
        tarred(member(b"x", pax_record(b"path", b"a"), kind=b"g")),
    )
    yield "tar-magic", 4, "GNU's magic", "c1z.tar", tarred(member(b"a", magic=b"ustar  \0"))
    yield "tar-checksum", 4, "a wrong checksum", "c1z.tar", tarred(member(b"a", flip=1))
    yield "tar-mode", 4, "setuid", "c1z.tar", tarred(member(b"a", mode=0o4755))
    yield "tar-base-256", 4, "a binary size", "c1z.tar", tarred(member(b"a", size=b"\x80" + bytes(11)))
    yield "tar-padding", 4, "padding that is not zero", "tar.padding", tarred(member(b"a", b"x", padding=b"\1" * 511))
    two = pax(pax_record(b"path", b"a") + pax_record(b"path", b"b")) + member(b"c")
    yield "tar-pax-twice", 4, "a key twice", "c1z.tar", tarred(two)
    sparse = pax(pax_record(b"GNU.sparse.major", b"1")) + member(b"a")
    yield "tar-pax-sparse", 4, "a sparse file", "c1z.tar", tarred(sparse)
    yield "tar-pax-alone", 4, "no member after it", "c1z.tar", tarred(pax(pax_record(b"path", b"a")))
    yield "tar-alias", 4, "a, ./a", "path.invalid", tarred(member(b"a"), member(b"./a"))
    yield "tar-escape", 4, "a path that leaves", "path.invalid", tarred(member(b"../a"))
    yield "tar-absolute", 4, "an absolute path", "path.invalid", tarred(member(b"/a"))
    yield "tar-duplicate", 4, "a name twice", "path.duplicate", tarred(member(b"a"), member(b"a"))
    yield "tar-parent", 4, "a file as a parent", "path.parent", tarred(member(b"a"), member(b"a/b"))

    yield "zstd-cut", 2, "the checksum is missing", "envelope.truncated", good_zstd[:-4]
    wrong = envelope(manifest(1), frame(payload, flip=1))
    yield "zstd-checksum", 2, "a wrong checksum", "frame.decode", wrong
    yield "zstd-trailing", 2, "a second frame", "c1z.trailing", good_zstd + frame(b"")
    skipped = envelope(manifest(1), b"\x50\x2a\x4d\x18\x00\x00\x00\x00" + frame(payload))
    yield "zstd-skippable", 2, "a skippable frame first", "frame.header", skipped
    window = envelope(manifest(1), frame(payload, size=False, window=0x90))
    yield "zstd-window", 2, "a window of 256 MiB", "c1z.window", window

    def changed(why, code, label, **fields):
        row = fields.pop("row", 0)

        def change(rows):
            rows[row] |= fields

        return f"index-{label}", 5, why, code, indexed(FILES, change=change)

    yield "index-cut", 5, "half a footer", "envelope.truncated", good[:-14]
    yield "index-trailing", 5, "a byte after the footer", "envelope.truncated", good + b"\0"
    yield "index-checksum", 5, "a wrong checksum", "c1z.index-checksum", indexed(FILES, footer={"sum": 1})
    yield "index-offset", 5, "an index that is elsewhere", "c1z.index", indexed(FILES, footer={"at": 40})
    yield "index-gap", 5, "bytes that no file has", "c1z.index", indexed(FILES, gap=b"hidden")
    yield changed("an overlap", "c1z.index", "overlap", row=1, offset=9 + len(manifest(5)))
    yield changed("no stored bytes", "c1z.index", "stored-0", stored=0)
    yield changed("a stored size below 0", "c1z.index", "stored-negative", stored=-1)
    yield changed("a size below 0", "c1z.index", "raw-negative", raw=-1)
    yield changed("a range past the end", "c1z.index", "range", row=2, stored=(1 << 63) - 1)
    yield changed("a SHA-256 of 31 bytes", "c1z.index", "sha256-short", sha256=bytes(31))
    yield changed("another SHA-256", "entry.digest", "sha256", sha256=bytes(32))
    yield changed("another xxh64", "c1z.content-checksum", "xxh64", xxh64=1)
    yield changed("a name twice", "path.duplicate", "duplicate", name=b"d/x")
    yield changed("an alias", "path.invalid", "alias", name=b"./CURRENT")
    yield changed("a path that leaves", "path.invalid", "escape", name=b"../CURRENT")
    yield changed("a file as a parent", "path.parent", "parent", name=b"d")
    yield "index-total-raw", 5, "a total that lies", "c1z.index", indexed(FILES, totals={"raw": 1})
    yield "index-total-stored", 5, "a total that lies", "c1z.index", indexed(FILES, totals={"stored": 1})
    yield "index-manifest", 5, "another manifest", "c1z.manifest-checksum", indexed(FILES, manifest_sum=1)

    def grown(rows):
        rows[2]["raw"] += 1

    lying = indexed(FILES, change=grown, totals={"raw": 617})
    yield "index-raw-size", 5, "a size that the frame does not have", "frame.size", lying

    yield "v1-no-database", 1, "something else", "c1z.database", b"C1ZF\0" + frame(b"SQLite format 2\0" + bytes(4080))
    yield "v1-short", 1, "less than a header", "c1z.database", b"C1ZF\0" + frame(DATABASE[:99])
    yield "v1-cut", 1, "cut off", "envelope.truncated", (b"C1ZF\0" + frame(DATABASE))[:-1]
    yield "v1-trailing", 1, "something behind", "c1z.trailing", b"C1ZF\0" + frame(DATABASE) + b"\0"
    yield "v1-checksum", 1, "a wrong checksum", "frame.decode", b"C1ZF\0" + frame(DATABASE, flip=1)


def generate():
    """The content of each file in `vectors`, by name."""
    made = {}

    def put(name, data, facts):
        made[f"{name}.c1z"] = data
        made[f"{name}.json"] = (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode()

    for name, section, why, data, entries, says in sound():
        facts = {"id": name, "spec": section, "why": why, "expect": "accept"}
        put(name, data, facts | {"version": 1 if says is None else 3, "manifest": says, "entries": entries})
    for name, section, why, code, data in faulty():
        put(
            name, data, {"id": name, "spec": section, "why": why, "expect": "reject", "code": code, "kind": KINDS[code]}
        )
    assert len(made) % 2 == 0
    return made


def main():
    VECTORS.mkdir(exist_ok=True)
    made = generate()
    for path in VECTORS.iterdir():
        if path.name not in made:
            path.unlink()
    for name, data in made.items():
        (VECTORS / name).write_bytes(data)
    print(f"{len(made) // 2} vectors")


if __name__ == "__main__":
    main()
