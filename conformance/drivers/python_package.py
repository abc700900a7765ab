#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The driver of the Python package `rosettar` for conformance/run; README.md there has the protocol.

It needs the package, and `protobuf` for records as JSON. The package reads no pipe, so it claims levels 0 to 2;
recovery and writing are there.
"""

import base64
import hashlib
import json
import sys

import rosettar

EPOCH_NANOS = 1_000_000_000


def time_of(entry):
    """Seconds and nanoseconds; a time that `datetime` cannot hold is a dict."""
    if isinstance(entry.mtime, dict):
        return entry.mtime["seconds"], entry.mtime["nanos"]
    return divmod(entry.mtime.unix_nanos(), EPOCH_NANOS)


def facts_of(archive):
    entries = []
    for entry in archive.entries:
        seconds, nanoseconds = time_of(entry)
        entries.append(
            {
                "path": entry.path,
                "kind": entry.kind,
                "size": entry.size,
                "mode": entry.mode,
                "mtime": seconds,
                "nanoseconds": nanoseconds,
                "target": entry.target,
                "sha256": entry.digest if entry.kind == "file" else None,
            }
        )
    info = archive.info()
    streams = [
        {"name": row["name"], "type": row["type_name"], "records": row["records"]} for row in info["streams"].values()
    ]
    return {
        "entries": entries,
        "streams": streams,
        "attributes": dict(archive.attributes),
        "root": info["root_digest"],
        "content": info["content_digest"],
    }


def read(archive):
    archive.verify()
    facts = facts_of(archive)
    for row in facts["entries"]:
        if row["kind"] == "file":
            with archive[row["path"]] as file:
                row["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    for row in facts["streams"]:
        digest = hashlib.sha256()
        for record in archive.streams[row["name"]].raw():
            digest.update(varint(len(record)) + record)
        row["sha256"] = digest.hexdigest()
    return facts


def records(archive):
    from google.protobuf import json_format

    facts = read(archive)
    for row in facts["streams"]:
        row["json"] = []
        stream = archive.streams[row["name"]]
        # Limits are kept by the package's own decoder; the JSON is made by the library of Google.
        for _, message in zip(stream, stream.messages(protobuf=True), strict=True):
            pool = message.DESCRIPTOR.file.pool
            row["json"].append(json_format.MessageToDict(message, descriptor_pool=pool))
    return facts


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def recover(path, out, limits):
    report = rosettar.recover(path, out, limits=limits, threads=1)
    with rosettar.open(out, threads=1) as archive:
        counts = {name: len(stream) for name, stream in archive.streams.items()}
        return {"whole": report.is_complete, "entries": list(archive), "records": counts}


class NotHere(Exception):
    """Something that the package cannot be told."""


def write(manifest, out):
    with rosettar.create(out, threads=1) as writer:
        for key, value in manifest.get("attributes", {}).items():
            writer.attribute(key, value)
        for row in manifest.get("streams", []):
            stream = writer.stream(
                row["name"], (row["type"], base64.b64decode(row["descriptors"])), version=row["schema_version"]
            )
            for record in row["records"]:
                stream.append_raw(base64.b64decode(record))
        for row in manifest.get("entries", []):
            add(writer, row)
    with rosettar.open(out, threads=1) as archive:
        return {"root": archive.info()["root_digest"]}


def add(writer, row):
    mtime = row["mtime"]
    if row.get("nanoseconds"):
        try:
            mtime = rosettar.Timestamp.from_unix_nanos(mtime * EPOCH_NANOS + row["nanoseconds"])
        except OverflowError:
            raise NotHere("a time with nanoseconds that datetime cannot hold") from None
    if row["kind"] == "directory":
        writer.add_directory(row["path"], mode=row["mode"], mtime=mtime)
    elif row["kind"] == "symlink":
        writer.add_link(row["path"], row["target"], mtime=mtime)
    else:
        writer.add_bytes(row["path"], content_of(row), mode=row["mode"], mtime=mtime)


def content_of(row):
    if "pattern" in row:
        unit, size = bytes.fromhex(row["pattern"]["hex"]), row["pattern"]["size"]
        return (unit * (size // len(unit) + 1))[:size]
    return base64.b64decode(row["base64"]) if "base64" in row else row["text"].encode()


def run(action, arguments):
    if action == "about":
        return {"name": "rosettar (Python)", "version": rosettar.__version__, "levels": [0, 1, 2], "writer": True}
    actions = {"list": facts_of, "read": read, "records": records}
    count = {"recover": 2, "write": 2}.get(action, 1)
    limits = dict(text.split("=", 1) for text in arguments[count:])
    if action == "recover":
        return recover(*arguments[:2], limits)
    if action == "write":
        with open(arguments[0], encoding="utf-8") as file:
            return write(json.load(file), arguments[1])
    if action not in actions:
        raise NotHere(action)
    with rosettar.open(arguments[0], limits=limits or None, threads=1) as archive:
        return actions[action](archive)


def main():
    try:
        answer, status = run(sys.argv[1], sys.argv[2:]), 0
    except NotHere:
        return 2
    except rosettar.Error as error:
        answer, status = {"code": error.code, "kind": error.kind, "message": str(error)}, 1
    json.dump(answer, sys.stdout)
    print()
    return status


if __name__ == "__main__":
    sys.exit(main())
