#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors that a reader in a fourth language asked for. Frames with something behind them, faults in groups and in
messages that nobody looks into, and pairs of faults, of which the order of checks decides which is reported."""

import struct

from making import (
    FRAME_OF_FILE,
    PART_OF_FILE,
    accept,
    example,
    file_frame,
    flip,
    hello,
    increase,
    poke,
    reframe,
    reject,
    setting,
)
from writer import (
    BATCH,
    FILE,
    GREETING,
    SCHEMA,
    STREAM,
    Archive,
    Frame,
    Late,
    Member,
    element,
    field,
    greeting,
    index_message,
    schema_member,
    section,
    stream_member,
    varint,
)

LAST_FRAME = FRAME_OF_FILE + 1  # of hello(): the one with the end of the tar
SKIPPABLE = bytes.fromhex("502A4D1804000000") + b"more"
EMPTY = bytes.fromhex("28B52FFD2000010000")
EMPTY_CHECKED = bytes.fromhex("28B52FFD240001000099E9D851")  # the same with a checksum
TYPE = "example.Greeting"


def also(*hooks):
    """A hook of several, one after the other; what one returns is what the next is given."""

    def hook(value):
        for one in hooks:
            changed = one(value)
            value = value if changed is None else changed
        return value

    return hook


# ---------------------------------------------------------------------------------------------------------------------
# What a library lets pass
# ---------------------------------------------------------------------------------------------------------------------


def hidden():
    """Frames that decode to the right bytes, with something in their stored size that decodes to nothing."""
    code = "frame.decode"

    def stored(make, number=FRAME_OF_FILE):
        return hello().on("frames", reframe(number, make))

    def page(make):
        return hello().on("pages", lambda frames: [Frame(section("ENTR", make(frames[0].stored[48:])))])

    for name, what, more, streamed in (
        ("skippable", "A skippable frame", SKIPPABLE, "frame.header"),
        ("empty", "An empty frame", EMPTY, ("frame.header", "frame.size")),
        ("empty-checked", "An empty frame with a checksum", EMPTY_CHECKED, "frame.size"),
        ("section", "A section", section("note", b"hidden"), ("frame.size", "index.frame-gap", "index.frames")),
    ):
        why = f"{what} follows a payload frame within its stored size."
        reject(f"frame-then-{name}", "3.2", code, why, stored(lambda data, more=more: data + more), streamed=streamed)
        if name != "section":
            why = f"{what} follows the zstd frame of a page within its section."
            reject(f"page-then-{name}", "3.2", code, why, page(lambda data, more=more: data + more), level=0)
    why = "A skippable frame follows the frame with the end of the tar within its stored size."
    ended = stored(lambda data: data + SKIPPABLE, LAST_FRAME)
    reject("tar-end-then-skippable", "3.2", code, why, ended, level=0, streamed="frame.header")
    code = "frame.header"
    why = "A skippable frame stands before the zstd frame within the stored size of a payload frame."
    reject("frame-after-skippable", "3.2", code, why, stored(lambda data: SKIPPABLE + data))
    why = "A skippable frame stands before the zstd frame of a page within its section."
    reject("page-after-skippable", "3.2", code, why, page(lambda data: SKIPPABLE + data), level=0)
    why = "An empty frame stands before the zstd frame of a page within its section."
    code = "frame.size"
    reject("page-after-empty", "3.2", code, why, page(lambda data: EMPTY_CHECKED + data), level=0)


def messages():
    stray = varint(100 << 3 | 4)
    why = "A group ends that did not begin."
    manifest = hello().on("manifest", lambda parts: parts.update(extra=stray))
    reject("manifest-group-end", "1", "manifest.protobuf", why, manifest)
    reject("index-group-end", "1", "index.protobuf", why, hello().on("index_body", lambda body: body + stray))
    reject("page-group-end", "1", "entries.protobuf", why, hello().on("page", lambda plain: plain + stray))
    url = element(4, element(1, b"example.com/\xff"))
    why = "The type URL of an annotation is not UTF-8."
    manifest = hello().on("manifest", lambda parts: parts.update(annotations=url))
    reject("manifest-annotation-utf-8", "1", "manifest.protobuf", why, manifest)
    url = element(6, element(1, b"example.com/\xff"))
    why = "The type URL of a late annotation is not UTF-8."
    reject("index-annotation-utf-8", "1", "index.protobuf", why, hello().on("index_body", lambda body: body + url))


def members():
    """The places of STREAM members, and of sections SCHM."""

    def moved(items):
        streams = [item for item in items if item.kind == STREAM]
        rest = [item for item in items if item.kind != STREAM]
        at = next(number for number, item in enumerate(rest) if item.kind == BATCH)
        # The second stream's description, a file, the first one's; the batch is of the first.
        return [*rest[:at], streams[1], rest[at + 1], streams[0], rest[at], *rest[at + 2 :]]

    two = Archive().schema(GREETING, ("a", TYPE, 0), ("b", TYPE, 0)).batch("a", greeting("x"))
    two.file("between", b"x").file("z", b"").on("members", moved)
    why = "The descriptions of two streams come in the other order, with a file between them."
    accept("stream-members-moved", "5.5", why, two)

    def undeclared(items):
        items.insert(3, stream_member(1, ("other", TYPE, 0)))

    why = "There is a description of a stream that no Schema declares."
    reject("reserved-stream-undeclared", "5.5", "entries.reserved", why, example().on("members", undeclared))
    extra = hello().on("frames", lambda frames: frames.insert(3, Frame(section("SCHM", field(1, GREETING)))))
    why = "A section SCHM before the first payload frame, which the index neither lists nor counts."
    reject("late-schema-extra-first", "11.1", "index.streams", why, extra, level=1, streamed="section.misplaced")


# ---------------------------------------------------------------------------------------------------------------------
# Orders
# ---------------------------------------------------------------------------------------------------------------------


def order(name, code, why, archive, streamed=None, **more):
    reject(f"order-{name}", "11.1", code, f"{why}: the first is reported.", archive, streamed=streamed, **more)


def index(*facts, base=hello):
    return base().on("index", setting(*facts))


def columns(*facts, base=hello):
    return base().on("columns", setting(*facts))


def two_pages():
    return Archive(page_entries=1).file("hello.txt", b"hello")


def two_streams():
    return Archive().schema(GREETING, ("a", TYPE, 0), ("b", TYPE, 0))


def ends():
    """Steps 2 and 3 up to the index's digest."""
    wrong = hello()
    wrong.build()
    frames, size = len(wrong.index["frames"]["stored_sizes"]), len(index_message(wrong.index))
    flipped = hello().on("index_section", flip(16))
    why = "An index that does not match its digest, and pages that exceed index-bytes, which is the size of its body"
    limits = {"index-bytes": size}
    order("index-bytes-exact", "index.digest", why, flipped, ("index.digest", "limit.index-bytes"), limits=limits)

    def table(*hooks):
        return hello().on("seek", also(poke(0, b"\x5f"), *hooks))

    either = ("seek-table.mismatch", "frame.header")
    why = "A last row that places no index, and another magic number of the table"
    order("index-place-table", "seek-table.mismatch", why, table(poke(-17, struct.pack("<I", 47))), either)
    why = "Too many frames, and another magic number of the table"
    order("frames-table", "limit.frames", why, table(), ("limit.frames", *either), limits={"frames": frames})
    why = "Too large an index, and another magic number of the table"
    limits = {"index-bytes": size - 1}
    order("index-bytes-table", "limit.index-bytes", why, table(), ("limit.index-bytes", *either), limits=limits)

    why = "Another magic number of the seek table, and of the index"
    both = table().on("index_section", poke(0, b"\x5b"))
    order("table-index-head", "seek-table.footer", why, both, ("frame.header", "seek-table.mismatch"))
    why = "A reserved byte of the index's section, and its digest"
    head = hello().on("index_section", also(poke(12, b"\1"), flip(16)))
    order("index-head-digest", "section.head", why, head)
    why = "A reserved byte of a section that stands where the index must, and its kind"
    order("index-head-kind", "section.head", why, hello().on("index_section", poke(8, b"ENTR\1")))
    why = "The length of a section that stands where the manifest must, and its kind, which is unknown"
    length = hello().on("frames", reframe(2, lambda stored: flip(4)(poke(8, b"MANJ")(stored))))
    order("head-unknown-kind", "section.head", why, length, ("section.head", "section.unknown-kind"))
    why = "A section of a misplaced kind where the index must be, and its digest"
    both = hello().on("index_section", also(poke(8, b"note"), flip(16)))
    order("index-kind-digest", "section.misplaced", why, both, ("section.misplaced", "section.digest"))
    why = "An index that does not match its digest, and is no message"
    bad = hello().on("index_body", lambda body: body + b"\x0f").on("index_section", flip(16))
    order("index-digest-message", "index.digest", why, bad)


