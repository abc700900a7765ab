# SPDX-License-Identifier: Apache-2.0
"""Arrow output against the `protobuf` package, on random descriptors and random messages in every legal wire form.

`ROSETTAR_ORACLE_PAIRS` is the number of (descriptor, message) pairs, 1 500 if it is not set; `make test-slow` takes
10 000. `ROSETTAR_ORACLE_SEED` is the number of the first descriptor. Each pair follows from its numbers, so that a
difference that was found once is found again.

Accepted differences, counted and printed; spec/ARROW.md has the reason for each:

* A message that was cut to JSON may hold a number of a closed enum (proto2) that has no name: there it stands as a
  number, where protobuf moves it to the unknown fields. In columns, protobuf's rule holds.
* The same JSON leaves out -0.0 in a proto3 field without presence, as it does with 0.0.

What is not among these messages:

* An unknown field inside of a map entry. The parser under the `protobuf` package moves such an entry to the unknown
  fields; we keep it, as protobuf in C++ and Java does. `test_unknown_field_in_a_map_entry` has it.
* What has no JSON (a NaN inside of google.protobuf.Value, a Duration of two signs) or no int64 of nanoseconds (years
  before 1677 or after 2262).

The order of map entries is not compared, which neither side promises, and neither are the bits of a NaN.
"""

import os
import random
import time

import pyarrow as pa
import pytest
import rosettar
from google.protobuf import descriptor_pb2

from . import expected
from .archive import archive
from .descriptors import Case, random_case
from .wire import Encoder

MESSAGES = 4  # of each descriptor
BATCH = 100  # descriptors in an archive
PAIRS = int(os.environ.get("ROSETTAR_ORACLE_PAIRS", "1500"))
SEED = int(os.environ.get("ROSETTAR_ORACLE_SEED", "0"))


def pair(number):
    """Descriptor `number` and its messages."""
    rng = random.Random(number)
    case = random_case(rng, number)
    encoder = Encoder(rng, case.pool)
    records = []
    while len(records) < MESSAGES:
        record = encoder.message(case.descriptor)
        # A map entry without its value has an empty message, which may lack a required field: see test_malformed.py.
        if case.message.FromString(record).IsInitialized():
            records.append(record)
    return case, records


def compare(stream, case, records):
    """The differences between what the stream gives and what it must give, as text."""
    try:
        table = pa.table(stream)
    except (rosettar.Error, pa.ArrowException) as error:
        return [f"not read: {error}"]
    out = []
    if difference := expected.same_fields(list(expected.schema(case.descriptor, case.pool)), list(table.schema)):
        out.append(f"schema: {difference}")
    rows = expected.rows(table)
    if table.num_columns and len(rows) != len(records):
        return [*out, f"{len(rows)} rows of {len(records)} records"]
    for number, (record, row) in enumerate(zip(records, rows)):
        want = expected.row(case.message.FromString(record), case.pool)
        if difference := expected.difference(want, row):
            out.append(f"record {number}: {difference}")
    return out


def test_random_pairs(capsys):
    start, descriptors = time.monotonic(), -(-PAIRS // MESSAGES)
    differences, pairs, size = [], 0, 0
    for first in range(SEED, SEED + descriptors, BATCH):
        numbers = range(first, min(first + BATCH, SEED + descriptors))
        cases = {number: pair(number) for number in numbers}
        data = archive((f"s{n}", case.descriptor_set(), case.type_name, r) for n, (case, r) in cases.items())
        with rosettar.open(data) as opened:
            for number, (case, records) in cases.items():
                found = compare(opened.streams[f"s{number}"], case, records)
                differences += [f"descriptor {number}: {difference}" for difference in found]
                pairs += len(records)
                size += sum(map(len, records))
    with capsys.disabled():
        seconds = time.monotonic() - start
        print(
            f"\noracle: {pairs} pairs of a random descriptor ({descriptors}) and a random message ({size} bytes), "
            f"{len(differences)} differences, {seconds:.1f} s"
        )
        for name, count in sorted(expected.accepted.items()):
            print(f"oracle: accepted: {name}: {count}")
    if differences:
        pytest.fail(f"{len(differences)} differences, the first of them:\n" + "\n".join(differences[:20]))


def test_unknown_field_in_a_map_entry():
    file = descriptor_pb2.FileDescriptorProto(name="map.proto", package="map", syntax="proto3")
    message = file.message_type.add(name="M0")
    entry = message.nested_type.add(name="FEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=5)
    entry.field.add(name="value", number=2, label=1, type=5)
    message.field.add(name="f", number=1, label=3, type=11, type_name=".map.M0.FEntry")
    case = Case([file], "map.M0")
    record = bytes.fromhex("0a06 0805 1007 1801")
    with rosettar.open(archive([("s", case.descriptor_set(), case.type_name, [record])])) as opened:
        assert expected.rows(pa.table(opened.streams["s"])) == [{"f": [(5, 7)]}]
