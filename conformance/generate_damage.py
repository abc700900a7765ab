#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors of archives that were cut off, damaged or joined to something: what an indexed reader says of them, what one
that reads from a pipe says (FORMAT.md, section 11.2), and what recovery keeps (section 11.3)."""

import struct

from making import VECTORS, example, flip, hello, poke, reject, salvage, setting
from writer import BATCH, GREETING, Archive, Chunk, Member, Record, greeting, index_message, section

FOOTER, TRUNCATED, GONE = "seek-table.footer", "envelope.truncated", ()
FILES = ("a", "b", "c", "d", "e")
LOG = [greeting(letter * 300) for letter in "uvwx"]


def sample():
    """Five files, a stream of two batches, and a late one; a frame for each file, three for the content of a batch."""
    archive = Archive(attributes=[("early", "1")], late_attributes=[("late", "2")], page_entries=6)
    archive.schema(GREETING, ("log", "example.Greeting", 0))
    archive.file("a", b"first\n").cut().file("b", b"second\n", nanoseconds=5).cut()
    archive.batch("log", *LOG)
    archive.file("c", b"c" * 600).cut().batch("log", greeting("again"))
    archive.schema(GREETING, ("late", "example.Greeting", 7), late=True)
    archive.batch("late", greeting("one"), greeting("two"))
    archive.file("d", b"").cut().file("e", b"last\n")

    def split(parts):
        out = []
        for part in parts:
            data = bytes(part.data) if isinstance(part, Chunk) else b""
            big = len(data) == 1536 and data.startswith(b"\xaf\x02")  # the content of the first batch
            out += [Chunk(data[at : at + 512]) for at in (0, 512, 1024)] if big else [part]
        return out

    return archive.on("parts", split)


class Places:
    """The bytes of the sample, and where in them each thing is: a range of bytes for each of its frames."""

    def __init__(self, archive):
        self.bytes = archive.build()
        sizes = archive.index["frames"]
        self.frames, self.tar, at, tar = [], [], 0, 0
        for stored, decoded in zip(sizes["stored_sizes"], sizes["decoded_sizes"]):
            self.frames.append((at, at + stored))
            self.tar.append((tar, tar + decoded))
            at, tar = at + stored, tar + decoded
        self.index = (at, len(self.bytes) - 8 * (len(self.frames) + 1) - 17)
        self.table = (self.index[1], len(self.bytes))
        self.manifest, self.pages = self.frames[2], self.frames[-len(archive.index["pages"]) :]
        self.end = self.frames[-len(archive.index["pages"]) - 1]
        late = [f for f in self.frames[3:] if self.bytes[f[0] + 8 : f[0] + 12] == b"SCHM"]
        self.section = late[0] if late else None
        self.members, at = {}, 0
        for member in archive.members:
            end = at + len(member.header()) + len(member.data())
            held = [f for f, t in zip(self.frames, self.tar) if t[0] < end and at < t[1]]
            self.members[member.path] = held
            at = end

    def batch(self, stream, number):
        return self.members[f".rosettar/streams/{stream}/{number:08}.binpb"]

    def cut(self, end):
        return self.bytes[:end]

    def flipped(self, *places):
        data = bytearray(self.bytes)
        for place in places:
            data[place] ^= 1
        return bytes(data)


def kept(files=FILES, log=5, late=2, whole=False, more=(), **other):
    records = {"log": log, "late": late}
    records = {name: count for name, count in {**records, **other}.items() if count is not None}
    return salvage(whole, [*files, *more], records)


def cuts():
    places = Places(sample())
    header, manifest = 29, places.manifest
    first = places.members["a"][0]

    def cut(name, why, end, recovered, code=FOOTER, streamed=TRUNCATED):
        reject(f"cut-{name}", "11.3", code, why, places.cut(end), streamed=streamed, recovered=recovered)

    nothing = salvage(False)
    cut("after-header", "An archive ends after its header.", header, nothing)
    cut("in-manifest", "An archive ends within its manifest.", manifest[1] - 10, nothing)
    cut("after-manifest", "An archive ends after its manifest.", manifest[1], kept(GONE, 0, None))
    cut("in-schemas", "An archive ends within its first payload frame.", first[0] - 100, kept(GONE, 0, None))
    cut("after-schemas", "An archive ends before its first file.", first[0], kept(GONE, 0, None))
    cut(
        "in-file",
        "An archive ends within the frame of its second file.",
        places.members["b"][0][1] - 1,
        kept("a", 0, None),
    )
    cut(
        "after-file",
        "An archive ends after the frame of its second file.",
        places.members["b"][0][1],
        kept("ab", 0, None),
    )
    batch = places.batch("log", 0)
    cut("after-batch-header", "An archive ends after the header of a batch.", batch[0][1], kept("ab", 0, None))
    why = "An archive ends within the second frame of a batch's content: one record of it is whole."
    cut("in-batch", why, batch[2][1] - 5, kept("ab", 1, None))
    why = "An archive ends after the second of the three frames of a batch's content: three records are whole."
    cut("in-batch-later", why, batch[2][1], kept("ab", 3, None))
    cut("after-batch", "An archive ends after its first batch.", batch[3][1], kept("ab", 4, None))
    section = places.section
    cut("in-late-schema", "An archive ends within a late Schema's section.", section[1] - 3, kept("abc", 5, None))
    cut("after-late-schema", "An archive ends after a late Schema's section.", section[1], kept("abc", 5, 0))
    cut("before-end", "An archive ends before the end of the tar.", places.end[0], kept())
    cut("after-end", "An archive ends where its first page must begin.", places.pages[0][0], kept())
    cut("in-page", "An archive ends within its second page.", places.pages[1][1] - 20, kept())
    cut("before-index", "An archive ends where its index must begin.", places.index[0], kept())
    cut("in-index", "An archive ends within its index.", places.index[1] - 30, kept())
    cut("before-seek-table", "An archive ends after its index: nothing is lost.", places.index[1], kept(whole=True))
    cut(
        "in-seek-table",
        "An archive ends within its seek table.",
        places.table[1] - 20,
        kept(whole=True),
        streamed=(TRUNCATED, "seek-table.mismatch"),
    )


def cut_large():
    """Cuts within things that have several frames, and chains that meet a limit or an unknown kind."""
    archive = Archive().file("a", b"a").cut().file("large", b"x" * 1500).cut().file("z", b"")

    def split(parts):
        data = bytes(parts[2].data)
        return [*parts[:2], *(Chunk(data[at : at + 512]) for at in range(0, len(data), 512)), *parts[3:]]

    archive.on("parts", split)
    places = Places(archive)
    frames = places.members["large"]
    for name, why, end in (
        ("in-large-file", "An archive ends before the last of the four frames of a file.", frames[-1][0]),
        ("after-large-header", "An archive ends after the frame of a file's header.", frames[0][1]),
        ("in-large-header", "An archive ends within the frame of a file's header.", frames[0][1] - 1),
    ):
        reject(f"cut-{name}", "11.3", FOOTER, why, places.cut(end), streamed=TRUNCATED, recovered=salvage(False, ["a"]))
    places = Places(sample())
    end, sizes = places.index[0], places.frames
    tar = places.tar[-1][1]
    for name, value, data in (
        ("decoded-bytes", tar - 1, places.cut(end)),
        ("frames", len(sizes) // 2, places.cut(end)),
        ("manifest-bytes", places.manifest[1] - places.manifest[0] - 49, places.cut(end)),
        ("index-bytes", 300, places.cut(end)),
    ):
        why = f"An archive that ends where its index must begin, with the limit {name} at {value}."
        code = f"limit.{name}"
        reject(
            f"cut-limit-{name}",
            "11.3",
            FOOTER,
            why,
            data,
            limits={name: value},
            streamed=(code, TRUNCATED) if name == "index-bytes" else code,  # pages may be kept as they came
            recovered=None if name == "index-bytes" else code,
        )
    unknown = hello().on(
        "columns", lambda columns: columns["kinds"].__setitem__(1, 7) or columns["digests"].pop() and None
    )
    data = Places(unknown)
    why = "An archive that ends where its index must begin, with an entry of the kind 7."
    reject(
        "cut-kind-unknown",
        "11.3",
        FOOTER,
        why,
        data.cut(data.index[0]),
        streamed=(TRUNCATED, "entries.kind"),
        recovered="entries.kind",
    )


def cut_faults():
    """Archives with a fault that are cut off after it: a reader from a pipe has to say so before the end comes."""

    def cut(name, code, why, archive, at=None, limits=None, streamed=None, recovered=None):
        data = archive.build()
        sizes = archive.index["frames"]["stored_sizes"]
        end = sum(sizes[: at or len(sizes) - len(archive.index["pages"])])
        facts = {"limits": limits, "streamed": streamed or code, "recovered": recovered}
        reject(f"cut-{name}", "11.2", FOOTER, f"{why}, cut off after that.", data[:end], **facts)

    def files(*names):
        archive = Archive()
        for name in names:
            archive.file(name, b"")
        return archive

    cut("path-duplicate", "path.duplicate", "Two entries with one path", files("a", "b", "a"))
    cut("path-under-file", "path.parent", "An entry below a file", files("a", "a/b"))
    cut("path-under-file-before", "path.parent", "An entry below a file that follows it", files("a/b", "a"))
    cut("path-invalid", "path.invalid", "A path with a component '..'", files("../a"))
    cut("path-reserved", "path.reserved", "A file in .Rosettar", files(".Rosettar/a"))
    reserved = Archive().symlink(".rosettar/schemas/00000001.binpb", "x")
    cut(
        "path-reserved-link",
        "path.reserved",
        "A symbolic link with the path of a Schema",
        reserved,
        streamed=("path.reserved", "tar.header"),
    )
    shaped = Archive().directory(".rosettar/schemas/00000001.binpb", mode=0o644, mtime=0)
    cut("path-reserved-shaped", "path.reserved", "A directory with the path, mode and time of a Schema", shaped)
    twice = Archive().schema(GREETING, ("a", "example.Greeting", 0))
    cut("limit-schemas", "limit.schemas", "With the limit schemas at 1, an archive with two", twice, 3, {"schemas": 1})
    late = hello().schema(GREETING, late=True)
    cut(
        "limit-schemas-late",
        "limit.schemas",
        "With the limit schemas at 1, an archive with a late one",
        late,
        None,
        {"schemas": 1},
    )
    cut("limit-streams", "limit.streams", "With the limit streams at 0, an archive with one", twice, 3, {"streams": 0})
    cut(
        "limit-entries",
        "limit.entries",
        "With the limit entries at 2, an archive of four",
        files("a", "b", "c"),
        None,
        {"entries": 2},
    )
    long = files("/".join(["e" * 99] * 9))
    cut(
        "limit-path-bytes",
        "limit.path-bytes",
        "With the limit path-bytes at 100, a path of 899",
        long,
        None,
        {"path-bytes": 100},
    )
    after = hello().on("parts", lambda parts: [*parts, Chunk(b"x" * 512)])
    cut("payload-after-end", "tar.end", "Payload after the end of the tar", after)

    def member(number, **facts):
        return lambda members: members[number].__dict__.update(facts)

    link = Archive().file("a", b"").symlink("b", "a").file("c", b"").on("members", member(2, mode=0o644))
    why = "A symbolic link of the mode 0644"
    cut("link-mode", "tar.header", why, link, recovered=salvage(False, ["a"]))
    cut(
        "reserved-mode",
        "tar.header",
        "A reserved member of the mode 0600",
        hello().on("members", member(0, mode=0o600)),
    )
    cut("reserved-mtime", "tar.header", "A reserved member of the time 5", hello().on("members", member(0, mtime=5)))


def orders():
    """Archives with two faults: the order of checks in section 11.1 decides which one is reported."""

    def index(*facts, base=hello):
        return base().on("index", setting(*facts))

    def order(name, code, why, archive, streamed=None, **more):
        reject(f"order-{name}", "11.1", code, f"{why}: the first is reported.", archive, streamed=streamed, **more)

    wrong = hello()
    wrong.build()
    frames, size = len(wrong.index["frames"]["stored_sizes"]), len(index_message(wrong.index))
    flipped = ("limit.frames", "index.digest")
    order(
        "frames-digest",
        "limit.frames",
        "Too many frames, and an index that does not match its digest",
        hello().on("index_section", flip(16)),
        flipped,
        limits={"frames": frames},
    )
    order(
        "index-bytes-digest",
        "limit.index-bytes",
        "Too large an index that does not match its digest",
        hello().on("index_section", flip(16)),
        ("limit.index-bytes", "index.digest"),
        limits={"index-bytes": size - 1},
    )
    none = ("pages.0.entry_count", 0)
    order(
        "schemas-pages",
        "index.streams",
        "No Schema (rule 10), and a page without entries (rule 13)",
        index(("schema_count", 0), none),
    )
    order(
        "streams-pages",
        "index.streams",
        "A stream of no Schema (rule 12), and a page without entries (rule 13)",
        index(("streams.0.schema", 2), none, base=example),
    )
    for name, fact in (
        ("entries", none),
        ("entries-many", ("pages.0.entry_count", 4097)),
        ("size", ("pages.0.decoded_size", 0)),
        ("offset", ("pages.0.tar_offset", 512)),
        ("counts", ("pages.0.record_counts", [0])),
    ):
        why = f"A page that breaks rule 13 ({fact[0].removeprefix('pages.0.')}), and totals that break rule 16"
        order(f"page-{name}-totals", "index.pages", why, index(fact, ("totals.symlinks", 9)))
    order(
        "totals-seek-table",
        "index.totals",
        "Totals that break rule 16, and a row of the seek table",
        index(("totals.symlinks", 9)).on("seek", poke(8 + 8 * 3, b"\1\1")),
    )
    digest = ("frames.digests.2", flip(0))
    order(
        "seek-table-manifest",
        "seek-table.mismatch",
        "A row of the seek table, and the digest of the manifest's frame",
        index(digest).on("seek", poke(8 + 8 * 3, b"\1\1")),
        ("seek-table.mismatch", "frame.digest"),
    )
    features = Archive(features=["b", "a"], attributes=[("", "")])
    order(
        "features-attributes",
        "manifest.features",
        "Unsorted features, and an attribute without key",
        features,
        ("manifest.features", "manifest.attributes"),
    )
    kinds = hello().on(
        "columns", setting(("kinds.1", 9), ("digests", lambda digests: digests[:-1]), ("targets", ["x"]))
    )
    order("kind-columns", "entries.kind", "An unknown kind, and a target too many", kinds)
    two = Archive().schema(GREETING, ("a", "example.Greeting", 0), ("b", "example.Greeting", 0))
    two.on("index", setting(("streams.0.schema", 0), ("streams.1.name", "-b")))
    order("streams", "index.streams", "A first stream of Schema 0, and a second with a bad name", two)
    least = Archive().file("a/../b", b"").on("index", setting(("pages.0.least_path", "x")))
    order("path-page", "path.invalid", "A path with '..', and another least path of the page", least)


def joined():
    places = Places(sample())
    whole = places.bytes
    other = Archive().file("other", b"other\n").build()
    complete = kept(whole=True)
    why = "Two archives, one after the other."
    reject("two-archives", "8", "index.frame-gap", why, whole + other, streamed=FOOTER, recovered=complete)
    why = "An archive twice."
    reject("archive-twice", "8", "index.frame-gap", why, whole + whole, streamed=FOOTER, recovered=complete)
    skippable = bytes.fromhex("502A4D18") + struct.pack("<I", 4) + b"more"
    reject(
        "skippable-after", "9", FOOTER, "A skippable frame follows an archive.", whole + skippable, recovered=complete
    )
    zipped = b"PK\5\6" + bytes(18)
    reject("zip-after", "9", FOOTER, "An empty zip file follows an archive.", whole + zipped, recovered=complete)
    reject(
        "zeros-after",
        "9",
        FOOTER,
        "A block of zeros follows an archive, as of a tape.",
        whole + bytes(512),
        recovered=complete,
    )
    at = places.index[1]
    for name, why, more in (
        ("index-twice", "A second index before the seek table.", whole[places.index[0] : at]),
        ("index-ancillary", "An ancillary section after the index.", section("note", b"late")),
    ):
        data = whole[:at] + more + whole[at:]
        code = "index.frame-gap" if name == "index-twice" else "section.head"
        reject(name, "11.2", code, why, data, streamed="seek-table.mismatch", recovered=complete)
    text = b"Once upon a time there was no archive.\n" * 20
    code = "envelope.unknown-magic"
    reject("other-text", "11.3", code, "A text.", text, recovered=code)
    reject(
        "archive-without-start", "11.3", code, "An archive that lost its first 29 bytes.", whole[29:], recovered=code
    )

    # A stored archive ends where the outer one is cut off: its footer is the last thing in the file.
    inner = hello().build()
    outer = Archive().file("first", b"1").cut().file("inner.rtar", inner).cut().file("z", b"")
    data = outer.build()
    end = data.index(inner) + len(inner)
    why = "An archive that is cut off at the end of an archive that is stored in it."
    reject(
        "cut-at-inner",
        "11.3",
        "index.frame-gap",
        why,
        data[:end],
        streamed=TRUNCATED,
        recovered=salvage(False, ["first"]),
    )
    at = data.index(inner)
    why = "The second half of an archive, from where an archive that is stored in it begins."
    reject(
        "inner-first",
        "11.3",
        "index.frame-gap",
        why,
        data[at:],
        streamed=("seek-table.footer", "frame.header"),
        recovered=salvage(True, ["hello.txt"]),
    )


def damage():
    """Flipped bits. The index, where it is whole, says which frames are."""
    places = Places(sample())

    def hurt(name, code, why, recovered, *where, streamed=None, level=None):
        data = places.flipped(*where)
        reject(f"damaged-{name}", "11.3", code, why, data, level=level, streamed=streamed, recovered=recovered)

    def last(frame):
        return frame[1] - 1

    whole = kept(whole=True)
    magic = "envelope.unknown-magic"
    hurt("empty-frame", magic, "The first frame is damaged.", whole, 3)
    hurt("header", magic, "The header is damaged.", whole, 20)
    hurt(
        "version",
        "envelope.unsupported-version",
        "The major version is damaged: its frame does not have its digest.",
        whole,
        25,
    )
    hurt("reserved", "envelope.reserved", "A reserved byte of the header is damaged.", whole, 28)
    lost = kept()
    digest = "frame.digest"
    decode = "frame.decode"
    hurt(
        "manifest",
        digest,
        "The manifest is damaged: its attribute is lost.",
        lost,
        last(places.manifest),
        streamed="section.digest",
        level=0,
    )
    member = places.members[".rosettar/schemas/00000001.binpb"][0]
    hurt(
        "schema-member",
        digest,
        "The frame of the Schemas' members is damaged: they are in the manifest, too.",
        whole,
        last(member),
        streamed=decode,
    )
    hurt("file", digest, "The frame of a file is damaged.", kept("abde"), last(places.members["c"][0]), streamed=decode)
    batch = places.batch("log", 0)
    hurt(
        "batch-header",
        digest,
        "The frame of a batch's header is damaged.",
        kept(log=1),
        last(batch[0]),
        streamed=decode,
    )
    hurt(
        "batch-first",
        digest,
        "The first frame of a batch's content is damaged.",
        kept(log=1),
        last(batch[1]),
        streamed=decode,
    )
    why = "The last frame of a batch's content is damaged: the records before it are whole, and the next batch."
    hurt("batch-last", digest, why, kept(log=4), last(batch[3]), streamed=decode)
    why = "A late Schema's section is damaged: its member and the index have all that it says."
    hurt("late-schema", digest, why, whole, last(places.section), streamed="section.digest", level=0)
    late = places.members[".rosettar/schemas/00000002.binpb"]
    files = kept(late=None, more=["recovered-records/late/00000000.binpb"])
    why = "A late Schema's section and its member are damaged: its records are kept as a file."
    hurt(
        "late-schema-both", digest, why, files, last(places.section), last(late[0]), streamed="section.digest", level=0
    )
    hurt("end", digest, "The end of the tar is damaged.", whole, last(places.end), streamed=decode, level=0)
    why = "A page is damaged: its entries are read from the tar, which has no nanoseconds."
    hurt("page", digest, why, lost, last(places.pages[0]), streamed=("section.digest", "frame.digest"), level=0)
    why = "A page and the frame of a file are damaged: what follows the file, up to the next page, is not found."
    hurt(
        "page-and-file",
        digest,
        why,
        kept("acde", log=1),
        last(places.pages[0]),
        places.members["b"][0][1] - 1,
        streamed=decode,
        level=0,
    )
    index = last(places.index)
    hurt("index", "index.digest", "The index is damaged.", lost, index)
    hurt(
        "index-and-page",
        "index.digest",
        "The index and the first page are damaged.",
        lost,
        index,
        last(places.pages[0]),
        streamed=("section.digest", "index.digest"),
    )
    why = "The index and the frame of a file are damaged: what follows the file is not found without an index."
    hurt(
        "index-and-file", "index.digest", why, kept("a", 0, None), index, last(places.members["b"][0]), streamed=decode
    )
    why = "The index and the manifest are damaged: the payload shows that the manifest's length is right."
    hurt("index-and-manifest", "index.digest", why, lost, index, last(places.manifest), streamed="section.digest")
    why = "The index and the length of the manifest are damaged."
    hurt(
        "index-and-length",
        "index.digest",
        why,
        salvage(False),
        index,
        places.manifest[0] + 5,
        streamed=("section.digest", "envelope.truncated", "limit.manifest-bytes"),
    )
    why = "The index and the first 29 bytes are damaged: the manifest is there."
    hurt("index-and-header", magic, why, lost, index, 1, 10)
    why = "The index and the batch's first frame are damaged."
    hurt("index-and-batch", "index.digest", why, kept("ab", 0, None), index, last(batch[1]), streamed=decode)
    hurt("seek-table", "seek-table.mismatch", "A row of the seek table is damaged.", whole, places.table[0] + 20)
    hurt(
        "footer",
        FOOTER,
        "The last byte of the seek table is damaged.",
        whole,
        places.table[1] - 1,
        streamed="seek-table.mismatch",
    )
    why = "The last row of the seek table is damaged: the chain of frames leads to the index."
    hurt("last-row", "section.head", why, whole, places.table[1] - 17, streamed="seek-table.mismatch")


def faults():
    """Archives whose faults a recovery meets though no bit was flipped."""

    def of(*records, content=None, count=None):
        archive = (
            Archive()
            .schema(GREETING, ("log", "example.Greeting", 0))
            .batch("log", *records, content=content, count=count)
        )
        return archive.file("z", b"")

    good = b"\x04\x0a\x02ok"
    why = "A batch of which the second record is not framed: the first and what follows the batch are kept."
    content = good + b"\x80\0" + good
    reject(
        "recover-framing",
        "11.3",
        "record.framing",
        why,
        of(content=content, count=3),
        recovered=salvage(False, ["z"], {"log": 1}),
    )
    why = "A batch that has a record more than its entry states."
    reject(
        "recover-more",
        "11.3",
        "record.count",
        why,
        of(content=good * 3, count=2),
        recovered=salvage(True, ["z"], {"log": 3}),
    )

    def out_of_order(members):
        batches = [n for n, member in enumerate(members) if isinstance(member, Member) and member.kind == BATCH]
        one, two = batches[0], batches[1]
        members[one], members[two] = members[two], members[one]

    archive = (
        Archive()
        .schema(GREETING, ("log", "example.Greeting", 0))
        .batch("log", greeting("0"))
        .batch("log", greeting("1"))
    )
    archive.on("members", out_of_order)
    why = "Two batches in the wrong order: the second, with the lower number, is not kept."
    reject("recover-order", "11.3", "entries.reserved", why, archive, recovered=salvage(False, [], {"log": 1}))

    data, places = archive.build(), Places(archive)
    last = places.batch("log", 1)[-1][1] - 1
    why = "Two batches in the wrong order, the first damaged: its number counts all the same."
    data = data[:last] + bytes([data[last] ^ 1]) + data[last + 1 :]
    reject(
        "recover-order-damaged",
        "11.3",
        "entries.reserved",
        why,
        data,
        streamed="frame.decode",
        recovered=salvage(False, [], {"log": 0}),
    )

    def chain(archive):
        """An archive that ends where its first page must begin."""
        places = Places(archive)
        return places.cut(places.pages[0][0])

    why = "An archive of the files a, a and b that ends before its pages: two of one path do not end the parsing."
    data = chain(Archive().file("a", b"1").file("a", b"2").file("b", b""))
    reject("recover-paths", "11.3", FOOTER, why, data, streamed="path.duplicate", recovered=salvage(False, ["a", "b"]))
    path = ".rosettar/streams/none/00000000.binpb"
    archive = hello().on("members", lambda members: members.insert(1, Member(BATCH, path, good, stream=0, records=1)))
    why = "An archive with a batch of an undeclared stream that ends before its pages: its records are kept as a file."
    files = ["hello.txt", "recovered-records/none/00000000.binpb"]
    said = salvage(False, files)
    reject("recover-undeclared", "11.3", FOOTER, why, chain(archive), streamed="entries.reserved", recovered=said)

    def changed(parts):
        parts[-2].data[3] ^= 1

    archive = of(Record(b"\x0a\x02ok", {}))
    archive.items = archive.items[:1]
    archive.on("parts", changed)
    why = "A batch all of whose content is there, with another digest than its entry has."
    reject(
        "recover-batch-digest",
        "11.3",
        "entry.digest",
        why,
        archive,
        streamed=("entry.digest", "stream.digest"),
        recovered=salvage(False, [], {"log": 0}),
    )


# What recovery makes of vectors of other groups.
RECOVERED = {
    "no-bytes": "envelope.truncated",
    "cut-in-header": salvage(False),
    "magic": salvage(True, ["hello.txt"]),
    "magic-empty-frame": salvage(True),
    "major-version": "envelope.unsupported-version",
    "major-version-0": "envelope.unsupported-version",
    "header-reserved": salvage(True, ["hello.txt"]),
    "feature": "feature.unknown",
    "late-feature": "feature.unknown",
    "late-attribute-twice": salvage(False),
    "manifest-other": salvage(False, ["hello.txt"]),
    "schema-order": salvage(True, [], {"a": 0}),
    "schema-twice": salvage(False, ["recovered-records/a/00000000.binpb"]),
    "kind-unknown": "entries.kind",
    "seek-table-cut": salvage(True, ["hello.txt"]),
    "seek-table-after": salvage(True, ["hello.txt"]),
    "seek-table-row": salvage(True, ["hello.txt"]),
    "content-digest": salvage(True, ["hello.txt"], {"greetings": 1}),
    "stream-digest": salvage(True, ["hello.txt"], {"greetings": 1}),
    "entry-digest": salvage(False),
    "padding": salvage(False),
    "header-mode": salvage(False),
    "frame-checksum": salvage(False),
    "frame-digest": salvage(False),
    "path-duplicate": salvage(False, ["a", "b"]),
    "path-under-file": salvage(False, ["a"]),
    "reserved-batch-gap": salvage(True, [], {"a": 2}),
    "skippable-around": "envelope.unknown-magic",
    "limit-index-bytes": "limit.index-bytes",
    "limit-index-bytes-pages": "limit.index-bytes",
    "limit-manifest-bytes": "limit.manifest-bytes",
    "limit-streams": "limit.streams",
    "limit-schemas": "limit.schemas",
    "limit-entries": "limit.entries",
    "limit-frames": "limit.frames",
    "limit-decoded-bytes": "limit.decoded-bytes",
}


def others():
    for name, said in RECOVERED.items():
        facts = VECTORS[name][1]
        facts["recovered"] = {"code": said} if isinstance(said, str) else said


GROUPS = (cuts, cut_large, cut_faults, orders, joined, damage, faults)
