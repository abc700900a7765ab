# SPDX-License-Identifier: Apache-2.0
"""Descriptor sets, and records as JSON: what a reader of level 2 needs beyond the archive itself.

`Pool` parses and checks the descriptor set of a Schema (FORMAT.md, "Schemas"); `Pool.to_json` decodes a message of
one of its types (FORMAT.md, "Records") and gives it as the canonical JSON of protobuf, made of dicts, lists, text and
numbers (https://protobuf.dev/programming-guides/json).
"""

import base64
import datetime
import heapq
import math
import re
import struct

from wire import MIB, Refused, Undecodable, decode, require, varint, wire_fields

# ---------------------------------------------------------------------------------------------------------------------
# google/protobuf/descriptor.proto, as far as it is needed. Text is UTF-8, and compared as bytes.
# ---------------------------------------------------------------------------------------------------------------------

FIELD = {
    1: ("name", "text"),
    2: ("extendee", "text"),
    3: ("number", "int32"),
    4: ("label", "int32"),
    5: ("type", "int32"),
    6: ("type_name", "text"),
    7: ("default_value", "text"),
    8: ("options", "bytes"),
    9: ("oneof_index", "int32"),
    10: ("json_name", "text"),
    17: ("proto3_optional", "uint64"),
}
NAMED = {1: ("name", "text"), 2: ("options", "bytes")}
ENUM_VALUE = {1: ("name", "text"), 2: ("number", "int32"), 3: ("options", "bytes")}
ENUM = {
    1: ("name", "text"),
    2: ("value", [ENUM_VALUE]),
    3: ("options", "bytes"),
    4: ("reserved_range", ["bytes"]),
    5: ("reserved_name", ["text"]),
}
MESSAGE_OPTIONS = {7: ("map_entry", "uint64")}
DESCRIPTOR = {
    1: ("name", "text"),
    2: ("field", [FIELD]),
    4: ("enum_type", [ENUM]),
    5: ("extension_range", ["bytes"]),
    6: ("extension", [FIELD]),
    7: ("options", "bytes"),
    8: ("oneof_decl", [NAMED]),
    9: ("reserved_range", ["bytes"]),
    10: ("reserved_name", ["text"]),
}
DESCRIPTOR[3] = ("nested_type", [DESCRIPTOR])
METHOD = {1: ("name", "text"), 4: ("options", "bytes")}
SERVICE = {1: ("name", "text"), 2: ("method", [METHOD]), 3: ("options", "bytes")}
FILE = {
    1: ("name", "text"),
    2: ("package", "text"),
    3: ("dependency", ["text"]),
    4: ("message_type", [DESCRIPTOR]),
    5: ("enum_type", [ENUM]),
    6: ("service", [SERVICE]),
    7: ("extension", [FIELD]),
    8: ("options", "bytes"),
    9: ("source_code_info", {}),
    12: ("syntax", "text"),
    14: ("edition", "int32"),
}
FILE_SET = {1: ("file", [FILE])}

REQUIRED, REPEATED = 2, 3
(DOUBLE, FLOAT, INT64, UINT64, INT32, FIXED64, FIXED32, BOOL, STRING) = range(1, 10)
(GROUP, MESSAGE, BYTES, UINT32, ENUM_TYPE, SFIXED32, SFIXED64, SINT32, SINT64) = range(10, 19)
WIRE = {DOUBLE: 1, FIXED64: 1, SFIXED64: 1, FLOAT: 5, FIXED32: 5, SFIXED32: 5}
WIRE |= dict.fromkeys((STRING, MESSAGE, BYTES), 2) | {GROUP: 3}
LAYOUT = {DOUBLE: "<d", FLOAT: "<f", FIXED64: "<Q", SFIXED64: "<q", FIXED32: "<I", SFIXED32: "<i"}
SIXTY_FOUR_BITS = (INT64, UINT64, FIXED64, SFIXED64, SINT64)

IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


# ---------------------------------------------------------------------------------------------------------------------
# Schemas
# ---------------------------------------------------------------------------------------------------------------------


