# SPDX-License-Identifier: Apache-2.0
"""What every part of the reader stands on: refusals, limits, the protobuf wire format, the messages of rosettar/v1."""

import hashlib

MIB = 1 << 20
SHA256 = hashlib.sha256


# ---------------------------------------------------------------------------------------------------------------------
# Errors and limits
# ---------------------------------------------------------------------------------------------------------------------

INTEGRITY = {"index.manifest", "tar.header", "tar.padding", "tar.end"}
UNSUPPORTED = {"envelope.unsupported-version", "section.unknown-kind", "feature.unknown", "entries.kind"}


class Refused(Exception):
    """An archive was refused; `code` is one of the codes of FORMAT.md."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def kind(self):
        group = self.code.split(".")[0]
        if group in ("limit", "policy", "schema", "usage", "io"):
            return group
        if self.code in ("record.decode", "record.value"):
            return "schema"
        if self.code in UNSUPPORTED:
            return "unsupported"
        if self.code.endswith(".digest") or self.code in INTEGRITY:
            return "integrity"
        return "malformed"


def require(condition, code, message):
    if not condition:
        raise Refused(code, message)


# FORMAT.md, "Limits". `decoded-bytes` depends on the size of the file and is filled in when an archive is opened.
LIMITS = {
    "decoded-bytes": None,
    "entries": 1_048_576,
    "frames": 4_194_304,
    "streams": 4_096,
    "schemas": 4_096,
    "path-bytes": 4_096,
    "component-bytes": 255,
    "path-depth": 64,
    "record-bytes": 64 * MIB,
    "record-values": 1_048_576,
    "manifest-bytes": 16 * MIB,
    "index-bytes": 256 * MIB,
}


# ---------------------------------------------------------------------------------------------------------------------
# Protobuf: just enough of the wire format to read the messages of rosettar/v1
# ---------------------------------------------------------------------------------------------------------------------


class Undecodable(Exception):
    """The bytes are not a serialized message."""


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Undecodable("a varint does not end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if value >> 64:
                raise Undecodable("a varint has more than 64 bits")
            return value, at


def wire_fields(data):
    """Yields (field number, wire type, value) for each field: a number, or the bytes of whatever is no varint."""
    at, groups, body = 0, [], 0
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0 or tag >> 32:
            raise Undecodable("a field has a number that does not exist")
        if wire == 0:
            value, at = varint(data, at)
        elif wire in (1, 2, 5):
            length = {1: 8, 5: 4}.get(wire)
            if wire == 2:
                length, at = varint(data, at)
            value = data[at : at + length]
            at += length
        elif wire == 3 and len(groups) < 100:
            if not groups:
                body = at
            groups.append(number)
            continue
        elif wire == 4 and groups and groups[-1] == number:
            groups.pop()
            value, wire = data[body:start], 3
        else:
            raise Undecodable("a field has a wire type that does not exist")
        if at > len(data):
            raise Undecodable("a field does not end")
        if not groups:
            yield number, wire, value
    if groups:
        raise Undecodable("a group does not end")


SCALARS = {
    "uint32": lambda v: v & 0xFFFFFFFF,
    "int32": lambda v: (v & 0xFFFFFFFF) - ((v & 0x80000000) << 1),  # also how an enum is read
    "uint64": lambda v: v,
    "int64": lambda v: v - ((v >> 63) << 64),
    "sint64": lambda v: (v >> 1) ^ -(v & 1),
}


class Message:
    """A decoded message: its fields are attributes."""

    def __init__(self, fields, data):
        """`fields` maps a field's number to its name and type; a type in a list is a repeated one."""
        parts = {}
        for number, wire, value in wire_fields(data):
            name, kind = fields.get(number, (None, None))
            repeated = isinstance(kind, list)
            kind = kind[0] if repeated else kind
            scalar = SCALARS.get(kind) if isinstance(kind, str) else None
            if scalar and wire == 2 and repeated:
                at = 0
                while at < len(value):
                    element, at = varint(value, at)
                    parts.setdefault(name, []).append(scalar(element))
            elif scalar and wire == 0:
                parts.setdefault(name, []).append(scalar(value))
            elif kind in ("string", "text") and wire == 2:  # "text" is kept as bytes
                try:
                    text = value.decode("utf-8")
                except UnicodeDecodeError:
                    raise Undecodable(f"{name} is not UTF-8") from None
                parts.setdefault(name, []).append(text if kind == "string" else value)
            elif kind == "bytes" and wire == 2 or isinstance(kind, dict) and wire == 2:
                parts.setdefault(name, []).append(value)
            # Everything else is an unknown field, and ignored.
        for name, kind in fields.values():
            values = parts.get(name, [])
            if isinstance(kind, list):
                decoded = [Message(kind[0], v) for v in values] if isinstance(kind[0], dict) else values
            elif isinstance(kind, dict):
                # A message that occurs twice is merged, which is the same as decoding the concatenation.
                decoded = Message(kind, b"".join(values))
            elif values:
                decoded = values[-1]
            else:
                decoded = {"string": "", "text": b"", "bytes": b""}.get(kind, 0)
            setattr(self, name, decoded)
        self.present = parts.keys()  # for the few fields that may be set to their default


