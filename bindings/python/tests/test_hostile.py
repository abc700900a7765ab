# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to the package from Python: no crash, no hang, no archive that is half written."""

import ctypes
import datetime
import gc
import io
import json
import os
import pickle
import random
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import rosettar
from google.protobuf import descriptor_pb2, message, timestamp_pb2

VECTORS = Path(__file__).parents[3] / "conformance" / "vectors"


@pytest.fixture(autouse=True)
def in_time():
    """What waits for ever ends the tests, instead of holding them up."""
    signal.alarm(120)
    yield
    signal.alarm(0)


@pytest.fixture(scope="module")
def data():
    out = io.BytesIO()
    with rosettar.create(out, chunk_size=4096) as w:
        w.add_bytes("a/noise", os.urandom(20_000))
        w.add_bytes("b.txt", b"text\n" * 100)
        w.add_link("link", "b.txt")
        w.write_table("rows", pa.table({"n": range(500), "t": [f"row {n}" for n in range(500)]}))
        w.stream("times").extend(timestamp_pb2.Timestamp(seconds=n) for n in range(100))
        w.annotate(timestamp_pb2.Timestamp(seconds=1))
        w.attributes["k"] = "v"
    return out.getvalue()


def use(archive, home):
    """Everything that reads, each by itself; what it raises is of the package, or of the library that read."""
    uses = [
        lambda: repr(archive) + archive._repr_html_() + repr(archive.entries) + repr(archive.streams),
        lambda: [archive[path].read() for path in archive],
        lambda: [file.open_text(errors="replace").read() for file in archive.values()],
        lambda: list(archive.entries) + [archive.entries[-1]],
        lambda: pa.table(archive.entries),
        lambda: (archive.attributes, archive.annotations, archive.info()),
        lambda: [str(schema) + repr(schema.proto()) for schema in archive.schemas],
        lambda: archive.verify(records=True),
        lambda: archive.verify(errors="report"),
        lambda: archive.extract(home, links="skip"),
        lambda: rosettar.diff(archive, archive),
        lambda: pickle.loads(pickle.dumps(archive)),
    ]
    for name in list(archive.streams)[:5]:
        stream = archive.streams[name]
        uses += [
            lambda stream=stream: list(stream)[-3:],
            lambda stream=stream: list(stream.raw()),
            lambda stream=stream: list(stream.messages(protobuf=True)),
            lambda stream=stream: stream[len(stream) // 2],
            lambda stream=stream: pa.table(stream),
            lambda stream=stream: pa.table(stream.with_options(errors="null", enums="numbers", defaults=True)),
            lambda stream=stream: pl.DataFrame(stream[1:3]),
            lambda stream=stream: pd.DataFrame.from_arrow(stream),
            lambda stream=stream: stream._repr_html_() + repr(stream),
            lambda stream=stream: rosettar.scan(stream).head(3).collect(),
            lambda stream=stream: rosettar.dataset(stream).head(3),
        ]
    for one in uses:
        try:
            one()
        except (rosettar.Error, pa.ArrowException, pl.exceptions.PolarsError, OSError, TypeError, IndexError):
            pass
        except message.DecodeError:  # of stream.messages(protobuf=True)
            pass


@pytest.mark.parametrize("vector", sorted(VECTORS.glob("**/*.rtar")), ids=lambda path: path.stem)
def test_vectors_in_every_function(vector, tmp_path):
    content = vector.read_bytes()
    for source in (content, vector):
        try:
            archive = rosettar.open(source)
        except rosettar.Error as error:
            assert error.code and error.kind
            continue
        use(archive, tmp_path / "out")
    try:
        report = rosettar.recover(content, tmp_path / "new.rtar")
    except rosettar.Error:
        assert not (tmp_path / "new.rtar").exists()
    else:
        assert report.summary.files >= 0 and rosettar.open(tmp_path / "new.rtar").verify().sound


def test_damaged_bytes_in_every_function(data, tmp_path):
    rng = random.Random(5)
    for number in range(40):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 3, 20])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.2:
            del damaged[rng.randrange(len(damaged)) :]
        try:
            archive = rosettar.open(bytes(damaged))
        except rosettar.Error:
            continue
        use(archive, tmp_path / str(number))


