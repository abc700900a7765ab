# SPDX-License-Identifier: Apache-2.0
"""Writing archives: :func:`create`, :func:`append`, :func:`pack`, and the writer that they return."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from rosettar import _native
from rosettar._errors import UsageError
from rosettar._limits import Limits, limit_pairs, whole
from rosettar._progress import Progress, telling
from rosettar._records import StreamWriter, descriptor_closure, message_descriptor, record_type, usage
from rosettar._times import Time, time_parts

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Note", "StreamWriter", "Summary", "Writer", "append", "create", "pack"]


def create(
    target: str | os.PathLike[str] | BinaryIO,
    *,
    level: int = 3,
    threads: int | None = None,
    exclusive: bool = False,
    producer: str | None = None,
    created: Time = None,
    limits: Limits = None,
    flush_every: int | None = None,
    chunk_size: int | None = None,
    progress: Progress = None,
) -> Writer:
    """Begins a new archive, which appears at ``target`` once it is complete.

    Used as a context manager, the writer publishes the archive on success and discards it on an exception; a file that
    was there before is replaced by one rename, or left as it was.

    :param target: a path, or a binary file object that is written from front to back.
    :param level: zstd's compression level, 1 to 22, or below 0 for faster ones.
    :param threads: how many threads compress; as many as there are cores unless stated. The bytes do not depend on it.
    :param exclusive: refuse a path where something is.
    :param producer: what the archive names as the program that made it.
    :param created: when the archive says that it was made; it says nothing unless stated, so that the same input gives
        the same bytes.
    :param limits: bounds by name, such as ``{"entries": "2M"}``; those of readers unless stated.
    :param flush_every: make what was taken durable whenever that many bytes were, in ``NAME.partial``, which
        :func:`rosettar.recover` salvages after a crash.
    :param chunk_size: bytes that are compressed together, 4096 to 8388608.
    :param progress: ``True`` shows a bar, a callable is told ``(bytes done, bytes in all or 0)``.

    >>> import rosettar, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.rtar")
    >>> with rosettar.create(path) as w:
    ...     w.add_bytes("notes/today.txt", b"nothing new")
    ...     w.attributes["project"] = "demo"
    >>> w.summary.files
    1
    """
    return Writer(
        target,
        level=level,
        threads=threads,
        exclusive=exclusive,
        producer=producer,
        created=created,
        limits=limits,
        flush_every=flush_every,
        chunk_size=chunk_size,
        progress=progress,
    )


def append(
    path: str | os.PathLike[str],
    *,
    level: int = 3,
    threads: int | None = None,
    limits: Limits = None,
    chunk_size: int | None = None,
    progress: Progress = None,
) -> Writer:
    """Goes on with the archive at ``path``: returns a writer that holds all of it, and takes more.

    Frames are copied as they are, after their digests were checked. The file is replaced by one rename when the writer
    finishes, unless somebody else changed it meanwhile. A stream that is there already is extended by
    ``w.stream(name, type)`` with the same type, or the first message appended.

    >>> import rosettar, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.rtar")
    >>> with rosettar.create(path) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    >>> with rosettar.append(path) as w:
    ...     w.add_bytes("b.txt", b"beta")
    >>> w.summary.files
    2
    """
    return Writer(
        path,
        level=level,
        threads=threads,
        limits=limits,
        chunk_size=chunk_size,
        progress=progress,
        _extend=True,
    )


def pack(
    directory: str | os.PathLike[str],
    target: str | os.PathLike[str] | BinaryIO,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    links: Literal["refuse", "skip", "keep"] = "refuse",
    names: Literal["any", "portable"] = "any",
    unsupported: Literal["refuse", "skip"] = "refuse",
    attributes: Mapping[str, str] | None = None,
    **options: Any,
) -> Summary:
    """Makes an archive of everything below ``directory``, and returns its :class:`Summary`.

    The options are those of :meth:`Writer.add_tree` and of :func:`create`. What was left out or changed on the way is
    in the summary's ``notes``.

    >>> import rosettar, tempfile, pathlib
    >>> home = pathlib.Path(tempfile.mkdtemp())
    >>> (home / "data").mkdir()
    >>> (home / "data" / "a.txt").write_text("alpha")
    5
    >>> rosettar.pack(home / "data", home / "data.rtar").files
    1
    """
    with create(target, **options) as writer:
        writer.attributes.update(attributes or {})
        notes = writer.add_tree(
            directory,
            include=include,
            exclude=exclude,
            links=links,
            names=names,
            unsupported=unsupported,
        )
        return writer.finish(notes)


class Note:
    """Something about a tree that was packed that its owner should know.

    ``kind`` is ``"skipped"``, ``"mode-bits"`` or ``"unportable"``; ``message`` says it for people, after ``path``.

    >>> import io, pathlib, rosettar, tempfile
    >>> home = pathlib.Path(tempfile.mkdtemp())
    >>> (home / "passwords").symlink_to("/etc/passwd")
    >>> (note,) = rosettar.pack(home, io.BytesIO(), links="skip").notes
    >>> note.path, note.kind
    ('passwords', 'skipped')
    """

    __slots__ = ("kind", "message", "path")

    def __init__(self, path: str, kind: str, message: str) -> None:
        self.path, self.kind, self.message = path, kind, message

    def __repr__(self) -> str:
        return f"<Note {self.path!r} {self.message}>"


class Summary:
    """What a writer made.

    ``root_digest`` commits to every byte of the archive, ``content_digest`` to everything inside, however it is stored;
    both are SHA-256 as hexadecimal digits. ``size`` is in bytes. ``streams`` maps the name of each stream to its
    ``type``, ``records``, ``size`` and ``digest``. ``files``, ``directories``, ``links``, ``records``, ``file_bytes``
    and ``tar_bytes`` are totals. ``notes`` are those of :func:`pack`.

    >>> import io, rosettar
    >>> with rosettar.create(io.BytesIO()) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    >>> w.summary.files, w.summary.file_bytes, w.summary.content_digest[:8]
    (1, 5, 'bdb181e2')
    """

    root_digest: str
    content_digest: str
    size: int
    files: int
    directories: int
    links: int
    records: int
    file_bytes: int
    tar_bytes: int
    streams: dict[str, dict[str, Any]]
    notes: list[Note]

    def __init__(self, values: Mapping[str, Any], notes: Iterable[Note] = ()) -> None:
        self.__dict__.update(values, notes=list(notes))

    def __repr__(self) -> str:
        return (
            f"<Summary {self.size} bytes, {self.files} files, {self.records} records in {len(self.streams)} streams, "
            f"root digest {self.root_digest}>"
        )


class Writer:
    """Writes an archive; made by :func:`create` and :func:`append`.

    A context manager: :meth:`finish` is called at the end of the block, or :meth:`discard` after an exception. A call
    that refuses its input leaves the writer as it was. Methods may be called from several threads.

    >>> import io, pyarrow, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("notes/today.txt", b"nothing new")
    ...     w.add_link("latest", "notes/today.txt")
    ...     w.write_table("prices", pyarrow.table({"day": [1, 2], "price": [9.5, None]}))
    ...     w.attributes["project"] = "demo"
    >>> archive = rosettar.open(file)
    >>> sorted(archive), list(archive.streams["prices"])
    (['latest', 'notes/today.txt'], [{'day': 1, 'price': 9.5}, {'day': 2, 'price': None}])
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        level: int = 3,
        threads: int | None = None,
        exclusive: bool = False,
        producer: str | None = None,
        created: Time = None,
        limits: Limits = None,
        flush_every: int | None = None,
        chunk_size: int | None = None,
        progress: Progress = None,
        _extend: bool = False,
    ) -> None:
        path, file = _target(target)
        if producer is not None and not isinstance(producer, str):
            raise TypeError(f"producer: expected text, found {producer!r}")
        self._target = "<file object>" if path is None else os.fspath(path)
        self._telling = telling(progress, f"writing {os.path.basename(self._target)}")
        settings = {
            "level": whole("level", level, -(1 << 17), 22),
            "threads": whole("threads", threads),
            "chunk_size": whole("chunk_size", chunk_size),
            "exclusive": exclusive,
            "extend": _extend,
            "producer": producer,
            "created": time_parts(created),
            "limits": limit_pairs(limits),
            "flush_every": whole("flush_every", flush_every),
        }
        tell = self._telling.__enter__()
        try:
            self._raw = _native.RawWriter(path, file, settings, tell)
        except BaseException:
            self._telling.__exit__()
            raise
        self._streams: dict[str, StreamWriter] = {}
        self._lock = threading.Lock()
        #: Facts as text: ``w.attributes["key"] = "value"``. A key can be set once.
        self.attributes = _Attributes(self)
        #: What was made, once :meth:`finish` was called.
        self.summary: Summary | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
        elif not self.closed:
            self.finish()

    def __repr__(self) -> str:
        try:
            state = ", closed" if self.closed else ""
        except UsageError:
            state = ", of another process"
        return f"<Writer {self._target!r}{state}>"

    @property
    def closed(self) -> bool:
        """Whether the archive was finished or discarded."""
        return bool(self._raw.closed)

    def add_bytes(self, path: str, data: Any, *, mode: int | None = None, mtime: Time = None) -> None:
        """Adds a file whose content is at hand: ``bytes``, or anything with the buffer protocol.

        Without ``mode`` and ``mtime`` it is 0o644, last modified at the beginning of 1970, so that the same content
        gives the same archive.

        >>> import datetime, io, rosettar
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     at = datetime.datetime(2026, 11, 23, 10, tzinfo=datetime.UTC)
        ...     w.add_bytes("run.sh", b"#!/bin/sh", mode=0o755, mtime=at)
        """
        self._raw.add_bytes(path, data, mode, time_parts(mtime))

    def add_file(
        self,
        path: str,
        source: str | os.PathLike[str] | BinaryIO | None = None,
        *,
        mode: int | None = None,
        mtime: Time = None,
    ) -> None:
        """Adds a file from ``source``: a path (``path`` itself unless stated), or a binary file object, read to its
        end.

        Of a path, mode and time are those of the file unless stated; a file that changes while it is read is refused.

        >>> import rosettar, io
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     w.add_file("a.txt", io.BytesIO(b"alpha"))
        """
        if source is None:
            source = path
        if isinstance(source, str | os.PathLike):
            self._raw.add_file(path, os.fsdecode(source), mode, time_parts(mtime))
        elif hasattr(source, "read"):
            self._raw.add_reader(path, source, mode, time_parts(mtime))
        else:
            raise TypeError(f"source: expected a path or a binary file object, found {type(source).__name__}")

    def add_tree(
        self,
        directory: str | os.PathLike[str],
        *,
        prefix: str | None = None,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        links: Literal["refuse", "skip", "keep"] = "refuse",
        names: Literal["any", "portable"] = "any",
        unsupported: Literal["refuse", "skip"] = "refuse",
    ) -> list[Note]:
        """Adds everything below ``directory``, and returns what there is to tell of it.

        :param prefix: a path in the archive to put it below.
        :param include: globs such as ``"*.txt"`` or ``"src/**"``; only what matches one is taken.
        :param exclude: globs of what is left out; they win. An empty glob is refused.
        :param links: what is done about symbolic links that lead out of the tree.
        :param names: ``"portable"`` refuses names that Windows cannot hold.
        :param unsupported: what is done about devices, sockets and names that are no text.

        >>> import io, pathlib, rosettar, tempfile
        >>> home = pathlib.Path(tempfile.mkdtemp())
        >>> (home / "a.txt").write_text("alpha"), (home / "b.tmp").write_text("")
        (5, 0)
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     w.add_tree(home, prefix="reports", exclude=["*.tmp"])
        []
        >>> w.summary.files
        1
        """
        found = self._raw.add_tree(
            os.fsdecode(directory),
            _texts(include),
            _texts(exclude),
            links,
            names,
            unsupported,
            prefix,
        )
        return [Note(*note) for note in found]

    def add_directory(self, path: str, *, mode: int | None = None, mtime: Time = None) -> None:
        """Adds a directory. One that only holds other entries need not be added.

        >>> import io, rosettar
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     w.add_directory("empty", mode=0o700)
        """
        self._raw.add_directory(path, mode, time_parts(mtime))

    def add_link(self, path: str, target: str, *, mtime: Time = None) -> None:
        """Adds a symbolic link at ``path`` that leads to ``target``, relative to the directory that it is in.

        >>> import io, rosettar
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     w.add_bytes("data/2026.csv", b"")
        ...     w.add_link("data/latest.csv", "2026.csv")
        """
        self._raw.add_link(path, target, time_parts(mtime))

    def attribute(self, key: str, value: str) -> None:
        """Sets an attribute, a fact as text; the same as ``w.attributes[key] = value``.

        >>> import io, rosettar
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.attribute("project", "demo")
        >>> rosettar.open(file).attributes
        {'project': 'demo'}
        """
        self._raw.attribute(key, value)

    def annotate(self, message: Any) -> None:
        """Adds a protobuf message as a typed fact; the descriptors of its type come along.

        >>> import io, rosettar
        >>> from google.protobuf.timestamp_pb2 import Timestamp
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.annotate(Timestamp(seconds=5))
        >>> str(rosettar.open(file).annotations[0].value)
        '1970-01-01 00:00:05+00:00'
        """
        descriptor = message_descriptor(message)
        url = f"type.googleapis.com/{descriptor.full_name}"
        self._raw.annotate(url, message.SerializeToString(deterministic=True), descriptor_closure(descriptor))

    def stream(self, name: str, type: Any = None, *, version: int = 0) -> StreamWriter:
        """The stream called ``name``: a new one, or the one that was asked for before.

        :param type: the type of its records. Without it, the first message appended tells. A message class or
            descriptor of the ``protobuf`` package; a pair of type name and serialized ``FileDescriptorSet``; or a
            pair of type name and the path of a ``.proto`` file, which is compiled.
        :param version: the application's own version of the type.

        >>> import rosettar, io
        >>> from google.protobuf.timestamp_pb2 import Timestamp
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     s = w.stream("moments")
        ...     s.append(Timestamp(seconds=5))
        ...     s.extend(Timestamp(seconds=n) for n in range(10))
        >>> w.summary.streams["moments"]["records"]
        11
        """
        stated = None if type is None else record_type(type)
        with self._lock:
            found = self._streams.get(name) or StreamWriter(self, name, whole("version", version, 0, (1 << 32) - 1))
            if stated is not None:
                found._declare(*stated)
            # One that was refused is not waited for at the end.
            self._streams[name] = found
        return found

    def write_table(self, name: str, table: Any) -> None:
        """Writes a table into the stream called ``name``: anything with ``__arrow_c_stream__``, such as a table of
        pyarrow, a DataFrame of polars or pandas.

        A protobuf schema is derived from the table's, and keeps its types, so that reading the stream gives the same
        table. Further tables of the same schema go on where the last one ended.

        >>> import rosettar, io, pyarrow as pa
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     w.write_table("prices", pa.table({"day": [1, 2], "price": [9.5, None]}))
        >>> w.summary.streams["prices"]["records"]
        2
        """
        self._raw.write_table(name, table)

    def flush(self) -> None:
        """Writes everything taken so far and makes it durable; see ``flush_every`` of :func:`create`.

        >>> import os, rosettar, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "log.rtar")
        >>> with rosettar.create(path, flush_every=1 << 20) as w:
        ...     w.add_bytes("a.txt", b"alpha")
        ...     w.flush()
        ...     os.listdir(os.path.dirname(path))
        ['log.rtar.partial']
        """
        self._raw.flush()

    def finish(self, notes: Iterable[Note] = ()) -> Summary:
        """Completes and publishes the archive, and returns what was made.

        >>> import io, rosettar
        >>> w = rosettar.create(io.BytesIO())
        >>> w.add_bytes("a.txt", b"alpha")
        >>> w.finish().files
        1
        """
        undeclared = [name for name, stream in self._streams.items() if not stream._declared]
        if undeclared:
            raise usage(
                f"stream {undeclared[0]!r} has no type: append a message to it, or state its type in stream(name, type)"
            )
        try:
            self.summary = Summary(self._raw.finish(), notes)
        finally:
            self._telling.__exit__()
        return self.summary

    def discard(self) -> None:
        """Discards what was written; a file that was there before stays as it is. A forked process discards nothing.

        >>> import os, rosettar, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a.rtar")
        >>> w = rosettar.create(path)
        >>> w.add_bytes("a.txt", b"alpha")
        >>> w.discard()
        >>> w.closed, os.path.exists(path)
        (True, False)
        """
        self._raw.discard()
        self._telling.__exit__()


class _Attributes:
    """The attributes of a writer, to be set like those of a dictionary."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __setitem__(self, key: str, value: str) -> None:
        self._writer.attribute(key, value)

    def update(self, values: Mapping[str, str]) -> None:
        """Sets each of them."""
        for key, value in values.items():
            self[key] = value


def _target(target: Any) -> tuple[str | None, Any]:
    if isinstance(target, str | os.PathLike):
        return os.fsdecode(target), None
    if hasattr(target, "write"):
        return None, target
    raise TypeError(f"expected a path or a binary file object to write to, found {type(target).__name__}")


def _texts(texts: Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)