def rules():
    """Pairs of rules of section 8."""
    counted = hello()
    counted.build()
    rows = len(counted.index["frames"]["stored_sizes"]) + 1
    tar = ("totals.tar_bytes", lambda size: size + 512)
    gap = ("frames.stored_sizes.3", increase)
    totals, attributes = ("totals.symlinks", 9), ("late_attributes", [("b", ""), ("a", "")])

    why = "A content digest of 31 bytes (rule 1), and late features that are not sorted (rule 2)"
    order("rules-1-2", "index.protobuf", why, index(("content_digest", bytes(31)), ("late_features", ["b", "a"])))
    why = "A late feature (rule 2), and columns of frames of different lengths (rule 3)"
    short = ("frames.decoded_sizes", lambda sizes: sizes[:-1])
    order("rules-2-3", "feature.unknown", why, index(("late_features", ["x"]), short))
    more = (("frames.stored_sizes", lambda sizes: [*sizes, 0]), ("frames.decoded_sizes", lambda sizes: [*sizes, 0]))
    why = "A digest less than frames (rule 3), of which there are too many in the index alone (rule 4)"
    order("rules-3-4", "index.frames", why, index(*more), limits={"frames": rows})
    why = "Too many frames in the index alone (rule 4), of which the last has no bytes (rule 5)"
    more += (("frames.digests", lambda digests: [*digests, bytes(32)]),)
    order("rules-4-5", "limit.frames", why, index(*more), limits={"frames": rows})
    why = "No page (rule 6), and frames that do not end at the index (rule 7)"
    order("rules-6-7", "index.frames", why, index(("pages", []), gap))
    why = "Frames that do not end at the index (rule 7), and another size of the tar (rule 8)"
    order("rules-7-8", "index.frame-gap", why, index(gap, tar))
    limits, early = {"decoded-bytes": 512}, "limit.decoded-bytes"
    why = "Another size of the tar (rule 8), which exceeds the limit (rule 9)"
    order("rules-8-9", "index.totals", why, index(tar), early, limits=limits)
    why = "A tar that exceeds the limit (rule 9), and no Schema (rule 10)"
    order("rules-9-10", "limit.decoded-bytes", why, index(("schema_count", 0)), limits=limits)
    why = "A late Schema that is the manifest (rule 10), and too many Schemas (rule 11)"
    late = index(("schema_count", 2), ("late_schema_frames", [2]))
    order("rules-10-11", "index.streams", why, late, limits={"schemas": 1})
    why = "Too many Schemas, and too many streams (rule 11)"
    order("rules-11", "limit.schemas", why, two_streams(), limits={"schemas": 1, "streams": 1})
    why = "Too many streams (rule 11), of which the first has a bad name (rule 12)"
    order("rules-11-12", "limit.streams", why, index(("streams.0.name", "-b"), base=two_streams), limits={"streams": 1})
    records = ("streams.0.record_count", 7)
    why = "A page without entries (rule 13), and a stream with other records than its pages (rule 14)"
    order("rules-13-14", "index.pages", why, index(("pages.0.entry_count", 0), records, base=example))
    why = "A page that begins after the end of the tar (rule 13), and other totals than the pages (rule 16)"
    last = ("pages.1.tar_offset", 1 << 40)
    order("rules-13-16", "index.pages", why, index(last, totals, base=two_pages))
    why = "A stream with other records than its pages (rule 14), and too many entries (rule 15)"
    limits, early = {"entries": 1}, "limit.entries"
    order("rules-14-15", "index.streams", why, index(records, base=example), early, limits=limits)
    why = "Too many entries (rule 15), and other totals than the pages (rule 16)"
    order("rules-15-16", "limit.entries", why, index(totals), limits=limits)

    def sized(*facts):
        archive = index(*facts)
        archive.build()
        size = len(index_message(archive.index)) + archive.index["pages"][0]["decoded_size"] - 1
        return archive, {"index-bytes": size}

    archive, limits = sized(totals)
    why = "Other totals than the pages (rule 16), and too large an index with its pages (rule 17)"
    order("rules-16-17", "index.totals", why, archive, ("index.totals", "limit.index-bytes"), limits=limits)
    archive, limits = sized(attributes)
    why = "Too large an index with its pages (rule 17), and late attributes that are not sorted (rule 18)"
    order("rules-17-18", "limit.index-bytes", why, archive, limits=limits)
    why = "Columns of frames of different lengths (rule 3), and late attributes that are not sorted (rule 18)"
    order("rules-3-18", "index.frames", why, index(short, attributes))
    why = "Other totals than the pages (rule 16), and late attributes that are not sorted (rule 18)"
    order("rules-16-18", "index.totals", why, index(totals, attributes))
    why = "Late attributes that are not sorted (rule 18), and a row of the seek table"
    row = index(attributes).on("seek", poke(8 + 8 * 3, b"\1\1"))
    order("attributes-seek-table", "manifest.attributes", why, row)


