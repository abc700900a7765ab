#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the modules of the generator share: how a vector is stated, small archives, and hooks that make faults."""

from writer import GREETING, Archive, Chunk, greeting, varint

VECTORS = {}  # by name: the bytes of the archive and its facts

# ---------------------------------------------------------------------------------------------------------------------
# Stating a vector
# ---------------------------------------------------------------------------------------------------------------------

INTEGRITY = ("index.manifest", "tar.header", "tar.padding", "tar.end")
UNSUPPORTED = ("envelope.unsupported-version", "section.unknown-kind", "feature.unknown", "entries.kind")
# Level 1 reads all payload and compares every digest; level 2 reads descriptor sets and records. All else is level 0.
LEVEL_1 = ("tar.header", "tar.padding", "entry.digest", "stream.digest", "content.digest")
LEVEL_1 += ("frame.header", "frame.size", "frame.digest", "frame.decode")
LEVEL_2 = ("limit.record-bytes", "limit.record-values")


def kind_of(code):
    group, _, rest = code.partition(".")
    if group in ("limit", "policy", "schema"):
        return group
    if code in ("record.decode", "record.value"):
        return "schema"
    if code in UNSUPPORTED:
        return "unsupported"
    return "integrity" if rest == "digest" or code in INTEGRITY else "malformed"


def verdict(code):
    """What `expect` says of a code."""
    kind = kind_of(code)
    return kind if kind in ("unsupported", "limit", "policy") else "reject"


def refusal(code):
    return {"expect": verdict(code), "code": code, "kind": kind_of(code)}


def level_of(code):
    if code.startswith(("record.", "schema.")) or code in LEVEL_2:
        return 2
    return 1 if code in LEVEL_1 else 0


def answer(said):
    """What a reader that reads forward answers: a code, or several of which each is right; None where it accepts."""
    if said is None:
        return {"expect": "accept"}
    codes = [said] if isinstance(said, str) else list(said)
    return {"expect": verdict(codes[0]), "code": codes[0] if len(codes) == 1 else codes}


def salvage(whole, entries=(), records=None):
    return {"whole": whole, "entries": list(entries), "records": records or {}}


def add(name, data, facts, limits=None, streamed=None, recovered=None, **more):
    assert name not in VECTORS, name
    facts |= more
    if limits:
        facts["limits"] = limits
    if streamed:
        facts["streamed"] = answer(streamed)
    if recovered:
        facts["recovered"] = {"code": recovered} if isinstance(recovered, str) else recovered
    VECTORS[name] = data, facts


def accept(name, spec, why, archive, level=0, limits=None, extract=None, **more):
    """Adds an archive that a reader accepts. `limits` may be computed from the bytes of the archive."""
    data = archive.build()
    found = archive.expected()
    facts = {"id": name, "spec": spec, "level": level, "why": why, "expect": "accept", **found}
    if extract:
        facts["extract"] = refusal(extract)
    if not limits:  # what is sound is recovered whole
        paths = [entry["path"] for entry in found["entries"]]
        more.setdefault("recovered", salvage(True, paths, {s["name"]: s["records"] for s in found["streams"]}))
    add(name, data, facts, limits and limits(data), **more)


def reject(name, spec, code, why, archive, level=None, **more):
    """Adds an archive, or the bytes of one, that a reader refuses.

    `streamed`: the code, or codes, of a reader that reads forward, where that is another. `recovered`: what is
    salvaged, or the code with which recovery refuses.
    """
    data = archive if isinstance(archive, bytes) else archive.build()
    level = level_of(code) if level is None else level
    add(name, data, {"id": name, "spec": spec, "level": level, "why": why, **refusal(code)}, **more)


# ---------------------------------------------------------------------------------------------------------------------
# Small archives
# ---------------------------------------------------------------------------------------------------------------------


def empty():
    return Archive()


def hello():
    return Archive().file("hello.txt", b"hello\n")


def example():
    archive = Archive(attributes=[("title", "An example")])
    archive.schema(GREETING, ("greetings", "example.Greeting", 1))
    return archive.file("hello.txt", b"hello\n").batch("greetings", greeting("hello"))


# Frames of hello() and example(): 0 empty, 1 header, 2 manifest, then the chunks. The parts that a hook receives begin
# with the chunks.
FRAME_OF_FILE, PART_OF_FILE = 4, 1


# ---------------------------------------------------------------------------------------------------------------------
# Hooks
# ---------------------------------------------------------------------------------------------------------------------


def setting(*facts):
    """A hook that sets things inside of dictionaries and lists: setting(("totals.files", 7))."""

    def hook(target):
        for path, value in facts:
            inner, keys = target, [int(key) if key.isdigit() else key for key in path.split(".")]
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = value(inner[keys[-1]]) if callable(value) else value

    return hook


def poke(at, value):
    """A hook that overwrites bytes; a negative place counts from the end."""

    def hook(data):
        data = bytearray(data)
        start = at % len(data)
        data[start : start + len(value)] = value
        return data

    return hook


def in_part(number, at, value):
    """A hook that overwrites plain bytes of one chunk."""

    def hook(parts):
        parts[number].data[at : at + len(value)] = value

    return hook


def file_frame(**options):
    """A hook that makes the zstd frame of hello.txt with options."""

    def hook(parts):
        parts[PART_OF_FILE].options = options

    return hook


def reframe(number, make):
    """A hook that makes another stored frame of one frame's stored bytes."""

    def hook(frames):
        frames[number].stored = bytes(make(frames[number].stored))

    return hook


def rename_section(kind):
    return lambda stored: stored[:8] + kind.encode() + stored[12:]


def flip(at):
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def increase(value):
    return value + 1


def unpacked(number, values):
    return b"".join(varint(number << 3) + varint(value) for value in values)


def resplit(parts, sizes):
    """Divides all that lies between the first and the last chunk again; the last piece takes the rest."""
    data, out = b"".join(bytes(part.data) for part in parts[1:-1]), []
    for size in sizes:
        out.append(Chunk(data[:size]))
        data = data[size:]
    return [parts[0], *out, *([Chunk(data)] if data else []), parts[-1]]
