# SPDX-License-Identifier: Apache-2.0
"""What archives are read from: file handles, file objects of every sort, and those that fail, lie or come back."""

import io
import os
import threading
import time

import pyarrow as pa
import pytest
import rosettar

TABLE = pa.table({"n": range(5000), "text": [f"row {n}" for n in range(5000)]})
NOISE = os.urandom(300_000)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("sources") / "a.rtar"
    with rosettar.create(path, chunk_size=65_536) as w:
        w.add_bytes("noise", NOISE)
        w.write_table("rows", TABLE)
    return path


@pytest.fixture(scope="module")
def data(path):
    return path.read_bytes()


class Own:
    """A file object that is no `io` class."""

    def __init__(self, data):
        self.data, self.at, self.calls = data, 0, 0

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, len(self.data))[whence]
        return self.at

    def read(self, size):
        self.calls += 1
        found = self.data[self.at : self.at + size]
        self.at += len(found)
        return found


class SeekTellsNothing(Own):
    def seek(self, offset, whence=0):
        super().seek(offset, whence)

    def tell(self):
        return self.at


class Short(Own):
    def read(self, size):
        return super().read(min(size, 1000))


class OwnBytes(Own):
    """Reads a subclass of `bytes`."""

    class Bytes(bytes):
        pass

    def read(self, size):
        return self.Bytes(super().read(size))


def check(archive):
    assert archive.verify(records=True).sound
    assert archive["noise"].read() == NOISE
    assert pa.table(archive.streams["rows"]).equals(TABLE)
    assert archive.streams["rows"][4321] == {"n": 4321, "text": "row 4321"}


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_file_handle(path, buffering):
    with open(path, "rb", buffering=buffering) as file, rosettar.open(file) as archive:
        check(archive)


@pytest.mark.parametrize("of", [Own, SeekTellsNothing, Short, OwnBytes])
def test_a_class_written_in_python(data, of):
    check(rosettar.open(of(data)))


def test_only_what_is_asked_for_is_read(path, data):
    file = Own(data)
    archive = rosettar.open(file)
    assert list(archive) == ["noise"] and len(archive.streams["rows"]) == 5000
    before = file.calls
    assert archive.streams["rows"].select("n")[4999] == {"n": 4999}
    assert file.calls - before <= 2


def test_an_archive_within_an_archive(data):
    outer = io.BytesIO()
    with rosettar.create(outer) as w:
        w.add_bytes("inner.rtar", data)
    check(rosettar.open(rosettar.open(outer)["inner.rtar"]))


def lying(**methods):
    return type("Lying", (Own,), methods)


LIES = {
    "more than asked for": (lying(read=lambda self, n: b"x" * (n + 1)), rosettar.IoError, "bytes, which is more"),
    "text": (lying(read=lambda self, n: "x" * n), rosettar.IoError, "expected bytes, found str"),
    "nothing": (lying(read=lambda self, n: None), rosettar.IoError, "expected bytes, found NoneType"),
    "a number": (lying(read=lambda self, n: 5), rosettar.IoError, "expected bytes, found 5"),
    "the end": (lying(read=lambda self, n: b""), rosettar.Error, ""),
    "zeros": (lying(read=lambda self, n: bytes(n)), rosettar.Error, ""),
    "a size below 0": (lying(seek=lambda self, at, whence=0: -1), OSError, "the place of its end, found -1"),
    "no size": (lying(seek=lambda self, at, whence=0: "x"), OSError, "the place of its end, found str"),
    "a size beyond 64 bits": (lying(seek=lambda self, at, whence=0: 1 << 70), OSError, "the place of its end"),
    "a large size": (lying(seek=lambda self, at, whence=0: 1 << 62), rosettar.Error, ""),
}


@pytest.mark.parametrize("lie", LIES)
def test_file_objects_that_lie(data, lie):
    of, kind, message = LIES[lie]
    with pytest.raises(kind) as caught:
        check(rosettar.open(of(data)))
    assert message in str(caught.value) + str(caught.value.__cause__)


def test_a_file_object_that_changes_what_it_has(data):
    file = Own(data)
    archive = rosettar.open(file)
    file.data = bytes(len(data))
    for read in (lambda: archive["noise"].read(), lambda: list(archive.streams["rows"]), archive.verify):
        with pytest.raises(rosettar.Error):
            read()
    with pytest.raises(Exception, match="digest|changed|expected"):
        pa.table(archive.streams["rows"])


