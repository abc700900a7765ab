# SPDX-License-Identifier: Apache-2.0
"""C1Z files: read, verified, converted, and the records of v1 as tables."""

import pickle
import sqlite3

import pyarrow as pa
import pytest
import rosettar


@pytest.fixture
def native(tmp_path):
    path = tmp_path / "a.rtar"
    with rosettar.create(path) as w:
        w.add_bytes("CURRENT", b"MANIFEST-000001\n")
        w.add_bytes("d/x", b"x" * 5000)
    return path


@pytest.mark.parametrize("to", ["c1z3-indexed", "c1z3-tar-zstd", "c1z3-tar"])
def test_there_and_back(native, tmp_path, to):
    c1z, back = tmp_path / "a.c1z", tmp_path / "b.rtar"
    report = rosettar.convert(native, c1z, to=to, engine="pebble", schema_version=24)
    assert (report.files, report.losses) == (2, [])
    with rosettar.open(c1z) as archive:
        assert archive.verify().sound
        assert archive["d/x"].read() == b"x" * 5000
        assert {name: archive[name].read() for name in archive}.keys() == {"CURRENT", "d/x"}
        info = archive.info()
        assert (info["root_digest"], info["c1z"]["engine"], info["files"]) == (None, "pebble", 2)
        manifest = archive.manifest
        assert manifest.value["engine_schema_version"] == 24
        archive.extract(tmp_path / "out")
        assert list(pickle.loads(pickle.dumps(archive))) == list(archive)
    assert (tmp_path / "out/CURRENT").read_bytes() == b"MANIFEST-000001\n"
    assert rosettar.read_header(c1z)["c1z"]["engine"] == "pebble"
    rosettar.convert(c1z, back, to="rtar")
    with rosettar.open(back) as archive:
        assert archive.manifest.raw == manifest.raw
        assert archive.annotations[0].value["engine"] == "pebble"
    assert rosettar.open(native).manifest is None


def test_what_would_be_lost_is_refused(tmp_path):
    path, out = tmp_path / "a.rtar", tmp_path / "a.c1z"
    with rosettar.create(path) as w:
        w.add_bytes("tool", b"#!", mode=0o755)
        w.write_table("rows", pa.table({"a": [1]}))
    with pytest.raises(rosettar.PolicyError) as refused:
        rosettar.convert(path, out, to="c1z3-tar", engine="e")
    assert refused.value.code == "policy.lossy" and not out.exists()
    report = rosettar.convert(path, out, to="c1z3-tar", engine="e", lossy=True)
    assert {loss.what for loss in report.losses} >= {"modes of files", "streams of records"}


def test_damage_is_found(native, tmp_path):
    out = tmp_path / "a.c1z"
    rosettar.convert(native, out, to="c1z3-tar-zstd", engine="e")
    data = bytearray(out.read_bytes())
    data[-1] ^= 1
    with pytest.raises(rosettar.MalformedError) as found:
        rosettar.open(data)
    assert found.value.code == "frame.decode"


def test_tables_of_v1(tmp_path):
    database, out, native = tmp_path / "db", tmp_path / "a.c1z", tmp_path / "a.rtar"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE v1_grants (id INTEGER PRIMARY KEY, data BLOB, sync_id TEXT)")
    connection.executemany("INSERT INTO v1_grants VALUES (?, ?, 's')", [(n, b"\x1a\x02g%d" % n) for n in range(1, 4)])
    connection.commit()
    connection.close()
    rosettar.convert(database, out, to="c1z1")
    with rosettar.open(out) as archive:
        assert list(archive) == ["database.sqlite"]
        assert archive.manifest is None
        grants = archive.streams["v1_grants"]
        assert len(grants) == 3
        assert pa.table(grants)["id"].to_pylist() == ["g1", "g2", "g3"]
        assert archive.verify(records=True).records_decoded == 3
    rosettar.convert(out, native, to="rtar")
    with rosettar.open(native) as archive:
        assert pa.table(archive.streams["v1_grants"])["id"].to_pylist() == ["g1", "g2", "g3"]
