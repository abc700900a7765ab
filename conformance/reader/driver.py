#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The driver of the Python reader for conformance/run; README.md there has the protocol.

driver.py about
driver.py list|read|records FILE [NAME=VALUE...]
driver.py stream [NAME=VALUE...] < FILE
driver.py recover FILE OUT [NAME=VALUE...]
"""

import hashlib
import json
import sys

import rosettar_reader as reader


def facts_of(archive, entries):
    return {
        "entries": entries,
        "streams": [
            {
                "name": stream.name,
                "type": stream.type,
                "schema_version": stream.schema_version,
                "records": stream.record_count,
            }
            for stream in archive.index.streams
        ],
        "attributes": archive.attributes,
        "root": archive.root.hex(),
        "content": archive.index.content_digest.hex(),
    }


def list_archive(file, limits):
    archive = reader.Archive(file, limits)
    entries = [entry.as_json() for entry in archive.entries() if entry.kind in reader.USER_KINDS]
    archive.check_listing()
    return facts_of(archive, entries)


def open_and_read(file, limits):
    """Everything verified; digests are those of what was read."""
    archive, digests = reader.Archive(file, limits), {}
    streams = [hashlib.sha256() for _ in archive.index.streams]

    def take(entry, piece):
        digests.setdefault(entry.path, hashlib.sha256()).update(piece)
        if entry.kind == reader.BATCH:
            streams[entry.stream].update(piece)

    archive.verify(take)
    entries = [entry.as_json() for entry in archive.entries() if entry.kind in reader.USER_KINDS]
    for entry in entries:
        if entry["kind"] == "file":
            entry["sha256"] = digests.get(entry["path"], hashlib.sha256()).hexdigest()
    facts = facts_of(archive, entries)
    for stream, digest in zip(facts["streams"], streams):
        stream["sha256"] = digest.hexdigest()
    return archive, facts


def read(file, limits):
    return open_and_read(file, limits)[1]


def records(file, limits):
    archive, facts = open_and_read(file, limits)
    for stream, row in zip(archive.index.streams, facts["streams"]):
        pool, most = archive.pools[stream.schema], archive.limits["record-values"]
        row["json"] = [pool.to_json(stream.type, record, most) for record in archive.records(stream.name)]
    return facts


def stream(source, limits):
    from rosettar_stream import ArchiveStream

    archive, digests, batches = ArchiveStream(source, limits), {}, {}

    def see(entry, piece):
        if entry.kind == reader.BATCH:
            batches.setdefault(entry.stream, []).append(piece)
        else:
            digests.setdefault(entry.path, hashlib.sha256()).update(piece)

    archive.read(see)
    entries = [entry.as_json() for entry in archive.entries() if entry.kind in reader.USER_KINDS]
    for entry in entries:
        if entry["kind"] == "file":
            entry["sha256"] = digests.get(entry["path"], hashlib.sha256()).hexdigest()
    facts = facts_of(archive, entries)
    for number, (stream, row) in enumerate(zip(archive.index.streams, facts["streams"])):
        content, most = b"".join(batches.get(number, [])), archive.limits["record-values"]
        row["sha256"] = hashlib.sha256(content).hexdigest()
        pool = archive.pools[stream.schema]
        row["json"] = [pool.to_json(stream.type, record, most) for record in reader.split_records(content)]
    return facts


def recover(path, out, limits):
    from rosettar_recover import recover

    return recover(path, out, limits)


def write(manifest, out):
    from rosettar_write import write_manifest

    with open(manifest, encoding="utf-8") as source, open(out, "wb") as file:
        return {"root": write_manifest(json.load(source), file).hex()}


def about():
    return {"name": "Python reader", "version": "1.0", "levels": [0, 1, 2, 3], "writer": True}


def run(action, arguments):
    if action == "about":
        return about()
    count = {"stream": 0, "recover": 2, "write": 2}.get(action, 1)
    paths, limits = arguments[:count], {}
    for text in arguments[count:]:
        name, _, value = text.partition("=")
        if name not in reader.LIMITS:
            raise reader.Refused("usage.option", f"no limit is called {name!r}")
        limits[name] = int(value)
    if action == "stream":
        return stream(sys.stdin.buffer, limits)
    if action == "recover":
        return recover(paths[0], paths[1], limits)
    if action == "write":
        return write(*paths)
    actions = {"list": list_archive, "read": read, "records": records}
    if action not in actions:
        return None
    with open(paths[0], "rb") as file:
        return actions[action](file, limits)


def main():
    try:
        answer, status = run(sys.argv[1], sys.argv[2:]), 0
    except reader.Refused as error:
        answer, status = {"code": error.code, "kind": error.kind, "message": error.message}, 1
    if answer is None:
        return 2
    # ASCII only, so that neither the locale nor a lone surrogate is in the way.
    json.dump(answer, sys.stdout)
    print()
    return status


if __name__ == "__main__":
    sys.exit(main())