def manifests():
    """Step 5."""
    row = hello().on("seek", poke(8 + 8 * 3, b"\1\1"))
    limits, either = {"manifest-bytes": 100}, ("seek-table.mismatch", "limit.manifest-bytes")
    order(
        "seek-table-manifest-bytes",
        "seek-table.mismatch",
        "A row of the seek table, and too large a manifest",
        row,
        either,
        limits=limits,
    )
    digest = ("frames.digests.2", flip(0))
    why = "Too large a manifest, and the digest of its frame"
    order("manifest-bytes-digest", "limit.manifest-bytes", why, index(digest), limits=limits)
    head = index(digest).on("frames", reframe(2, poke(12, b"\1")))
    why = "The digest of the manifest's frame, and a reserved byte of its section"
    order("frame-digest-head", "frame.digest", why, head, "section.head")
    why = "A reserved byte of a section that stands where the manifest must, and its kind"
    order("head-kind", "section.head", why, hello().on("frames", reframe(2, poke(8, b"SCHM\1"))))
    why = "A section of another kind where the manifest must be, and its digest"
    kind = hello().on("frames", reframe(2, lambda stored: flip(16)(poke(8, b"SCHM")(stored))))
    order("kind-digest", "section.misplaced", why, kind)
    why = "The digest of the manifest's body in its section, and in the index"
    other = index(("manifest_digest", flip(0))).on("frames", reframe(2, flip(16)))
    order("section-digest-manifest", "section.digest", why, other)
    why = "The digest of the manifest's body in the index, and a field of wire type 7"
    other = index(("manifest_digest", flip(0))).on("manifest", lambda parts: parts.update(extra=b"\x0f"))
    order("manifest-digest-message", "index.manifest", why, other, "manifest.protobuf")
    created = Archive(features=["b", "a"])
    created.created = field(2, 1_000_000_000)
    why = "A time of creation with 1 000 000 000 nanoseconds, and features that are not sorted"
    order("created-features", "manifest.protobuf", why, created)
    why = "A required feature, and attributes that are not sorted"
    unknown = Archive(features=["x"], attributes=[("b", ""), ("a", "")])
    order("feature-attributes", "feature.unknown", why, unknown)

    def schema_0(parts):
        declared = element(6, element(2, field(1, "-a") + field(2, TYPE)))
        parts["schemas"] = declared

    why = "Attributes that are not sorted, and a Schema 0 with a stream"
    both = Archive(attributes=[("b", ""), ("a", "")]).on("manifest", schema_0)
    order("attributes-schema-0", "manifest.attributes", why, both)
    why = "A Schema 0 with a stream, whose name is bad"
    order("schema-0-stream", "manifest.schemas", why, hello().on("manifest", schema_0))
    why = "An attribute that is in the index as well, and a Schema that only the index counts"
    twice = Archive(attributes=[("a", "")], late_attributes=[("a", "")])
    order("attribute-schemas", "manifest.attributes", why, twice.on("index", setting(("schema_count", 2))))


