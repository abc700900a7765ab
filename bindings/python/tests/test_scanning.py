# SPDX-License-Identifier: Apache-2.0
"""Streams as lazy tables of polars, as datasets of pyarrow in DuckDB, and archives as file systems of fsspec."""

import datetime
import io

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import rosettar

ROWS = 150_000


@pytest.fixture(scope="module")
def table():
    return pa.table({"number": pa.array(range(ROWS)), "name": [f"n{n % 7}" for n in range(ROWS)], "half": [0.5] * ROWS})


@pytest.fixture(scope="module")
def path(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("scanning") / "a.rtar"
    with rosettar.create(path) as w:
        w.write_table("rows", table)
        w.add_bytes("notes/today.csv", b"a,b\n1,2\n", mtime=1_700_000_000)
        w.add_bytes("notes/old/x.txt", b"x" * 1000)
        w.add_link("link", "notes/today.csv")
    return path


@pytest.fixture
def selected(monkeypatch):
    """What columns were asked of a stream."""
    asked, select = [], rosettar.Stream.select
    monkeypatch.setattr(rosettar.Stream, "select", lambda self, *names: asked.append(names) or select(self, *names))
    return asked


def test_polars_pushes_columns_rows_and_predicates(path, table, selected):
    lazy = rosettar.scan(path)
    frame = pl.DataFrame(table)
    assert lazy.collect().equals(frame)
    wanted = lazy.filter(pl.col("number") >= ROWS - 3).select("name").collect()
    assert wanted.equals(frame.filter(pl.col("number") >= ROWS - 3).select("name"))
    assert set(selected.pop()) == {"name", "number"}
    assert lazy.slice(70_000, 2).select("number").collect()["number"].to_list() == [70_000, 70_001]
    assert lazy.select(pl.len()).collect().item() == ROWS
    groups = lazy.group_by("name").agg(pl.col("half").sum()).sort("name").collect()
    assert groups.equals(frame.group_by("name").agg(pl.col("half").sum()).sort("name"))
    assert lazy.filter(pl.col("name") == "n1").head(2).collect()["number"].to_list() == [1, 8]


def test_duckdb_pushes_columns_into_a_dataset(path, selected):
    rows = rosettar.dataset(path, "rows")  # noqa: F841 - DuckDB finds it by its name
    found = duckdb.sql("select name, sum(number) from rows where number < 14 group by name order by name").fetchall()
    assert found == [(f"n{n}", 2 * n + 7) for n in range(7)]
    assert selected and set(selected[-1]) == {"number", "name"}
    assert duckdb.sql("select count(*) from rows").fetchall() == [(ROWS,)]


def test_a_dataset_is_one_of_pyarrow(path, table):
    rows = rosettar.dataset(path)
    assert rows.schema.names == table.schema.names
    assert rows.to_table().equals(table)
    assert rows.count_rows() == ROWS and rows.count_rows(filter=pc.field("number") < 5) == 5
    assert rows.head(2, columns=["name"]).to_pydict() == {"name": ["n0", "n1"]}
    assert rows.filter(pc.field("number") == 9).to_table(columns=["name"]).to_pydict() == {"name": ["n2"]}
    assert rows.to_table(columns={"twice": pc.field("number") * 2}).column("twice")[4].as_py() == 8
    assert sum(batch.num_rows for batch in rows.to_batches(columns=["half"], batch_size=1000)) == ROWS
    with pytest.raises(NotImplementedError, match="sort_by"):
        rows.sort_by("number")


def test_which_stream_is_to_be_said(tmp_path):
    with rosettar.create(tmp_path / "a.rtar") as w:
        w.write_table("x", pa.table({"a": [1]}))
        w.write_table("y", pa.table({"a": [2]}))
    with pytest.raises(rosettar.UsageError, match="2 streams: state which one, of x, y"):
        rosettar.scan(tmp_path / "a.rtar")
    assert rosettar.scan(tmp_path / "a.rtar", "y").collect().item() == 2


def test_fsspec(path):
    files = fsspec.filesystem("rosettar", fo=str(path))
    assert files.ls("", detail=False) == ["link", "notes"]
    assert files.ls("notes", detail=False) == ["notes/old", "notes/today.csv"]
    assert files.find("") == ["link", "notes/old/x.txt", "notes/today.csv"]
    assert files.glob("notes/**/*.txt") == ["notes/old/x.txt"]
    info = files.info("notes/today.csv")
    assert (info["size"], info["type"]) == (8, "file")
    assert files.modified("notes/today.csv") == datetime.datetime.fromtimestamp(1_700_000_000, datetime.UTC)
    assert files.isdir("notes/old") and not files.exists("absent")
    assert files.cat("notes/today.csv") == b"a,b\n1,2\n"
    with files.open("notes/today.csv") as file:
        file.seek(4)
        assert file.read() == b"1,2\n"
    for change in (lambda: files.open("x", "wb"), lambda: files.rm("notes/today.csv"), lambda: files.mkdir("x")):
        with pytest.raises(OSError, match="read-only"):
            change()
    with pytest.raises(FileNotFoundError):
        files.open("absent")
    with pytest.raises(IsADirectoryError):
        files.open("notes")


def test_fsspec_takes_links_for_what_they_lead_to(tmp_path):
    with rosettar.create(tmp_path / "a.rtar") as w:
        w.add_bytes("a", b"alpha")
        w.add_bytes("d/e/b", b"beta")
        for name, target in {
            "to-file": "a",
            "to-link": "./to-file",
            "d/up": "../a",
            "over-directory": "to-directory/b",
            "to-directory": "d/e/",
            "to-nothing": "absent",
            "below-file": "a/",
            "circle": "circle",
            "out": "/etc/passwd",
            "d/above": "../../a",
        }.items():
            w.add_link(name, target)
    files = fsspec.filesystem("rosettar", fo=str(tmp_path / "a.rtar"))
    leading = {"to-file": b"alpha", "to-link": b"alpha", "d/up": b"alpha", "over-directory": b"beta"}
    found = {"a": b"alpha", "d/e/b": b"beta", **leading}
    others = ["to-directory", "to-nothing", "below-file", "circle", "out", "d/above"]
    for name, content in leading.items():
        info = files.info(name)
        assert (info["type"], info["size"], info["islink"]) == ("file", len(content), True)
        assert files.isfile(name) and files.cat(name) == content
    assert files.info("to-link")["destination"] == "./to-file"
    assert files.find("") == sorted(found)
    assert {name: info["type"] for name, info in files.find("d", detail=True).items()} == {
        "d/e/b": "file",
        "d/up": "file",
    }
    listed = {info["name"]: info["type"] for info in files.ls("")}
    assert listed["to-file"] == "file" and listed["to-directory"] == listed["out"] == "other"
    out = tmp_path / "out"
    files.get("", f"{out}/", recursive=True)
    assert {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()} == found
    assert not [p for p in out.rglob("*") if p.is_symlink()]
    for name in others:
        assert not files.isfile(name) and not files.isdir(name) and files.exists(name)
        with pytest.raises(OSError, match="link leads to"):
            files.get(name, str(tmp_path / "one"))
        assert not (tmp_path / "one").exists()


def test_fsspec_chained(path):
    assert pd.read_csv(f"rosettar://notes/today.csv::file://{path}").to_dict("list") == {"a": [1], "b": [2]}
    fsspec.filesystem("memory").pipe("/a.rtar", path.read_bytes())
    with fsspec.open("rosettar://notes/today.csv::memory://a.rtar", "rt") as file:
        assert file.read() == "a,b\n1,2\n"
    files = fsspec.filesystem("rosettar", fo=io.BytesIO(path.read_bytes()))
    assert files.cat("notes/today.csv") == b"a,b\n1,2\n"
