# SPDX-License-Identifier: Apache-2.0
"""Random messages in every wire form that a writer of protobuf may choose, or a hostile one finds.

Fields in any order, singular fields several times, messages in parts, members of a oneof in turn, map entries with the
same key, the value first, or half of them missing, unknown fields, varints of more bytes than needed, packed and
unpacked elements mixed, packed ones of none, integers that are wider than their type.
"""

import struct

from google.protobuf import descriptor_pb2

Field = descriptor_pb2.FieldDescriptorProto
VARINT, FIXED64, BYTES, START, END, FIXED32 = range(6)
M64 = (1 << 64) - 1

WIRE = {
    Field.TYPE_DOUBLE: FIXED64,
    Field.TYPE_FLOAT: FIXED32,
    Field.TYPE_FIXED64: FIXED64,
    Field.TYPE_SFIXED64: FIXED64,
    Field.TYPE_FIXED32: FIXED32,
    Field.TYPE_SFIXED32: FIXED32,
    Field.TYPE_STRING: BYTES,
    Field.TYPE_BYTES: BYTES,
    Field.TYPE_MESSAGE: BYTES,
    Field.TYPE_GROUP: START,
}
INTS = [0, 1, 2, 127, 128, 300, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, M64, M64 - 1]
INTS += [-(2**31) & M64, (-(2**31) - 1) & M64, 2**35 + 5]
DOUBLES = [0.0, -0.0, 1.0, -1.5, 1e-310, 1e308, float("inf"), float("-inf"), float("nan"), 3.141592653589793]
FLOATS = [0.0, -0.0, 1.0, -1.5, 1e-42, 3.0e38, float("inf"), float("-inf"), float("nan"), 0.1]
# Doubles that JSON can hold.
FINITE = [0.0, -0.0, 1.0, -1.5, 1e-310, 1e300, 3.141592653589793, 2.0**53]
TEXTS = ["", "a", "Tōkyō", "\0", "😀" * 5, "x" * 130, 'quote " and \\ slash', "line\nbreak", "\u2028"]
BLOBS = [b"", b"\0", b"\xff\xfe", bytes(range(40)), b"z" * 200]


