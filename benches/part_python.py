# SPDX-License-Identifier: Apache-2.0
"""Rows about records in Python: how fast a stream becomes an Arrow table. `subjects.py` has the subjects."""

import subprocess
import sys
from pathlib import Path

import data
import part_records
from rows import LIMIT, Row
from run import Group, reported

PART = "python"
SETS = ("flights", "orders")
HERE = Path(__file__).resolve().parent
# What is compared, subject and threads of ours, of the peer, and the aim for flights and orders.
ROWS = [
    ("pyarrow reads Parquet (zstd), 1 thread", ("rosettar", 1), ("parquet", 1), (0.33, 0.43)),
    ("pyarrow reads Parquet (zstd), 2 threads", ("rosettar", 2), ("parquet", 2), (0.33, 0.43)),
    ("protobuf parses into lists, ours 1 thread", ("rosettar", 1), ("protobuf-lists", 1), (8, 8)),
    ("protobuf parses into lists, ours 2", ("rosettar", 2), ("protobuf-lists", 1), (8, 8)),
    ("protobuf into a DataFrame, ours 1 thread", ("rosettar", 1), ("protobuf-frame", 1), (14, 14)),
    ("protobuf into a DataFrame, ours 2", ("rosettar", 2), ("protobuf-frame", 1), (14, 14)),
    ("mcap iterates messages, ours 1 thread", ("rosettar", 1), ("mcap-iterate", 1), (20, 20)),
    ("mcap iterates messages, ours 2", ("rosettar", 2), ("mcap-iterate", 1), (20, 20)),
    ("mcap into a DataFrame, ours 1 thread", ("rosettar", 1), ("mcap-frame", 1), (35, 35)),
    ("mcap into a DataFrame, ours 2", ("rosettar", 2), ("mcap-frame", 1), (35, 35)),
    ("fastavro reads dictionaries, ours 1 thread", ("rosettar", 1), ("fastavro", 1), (None, None)),
    ("all columns, where ours are three", ("rosettar-three", 1), ("rosettar", 1), (2, 2)),
    ("1 thread, where ours are 2", ("rosettar", 2), ("rosettar", 1), (1.7, 1.7)),
]
# Seconds each, and left out of a quick run.
SLOW = ("protobuf-lists", "protobuf-frame", "mcap-iterate", "mcap-frame", "fastavro")
PACKAGES = ("pyarrow", "protobuf", "mcap", "mcap-protobuf-support", "pandas", "fastavro")


def _subject(bench, name, dataset, threads):
    argv = [sys.executable, HERE / "subjects.py", name, dataset, bench.directory, threads]
    return lambda: reported(argv, bench.directory)


def key(dataset, name, threads):
    return f"python {dataset}: {name}, {threads}"


def _load():
    """Has all that subjects import read from the disk, for which the first of them would be taken for a slow one."""
    imports = "pyarrow.parquet, pandas, fastavro, google.protobuf.message, mcap.reader, mcap_protobuf.decoder, rosettar"
    subprocess.run([sys.executable, "-c", f"import {imports}; pyarrow.table({{'a': [1]}}).to_pandas()"], check=True)


def groups(bench):
    if bench.wants("python", *(f"python {dataset}" for dataset in SETS)):
        _load()
    pairs = sorted({pair for _, ours, peer, _ in ROWS for pair in (ours, peer)})
    if bench.quick:
        pairs = [pair for pair in pairs if pair[0] not in SLOW]
    for dataset in SETS:
        if bench.wants(f"python {dataset}"):
            data.make_in_process(bench, dataset)
            part_records.make(bench, dataset, ["avro-make"])
            subjects = {key(dataset, *pair): _subject(bench, pair[0], dataset, pair[1]) for pair in pairs}
            yield Group(f"python {dataset}", subjects)
    if bench.wants("python million"):
        data.make_in_process(bench, "million")
        yield Group("python one record", {"python one record": _subject(bench, "one-record", "million", 2)})


def facts(bench):
    for result in bench.found.get("python one record", [])[-1:]:
        for name in ("pages", "payload_frames"):
            bench.facts[f"python one record: {name}"] = result.facts[name]


def rows(bench):
    for what, ours, peer, aims in ROWS:
        for dataset, aim in zip(SETS, aims):
            yield Row(PART, what, dataset, key(dataset, *ours), [key(dataset, *peer)], aim)
    what = "len() of a stream and one record of it"
    yield Row(PART, what, "million", "python one record", aim=5, kind=LIMIT, unit="ms")
    for name, unit in (("pages", "pages read"), ("payload_frames", "payload frames read")):
        yield Row(PART, what, "million", f"python one record: {name}", aim=1, kind=LIMIT, unit=unit)