class Field:
    """A field as it is needed to decode and print it."""

    def __init__(self, descriptor, proto3, scope, is_extension):
        self.name = descriptor.name.decode()
        self.number, self.kind, self.scope = descriptor.number, descriptor.type, scope
        self.repeated = descriptor.label == REPEATED
        self.type_name = descriptor.type_name
        self.full_name = scope + b"." + descriptor.name if scope else descriptor.name
        self.json_name = descriptor.json_name.decode(errors="replace") or lower_camel(self.name)
        if is_extension:
            self.json_name = f"[{self.full_name.decode()}]"
        self.oneof = descriptor.oneof_index if "oneof_index" in descriptor.present else None
        explicit = not proto3 or descriptor.proto3_optional or self.oneof is not None or is_extension
        self.explicit = explicit or self.kind in (MESSAGE, GROUP)
        self.type = None  # the MessageType or EnumType of type_name, once everything is known
        self.is_map = False


class MessageType:
    def __init__(self, name, is_map_entry):
        self.name, self.is_map_entry, self.fields, self.extensions = name, is_map_entry, {}, {}

    def field(self, number):
        return self.fields.get(number) or self.extensions.get(number)


class EnumType:
    def __init__(self, name, values, closed):
        self.name, self.closed, self.names = name, closed, {}
        for value in values:
            self.names.setdefault(value.number, value.name.decode(errors="replace"))
        self.default = values[0].number if values and closed else 0


class NoForm(Exception):
    """A message has no form of its own in JSON."""


def lower_camel(name):
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def refuse(message):
    raise Refused("schema.descriptor", message)


def check(condition, message):
    require(condition, "schema.descriptor", message)


def check_options(options):
    """Of options, only the wire format counts."""
    bound(len(options), MIB, "bytes of options in one place")
    decode({}, options, "schema.protobuf")


def bound(count, most, what):
    require(count <= most, "schema.too-large", f"a descriptor set has {count} {what}, more than {most}")


