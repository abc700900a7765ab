#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors that go through FORMAT.md rule by rule, each with one fault or one feature, from section 1 to section 9."""

import base64
import struct

from making import (
    FRAME_OF_FILE,
    PART_OF_FILE,
    accept,
    empty,
    example,
    file_frame,
    flip,
    hello,
    increase,
    poke,
    reframe,
    reject,
    rename_section,
    setting,
)
from writer import (
    BATCH,
    COMPRESSED,
    FILE,
    GREETING,
    RAW,
    RLE,
    SCHEMA,
    STREAM,
    Archive,
    Chunk,
    Frame,
    Late,
    Member,
    block,
    descriptor_set,
    element,
    field,
    file_descriptor,
    greeting,
    index_message,
    padded,
    pax_records,
    raw_blocks,
    repeated,
    schema_member,
    schema_message,
    section,
    stream_member,
    tar_block,
    varint,
    zstd_frame,
)

# A frame of words.txt as zstd 1.5 makes it at level 19: literals by a Huffman code, sequences by FSE tables of its own.
COMPRESSED_WORDS = base64.b85decode(
    """
    D77#BWB?0w834wTHyvPY8#CRVxe=i=p`oPif~}xP5hIwtNF8Gk2=N^;04@M808yvhr#QJ(-
    Zf%mgF4|#?8xV(Tt7x?r6L#@hGDB|7{S08wF(Veim}5|Klwpy-
    c!+o;wx=Fw~v)}>!jvD5GDG2C4pSmbe$3M?0X`|m$AWRcdyU+Q9GIqYWAA~(7Nl~_s_bteNo@DyU6Kpm-seaU$l*=yOlsR2Lme*m|WUEjQUx
    3XylfYb`}x};NI%(s?5p?wbk{rzaL1;&^pTA&`vG6_Qkc~fc(B;<dyh6u90rgM#aW~HK@@V1(75vN}2;92*Pj})#`bIIAk_Ne1Rwmq=FO_lz
    -GHbg+VgAUEPLJ0CKxtaOy;(!_4p0+^mR1n~J;_><Y;Bxux(8-aB)Y!A52k?1yq&6f9~vED;-yQ-FYMhzVKyrQ%G^bME9cwYWGqeHP#A~<!d
    -DC+;)O?_f8%e$Dyc*}cHmgV=ujt7GKeNFG7Es`1i>Jq1B;ru%MUkJLR#qYE3{1;_g{l11xEOupG<L9LSNKWdD>DX#3p_$5sgZv6^zn{MM|Z
    3jfY28%OEj8qDT@{2q%7)qL5xb;H!F}fi$b-_e2L1q3-5FjqYMf6gL<Jsg0c#trK6tm80>{j-
    xfv?K^rJ9P(1J3uobziEaf916flXRh#?)I)mM<or`2Pf=x1Q^&8rm~C$8!LQvFZGqtn1sHwU0mw3{b&HE6Ko2?+fK>&;{Ul?c0a-<-
    P58ROhgD14L1SY!hJAYFYSVxM;{pHlikYa$>f%cwl`8Y29w#ldSg0PagM36_{>ZlMumeDK8QkA1@3M|CCuaF>WRl){vIJVy-
    D7NP~8E=RDI+5xBv;({eW;WtU}Ogioc<4z#zlB}ni(6vh15rQ)3W_yyEZn-qSTYpSSj;xCL%!II96)K}<T#(LygeTJgXrkd}HON&DbJpv_4&
    1<P!^J2JBBp2<G{*k79?(yQ$z@lFaFw7Y4T2oo^`zkI7bpr~EdTjM`h7BT!R4=}KqBCeE(FP1u!NRhgVuwqrxju=2yh3;p*sM6_ZV@L
    """.replace("\n", "").replace(" ", "")
)


def words():
    text = (
        "the archive holds what it was given and nothing else: every byte of it is counted, hashed, framed; a reader "
    )
    text += "checks before believing. Tar, zstd and protobuf are old friends who seldom disagree about Quartz, jukebox "
    text += "vowels or 1234567890 (perhaps)."
    choice, state, out = text.split(), 7, []
    for _ in range(420):
        state = (state * 1103515245 + 12345) % (1 << 31)
        out.append(choice[(state >> 16) % len(choice)])
    return (" ".join(out) + "\n").encode()


def index(*facts, base=hello):
    return base().on("index", setting(*facts))


def columns(*facts, base=hello):
    return base().on("columns", setting(*facts))


def body(make, base=hello):
    return base().on("index_body", make)


def file_section(stored, at=FRAME_OF_FILE):
    """A frame between those of hello()."""
    return hello().on("frames", lambda frames: frames.insert(at, Frame(stored)))


def linked():
    return Archive().directory("d").symlink("l", "d").file("z", b"")


# What a streaming reader says of an entry that the table has as another one: anything that is compared with the tar.
OTHER_ENTRY = ("tar.header", "entries.reserved", "index.totals", "stream.digest")


def two_pages():
    archive = Archive(page_entries=3).schema(GREETING, ("a", "example.Greeting", 0))
    return archive.batch("a", greeting("x")).file("b", b"").file("c", b"")


# ---------------------------------------------------------------------------------------------------------------------
# Sections 1 to 3
# ---------------------------------------------------------------------------------------------------------------------