def pages():
    """Step 6 and section 7."""
    digest = ("frames.digests", lambda digests: [*digests[:-1], flip(0)(digests[-1])])

    def page(make, *facts):
        archive = hello().on("pages", lambda frames: [Frame(section("ENTR", make(frames[0].stored[48:])))])
        return archive.on("index", setting(*facts))

    why = "The digest of a page's frame, and a reserved byte of its section"
    head = index(digest).on("pages", lambda frames: [Frame(poke(12, b"\1")(frames[0].stored))])
    order("page-digest-head", "frame.digest", why, head, "section.head")
    larger = ("pages.0.decoded_size", increase)
    why = "The reserved bit of a page's zstd frame, and another decoded size than the index says"
    order("page-header-size", "frame.header", why, page(lambda frame: poke(4, bytes([frame[4] | 8]))(frame), larger))
    why = "Another decoded size of a page than the index says, and a wrong checksum"
    order(
        "page-size-decode",
        "index.pages",
        why,
        page(lambda frame: frame[:-1] + flip(0)(frame[-1:]), larger),
        ("index.pages", "frame.decode"),
    )
    why = "A column that is one short, and another number of entries than the index says"
    short = columns(("modes", lambda modes: modes[:-1]))
    more = setting(("pages.0.entry_count", increase), ("totals.files", increase))
    order("columns-count", "entries.columns", why, short.on("index", more))
    why = "Another number of entries than the index says, and an unknown kind"
    kind = columns(("kinds.1", 9), ("digests", lambda digests: digests[:-1]))
    order("count-kind", "index.pages", why, kind.on("index", more))
    why = "A target too many, and a path with '..'"
    both = Archive().file("../a", b"").on("columns", setting(("targets", ["x"])))
    order("columns-path", "entries.columns", why, both, "path.invalid")

    long, any_of_them = "/".join(["e" * 60] * 5), ("limit.path-bytes", "limit.component-bytes", "limit.path-depth")
    why = "A path that is too long, with too long a component, and too deep"
    limits = {"path-bytes": 100, "component-bytes": 50, "path-depth": 4}
    order("path-limits", "limit.path-bytes", why, Archive().file(long, b""), any_of_them, limits=limits)
    why = "A path with too long a component, and too deep"
    limits = {"component-bytes": 50, "path-depth": 4}
    order("component-depth", "limit.component-bytes", why, Archive().file(long, b""), any_of_them, limits=limits)
    why = "A path that is too long, of a symbolic link with an empty target"
    limits = {"path-bytes": 100}
    order(
        "path-target",
        "limit.path-bytes",
        why,
        Archive().symlink(long, ""),
        ("limit.path-bytes", "path.invalid"),
        limits=limits,
    )
    why = "A target with a control character that is too long"
    target = Archive().symlink("a", "\x7f" * 101)
    order("target-limit", "path.invalid", why, target, ("path.invalid", "limit.path-bytes"), limits=limits)

    mode = ("modes.1", 0o1644)
    why = "A path with '..', and a mode of ten bits"
    order("path-number", "path.invalid", why, Archive().file("../a", b"").on("columns", setting(mode)))
    why = "A mode of ten bits, and a path in .rosettar"
    reserved = Archive().file(".rosettar/x", b"").on("columns", setting(mode))
    order("number-form", "entries.columns", why, reserved, ("path.reserved", "entries.columns"))

    def seven(items):
        items[0].path = ".rosettar/schemas/0000000.binpb"

    why = "The member of a Schema with the mode 0600, and a number of seven digits"
    both = hello().on("members", seven).on("columns", setting(("modes.0", 0o600)))
    order("number-form-reserved", "entries.columns", why, both, ("entries.columns", "path.reserved", "tar.header"))
    why = "An entry with a mode of ten bits, and one after it with '..' in its path"
    two = Archive().file("a", b"").file("b/..", b"").on("columns", setting(mode))
    order("entries", "entries.columns", why, two, ("path.invalid", "tar.header"))
    least = ("pages.0.least_path", "x")
    why = "A path in .rosettar, and another least path of the page"
    order("form-page", "path.reserved", why, Archive().file(".rosettar/x", b"").on("index", setting(least)))

    def description(name):
        def hook(items):
            item = next(item for item in items if item.kind == STREAM)
            item.path = f".rosettar/streams/{name}/stream.txt"

        return example().on("members", hook).on("index", setting(least))

    streamed = ("entries.reserved", "path.reserved")
    why = "The description of a stream whose name no stream may have, and another least path of the page"
    order("stream-name-page", "entries.reserved", why, description("-a"), streamed)
    why = "Another least path of the page, and the description of a stream that is not declared"
    order("page-stream-name", "index.pages", why, description("other"), ("index.pages", "entries.reserved"))


