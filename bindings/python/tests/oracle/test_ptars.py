# SPDX-License-Identifier: Apache-2.0
"""Arrow output against `ptars`, another decoder from the wire format to Arrow, on what that one supports.

These are proto3 messages as a well-behaved writer makes them: `ptars` keeps all members of a oneof and all entries of a
map with the same key, loses groups, extensions and unknown fields, and reserves memory for the greatest field number.

Accepted differences, each brought to one form here: `ptars` has enums as int32; and it has repeated fields and maps as
nullable columns.
"""

import random

import ptars
import pyarrow as pa
import pytest
import rosettar

from . import expected
from .archive import archive
from .descriptors import random_case
from .wire import Encoder

DESCRIPTORS = 150


def supported(descriptor, path=()):
    """Whether no field number is great and no message holds itself or has no fields."""
    if descriptor.full_name in path or not descriptor.fields or "Empty" in descriptor.name:
        return False
    inner = [field.message_type for field in descriptor.fields if field.message_type]
    small = all(field.number < 100_000 for field in descriptor.fields)
    return small and all(supported(message, (*path, descriptor.full_name)) for message in inner)


def cases():
    number = 1_000_000
    while True:
        number += 1
        rng = random.Random(number)
        case = random_case(rng, number, well_known=False, most=100)
        if case.descriptor.file.serialized_pb.endswith(b"proto3") and supported(case.descriptor):
            encoder = Encoder(rng, case.pool, hostile=False)
            yield number, case, [encoder.message(case.descriptor) for _ in range(8)]


def named(row, descriptor):
    """A row of theirs with the names of enums, which ours has."""
    return None if row is None else {field.name: _named(row[field.name], field) for field in descriptor.fields}


def _named(value, field):
    if expected.is_map(field):
        of = field.message_type.fields_by_name["value"]
        return [(key, _one(item, of)) for key, item in value]
    if field.is_repeated:
        return [_one(item, field) for item in value]
    return _one(value, field)


def _one(value, field):
    if value is None:
        return None
    if field.enum_type is not None:
        return next(name.name for name in field.enum_type.values if name.number == value)
    return value if field.message_type is None else named(value, field.message_type)


def test_ptars(capsys):
    found, some = [], cases()
    chosen = {number: (case, records) for number, case, records in (next(some) for _ in range(DESCRIPTORS))}
    data = archive((f"s{n}", case.descriptor_set(), case.type_name, r) for n, (case, r) in chosen.items())
    with rosettar.open(data) as opened:
        for number, (case, records) in chosen.items():
            handler = ptars.HandlerPool([case.descriptor.file]).get_for_message(case.descriptor)
            theirs = expected.rows(pa.Table.from_batches([handler.list_to_record_batch(records)]))
            ours = expected.rows(pa.table(opened.streams[f"s{number}"]))
            for at, (a, b) in enumerate(zip(theirs, ours, strict=True)):
                if difference := expected.difference(named(a, case.descriptor), b):
                    found.append(f"descriptor {number}, record {at}: {difference}")
    with capsys.disabled():
        print(f"\nptars: {DESCRIPTORS * 8} records of {DESCRIPTORS} descriptors, {len(found)} differences")
    if found:
        pytest.fail(f"{len(found)} differences, the first of them:\n" + "\n".join(found[:20]))
