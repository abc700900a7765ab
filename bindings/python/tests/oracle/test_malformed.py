# SPDX-License-Identifier: Apache-2.0
"""Records that are no messages: the verdict of the `protobuf` package against ours.

Every record is made from a sound one of a random descriptor by one fault. Each stands between two sound ones in a
stream of its own, so that an error can be held to naming the stream and the record. Where both sides take a record, the
rows are compared as well.

Accepted differences, each counted; spec/ARROW.md has the reason for each:

* `wire type`: a known field in a wire type that is not its own. `protobuf` takes it for an unknown field, which hides
  that a record was written by another schema; we refuse it, as all of Rosettar does.
* `long tag`: a tag or a length of more than five bytes, though its value is small. We take up to ten bytes, as for any
  varint.
* `long varint`: a varint whose tenth byte has bits beyond the 64th. `protobuf` drops these bits; we refuse it.
* `required`: a message without a required field. `protobuf` parses it and says so only when asked (`IsInitialized`).
* `utf8`: proto2 text that is not UTF-8. `protobuf` hands out bytes for it, which a column of text cannot hold.
"""

import os
import random
import re
from collections import Counter

import pyarrow as pa
import pytest
import rosettar
from google.protobuf import descriptor_pb2, message

from . import expected
from .archive import archive
from .descriptors import Case, random_case
from .wire import BYTES, END, FIXED32, FIXED64, START, VARINT, WIRE, Encoder, tag, varint

Field = descriptor_pb2.FieldDescriptorProto
RECORDS = int(os.environ.get("ROSETTAR_ORACLE_MALFORMED", "1200"))
BATCH = 300  # streams in an archive


def truncated(rng, case, record):
    return record[: rng.randrange(len(record))] if record else b"\x08"


def beyond_the_end(rng, case, record):
    return record + tag(77, BYTES) + varint(rng.choice([1, 5, 2**20, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1])) + b""


def wrong_wire_type(rng, case, record):
    """A known field in a wire type that is not its own: protobuf takes it for an unknown field."""
    field = rng.choice(case.descriptor.fields)
    kind = rng.choice([VARINT, FIXED64, BYTES, FIXED32, START])
    if kind == START:
        return record + tag(field.number, START) + tag(field.number, END)
    values = {VARINT: varint(5), FIXED64: bytes(8), BYTES: varint(1) + b"\x05", FIXED32: bytes(4)}
    return record + tag(field.number, kind) + values[kind]


def no_such_wire_type(rng, case, record):
    return record + tag(rng.choice([1, 2, 77]), rng.choice([6, 7])) + bytes(9)


def field_zero(rng, case, record):
    return record + rng.choice([b"\x00\x05", b"\x02\x00", b"\x05\0\0\0\0", b"\x80\x00\x01"])


def great_field_number(rng, case, record):
    return record + varint(rng.choice([1 << 32, (1 << 29) << 3, 1 << 35, (1 << 64) - 8])) + b"\x00"


def group_end_of_another(rng, case, record):
    return record + tag(77, START) + tag(78, END)


def group_without_end(rng, case, record):
    return record + tag(77, START) + tag(1, VARINT) + b"\x01"


def end_without_group(rng, case, record):
    return record + tag(77, END)


def long_varint(rng, case, record):
    field = rng.choice(case.descriptor.fields).number
    length = rng.choice([10, 11, 12])
    return record + tag(field, VARINT) + b"\xff" * (length - 1) + rng.choice([b"\x00", b"\x01", b"\x02", b"\x7f"])


def tag_of_many_bytes(rng, case, record):
    return record + b"\x88" + b"\x80" * rng.choice([3, 4, 8, 9]) + b"\x00\x01"


def length_of_many_bytes(rng, case, record):
    return record + tag(77, BYTES) + b"\x81" + b"\x80" * rng.choice([3, 4, 8, 9]) + b"\x00a"


def torn_packed(rng, case, record):
    fields = [f for f in case.descriptor.fields if f.is_repeated and WIRE.get(f.type, VARINT) != BYTES]
    field = rng.choice(fields) if fields else rng.choice(case.descriptor.fields)
    return record + tag(field.number, BYTES) + varint(3) + b"\x80\x80\x80"


