# SPDX-License-Identifier: Apache-2.0
"""Reading archives: what `rosettar.open` returns, and what that is made of."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, BinaryIO

from . import _native
from ._errors import Error, IoError, SchemaError, UsageError
from ._times import Timestamp, make_timestamp

Progress = bool | Callable[[int, int], object] | None

_INSTEAD = {
    "namelist": "iterate over the archive, or list(archive)",
    "getnames": "iterate over the archive, or list(archive)",
    "infolist": "archive.entries",
    "getmembers": "archive.entries",
    "getinfo": "archive[path].entry",
    "getmember": "archive[path].entry",
    "extractall": "archive.extract(directory)",
    "extractfile": "archive[path]",
    "open": "archive[path], or archive[path].open_text()",
    "read": "archive[path].read()",
    "testzip": "archive.verify()",
    "write": "rosettar.create(path)",
    "writestr": "rosettar.create(path)",
    "add": "rosettar.create(path)",
}


def open(  # noqa: A001
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO,
    *,
    limits: Mapping[str, int | str] | None = None,
    threads: int | None = None,
) -> Archive:
    """Open an archive: a path, bytes, or a binary file object that seeks.

    `limits` sets limits by name, such as `{"decoded-bytes": "64G"}`. `threads` says how many threads decode; as many as
    there are cores unless set. Nothing but the index is read until it is asked for, and all is proven before it is
    handed out. A file object must not be used otherwise meanwhile.
    """
    pairs = [(name, str(value)) for name, value in (limits or {}).items()]
    if isinstance(source, str | os.PathLike):
        path = os.path.abspath(os.fspath(source))
        native = _native.Archive.open_path(path, pairs, threads)
        return Archive(native, ("path", path, pairs, threads))
    if not isinstance(source, bytes):
        try:
            source = bytes(memoryview(source))  # type: ignore[arg-type]
        except TypeError:
            pass
    if isinstance(source, bytes):
        return Archive(_native.Archive.open_bytes(source, pairs, threads), ("bytes", source, pairs, threads))
    if not (hasattr(source, "read") and hasattr(source, "seek")):
        found = type(source).__name__
        raise TypeError(f"open() takes a path, bytes or a binary file object that seeks, not {found}")
    if isinstance(source, io.TextIOBase):
        raise TypeError("open() takes a file object opened in binary mode: open(path, 'rb')")
    return Archive(_native.Archive.open_file(source, pairs, threads), ("file", None, pairs, threads))


@dataclass(frozen=True, slots=True)
class Entry:
    """What an archive says of a file, directory or symbolic link."""

    path: str
    kind: str
    """`"file"`, `"directory"` or `"symlink"`."""
    size: int
    mode: int
    mtime: Timestamp | dict[str, int]
    target: str | None
    """Where a symbolic link leads."""
    digest: str | None
    """The SHA-256 of the content of a file."""

    @classmethod
    def _make(cls, parts: tuple[Any, ...]) -> Entry:
        path, kind, size, mode, seconds, nanos, target, digest = parts
        return cls(path, kind, size, mode, make_timestamp(seconds, nanos), target, digest)


class EntryFile(io.RawIOBase):
    """The content of an entry, as a binary file object that seeks."""

    def __init__(self, archive: Archive, entry: Entry) -> None:
        self._archive = archive
        self._reader: Any = None
        self.entry = entry
        self.name = entry.path
        self.mode = "rb"

    def _open(self) -> Any:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self._reader is None:
            self._reader = self._archive._native.open_entry(self.entry.path)
        return self._reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes, and fewer only at the end; all that are left unless `size` is given."""
        return self._open().read(-1 if size is None else size)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        piece = self._open().read(min(len(view), 1 << 20))
        view[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._open().seek(offset, whence)

    def tell(self) -> int:
        return self.seek(0, 1)

    def open_text(
        self, encoding: str = "utf-8", errors: str | None = None, newline: str | None = None
    ) -> io.TextIOWrapper:
        """The content as text, from its beginning."""
        raw = EntryFile(self._archive, self.entry)
        return io.TextIOWrapper(io.BufferedReader(raw), encoding=encoding, errors=errors, newline=newline)

    def __repr__(self) -> str:
        return f"<rosettar.EntryFile {self.entry.path!r}, {self.entry.kind}, {self.entry.size} bytes>"


class Entries(Sequence[Entry]):
    """The entries of an archive, in its order; also an Arrow table: `pyarrow.table(archive.entries)`."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __len__(self) -> int:
        return self._archive.info()["entries"]

    def _from(self, start: int) -> Iterator[Entry]:
        native = self._archive._native.entries(start)
        while some := native.next_entries(1024):
            yield from map(Entry._make, some)

    def __iter__(self) -> Iterator[Entry]:
        return self._from(0)

    def __getitem__(self, index: Any) -> Any:
        count = len(self)
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(count))]
        at = index + count if index < 0 else index
        if not 0 <= at < count:
            raise IndexError(f"entry {index}: the archive has {count}")
        return Entry._make(self._archive._native.entries(at).next_entries(1)[0])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._archive._native.entries_arrow()

    def __repr__(self) -> str:
        return f"<rosettar.Entries: {len(self)} of {self._archive._label()}>"

    def _repr_html_(self) -> str:
        rows = []
        for entry, _ in zip(self, range(_SHOWN)):
            rows.append((entry.path, entry.kind, entry.size, f"{entry.mode:o}", entry.mtime))
        return _table(repr(self), ("path", "kind", "size", "mode", "mtime"), rows, len(self))


class Schema:
    """A protobuf schema of an archive; `str()` gives it as `.proto` text."""

    def __init__(self, archive: Archive, number: int, type_name: str | None = None) -> None:
        self._archive = archive
        self.number = number
        self.type_name = type_name
        """The full name of the record type, where it is the schema of a stream."""

    @property
    def descriptor_set(self) -> bytes:
        """The serialized `google.protobuf.FileDescriptorSet`, as it is stored."""
        return self._archive._native.descriptor_set(self.number)

    def proto(self) -> dict[str, str]:
        """The text of each file, by the name that imports have for it."""
        return dict(self._archive._native.proto_files(self.number))

    def __str__(self) -> str:
        files = [(name, text) for name, text in self.proto().items() if not name.startswith("google/protobuf/")]
        return "\n".join(f"// {name}\n{text}" for name, text in files)

    def __repr__(self) -> str:
        of = f" of {self.type_name}" if self.type_name else ""
        return f"<rosettar.Schema {self.number}{of}>"


@dataclass(frozen=True, slots=True)
class Annotation:
    """A typed fact about an archive."""

    type_url: str
    value: Any
    """The message as a dict; None where the archive has no schema for it."""
    raw: bytes

    @property
    def type_name(self) -> str:
        """The full name of the message type."""
        return self.type_url.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verifying found."""

    problems: list[Error]
    more_problems: int
    damaged: list[str]
    proven: list[str]
    unproven: list[str]
    stored_bytes: int
    decoded_bytes: int
    entries: int
    records: int
    records_decoded: int

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What was extracted."""

    files: int
    directories: int
    symlinks: int
    bytes: int
    skipped: list[str]
    stripped: int
    kept: list[str]
    replaced: int
    left_behind: list[os.PathLike[str]]


class Stream:
    """Records of one type, or a part of them: rows `start` to before `stop`, and the columns chosen."""

    def __init__(
        self, archive: Archive, name: str, rows: range, columns: tuple[str, ...] = (), options: Any = None
    ) -> None:
        self._archive = archive
        self._native = archive._native.stream(name)
        self._rows = rows
        self._columns = columns
        self._options: dict[str, Any] = dict(options or {})
        self.name = name

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._native.records(self._rows.start, self._rows.stop, False, list(self._columns))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            if index.step not in (None, 1):
                raise ValueError("a stream is sliced without a step: stream[start:stop]")
            rows = self._rows[index]
            return self._with(rows=rows if len(rows) else range(rows.start, rows.start))
        try:
            at = self._rows[index]
        except IndexError:
            raise IndexError(f"record {index}: the stream has {len(self)}") from None
        return next(self._native.records(at, at + 1, False, list(self._columns)))

    def _with(self, **changes: Any) -> Stream:
        parts = {"rows": self._rows, "columns": self._columns, "options": self._options, **changes}
        return Stream(self._archive, self.name, **parts)

    def rows(self, start: int, stop: int) -> Stream:
        """The rows from `start` to before `stop`; nothing before them is decoded."""
        return self[start:stop]

    def select(self, *columns: str) -> Stream:
        """Only these columns; `"a.b"` is field `b` of message `a`."""
        return self._with(columns=columns)

    def with_options(self, **options: Any) -> Stream:
        """The stream with options for Arrow: `enums="names"|"numbers"`, `errors="raise"|"null"`,
        `timestamps="s"|"ms"|"us"|"ns"`, `recursion`, `cut="json"|"binary"`, `defaults`, `batch_rows`, `batch_bytes`,
        `threads`.
        """
        stream = self._with(options={**self._options, **options})
        stream.__arrow_c_schema__()
        return stream

    def messages(self, *, protobuf: bool = False) -> Iterator[Any]:
        """The records as dicts, or as messages of the package `protobuf`, whose classes are made from the archive."""
        if not protobuf:
            return iter(self)
        return map(self._message_class().FromString, self.raw())

    def _message_class(self) -> Any:
        try:
            from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
        except ImportError:
            raise ImportError("messages(protobuf=True) needs the package protobuf: pip install rosettar[protobuf]") from None
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(self._native.descriptor_set()).file:
            try:
                pool.AddSerializedFile(file.SerializeToString())
            except TypeError as error:
                raise SchemaError(f"the package protobuf refuses {file.name}: {error}", code="schema.descriptor") from None
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(self.type_name))

    def raw(self) -> Iterator[bytes]:
        """The records as they are stored: serialized protobuf messages."""
        return self._native.records(self._rows.start, self._rows.stop, True, [])

    @property
    def type_name(self) -> str:
        """The full name of the record type."""
        return self._native.info()["type_name"]

    @property
    def schema(self) -> Schema:
        """The schema that the records are decoded by; prints as `.proto`."""
        info = self._native.info()
        return Schema(self._archive, info["schema"], info["type_name"])

    def __arrow_c_schema__(self) -> object:
        return self._native.arrow_schema(list(self._columns), self._options)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._native.arrow_stream(self._rows.start, self._rows.stop, list(self._columns), self._options)

    def __reduce__(self) -> Any:
        bounds = (self._rows.start, self._rows.stop)
        return _restore_stream, (self._archive, self.name, *bounds, self._columns, self._options)

    def __repr__(self) -> str:
        columns = f", columns {', '.join(self._columns)}" if self._columns else ""
        return f"<rosettar.Stream {self.name!r}: {len(self)} records of {self.type_name}{columns}>"

    def _repr_html_(self) -> str:
        names = list(self._columns) or self._native.columns()
        rows = []
        for record in self[:_SHOWN]:
            if isinstance(record, dict):
                cells = [_at(record, name) for name in names]
            else:
                names, cells = ["value"], [record]
            rows.append(cells)
        return _table(repr(self), names, rows, len(self))


class Streams(Mapping[str, Stream]):
    """The streams of an archive by name."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __getitem__(self, name: str) -> Stream:
        native = self._archive._native.stream(name)
        return Stream(self._archive, name, range(native.info()["records"]))

    def __contains__(self, name: object) -> bool:
        return name in self._archive.info()["streams"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.info()["streams"])

    def __len__(self) -> int:
        return len(self._archive.info()["streams"])

    def __repr__(self) -> str:
        return f"<rosettar.Streams: {', '.join(self) or 'none'}>"


class Archive(Mapping[str, EntryFile]):
    """An open archive: a mapping from paths to the files there, and what else it holds. Closed by `with` or `close()`."""

    def __init__(self, native: Any, origin: tuple[Any, ...]) -> None:
        self._native = native
        self._origin = origin

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; whatever came from it is of no use any more."""
        self._native.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._native.closed

    def __getitem__(self, path: str) -> EntryFile:
        return EntryFile(self, Entry._make(self._native.entry(path)))

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str):
            return False
        try:
            self._native.entry(path)
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return (entry.path for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return True

    @property
    def entries(self) -> Entries:
        """The entries, in the order of the archive; an Arrow table, too."""
        return Entries(self)

    @property
    def streams(self) -> Streams:
        """The streams by name."""
        return Streams(self)

    @property
    def attributes(self) -> dict[str, str]:
        """Facts as text."""
        return self.info()["attributes"]

    @property
    def annotations(self) -> list[Annotation]:
        """Typed facts."""
        found = []
        for url, raw in self._native.annotations():
            found.append(Annotation(url, self._native.decode(url.rsplit("/", 1)[-1], raw), raw))
        return found

    @property
    def schemas(self) -> list[Schema]:
        """The schemas; the first is that of the format itself."""
        return [Schema(self, number) for number in range(self.info()["schemas"])]

    def info(self) -> dict[str, Any]:
        """What the archive says of itself: digests, counts, streams."""
        return self._native.info()

    def verify(self, *, records: bool = False, errors: str = "raise", progress: Progress = None) -> VerifyReport:
        """Check every rule of the format and every digest; with `records`, also that every record decodes.

        What is wrong is raised, the first problem with the whole report as its `report`; with `errors="report"` it is
        only in the report that is returned.
        """
        if errors not in ("raise", "report"):
            raise UsageError(f"errors: expected 'raise' or 'report', found {errors!r}", code="usage.option")
        with _telling(progress, "verify") as tell:
            report = VerifyReport(**self._native.verify(records=records, progress=tell))
        if errors == "raise" and report.problems:
            problem = report.problems[0]
            problem.report = report  # type: ignore[attr-defined]
            more = len(report.problems) - 1 + report.more_problems
            if more:
                problem.add_note(f"and {more} more problems: see .report")
            raise problem
        return report

    def extract(
        self,
        directory: str | os.PathLike[str],
        *,
        patterns: Iterable[str] = (),
        exclude: Iterable[str] = (),
        links: str = "refuse",
        modes: str = "umask",
        sync: bool = False,
        merge: str | None = None,
        names: str = "any",
        strip_components: int = 0,
        progress: Progress = None,
    ) -> ExtractReport:
        """Extract to a directory that is absent or empty: all of it appears, proven, or nothing.

        `patterns` and `exclude` are globs. `links` says what becomes of links that lead outside: `"refuse"`, `"skip"`,
        `"keep"`. `modes="exact"` does not honour the umask. `merge` lets the directory hold other things, and says what
        becomes of files in the way: `"refuse"`, `"never"`, `"newer"`, `"always"`. `names="portable"` refuses names that
        other systems cannot hold. `sync` puts everything on the disk before it appears.
        """
        with _telling(progress, "extract") as tell:
            return ExtractReport(
                **self._native.extract(
                    os.fspath(directory),
                    patterns=_patterns(patterns),
                    exclude=_patterns(exclude),
                    links=links,
                    modes=modes,
                    sync=sync,
                    merge=merge,
                    names=names,
                    strip_components=strip_components,
                    progress=tell,
                )
            )

    def __getattr__(self, name: str) -> Any:
        instead = _INSTEAD.get(name)
        hint = f"; use {instead}" if instead else ""
        raise AttributeError(f"a rosettar.Archive has no {name!r}{hint}", name=name, obj=None if instead else self)

    def __reduce__(self) -> Any:
        how, source, limits, threads = self._origin
        if how == "file":
            raise TypeError("an archive opened from a file object cannot be pickled: open it from a path or from bytes")
        return _reopen, (source, limits, threads, self.info()["root_digest"])

    def _label(self) -> str:
        how, source, *_ = self._origin
        return repr(source) if how == "path" else f"an archive from {'bytes' if how == 'bytes' else 'a file object'}"

    def __repr__(self) -> str:
        if self.closed:
            return f"<rosettar.Archive {self._label()}, closed>"
        info = self.info()
        return f"<rosettar.Archive {self._label()}: {info['entries']} entries, {len(info['streams'])} streams>"

    def _repr_html_(self) -> str:
        if self.closed:
            return f"<p>{_show(repr(self))}</p>"
        rows = [(name, one["type_name"], one["records"]) for name, one in self.info()["streams"].items()]
        streams = _table("streams", ("name", "type", "records"), rows, len(rows)) if rows else ""
        return f"<p>{_show(repr(self))}</p>{streams}{self.entries._repr_html_()}"


def diff(
    old: Archive,
    new: Archive,
    *,
    times: bool = True,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    progress: Progress = None,
) -> dict[str, Any]:
    """What differs between two archives; `["same"]` says whether anything does.

    Under `entries`, `streams`, `schemas`, `attributes` and `annotations` stands a list of dicts, each with `change`
    (`"added"`, `"removed"` or `"changed"`), `old` and `new`.
    """
    with _telling(progress, "diff") as tell:
        found = old._native.diff(
            new._native, times=times, include=_patterns(include), exclude=_patterns(exclude), progress=tell
        )
    for one in found["entries"]:
        for side in ("old", "new"):
            one[side] = Entry._make(one[side]) if one[side] is not None else None
    return found


def _patterns(patterns: Iterable[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else list(patterns)


def _reopen(source: Any, limits: list[tuple[str, str]], threads: int | None, digest: str) -> Archive:
    archive = open(source, limits=dict(limits), threads=threads)
    found = archive.info()["root_digest"]
    if found != digest:
        archive.close()
        message = f"the archive is another than when it was pickled: expected root digest {digest}, found {found}"
        raise IoError(message, code="io.source-changed")
    return archive


def _restore_stream(archive: Archive, name: str, start: int, stop: int, columns: Any, options: Any) -> Stream:
    return Stream(archive, name, range(start, stop), columns, options)


_SHOWN = 20


def _at(record: Any, path: str) -> Any:
    if isinstance(record, dict) and path in record:
        return record[path]
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _show(value: object) -> str:
    text = "" if value is None else str(value)
    if len(text) > 100:
        text = text[:99] + "…"
    # What moves or hides text in a browser is shown as a number.
    return escape("".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text))


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[object]], count: int) -> str:
    head = "".join(f"<th>{_show(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_show(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    more = f"<p>… {count - len(rows)} more</p>" if count > len(rows) else ""
    return f"<p>{_show(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


class _telling:
    """Progress as a callable: what was given, or a bar on standard error."""

    def __init__(self, progress: Progress, doing: str) -> None:
        self._progress, self._doing = progress, doing

    def __enter__(self) -> Callable[[int, int], object] | None:
        if self._progress is None or self._progress is False:
            return None
        if callable(self._progress):
            return self._progress
        from ._progress import bar

        return bar(self._doing)

    def __exit__(self, *exception: object) -> None:
        pass