class Pool:
    """The types of one descriptor set. Making it checks the set ("Schemas")."""

    def __init__(self, descriptor_set):
        self.files = parse_files(descriptor_set)
        self.types, self.symbols, self.packages = {}, set(), set()
        self.name_bytes = self.declarations = 0
        pending = []  # fields whose types are to be found
        for file in self.files:
            self._add_file(file, pending)
        for field, extendee in pending:
            self._resolve(field, extendee)
        for message in self.types.values():
            if isinstance(message, MessageType):
                bound(len(message.extensions), 4096, "extensions of one message")
                for field in message.fields.values():
                    field.is_map = bool(field.repeated and field.kind == MESSAGE and field.type.is_map_entry)
                if message.is_map_entry:
                    check(message.fields.keys() == {1, 2}, f"map entry {message.name} has not the fields 1 and 2")

    def message(self, name):
        """The message type of this full name, or None."""
        found = self.types.get(name.encode())
        return found if isinstance(found, MessageType) else None

    # Building

    def _add_symbol(self, scope, name):
        check(IDENTIFIER.fullmatch(name), f"{name!r} is no identifier")
        bound(len(name), 255, "bytes in a part of a name")
        full = scope + b"." + name if scope else name
        check(full not in self.symbols and full not in self.packages, f"{full!r} is defined twice")
        self.symbols.add(full)
        self.name_bytes += len(full)
        bound(len(self.symbols), 65536, "symbols")
        bound(self.name_bytes, 16 * MIB, "bytes of full names")
        return full

    def _count(self, more):
        self.declarations += more
        bound(self.declarations, 65536, "ranges and reserved names")

    def _add_file(self, file, pending):
        check_options(file.options)
        editions = file.syntax == b"editions" or "edition" in file.present
        require(not editions, "schema.edition", f"{file.name!r} uses an edition")
        check(file.syntax in (b"", b"proto2", b"proto3"), f"{file.name!r} has the syntax {file.syntax!r}")
        parts = file.package.split(b".") if file.package else []
        bound(len(parts), 32, "parts of a package")
        for number, part in enumerate(parts, 1):
            check(IDENTIFIER.fullmatch(part), f"package {file.package!r} is no name")
            bound(len(part), 255, "bytes in a part of a name")
            package = b".".join(parts[:number])
            check(package not in self.symbols, f"{package!r} is a package and something else")
            self.packages.add(package)
        proto3 = file.syntax == b"proto3"
        for enum in file.enum_type:
            self._add_enum(file.package, enum, proto3)
        for message in file.message_type:
            self._add_message(file.package, message, proto3, 1, pending)
        self._add_extensions(file.package, file.extension, proto3, pending)
        for service in file.service:
            scope = self._add_symbol(file.package, service.name)
            for method in service.method:
                self._add_symbol(scope, method.name)
                check_options(method.options)

    def _add_enum(self, scope, enum, proto3):
        full = self._add_symbol(scope, enum.name)
        check_options(enum.options)
        self._count(len(enum.reserved_range) + len(enum.reserved_name))
        check(enum.value, f"enum {full!r} has no values")
        check(not proto3 or enum.value[0].number == 0, f"enum {full!r} does not begin with 0")
        for value in enum.value:
            self._add_symbol(scope, value.name)  # a value is a sibling of its enum
            check_options(value.options)
        self.types[full] = EnumType(full.decode(), enum.value, closed=not proto3)

    def _add_message(self, scope, message, proto3, depth, pending):
        bound(depth, 32, "levels of nesting")
        full = self._add_symbol(scope, message.name)
        check_options(message.options)
        self._count(len(message.extension_range) + len(message.reserved_range) + len(message.reserved_name))
        options = decode(MESSAGE_OPTIONS, message.options, "schema.protobuf")
        made = self.types[full] = MessageType(full.decode(), bool(options.map_entry))
        for oneof in message.oneof_decl:
            self._add_symbol(full, oneof.name)
            check_options(oneof.options)
        for descriptor in message.field:
            field = self._add_field(full, descriptor, proto3, pending, b"")
            check(field.number not in made.fields, f"{full!r} has two fields {field.number}")
            made.fields[field.number] = field
            inside = field.oneof is None or 0 <= field.oneof < len(message.oneof_decl)
            check(inside, f"{field.full_name!r} is in a oneof that does not exist")
        for enum in message.enum_type:
            self._add_enum(full, enum, proto3)
        for nested in message.nested_type:
            self._add_message(full, nested, proto3, depth + 1, pending)
        self._add_extensions(full, message.extension, proto3, pending)

    def _add_extensions(self, scope, extensions, proto3, pending):
        for descriptor in extensions:
            check(descriptor.extendee, f"extension {descriptor.name!r} extends nothing")
            self._add_field(scope, descriptor, proto3, pending, descriptor.extendee)

    def _add_field(self, scope, descriptor, proto3, pending, extendee):
        self._add_symbol(scope, descriptor.name)
        check_options(descriptor.options)
        bound(len(descriptor.json_name), 255, "bytes in a JSON name")
        field = Field(descriptor, proto3, scope, bool(extendee))
        legal = 1 <= field.number < 1 << 29 and not 19000 <= field.number <= 19999
        check(legal, f"{field.full_name!r} has the number {field.number}")
        check(1 <= descriptor.label <= 3, f"{field.full_name!r} has the label {descriptor.label}")
        check(0 <= field.kind <= SINT64, f"{field.full_name!r} has the type {field.kind}")
        check(not (proto3 and descriptor.label == REQUIRED), f"{field.full_name!r} is required")
        pending.append((field, extendee))
        return field

    def _find(self, name, scope):
        """A type by name: absolute with a leading dot, else looked for from the innermost scope outwards."""
        if name.startswith(b"."):
            return self.types.get(name[1:])
        while True:
            found = self.types.get(scope + b"." + name if scope else name)
            if found or not scope:
                return found
            scope = scope.rpartition(b".")[0]

    def _resolve(self, field, extendee):
        if extendee:
            target = self._find(extendee, field.scope)
            check(isinstance(target, MessageType), f"{field.full_name!r} extends {extendee!r}, which is no message")
            check(not target.field(field.number), f"{field.full_name!r} has a number that is taken")
            target.extensions[field.number] = field
        if field.kind in (0, MESSAGE, GROUP, ENUM_TYPE):
            field.type = self._find(field.type_name, field.full_name)
            check(field.type, f"{field.full_name!r} has the type {field.type_name!r}, which is not defined")
            is_enum = isinstance(field.type, EnumType)
            if field.kind == 0:
                field.kind = ENUM_TYPE if is_enum else MESSAGE
            check(is_enum == (field.kind == ENUM_TYPE), f"{field.full_name!r} has a type of another sort")
            field.explicit = field.explicit or not is_enum
        else:
            check(not field.type_name, f"{field.full_name!r} names a type that it does not use")

    # Decoding and printing

    def to_json(self, type_name, data, most_values):
        """A serialized message as canonical JSON. `most_values` is the limit `record-values`."""
        budget = [most_values]
        try:
            message = self._parse(self.message(type_name), data, {}, budget, 0)
            return self._print(self.message(type_name), message, budget)
        except Undecodable as error:
            raise Refused("record.decode", f"a record is no {type_name}: {error}") from None

    def _parse(self, kind, data, values, budget, depth):
        """Adds what `data` says to `values`: by number, a value, a list, or for a map a dict."""
        if depth > 100:
            raise Undecodable("messages are nested too deeply")
        for number, wire, value in wire_fields(data):
            field = kind.field(number)
            self._spend(budget)
            if not field:
                continue
            if field.repeated and wire == 2 and WIRE.get(field.kind, 0) not in (2, 3):
                elements = unpack(field.kind, value)
                self._spend(budget, len(elements))
            elif wire == WIRE.get(field.kind, 0):
                elements = [value]
            else:
                continue  # another wire type than the field's: an unknown field
            for element in elements:
                self._store(kind, field, element, values, budget, depth)
        return values

    @staticmethod
    def _spend(budget, count=1):
        """Each field is a value, known or not, and so is each number of a packed one."""
        budget[0] -= count
        require(budget[0] >= 0, "limit.record-values", "a record has more values than the limit record-values")

    def _store(self, kind, field, raw, values, budget, depth):
        if field.is_map:
            entry = self._parse(field.type, raw, {}, budget, depth + 1)
            key_field, value_field = field.type.fields[1], field.type.fields[2]
            key = entry.get(1, default(key_field))
            values.setdefault(field.number, {})[key] = entry.get(2, default(value_field))
            return
        if field.kind in (MESSAGE, GROUP):
            before = {} if field.repeated else values.get(field.number, {})
            value = self._parse(field.type, raw, before, budget, depth + 1)
        else:
            value = scalar(field.kind, raw)
            if field.kind == ENUM_TYPE and field.type.closed and value not in field.type.names:
                return
        if field.repeated:
            values.setdefault(field.number, []).append(value)
            return
        if field.oneof is not None:
            for other in kind.fields.values():
                if other.oneof == field.oneof and other is not field:
                    values.pop(other.number, None)
        values[field.number] = value

    def _print(self, kind, values, budget):
        special = SPECIAL.get(kind.name)
        if special:
            try:
                return special(self, kind, values, budget)
            except NoForm:
                pass  # such as a Timestamp out of range: its fields as they are
        printed = {}
        for field in sorted([*kind.fields.values(), *kind.extensions.values()], key=lambda field: field.number):
            if field.number not in values:
                continue
            value = values[field.number]
            if field.is_map:
                value_field = field.type.fields[2]
                printed[field.json_name] = {
                    map_key(key): self._print_value(value_field, each, budget) for key, each in value.items()
                }
            elif field.repeated:
                printed[field.json_name] = [self._print_value(field, each, budget) for each in value]
            elif field.explicit or not is_default(value):
                printed[field.json_name] = self._print_value(field, value, budget)
        return printed

    def _print_value(self, field, value, budget):
        kind = field.kind
        if kind in (MESSAGE, GROUP):
            return self._print(field.type, value, budget)
        if kind == ENUM_TYPE:
            return None if field.type.name == "google.protobuf.NullValue" else field.type.names.get(value, value)
        if kind == BYTES:
            return base64.b64encode(value).decode()
        if kind in SIXTY_FOUR_BITS:
            return str(value)
        if kind in (FLOAT, DOUBLE):
            return print_float(value, kind)
        return value

    # Messages with a JSON form of their own

    def _print_any(self, kind, values, budget):
        url, data = values.get(1, ""), values.get(2, b"")
        if not url and not data:
            return {}
        inner = self.message(url.rpartition("/")[2])
        if not inner:
            return {"@type": url, "@value": base64.b64encode(data).decode()}
        printed = self._print(inner, self._parse(inner, data, {}, budget, 1), budget)
        return {"@type": url, "value": printed} if inner.name in SPECIAL else {"@type": url, **printed}

    def _print_struct(self, kind, values, budget):
        value_field = kind.fields[1].type.fields[2]
        return {key: self._print(value_field.type, value, budget) for key, value in values.get(1, {}).items()}

    def _print_list(self, kind, values, budget):
        return [self._print(kind.fields[1].type, value, budget) for value in values.get(1, [])]

    def _print_json_value(self, kind, values, budget):
        for number, value in values.items():
            if number == 2 and not math.isfinite(value):
                raise NoForm
            return self._print_value(kind.fields[number], value, budget)
        return None

    def _print_wrapper(self, kind, values, budget):
        return self._print_value(kind.fields[1], values.get(1, default(kind.fields[1])), budget)

    def _print_timestamp(self, kind, values, budget):
        seconds, nanos = values.get(1, 0), values.get(2, 0)
        if not (-62135596800 <= seconds <= 253402300799 and 0 <= nanos < 10**9):
            raise NoForm
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
        return moment.isoformat(timespec="seconds") + fraction(nanos) + "Z"

    def _print_duration(self, kind, values, budget):
        seconds, nanos = values.get(1, 0), values.get(2, 0)
        if abs(seconds) > 315576000000 or abs(nanos) >= 10**9 or seconds * nanos < 0:
            raise NoForm
        sign = "-" if seconds < 0 or nanos < 0 else ""
        return f"{sign}{abs(seconds)}{fraction(abs(nanos))}s"

    def _print_field_mask(self, kind, values, budget):
        paths = values.get(1, [])
        if any(re.search("[A-Z]|_(?![a-z])", path) for path in paths):
            raise NoForm  # its path would not be found again
        return ",".join(lower_camel(path) for path in paths)


