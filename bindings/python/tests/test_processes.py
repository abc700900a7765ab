# SPDX-License-Identifier: Apache-2.0
"""Handles in forked processes, and long work that is interrupted."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import pyarrow as pa
import pytest
import rosettar

BIG = 24 << 20


def in_a_child(work):
    """What `work` returns or raises in a forked process, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # A child that hangs must not hold up the tests.
        signal.alarm(30)
        try:
            found = str(work())
        except BaseException as error:
            found = f"{type(error).__name__}: {error}"
        os.write(writing, found.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as told:
        found = told.read().decode()
    assert os.waitpid(child, 0)[1] == 0, "the child did not end by itself"
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("processes") / "a.rtar"
    with rosettar.create(path, chunk_size=65_536) as w:
        w.add_bytes("noise", os.urandom(1 << 20))
        w.write_table("rows", pa.table({"n": range(100_000)}))
    return path


@pytest.mark.parametrize("give", [str, lambda path: path.read_bytes(), lambda path: open(path, "rb", buffering=0)])
def test_whatever_reads_is_refused_in_a_forked_process(path, give):
    source = give(path)
    archive = rosettar.open(source)
    content, rows, entries = archive["noise"], archive.streams["rows"], iter(archive.entries)
    content.read(1)
    records = iter(rows)
    next(records)
    reader = pa.RecordBatchReader.from_stream(rows)
    reader.read_next_batch()
    for use in (
        lambda: len(archive),
        lambda: archive.info(),
        lambda: archive.verify(),
        lambda: archive.extract("/nowhere"),
        lambda: content.read(),
        lambda: next(records),
        lambda: next(entries),
        lambda: rows[5],
        lambda: pa.table(rows),
        lambda: reader.read_all(),
        lambda: rosettar.diff(archive, archive),
    ):
        assert "usage.forked" in in_a_child(use)
    assert "usage.forked" in in_a_child(lambda: repr(archive))
    # Whatever is dropped there is not waited for, and takes nothing away from this process.
    assert in_a_child(lambda: reader.close()) == "None"
    assert len(content.read()) == (1 << 20) - 1 and next(records) == {"n": 1}
    assert reader.read_all().num_rows > 0
    if hasattr(source, "close"):
        source.close()


def test_dropping_in_a_forked_process(path):
    held = [rosettar.open(path)]
    held += [held[0]["noise"], iter(held[0].streams["rows"])]
    held[1].read(1)
    next(held[2])
    held.append(pa.RecordBatchReader.from_stream(held[0].streams["rows"]))
    held[3].read_next_batch()
    assert in_a_child(held.clear) == "None"


def test_a_writer_is_refused_in_a_forked_process(tmp_path):
    path = tmp_path / "a.rtar"
    with rosettar.create(path, threads=2) as w:
        w.add_bytes("a", os.urandom(BIG))
        rows = w.stream("rows", ("google.protobuf.Timestamp", timestamp_set()))
        for use in (
            lambda: w.add_bytes("b", b""),
            lambda: w.add_file("b", io.BytesIO(b"")),
            lambda: w.write_table("t", pa.table({"a": [1]})),
            lambda: rows.append({"seconds": 5}),
            lambda: rows.append_raw(b""),
            lambda: w.finish(),
            lambda: w.closed,
        ):
            assert "usage.forked" in in_a_child(use)
        assert "another process" in in_a_child(lambda: repr(w))
        assert in_a_child(lambda: w.discard()) == "None"
        assert len(os.listdir(tmp_path)) == 1, "the child took the parent's file away"
        w.add_bytes("b", b"b")
    assert sorted(rosettar.open(path)) == ["a", "b"]


def test_a_writer_that_a_forked_process_drops(tmp_path):
    writers = [rosettar.create(tmp_path / "a.rtar", threads=2)]
    writers[0].add_bytes("a", os.urandom(BIG))
    assert in_a_child(writers.clear) == "None"

    def with_block():
        with writers[0]:
            raise ZeroDivisionError

    assert in_a_child(with_block) == "ZeroDivisionError: "
    assert len(os.listdir(tmp_path)) == 1
    writers[0].finish()
    assert os.listdir(tmp_path) == ["a.rtar"] and rosettar.open(tmp_path / "a.rtar").verify().sound


def test_a_fork_while_another_thread_works(path, tmp_path):
    """Whatever lock it holds is held for ever in the child, where the thread is not."""
    archive, stop = rosettar.open(path), threading.Event()
    w = rosettar.create(tmp_path / "a.rtar")

    def work():
        number = 0
        while not stop.is_set():
            archive.verify()
            w.add_bytes(str(number), bytes(100_000))
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(10):
            assert "usage.forked" in in_a_child(lambda: archive.verify())
            assert "usage.forked" in in_a_child(lambda: w.add_bytes("x", b""))
            assert in_a_child(lambda: len(rosettar.open(path))) == "1"
    finally:
        stop.set()
        thread.join()
    w.discard()


def timestamp_set():
    from google.protobuf import descriptor_pb2, timestamp_pb2

    file = descriptor_pb2.FileDescriptorProto.FromString(timestamp_pb2.DESCRIPTOR.serialized_pb)
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A tree of 96 MiB, and archives that take a while to go through."""
    home = tmp_path_factory.mktemp("big")
    (home / "tree").mkdir()
    with open(home / "tree" / "noise", "wb") as file:
        piece = os.urandom(1 << 20)
        for _ in range(96):
            file.write(piece)
    rosettar.pack(home / "tree", home / "files.rtar", level=-5)
    with rosettar.create(home / "rows.rtar", level=-5) as w:
        rows = pa.table({"n": range(100_000), "text": [f"row {n}" for n in range(100_000)]})
        for _ in range(8):
            w.write_table("rows", rows)
    return home


LONG = {
    "verify": "archive = rosettar.open(home / 'files.rtar')\nwork = archive.verify",
    "verify with a file object": (
        "archive = rosettar.open(open(home / 'files.rtar', 'rb', buffering=0))\nwork = archive.verify"
    ),
    "extract": (
        "import itertools\narchive, names = rosettar.open(home / 'files.rtar'), itertools.count()\n"
        "def work(): archive.extract(home / f'out{next(names)}', sync=False)"
    ),
    "pack": "def work(): rosettar.pack(home / 'tree', home / 'new.rtar', level=9)",
    "add_file": (
        "writer = rosettar.create(home / 'new.rtar', level=9)\nimport itertools\nnames = itertools.count()\n"
        "def work(): writer.add_file(str(next(names)), home / 'tree' / 'noise')"
    ),
    "recover": "def work(): rosettar.recover(home / 'files.rtar', home / 'new.rtar')",
    "diff": (
        "a, b = rosettar.open(home / 'files.rtar'), rosettar.open(home / 'files.rtar')\n"
        "def work():\n    for _ in range(1000): rosettar.diff(a, b)"
    ),
    "read": "archive = rosettar.open(home / 'files.rtar')\ndef work(): archive['noise'].read()",
    "iteration": "archive = rosettar.open(home / 'rows.rtar')\ndef work(): list(archive.streams['rows'])",
    "raw": "archive = rosettar.open(home / 'rows.rtar')\ndef work(): list(archive.streams['rows'].raw())",
    "pyarrow": (
        "import pyarrow as pa\nrows = rosettar.open(home / 'rows.rtar').streams['rows'].with_options(batch_rows=1000)\n"
        # What ends a stream is an error of pyarrow's own there, as below.
        "def work():\n    try: pa.table(rows)\n"
        "    except pa.ArrowInvalid as error: assert 'usage.interrupted' in str(error)"
    ),
    "polars": (
        "import polars as pl\nrows = rosettar.open(home / 'rows.rtar').streams['rows'].with_options(batch_rows=1000)\n"
        # Polars makes an error of its own of whatever ends a stream; the interruption comes after it.
        "def work():\n    try: pl.DataFrame(rows)\n"
        "    except pl.exceptions.ComputeError as error: assert 'usage.interrupted' in str(error)"
    ),
    "write_table": (
        "import pyarrow as pa\nrows = rosettar.open(home / 'rows.rtar').streams['rows']\n"
        "def work():\n    with rosettar.create(home / 'new.rtar') as w: w.write_table('rows', rows)"
    ),
}


@pytest.mark.parametrize("what", LONG)
def test_ctrl_c_ends_long_work(big, what):
    code = (
        f"import pathlib, sys, rosettar\nhome = pathlib.Path(sys.argv[1])\n{LONG[what]}\n"
        "print('ready', flush=True)\n"
        # In a function: CPython 3.11 does not catch what comes with the jump back to the first statement of a `try`.
        "def ever():\n    while True: work()\n"
        "try:\n    ever()\nexcept KeyboardInterrupt:\n    sys.exit(7)\n"
    )
    command = [sys.executable, "-c", code, str(big)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            child.stdout.readline()
            time.sleep(0.4)
            before = time.monotonic()
            child.send_signal(signal.SIGINT)
            code = child.wait(30)
        finally:
            child.kill()
        assert code == 7, child.stderr.read().decode()
    assert time.monotonic() - before < 5
    left = {name for name in os.listdir(big) if not name.startswith("out")}
    assert left <= {"tree", "files.rtar", "rows.rtar", "new.rtar"}, "a temporary file is left"
