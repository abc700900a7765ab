# SPDX-License-Identifier: Apache-2.0
"""Writing, checked by programs and libraries that share no code with the package."""

import datetime
import io
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import rosettar
from google.protobuf import api_pb2, descriptor_pb2, timestamp_pb2, type_pb2
from google.protobuf.internal.decoder import _DecodeVarint32


def tar_of(archive):
    """The archive as any tar reader sees it: names of members, and their contents."""
    plain = subprocess.run(["zstd", "-dc"], input=archive, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return {member.name: (member, tar.extractfile(member)) for member in tar.getmembers()}


def content(archive, name):
    return tar_of(archive)[name][1].read()


def records(archive, stream):
    """The records of a stream, cut apart by the protobuf package."""
    members = tar_of(archive)
    found = []
    for name in sorted(n for n in members if n.startswith(f".rosettar/streams/{stream}/") and n.endswith(".binpb")):
        batch, at = members[name][1].read(), 0
        while at < len(batch):
            size, at = _DecodeVarint32(batch, at)
            found.append(batch[at : at + size])
            at += size
    return found


def written(write, **options):
    out = io.BytesIO()
    with rosettar.create(out, **options) as writer:
        write(writer)
    return out.getvalue()


def test_what_is_written_is_what_a_tar_reader_finds(tmp_path):
    (tmp_path / "source.txt").write_text("from a file")
    (tmp_path / "source.txt").chmod(0o640)

    def write(w):
        w.add_bytes("a/bytes.bin", bytearray(b"\0\1\2"), mode=0o600, mtime=1_700_000_000.5)
        w.add_file("a/named.txt", tmp_path / "source.txt")
        w.add_file("a/object.txt", io.BytesIO(b"from an object" * 1000))
        w.add_directory("empty", mode=0o700)
        w.add_link("link", "a/named.txt")

    members = tar_of(written(write))
    assert members["a/bytes.bin"][1].read() == b"\0\1\2"
    assert members["a/bytes.bin"][0].mode == 0o600
    assert members["a/bytes.bin"][0].mtime == 1_700_000_000
    assert members["a/named.txt"][1].read() == b"from a file"
    assert members["a/named.txt"][0].mode == 0o640
    assert members["a/object.txt"][1].read() == b"from an object" * 1000
    assert members["empty"][0].isdir()
    assert members["link"][0].linkname == "a/named.txt"


def test_published_on_success_discarded_on_an_exception(tmp_path):
    path = tmp_path / "a.rtar"
    with rosettar.create(path) as w:
        w.add_bytes("x", b"1")
        assert not path.exists()
    first = path.read_bytes()
    assert w.closed and w.summary.size == len(first)
    with pytest.raises(ZeroDivisionError), rosettar.create(path) as w:
        w.add_bytes("x", b"2")
        raise ZeroDivisionError
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == ["a.rtar"]
    with pytest.raises(rosettar.UsageError, match="closed"):
        w.add_bytes("y", b"")
    with pytest.raises(FileExistsError):
        rosettar.create(path, exclusive=True)


def test_the_same_input_gives_the_same_bytes():
    def write(w):
        w.add_bytes("x", b"content" * 100_000)
        w.stream("s").extend(timestamp_pb2.Timestamp(seconds=n) for n in range(1000))

    assert written(write, threads=1) == written(write, threads=2)


def test_a_refused_call_leaves_the_writer_as_it_was():
    def write(w):
        w.add_bytes("x", b"1")
        for path in ("../y", "/y", "x", "x/y", ".rosettar/y", ""):
            with pytest.raises(rosettar.Error) as caught:
                w.add_bytes(path, b"2")
            assert caught.value.code.startswith("path."), caught.value
        with pytest.raises(TypeError):
            w.add_bytes("z", 5)
        with pytest.raises(TypeError):
            w.add_bytes("z", "text")

    assert content(written(write), "x") == b"1"


def test_streams_learn_their_type_and_bring_its_closure():
    messages = [
        api_pb2.Method(
            name=f"m{n}",
            syntax=type_pb2.SYNTAX_PROTO3,
            options=[type_pb2.Option(name="o")],
        )
        for n in range(1200)
    ]

    def write(w):
        s = w.stream("methods")
        assert s.type is None
        s.append(messages[0])
        s.extend(messages[1:])
        assert s.type == "google.protobuf.Method"
        assert w.stream("methods") is s

    archive = written(write)
    assert [api_pb2.Method.FromString(record) for record in records(archive, "methods")] == messages
    closure = descriptor_pb2.FileDescriptorSet.FromString(content(archive, ".rosettar/schemas/00000001.binpb"))
    names = [file.name for file in closure.file]
    assert "google/protobuf/type.proto" in names and "google/protobuf/any.proto" in names
    for module, name in (
        (api_pb2, "google/protobuf/api.proto"),
        (type_pb2, "google/protobuf/type.proto"),
    ):
        assert module.DESCRIPTOR.serialized_pb in content(archive, ".rosettar/schemas/00000001.binpb"), name


def test_types_by_class_descriptor_set_and_proto_file(tmp_path):
    proto = tmp_path / "trip.proto"
    proto.write_text(
        'syntax = "proto3"; package t; import "google/protobuf/timestamp.proto";'
        'import "google/protobuf/duration.proto";'
        "enum Kind { NONE = 0; BIG = 1; }"
        "message Trip { string name = 1; bytes raw = 2; Kind kind = 3; google.protobuf.Timestamp at = 4;"
        " google.protobuf.Duration took = 5; double far = 6; map<bool, int64> seen = 7; repeated Trip next = 8; }"
    )
    at = datetime.datetime(2026, 11, 23, 10, 0, 0, 250_000, tzinfo=datetime.UTC)

    def write(w):
        w.stream("trips", ("t.Trip", proto)).append(
            {
                "name": "x",
                "raw": b"\0\xff",
                "kind": "BIG",
                "at": at,
                "took": datetime.timedelta(seconds=-1.5),
                "far": float("inf"),
                "seen": {True: 5},
                "next": [{"name": "y"}],
            }
        )
        w.stream("descriptor", timestamp_pb2.Timestamp.DESCRIPTOR).append_raw(
            timestamp_pb2.Timestamp(seconds=7).SerializeToString()
        )

    archive = written(write)
    from google.protobuf import descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    for number in (1, 2):
        name = f".rosettar/schemas/{number:08}.binpb"
        if name in tar_of(archive) and b"trip.proto" in content(archive, name):
            for file in descriptor_pb2.FileDescriptorSet.FromString(content(archive, name)).file:
                pool.Add(file)
    trip = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Trip")).FromString(
        records(archive, "trips")[0]
    )
    assert (trip.name, trip.raw, trip.kind, trip.far) == (
        "x",
        b"\0\xff",
        1,
        float("inf"),
    )
    assert (trip.at.seconds, trip.at.nanos) == (int(at.timestamp()), 250_000_000)
    assert (trip.took.seconds, trip.took.nanos) == (-1, -500_000_000)
    assert dict(trip.seen) == {True: 5} and trip.next[0].name == "y"
    assert timestamp_pb2.Timestamp.FromString(records(archive, "descriptor")[0]).seconds == 7


