# SPDX-License-Identifier: Apache-2.0
"""Progress, limits, and what a read as a table came upon."""

import builtins
import io
import os

import polars as pl
import pyarrow as pa
import pytest
import rosettar
from google.protobuf import api_pb2, descriptor_pb2, descriptor_pool, message_factory


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("options") / "tree"
    tree.mkdir()
    for number in range(12):
        (tree / str(number)).write_bytes(os.urandom(1 << 20) * 4)
    return tree


@pytest.fixture(scope="module")
def path(tree):
    path = tree.with_name("a.rtar")
    rosettar.pack(tree, path, level=1)
    return path


def works(tree, path, out):
    """Every function that tells of progress, by its name."""
    archive = rosettar.open(path)
    return {
        "verify": lambda progress: archive.verify(progress=progress),
        "extract": lambda progress: archive.extract(out / "tree", progress=progress),
        "writing": lambda progress: rosettar.pack(tree, out / "new.rtar", progress=progress),
        "recover": lambda progress: rosettar.recover(path, out / "recovered.rtar", progress=progress),
        "diff": lambda progress: rosettar.diff(archive, rosettar.open(path), progress=progress),
    }


NAMES = ["verify", "extract", "writing", "recover", "diff"]


@pytest.mark.parametrize("name", NAMES)
def test_a_callback_is_told_bytes(name, tree, path, tmp_path):
    told = []
    works(tree, path, tmp_path)[name](lambda done, total: told.append((done, total)))
    assert told and told == sorted(told, key=lambda one: one[0]), "what is done becomes less"
    assert all(isinstance(part, int) for one in told for part in one)
    done, total = told[-1]
    assert total in (0, done) or name in ("recover", "diff"), told[-1]


@pytest.mark.parametrize("name", NAMES)
def test_true_shows_a_bar_of_tqdm(name, tree, path, tmp_path, capsys):
    works(tree, path, tmp_path)[name](True)
    shown = capsys.readouterr()
    assert f"{name}" in shown.err and "B/s" in shown.err and shown.out == ""


@pytest.mark.parametrize("name", NAMES)
def test_true_shows_a_line_without_tqdm(name, tree, path, tmp_path, capsys, monkeypatch):
    real = builtins.__import__

    def without_tqdm(module, *rest):
        if module.startswith("tqdm"):
            raise ImportError(module)
        return real(module, *rest)

    monkeypatch.setattr(builtins, "__import__", without_tqdm)
    works(tree, path, tmp_path)[name](True)
    shown = capsys.readouterr()
    assert f"\r{name}" in shown.err and "MiB" in shown.err and shown.err.endswith("\n") and shown.out == ""


@pytest.mark.parametrize("name", NAMES)
def test_what_a_callback_raises_ends_the_work(name, tree, path, tmp_path):
    def stop(done, total):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        works(tree, path, tmp_path)[name](stop)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_callback_may_use_the_archive(name, tree, path, tmp_path):
    archive, other = rosettar.open(path), []

    def look(done, total):
        if len(other) < 3:
            other.append(len(archive) + len(archive["3"].read(10)))

    works(tree, path, tmp_path)[name](look)
    assert other and set(other) == {22}


def test_a_callback_may_not_be_anything_else(path):
    for wrong in ("yes", 1.5, []):
        with pytest.raises(TypeError):
            rosettar.open(path).verify(progress=wrong)


def test_limits_are_a_dictionary(path):
    assert len(rosettar.open(path, limits={"entries": 20, "decoded-bytes": "64G", "path_bytes": "4K"})) == 12
    for limits in ({"entries": 11}, {"entries": "11"}):
        with pytest.raises(rosettar.LimitError, match="limit.entries") as caught:
            rosettar.open(path, limits=limits)
        assert isinstance(caught.value, ValueError) and caught.value.code == "limit.entries"
    with pytest.raises(rosettar.LimitError, match="decoded-bytes"):
        rosettar.open(path, limits={"decoded-bytes": "1M"})
    # The largest there is means that there is none.
    assert rosettar.open(path, limits={"decoded-bytes": 2**64 - 1}).verify().sound


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"entires": 3}, 'did you mean "entries"'),
        ({"decoded_byte": 3}, 'did you mean "decoded-bytes"'),
        ({"colour": 3}, "no limit is called"),
        ({"entries": -1}, "entries"),
        ({"entries": "many"}, "entries"),
        ({"entries": 2**64}, "entries"),
        ({"entries": 1.5}, "entries"),
        ({"entries": None}, "entries"),
    ],
)
def test_wrong_limits(path, limits, message):
    for use in (
        lambda: rosettar.open(path, limits=limits),
        lambda: rosettar.create(io.BytesIO(), limits=limits),
        lambda: rosettar.recover(path, io.BytesIO(), limits=limits),
    ):
        with pytest.raises(rosettar.UsageError, match=message) as caught:
            use()
        assert caught.value.code == "usage.option"