def varint(value, pad=0):
    """A varint; `pad` is how many bytes more than needed it takes."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    if pad:
        out.append(value | 0x80)
        out += b"\x80" * (pad - 1)
        value = 0
    out.append(value)
    return bytes(out)


def tag(number, wire):
    return varint(number << 3 | wire)


class Encoder:
    """Makes messages of one pool from one source of randomness."""

    def __init__(self, rng, pool, hostile=True):
        self.rng, self.pool, self.hostile = rng, pool, hostile
        # Of all durations: merged from parts of both signs, one would have no JSON.
        self.sign = rng.choice([1, -1])

    # Numbers and lengths.

    def _pad(self, value, most):
        """How many bytes too many a varint gets, with at most `most` bytes in all."""
        if not self.hostile or self.rng.random() < 0.9:
            return 0
        needed = max(1, (value.bit_length() + 6) // 7)
        return self.rng.randint(0, max(0, most - needed))

    def varint(self, value, most=10):
        return varint(value, self._pad(value, most))

    def tag(self, number, wire):
        return self.varint(number << 3 | wire, 5)

    def delimited(self, data):
        return self.varint(len(data), 5) + data

    # Values.

    def scalar(self, field):
        """One value of a scalar or enum, without its tag."""
        rng, kind = self.rng, field.type
        if kind == Field.TYPE_DOUBLE:
            return struct.pack("<d", rng.choice(DOUBLES))
        if kind == Field.TYPE_FLOAT:
            return struct.pack("<f", rng.choice(FLOATS))
        if WIRE.get(kind) == FIXED64:
            return struct.pack("<Q", self._int())
        if WIRE.get(kind) == FIXED32:
            return struct.pack("<I", self._int() & 0xFFFFFFFF)
        if kind == Field.TYPE_STRING:
            return self.delimited(rng.choice(TEXTS).encode())
        if kind == Field.TYPE_BYTES:
            return self.delimited(rng.choice(BLOBS))
        if kind == Field.TYPE_ENUM:
            if rng.random() < 0.8 or not self.hostile:
                return self.varint(rng.choice(field.enum_type.values).number & M64)
            return self.varint(rng.choice([4, 99, -7 & M64, 2**31, 2**32 + 1, 1 << 40]))
        value = self._int()
        if not self.hostile:
            if kind in (Field.TYPE_UINT32, Field.TYPE_SINT32):
                value &= 0xFFFFFFFF
            elif kind == Field.TYPE_INT32:
                value = (value & 0xFFFFFFFF ^ 1 << 31) - (1 << 31) & M64
            elif kind == Field.TYPE_BOOL:
                value &= 1
        return self.varint(value)

    def _int(self):
        rng = self.rng
        return rng.choice(INTS) if rng.random() < 0.6 else rng.getrandbits(rng.choice([3, 8, 31, 33, 64]))

    def occurrence(self, field, depth):
        """The field once, with its tag: whatever a message may have of it."""
        if field.type in (Field.TYPE_MESSAGE, Field.TYPE_GROUP):
            data = self.message(field.message_type, depth + 1)
            if field.type == Field.TYPE_GROUP:
                return self.tag(field.number, START) + data + self.tag(field.number, END)
            return self.tag(field.number, BYTES) + self.delimited(data)
        return self.tag(field.number, WIRE.get(field.type, VARINT)) + self.scalar(field)

    def repeated(self, field, depth):
        """A list of occurrences: packed, unpacked, or both; packed ones may be empty."""
        rng = self.rng
        count = rng.choice([0, 1, 1, 2, 3]) if depth < 3 else rng.choice([0, 0, 1])
        packable = WIRE.get(field.type, VARINT) in (VARINT, FIXED64, FIXED32)
        if not packable:
            return [self.occurrence(field, depth) for _ in range(count)]
        out = []
        for _ in range(count):
            if (rng.random() < 0.5) if self.hostile else field.is_packed:
                data = b"".join(self.scalar(field) for _ in range(rng.choice([0, 1, 2, 5])))
                out.append(self.tag(field.number, BYTES) + self.delimited(data))
            else:
                out.append(self.occurrence(field, depth))
        return out

    def entries(self, field, depth):
        rng, out = self.rng, []
        key, value = (field.message_type.fields_by_number[number] for number in (1, 2))
        keys = []
        for _ in range(rng.choice([0, 1, 2, 3]) if depth < 3 else rng.choice([0, 1])):
            if self.hostile and keys and rng.random() < 0.3:
                parts = [rng.choice(keys)]  # the same key again
            else:
                parts = [self.occurrence(key, depth)]
                if not self.hostile and parts[0] in keys:
                    continue
                keys += parts
            parts.append(self.occurrence(value, depth))
            if self.hostile:
                chance = rng.random()
                if chance < 0.1:
                    parts.pop(rng.randrange(2))
                elif chance < 0.15:
                    parts = []
                elif chance < 0.3:
                    parts.append(self.occurrence(rng.choice([key, value]), depth))
                rng.shuffle(parts)
            out.append(self.tag(field.number, BYTES) + self.delimited(b"".join(parts)))
        return out

    def unknown(self, known, depth=0):
        """A field that the message does not have."""
        rng = self.rng
        number = rng.choice([11, 13, 14, 17, 500, 60000, 19500, 536870909])
        while number in known:
            number += 1
        kind = rng.choice([VARINT, FIXED64, BYTES, FIXED32, START] if depth < 3 else [VARINT])
        head = self.tag(number, kind)
        if kind == VARINT:
            return head + self.varint(self._int())
        if kind == BYTES:
            return head + self.delimited(rng.choice(BLOBS))
        if kind == START:
            inner = b"".join(self.unknown(set(), depth + 1) for _ in range(rng.randint(0, 2)))
            return head + inner + self.tag(number, END)
        return head + rng.randbytes(8 if kind == FIXED64 else 4)

    def message(self, descriptor, depth=0):
        """The bytes of a random message."""
        rng = self.rng
        special = getattr(self, "_" + descriptor.full_name.replace(".", "_"), None)
        if special:
            return special(depth)
        fields = [*descriptor.fields, *self.pool.FindAllExtensions(descriptor)]
        known = {field.number for field in fields}
        chunks = []
        for field in fields:
            if field.message_type and field.message_type.GetOptions().map_entry:
                chunks += self.entries(field, depth)
            elif field.is_repeated:
                chunks += self.repeated(field, depth)
            else:
                deep = field.message_type is not None and depth >= 4
                times = 0 if deep else rng.choice([0, 1, 1, 1, 2, 3] if self.hostile else [0, 1, 1])
                if field.is_required:
                    times = max(times, 1)
                chunks += [self.occurrence(field, depth) for _ in range(times)]
        if self.hostile:
            for _ in range(rng.choice([0, 0, 0, 1, 2])):
                chunks.append(self.unknown(known))
            if rng.random() < 0.8:
                rng.shuffle(chunks)
        elif descriptor.oneofs:
            chunks = self._one_each(descriptor, chunks)
        return b"".join(chunks)

    def _one_each(self, descriptor, chunks):
        """Drops all but one member of each oneof."""
        drop = set()
        for oneof in descriptor.oneofs:
            numbers = [field.number for field in oneof.fields]
            drop |= set(numbers) - {self.rng.choice(numbers)}
        return [chunk for chunk in chunks if _number(chunk) not in drop]

    # Well-known types: values that Arrow and JSON can hold, in parts and in any order.

    def _parts(self, *parts):
        parts = [part for part in parts if part]
        if self.hostile:
            if parts and self.rng.random() < 0.2:
                parts.append(self.rng.choice(parts))
            if self.rng.random() < 0.1:
                parts.append(self.unknown({1, 2, 3, 4, 5, 6}))
            self.rng.shuffle(parts)
        return b"".join(parts)

    def _google_protobuf_Timestamp(self, depth):
        rng = self.rng
        # What int64 nanoseconds can hold: from 1677 to 2262.
        seconds = rng.choice([0, 1, -1, 1_700_000_000, 2**33, -(2**33), 9_223_372_035, -9_223_372_036])
        nanos = rng.choice([0, 1, 999_999_999, 500_000_000, 123_456_789])
        return self._seconds(seconds, nanos)

    def _google_protobuf_Duration(self, depth):
        rng = self.rng
        seconds = rng.choice([0, 1, 86_400, 2**33, 9_223_372_035])
        nanos = rng.choice([0, 1, 999_999_999, 250_000_000])
        return self._seconds(self.sign * seconds, self.sign * nanos)

    def _seconds(self, seconds, nanos):
        first = self.tag(1, VARINT) + self.varint(seconds & M64) if seconds or self.rng.random() < 0.2 else b""
        second = self.tag(2, VARINT) + self.varint(nanos & M64) if nanos or self.rng.random() < 0.2 else b""
        return self._parts(first, second)

    def _google_protobuf_Any(self, depth):
        # The empty Any, or one of a type that every pool with an Any has: itself, empty.
        if self.rng.random() < 0.5:
            return b""
        url = self.tag(1, BYTES) + self.delimited(b"type.googleapis.com/google.protobuf.Any")
        value = self.tag(2, BYTES) + self.delimited(b"")
        return self._parts(url, value if self.rng.random() < 0.5 else b"")

    def _google_protobuf_FieldMask(self, depth):
        paths = self.rng.choices(["a", "some_name", "a.b_c", "foo"], k=self.rng.randint(0, 3))
        return self._parts(*(self.tag(1, BYTES) + self.delimited(path.encode()) for path in paths))

    def _google_protobuf_Value(self, depth):
        rng = self.rng
        kind = rng.choice([1, 2, 3, 4, 5, 6]) if depth < 4 else rng.choice([1, 2, 3, 4])
        out = b""
        if self.hostile and rng.random() < 0.2:  # another member of the oneof, which the last one clears
            out = self.tag(4, VARINT) + self.varint(1)
            if kind == 4:
                out = self.tag(3, BYTES) + self.delimited(b"gone")
        if kind == 1:
            return out + self.tag(1, VARINT) + self.varint(0)
        if kind == 2:
            return out + self.tag(2, FIXED64) + struct.pack("<d", rng.choice(FINITE))
        if kind == 3:
            return out + self.tag(3, BYTES) + self.delimited(rng.choice(TEXTS).encode())
        if kind == 4:
            return out + self.tag(4, VARINT) + self.varint(rng.choice([0, 1, 7]))
        inner = self._google_protobuf_Struct(depth + 1) if kind == 5 else self._google_protobuf_ListValue(depth + 1)
        return out + self.tag(kind, BYTES) + self.delimited(inner)

    def _google_protobuf_ListValue(self, depth):
        count = self.rng.randint(0, 2)
        values = [self._google_protobuf_Value(depth + 1) for _ in range(count)]
        return b"".join(self.tag(1, BYTES) + self.delimited(value) for value in values)

    def _google_protobuf_Struct(self, depth):
        out = b""
        for _ in range(self.rng.randint(0, 2)):
            key = self.tag(1, BYTES) + self.delimited(self.rng.choice(["a", "b", "ключ", ""]).encode())
            value = self.tag(2, BYTES) + self.delimited(self._google_protobuf_Value(depth + 1))
            entry = [key, value]
            if self.hostile:
                self.rng.shuffle(entry)
            out += self.tag(1, BYTES) + self.delimited(b"".join(entry))
        return out


def _number(chunk):
    value = shift = 0
    for byte in chunk:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value >> 3