def payload():
    """Step 7, and within one member step 11."""

    def frame(*hooks, **options):
        archive = hello().on("frames", lambda frames: also(*hooks)(frames))
        return archive.on("parts", file_frame(**options)) if options else archive

    digest = (f"frames.digests.{FRAME_OF_FILE}", flip(0))
    legacy = hello().on("frames", reframe(FRAME_OF_FILE, poke(0, b"\x27"))).on("index", setting(digest))
    why = "The digest of a payload frame, and its magic number"
    order("digest-frame-header", "frame.digest", why, legacy, "frame.header", level=1)
    why = "The reserved bit of a payload frame, and another content size than the index says"
    order("frame-header-size", "frame.header", why, frame(size=1000, descriptor=8), level=1)
    why = "Another content size of a payload frame than the index says, and a wrong checksum"
    size = frame(size=1000, checksum=bytes(4))
    order("frame-size-decode", "frame.size", why, size, "frame.decode", level=1)

    def tar(*pokes):
        def hook(parts):
            for at, value in pokes:
                parts[PART_OF_FILE].data[at : at + len(value)] = value

        return hello().on("parts", hook)

    header, content, padding = (108, b"1"), (512, b"H"), (1023, b"\1")
    why = "A header, and the padding of its member"
    order("header-padding", "tar.header", why, tar(header, padding), level=1)
    why = "The padding of a member, and the digest of its content"
    order("padding-digest", "tar.padding", why, tar(padding, content), level=1)
    why = "A header, and the digest of its member's content"
    order("header-digest", "tar.header", why, tar(header, content), level=1)

    def batch(parts):
        parts[-2].data[0] = 9  # the length of its record

    why = "The digest of a batch, and a record that passes its end"
    broken = example().on("parts", batch)
    order("digest-framing", "entry.digest", why, broken, ("record.framing", "entry.digest", "stream.digest"), level=1)