SPECIAL = {
    "google.protobuf.Any": Pool._print_any,
    "google.protobuf.Struct": Pool._print_struct,
    "google.protobuf.ListValue": Pool._print_list,
    "google.protobuf.Value": Pool._print_json_value,
    "google.protobuf.Timestamp": Pool._print_timestamp,
    "google.protobuf.Duration": Pool._print_duration,
    "google.protobuf.FieldMask": Pool._print_field_mask,
}
for _name in "Double Float Int64 UInt64 Int32 UInt32 Bool String Bytes".split():
    SPECIAL[f"google.protobuf.{_name}Value"] = Pool._print_wrapper


def right_order(files):
    """The paths in the order of section 4.2: of the files whose imports were all taken, the least path comes next.

    Where files import each other, some are missing.
    """
    waiting = {file.name: len(set(file.dependency)) for file in files}
    importers = {}
    for file in files:
        for path in set(file.dependency):
            importers.setdefault(path, []).append(file.name)
    ready, order = [path for path, imports in waiting.items() if not imports], []
    heapq.heapify(ready)
    while ready:
        order.append(heapq.heappop(ready))
        for path in importers.get(order[-1], ()):
            waiting[path] -= 1
            if not waiting[path]:
                heapq.heappush(ready, path)
    return order


def put_in_order(descriptor_set):
    """The same files in the right order, their bytes untouched; what cannot be put in order comes back as it is."""
    try:
        parse_files(descriptor_set)
    except Refused as error:
        if error.code == "schema.order":
            parts = [value for _, _, value in wire_fields(descriptor_set)]
            by_path = {decode(FILE, part, "schema.protobuf").name: part for part in parts}
            if len(by_path) == len(parts):
                ordered = [by_path[path] for path in right_order(decode(FILE_SET, descriptor_set, "").file)]
                return b"".join(b"\x0a" + length_of(part) + part for part in ordered)
    return descriptor_set