def test_what_does_not_fit_a_stream_is_refused():
    def write(w):
        s = w.stream("s", timestamp_pb2.Timestamp)
        with pytest.raises(
            rosettar.UsageError,
            match=r"google.protobuf.Method.*expected google.protobuf.Timestamp",
        ):
            s.append(api_pb2.Method())
        with pytest.raises(rosettar.SchemaError) as caught:
            s.append_raw(b"\x08")
        assert caught.value.code == "record.decode"
        with pytest.raises(rosettar.SchemaError):
            w.stream("m", api_pb2.Method).append({"nmae": "x"})
        with pytest.raises(TypeError, match="append_raw"):
            s.append(b"bytes")
        with pytest.raises(rosettar.UsageError, match="no type yet"):
            w.stream("other").append({"a": 1})
        with pytest.raises(rosettar.UsageError, match="'other' has no type"):
            w.finish()
        w.stream("other", api_pb2.Api)

    assert records(written(write), "s") == []


def test_trees(tmp_path):
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "src" / "a.py").write_text("a")
    (tree / "src" / "b.pyc").write_text("b")
    os.symlink("/etc/passwd", tree / "out")
    with pytest.raises(rosettar.PolicyError) as caught:
        rosettar.pack(tree, tmp_path / "x.rtar")
    assert caught.value.entry == "out" and "--" not in caught.value.message
    summary = rosettar.pack(tree, tree / "x.rtar", exclude=["*.pyc"], links="skip", attributes={"k": "v"})
    assert [(note.path, note.kind) for note in summary.notes] == [("out", "skipped")]
    assert set(tar_of((tree / "x.rtar").read_bytes())) >= {"src", "src/a.py"}
    assert not any("b.pyc" in name or "x.rtar" in name for name in tar_of((tree / "x.rtar").read_bytes()))
    out = io.BytesIO()
    with rosettar.create(out) as w:
        w.add_tree(tree / "src", prefix="lib/python")
    assert content(out.getvalue(), "lib/python/a.py") == b"a"
    with (
        pytest.raises(rosettar.UsageError, match="expected one of"),
        rosettar.create(io.BytesIO()) as w,
    ):
        w.add_tree(tree, links="maybe")