def decode(fields, data, code):
    try:
        return Message(fields, data)
    except Undecodable as error:
        raise Refused(code, str(error)) from None
    except RecursionError:
        code = "schema.too-large" if code == "schema.protobuf" else code
        raise Refused(code, "messages are nested too deeply") from None


ANY = {1: ("type_url", "string"), 2: ("value", "bytes")}
TIMESTAMP = {1: ("seconds", "int64"), 2: ("nanos", "int32")}
KEY_VALUE = {1: ("key", "string"), 2: ("value", "string")}
STREAM = {1: ("name", "string"), 2: ("type", "string"), 3: ("schema_version", "uint32")}
SCHEMA = {1: ("descriptor_set", "bytes"), 2: ("streams", [STREAM])}
MANIFEST = {
    1: ("required_features", ["string"]),
    2: ("producer", "string"),
    3: ("created", TIMESTAMP),
    4: ("annotations", [ANY]),
    5: ("attributes", [KEY_VALUE]),
    6: ("schemas", [SCHEMA]),
}
STREAM_TOTALS = {
    1: ("name", "string"),
    2: ("type", "string"),
    3: ("schema", "uint32"),
    4: ("schema_version", "uint32"),
    5: ("record_count", "uint64"),
    6: ("size", "uint64"),
    7: ("digest", "bytes"),
    8: ("batch_count", "uint32"),
}
TOTALS = {
    1: ("files", "uint64"),
    2: ("directories", "uint64"),
    3: ("symlinks", "uint64"),
    4: ("reserved_members", "uint64"),
    5: ("file_bytes", "uint64"),
    6: ("records", "uint64"),
    7: ("tar_bytes", "uint64"),
}
FRAMES = {1: ("stored_sizes", ["uint32"]), 2: ("decoded_sizes", ["uint32"]), 3: ("digests", "bytes")}
PAGE = {
    1: ("decoded_size", "uint32"),
    2: ("entry_count", "uint32"),
    3: ("tar_offset", "uint64"),
    4: ("record_counts", ["uint64"]),
    5: ("least_path", "string"),
    6: ("greatest_path", "string"),
}
INDEX = {
    1: ("manifest_digest", "bytes"),
    2: ("schema_count", "uint32"),
    3: ("late_schema_frames", ["uint32"]),
    4: ("late_features", ["string"]),
    5: ("late_attributes", [KEY_VALUE]),
    6: ("late_annotations", [ANY]),
    7: ("streams", [STREAM_TOTALS]),
    8: ("totals", TOTALS),
    9: ("content_digest", "bytes"),
    10: ("frames", FRAMES),
    11: ("pages", [PAGE]),
}
ENTRY_PAGE = {
    1: ("paths", ["string"]),
    2: ("kinds", ["int32"]),
    3: ("sizes", ["uint64"]),
    4: ("modes", ["uint32"]),
    5: ("mtimes", ["sint64"]),
    6: ("nanoseconds", ["uint32"]),
    7: ("targets", ["string"]),
    8: ("digests", "bytes"),
    9: ("streams", ["uint32"]),
    10: ("record_counts", ["uint64"]),
}
FILE, DIRECTORY, SYMLINK, SCHEMA_MEMBER, STREAM_MEMBER, BATCH = range(1, 7)
KIND_NAMES = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink"}
USER_KINDS = (FILE, DIRECTORY, SYMLINK)