def length_of(data):
    left, out = len(data), bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes(out + bytes([left]))


def parse_files(descriptor_set):
    """The files of a descriptor set, which has to be closed and in order."""
    try:
        alone = all((number, wire) == (1, 2) for number, wire, _ in wire_fields(descriptor_set))
    except Undecodable as error:
        raise Refused("schema.protobuf", str(error)) from None
    require(alone, "schema.protobuf", "a descriptor set holds something that is no file")
    files = decode(FILE_SET, descriptor_set, "schema.protobuf").file
    bound(len(files), 4096, "files")
    bound(max((len(file.dependency) for file in files), default=0), 1024, "imports in one file")
    bound(sum(len(file.dependency) for file in files), 65536, "imports")
    bound(sum(len(path) for file in files for path in file.dependency), 16 * MIB, "bytes of imported paths")
    paths = [file.name for file in files]
    known = set(paths)
    check(b"" not in known, "a file has no path")
    require(len(known) == len(paths), "schema.order", "a path occurs twice")
    for file in files:
        for path in file.dependency:
            require(path in known, "schema.closure", f"{file.name!r} imports {path!r}, which is missing")
    order = right_order(files)
    require(len(order) == len(paths), "schema.cycle", "files import each other")
    require(order == paths, "schema.order", f"the files are not in the order {order[:8]}")
    return files