def test_a_source_that_is_replaced_meanwhile(data, tmp_path):
    path = tmp_path / "a.rtar"
    path.write_bytes(data)
    archive = rosettar.open(path)
    path.write_bytes(data[: len(data) // 2])
    use(archive, tmp_path / "out")
    path.write_bytes(os.urandom(len(data)))
    use(archive, tmp_path / "out")
    path.unlink()
    use(archive, tmp_path / "out")


def test_everything_after_close(data, tmp_path):
    archive = rosettar.open(data)
    content, text = archive["b.txt"], archive["b.txt"].open_text()
    stream, entries, schema = archive.streams["rows"], archive.entries, archive.schemas[1]
    records, listed = iter(stream), iter(entries)
    next(records), next(listed), content.read(1)
    archive.close()
    archive.close()
    for one in (
        lambda: archive["b.txt"],
        lambda: "b.txt" in archive,
        lambda: list(archive),
        lambda: archive.info(),
        lambda: archive.attributes,
        lambda: archive.annotations,
        lambda: archive.schemas,
        lambda: archive.verify(),
        lambda: archive.extract(tmp_path / "out"),
        lambda: rosettar.diff(archive, archive),
        lambda: pickle.dumps(archive),
        lambda: content.read(),
        lambda: content.seek(0),
        lambda: content.readinto(bytearray(3)),
        lambda: text.read(),
        lambda: len(entries),
        lambda: list(stream.raw()),
        lambda: stream[0],
        lambda: stream[1:2],
        lambda: stream.select("n"),
        lambda: stream.schema,
        lambda: stream.__arrow_c_schema__(),
        lambda: stream.__arrow_c_stream__(),
        lambda: str(schema),
        lambda: list(records),
        lambda: list(listed),
        lambda: archive.__enter__()["b.txt"],
    ):
        with pytest.raises(rosettar.UsageError) as caught:
            one()
        assert caught.value.code == "usage.closed"
    assert "closed" in repr(archive) and "closed" in archive._repr_html_()
    content.close()
    with pytest.raises(ValueError, match="closed"):
        content.read()


def test_numbers_of_every_size(data):
    archive = rosettar.open(data)
    stream, content, entries = archive.streams["rows"], archive["b.txt"], archive.entries
    for wrong in (500, -501, 2**63, -(2**63), 2**64, -(2**100)):
        with pytest.raises(IndexError):
            stream[wrong]
        with pytest.raises(IndexError):
            entries[wrong]
    for start, stop in ((-5, None), (None, -495), (2**70, None), (-(2**70), 2**70), (10, 5), (-1, -1), (0, 2**64)):
        some = stream[start:stop]
        assert [row["n"] for row in some] == list(range(500))[start:stop] == pa.table(some)["n"].to_pylist()
        assert some[0:0]._repr_html_() and len(some[5:][:2]) <= 2
        assert entries[start:stop] == list(entries)[start:stop]
    for wrong in (1.5, "1", None, object()):
        with pytest.raises(TypeError):
            stream[wrong]
        with pytest.raises(TypeError):
            stream[wrong if wrong is not None else "x" : 5]
    with pytest.raises(ValueError, match="step"):
        stream[::2]
    for size in (2**62, -1, -5, None):
        content.seek(0)
        assert len(content.read(size)) == 500
    for size in (2**63, -(2**64), 1.5, "1"):
        with pytest.raises((OverflowError, TypeError)):
            content.read(size)
    for place, whence in ((-1, 0), (-501, 2), (0, 3), (0, -1), (2**63, 0), (-(2**63), 1)):
        with pytest.raises((ValueError, OverflowError, OSError)):
            content.seek(place, whence)
    assert content.seek(2**62) == 2**62 and content.read() == b"" and content.read(5) == b""
    assert content.seek(0) == 0


class Text(str):
    def __eq__(self, other):
        raise ZeroDivisionError

    __hash__ = str.__hash__


class Nonsense:
    def __getattr__(self, name):
        raise ZeroDivisionError


def test_odd_keys(data):
    archive = rosettar.open(data)
    assert archive[Text("b.txt")].read() == b"text\n" * 100
    for wrong in ("", "/", "..", "\0", "\ud800", "a" * 100_000, "b.txt/", "B.TXT", "a", "link/x", "💥" * 5000):
        try:
            archive[wrong].read()
        except rosettar.Error:
            pass
        assert wrong in ("a", "b.txt/") or wrong not in archive
        with pytest.raises(KeyError):
            archive.streams[wrong]
        with pytest.raises((rosettar.UsageError, UnicodeEncodeError)):
            archive.streams["rows"].select(wrong)
    for wrong in (None, 5, b"b.txt", ["b.txt"], object(), Nonsense()):
        with pytest.raises(TypeError):
            archive[wrong]
        with pytest.raises(TypeError):
            archive.streams[wrong]
        assert wrong not in archive and wrong not in archive.streams
        with pytest.raises(TypeError):
            archive.streams["rows"].select(wrong)
    for wrong in (None, 5, ["a"], Nonsense()):
        with pytest.raises((TypeError, ZeroDivisionError)):
            rosettar.open(wrong)
        with pytest.raises((TypeError, ZeroDivisionError)):
            rosettar.create(wrong)


def test_capsules_of_arrow(data):
    """Taken by two, by none, or released by hand."""
    stream = rosettar.open(data).streams["rows"]
    for _ in range(100):
        stream.__arrow_c_stream__()
        stream.__arrow_c_schema__()
    capsule = stream.__arrow_c_stream__()

    class Once:
        def __arrow_c_stream__(self, requested_schema=None):
            return capsule

    assert pa.RecordBatchReader.from_stream(Once()).read_all().num_rows == 500
    for take in (
        lambda: pa.RecordBatchReader.from_stream(Once()).read_all(),
        lambda: rosettar.create(io.BytesIO()).write_table("t", Once()),
    ):
        with pytest.raises(Exception, match="(?i)released|invalid|empty|cannot be read"):
            take()
    reader = pa.RecordBatchReader.from_stream(stream)
    reader.close()
    reader.close()
    with pytest.raises(Exception, match="."):
        reader.read_next_batch()
    reader = pa.RecordBatchReader.from_stream(stream)
    batch = reader.read_next_batch()
    stream._archive.close()
    del reader, stream
    gc.collect()
    assert batch.to_pylist()[99]["t"] == "row 99"


class Capsule:
    """Whatever `__arrow_c_stream__` returns."""

    def __init__(self, value):
        self.value = value

    def __arrow_c_stream__(self, requested_schema=None):
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def test_tables_that_are_none(tmp_path):
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    # An ArrowArrayStream is four functions and a pointer; one of zeros was released.
    zeros = ctypes.create_string_buffer(40)
    name = b"arrow_array_stream"
    with rosettar.create(tmp_path / "a.rtar") as w:
        for wrong in (
            None,
            5,
            "x",
            [1],
            {},
            object(),
            Capsule(None),
            Capsule(5),
            Capsule(new(ctypes.addressof(zeros), b"arrow_schema", None)),
            Capsule(new(ctypes.addressof(zeros), name, None)),
            Capsule(ZeroDivisionError()),
            type("Property", (), {"__arrow_c_stream__": 5})(),
        ):
            with pytest.raises((TypeError, ValueError, ZeroDivisionError)):
                w.write_table("t", wrong)
        w.add_bytes("a", b"a")
        assert "t" not in w._streams
    assert list(rosettar.open(tmp_path / "a.rtar")) == ["a"]
    assert list(rosettar.open(tmp_path / "a.rtar").streams) == []


def raw(of, length, buffers, children=None):
    return pa.Array.from_buffers(of, length, [b if b is None else pa.py_buffer(b) for b in buffers], children=children)


def int32s(*values):
    return b"".join(value.to_bytes(4, "little", signed=True) for value in values)


BROKEN = {
    "text that is not UTF-8": lambda: raw(pa.string(), 1, [None, int32s(0, 2), b"\xff\xfe"]),
    "offsets that go back": lambda: raw(pa.string(), 2, [None, int32s(0, 2, 1), b"abcd"]),
    "lists that go back": lambda: raw(pa.list_(pa.int8()), 2, [None, int32s(0, 2, 1)], [pa.array([1, 2], pa.int8())]),
    "views beyond their elements": lambda: raw(
        pa.list_view(pa.int8()), 1, [None, int32s(0), int32s(2000)], [pa.array([1, 2], pa.int8())]
    ),
    "dictionary numbers that there are not": lambda: pa.DictionaryArray.from_buffers(
        pa.dictionary(pa.int32(), pa.string()), 2, [None, pa.py_buffer(int32s(0, 77))], pa.array(["a"])
    ),
    "dictionary numbers below 0": lambda: pa.DictionaryArray.from_buffers(
        pa.dictionary(pa.int32(), pa.string()), 2, [None, pa.py_buffer(int32s(0, -1))], pa.array(["a"])
    ),
    "members that a union does not have": lambda: pa.Array.from_buffers(
        pa.sparse_union([pa.field("a", pa.int8())]),
        1,
        [None, pa.py_buffer(b"\x07")],
        children=[pa.array([1], pa.int8())],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_arrays_that_make_no_sense(name, tmp_path):
    """Made by pyarrow, which looks at less than this."""
    try:
        table = pa.Table.from_batches([pa.RecordBatch.from_arrays([BROKEN[name]()], names=["a"])])
    except (pa.ArrowException, ValueError, NotImplementedError) as error:
        pytest.fail(f"pyarrow does not make such an array any more: {error}")
    with rosettar.create(tmp_path / "a.rtar") as w:
        w.add_bytes("a", b"a")
        with pytest.raises(rosettar.Error) as caught:
            w.write_table("t", table)
        assert caught.value.code in ("usage.input", "record.value"), caught.value
    assert rosettar.open(tmp_path / "a.rtar").verify(records=True).sound


def reader_of(batches, schema):
    return pa.RecordBatchReader.from_batches(schema, batches)


def test_a_table_that_fails_half_way(tmp_path):
    schema = pa.schema([("n", pa.int64())])
    batch = pa.record_batch([pa.array(range(1000))], schema=schema)

    def failing():
        yield batch
        raise ZeroDivisionError("no more")

    path = tmp_path / "a.rtar"
    with pytest.raises(rosettar.UsageError, match="no more"), rosettar.create(path) as w:
        w.write_table("t", reader_of(failing(), schema))
    assert os.listdir(tmp_path) == []
    # Whoever catches it has the rows that came before, and goes on.
    with rosettar.create(path) as w:
        with pytest.raises(rosettar.UsageError):
            w.write_table("t", reader_of(failing(), schema))
        w.write_table("t", pa.table({"n": [5]}))
    assert len(rosettar.open(path).streams["t"]) == 1001


def test_a_table_that_uses_the_writer_that_takes_it(tmp_path):
    schema = pa.schema([("n", pa.int64())])
    batch, found = pa.record_batch([pa.array([1])], schema=schema), []

    def batches(w):
        for one in (
            lambda: w.add_bytes("x", b""),
            lambda: w.write_table("t", pa.table({"n": [1]})),
            lambda: w.finish(),
            lambda: w.discard(),
        ):
            try:
                one()
            except rosettar.UsageError as error:
                found.append(error.code)
            yield batch
        found.append(w.closed)

    with rosettar.create(tmp_path / "a.rtar") as w:
        w.write_table("t", reader_of(batches(w), schema))
    assert found == ["usage.reentered"] * 4 + [False]
    assert len(rosettar.open(tmp_path / "a.rtar").streams["t"]) == 4


def test_file_objects_that_use_the_writer():
    class Knot(io.BytesIO):
        w, found = None, []

        def use(self):
            if self.w is not None:
                try:
                    self.w.add_bytes("x", b"")
                except rosettar.UsageError as error:
                    self.found.append(error.code)

        def read(self, size=-1):
            self.use()
            return super().read(size)

        def write(self, content):
            self.use()
            return super().write(content)

    out = Knot()
    with rosettar.create(out) as w:
        out.w = w
        w.add_bytes("a", os.urandom(5 << 20))
        source = Knot(b"content")
        source.w = w
        w.add_file("b", source)
    assert len(Knot.found) > 1 and set(Knot.found) == {"usage.reentered"}
    assert sorted(rosettar.open(out)) == ["a", "b"]


def test_an_archive_written_from_one_that_is_read(data, tmp_path):
    archive = rosettar.open(io.BytesIO(data))
    with rosettar.create(tmp_path / "a.rtar") as w:
        for path, file in archive.items():
            if file.entry.kind == "file":
                w.add_file(path, file)
        w.write_table("rows", archive.streams["rows"])
        w.write_table("entries", archive.entries)
        times = archive.streams["times"]
        w.stream("times", (times.type_name, times.schema.descriptor_set)).extend(times.messages(protobuf=True))
    new = rosettar.open(tmp_path / "a.rtar")
    assert pa.table(new.streams["rows"]).equals(pa.table(archive.streams["rows"]))
    assert list(new.streams["times"].raw()) == list(archive.streams["times"].raw())
    assert len(new.streams["entries"]) == len(archive)


def test_what_is_given_to_a_stream(tmp_path):
    path = tmp_path / "a.rtar"

    def failing():
        for n in range(700):
            yield timestamp_pb2.Timestamp(seconds=n)
        raise ZeroDivisionError

    loop = {}
    loop["seconds"] = loop
    with rosettar.create(path) as w:
        s = w.stream("s", timestamp_pb2.Timestamp)
        with pytest.raises(ZeroDivisionError):
            s.extend(failing())
        for wrong in (
            None,
            5,
            "x",
            b"x",
            object(),
            timestamp_pb2.Timestamp,
            loop,
            {5: 6},
            {"seconds": "x"},
            Nonsense(),
        ):
            with pytest.raises((TypeError, rosettar.Error, RecursionError, ZeroDivisionError)):
                s.append(wrong)
            with pytest.raises((TypeError, rosettar.Error, RecursionError, ZeroDivisionError)):
                s.extend([wrong])
        for wrong in (None, 5, "x", [1], b"\xff"):
            with pytest.raises((TypeError, rosettar.Error)):
                s.append_raw(wrong)

        def reentering():
            for n in range(3):
                s.append(timestamp_pb2.Timestamp(seconds=n))
                yield timestamp_pb2.Timestamp(seconds=n)

        s.extend(reentering())
        for wrong in (
            5,
            "x",
            object,
            (1, 2),
            ("t.T", b"\xff\xff"),
            ("t.T", b""),
            ("", b""),
            ("t", "/absent.proto"),
            (),
        ):
            with pytest.raises((TypeError, rosettar.Error)):
                w.stream("new", wrong)
        for wrong in ("", "..", "a/b", "x" * 64, "\0", ".a", "s s", "S"):
            with pytest.raises(rosettar.Error):
                w.stream(wrong, timestamp_pb2.Timestamp)
        for wrong in (-1, 2**32, "1"):
            with pytest.raises((TypeError, rosettar.UsageError), match="version: expected"):
                w.stream("version", timestamp_pb2.Timestamp, version=wrong)
    archive = rosettar.open(path)
    assert list(archive.streams) == ["s"] and archive.verify(records=True).sound
    assert len(archive.streams["s"]) in range(518, 707)


def test_numbers_and_times_given_to_a_writer():
    with rosettar.create(io.BytesIO()) as w:
        for mode in (-1, 0o1000, 2**32, 2**40):
            with pytest.raises((OverflowError, rosettar.UsageError)):
                w.add_bytes("x", b"", mode=mode)
        for mtime in (float("nan"), float("inf"), 1e300, 2**63, -(2**70), datetime.datetime(2026, 1, 1), "now"):
            with pytest.raises((ValueError, OverflowError, TypeError, rosettar.Error)):
                w.add_bytes("x", b"", mtime=mtime)
        for number, mtime in enumerate((-0.5, 2**40, -(2**40), datetime.datetime.max.replace(tzinfo=datetime.UTC))):
            w.add_bytes(str(number), b"", mtime=mtime)
    for options in (
        {"level": 2**40},
        {"level": "3"},
        {"threads": -1},
        {"chunk_size": -1},
        {"chunk_size": 5},
        {"chunk_size": 2**70},
        {"flush_every": -1},
        {"producer": 5},
        {"created": "now"},
    ):
        with pytest.raises((TypeError, rosettar.UsageError), match="expected|real number"):
            rosettar.create(io.BytesIO(), **options)


def test_file_objects_to_write_to_that_fail(tmp_path):
    class Failing(io.RawIOBase):
        def __init__(self, answer, after):
            self.answer, self.left = answer, after

        def write(self, content):
            self.left -= len(content)
            if self.left < 0:
                if isinstance(self.answer, BaseException):
                    raise self.answer
                return self.answer
            return len(content)

    for answer in (OSError(28, "full"), ValueError("x"), None, -1, 2**70, "5", 10**9, 0):
        for after in (0, 100, 100_000):
            with pytest.raises(rosettar.IoError), rosettar.create(Failing(answer, after), chunk_size=4096) as w:
                w.add_bytes("a", os.urandom(300_000))
    with pytest.raises(KeyboardInterrupt), rosettar.create(Failing(KeyboardInterrupt(), 100)) as w:
        w.add_bytes("a", os.urandom(300_000))
    for answer in (OSError(5, "x"), None, 5, "text", b"x" * (1 << 24)):

        def read(size, answer=answer):
            if isinstance(answer, BaseException):
                raise answer
            return answer

        source = type("Source", (), {"read": staticmethod(read)})()
        with pytest.raises(rosettar.IoError), rosettar.create(tmp_path / "a.rtar") as w:
            w.add_file("a", source)
        assert os.listdir(tmp_path) == []


def test_a_progress_callback_that_does_everything(data, tmp_path):
    archive = rosettar.open(data)
    depth = 0

    def callback(done, total):
        nonlocal depth
        if depth < 3:
            depth += 1
            archive.verify(progress=callback)
            pa.table(archive.streams["rows"])
            pl.DataFrame(archive.streams["rows"])
            list(archive.streams["rows"])
            archive["b.txt"].read()
            depth -= 1

    assert archive.verify(progress=callback).sound
    with rosettar.create(tmp_path / "a.rtar", progress=lambda done, total: callback(done, total)) as w:
        w.add_file("a", io.BytesIO(os.urandom(1 << 20)))

    def closing(done, total):
        archive.close()

    assert archive.verify(progress=closing).sound
    with pytest.raises(rosettar.UsageError, match="usage.closed"):
        archive.verify()


def test_the_handler_of_a_signal_that_reads(data):
    archive = rosettar.open(data)
    found = []

    busy = False

    def handler(number, frame):
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            found.append(pa.table(archive.streams["rows"]).num_rows)
            found.append(len(list(archive.streams["rows"])))
        except BaseException as error:
            found.append(repr(error))
        finally:
            busy = False

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        stop = threading.Event()

        def send():
            while not stop.wait(0.002):
                os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            for _ in range(30):
                archive.verify()
                list(archive.streams["rows"])
                pa.table(archive.streams["rows"])
                archive["a/noise"].read()
        finally:
            stop.set()
            thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert set(found) == {500}


def test_a_writer_shared_and_ended_by_threads(tmp_path):
    path = tmp_path / "a.rtar"
    w = rosettar.create(path)
    codes, started = [], threading.Barrier(5)

    def work(number):
        started.wait()
        try:
            for n in range(10_000):
                w.add_bytes(f"{number}/{n}", b"x" * 100)
        except rosettar.UsageError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    w.finish()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert codes == ["usage.writer-failed"] * 4
    assert rosettar.open(path).verify().sound and os.listdir(tmp_path) == ["a.rtar"]
    with pytest.raises(rosettar.UsageError):
        w.finish()
    w.discard()


def test_dropped_writers_leave_nothing(tmp_path):
    for _ in range(3):
        w = rosettar.create(tmp_path / "a.rtar")
        w.add_bytes("a", os.urandom(1 << 20))
        s = w.stream("s", timestamp_pb2.Timestamp)
        s.append(timestamp_pb2.Timestamp(seconds=1))
        w.cycle = w
        del w, s
        gc.collect()
    assert os.listdir(tmp_path) == []


def archive_source(records, *fields, **types):
    """An archive with a stream of records of a type R with these fields, and with more types, of proto3."""
    file = descriptor_pb2.FileDescriptorProto(name="r.proto", package="p", syntax="proto3")
    for name, of in {"R": fields, **types}.items():
        message = file.message_type.add(name=name)
        for number, (label, kind, field) in enumerate(of, 1):
            number += 1000 * (number >= 19_000)
            if isinstance(kind, str):
                message.field.add(name=field, number=number, type=11, label=label, type_name=f".p.{kind}")
            else:
                message.field.add(name=field, number=number, type=kind, label=label)
    schema = descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()
    out = io.BytesIO()
    with rosettar.create(out, limits={"record-values": "16M"}) as w:
        stream = w.stream("s", ("p.R", schema))
        for record in records:
            stream.append_raw(record, check=False)
    return out.getvalue()


def archive_of(*args, limits=None, **types):
    return rosettar.open(archive_source(*args, **types), limits=limits)


ONE, MANY, DOUBLE, INT64, STRING, BYTES = 1, 3, 1, 3, 9, 12


def wide(count, kind=INT64):
    return [(ONE, kind, f"f{n}") for n in range(count)]


def test_dicts_of_many_absent_fields():
    started = time.monotonic()
    # 20 000 fields of each of 200 000 messages, in 400 KB.
    archive = archive_of([b"", b"\x0a\x00" * 200_000, b"\x0a\x00"], (MANY, "N", "r"), N=wide(20_000))
    stream = archive.streams["s"]
    assert len(stream[2]["r"][0]) == 20_000 and stream[0] == {"r": []}
    for read in (lambda: stream[1], lambda: list(stream), lambda: list(stream.messages())):
        with pytest.raises(
            rosettar.LimitError, match="record 1 of stream s: more than 1048576 absent fields"
        ) as raised:
            read()
        assert raised.value.code == "limit.record-values"
    assert time.monotonic() - started < 30
    # Fields of the record itself are those of its type, however many; messages that have all of theirs count for none.
    limits = {"record-values": 100}
    stream = archive_of([b"", b"\x08\x05"], *wide(5000), limits=limits).streams["s"]
    assert [sum(record.values()) for record in stream] == [0, 5]
    records = [b"\x0a\x02\x08\x01" * 25, b"\x0a\x02\x08\x01" * 20 + b"\x0a\x00" * 6, b"\x0a\x00" * 26]
    elements = archive_of(records, (MANY, "N", "r"), N=wide(4), limits=limits).streams["s"]
    assert elements[0] == {"r": [{"f0": 1, "f1": 0, "f2": 0, "f3": 0}] * 25}
    # A dict takes as much as four values.
    with pytest.raises(rosettar.LimitError, match="more than 25 messages, which would become dicts"):
        elements[1]
    with pytest.raises(rosettar.LimitError, match="more than 100 absent fields"):
        elements[2]


def test_dicts_are_as_they_would_be_one_field_at_a_time():
    fields = [
        (ONE, DOUBLE, "d"),
        (MANY, INT64, "l"),
        (ONE, "N", "n"),
        (MANY, "N", "m"),
        (ONE, STRING, "t"),
        (ONE, BYTES, "b"),
    ]
    negative_zero = b"\x09" + bytes(7) + b"\x80"
    records = [b"", negative_zero, b"\x12\x02\x05\x06\x1a\x00\x22\x00\x22\x02\x08\x07", b"\x2a\x01x\x32\x01y"]
    stream = archive_of(records, *fields, N=wide(2)).streams["s"]
    empty = {"d": 0.0, "l": [], "n": None, "m": [], "t": "", "b": b""}
    none = {"f0": 0, "f1": 0}
    expected = [
        empty,
        {**empty, "d": -0.0},
        {**empty, "l": [5, 6], "n": none, "m": [none, {**none, "f0": 7}]},
        {**empty, "t": "x", "b": b"y"},
    ]
    found = list(stream)
    assert found == expected and repr(found) == repr(expected)
    # What one dict holds is no other's.
    found[0]["l"].append(1)
    found[2]["m"][0]["f0"] = 9
    assert found[1]["l"] == [] and list(stream) == expected
    assert list(stream.select("n.f1", "t"))[2:] == [{"n": {"f1": 0}, "t": ""}, {"n": None, "t": "x"}]


def varint(number):
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)


def test_html_of_large_records_and_wide_types():
    started = time.monotonic()

    def text(field, content):
        return varint(field << 3 | 2) + varint(len(content)) + content

    records = [
        text(1, b"\x01" * 900_000),
        text(1, b"x" * 3_000_000),
        b"\x12\x00" * 40_000,
        b"\x12\x00" * 200_000,
        b"\xff",
        text(3, bytes(range(256)) * 1000) + b"\x12\x02\x08\x05" + text(1, b"last"),
    ]
    fields = [(ONE, STRING, "t"), (MANY, "N", "r"), (ONE, BYTES, "b"), *wide(20_000)]
    archive = archive_of(records, *fields, N=wide(20_000))
    html = archive.streams["s"]._repr_html_()
    assert len(html) < 200_000 and html.count("<tr>") == 7
    for shown in (
        "\\u{1}",
        "record 1 of stream s: more than 1048576 bytes",
        "record 3 of stream s: more than 65536 values",
        "record 4 of stream s",
        "<td>last</td>",
        "… 19953 more",
    ):
        assert shown in html, shown
    assert "'f0': 5" in html.replace("&#x27;", "'")
    # Of records that are large together, some.
    much = archive_of([text(1, b"y" * 1_000_000)] * 30, (ONE, STRING, "t")).streams["s"]
    html = much._repr_html_()
    assert 5 < html.count("<tr>") < 15 and "more</p>" in html
    assert time.monotonic() - started < 30


def test_recovery_of_what_is_exactly_at_the_limits(tmp_path):
    facts = json.loads((VECTORS / "limits.json").read_text())
    source, limits = VECTORS / "limits.rtar", facts["limits"]
    report = rosettar.recover(source, tmp_path / "new.rtar", limits=limits)
    assert report.is_complete and (report.entries, report.records) == (3, 1)
    assert rosettar.open(tmp_path / "new.rtar").verify(records=True).sound
    # What was raised is raised for both.
    many = archive_source([varint(10) + varint(1_200_000) + bytes(1_200_000)], (MANY, INT64, "l"))
    report = rosettar.recover(many, io.BytesIO(), limits={"record-values": "2M"})
    assert report.is_complete and report.records == 1