def test_limits_of_other_types(path):
    for wrong in ({3: 3}, "entries=3", 5, ["entries"]):
        with pytest.raises(TypeError, match="limits"):
            rosettar.open(path, limits=wrong)


def test_threads(path):
    for threads in (1, 2, 1000):
        assert rosettar.open(path, threads=threads).verify().sound
    for wrong in (-1, "2", 1.5, 2**70):
        with pytest.raises((TypeError, rosettar.UsageError), match="threads: expected"):
            rosettar.open(path, threads=wrong)


def stream_of(old, new, records):
    """A stream of the type `old`, whose records are of the type `new`."""
    out = io.BytesIO()
    with rosettar.create(out) as w:
        s = w.stream("s", old)
        for record in records:
            s.append_raw(record, check=False)
    return rosettar.open(out).streams["s"]


def message_class(*fields):
    file = descriptor_pb2.FileDescriptorProto(name=f"{len(fields)}.proto", package=f"p{len(fields)}", syntax="proto3")
    message = file.message_type.add(name="M")
    for number, name in enumerate(fields, 1):
        message.field.add(name=name, number=number, type=5, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"p{len(fields)}.M"))


def test_unknown_fields_are_counted():
    old, new = message_class("a"), message_class("a", "b", "c")
    records = [new(a=n, b=n + 1, c=n + 2).SerializeToString() for n in range(100)]
    stream = stream_of(old, new, records)
    assert stream.unknown_fields == 0
    for read in (pa.table, pl.DataFrame):
        assert len(read(stream)) == 100
        assert stream.unknown_fields == 199 + 100 - 99  # a 0 is not written, so all 100 of each are
    assert stream.bad_records == 0
    part = stream[10:20]
    assert pa.table(part).column("a").to_pylist() == list(range(10, 20)) and part.unknown_fields == 20


def test_bad_records_are_counted():
    good = api_pb2.Method(name="m").SerializeToString()
    records = [good, b"\x0a\x05x", good, b"\x0a\x01\xff", b"\xff"]
    stream = stream_of(api_pb2.Method, None, records)
    with pytest.raises(Exception, match=r"record 1 of stream s.*\[record\.decode\]"):
        pa.table(stream)
    with pytest.raises(rosettar.SchemaError, match="record 1 of stream s"):
        list(stream)
    lenient = stream.with_options(errors="null")
    assert lenient.bad_records == 0
    assert pa.table(lenient).column("name").to_pylist() == ["m", None, "m", None, None]
    assert lenient.bad_records == 3
    assert pl.DataFrame(lenient)["name"].to_list() == ["m", None, "m", None, None]
    assert lenient.bad_records == 3, "each read counts anew"
    assert stream.bad_records == 0 and lenient[2:3].bad_records == 0


@pytest.mark.parametrize(
    "options",
    [
        {"enums": "letters"},
        {"errors": "ignore"},
        {"cut": "xml"},
        {"timestamps": "days"},
        {"enum": "names"},
    ],
)
def test_wrong_options_are_named(options):
    stream = stream_of(api_pb2.Method, None, [])
    ((name, value),) = options.items()
    with pytest.raises(rosettar.UsageError, match="expected one of|the options are") as caught:
        stream.with_options(**options)
    assert name in str(caught.value) and caught.value.code == "usage.option"


@pytest.mark.parametrize(
    "options",
    [
        {"enums": 5},
        {"enums": None},
        {"recursion": "two"},
        {"recursion": -1},
        {"recursion": 10**30},
        {"defaults": "yes"},
        {"batch_rows": -5},
        {"batch_rows": 2**80},
        {"batch_bytes": 1.5},
        {"threads": "all"},
    ],
)
def test_options_of_the_wrong_type(options):
    stream = stream_of(api_pb2.Method, None, [])
    ((name, _),) = options.items()
    with pytest.raises((TypeError, rosettar.UsageError, OverflowError), match=name):
        stream.with_options(**options)


def test_extreme_options():
    records = [api_pb2.Method(name=f"m{n}").SerializeToString() for n in range(1000)]
    stream = stream_of(api_pb2.Method, None, records)
    for options in (
        {"batch_rows": 1},
        {"batch_rows": 2**60},
        {"batch_bytes": 1},
        {"batch_bytes": 2**60},
        {"threads": 1},
        {"threads": 10_000},
    ):
        assert pa.table(stream.with_options(**options)).num_rows == 1000
    for options in ({"batch_rows": 0}, {"batch_bytes": 0}, {"threads": 0}, {"recursion": 0}):
        try:
            assert pa.table(stream.with_options(**options)).num_rows == 1000
        except rosettar.UsageError as error:
            assert error.code == "usage.option"