def protobuf():
    archive = example()

    def totals_twice(body):
        whole = index_message(archive.index)
        at = archive.index["totals"]
        first = field(8, field(1, 99) + field(7, at["tar_bytes"]))
        return first + whole

    archive.on("index_body", totals_twice)
    accept("protobuf-merged", "1", "A message in the index comes in two parts, and is merged.", archive)

    long = hello().on("page", lambda plain: plain + varint(100 << 3) + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
    accept("protobuf-varint", "1", "An unknown field with a varint of ten bytes.", long)

    def manifest_tail(tail):
        return hello().on("manifest", lambda parts: parts.update(extra=tail))

    code = "manifest.protobuf"
    reject("manifest-utf-8", "1", code, "The producer is not UTF-8.", manifest_tail(element(2, b"\xed\xa0\x80")))
    reject("manifest-wire-type", "1", code, "A field has the wire type 7.", manifest_tail(b"\x0f"))
    reject("manifest-group", "1", code, "A group without its end.", manifest_tail(varint(9 << 3 | 3) + field(1, 1)))
    reject("manifest-field-0", "1", code, "A field has the number 0.", manifest_tail(b"\x02\x01x"))
    reject("index-wire-type", "1", "index.protobuf", "A field has the wire type 6.", body(lambda b: b + b"\x0e"))
    reject(
        "index-group",
        "1",
        "index.protobuf",
        "A group ends as another one.",
        body(lambda b: b + b"\xa3\x06\x08\x01\xac\x06"),
    )
    code = "entries.protobuf"
    plain = hello().on("page", lambda plain: plain.replace(b"hello.txt", b"hell\xff.txt"))
    reject("page-utf-8", "5.1", code, "A path in a page is not UTF-8.", plain)
    surrogate = linked().on("page", lambda plain: plain + element(7, b"\xed\xa0\x80"))
    reject("page-target-utf-8", "5.1", code, "A target in a page is a lone surrogate, which is not UTF-8.", surrogate)
    reject(
        "page-wire-type", "1", code, "A field of a page has the wire type 7.", hello().on("page", lambda p: p + b"\x0f")
    )

    # Sums that only fit where they wrap.
    half = 1 << 63
    facts = (("pages.0.record_counts", [half]), ("pages.1.record_counts", [half]), ("streams.0.record_count", 0))
    facts += (("streams.0.batch_count", 0), ("totals.records", 0))
    why = "The records of a stream add up to 2 to the 64, which agrees with nothing."
    reject("sum-stream-records", "1", "index.streams", why, index(*facts, base=two_pages))

    def streams():
        return Archive().schema(GREETING, ("a", "example.Greeting", 0), ("b", "example.Greeting", 0))

    facts = [("totals.records", 0), ("pages.0.record_counts", [half, half])]
    facts += [
        (f"streams.{n}.{fact}", value) for n in "01" for fact, value in (("record_count", half), ("batch_count", 1))
    ]
    why = "The records of all streams add up to 2 to the 64, the totals say 0."
    reject("sum-records", "1", "index.totals", why, index(*facts, base=streams))
    facts = (("totals.files", (1 << 64) - 1), ("totals.directories", 1), ("totals.reserved_members", 2))
    why = "The totals of entries add up to 2 to the 64 and two."
    reject("sum-entries", "1", "index.totals", why, index(*facts))
    why = "A member would end past 2 to the 64, where its size wraps to what it is."
    sized = hello().on("columns", setting(("sizes.1", (1 << 64) - 512)))
    reject("member-too-large", "5.1", "index.pages", why, sized, streamed=("index.pages", "tar.header"))


def first_bytes():
    good = empty().build()

    def header(at, value):
        return hello().on("frames", reframe(1, poke(at, value)))

    reject(
        "cut-in-magic",
        "3.1",
        "envelope.truncated",
        "The first 12 bytes of an archive.",
        good[:12],
        recovered="envelope.truncated",
    )
    why = "Twelve bytes of which the last is wrong: no archive, however it went on."
    reject("cut-wrong", "3.1", "envelope.unknown-magic", why, good[:11] + b"\0", recovered="envelope.unknown-magic")
    why = "The header is a skippable frame of another number."
    reject("magic-skippable", "3.1", "envelope.unknown-magic", why, header(0, b"\x5b"))
    why = "Major version 0."
    reject("major-version-0", "3.1", "envelope.unsupported-version", why, header(16, b"\0"))
    reject("header-reserved-last", "3.1", "envelope.reserved", "Byte 28 is 128.", header(19, b"\x80"))
    accept("minor-version-255", "3.1", "Minor version 255.", Archive(minor=255))

    # Files of other formats, and of two.
    tar = Member(FILE, "hello.txt", b"hello\n").header() + padded(b"hello\n") + bytes(1024)
    code = "envelope.unknown-magic"
    reject("other-tar", "3.1", code, "A tar that is not compressed.", tar, recovered=code)
    reject("other-zstd", "3.1", code, "A tar in zstd, without anything around it.", zstd_frame(tar), recovered=code)
    why = "A tar in zstd after an empty frame, without a header."
    reject("other-zstd-empty", "3.1", code, why, bytes.fromhex("28B52FFD2000010000") + zstd_frame(tar), recovered=code)
    skipped = bytes.fromhex("502A4D18") + struct.pack("<I", len(good)) + good
    reject("skippable-around", "3.1", code, "An archive as the content of a skippable frame.", skipped)
    reject(
        "skippable-before",
        "3.1",
        code,
        "A skippable frame before an archive.",
        bytes.fromhex("502A4D1804000000") + b"abcd" + good,
    )


def frames():
    def stored(make, base=hello):
        return base().on("frames", reframe(FRAME_OF_FILE, make))

    code = "frame.header"
    legacy = stored(poke(0, b"\x27"))
    reject("frame-magic", "3.2", code, "A payload frame has the magic number of zstd 0.7.", legacy)
    skippable = stored(lambda data: bytes.fromhex("502A4D18") + struct.pack("<I", len(data) - 8) + data[8:])
    reject("frame-skippable", "3.2", code, "A skippable frame stands where the index has payload.", skippable)
    why = "A payload frame ends within its header."
    reject(
        "frame-header-cut",
        "3.2",
        code,
        why,
        stored(lambda data: data[:6]),
        streamed=("frame.header", "frame.decode", "frame.size"),
    )
    why = "A single-segment frame states 8 MiB and a byte, which is its window."
    large = hello().on("parts", file_frame(size=8_388_609, width=4))
    reject("frame-segment-large", "3.2", code, why, large)
    why = "A window of 16 TiB."
    reject("frame-window-huge", "3.2", code, why, hello().on("parts", file_frame(window=0xFF)))
    why = "A frame states 2 to the 32 bytes more than it has, beside a window."
    wide = hello().on("parts", file_frame(window=0x00, width=8, size=(1 << 32) + 1024))
    reject("frame-size-wide", "3.2", "frame.size", why, wide)

    # Stored sizes at the limit: 2 056 for 1 024 bytes.
    def bloat(parts):
        data = bytes(parts[PART_OF_FILE].data)
        blocks = block(RAW, b"") * 339 + raw_blocks(data, 1024)
        parts[PART_OF_FILE].options = {"window": 0x00, "width": 2, "blocks": blocks}

    why = "A frame that is stored in as many bytes as are allowed."
    exact = hello().on("parts", bloat)
    accept("frame-stored-most", "3.2", why, exact, level=1)
    assert exact.index["frames"]["stored_sizes"][FRAME_OF_FILE] == 1024 + 8 + 1024

    def over(parts):
        data = bytes(parts[PART_OF_FILE].data)
        parts[PART_OF_FILE].options = {"width": 4, "blocks": block(RAW, b"") * 339 + raw_blocks(data)}

    why = "A frame is stored in a byte more than allowed."
    reject("frame-stored-over", "3.2", "index.frames", why, hello().on("parts", over), streamed="frame.size")

    code = "frame.decode"

    def blocks(make, **options):
        def hook(parts):
            data = bytes(parts[PART_OF_FILE].data)
            parts[PART_OF_FILE].options = {"blocks": make(data), **options}

        return hello().on("parts", hook)

    why = "A frame decodes to a byte more than it states."
    reject("frame-long", "3.2", code, why, blocks(lambda data: raw_blocks(data + b"\0")))
    reject(
        "frame-block-cut",
        "3.2",
        code,
        "A block is longer than what is left.",
        blocks(lambda d: block(RAW, d, 4096, True)),
        streamed=("frame.decode", "frame.size", "tar.header"),
    )
    why = "A match reaches back to before the frame."
    # "ab" and a match of 34 bytes at offset 3
    match = bytes.fromhex("10 61 62 01 54 02 03 1F 05")
    reject("frame-match", "3.2", code, why, blocks(lambda d: block(COMPRESSED, match) + raw_blocks(d[36:])))
    why = "A compressed block is not what it must be."
    reject("frame-block-bad", "3.2", code, why, blocks(lambda d: block(COMPRESSED, b"\xff" * 20, last=True)))
    no_checksum = stored(lambda data: data[:-4])
    reject(
        "frame-checksum-cut",
        "3.2",
        code,
        "A frame ends where its checksum must begin.",
        no_checksum,
        streamed=("frame.decode", "tar.header", "frame.header"),
    )
    why = "The checksum of another content."
    wrong = stored(lambda data: data[:-4] + bytes(4))
    reject("frame-checksum-zero", "3.2", code, why, wrong)

    def empty_frame(data):
        return (
            bytes.fromhex("28B52FFD2400")
            + block(RAW, b"") * 20
            + block(RAW, b"", last=True)
            + bytes.fromhex("99E9D851")
        )

    why = "A second empty frame among the payload."
    nothing = bytes.fromhex("28B52FFD2000010000")
    reject("frame-empty", "3.1", "index.frames", why, file_section(nothing), streamed=("frame.header", "frame.size"))
    why = "A zstd frame without content that is as long as a section."
    reject(
        "frame-empty-long", "3.1", "section.head", why, file_section(empty_frame(b"")), level=1, streamed="frame.size"
    )

    data = words()
    archive = Archive().file("words.txt", data)

    def compressed(frames):
        frames[4].stored = COMPRESSED_WORDS

    why = "A frame as a compressor makes it: Huffman literals, sequences with tables of their own."
    accept("frame-compressed", "3.2", why, archive.on("frames", compressed), level=1)
    archive = Archive().file("zeros", bytes(1 << 20)).file("ones", b"\xff" * 300_000)

    def runs(parts):
        data = bytes(parts[PART_OF_FILE].data)
        out, at = [], 0
        while at < len(data):
            size = min(1 << 17, len(data) - at)
            piece = data[at : at + size]
            if piece.count(piece[:1]) != size:
                size = 512
                piece = data[at : at + size]
            same = piece.count(piece[:1]) == size
            out.append((same, piece))
            at += size
        parts[PART_OF_FILE].options["blocks"] = b"".join(
            block(RLE, piece[:1], len(piece), number + 1 == len(out))
            if same
            else block(RAW, piece, last=number + 1 == len(out))
            for number, (same, piece) in enumerate(out)
        )

    accept("frame-runs", "3.2", "A mebibyte of zeros, run-length encoded.", archive.on("parts", runs), level=1)

    def no_end(parts):
        parts[-1].data = parts[-1].data[:512]

    why = "The tar ends in one zero block."
    reject("tar-end-short", "5", "index.frames", why, hello().on("parts", no_end), streamed="tar.end")
    why = "The tar ends in three zero blocks."
    three = hello().on("parts", lambda parts: parts[-1].data.extend(bytes(512)))
    reject("tar-end-long", "5", "index.frames", why, three, streamed="tar.end")
    why = "Two frames hold the end of the tar."
    split = hello().on("parts", lambda parts: [*parts[:-1], Chunk(bytes(512)), Chunk(bytes(512))])
    reject("tar-end-split", "3.2", "index.frames", why, split, streamed="tar.end")
    reject(
        "tar-end-middle",
        "5",
        "tar.end",
        "A byte in the middle of the end of the tar is not zero.",
        hello().on("parts", lambda parts: parts[-1].data.__setitem__(512, 1)),
        level=0,
    )


def sections():
    why = "An ancillary section states a byte less than the index."
    short = bytearray(section("note", b"abc"))
    short[4] -= 1
    reject(
        "section-length",
        "3.3",
        "section.head",
        why,
        file_section(bytes(short)),
        level=1,
        streamed=("section.digest", "frame.header"),
    )
    why = "A skippable frame of the sections' number that is too short for a section's head."
    small = bytes.fromhex("5A2A4D18 27000000") + b"note" + bytes(35)
    reject("section-short", "3.3", "index.frames", why, file_section(small), streamed="section.head")
    reserved = section("note", b"", reserved=1 << 31)
    reject(
        "section-reserved",
        "3.3",
        "section.head",
        "A reserved byte of an ancillary section is 128.",
        file_section(reserved),
        level=1,
    )
    why = "The kind of a section among the payload has a digit."
    reject("section-kind", "3.3", "section.head", why, file_section(section("not3", b"")), level=1)
    why = "The kind of a section is not ASCII."
    latin = section("note", b"").replace(b"note", b"not\xe9")
    reject("section-kind-ascii", "3.3", "section.head", why, file_section(latin), level=1)
    code = "section.misplaced"
    reject(
        "section-index-early",
        "3.3",
        code,
        "An index stands among the payload.",
        file_section(section("INDX", b"")),
        level=1,
        streamed="tar.end",
    )
    page = section("ENTR", zstd_frame(b"x"))
    reject(
        "section-page-early",
        "3.3",
        code,
        "A page stands among the payload.",
        file_section(page),
        level=1,
        streamed="tar.end",
    )
    unknown = file_section(section("XTRA", b""), at=3)
    reject(
        "section-unknown-early",
        "3.3",
        "section.unknown-kind",
        "An unknown section before the first payload.",
        unknown,
        level=1,
    )

    def page_section(make):
        return hello().on("pages", lambda frames: [Frame(make(frames[0].stored))])

    reject(
        "page-kind", "3.3", code, "An ancillary section stands where a page must.", page_section(rename_section("note"))
    )
    reject(
        "page-unknown-kind",
        "3.3",
        "section.unknown-kind",
        "An unknown section stands where a page must.",
        page_section(rename_section("ENTX")),
    )
    reject(
        "page-head", "3.3", "section.head", "A reserved byte of a page's section is 1.", page_section(poke(12, b"\1"))
    )
    wrong = hello().on("index", setting(("frames.digests", lambda all: [*all[:-1], flip(0)(all[-1])])))
    reject("page-frame-digest", "8", "frame.digest", "A page's frame does not match the index.", wrong, level=0)
    reject(
        "index-unknown-kind",
        "3.3",
        "section.unknown-kind",
        "An unknown section stands where the index must.",
        hello().on("index_section", poke(8, b"INDY")),
    )
    reject(
        "manifest-head",
        "3.3",
        "section.head",
        "A reserved byte of the manifest's section is 1.",
        hello().on("frames", reframe(2, poke(14, b"\1"))),
    )
    wrong = file_section(section("note", b"x")).on("index", setting((f"frames.digests.{FRAME_OF_FILE}", flip(0))))
    reject("section-frame-digest", "8", "frame.digest", "An ancillary section does not match the index.", wrong)
    wrong = hello().on("index", setting(("frames.digests.0", flip(31))))
    reject("empty-frame-digest", "8", "frame.digest", "The empty frame does not match the index.", wrong)
    wrong = hello().on("index", setting(("frames.digests.1", flip(31))))
    reject("header-digest", "8", "frame.digest", "The header does not match the index.", wrong)

    inner = hello().build()
    archive = hello().ancillary("rtar", inner)
    accept("archive-in-section", "3.3", "An ancillary section holds an archive.", archive)
    archive = Archive().file("inner.rtar", inner).file("z", b"z")
    accept("archive-in-file", "3.2", "A file is an archive, in a frame of raw bytes.", archive, level=1)


# ---------------------------------------------------------------------------------------------------------------------
# Section 4
# ---------------------------------------------------------------------------------------------------------------------


def manifest():
    archive = hello()
    archive.created = field(1, 5) + varint(2 << 3) + varint((1 << 64) - 1)
    reject("manifest-created-negative", "4", "manifest.protobuf", "The time of creation has -1 nanoseconds.", archive)
    archive = hello()
    archive.created = varint(1 << 3) + varint(1 << 63) + field(2, 999_999_999)
    accept(
        "manifest-created-least", "4", "A time of creation before all others, with 999 999 999 nanoseconds.", archive
    )

    code = "manifest.attributes"
    reject("attributes-twice", "4.1", code, "An attribute occurs twice.", Archive(attributes=[("a", "1"), ("a", "2")]))
    reject("attributes-empty-key", "4.1", code, "An attribute has an empty key.", Archive(attributes=[("", "1")]))
    late = Archive(late_attributes=[("b", ""), ("a", "")])
    reject("late-attributes-unsorted", "4.1", code, "Late attributes are not sorted.", late)
    late = Archive(late_attributes=[("a", ""), ("a", "")])
    reject("late-attributes-repeated", "4.1", code, "A late attribute occurs twice.", late)
    keys = ["Z", "a", "aa", "b", "\ue000", "\uffff", "\U00010000"]
    archive = Archive(attributes=[(key, key) for key in keys])
    accept("attributes-bytewise", "1", "Keys whose order in UTF-16 is another: bytewise counts.", archive)
    why = "Attributes in the order of UTF-16."
    reject("attributes-utf-16", "1", code, why, Archive(attributes=[("\U00010000", ""), ("\uffff", "")]))

    code = "manifest.features"
    reject("features-unsorted", "4.4", code, "Features are not sorted.", Archive(features=["b", "a"]))
    reject("features-empty", "4.4", code, "A feature has no name.", Archive(features=[""]))
    reject("late-features-twice", "4.4", code, "A late feature occurs twice.", Archive(late_features=["a", "a"]))
    reject("late-features-empty", "4.4", code, "A late feature has no name.", Archive(late_features=[""]))

    def streams(*some):
        return Archive().schema(GREETING, *[(name, kind, 0) for name, kind in some])

    code, right = "manifest.streams", "example.Greeting"
    for name, why, stream in (
        ("name-empty", "A stream has no name.", ("", right)),
        ("name-dash", "A stream name begins with a dash.", ("-a", right)),
        ("name-slash", "A stream name has a slash.", ("a/b", right)),
        ("name-letter", "A stream name has a letter that is not ASCII.", ("stre\u00e4m", right)),
        ("name-line", "A stream name ends in a line feed.", ("a\n", right)),
        ("type-empty", "A stream has no type.", ("a", "")),
        ("type-digit", "A part of a type name begins with a digit.", ("a", "example.1Greeting")),
        ("type-dots", "A type name has two dots on end.", ("a", "example..Greeting")),
        ("type-end", "A type name ends in a dot.", ("a", "example.Greeting.")),
        ("type-letter", "A type name has a letter that is not ASCII.", ("a", "example.Gr\u00fc\u00dfe")),
        ("type-long", "A type name has 1 025 bytes.", ("a", "a" * 1025)),
    ):
        reject(f"stream-{name}", "4.3", code, why, streams(stream))
    archive = streams(("one", right)).schema(GREETING, ("ONE", right, 0), late=True)
    reject("stream-names-late", "4.3", code, "A late stream has the name of an early one, in capitals.", archive)

    code = "index.streams"

    def declared(*some):
        early = [schema_message(Archive().schemas[0][0], []), schema_message(GREETING, some)]
        return example().on("manifest", lambda parts: parts.update(schemas=repeated(6, early)))

    differs = declared(("greeting5", "example.Greeting", 1))
    either = (code, "entries.reserved")
    reject(
        "stream-differs-name",
        "4.3",
        code,
        "Manifest and index have other names for a stream.",
        differs,
        streamed=either,
    )
    reject(
        "stream-undeclared", "4.3", code, "A stream of the index is not in the manifest.", declared(), streamed=either
    )
    types = descriptor_set(file_descriptor("example/greeting.proto", "example", [("Greeting", []), ("Other", [])]))
    differs = (
        Archive().schema(types, ("a", "example.Greeting", 0)).on("index", setting(("streams.0.type", "example.Other")))
    )
    why = "Manifest and index have other types for a stream."
    reject("stream-differs-type", "4.3", code, why, differs, streamed=either)
    more = declared(("greetings", "example.Greeting", 1), ("more", "example.Greeting", 1))
    reject("stream-unindexed", "4.3", code, "A stream of the manifest is not in the index.", more)

    def swap(streams):
        return streams[::-1]

    def both():
        return Archive().schema(GREETING, ("a", right, 0), ("b", right, 0))

    why = "The streams of the index are in another order than the manifest's."
    reject(
        "stream-order",
        "4.3",
        code,
        why,
        both().on("index", setting(("streams", swap))),
        streamed=("index.streams", "index.totals"),
    )


def late_schemas():
    right = "example.Greeting"

    def late():
        return hello().schema(GREETING, ("late", right, 3), late=True).batch("late", greeting("late")).file("x", b"x")

    number = 5  # of the section's frame
    code = "index.streams"
    why = "A late Schema is listed twice, another one not at all."
    two = late().schema(GREETING, late=True)
    reject(
        "late-schemas-twice", "8", code, why, two.on("index", setting(("late_schema_frames", lambda all: [all[0]] * 2)))
    )
    two = late().schema(GREETING, late=True)
    why = "Late Schemas are listed in descending order."
    reject(
        "late-schemas-order", "8", code, why, two.on("index", setting(("late_schema_frames", lambda all: all[::-1])))
    )
    why = "The manifest is listed as a late Schema."
    reject("late-schema-manifest", "8", code, why, late().on("index", setting(("late_schema_frames", [2]))))
    why = "A page is listed as a late Schema."
    reject(
        "late-schema-page",
        "8",
        code,
        why,
        late().on("index", setting(("late_schema_frames", lambda all: [all[0] + 99]))),
    )
    extra = hello().on("frames", lambda frames: frames.insert(4, Frame(section("SCHM", schema_message(GREETING, [])))))
    why = "A section SCHM that the index neither lists nor counts."
    reject(
        "late-schema-extra",
        "4.2",
        code,
        why,
        extra,
        level=1,
        streamed=("index.streams", "entries.reserved", "section.misplaced"),
    )
    early = late()

    def first(parts):
        at = next(n for n, part in enumerate(parts) if isinstance(part, Late))
        parts.insert(0, parts.pop(at))

    why = "A late Schema stands before the first payload frame."
    reject("late-schema-first", "4.2", code, why, early.on("parts", first), streamed="section.misplaced")

    def rename(frames):
        frames[number].stored = rename_section("note")(frames[number].stored)

    why = "An ancillary section is listed as a late Schema."
    reject(
        "late-schema-kind",
        "3.3",
        "section.misplaced",
        why,
        late().on("frames", rename),
        streamed=("entries.reserved", "index.streams"),
    )

    def other(frames):
        late = section("SCHM", schema_message(GREETING, [("late", right, 4)]))
        frames[number].stored = late

    why = "A late Schema declares another version of a stream than the index."
    reject(
        "late-schema-differs",
        "4.2",
        code,
        why,
        late().on("frames", other),
        streamed=("index.streams", "entries.reserved"),
    )
    wrong = late().on("index", setting((f"frames.digests.{number}", flip(0))))
    reject(
        "late-schema-frame-digest",
        "8",
        "frame.digest",
        "A late Schema's frame does not match the index.",
        wrong,
        level=0,
    )
    wrong = late().on("frames", reframe(number, poke(13, b"\1")))
    reject("late-schema-head", "3.3", "section.head", "A reserved byte of a late Schema's section is 1.", wrong)

    def drop(members):
        at = next(
            n for n, item in enumerate(members) if isinstance(item, Member) and item.path.endswith("00000001.binpb")
        )
        del members[at]

    why = "A late Schema has no member."
    reject(
        "late-schema-memberless",
        "5.5",
        "entries.reserved",
        why,
        hello().schema(GREETING, late=True).on("members", drop),
        streamed=("entries.reserved", "section.misplaced", "index.streams"),
    )

    def between(parts):
        at = next(n for n, part in enumerate(parts) if isinstance(part, Late))
        parts.insert(at + 1, Late("note", b"between"))

    why = "An ancillary section stands between a late Schema and its member."
    accept("late-schema-ancillary", "4.2", why, late().on("parts", between))

    archive = hello()
    for number in range(5):
        archive.schema(GREETING, (f"s{number}", right, number), late=True).file(f"file{number}", b"x")
        archive.batch(f"s{number}", greeting(str(number)))
    archive.batch("s0", greeting("again"))
    accept(
        "late-schemas-many", "4.2", "Five late Schemas of the same descriptors, each with a stream.", archive, level=2
    )


# ---------------------------------------------------------------------------------------------------------------------
# Section 5
# ---------------------------------------------------------------------------------------------------------------------


def paths():
    def files(*names):
        archive = Archive()
        for name in names:
            archive.file(name, b"")
        return archive

    code = "path.invalid"
    for name, why, path in (
        ("empty", "A path is empty.", ""),
        ("double-slash", "A path has an empty component.", "a//b"),
        ("dot-component", "A path has a component '.'.", "a/./b"),
        ("parent", "A path is '..'.", ".."),
        ("parent-end", "A path ends in '..'.", "a/.."),
        ("nul", "A path holds U+0000.", "a\0b"),
        ("line-feed", "A path holds a line feed.", "a\nb"),
        ("escape", "A path holds U+001B.", "a\x1b[2Jb"),
        ("delete", "A path holds U+007F.", "a\x7f"),
        ("c1-first", "A path holds U+0080.", "\x80"),
        ("c1-last", "A path holds U+009F.", "\x9f"),
    ):
        # A tar has no empty name, nor one with a zero byte: what is there belongs to another path, or to none.
        streamed = {"empty": ("tar.header", code), "nul": ("tar.header", code)}.get(name)
        reject(f"path-{name}", "5.1", code, why, files(path), streamed=streamed)
    why = "A path of 4 202 bytes has a component '..': that is said first."
    reject(
        "path-invalid-long",
        "5.1",
        code,
        why,
        files("/".join(["e" * 99] * 42 + [".."])),
        streamed=(code, "limit.path-bytes"),
    )
    directory = Archive().directory("a/../b")
    reject("path-directory", "5.1", code, "The path of a directory has a component '..'.", directory)
    reject(
        "target-nul",
        "5.1",
        code,
        "A target holds U+0000.",
        Archive().symlink("a", "b\0c"),
        streamed=("tar.header", code),
    )
    reject("target-delete", "5.1", code, "A target holds U+007F.", Archive().symlink("a", "b\x7f"))

    odd = [
        "a b",
        "a:b",
        "a\\b",
        "a\u00a0b",
        "a\u200bb",
        "a\u2028b",
        "a\u202eb",
        "a\ufeffb",
        "a\uffffb",
        'a*?"<>|',
        "~",
        "a ",
    ]
    odd += ["con", "nul.txt", "a.", "...", "..a", "a..", "%2e%2e", "\U0010ffff"]
    accept(
        "path-characters",
        "5.1",
        "Characters that are legal, and names that other systems dislike.",
        files(*sorted(odd, key=str.encode)),
    )
    order = sorted(["\ue000", "\uffff", "\U00010000", "z", "\u00e9", "a/\U0001f600", "a/\ufb00"], key=str.encode)
    accept("paths-bytewise", "1", "Paths whose order in UTF-16 is another.", files(*order))

    code = "path.reserved"
    reject("path-reserved-file", "5.1", code, "A file has the path .rosettar.", files(".rosettar"))
    reject(
        "path-reserved-directory", "5.1", code, "A directory has the path .ROSETTAR.", Archive().directory(".ROSETTAR")
    )
    link = Archive().symlink(".rosettar/streams/x", "y")
    reject("path-reserved-link", "5.1", code, "A symbolic link is in .rosettar.", link)
    shaped = Archive().file(".rosettar/schemas/00000001.binpb", GREETING)
    why = "A file of the user has the path that a Schema would have."
    reject(
        "path-reserved-shaped", "5.1", code, why, shaped, streamed=("entries.reserved", "path.reserved", "tar.header")
    )

    code = "path.parent"
    reject(
        "path-under-file-between",
        "5.1",
        code,
        "An entry below a file, with another between them in order.",
        files("a", "a-b", "a/b"),
    )
    reject("path-under-file-deep", "5.1", code, "An entry three levels below a file.", files("a", "a/b/c/d"))
    reject("path-under-file-before", "5.1", code, "An entry below a file that follows it.", files("a/b", "a"))
    pages = Archive(page_entries=2).file("a", b"").file("b", b"").file("c", b"").file("a/b", b"")
    reject("path-under-file-pages", "5.1", code, "An entry below a file that is in another page.", pages)
    code = "path.duplicate"
    directories = Archive().directory("a").file("b", b"").directory("a")
    reject("path-duplicate-directory", "5.1", code, "A directory occurs twice.", directories)
    reject(
        "path-duplicate-kinds",
        "5.1",
        code,
        "A symbolic link and a directory have one path.",
        Archive().symlink("a", "b").directory("a"),
    )
    case = files("A", "a", "\u00e9", "e\u0301")
    accept("path-case", "5.1", "Paths that differ in case or composition only.", case, level=0)

    for limit, value, why in (
        ("path-bytes", 31, "the path of a reserved member"),
        ("component-bytes", 13, "a name of a reserved member"),
        ("path-depth", 2, "a reserved member"),
    ):
        why = f"With the limit {limit} at {value}, {why} exceeds it."
        reject(f"limit-{limit}", "5.1", f"limit.{limit}", why, hello(), limits={limit: value})

    def link(target):
        return Archive().symlink("a/b/link", target)

    for name, why, target in (
        ("absolute", "A target is absolute.", "/etc/passwd"),
        ("above", "A target has more '..' than there are directories above the link.", "../../../x"),
        ("back", "A target has '..' after another component.", "../c/../../../x"),
        ("dots", "A target has empty and '.' components among its '..'.", "..//./../../x"),
    ):
        accept(f"symlink-{name}", "13", why, link(target), extract="policy.link")
    accept(
        "symlink-inside", "13", "Targets that lead to the top, and stay inside.", link("../..").symlink("c", "a/./b//")
    )


def rechecked(data):
    data = data[:148] + b" " * 8 + data[156:]
    return data[:148] + f"{sum(data[:512]):06o}\0 ".encode() + data[156:]


def header_vector(name, why, at, value, base=hello, block_at=0, code="tar.header", spec="5.2", check=True, **more):
    """A vector in which bytes of one header block are others; its checksum is right again."""

    def hook(parts):
        data = bytes(parts[PART_OF_FILE].data)
        one = poke(at, value)(data[block_at : block_at + 512])
        one = rechecked(bytes(one)) if check else bytes(one)
        parts[PART_OF_FILE].data[:] = data[:block_at] + one + data[block_at + 512 :]

    reject(name, spec, code, why, base().on("parts", hook), **more)


def tar_headers():
    for name, why, at, value in (
        ("gid", "A header has a group ID.", 116, b"0001750"),
        ("size", "The size in a header is another than in the page.", 124, b"00000000007"),
        ("mtime", "The time in a header is another than in the page.", 136, b"14524770401"),
        ("linkname", "The header of a file has a link name.", 157, b"x"),
        ("magic", "A header has the magic number of GNU tar.", 257, b"ustar  \0"),
        ("version", "A header has another version.", 263, b"01"),
        ("uname", "A header has a user's name.", 265, b"root"),
        ("gname", "A header has a group's name.", 297, b"wheel"),
        ("devmajor", "A header has a device number.", 329, b"0000001"),
        ("devminor", "A header has a minor device number.", 337, b"0000001"),
        ("prefix", "A header has a prefix to its name.", 345, b"dir"),
        ("end", "The last byte of a header is not zero.", 511, b"\1"),
        ("mode-high", "A header has the set-user-ID bit.", 100, b"0004644"),
        ("mode-spaces", "Numbers in a header end in a space.", 107, b" "),
        ("size-spaces", "A number in a header begins with spaces.", 124, b"          6"),
        ("name-after", "Something follows the end of a name.", 12, b"x"),
    ):
        header_vector(
            f"header-{name}", why, at, value, streamed=("tar.header", "tar.padding") if name == "size" else None
        )
    why = "The checksum of a header is written in another form."
    header_vector("header-checksum-form", why, 155, b"\0", check=False)
    header_vector(
        "header-directory-slash",
        "A directory's name in the header lacks its slash.",
        1,
        b"\0",
        base=lambda: Archive().directory("d"),
    )
    header_vector(
        "header-directory-type",
        "A directory has the type of a file.",
        156,
        b"0",
        base=lambda: Archive().directory("d"),
        streamed=("tar.header", "path.invalid"),
    )
    header_vector(
        "header-link-target",
        "The target in a header is another than in the page.",
        157,
        b"c",
        base=lambda: Archive().symlink("a", "b"),
    )
    header_vector(
        "header-link-mode",
        "A symbolic link's header has the mode 0644.",
        100,
        b"0000644",
        base=lambda: Archive().symlink("a", "b"),
    )
    header_vector(
        "header-hard-link",
        "A symbolic link's header is of a hard link.",
        156,
        b"1",
        base=lambda: Archive().symlink("a", "b"),
    )
    header_vector("header-device", "A file's header is of a device.", 156, b"3")

    def reserved(parts):
        data = bytes(parts[0].data)
        parts[0].data[:] = rechecked(bytes(poke(108, b"0000001")(data[:512]))) + data[512:]

    reject(
        "header-reserved-member",
        "5.5",
        "tar.header",
        "The header of a Schema's member has a user ID.",
        hello().on("parts", reserved),
    )

    def batch(parts):
        at = next(n for n, part in enumerate(parts) if b"/00000000.binpb" in bytes(part.data[:100]) and n)
        parts[at].data[:] = rechecked(bytes(poke(108, b"0000001")(bytes(parts[at].data))))

    reject("header-batch", "5.5", "tar.header", "The header of a batch has a user ID.", example().on("parts", batch))

    def long_name():
        return Archive().file("a" * 99 + "/b", b"", mtime=-1)

    for name, why, at, value in (
        ("mode", "A PAX header has the mode 0600.", 100, b"0000600"),
        ("mtime", "A PAX header has a time.", 136, b"00000000001"),
        ("type-global", "A PAX header is one for all that follows.", 156, b"g"),
        ("type-old", "A PAX header has the type of Solaris.", 156, b"X"),
        ("linkname", "A PAX header has a link name.", 157, b"x"),
        ("uid", "A PAX header has a user ID.", 108, b"0001750"),
    ):
        header_vector(f"pax-{name}", why, at, value, base=long_name, spec="5.3")
    why = "The header after a PAX header repeats the time that the record has."
    header_vector("pax-mtime-field", why, 136, b"00000000001", base=long_name, block_at=1024, spec="5.3")

    def record(old, new):
        def hook(parts):
            data = bytes(parts[PART_OF_FILE].data)
            assert data.count(old) == 1 and len(old) == len(new)
            parts[PART_OF_FILE].data[:] = data.replace(old, new)

        return long_name().on("parts", hook)

    code = "tar.header"
    reject("pax-key", "5.3", code, "A PAX record has an unknown key.", record(b" mtime=-1", b" ctime=-1"))
    reject(
        "pax-value", "5.3", code, "A PAX record has another value than the page.", record(b" mtime=-1", b" mtime=-2")
    )
    reject("pax-sign", "5.3", code, "A PAX record has a plus sign.", record(b" mtime=-1", b" mtime=+1"))
    reject("pax-line-feed", "5.3", code, "A PAX record ends in NUL.", record(b"=-1\n", b"=-1\0"))
    reject("pax-path", "5.3", code, "The path in a PAX record is another than in the page.", record(b"/b\n", b"/c\n"))

    def inserted(parts):
        data = bytes(parts[PART_OF_FILE].data)
        records = pax_records([(b"path", b"hello.txt")])
        pax = tar_block(b"PaxHeader", 0o644, len(records), 0, b"x") + padded(records)
        parts[PART_OF_FILE].data[:] = pax + data

    why = "A PAX header with a path that would fit the header."
    reject("pax-needless", "5.3", "index.pages", why, hello().on("parts", inserted), streamed="tar.header")

    def dropped(parts):
        data = bytes(parts[PART_OF_FILE].data)
        parts[PART_OF_FILE].data[:] = data[1024:]

    why = "A name of 101 bytes without a PAX header."
    reject(
        "pax-missing",
        "5.3",
        "index.pages",
        why,
        Archive().file("o" * 101, b"").on("parts", dropped),
        streamed=("index.pages", "tar.header"),
    )

    def twice(parts):
        data = bytes(parts[PART_OF_FILE].data)
        parts[PART_OF_FILE].data[:] = data[:1024] + data

    why = "A member has two PAX headers."
    reject("pax-twice", "5.3", "index.pages", why, long_name().on("parts", twice), streamed="tar.header")

    def padding(parts):
        parts[PART_OF_FILE].data[512 + 6] = 1

    reject(
        "padding-first", "5", "tar.padding", "The first byte after a content is not zero.", hello().on("parts", padding)
    )

    def batch_padding(parts):
        parts[-2].data[-1] = 1

    reject(
        "padding-batch", "5", "tar.padding", "The padding of a batch is not zero.", example().on("parts", batch_padding)
    )

    archive = (
        Archive().file("x" * 101, b"c", mtime=-(1 << 63), nanoseconds=1).symlink("y" * 101, "t" * 101, mtime=1 << 62)
    )
    archive.directory("\u00fc" * 60, mtime=8**11)
    accept("pax-all", "5.3", "PAX headers with path, target and time together.", archive)
    blocks = Archive()
    for size in (0, 1, 511, 512, 513, 1024):
        blocks.file(f"size-{size:04}", b"x" * size)
    accept("padding-sizes", "5", "Contents of sizes around a block.", blocks)
    deep = Archive()
    for depth in range(1, 9):
        deep.directory("/".join(["d"] * depth), mtime=depth)
    deep.file("/".join(["d"] * 8 + ["file"]), b"deep")
    accept("directories", "5.1", "Eight directories inside each other.", deep)


def reserved():
    code = "entries.reserved"

    def change(hook, base=example):
        return base().on("members", hook)

    def of(members, kind):
        return next(n for n, member in enumerate(members) if member.kind == kind)

    def drop_schema(members):
        del members[1]

    reject(
        "reserved-schema-missing",
        "5.5",
        code,
        "Schema 1 has no member.",
        change(drop_schema),
        streamed=(code, "index.totals", "tar.header"),
    )

    def schema_twice(members):
        members.insert(2, schema_member(1, GREETING))

    reject(
        "reserved-schema-twice",
        "5.5",
        code,
        "Schema 1 has two members.",
        change(schema_twice),
        streamed=(code, "path.duplicate"),
    )

    def schema_more(members):
        members.insert(2, schema_member(2, GREETING))

    reject(
        "reserved-schema-more",
        "5.5",
        code,
        "There is a member of a Schema that does not exist.",
        change(schema_more),
        streamed=(code, "section.misplaced"),
    )

    def stream_twice(members):
        members.insert(3, stream_member(1, ("greetings", "example.Greeting", 1)))

    reject(
        "reserved-stream-twice",
        "5.5",
        code,
        "A stream has two descriptions.",
        change(stream_twice),
        streamed=(code, "path.duplicate"),
    )

    def stream_early(members):
        members.insert(1, members.pop(2))

    reject(
        "reserved-stream-early", "5.5", code, "A stream's description stands before its Schema.", change(stream_early)
    )

    def text(old, new):
        def hook(members):
            member = members[of(members, STREAM)]
            assert old in member.content
            member.content = member.content.replace(old, new)

        return change(hook)

    reject("reserved-text-schema", "5.5", code, "A description states another Schema.", text(b"00000001", b"00000002"))
    reject("reserved-text-type", "5.5", code, "A description states another type.", text(b"Greeting", b"Greetinh"))
    reject(
        "reserved-text-end", "5.5", code, "A description lacks its last line feed.", text(b"version 1\n", b"version 1")
    )
    reject("reserved-text-zero", "5.5", code, "A version has a leading zero.", text(b"version 1", b"version 01"))
    reject("reserved-text-return", "5.5", code, "Lines end in two characters.", text(b"\n", b"\r\n"))

    def rename(kind, old, new):
        def hook(members):
            member = members[of(members, kind)]
            assert old in member.path
            member.path = member.path.replace(old, new)

        return change(hook)

    reject(
        "reserved-digits",
        "5.5",
        code,
        "A batch has a number of seven digits.",
        rename(BATCH, "00000000", "0000000"),
        streamed=(code, "path.reserved"),
    )
    reject(
        "reserved-capitals",
        "5.5",
        code,
        "A Schema's member is in .Rosettar.",
        rename(SCHEMA, ".rosettar", ".Rosettar"),
        streamed=(code, "path.reserved"),
    )
    reject(
        "reserved-elsewhere",
        "5.5",
        code,
        "A batch is not in .rosettar.",
        rename(BATCH, ".rosettar/", "rosettar/"),
        streamed=OTHER_ENTRY,
    )
    reject(
        "reserved-stream-case",
        "5.5",
        code,
        "The path of a batch has the stream's name in capitals.",
        rename(BATCH, "greetings", "Greetings"),
        streamed=(code, "path.reserved"),
    )
    kinds = columns(
        ("kinds", lambda kinds: [STREAM if kind == BATCH else kind for kind in kinds]),
        ("streams", []),
        ("record_counts", []),
        base=example,
    )
    why = "The entry of a batch says that it is a stream's description."
    reject("reserved-kind", "5.5", code, why, kinds, streamed=("tar.header", code))
    code = "entries.columns"
    reject(
        "reserved-mode",
        "7",
        code,
        "A Schema's member has the mode 0600.",
        columns(("modes.0", 0o600)),
        streamed=(code, "tar.header"),
    )
    reject(
        "reserved-mtime",
        "7",
        code,
        "A Schema's member has a time.",
        columns(("mtimes.0", 1)),
        streamed=(code, "tar.header"),
    )
    reject("reserved-nanoseconds", "7", code, "A Schema's member has nanoseconds.", columns(("nanoseconds.0", 1)))


# ---------------------------------------------------------------------------------------------------------------------
# Sections 6 and 7
# ---------------------------------------------------------------------------------------------------------------------


def batches():
    def batch(content, count=1):
        return Archive().schema(GREETING, ("a", "example.Greeting", 0)).batch("a", content=content, count=count)

    why = "A record would have 2 to the 27 bytes, past the end of its batch: the limit is reported."
    reject("record-large", "6", "limit.record-bytes", why, batch(varint(1 << 27) + b"x"))
    why = "The length of a record is the largest that there is."
    reject("record-length-most", "6", "limit.record-bytes", why, batch(varint((1 << 64) - 1)))
    why = "A batch without any byte states one record."
    reject("record-none", "6", "record.count", why, batch(b""))
    reject("record-not-minimal-zero", "6", "record.framing", "The length 0 has two bytes.", batch(b"\x80\0"))
    why = "A batch ends right after a length."
    reject("record-cut-at-length", "6", "record.framing", why, batch(b"\x02"))
    text = "x" * ((1 << 14) - 4)
    archive = Archive().schema(GREETING, ("a", "example.Greeting", 0))
    why = "A record of 16 384 bytes, which is the least that has a length of three."
    accept("record-large-sound", "6", why, archive.batch("a", greeting(text)), level=2)

    def flipped(parts):
        parts[-2].data[3] ^= 1

    reject(
        "batch-digest",
        "11.1",
        "entry.digest",
        "The content of a batch does not match its digest.",
        example().on("parts", flipped),
        streamed=("entry.digest", "stream.digest"),
    )

    def name_flipped(parts):
        data = bytes(parts[0].data)
        at = data.index(b"google/protobuf/any.proto")
        parts[0].data[at] ^= 1

    why = "The content of a Schema's member does not match its digest."
    reject("schema-member-digest", "11.1", "entry.digest", why, hello().on("parts", name_flipped))


def pages():
    code = "entries.columns"
    for name in ("paths", "kinds", "sizes", "mtimes", "nanoseconds"):
        short = columns((name, lambda column: column[:-1]))
        reject(f"columns-{name}-short", "7", code, f"The column {name} is one short.", short)
    reject("columns-streams", "7", code, "The stream of a batch is missing.", columns(("streams", []), base=example))
    reject(
        "columns-record-counts",
        "7",
        code,
        "The record count of a batch is missing.",
        columns(("record_counts", []), base=example),
    )
    reject(
        "columns-targets-short",
        "7",
        code,
        "The target of a symbolic link is missing.",
        columns(("targets", []), base=linked),
    )
    reject(
        "columns-digest-cut", "7", code, "A digest has 31 bytes.", columns(("digests", lambda d: [*d[:-1], d[-1][:31]]))
    )
    reject(
        "columns-digest-directory",
        "7",
        code,
        "A directory has a digest.",
        columns(("digests", lambda d: [*d, d[0]]), base=linked),
    )
    reject(
        "columns-link-mode",
        "7",
        code,
        "A symbolic link has the mode 0755.",
        columns(("modes.2", 0o755), base=linked),
        streamed=(code, "tar.header"),
    )
    reject(
        "columns-link-size",
        "7",
        code,
        "A symbolic link has a size.",
        columns(("sizes.2", 1), base=linked),
        streamed=(code, "tar.header"),
    )
    reject(
        "columns-mode-32",
        "7",
        code,
        "A mode has its 32nd bit set.",
        columns(("modes.1", (1 << 31) | 0o644)),
        streamed=(code, "tar.header"),
    )
    zero = columns(("record_counts", [0]), base=example).on("index", setting(("pages.0.record_counts", [1])))
    reject(
        "columns-record-count-zero",
        "7",
        code,
        "A batch is said to have no records.",
        zero,
        streamed=(code, "record.count"),
    )
    reject(
        "columns-stream-range",
        "7",
        "entries.reserved",
        "A batch is of a stream that does not exist.",
        columns(("streams", [1]), base=example),
        streamed=OTHER_ENTRY,
    )
    two = (
        Archive().schema(GREETING, ("a", "example.Greeting", 0), ("b", "example.Greeting", 0)).batch("a", greeting("x"))
    )

    def other_stream(index):
        index["pages"][0]["record_counts"] = [0, 1]
        a, b = index["streams"]
        for fact in ("record_count", "size", "digest", "batch_count"):
            a[fact], b[fact] = b[fact], a[fact]

    two.on("columns", setting(("streams", [1]))).on("index", other_stream)
    why = "A batch is of another stream than its path says."
    reject("columns-stream-other", "7", "entries.reserved", why, two, streamed=OTHER_ENTRY)
    code = "entries.kind"
    reject("kind-zero", "7", code, "An entry has the kind 0.", columns(("kinds.1", 0), ("digests", lambda d: d[:-1])))
    why = "An entry has a negative kind."
    reject("kind-negative", "7", code, why, columns(("kinds.1", (1 << 64) - 1), ("digests", lambda d: d[:-1])))

    code = "index.pages"
    greatest = hello().on("index", setting(("pages.0.greatest_path", "hello.txu")))
    reject("page-greatest-path", "7", code, "The greatest path of a page is another.", greatest)
    none = index(("pages.0.least_path", ".rosettar/schemas/00000000.binpb"), base=empty)
    reject("page-least-reserved", "7", code, "A page without user entries has a least path.", none)

    def wide():
        archive = Archive(page_entries=3).schema(GREETING, ("a", "example.Greeting", 0))
        return archive.batch("a", greeting("1"), greeting("2")).file("f", b"").batch("a", greeting("3"))

    other = wide().on("index", setting(("pages.1.record_counts", [1]), ("pages.0.record_counts", [2])))
    reject("page-records", "7", code, "Two pages divide the records of a stream otherwise.", other)

    def ends(archive):
        archive.on("index", setting(("pages.1.tar_offset", lambda at: at + 512)))
        return archive

    reject("page-end", "7", code, "The members of a page do not end where the next page begins.", ends(two_pages()))

    def again(archive):
        return archive.on("index", setting(("pages.1.tar_offset", 0)))

    reject("page-offset-again", "8", code, "Two pages begin at the same offset.", again(two_pages()))
    last = two_pages().on("index", setting(("pages.1.tar_offset", lambda at: 1 << 40)))
    reject("page-offset-end", "8", code, "A page begins after the end of the tar.", last)
    reject("page-size-zero", "8", code, "A page has no bytes.", index(("pages.0.decoded_size", 0)))
    reject("page-size-large", "8", code, "A page has 8 MiB and a byte.", index(("pages.0.decoded_size", 8_388_609)))
    none = index(("pages.0.entry_count", 0), ("totals.files", 0), ("totals.reserved_members", 0))
    reject("page-entries-none", "8", code, "A page has no entries.", none)
    many = index(("pages.0.entry_count", 4097), ("totals.files", 4096))
    reject("page-entries-many", "8", code, "A page has 4 097 entries.", many)
    few = example().on(
        "index",
        setting(
            ("pages.0.record_counts", []),
            ("streams.0.record_count", 0),
            ("streams.0.batch_count", 0),
            ("totals.records", 0),
        ),
    )
    reject("page-record-counts-none", "8", code, "A page has no record count for a stream.", few)

    def frame(make):
        def hook(frames):
            return [Frame(section("ENTR", make(frames[0].stored[48:])))]

        return hello().on("pages", hook)

    reject(
        "page-frame-trailing",
        "3.3",
        "frame.decode",
        "Something follows the zstd frame of a page.",
        frame(lambda f: f + b"\0"),
        level=0,
    )
    reject(
        "page-checksum",
        "3.3",
        "frame.decode",
        "The zstd frame of a page has a wrong checksum.",
        frame(lambda f: f[:-1] + bytes([f[-1] ^ 1])),
        level=0,
    )
    reject("page-raw", "3.3", "frame.header", "A page is not compressed.", frame(lambda f: bytes(100)), level=0)
    reject("page-empty", "3.3", "frame.header", "The section of a page has no body.", frame(lambda f: b""), level=0)
    nothing = bytes.fromhex("28B52FFD240001000099E9D851")
    reject(
        "page-nothing",
        "11.1",
        "frame.size",
        "The zstd frame of a page has no content.",
        frame(lambda f: nothing),
        level=0,
    )

    archive = Archive(page_entries=1)
    for number in range(12):
        archive.file(f"{number:02}", b"")
    accept("pages-many", "7", "A page for each entry.", archive)
    archive = Archive()
    archive.file("file", b"").on("page", lambda plain: plain + varint(2047 << 3) + b"\x01")
    accept("page-unknown-field", "14", "A page with a field of a later version.", archive)


# ---------------------------------------------------------------------------------------------------------------------
# Sections 8 and 9
# ---------------------------------------------------------------------------------------------------------------------


def index_rules():
    code = "index.protobuf"
    reject(
        "index-manifest-digest",
        "8",
        code,
        "The manifest's digest has 33 bytes.",
        index(("manifest_digest", lambda d: d + b"\0")),
    )
    reject(
        "index-stream-digest",
        "8",
        code,
        "The digest of a stream is empty.",
        index(("streams.0.digest", b""), base=example),
    )
    code = "index.frames"
    swap = (("frames.stored_sizes.1", 21), ("frames.stored_sizes.2", lambda n: n - 1))
    reject("frames-header", "8", code, "Frame 1 is said to have 21 bytes.", index(*swap))
    facts = (("frames.stored_sizes.2", 47), ("frames.stored_sizes.3", lambda n: n + 3071))
    reject("frames-manifest-small", "8", code, "Frame 2 is said to have 47 bytes.", index(*facts))
    reject(
        "frames-manifest-content",
        "8",
        code,
        "The manifest is said to decode to something.",
        index(("frames.decoded_sizes.2", 8192), ("totals.tar_bytes", lambda n: n + 8192)),
    )
    reject(
        "frames-empty-content",
        "8",
        code,
        "The empty frame is said to decode to something.",
        index(("frames.decoded_sizes.0", 512), ("totals.tar_bytes", lambda n: n + 512)),
    )
    reject(
        "frames-large",
        "8",
        code,
        "A payload frame is said to decode to 8 MiB and a byte.",
        index((f"frames.decoded_sizes.{FRAME_OF_FILE}", 8_388_609)),
    )
    facts = ((f"frames.stored_sizes.{FRAME_OF_FILE}", 0), ("frames.stored_sizes.3", lambda n: n + 1038))
    reject("frames-stored-none", "8", code, "A payload frame is said to have no stored bytes.", index(*facts))
    reject(
        "frames-few",
        "8",
        code,
        "The index lists two frames.",
        index(("frames.stored_sizes", [9, 20]), ("frames.decoded_sizes", [0, 0]), ("frames.digests", lambda d: d[:2])),
    )
    reject(
        "frames-none",
        "8",
        code,
        "The index lists no frame.",
        index(("frames.stored_sizes", []), ("frames.decoded_sizes", []), ("frames.digests", [])),
    )
    many = hello().on("index", setting(("pages", lambda pages: pages * 8)))
    reject("pages-more", "8", code, "There are more pages than frames.", many)
    two = hello().on("index", setting(("pages", lambda pages: [*pages, dict(pages[0])])))
    reject("pages-payload", "8", code, "The end of the tar is counted among the pages.", two)

    def only_end(parts):
        return parts[-1:]

    why = "The end of the tar is all the payload there is."
    reject(
        "payload-none",
        "8",
        code,
        why,
        empty().on("parts", only_end),
        streamed=("entries.reserved", "tar.end", "index.frames"),
    )
    code = "index.totals"

    def odd(parts):
        parts[PART_OF_FILE].data += b"\0"

    reject(
        "totals-odd",
        "8",
        code,
        "The tar has a byte more than a multiple of 512.",
        hello().on("parts", odd),
        streamed="tar.end",
    )
    reject(
        "totals-directories",
        "8",
        code,
        "The totals take a directory for a symbolic link.",
        index(("totals.directories", 0), ("totals.symlinks", 2), base=linked),
    )
    reject(
        "totals-reserved",
        "8",
        code,
        "The totals take a reserved member for a file.",
        index(("totals.reserved_members", 0), ("totals.files", 2)),
    )
    reject(
        "totals-stream-size",
        "8",
        code,
        "A stream has another size in all.",
        index(("streams.0.size", increase), base=example),
    )
    reject(
        "totals-batches",
        "8",
        code,
        "A stream has another number of batches.",
        index(("streams.0.batch_count", 2), base=example),
    )
    code = "index.streams"
    reject(
        "stream-schema-range",
        "8",
        code,
        "A stream is of a Schema that does not exist.",
        index(("streams.0.schema", 2), base=example),
    )

    def both():
        return Archive().schema(GREETING, ("a", "example.Greeting", 0)).schema(GREETING, ("b", "example.Greeting", 0))

    why = "The Schemas of streams are not in order."
    swap = (("streams.0.schema", 2), ("streams.1.schema", 1))
    reject("stream-schema-order", "8", code, why, index(*swap, base=both))
    reject(
        "schema-count-late",
        "8",
        code,
        "All Schemas are said to be late.",
        index(("schema_count", 1), ("late_schema_frames", [4])),
    )
    why = "The index counts a Schema more than the manifest."
    reject("schema-count-more", "11.1", code, why, index(("schema_count", 2)))
    batches = (("streams.0.record_count", 0), ("pages.0.record_counts", [0]), ("totals.records", 0))
    reject("stream-batches-only", "8", code, "A stream has batches and no records.", index(*batches, base=example))
    reject("index-field-cut", "8", "index.protobuf", "The index ends within a varint.", body(lambda b: b + b"\x10\x80"))

    reject(
        "limit-streams-two",
        "4.3",
        "limit.streams",
        "With the limit streams at 1, two streams exceed it.",
        Archive().schema(GREETING, ("a", "example.Greeting", 0), ("b", "example.Greeting", 0)),
        limits={"streams": 1},
    )
    late = hello().schema(GREETING, late=True)
    reject(
        "limit-schemas-late",
        "4.2",
        "limit.schemas",
        "With the limit schemas at 1, a late Schema exceeds it.",
        late,
        limits={"schemas": 1},
    )


def seek_tables():
    def seek(make):
        return hello().on("seek", make)

    code = "seek-table.footer"
    reject(
        "seek-table-reserved",
        "9",
        code,
        "A reserved bit of the descriptor is set.",
        seek(poke(-5, b"\x04")),
        streamed="seek-table.mismatch",
    )
    reject(
        "seek-table-count",
        "9",
        code,
        "The footer states a row less than there are.",
        seek(lambda t: poke(-9, bytes([t[-9] - 1]))(t)),
        streamed="seek-table.mismatch",
    )
    reject(
        "seek-table-none",
        "9",
        code,
        "There is no seek table.",
        hello().on("seek", lambda table: b""),
        streamed="envelope.truncated",
    )
    code = "seek-table.mismatch"
    rows = 8 * 3

    def swapped(table):
        return table[: 8 + rows] + table[16 + rows : 24 + rows] + table[8 + rows : 16 + rows] + table[24 + rows :]

    reject("seek-table-order", "9", code, "Two rows have changed places.", seek(swapped))

    def more(table):
        count = struct.unpack_from("<I", table, len(table) - 9)[0] + 1
        head = table[:4] + struct.pack("<I", 8 * count + 9)
        return head + table[8:16] + bytes(8) + table[16:-9] + struct.pack("<I", count) + table[-5:]

    reject("seek-table-row-more", "9", code, "There is a row of zeros more.", seek(more))

    def fewer(table):
        count = struct.unpack_from("<I", table, len(table) - 9)[0] - 1
        return table[:4] + struct.pack("<I", 8 * count + 9) + table[16:-9] + struct.pack("<I", count) + table[-5:]

    reject(
        "seek-table-row-fewer",
        "9",
        code,
        "The row of the empty frame is missing.",
        seek(fewer),
        streamed=("seek-table.mismatch", "envelope.truncated"),
    )
    reject(
        "seek-table-stored",
        "9",
        code,
        "The stored size of a payload frame differs.",
        seek(lambda t: poke(8 + rows, bytes([t[8 + rows] ^ 1]))(t)),
    )

    def joined(table):
        # One row for two frames: the sums are the same.
        sizes = struct.unpack_from("<4I", table, 8 + rows)
        count = struct.unpack_from("<I", table, len(table) - 9)[0] - 1
        row = struct.pack("<II", sizes[0] + sizes[2], sizes[1] + sizes[3])
        head = table[:4] + struct.pack("<I", 8 * count + 9)
        return head + table[8 : 8 + rows] + row + table[24 + rows : -9] + struct.pack("<I", count) + table[-5:]

    reject(
        "seek-table-joined",
        "9",
        code,
        "A row stands for two frames.",
        seek(joined),
        streamed=("seek-table.mismatch", "envelope.truncated"),
    )
    reject(
        "content-digest-stream",
        "10.2",
        "content.digest",
        "The content digest is that of the archive without its stream.",
        index(("content_digest", bytes.fromhex("00" * 32)), base=example),
    )
    same = Archive(late_attributes=[("title", "An example")], page_entries=2, producer="another", minor=3)
    same.created = field(1, 5)
    same.schema(GREETING, ("greetings", "example.Greeting", 9)).batch("greetings", greeting("hello")).cut()
    same.file("hello.txt", b"hello\n", mtime=-1, nanoseconds=7).ancillary("note", b"more")
    why = (
        "The content of the second example in other frames and pages, with other times: the content digest is the same."
    )
    accept("content-digest-same", "10.2", why, same)
    theirs = example()
    theirs.build()
    assert same.content == theirs.content and same.root != theirs.root
    names = Archive()
    names.schema(GREETING, ("b", "example.Greeting", 0), ("a", "example.Greeting", 9)).batch("b", greeting("x"))
    names.file("z", b"").file("a", b"x")
    names.attributes, names.late_attributes = [("k", "v")], [("a", "w")]
    names.annotations = [("t/x.Y", b"1"), ("t/x.Y", b"1")]
    accept(
        "content-digest-order",
        "10.2",
        "Entries, streams and attributes are sorted in the content digest, annotations not.",
        names,
    )


# ---------------------------------------------------------------------------------------------------------------------
# What no other check finds: vectors for checks that mutants.py could leave out
# ---------------------------------------------------------------------------------------------------------------------


def more_frames():
    def stored(make):
        return hello().on("frames", reframe(FRAME_OF_FILE, make))

    either = ("frame.header", "frame.decode", "frame.size")
    reject(
        "frame-magic-only",
        "3.2",
        "frame.header",
        "A frame is its magic number.",
        stored(lambda d: d[:4]),
        streamed=either,
    )
    reject(
        "manifest-magic",
        "3.3",
        "section.head",
        "A zstd frame stands where the manifest must.",
        hello().on("frames", reframe(2, lambda stored: zstd_frame(stored))),
    )
    small = bytes.fromhex("5E2A4D18 28000000") + bytes(40)
    why = "A skippable frame with the number of the seek table among the payload."
    reject("seek-table-early", "3.3", "section.head", why, file_section(small), level=1, streamed="section.misplaced")
    why = "A skippable frame with the number of the seek table between the pages and the index."
    late = hello().on("pages", lambda pages: [*pages, Frame(small)])
    reject("seek-table-misplaced", "9", "index.frames", why, late, streamed="section.misplaced")
    why = "Payload follows the end of the tar."
    after = hello().on("parts", lambda parts: [*parts, Chunk(b"x" * 512)])
    reject("payload-after-end", "3.2", "index.frames", why, after, streamed="tar.end")
    why = "The end of the tar comes twice."
    twice = hello().on("parts", lambda parts: [*parts, Chunk(bytes(1024))])
    reject("tar-end-twice", "5", "index.pages", why, twice, streamed="tar.end")

    archive = Archive().file("large", bytes(8 << 20))

    def large(parts):
        data = bytes(parts[PART_OF_FILE].data)
        count = (8 << 20) >> 17
        runs = b"".join(block(RLE, b"\0", 1 << 17) for _ in range(count))
        parts[PART_OF_FILE].options = {
            "window": 0x68,
            "width": 4,
            "blocks": block(RAW, data[:512]) + runs + block(RAW, b"", last=True),
        }

    why = "A frame of 8 MiB and 512 bytes."
    reject("frame-content-large", "3.2", "index.frames", why, archive.on("parts", large), streamed="frame.size")

    moved = hello()

    def move(index):
        index["frames"]["stored_sizes"][3] += 1
        index["frames"]["stored_sizes"][4] -= 1

    def table(seek):
        for row, by in ((3, 1), (4, -1)):
            at = 8 + 8 * row
            seek[at : at + 4] = struct.pack("<I", struct.unpack_from("<I", seek, at)[0] + by)

    why = "Index and seek table end a frame a byte late, and begin the next a byte late."
    moved.on("index", move).on("seek", table)
    reject("frames-moved", "8", "frame.digest", why, moved, streamed=("frame.size", "frame.digest"))


def more_rules():
    kinds = columns(("kinds", lambda kinds: [SCHEMA if kind == STREAM else kind for kind in kinds]), base=example)
    why = "The entry of a stream's description says that it is a Schema."
    reject("reserved-kind-schema", "5.5", "entries.reserved", why, kinds, streamed=("tar.header", "entries.reserved"))
    kinds = columns(("kinds.0", STREAM))
    why = "The entry of a Schema's member says that it is a stream's description."
    reject("reserved-kind-stream", "5.5", "entries.reserved", why, kinds, streamed=("tar.header", "entries.reserved"))

    def early(members):
        at = next(n for n, item in enumerate(members) if isinstance(item, Member) and item.kind == STREAM)
        members.insert(1, members.pop(at))

    why = "The description of a late Schema's stream stands before the Schema."
    late = hello().schema(GREETING, ("late", "example.Greeting", 0), late=True).on("members", early)
    reject("reserved-stream-before-late", "5.5", "entries.reserved", why, late)
    why = "A symbolic link has the path that a Schema would have."
    shaped = Archive().symlink(".rosettar/schemas/00000001.binpb", "x")
    reject("path-reserved-shaped-link", "5.1", "path.reserved", why, shaped, streamed=("path.reserved", "tar.header"))

    def within(parts):
        at = next(n for n, part in enumerate(parts) if isinstance(part, Late))
        section = parts.pop(at)
        data = bytes(parts[PART_OF_FILE].data)
        parts[PART_OF_FILE : PART_OF_FILE + 1] = [Chunk(data[:600]), section, Chunk(data[600:])]

    why = "A late Schema stands within a member."
    late = hello().schema(GREETING, ("late", "example.Greeting", 0), late=True).on("parts", within)
    reject("late-schema-within", "4.2", "section.misplaced", why, late)

    def other(index):
        index["late_schema_frames"] = [number - 1 for number in index["late_schema_frames"]]

    def note(parts):
        at = next(n for n, part in enumerate(parts) if isinstance(part, Late))
        parts.insert(at, Late("note", schema_message(GREETING, [("late", "example.Greeting", 0)])))

    why = "The index lists an ancillary section that stands before a late Schema in place of it."
    late = hello().schema(GREETING, ("late", "example.Greeting", 0), late=True).on("parts", note).on("index", other)
    reject("late-schema-other", "4.2", "section.misplaced", why, late, streamed="index.streams")
    long = b"\x80" * 10 + b"\1"
    reject(
        "index-varint", "1", "index.protobuf", "A varint has eleven bytes.", body(lambda b: b + varint(100 << 3) + long)
    )

    for name, why, at, value in (
        ("size-octal", "The size in a header has the digit 8.", 124, b"00000000008"),
        ("mtime-binary", "The time in a header is binary, as GNU tar writes great ones.", 136, b"\x80" + bytes(10)),
        ("size-none", "The size in a header is all zero bytes.", 124, bytes(11)),
    ):
        header_vector(f"header-{name}", why, at, value)

    def long_name():
        return Archive().file("a" * 99 + "/b", b"", mtime=-1)

    def record(old, new):
        def hook(parts):
            data = bytes(parts[PART_OF_FILE].data)
            assert data.count(old) == 1 and len(old) == len(new)
            parts[PART_OF_FILE].data[:] = data.replace(old, new)

        return long_name().on("parts", hook)

    code = "tar.header"
    reject("pax-number", "5.3", code, "The time in a PAX record is no number.", record(b"mtime=-1", b"mtime=-x"))
    reject("pax-space", "5.3", code, "A PAX record has no length.", record(b"12 mtime", b"xx mtime"))
    reject(
        "pax-length-past", "5.3", code, "A PAX record goes on after the header's end.", record(b"12 mtime", b"99 mtime")
    )


GROUPS = (protobuf, first_bytes, frames, sections, manifest, late_schemas, paths, tar_headers, reserved, batches)
GROUPS += (pages, index_rules, seek_tables, more_frames, more_rules)
