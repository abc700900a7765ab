# SPDX-License-Identifier: Apache-2.0
"""What a query does not need is neither read nor decoded: counted by the file object, and told by what is broken."""

import io
import os

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import rosettar
from google.protobuf import api_pb2, type_pb2

ROWS = 1_000_000


class Counting(io.BytesIO):
    reads = read_bytes = 0

    def read(self, size=-1):
        found = super().read(size)
        self.reads += 1
        self.read_bytes += len(found)
        return found

    def since(self):
        found, self.reads, self.read_bytes = (self.reads, self.read_bytes), 0, 0
        return found


@pytest.fixture(scope="module")
def data():
    out = io.BytesIO()
    noise = pa.array([os.urandom(16) for _ in range(1000)] * (ROWS // 1000))
    with rosettar.create(out, level=1) as w:
        w.write_table("rows", pa.table({"n": range(ROWS), "noise": noise}))
    return out.getvalue()


@pytest.fixture
def file(data):
    return Counting(data)


@pytest.fixture
def rows(file):
    rows = rosettar.open(file, threads=1).streams["rows"]
    # The page of the entry table, and the Schema, are read once.
    next(iter(rows))
    file.since()
    return rows


def test_a_record_of_a_million_is_in_one_frame(file):
    rows = rosettar.open(file, threads=1).streams["rows"]
    opened, _ = file.since()
    assert opened <= 4
    assert len(rows) == ROWS and file.since() == (0, 0)
    assert rows[987_654]["n"] == 987_654
    # A page of the entry table, a frame of the stream, and the Schema.
    assert file.since()[0] <= 3
    assert rows[987_655]["n"] == 987_655 and rows[-1]["n"] == ROWS - 1
    assert file.since()[0] <= 2


@pytest.mark.parametrize(
    "read",
    [
        lambda rows: pa.table(rows[500_000:500_010])["n"].to_pylist(),
        lambda rows: pa.table(rows.rows(500_000, 500_010).select("n"))["n"].to_pylist(),
        lambda rows: pl.DataFrame(rows[500_000:500_010])["n"].to_list(),
        lambda rows: [row["n"] for row in rows[500_000:500_010]],
        lambda rows: [row["n"] for row in rows[400_000:][100_000:100_010]],
    ],
)
def test_frames_out_of_range_are_not_read(rows, file, data, read):
    assert read(rows) == list(range(500_000, 500_010))
    reads, size = file.since()
    assert reads <= 2 and size < len(data) // 4


def test_a_query_of_polars_reads_what_it_needs(rows, file, data):
    lazy = rosettar.scan(rows)
    assert lazy.head(5).collect()["n"].to_list() == [0, 1, 2, 3, 4]
    reads, size = file.since()
    assert size < len(data) // 4, (reads, size)
    assert lazy.select("n").filter(pl.col("n") == 70_000).head(1).collect().item() == 70_000
    assert file.since()[1] < len(data) * 3 // 4
    assert lazy.select(pl.len()).collect().item() == ROWS


def test_a_dataset_reads_what_it_needs(rows, file, data):
    dataset = rosettar.dataset(rows)
    assert dataset.head(5, columns=["n"])["n"].to_pylist() == [0, 1, 2, 3, 4]
    assert file.since()[1] < len(data) // 4
    assert dataset.count_rows() == ROWS and file.since() == (0, 0)


@pytest.fixture
def broken():
    """A stream in whose column `options` no value decodes."""
    out = io.BytesIO()
    with rosettar.create(out) as w:
        s = w.stream("types", type_pb2.Type)
        for n in range(1000):
            s.append_raw(type_pb2.Type(name=f"t{n}").SerializeToString() + b"\x22\x02\x0a\x7f", check=False)
    return rosettar.open(out).streams["types"]


@pytest.mark.parametrize(
    "read",
    [
        lambda s: pa.table(s.select("name"))["name"].to_pylist(),
        lambda s: rosettar.scan(s).select("name").collect()["name"].to_list(),
        lambda s: rosettar.scan(s).filter(pl.col("name") != "").select("name").collect()["name"].to_list(),
        lambda s: rosettar.dataset(s).to_table(columns=["name"])["name"].to_pylist(),
        lambda s: rosettar.dataset(s).to_table(columns=["name"], filter=pc.field("name") != "")["name"].to_pylist(),
    ],
)
def test_columns_that_nobody_asked_for_are_not_decoded(broken, read):
    with pytest.raises(Exception, match="record 0 of stream types"):
        pa.table(broken)
    assert read(broken) == [f"t{n}" for n in range(1000)]


def test_duckdb_asks_for_columns_alone(broken):
    types = rosettar.dataset(broken)  # noqa: F841 - DuckDB finds it by its name
    query = "select count(*), max(name) from types where name like 't99%'"
    assert duckdb.sql(query).fetchall() == duckdb.sql(query).fetchall() == [(11, "t999")]


def test_a_predicate_is_applied_to_each_part(rows, monkeypatch):
    """Polars is given the rows that the predicate lets through, and no others."""
    seen = []
    real = pl.DataFrame.filter
    monkeypatch.setattr(pl.DataFrame, "filter", lambda self, *a, **k: seen.append(self.height) or real(self, *a, **k))
    found = rosettar.scan(rows).filter(pl.col("n") % 100_000 == 1).select("n").collect()
    assert found["n"].to_list() == list(range(1, ROWS, 100_000))
    assert sum(seen) == ROWS and len(seen) > 1


def test_a_field_of_a_message_of_a_message():
    out = io.BytesIO()
    with rosettar.create(out) as w:
        option = type_pb2.Option(name="o")
        w.stream("apis").append(api_pb2.Api(name="a", methods=[api_pb2.Method(name="m", options=[option])]))
    apis = rosettar.open(out).streams["apis"]
    assert pa.table(apis.select("methods.name")).to_pylist() == [{"methods": [{"name": "m"}]}]
    assert list(apis.select("methods.options.name")) == [{"methods": [{"options": [{"name": "o"}]}]}]