def verification():
    """Steps 8 to 11."""

    def late(*streams):
        return hello().schema(GREETING, *streams, late=True)

    broken = section("SCHM", b"\x0f")

    def late_frame(stored):
        def hook(frames):
            next(frame for frame in frames if frame.stored[8:12] == b"SCHM").stored = stored

        return hook

    why = "The digest of a late Schema's body, and a field of wire type 7"
    both = late().on("frames", late_frame(flip(16)(broken)))
    order("late-digest-message", "section.digest", why, both)
    # One who lists reads late Schemas before the pages.
    why = "A late Schema that is no message, and a page with an unknown kind"
    both = late().on("frames", late_frame(broken)).on("columns", unknown_kinds)
    order("late-page", "manifest.protobuf", why, both)
    why = "A late Schema that is no message, and before it an ancillary section that does not match its digest"

    def spoilt(frames):
        late_frame(broken)(frames)
        frames.insert(FRAME_OF_FILE, Frame(flip(16)(section("note", b"x"))))

    def shifted(facts):
        facts["late_schema_frames"][0] += 1

    both = late().on("frames", spoilt).on("index", shifted)
    order("late-section", "manifest.protobuf", why, both, "section.digest")
    why = "A Schema that lacks a file, and a late one that is no message"
    lacking = field(1, field(1, "a.proto") + element(3, "b.proto") + field(12, "proto3"))
    both = hello().schema(lacking).schema(GREETING, late=True).on("frames", late_frame(broken))
    order("schemas", "schema.closure", why, both, "manifest.protobuf", level=2)

    def noted():
        note = Frame(flip(16)(section("note", b"x")))
        return hello().on("frames", lambda frames: frames.insert(LAST_FRAME, note))

    why = "An ancillary section that does not match its digest, and a page with an unknown kind"
    order("section-page", "section.digest", why, noted().on("columns", unknown_kinds), level=1)
    why = "An ancillary section that does not match its digest, and before it a payload frame with a wrong checksum"
    both = noted().on("parts", file_frame(checksum=bytes(4)))
    order("section-payload", "section.digest", why, both, "frame.decode", level=1)
    why = "Two ancillary sections, of which the first does not match its digest, and the second is of an unknown kind"

    def two(frames):
        frames.insert(4, Frame(flip(16)(section("note", b"x"))))
        frames.insert(5, Frame(section("XTRA", b"")))

    order("sections", "section.digest", why, hello().on("frames", two), level=1)

    # Step 11: page by page, entry by entry.
    def header(parts):
        parts[PART_OF_FILE].data[108:109] = b"1"

    def files(*paths, per_page=4096):
        archive = Archive(page_entries=per_page)
        for path in paths:
            archive.file(path, b"")
        return archive

    why = "The header of an entry, and one after it on the same page with the same path"
    order("header-duplicate", "tar.header", why, files("a", "b", "b").on("parts", header), level=1)
    why = "The header of an entry, and a page after its own with an unknown kind"
    both = files("a", "b", "c", per_page=2).on("parts", header)
    order("header-next-page", "tar.header", why, both.on("columns", last_page_kind), level=1)
    why = "An entry with the path of one before it, and its header"

    def second(parts):
        parts[PART_OF_FILE].data[512 + 108 : 512 + 109] = b"1"

    order(
        "duplicate-header", "path.duplicate", why, files("a", "a").on("parts", second), ("tar.header", "path.duplicate")
    )
    why = "Two entries with one path, and a page after theirs with an unknown kind"
    both = files("a", "a", "b", per_page=3).on("columns", last_page_kind)
    order("duplicate-next-page", "path.duplicate", why, both)
    why = "A file with the path of a directory above another entry, which is two faults in one"
    tree = Archive().directory("a").file("a/b", b"").file("a", b"")
    order("duplicate-parent", "path.duplicate", why, tree, ("path.duplicate", "path.parent"))
    why = "An entry below a file, and one after it with a path that there was"
    order("parent-duplicate", "path.parent", why, files("a", "a/b", "a"))

    def described(items):
        item = next(item for item in items if item.kind == STREAM)
        item.content = item.content.replace(b"Greeting", b"Greetinh")

    def described_header(parts):
        data = next(part.data for part in parts if b"/stream.txt" in part.data)
        at = data.index(b".rosettar/streams/greetings/stream.txt")
        data[at + 108 : at + 109] = b"1"

    why = "The description of a stream with another type, and its header"
    both = example().on("members", described).on("parts", described_header)
    order("description-header", "entries.reserved", why, both, "tar.header")
    why = "The description of a stream with another type, and a page after its own with an unknown kind"
    both = Archive(page_entries=3).schema(GREETING, ("a", TYPE, 0)).file("z", b"")
    order("description-next-page", "entries.reserved", why, both.on("members", described).on("columns", last_page_kind))

    def elsewhere(parts):
        at = next(n for n, part in enumerate(parts) if isinstance(part, Late))
        parts.insert(at - 1, parts.pop(at))

    def other_set(items):
        item = [item for item in items if isinstance(item, Member) and item.kind == SCHEMA][-1]
        item.content = GREETING.replace(b"Greeting", b"Greetinh")

    why = "A late Schema's section that does not precede its member, and the member's content"
    both = late().on("parts", elsewhere).on("members", other_set)
    order("late-place-content", "section.misplaced", why, both)

    def renumbered(items):
        at = next(
            n for n, item in enumerate(items) if isinstance(item, Member) and item.path.endswith("00000001.binpb")
        )
        items[at] = schema_member(2, GREETING)

    why = "The member of a late Schema with another number, and a section that does not precede it"
    both = late().on("parts", elsewhere).on("members", renumbered)
    order("late-number-place", "entries.reserved", why, both, ("section.misplaced", "entries.reserved"))

    why = "The end of the tar, and the digest of a stream"
    end = example().on("parts", lambda parts: parts[-1].data.__setitem__(0, 1))
    end.on("index", setting(("streams.0.digest", flip(0))))
    order("end-stream-digest", "tar.end", why, end, ("tar.end", "tar.header"))
    why = "Another size of a stream, and its digest"
    both = index(("streams.0.size", increase), ("streams.0.digest", flip(0)), base=example)
    order("totals-stream-digest", "index.totals", why, both, ("index.totals", "stream.digest"))
    why = "The digest of a stream, and the content digest"
    both = index(("streams.0.digest", flip(0)), ("content_digest", flip(0)), base=example)
    order("stream-content-digest", "stream.digest", why, both, level=1)


def unknown_kinds(some):
    """An unknown kind for each file, without the digest that such an entry has not."""
    files = some["kinds"].count(FILE)
    some["kinds"] = [9 if kind == FILE else kind for kind in some["kinds"]]
    some["digests"] = some["digests"][: len(some["digests"]) - files]


def last_page_kind(some):
    """An unknown kind on each page but the first, which begins with a Schema."""
    if some["kinds"][0] != SCHEMA:
        some["kinds"] = [9] * len(some["kinds"])
        some["digests"] = []


GROUPS = (hidden, messages, members, ends, rules, manifests, pages, payload, verification)
