# SPDX-License-Identifier: Apache-2.0
"""Reading, with the conformance vectors for archives."""

import io
import os
import pickle
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import rosettar

VECTORS = Path(__file__).parents[3] / "conformance" / "vectors"
BOTH = VECTORS / "file-and-record.rtar"


@pytest.mark.parametrize("give", [str, Path, Path.read_bytes, lambda p: bytearray(p.read_bytes()), lambda p: p.open("rb")])
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
