# SPDX-License-Identifier: Apache-2.0
"""Random descriptors: a file of proto2 or proto3 with every kind of field, and what it imports."""

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

Field = descriptor_pb2.FieldDescriptorProto
OPTIONAL, REQUIRED, REPEATED = Field.LABEL_OPTIONAL, Field.LABEL_REQUIRED, Field.LABEL_REPEATED
SCALARS = [
    Field.TYPE_DOUBLE,
    Field.TYPE_FLOAT,
    Field.TYPE_INT64,
    Field.TYPE_UINT64,
    Field.TYPE_INT32,
    Field.TYPE_FIXED64,
    Field.TYPE_FIXED32,
    Field.TYPE_BOOL,
    Field.TYPE_STRING,
    Field.TYPE_BYTES,
    Field.TYPE_UINT32,
    Field.TYPE_SFIXED32,
    Field.TYPE_SFIXED64,
    Field.TYPE_SINT32,
    Field.TYPE_SINT64,
]
KEYS = [kind for kind in SCALARS if kind not in (Field.TYPE_DOUBLE, Field.TYPE_FLOAT, Field.TYPE_BYTES)]
UNPACKED = (Field.TYPE_STRING, Field.TYPE_BYTES, Field.TYPE_MESSAGE, Field.TYPE_GROUP)
DEFAULTS = {
    Field.TYPE_DOUBLE: ["1.5", "inf", "-inf", "nan", "-0"],
    Field.TYPE_FLOAT: ["0.25", "-inf"],
    Field.TYPE_BOOL: ["true", "false"],
    Field.TYPE_STRING: ["", "größer", 'a "quoted" one'],
    Field.TYPE_BYTES: ["", "a\\000\\377z"],
}

# In the order that FORMAT.md has for files that do not import each other.
WELL_KNOWN = [any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2]
WELL_KNOWN_FILES = [descriptor_pb2.FileDescriptorProto.FromString(m.DESCRIPTOR.serialized_pb) for m in WELL_KNOWN]
WELL_KNOWN_TYPES = [
    f".google.protobuf.{name}"
    for name in (
        "Timestamp Duration DoubleValue FloatValue Int64Value UInt64Value Int32Value UInt32Value BoolValue StringValue "
        "BytesValue Struct Value ListValue Any FieldMask Empty"
    ).split()
]


class Case:
    """One descriptor: its files, a pool of its own, and the message class of its record type."""

    def __init__(self, files, type_name):
        self.files, self.type_name = files, type_name
        self.pool = descriptor_pool.DescriptorPool()
        for file in files:
            self.pool.Add(file)
        self.descriptor = self.pool.FindMessageTypeByName(type_name)
        self.message = message_factory.GetMessageClass(self.descriptor)

    def descriptor_set(self):
        return descriptor_pb2.FileDescriptorSet(file=self.files).SerializeToString(deterministic=True)


def random_case(rng, number, well_known=True, most=800):
    """A random descriptor; `number` makes its package unique. It has at most so many columns, nested ones included."""
    while True:
        case = _random_case(rng, number, well_known)
        if _columns(case.descriptor, case.pool, ()) <= most:
            return case


def _columns(descriptor, pool, path):
    if path.count(descriptor.full_name) > 3:
        return 1
    inner = [field.message_type for field in [*descriptor.fields, *pool.FindAllExtensions(descriptor)]]
    return sum(1 + (_columns(m, pool, (*path, descriptor.full_name)) if m else 0) for m in inner)


def _random_case(rng, number, well_known):
    package = f"random{number}"
    files = []
    if rng.random() < 0.15:  # a second file of the other syntax, whose messages and open enums are used
        other = _File(rng, f"{package}/other.proto", f"{package}.other", "proto3", [], well_known)
        files.append(other)
    syntax = "proto2" if files or rng.random() < 0.5 else "proto3"
    files.append(_File(rng, f"{package}/main.proto", package, syntax, files[:], well_known))
    wanted = [f for f in WELL_KNOWN_FILES if any(f.name in file.proto.dependency for file in files)]
    return Case([*wanted, *(file.proto for file in files)], f"{package}.M0")