def test_append_continues_an_archive(tmp_path):
    path = tmp_path / "a.rtar"
    with rosettar.create(path) as w:
        w.add_bytes("a", b"1")
        w.stream("s").append(timestamp_pb2.Timestamp(seconds=1))
    with rosettar.append(path) as w:
        w.add_bytes("b", b"2")
        w.stream("s").append(timestamp_pb2.Timestamp(seconds=2))
    archive = path.read_bytes()
    assert content(archive, "a") == b"1" and content(archive, "b") == b"2"
    assert [timestamp_pb2.Timestamp.FromString(r).seconds for r in records(archive, "s")] == [1, 2]


def test_an_error_of_the_file_object_comes_back():
    class Full(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            raise ValueError("disk is on fire")

    with (
        pytest.raises(rosettar.IoError, match="on fire") as caught,
        rosettar.create(Full()) as w,
    ):
        w.add_bytes("x", b"1")
    assert isinstance(caught.value, OSError)


def test_annotations_and_flush(tmp_path):
    path = tmp_path / "a.rtar"
    with rosettar.create(
        path,
        flush_every=1 << 20,
        created=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    ) as w:
        w.annotate(timestamp_pb2.Timestamp(seconds=5))
        w.add_bytes("x", b"1")
        w.flush()
        assert Path(f"{path}.partial").exists()
    assert path.exists() and not Path(f"{path}.partial").exists()


def test_progress_and_its_exceptions(tmp_path):
    (tmp_path / "t").mkdir()
    for number in range(4):
        (tmp_path / "t" / f"{number}").write_bytes(os.urandom(8 << 20))
    seen = []
    rosettar.pack(
        tmp_path / "t",
        tmp_path / "a.rtar",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen and max(total for _, total in seen) == 32 << 20

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rosettar.pack(tmp_path / "t", tmp_path / "b.rtar", progress=stop)
    assert sorted(os.listdir(tmp_path)) == ["a.rtar", "t"]


def test_threads_share_a_writer():
    def write(w):
        s = w.stream("s", timestamp_pb2.Timestamp)

        def work(number):
            for n in range(50):
                w.add_bytes(f"{number}/{n}", b"x" * 1000)
                s.append(timestamp_pb2.Timestamp(seconds=n))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    archive = written(write)
    assert len(records(archive, "s")) == 400
    assert sum(name.endswith("/7") for name in tar_of(archive)) == 8


def test_tables_of_several_libraries():
    table = pa.table({"day": pa.array([1, 2, 3], pa.int16()), "text": ["x", None, "z"]})

    def write(w):
        w.write_table("arrow", table)
        w.write_table("arrow", table)
        w.write_table("polars", pl.DataFrame(table))
        w.write_table("pandas", pd.DataFrame({"a": [1.5, 2.5]}))
        with pytest.raises(rosettar.Error, match="arrow"):
            w.write_table("arrow", pa.table({"other": [1]}))
        with pytest.raises(TypeError, match="__arrow_c_stream__"):
            w.write_table("x", [1, 2])

    archive = written(write)
    assert [len(records(archive, name)) for name in ("arrow", "polars", "pandas")] == [6, 3, 2]


def test_limits_are_named():
    with (
        pytest.raises(rosettar.LimitError, match="entries"),
        rosettar.create(io.BytesIO(), limits={"entries": 3}) as w,
    ):
        for n in range(5):
            w.add_bytes(str(n), b"")
    with pytest.raises(rosettar.UsageError, match="no limit is called"):
        rosettar.create(io.BytesIO(), limits={"entires": 3})