def bad_text(rng, case, record):
    fields = [f for f in case.descriptor.fields if f.type == Field.TYPE_STRING]
    if not fields:
        return truncated(rng, case, record)
    text = rng.choice([b"\xff", b"a\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
    return record + tag(rng.choice(fields).number, BYTES) + varint(len(text)) + text


def bytes_changed(rng, case, record):
    out = bytearray(record or b"\0")
    for _ in range(rng.randint(1, 3)):
        out[rng.randrange(len(out))] = rng.choice([rng.randrange(256), 0xFF, 0x80, 0x00])
    return bytes(out)


FAULTS = [
    truncated,
    beyond_the_end,
    wrong_wire_type,
    no_such_wire_type,
    field_zero,
    great_field_number,
    group_end_of_another,
    group_without_end,
    end_without_group,
    long_varint,
    tag_of_many_bytes,
    length_of_many_bytes,
    torn_packed,
    bad_text,
    bytes_changed,
]


def no_text_as_bytes(value):
    """Whether protobuf has text for every string field of a message, not bytes."""
    for field, inner in value.ListFields():
        if expected.is_map(field):
            key, of = (field.message_type.fields_by_number[number] for number in (1, 2))
            pairs = [(key, list(inner)), (of, [inner[k] for k in inner])]
        else:
            pairs = [(field, inner if field.is_repeated else [inner])]
        for kind, items in pairs:
            if kind.type == Field.TYPE_STRING and any(isinstance(item, bytes) for item in items):
                return False
            if kind.message_type and not all(map(no_text_as_bytes, items)):
                return False
    return True


def accepted(case, parsed):
    """The rule by which we may refuse what protobuf parsed."""
    if not parsed.IsInitialized():
        return "required"
    try:
        text = no_text_as_bytes(parsed)
    except UnicodeDecodeError:  # a key of a map, which protobuf takes for text when it is looked up
        text = False
    return None if text else "utf8"


def refused_alone(text):
    """The rule by which an error says something that we refuse and protobuf does not."""
    kinds = "(a varint|four bytes|eight bytes|length-delimited|a group)"
    if re.search(f"field .*: expected {kinds}, found {kinds}", text):
        return "wire type"
    return "long varint" if "a varint of more than 64 bits" in text else None


def long_tag(record):
    """Whether a tag or a length in a record, outside of its messages, has more than five bytes."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while at < len(record):
            byte = record[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        return value, shift > 35

    while at < len(record):
        key, long = number()
        if long:
            return True
        if key & 7 == VARINT:
            number()
        elif key & 7 == BYTES:
            length, long = number()
            if long:
                return True
            at += length
        else:
            at += {FIXED64: 8, FIXED32: 4}.get(key & 7, 0)
    return False


def verdicts(streams):
    """What differs, for streams of a name, a case and three records of which that in the middle is in question."""
    data = archive((name, case.descriptor_set(), case.type_name, records) for name, case, records in streams)
    differences, counts = [], Counter()
    with rosettar.open(data) as opened:
        for name, case, records in streams:
            try:
                parsed = case.message.FromString(records[1])
            except message.DecodeError:
                parsed = None
            try:
                rows = expected.rows(pa.table(opened.streams[name]))
            except Exception as error:
                rows, text = None, str(error)
                if name not in text or "record 1" not in text:
                    differences.append(f"{name}: the error does not name stream and record: {text}")
            rule = None
            if parsed is None and rows is not None:
                if long_tag(records[1]):
                    counts["long tag"] += 1
                    continue
                differences.append(f"{name}: protobuf refuses it, we do not: {records[1].hex()}")
            elif parsed is not None and rows is None:
                rule = refused_alone(text) or accepted(case, parsed)
                if rule is None:
                    differences.append(f"{name}: protobuf takes it, we do not: {text}: {records[1].hex()}")
            elif parsed is not None and accepted(case, parsed) != "utf8":
                if difference := expected.difference(expected.row(parsed, case.pool), rows[1]):
                    differences.append(f"{name}: {difference}")
            counts["both refuse" if parsed is rows is None else rule or "both take"] += 1
    return differences, counts


def streams_of(count):
    for at in range(count):
        number = 2_000_000 + at // len(FAULTS)
        rng = random.Random(number)
        case = random_case(rng, number, well_known=False, most=100)
        encoder = Encoder(rng, case.pool, hostile=False)
        sound = encoder.message(case.descriptor)
        fault = FAULTS[at % len(FAULTS)]
        yield f"{fault.__name__}.{number}", case, [sound, fault(random.Random(at), case, sound), sound]


def test_malformed_records(capsys):
    streams, differences, counts = list(streams_of(RECORDS)), [], Counter()
    for at in range(0, len(streams), BATCH):
        found, some = verdicts(streams[at : at + BATCH])
        differences += found
        counts += some
    with capsys.disabled():
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        print(f"\nmalformed: {len(streams)} records, {len(differences)} differences ({told})")
    if differences:
        pytest.fail(f"{len(differences)} differences, the first of them:\n" + "\n".join(differences[:20]))


def nested_case():
    """A message that holds itself, as a message and as a group."""
    file = descriptor_pb2.FileDescriptorProto(name="nested.proto", package="nested", syntax="proto2")
    node = file.message_type.add(name="M0")
    node.field.add(name="child", number=1, label=1, type=Field.TYPE_MESSAGE, type_name=".nested.M0")
    group = node.nested_type.add(name="Inner")
    group.field.add(name="node", number=1, label=1, type=Field.TYPE_MESSAGE, type_name=".nested.M0")
    node.field.add(name="inner", number=2, label=1, type=Field.TYPE_GROUP, type_name=".nested.M0.Inner")
    node.field.add(name="x", number=3, label=1, type=Field.TYPE_INT32)
    return Case([file], "nested.M0")


def nested(depth):
    out = tag(3, VARINT) + b"\x01"
    for _ in range(depth):
        out = tag(1, BYTES) + varint(len(out)) + out
    return out


@pytest.mark.parametrize("depth", [1, 50, 98, 99, 100, 101, 102, 5000])
@pytest.mark.parametrize("kind", ["messages", "unknown groups", "unknown groups in a message"])
def test_nesting(kind, depth):
    """A message may be nested 100 deep, by protobuf's count and by ours."""
    if kind == "messages":
        record = nested(depth)
    else:
        record = tag(77, START) * depth + tag(77, END) * depth
        if kind.endswith("message"):
            record = tag(1, BYTES) + varint(len(record)) + record
    differences, _ = verdicts([("nested", nested_case(), [b"", record, b""])])
    assert not differences
