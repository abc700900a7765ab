# SPDX-License-Identifier: Apache-2.0
"""Reading, with the conformance vectors for archives."""

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import rosettar
from google.protobuf import descriptor_pb2, empty_pb2

VECTORS = Path(__file__).parents[3] / "conformance" / "vectors"
BOTH = VECTORS / "file-and-record.rtar"


def opened(path):
    return io.BufferedReader(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize("give", [str, Path, Path.read_bytes, lambda p: bytearray(p.read_bytes()), opened])
def test_every_source_reads_alike(give):
    with rosettar.open(give(BOTH)) as archive:
        assert archive.verify(records=True).sound
        assert len(archive) == len(list(archive)) == pa.table(archive.entries).num_rows
        for path, file in archive.items():
            assert path in archive
            if file.entry.kind == "file":
                content = file.read()
                assert len(content) == file.entry.size
                file.seek(1)
                assert file.read() == content[1:]
    with pytest.raises(rosettar.UsageError, match="usage.closed"):
        len(archive)


def test_streams_are_tables():
    archive = rosettar.open(BOTH)
    (stream,) = archive.streams.values()
    rows = list(stream)
    assert pa.table(stream).to_pylist() == rows == pl.DataFrame(stream).to_dicts()
    assert stream[-1] == rows[-1] and list(stream[:1]) == rows[:1]
    assert [m.SerializeToString() for m in stream.messages(protobuf=True)] == list(stream.raw())
    assert list(pickle.loads(pickle.dumps(stream[:1]))) == rows[:1]
    assert "message" in str(stream.schema)


def test_what_is_not_there_says_what_is():
    archive = rosettar.open(BOTH)
    path = next(iter(archive))
    with pytest.raises(KeyError, match="did you mean"):
        archive[path.upper()]
    with pytest.raises(AttributeError, match=r"archive\.extract"):
        archive.extractall  # noqa: B018


@pytest.mark.parametrize(
    "use, message",
    [
        (lambda a, s: a.namelist(), "instead: iterate over the archive"),
        (lambda a, s: a.extractall("x"), r"instead: archive\.extract\(directory\)"),
        (lambda a, s: a.rows, r"instead: archive\.streams\['rows'\]"),
        (lambda a, s: a.streams.rows, r"instead: streams\['rows'\]"),
        (lambda a, s: a["rows"], r"no entry has the path"),
        (lambda a, s: s.to_pandas(), "instead: pandas.DataFrame.from_arrow"),
        (lambda a, s: s.head(), r"instead: stream\[:5\]"),
        (lambda a, s: s.colums, "has no 'colums'"),
        (lambda a, s: s["n"], r"stream\.select\('n'\) takes a column"),
        (lambda a, s: s.select("m"), 'no column "m"; it has n'),
        (lambda a, s: rosettar.Archive("a.rtar"), r"rosettar\.open\(path\)"),
        (lambda a, s: rosettar.open("a.rtar.absent"), "a.rtar.absent"),
    ],
)
def test_what_newcomers_try(use, message):
    out = io.BytesIO()
    with rosettar.create(out) as w:
        w.write_table("rows", pa.table({"n": [1]}))
    archive = rosettar.open(out)
    with pytest.raises(Exception, match=message) as caught:
        use(archive, archive.streams["rows"])
    assert "Traceback" not in str(caught.value)
    if isinstance(caught.value, KeyError):
        assert caught.value.__notes__ == ["archive.streams['rows'] is a stream of records"]


def test_libraries_that_are_not_installed():
    """Only the package itself, as in an environment with nothing else."""
    code = (
        "import sys, io, rosettar\n"
        "for name in ('polars', 'pyarrow', 'google'): sys.modules[name] = None\n"
        "out = io.BytesIO()\n"
        "with rosettar.create(out) as w: w.stream('s', ('google.protobuf.Empty', bytes.fromhex(sys.argv[1])))\n"
        "s = rosettar.open(out).streams['s']\n"
        "for use in (lambda: rosettar.scan(s), s.dataset, lambda: s.messages(protobuf=True)):\n"
        "    try: use()\n"
        "    except ImportError as error: print(error)\n"
    )
    file = descriptor_pb2.FileDescriptorProto.FromString(empty_pb2.DESCRIPTOR.serialized_pb)
    descriptors = descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString().hex()
    told = subprocess.check_output([sys.executable, "-c", code, descriptors], text=True).splitlines()
    assert [line.rsplit(": ", 1)[-1] for line in told] == [
        "pip install polars",
        "pip install rosettar[arrow]",
        "pip install rosettar[protobuf]",
    ]


def test_pickles_only_what_can_be_opened_again():
    with pytest.raises(TypeError, match="file object"):
        pickle.dumps(rosettar.open(io.BytesIO(BOTH.read_bytes())))
    assert list(pickle.loads(pickle.dumps(rosettar.open(BOTH.read_bytes()))))


def test_a_forked_child_is_refused():
    archive = rosettar.open(BOTH)
    child = os.fork()
    if child == 0:
        try:
            len(archive)
        except rosettar.UsageError as error:
            os._exit(0 if error.code == "usage.forked" else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_extracts(tmp_path):
    archive = rosettar.open(BOTH)
    calls = []
    report = archive.extract(tmp_path / "out", progress=lambda done, total: calls.append((done, total)))
    assert report.files >= 1 and calls
    assert rosettar.diff(archive, archive)["same"]


def test_recovers_what_is_whole(tmp_path):
    out = tmp_path / "new.rtar"
    broken = tmp_path / "broken.rtar"
    with rosettar.create(broken, chunk_size=4096) as w:
        for n in range(5):
            w.add_bytes(f"{n}.bin", os.urandom(20_000))
    whole = broken.read_bytes()
    assert rosettar.recover(whole, out).is_complete
    assert rosettar.open(out).info()["content_digest"] == rosettar.open(whole).info()["content_digest"]
    broken.write_bytes(whole[:50_000])
    with pytest.raises(rosettar.Error):
        rosettar.open(broken)
    calls = []
    for source in (broken, whole[:50_000], bytearray(whole[:50_000]), io.BytesIO(whole[:50_000])):
        report = rosettar.recover(source, out, progress=lambda *told: calls.append(told))
        assert not report.is_complete and not report.losses["by_index"]
        assert report.entries == 2 and report.file_bytes == 40_000 and report.losses["source_size"] == 50_000
        assert report.summary.files == 2 and rosettar.open(out).verify().sound
        assert list(rosettar.open(out)) == ["0.bin", "1.bin"]
    assert calls
    target = io.BytesIO()
    assert rosettar.recover(broken, target).entries == 2 and len(rosettar.open(target)) == 2
    with pytest.raises(rosettar.UsageError, match="another path"):
        rosettar.recover(broken, broken)
    with pytest.raises(rosettar.MalformedError):
        rosettar.recover(b"x" * 100, tmp_path / "absent.rtar")
    assert not (tmp_path / "absent.rtar").exists()
    with pytest.raises(TypeError):
        rosettar.recover(broken, 5)