class _File:
    def __init__(self, rng, name, package, syntax, imports, well_known):
        self.rng, self.package, self.syntax, self.well_known = rng, package, syntax, well_known
        self.proto = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax=syntax)
        self.proto.dependency.extend(imported.proto.name for imported in imports)
        self.enums, self.extendable = [], []
        self.recursive = 0
        foreign = [(f".{i.package}.M{k}", 2) for i in imports for k in range(len(i.proto.message_type))]
        for number in range(rng.randint(0, 2)):
            self._enum(self.proto.enum_type.add(name=f"E{number}"), f".{package}", f"E{number}_")
        self.enums += [enum for i in imports for enum in i.enums]
        count = rng.randint(1, 4)
        messages = [self.proto.message_type.add(name=f"M{k}") for k in range(count)]
        # A message holds those that come after it, so the depth is bounded; recursion comes in by choice.
        for at, message in enumerate(messages):
            later = [(f".{package}.M{k}", k) for k in range(at + 1, count)]
            self._message(message, f".{package}.M{at}", later + foreign, 0, last=at + 1 == count)
        if count > 1 and rng.random() < 0.15:  # M1 holds M0 again
            self._field(messages[1], "back", 901, OPTIONAL, Field.TYPE_MESSAGE, f".{package}.M0")
        if self.extendable and rng.random() < 0.7:
            self._extensions()

    def _use(self, module):
        if module.name not in self.proto.dependency:
            self.proto.dependency.append(module.name)

    def _enum(self, enum, scope, prefix):
        rng = self.rng
        numbers = [0, 1, 2] if self.syntax == "proto3" else [rng.choice([0, 1, 5, -3])]
        pool = [3, 7, -1, -2147483648, 2147483647, 128, 300]
        numbers += rng.sample(pool, rng.randint(0, 4))
        numbers = list(dict.fromkeys(numbers))
        if rng.random() < 0.3:
            enum.options.allow_alias = True
            numbers += [rng.choice(numbers) for _ in range(2)]
        for at, number in enumerate(numbers):
            enum.value.add(name=f"{prefix}{at}", number=number)
        self.enums.append((f"{scope}.{enum.name}", [value.name for value in enum.value], self.syntax))

    def _message(self, message, full, later, depth, last=False):
        rng = self.rng
        for number in range(rng.randint(0, 1) if depth else rng.randint(0, 2)):
            name = f"Z{number}"
            self._enum(message.enum_type.add(name=name), full, f"{name}_")
        inner = list(later)
        if depth < 2 and rng.random() < 0.3:
            nested = message.nested_type.add(name="Inner")
            self._message(nested, f"{full}.Inner", [], depth + 1)
            inner.append((f"{full}.Inner", 0))
        if depth and rng.random() < 0.1:
            return  # a message without fields
        numbers = rng.sample([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 31, 100, 2047, 2048, 18999, 20000], 12)
        numbers += rng.sample([536870911, 536870910, 33554431, 262144, 70000], 2)
        rng.shuffle(numbers)
        if rng.random() < 0.3:
            numbers.sort()
        oneofs = 0
        for at in range(rng.randint(1, 5 if depth else 9)):
            self._random_field(
                message, full, f"{rng.choice(['f', 'some_name_', 'camelCase', '_x'])}{at}", numbers, inner
            )
        if rng.random() < 0.35:
            message.oneof_decl.add(name="choice")
            oneofs += 1
            for at in range(rng.randint(1, 3)):
                self._random_field(message, full, f"pick{at}", numbers, inner, oneof=0)
        if depth == 0 and self.recursive < 1 and rng.random() < 0.25:
            self.recursive += 1
            label = rng.choice([OPTIONAL, OPTIONAL, REPEATED])
            self._field(message, "again", 900, label, Field.TYPE_MESSAGE, full)
        if self.syntax == "proto3":
            for field in message.field:  # synthetic oneofs come after the real ones
                if field.proto3_optional:
                    field.oneof_index = len(message.oneof_decl)
                    message.oneof_decl.add(name=f"_{field.name}")
        elif rng.random() < 0.4:
            message.extension_range.add(start=1000, end=2000)
            self.extendable.append(full)

    def _field(self, message, name, number, label, kind, type_name=None):
        field = message.field.add(name=name, number=number, label=label, type=kind)
        if type_name:
            field.type_name = type_name
        return field

    def _type(self, inner, kinds=SCALARS):
        """A kind and its type name: mostly a scalar."""
        rng = self.rng
        enums = [e for e in self.enums if self.syntax == "proto2" or e[2] == "proto3"]
        chance = rng.random()
        if chance < 0.12 and enums:
            return Field.TYPE_ENUM, rng.choice(enums)[0]
        if chance < 0.27 and inner:
            return Field.TYPE_MESSAGE, rng.choice(inner)[0]
        if chance < 0.42 and self.well_known:
            name = rng.choice(WELL_KNOWN_TYPES)
            short = name.rsplit(".", 1)[1]
            self._use(next(f for f in WELL_KNOWN_FILES if any(m.name == short for m in f.message_type)))
            return Field.TYPE_MESSAGE, name
        return rng.choice(kinds), None

    def _random_field(self, message, full, name, numbers, inner, oneof=None):
        rng = self.rng
        number = numbers.pop()
        if oneof is None and rng.random() < 0.14:
            return self._map(message, full, name, number, inner)
        if self.syntax == "proto2" and rng.random() < 0.08:
            group = message.nested_type.add(name=f"G{name.replace('_', '').lower()}")
            self._message(group, f"{full}.{group.name}", [], 2)
            label = OPTIONAL if oneof is not None else rng.choice([OPTIONAL, REPEATED])
            field = self._field(message, group.name.lower(), number, label, Field.TYPE_GROUP, f"{full}.{group.name}")
        else:
            kind, type_name = self._type(inner)
            label = OPTIONAL if oneof is not None or rng.random() < 0.65 else REPEATED
            if self.syntax == "proto2" and label == OPTIONAL and oneof is None and rng.random() < 0.12:
                label = REQUIRED
            field = self._field(message, name, number, label, kind, type_name)
            if label == REPEATED and kind not in UNPACKED and rng.random() < 0.5:
                field.options.packed = rng.random() < 0.5
            self._default(field)
            if self.syntax == "proto3" and label == OPTIONAL and oneof is None and rng.random() < 0.3:
                field.proto3_optional = True
        if oneof is not None:
            field.oneof_index = oneof

    def _default(self, field):
        rng = self.rng
        if self.syntax == "proto3" or field.label == REPEATED or rng.random() < 0.6:
            return
        if field.type == Field.TYPE_ENUM:
            field.default_value = rng.choice(next(names for name, names, _ in self.enums if name == field.type_name))
        elif field.type != Field.TYPE_MESSAGE:
            field.default_value = rng.choice(DEFAULTS.get(field.type, ["7", "0"]))

    def _map(self, message, full, name, number, inner):
        camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
        entry = message.nested_type.add(name=f"{camel}Entry")
        entry.options.map_entry = True
        self._field(entry, "key", 1, OPTIONAL, self.rng.choice(KEYS))
        # The first value of an enum that is a map's value must be zero.
        kind, type_name = self._type(inner)
        while kind == Field.TYPE_ENUM and next(s for n, _, s in self.enums if n == type_name) == "proto2":
            kind, type_name = self._type(inner)
        self._field(entry, "value", 2, OPTIONAL, kind, type_name)
        self._field(message, name, number, REPEATED, Field.TYPE_MESSAGE, f"{full}.{entry.name}")

    def _extensions(self):
        rng = self.rng
        for at, number in enumerate(rng.sample(range(1000, 1999), rng.randint(1, 4))):
            # An extension may stand in the file or in any message, and is named after that.
            scope = rng.choice([self.proto, self.proto.message_type[0]])
            kind, type_name = self._type([])
            label = rng.choice([OPTIONAL, OPTIONAL, REPEATED])
            field = scope.extension.add(name=f"ext{at}", number=number, label=label, type=kind)
            field.extendee = rng.choice(self.extendable)
            if type_name:
                field.type_name = type_name
            self._default(field)
