# SPDX-License-Identifier: Apache-2.0
"""Streams in the libraries that analysts use, and archives in threads, processes and under attack."""

import datetime
import io
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import dask
import dask.bag
import datafusion
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import rosettar

ROWS = 50_000
WHO = ["Ann", "Bo", "Cy", None]


@pytest.fixture(scope="module")
def table():
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return pa.table(
        {
            "number": pa.array(range(ROWS)),
            "who": [WHO[n % 4] for n in range(ROWS)],
            "at": pa.array([at + datetime.timedelta(seconds=n) for n in range(ROWS)], pa.timestamp("ns", "UTC")),
        }
    )


@pytest.fixture(scope="module")
def path(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("ecosystem") / "a.rtar"
    proto = path.with_name("t.proto")
    proto.write_text(
        'syntax = "proto3"; package t; import "google/protobuf/timestamp.proto";'
        "enum Kind { NONE = 0; BIG = 1; } message Leg { string to = 1; repeated int32 stops = 2; }"
        "message Trip { Leg leg = 1; map<string, int64> seen = 2; Kind kind = 3; google.protobuf.Timestamp at = 4; }"
    )
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    with rosettar.create(path) as w:
        w.write_table("rows", table)
        trip = {"leg": {"to": "Rome", "stops": [1, 2]}, "seen": {"a": 5}, "kind": "BIG", "at": at}
        w.stream("trips", ("t.Trip", proto)).extend([trip] * 100)
    return path


@pytest.fixture
def rows(path):
    return rosettar.open(path).streams["rows"]


def test_every_library_reads_it_twice(rows, table):
    for _ in range(2):
        assert pa.table(rows).equals(table)
        assert pl.DataFrame(rows).equals(pl.DataFrame(table))
        assert pd.DataFrame.from_arrow(rows)["number"].sum() == ROWS * (ROWS - 1) // 2
        assert duckdb.sql("select count(*), sum(number) from rows").fetchall() == [(ROWS, ROWS * (ROWS - 1) // 2)]
    join = "select count(*) from rows a join rows b on a.number = b.number + 1"
    assert duckdb.sql(join).fetchall() == [(ROWS - 1,)]


def test_datafusion(rows):
    frame = datafusion.SessionContext().from_arrow(rows)
    assert frame.count() == ROWS


def test_nested_types(path):
    trips = rosettar.open(path).streams["trips"]
    assert duckdb.sql("select leg.\"to\", leg.stops[2], seen['a'], kind from trips limit 1").fetchall() == [
        ("Rome", 2, 5, "BIG")
    ]
    frame = pl.DataFrame(trips)
    assert frame["leg"].struct.field("stops")[0].to_list() == [1, 2]
    assert frame["kind"][0] == "BIG" and frame["at"][0].year == 2026
    assert pd.DataFrame.from_arrow(trips)["kind"].iloc[0] == "BIG"
    assert trips[0]["at"].year == 2026 and trips[0]["seen"] == {"a": 5}


# What other processes run is a function of pyarrow: they could not import one of this file.
def parts(stream):
    return [stream[at : at + 10_000] for at in range(0, len(stream), 10_000)]


def test_dask(rows):
    whole = pa.table(rows)
    tables = dask.compute(*[dask.delayed(pa.table)(part) for part in parts(rows)], scheduler="threads")
    assert pa.concat_tables(tables).equals(whole)
    bag = dask.bag.from_sequence(parts(rows), npartitions=2)
    assert pa.concat_tables(bag.map(pa.table).compute(scheduler="processes", num_workers=2)).equals(whole)


def test_processes(rows):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        # With a bound, since a pool waits forever for a worker that cannot begin.
        tables = pool.map_async(pa.table, parts(rows)).get(timeout=120)
    assert pa.concat_tables(tables).equals(pa.table(rows))
    pickled, child = pickle.dumps(rows[:10]), os.fork()
    if child == 0:
        os._exit(0 if len(list(pickle.loads(pickled))) == 10 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_threads_share_a_stream_of_a_file_object(path, table):
    rows = rosettar.open(io.BytesIO(path.read_bytes())).streams["rows"]
    found = []
    threads = [threading.Thread(target=lambda: found.append(pa.table(rows).equals(table))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6
    assert pl.DataFrame(rows).height == ROWS
    assert duckdb.sql("select max(number) from rows").fetchall() == [(ROWS - 1,)]


def test_a_buffer_that_changes_meanwhile(path, table):
    buffer = bytearray(path.read_bytes())
    rows = rosettar.open(buffer).streams["rows"]
    buffer[:] = bytes(len(buffer))
    assert pa.table(rows).equals(table)


def test_hostile_names_in_html():
    file = io.BytesIO()
    with rosettar.create(file) as w:
        w.add_bytes("<script>alert(1)</script>/\u202eevil", b"")
        w.write_table("s", pa.table({"<b>": ["<img src=x onerror=alert(1)>"]}))
    archive = rosettar.open(file)
    html = archive._repr_html_() + archive.entries._repr_html_() + archive.streams["s"]._repr_html_()
    assert "<script" not in html and "<img" not in html and "<b>" not in html and "\u202e" not in html


@pytest.mark.parametrize("progress", [True, False, None])
def test_progress(path, progress):
    assert rosettar.open(path).verify(records=True, progress=progress).sound


def test_a_keyboard_interrupt_ends_long_work(tmp_path):
    path = tmp_path / "big.rtar"
    with rosettar.create(path, level=1) as w:
        for n in range(60):
            w.add_bytes(str(n), os.urandom(1 << 20) * 16)
    code = (
        "import rosettar, sys\narchive = rosettar.open(sys.argv[1])\nprint('ready', flush=True)\n"
        "try:\n    while True: archive.verify()\nexcept KeyboardInterrupt:\n    sys.exit(7)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        time.sleep(0.3)
        before = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 7
    assert time.monotonic() - before < 2