# ---------------------------------------------------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------------------------------------------------


def unpack(kind, data):
    """The elements of a packed field, each as it would stand alone on the wire."""
    width = {1: 8, 5: 4}.get(WIRE.get(kind, 0))
    if width:
        if len(data) % width:
            raise Undecodable("a packed field does not end")
        return [data[at : at + width] for at in range(0, len(data), width)]
    elements, at = [], 0
    while at < len(data):
        element, at = varint(data, at)
        elements.append(element)
    return elements


def scalar(kind, raw):
    if kind in LAYOUT:
        return struct.unpack(LAYOUT[kind], raw)[0]
    if kind == STRING:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Undecodable("text is not UTF-8") from None
    if kind == BYTES:
        return raw
    if kind == BOOL:
        return raw != 0
    if kind in (SINT32, SINT64):
        raw = raw & 0xFFFFFFFF if kind == SINT32 else raw
        return (raw >> 1) ^ -(raw & 1)
    if kind == UINT32:
        return raw & 0xFFFFFFFF
    if kind in (INT32, ENUM_TYPE):
        return (raw & 0xFFFFFFFF) - ((raw & 0x80000000) << 1)
    return raw - ((raw >> 63) << 64) if kind == INT64 else raw


def default(field):
    if field.kind in (MESSAGE, GROUP):
        return {}
    if field.kind == ENUM_TYPE:
        return field.type.default
    return {STRING: "", BYTES: b"", BOOL: False, DOUBLE: 0.0, FLOAT: 0.0}.get(field.kind, 0)


def is_default(value):
    """Whether a field without presence is left out. Negative zero is no default."""
    return not value and not (isinstance(value, float) and math.copysign(1, value) < 0)


def map_key(key):
    return str(key).lower() if isinstance(key, bool) else str(key)


def print_float(value, kind):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if kind == FLOAT:  # the shortest decimal that reads back as the same float
        for digits in range(1, 10):
            shorter = float(f"{value:.{digits}g}")
            try:
                if struct.pack("<f", shorter) == struct.pack("<f", value):
                    return shorter
            except OverflowError:
                continue  # rounded up beyond the greatest float
    return value


def fraction(nanos):
    """Nanoseconds as 0, 3, 6 or 9 digits."""
    if not nanos:
        return ""
    digits = f"{nanos:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return "." + digits
