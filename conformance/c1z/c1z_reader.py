# SPDX-License-Identifier: Apache-2.0
"""A reader of C1Z files in one file, to be read beside spec/C1Z.md, from which alone it was written.

python conformance/c1z/c1z_reader.py FILE.c1z

prints what the file holds as JSON, or the code with which it is refused. It holds the whole file in memory.
"""

import hashlib
import json
import sys

try:
    from compression import zstd
except ImportError:
    from backports import zstd

MIB = 1 << 20
MASK = (1 << 64) - 1


class Refused(Exception):
    def __init__(self, code, why=""):
        super().__init__(f"{code}: {why}")
        self.code = code


def require(condition, code, why=""):
    if not condition:
        raise Refused(code, why)


# --- xxh64 -----------------------------------------------------------------------------------------------------------

P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def rotated(value, by):
    return (value << by | value >> (64 - by)) & MASK


def mixed(accumulator, lane):
    return rotated((accumulator + lane * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    word = lambda at, size: int.from_bytes(data[at : at + size], "little")  # noqa: E731
    at = 0
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= len(data):
            lanes = [mixed(lane, word(at + 8 * n, 8)) for n, lane in enumerate(lanes)]
            at += 32
        h = sum(rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for lane in lanes:
            h = ((h ^ mixed(0, lane)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + len(data)) & MASK
    while at + 8 <= len(data):
        h = (rotated(h ^ mixed(0, word(at, 8)), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        h = (rotated(h ^ word(at, 4) * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotated(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


# --- protobuf --------------------------------------------------------------------------------------------------------


class Malformed(Exception):
    pass


def varint(data, at):
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > MASK:
                raise Malformed
            return value, at
    raise Malformed


def fields(data):
    """Number, wire type and value of each field; groups are taken apart by nobody here."""
    at = 0
    found = []
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Malformed
        if wire == 0:
            value, at = varint(data, at)
        elif wire in (1, 2, 5):
            size = {1: 8, 5: 4}.get(wire)
            if size is None:
                size, at = varint(data, at)
            if at + size > len(data):
                raise Malformed
            value, at = data[at : at + size], at + size
        else:
            raise Malformed
        found.append((number, wire, value))
    return found


def text(value):
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed from None


# --- zstd frames (section 2) -----------------------------------------------------------------------------------------


def frame_header(frame):
    """The content size that the header states, or None."""
    require(len(frame) >= 4, "envelope.truncated")
    require(frame[:4] == b"\x28\xb5\x2f\xfd", "frame.header", "magic")
    require(len(frame) >= 5, "envelope.truncated")
    descriptor = frame[4]
    require(descriptor & 3 == 0, "frame.header", "dictionary")
    require(descriptor & 8 == 0, "frame.header", "reserved bit")
    single = bool(descriptor & 0x20)
    size_len = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    at = 5 + (not single)
    require(len(frame) >= at + size_len, "envelope.truncated")
    size = int.from_bytes(frame[at : at + size_len], "little") + (256 if size_len == 2 else 0)
    if single:
        window = size
    else:
        base = 1 << (10 + (frame[5] >> 3))
        window = base + base // 8 * (frame[5] & 7)
    require(window <= 128 * MIB, "c1z.window")
    return size if size_len else None


def decode(frame, limit, whole=False):
    """What the one frame that is all of `frame` decodes to; a `whole` frame's length is known to be its own."""
    stated = frame_header(frame)
    require(stated is None or stated <= limit, "limit.decoded-bytes")
    decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 27})
    try:
        content = decoder.decompress(frame, limit + 1)
    except zstd.ZstdError as error:
        raise Refused("frame.decode", str(error)) from None
    require(len(content) <= limit, "limit.decoded-bytes")
    require(decoder.eof, "frame.decode" if whole else "envelope.truncated")
    require(not decoder.unused_data, "c1z.trailing")
    require(stated is None or stated == len(content), "frame.size")
    return content


# --- the manifest (section 3) ----------------------------------------------------------------------------------------

ENCODINGS = {1: "tar_zstd", 2: "tar", 5: "indexed_zstd"}


def check_closure(descriptors):
    files = {}
    for number, wire, value in fields(descriptors):
        if (number, wire) == (1, 2):
            file = fields(value)
            path = [text(v) for n, w, v in file if (n, w) == (1, 2)][-1]
            require(path not in files, "schema.order", path)
            files[path] = [text(v) for n, w, v in file if (n, w) == (3, 2)]
    for imports in files.values():
        for path in imports:
            require(path in files, "schema.closure", path)
    taken = set()
    while len(taken) < len(files):
        ready = {path for path, imports in files.items() if path not in taken and taken.issuperset(imports)}
        require(ready, "schema.cycle")
        taken |= ready


def read_manifest(data):
    manifest = {"engine": "", "schema_version": 0, "encoding": 0, "sync_runs": [], "descriptors": b""}
    try:
        for number, wire, value in fields(data):
            if (number, wire) == (1, 2):
                manifest["engine"] = text(value)
            elif (number, wire) == (2, 0):
                manifest["schema_version"] = value & 0xFFFFFFFF
            elif (number, wire) == (4, 0):
                manifest["encoding"] = value
            elif (number, wire) == (10, 2):
                manifest["descriptors"] += value
            elif (number, wire) == (40, 2):
                manifest["sync_runs"].append("".join(text(v) for n, w, v in fields(value) if (n, w) == (1, 2)))
    except Malformed:
        raise Refused("c1z.manifest") from None
    require(manifest["engine"], "c1z.engine")
    require(manifest["encoding"] in ENCODINGS, "c1z.encoding")
    return manifest


# --- paths and tar (section 4) ---------------------------------------------------------------------------------------


def checked_path(raw):
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("path.invalid") from None
    require(not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in path), "path.invalid")
    require(all(part not in ("", ".", "..") for part in path.split("/")), "path.invalid", path)
    require(len(raw) <= 4096, "limit.path-bytes")
    require(all(len(part) <= 255 for part in raw.split(b"/")), "limit.component-bytes")
    require(raw.count(b"/") < 64, "limit.path-depth")
    return path


def check_tree(kinds):
    """`kinds` are pairs of path and kind."""
    seen = dict(kinds)
    require(len(seen) == len(kinds), "path.duplicate")
    for path in seen:
        parts = path.split("/")
        above = ("/".join(parts[:n]) for n in range(1, len(parts)))
        require(all(seen.get(parent) != "file" for parent in above), "path.parent", path)


def octal(field):
    digits = field.rstrip(b"\0 ")
    require(all(byte in b"01234567" for byte in digits), "c1z.tar", "number")
    return int(digits or b"0", 8)


def header_text(field):
    value, _, rest = field.partition(b"\0")
    require(not rest.strip(b"\0"), "c1z.tar", "text")
    return value


def pax_records(data):
    records = {}
    while data:
        size, space, _ = data.partition(b" ")
        require(space and size.isdigit() and not size.startswith(b"0"), "c1z.tar", "PAX length")
        record, data = data[len(size) + 1 : int(size)], data[int(size) :]
        key, equals, value = record.partition(b"=")
        require(equals and value.endswith(b"\n") and len(record) == int(size) - len(size) - 1, "c1z.tar", "PAX record")
        require(key not in records, "c1z.tar", "PAX key twice")
        records[key] = value[:-1]
    known = {b"path", b"size", b"mtime", b"uid", b"gid", b"uname", b"gname", b"atime", b"ctime", b"comment"}
    require(records.keys() <= known, "c1z.tar", "PAX key")
    require(b"\0" not in records.get(b"path", b""), "c1z.tar", "PAX path")
    require(records.get(b"size", b"0").isdigit(), "c1z.tar", "PAX size")
    return records


def read_tar(tar):
    entries, at, pax, paths_size = [], 0, None, 0

    def take(size):
        nonlocal at
        require(at + size <= len(tar), "envelope.truncated")
        at += size
        return tar[at - size : at]

    def take_padded(size):
        content = take(size)
        require(not take(-size % 512).strip(b"\0"), "tar.padding")
        return content

    while True:
        header = take(512)
        if not header.strip(b"\0"):
            require(pax is None, "c1z.tar", "PAX header alone")
            require(not take(512).strip(b"\0"), "c1z.tar", "one block of zeros")
            require(at == len(tar), "c1z.trailing")
            break
        require(header[257:265] == b"ustar\x0000", "c1z.tar", "magic")
        summed = sum(header[:148]) + 8 * 32 + sum(header[156:])
        require(octal(header[148:156]) == summed, "c1z.tar", "checksum")
        octal(header[108:116]), octal(header[116:124])
        name, prefix = header_text(header[:100]), header_text(header[345:500])
        name = prefix + b"/" + name if prefix else name
        kind = {b"0": "file", b"\0": "file", b"5": "directory", b"x": "pax"}.get(header[156:157])
        require(kind, "c1z.tar-kind", header[156:157])
        require(not header_text(header[157:257]), "c1z.tar", "link target")
        mode, size, mtime = octal(header[100:108]), octal(header[124:136]), octal(header[136:148])
        if kind == "pax":
            require(pax is None, "c1z.tar", "two PAX headers")
            require(size <= 64 * 1024, "c1z.tar", "long PAX header")
            pax = pax_records(take(size))
            require(not take(-size % 512).strip(b"\0"), "tar.padding")
            continue
        extended, pax = pax or {}, None
        name = extended.get(b"path", name)
        size = int(extended.get(b"size", size))
        mtime = int(float(extended.get(b"mtime", mtime)) // 1)
        if kind == "directory":
            name = name.removesuffix(b"/")
        path = checked_path(name)
        paths_size += len(name)
        require(paths_size <= 64 * MIB, "limit.index-bytes")
        require(mode <= 0o777, "c1z.tar", "mode")
        require(kind == "file" or size == 0, "c1z.tar", "directory with content")
        content = take_padded(size) if kind == "file" else None
        mode &= 0o644 if kind == "file" else 0o755
        entries.append({"path": path, "kind": kind, "mode": mode, "mtime": mtime, "content": content})
    check_tree([(entry["path"], entry["kind"]) for entry in entries])
    return entries


# --- the indexed payload (section 5) ---------------------------------------------------------------------------------


def read_indexed(data, payload_at, manifest, limit):
    footer_at = len(data) - 28
    require(footer_at >= payload_at and data[-8:] == b"C1ZIDX1\0", "envelope.truncated")
    at = int.from_bytes(data[footer_at : footer_at + 8], "big")
    size = int.from_bytes(data[footer_at + 8 : footer_at + 12], "big")
    require(at >= payload_at and at + size == footer_at, "c1z.index", "place")
    require(size <= 64 * MIB, "limit.index-bytes")
    index = data[at:footer_at]
    require(xxh64(index) == int.from_bytes(data[footer_at + 12 : footer_at + 20], "big"), "c1z.index-checksum")
    files, totals = [], {2: 0, 3: 0, 4: 0}
    try:
        for number, wire, value in fields(index):
            if (number, wire) == (1, 2):
                files.append(read_place(value))
            elif number in (2, 3, 4):
                require(wire == (1 if number == 4 else 0), "c1z.index", "wire type")
                totals[number] = int.from_bytes(value, "little") if wire == 1 else value
    except Malformed:
        raise Refused("c1z.index") from None
    end = payload_at
    for file in sorted(files, key=lambda file: file["offset"]):
        require(file["offset"] == end, "c1z.index", "gap or overlap")
        end += file["stored"]
        require(end <= at, "c1z.index", "range")
    require(end == at, "c1z.index", "gap at the end")
    check_tree([(file["path"], "file") for file in files])
    require(sum(file["raw"] for file in files) == totals[2], "c1z.index", "total_raw_size")
    require(sum(file["stored"] for file in files) == totals[3], "c1z.index", "total_compressed_size")
    require(totals[4] in (0, xxh64(manifest)), "c1z.manifest-checksum")
    require(totals[2] <= limit, "limit.decoded-bytes")
    entries = []
    for file in files:
        frame = data[file["offset"] : file["offset"] + file["stored"]]
        stated = frame_header(frame)
        require(stated in (None, file["raw"]), "frame.size")
        try:
            content = decode(frame, file["raw"], whole=True)
        except Refused as error:
            raise Refused("frame.size") from None if error.code == "limit.decoded-bytes" else error
        require(len(content) == file["raw"], "frame.size")
        require(xxh64(content) == file["xxh64"], "c1z.content-checksum")
        require(hashlib.sha256(content).digest() == file["sha256"], "entry.digest")
        entries.append({"path": file["path"], "kind": "file", "mode": 0o644, "mtime": 0, "content": content})
    return entries


def read_place(data):
    place = {"path": b"", "offset": 0, "stored": 0, "raw": 0, "xxh64": 0, "sha256": b""}
    names = list(place)
    for number, wire, value in fields(data):
        if 1 <= number <= 6:
            require(wire == (2, 0, 0, 0, 1, 2)[number - 1], "c1z.index", "wire type")
            place[names[number - 1]] = int.from_bytes(value, "little") if wire == 1 else value
    place["path"] = checked_path(place["path"])
    require(0 < place["stored"] < 1 << 63, "c1z.index", "stored size")
    require(place["raw"] < 1 << 63 and place["offset"] < 1 << 63, "c1z.index", "below 0")
    require(len(place["sha256"]) == 32, "c1z.index", "SHA-256")
    return place


# --- the file (sections 1 and 6) -------------------------------------------------------------------------------------


def read(data, limit=None):
    """What the file holds: its version, its manifest or None, its entries with their contents."""
    limit = max(10 << 30, 100 * len(data)) if limit is None else limit
    magic = data[:5]
    if magic == b"C1ZF\0":
        database = decode(data[5:], limit)
        require(len(database) >= 100 and database.startswith(b"SQLite format 3\0"), "c1z.database")
        entry = {"path": "database.sqlite", "kind": "file", "mode": 0o644, "mtime": 0, "content": database}
        return {"version": 1, "manifest": None, "entries": [entry]}
    if len(data) in (3, 4) and magic in (b"C1ZF", b"C1Z3", b"C1Z"):
        raise Refused("envelope.truncated")
    require(magic == b"C1Z3\0", "envelope.unknown-magic")
    require(len(data) >= 9, "envelope.truncated")
    size = int.from_bytes(data[5:9], "big")
    require(size <= 16 * MIB, "limit.manifest-bytes")
    require(9 + size <= len(data), "envelope.truncated")
    raw, payload = data[9 : 9 + size], data[9 + size :]
    manifest = read_manifest(raw)
    try:
        check_closure(manifest.pop("descriptors"))
    except (Malformed, IndexError):
        raise Refused("schema.protobuf") from None
    if manifest["encoding"] == 5:
        entries = read_indexed(data, 9 + size, raw, limit)
    elif manifest["encoding"] == 2:
        require(len(payload) <= limit, "limit.decoded-bytes")
        entries = read_tar(payload)
    else:
        entries = read_tar(decode(payload, limit))
    manifest["encoding"] = ENCODINGS[manifest["encoding"]]
    return {"version": 3, "manifest": manifest, "entries": entries}


def summary(found):
    """The same without contents, as the vectors have it."""
    rows = []
    for entry in found["entries"]:
        content = entry["content"]
        row = {key: entry[key] for key in ("path", "kind", "mode", "mtime")}
        row["size"] = len(content or b"")
        row["sha256"] = None if content is None else hashlib.sha256(content).hexdigest()
        rows.append(row)
    return {"version": found["version"], "manifest": found["manifest"], "entries": rows}


def main(arguments):
    with open(arguments[0], "rb") as file:
        data = file.read()
    try:
        print(json.dumps(summary(read(data)), indent=1))
    except Refused as refused:
        print(json.dumps({"code": refused.code, "why": str(refused)}))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