@pytest.mark.parametrize("error", [ValueError("broken"), OSError(5, "broken"), MemoryError("broken")])
def test_what_a_file_object_raises_is_the_cause(data, error):
    file = Own(data)
    archive = rosettar.open(file)

    def read(size):
        raise error

    file.read = read
    for work in (
        lambda: archive["noise"].read(),
        lambda: next(iter(archive.streams["rows"])),
        archive.verify,
        lambda: rosettar.open(file),
        lambda: rosettar.recover(file, io.BytesIO()),
    ):
        with pytest.raises(rosettar.IoError) as caught:
            work()
        assert caught.value.__cause__ is error
        assert caught.value.code.startswith("io.")
    with pytest.raises(Exception, match="broken"):
        pa.table(archive.streams["rows"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_goes_through(data, error):
    file = Own(data)
    archive = rosettar.open(file)

    def read(size):
        raise error

    file.read = read
    for work in (lambda: archive["noise"].read(), lambda: list(archive.streams["rows"]), archive.verify):
        with pytest.raises(error):
            work()


def test_a_file_object_that_closes_itself(data):
    class Closing(io.BytesIO):
        def read(self, size=-1):
            found = super().read(size)
            self.close()
            return found

    with pytest.raises(rosettar.IoError, match="closed"):
        check(rosettar.open(Closing(data)))


def test_a_file_object_that_reads_the_archive_it_holds(data):
    """It would wait for itself, and so is refused."""
    found = []

    class Knot(Own):
        archive = iterator = content = None

        def read(self, size):
            if self.archive is not None:
                archive, self.archive = self.archive, None
                for use in (
                    lambda: next(self.iterator),
                    lambda: self.content.read(1),
                    lambda: archive.verify(),
                    lambda: archive["noise"],
                    lambda: pa.table(archive.streams["rows"]),
                    lambda: self.reader.read_next_batch(),
                    lambda: self.iterator.__length_hint__(),
                ):
                    try:
                        use()
                    except Exception as error:
                        found.append(str(error))
            return super().read(size)

    def knot():
        file = Knot(data)
        archive = rosettar.open(file)
        rows = archive.streams["rows"]
        file.iterator, file.content = iter(rows), archive["noise"]
        file.reader = pa.RecordBatchReader.from_stream(rows)
        return file, archive

    for work in (
        lambda file, archive: list(file.iterator),
        lambda file, archive: file.content.read(),
        lambda file, archive: archive.verify(),
        lambda file, archive: pa.table(archive.streams["rows"]),
    ):
        file, archive = knot()
        file.archive = archive
        del found[:]
        work(file, archive)
        assert len(found) == 7 and all("usage.reentered" in text for text in found), found


def test_what_is_dropped_while_it_reads(data):
    """Its threads wait for the interpreter, for which whoever drops it must not wait."""

    class Slow(Own):
        def read(self, size):
            time.sleep(0.002)
            return super().read(min(size, 4096))

    def work():
        for _ in range(5):
            archive = rosettar.open(Slow(data))
            rows = iter(archive.streams["rows"])
            next(rows)
            content = archive["noise"]
            content.read(1)
            reader = pa.RecordBatchReader.from_stream(archive.streams["rows"])
            reader.read_next_batch()
            del rows, content, reader, archive

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


def test_threads_share_one_iterator(data):
    rows = iter(rosettar.open(Short(data)).streams["rows"])
    found, lock = [], threading.Lock()

    def work():
        while True:
            rows.__length_hint__()
            row = next(rows, None)
            if row is None:
                return
            with lock:
                found.append(row["n"])

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(found) == list(range(5000))


@pytest.mark.parametrize("attempt", range(20))
def test_threads_share_one_file_of_an_archive(data, attempt):
    content = rosettar.open(Own(data))["noise"]
    pieces, lock, begin = [], threading.Lock(), threading.Barrier(4)

    def work():
        # All at once: each might open the content for itself.
        begin.wait()
        while piece := content.read(1000):
            with lock:
                pieces.append(piece)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(pieces) == sorted(NOISE[at : at + 1000] for at in range(0, len(NOISE), 1000))


def test_closed_by_another_thread_meanwhile(data):
    archive = rosettar.open(Short(data))
    rows = archive.streams["rows"]
    errors = []

    def work():
        try:
            while True:
                list(rows)
                archive["noise"].read()
        except rosettar.UsageError as error:
            errors.append(error.code)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    archive.close()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert errors == ["usage.closed"] * 3


def test_a_buffer_that_changes_is_copied(data):
    buffer = bytearray(data)
    archive = rosettar.open(memoryview(buffer))
    broken = io.BytesIO()
    report = rosettar.recover(buffer, broken)
    buffer[:] = bytes(len(buffer))
    check(archive)
    assert report.is_complete and rosettar.open(broken).verify().sound


class Text(str):
    """As a path, it is what `str` says, not this."""

    def __str__(self):
        return "/absent"


class PathLike:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_odd_paths(path, data):
    assert rosettar.open(Text(path)).verify().sound
    assert rosettar.open(PathLike(str(path))).verify().sound
    assert rosettar.open(PathLike(os.fsencode(path))).verify().sound
    for wrong in (PathLike(5), PathLike(None), PathLike(PathLike(str(path))), 5, None, object(), io.StringIO("x")):
        with pytest.raises(TypeError):
            rosettar.open(wrong)
    for wrong in ("", "a\0b", "x" * 5000, PathLike("\0")):
        with pytest.raises((OSError, ValueError)):
            rosettar.open(wrong)

    class Bytes(bytes):
        pass

    check(rosettar.open(Bytes(data)))
