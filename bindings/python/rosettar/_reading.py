# SPDX-License-Identifier: Apache-2.0
"""Reading archives: what `rosettar.open` returns, and what that is made of."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from rosettar import _native
from rosettar._entries import Entries, Entry, EntryFile, is_text
from rosettar._errors import Error, IoError, NotFoundError, UsageError
from rosettar._limits import Limits, limit_pairs, whole
from rosettar._progress import Progress, telling
from rosettar._show import STREAMS, show, table
from rosettar._streams import Schema, Stream, Streams
from rosettar._writing import Summary

__all__ = [
    "Annotation",
    "Archive",
    "ConvertReport",
    "Entries",
    "Entry",
    "EntryFile",
    "ExtractReport",
    "Loss",
    "RecoverReport",
    "Schema",
    "Stream",
    "Streams",
    "VerifyReport",
    "convert",
    "diff",
    "open",
    "read_header",
    "recover",
]

#: What an archive is read from.
Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

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


def open(
    source: Source,
    *,
    limits: Limits = None,
    threads: int | None = None,
) -> Archive:
    """Open an archive: a path, bytes, or a binary file object that seeks.

    `limits` sets limits by name, such as `{"decoded-bytes": "64G"}`. `threads` says how many threads decode; as many as
    there are cores unless set. Nothing but the index is read until it is asked for, and all is proven before it is
    handed out. A file object must not be used otherwise meanwhile.

    >>> import os, pyarrow, rosettar, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "trips.rtar")
    >>> with rosettar.create(path) as w:
    ...     w.add_bytes("readme.txt", b"Trips of one day.")
    ...     w.write_table("trips", pyarrow.table({"who": ["Ann", "Bo"], "km": [3, 4]}))
    >>> with rosettar.open(path) as archive:
    ...     print(list(archive), list(archive.streams))
    ...     print(archive["readme.txt"].read())
    ...     print(pyarrow.table(archive.streams["trips"])["km"].to_pylist())
    ['readme.txt'] ['trips']
    b'Trips of one day.'
    [3, 4]
    """
    pairs, source = limit_pairs(limits), _source(source, "open")
    how = "path" if isinstance(source, str) else "bytes" if isinstance(source, bytes) else "file"
    native = _native.Archive.open(source, pairs, whole("threads", threads))
    return Archive(native, (how, None if how == "file" else source, pairs, threads))


def _source(source: Any, function: str) -> Any:
    """A path as an absolute one, bytes that nobody changes, or a file object."""
    if isinstance(source, str | os.PathLike):
        return os.path.abspath(os.fsdecode(source))
    if isinstance(source, bytes):
        return source
    try:
        return bytes(memoryview(source))
    except TypeError:
        pass
    if not (hasattr(source, "read") and hasattr(source, "seek")):
        found = type(source).__name__
        raise TypeError(f"{function}() takes a path, bytes or a binary file object that seeks, not {found}")
    if isinstance(source, io.TextIOBase):
        raise TypeError(f"{function}() takes a file object opened in binary mode: open(path, 'rb')")
    return source


@dataclass(frozen=True, slots=True)
class Annotation:
    """A typed fact about an archive: a protobuf message that somebody added to it.

    >>> import io, rosettar
    >>> from google.protobuf.api_pb2 import Method
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.annotate(Method(name="weekly"))
    >>> (fact,) = rosettar.open(file).annotations
    >>> fact.type_name, fact.value["name"]
    ('google.protobuf.Method', 'weekly')
    """

    type_url: str
    """Names the type, as `google.protobuf.Any` does."""
    value: Any
    """The message as a dict; None where the archive has no schema for it."""
    raw: bytes
    """The message as it is stored."""

    @property
    def type_name(self) -> str:
        """The full name of the message type."""
        return self.type_url.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verifying found.

    >>> import io, os, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("a.bin", os.urandom(20_000))
    >>> damaged = bytearray(file.getvalue())
    >>> damaged[-10_000] ^= 1
    >>> report = rosettar.open(damaged).verify(errors="report")
    >>> report.sound, report.damaged, report.problems[0].code
    (False, ['a.bin'], 'frame.digest')
    """

    problems: list[Error]
    """What is wrong, the first of it."""
    more_problems: int
    """How many problems there are besides."""
    damaged: list[str]
    """The paths of entries that are not what they were."""
    proven: list[str]
    """What was proven, as sentences."""
    unproven: list[str]
    """What this format cannot prove, as sentences."""
    stored_bytes: int
    """How large the archive is."""
    decoded_bytes: int
    """How many bytes were decoded."""
    entries: int
    """How many entries there are."""
    records: int
    """How many records the streams have."""
    records_decoded: int
    """How many of them were decoded; none unless that was asked for."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """What was extracted.

    >>> import io, os, rosettar, tempfile
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    ...     w.add_link("outside", "/etc")
    >>> report = rosettar.open(file).extract(os.path.join(tempfile.mkdtemp(), "out"), links="skip")
    >>> report.files, report.bytes, report.skipped
    (1, 5, ['outside'])
    """

    files: int
    """How many files were written."""
    directories: int
    """How many directories."""
    symlinks: int
    """How many symbolic links."""
    bytes: int
    """How many bytes the files have."""
    skipped: list[str]
    """The paths of links that were left out, as `links="skip"` says."""
    stripped: int
    """How many entries had nothing left of their path after `strip_components`."""
    kept: list[str]
    """The paths of files that were there before and stay, as `merge` says."""
    replaced: int
    """How many files took the place of others."""
    left_behind: list[os.PathLike[str]]
    """Directories that an earlier extraction, which ended early, left there."""


@dataclass(frozen=True, slots=True)
class RecoverReport:
    """What `recover` salvaged, and what it could not.

    >>> import io, rosettar
    >>> whole = io.BytesIO()
    >>> with rosettar.create(whole) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    >>> report = rosettar.recover(whole.getvalue()[:-10], io.BytesIO())
    >>> report.is_complete, report.entries, report.losses["damaged"][0]["why"]
    (True, 1, 'the seek table is damaged')
    """

    is_complete: bool
    """Whether nothing of the content was lost."""
    summary: Summary
    """What the new archive is."""
    entries: int
    """How many files, directories and links were salvaged."""
    file_bytes: int
    """How many bytes the files among them have."""
    records: int
    """How many records of streams were salvaged."""
    losses: dict[str, Any]
    """What was lost. `damaged`, `lost_entries`, `lost_records`, `lost_schemas` and `kept_as_files` are lists of dicts,
    `lost_facts` of texts; `more_…` says how many of each are not listed. `unknown_entries` says how many entries are
    lost whose paths are not known, or None where that is not known either; `by_index` whether the archive's index was
    whole, and `chain_end`, where it was not, at what byte the readable part ends; `source_size` how large the file is.
    """


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that the target of a conversion cannot hold."""

    what: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What `convert` made."""

    losses: list[Loss]
    """What was left out."""
    size: int
    files: int
    directories: int
    symlinks: int
    file_bytes: int
    records: int
    copied_bytes: int
    """Bytes of frames that were copied as they are."""


class Archive(Mapping[str, EntryFile]):
    """An open archive: a mapping from paths to the files there, and its streams. Closed by `with` or `close()`.

    >>> import io, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    ...     w.attributes["project"] = "demo"
    >>> with rosettar.open(file) as archive:
    ...     print("a.txt" in archive, archive["a.txt"].read(), archive.attributes, list(archive.streams))
    True b'alpha' {'project': 'demo'} []
    """

    def __init__(self, native: _native.Archive, origin: tuple[Any, ...] = ()) -> None:
        if not isinstance(native, _native.Archive):
            raise TypeError("an archive is opened by rosettar.open(path), and made by rosettar.create(path)")
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
        if isinstance(path, str) and not is_text(path):
            raise NotFoundError(f"no entry has the path {path!r}", code="usage.no-such-entry")
        try:
            return EntryFile(self, Entry._make(self._native.entry(path)))
        except NotFoundError as error:
            if path in self.streams:
                error.add_note(f"archive.streams[{path!r}] is a stream of records")
            raise

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, str) or not is_text(path):
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
        return dict(self.info()["attributes"])

    @property
    def annotations(self) -> list[Annotation]:
        """Typed facts: protobuf messages about the archive."""
        found = []
        for url, raw in self._native.annotations():
            found.append(Annotation(url, self._native.decode(url.rsplit("/", 1)[-1], raw), raw))
        return found

    @property
    def manifest(self) -> Annotation | None:
        """The manifest of a C1Z v3 file, its own or the one that it was converted from: as a dict in `value`, and in
        `raw` as the message `c1.c1z.v3.C1ZManifestV3`, byte for byte. None for an archive without one.
        """
        found = self._native.c1z_manifest()
        if found is None:
            return None
        raw, value = found
        return Annotation("type.googleapis.com/c1.c1z.v3.C1ZManifestV3", value, raw)

    @property
    def schemas(self) -> list[Schema]:
        """The schemas; the first is that of the format itself."""
        return [Schema(self, number) for number in range(self.info()["schemas"])]

    def info(self) -> dict[str, Any]:
        """What the archive says of itself: digests, counts, streams.

        >>> import io, rosettar
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.add_bytes("a.txt", b"alpha")
        >>> info = rosettar.open(file).info()
        >>> info["files"], info["file_bytes"], info["streams"]
        (1, 5, {})
        """
        return self._native.info()

    def verify(self, *, records: bool = False, errors: str = "raise", progress: Progress = None) -> VerifyReport:
        """Check every rule of the format and every digest; with `records`, also that every record decodes.

        What is wrong is raised, the first problem with the whole report as its `report`; with `errors="report"` it is
        only in the report that is returned. `progress=True` shows a bar; a callable is told the bytes done and in all.

        >>> import io, rosettar
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.add_bytes("a.txt", b"alpha")
        >>> rosettar.open(file).verify().sound
        True
        """
        if errors not in ("raise", "report"):
            raise UsageError(f"errors: expected 'raise' or 'report', found {errors!r}", code="usage.option")
        with telling(progress, "verify") as tell:
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

        `patterns` and `exclude` are globs, none of them empty. `links` says what becomes of links that lead outside:
        `"refuse"`, `"skip"`, `"keep"`. `modes="exact"` does not honour the umask. `merge` lets the directory hold other
        things, and says what becomes of files in the way: `"refuse"`, `"never"`, `"newer"`, `"always"`.
        `names="portable"` refuses names that other systems cannot hold. `sync` puts everything on the disk before it
        appears.

        >>> import io, os, rosettar, tempfile
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.add_bytes("notes/a.txt", b"alpha")
        >>> target = os.path.join(tempfile.mkdtemp(), "out")
        >>> rosettar.open(file).extract(target).files, os.listdir(target)
        (1, ['notes'])
        """
        with telling(progress, "extract") as tell:
            return ExtractReport(
                **self._native.extract(
                    os.fsdecode(directory),
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
        if not instead and not name.startswith("_") and not self.closed and name in self.streams:
            instead = f"archive.streams[{name!r}]"
        hint = f"; instead: {instead}" if instead else ""
        raise AttributeError(f"a rosettar.Archive has no {name!r}{hint}", name=name, obj=None if instead else self)

    def __reduce__(self) -> Any:
        how, source, limits, threads = self._origin
        if how == "file":
            raise TypeError("an archive opened from a file object cannot be pickled: open it from a path or from bytes")
        return _reopen, (source, limits, threads, _identity(self))

    def _label(self) -> str:
        how, source, *_ = self._origin
        return repr(source) if how == "path" else f"an archive from {'bytes' if how == 'bytes' else 'a file object'}"

    def __repr__(self) -> str:
        if self.closed:
            return f"<rosettar.Archive {self._label()}, closed>"
        try:
            info = self.info()
        except UsageError as error:
            return f"<rosettar.Archive {self._label()}: {error.code}>"
        return f"<rosettar.Archive {self._label()}: {info['entries']} entries, {len(info['streams'])} streams>"

    def _repr_html_(self) -> str:
        if self.closed:
            return f"<p>{show(repr(self))}</p>"
        rows = [(name, one["type_name"], one["records"]) for name, one in self.info()["streams"].items()]
        streams = table("streams", ("name", "type", "records"), rows[:STREAMS], len(rows)) if rows else ""
        return f"<p>{show(repr(self))}</p>{streams}{self.entries._repr_html_()}"


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

    >>> import io, rosettar
    >>> old, new = io.BytesIO(), io.BytesIO()
    >>> with rosettar.create(old) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    >>> with rosettar.create(new) as w:
    ...     w.add_bytes("a.txt", b"beta!")
    >>> found = rosettar.diff(rosettar.open(old), rosettar.open(new))
    >>> found["same"], [(one["path"], one["change"], one["aspects"]) for one in found["entries"]]
    (False, [('a.txt', 'changed', ['content'])])
    """
    with telling(progress, "diff") as tell:
        found = old._native.diff(
            new._native, times=times, include=_patterns(include), exclude=_patterns(exclude), progress=tell
        )
    for one in found["entries"]:
        for side in ("old", "new"):
            one[side] = Entry._make(one[side]) if one[side] is not None else None
    return found


def recover(
    source: Source,
    out: str | os.PathLike[str] | BinaryIO,
    *,
    level: int = 3,
    limits: Limits = None,
    threads: int | None = None,
    progress: Progress = None,
) -> RecoverReport:
    """Salvage what is whole of a broken archive, such as one that was cut off, into a new one at `out`.

    Whatever no digest vouches for is left out, and the report says what was lost. `source` is a path, bytes or a binary
    file object that seeks, and `out` a path or a binary file object. `limits` bound what is read; what is written keeps
    those that `create` has, or those of them that are raised here.

    >>> import io, os, rosettar
    >>> whole, salvaged = io.BytesIO(), io.BytesIO()
    >>> with rosettar.create(whole, chunk_size=4096) as w:
    ...     w.add_bytes("a.bin", os.urandom(20_000))
    ...     w.add_bytes("b.bin", os.urandom(20_000))
    >>> report = rosettar.recover(whole.getvalue()[:35_000], salvaged)
    >>> report.is_complete, report.entries, list(rosettar.open(salvaged))
    (False, 1, ['a.bin'])
    """
    source = _source(source, "recover")
    path = os.fsdecode(out) if isinstance(out, str | os.PathLike) else None
    if path is None and not hasattr(out, "write"):
        raise TypeError(f"recover() writes to a path or a binary file object, not {type(out).__name__}")
    if path is not None and isinstance(source, str) and os.path.exists(path) and os.path.exists(source):
        if os.path.samefile(path, source):
            message = "the new archive would replace the broken one: expected another path for it"
            raise UsageError(message, code="usage.option")
    with telling(progress, "recover") as tell:
        summary, losses, complete = _native.recover(
            source,
            path,
            out if path is None else None,
            level=whole("level", level, -(1 << 17), 22),
            limits=limit_pairs(limits),
            threads=whole("threads", threads),
            progress=tell,
        )
    counts = {name: losses.pop(name) for name in ("entries", "file_bytes", "records")}
    return RecoverReport(is_complete=complete, summary=Summary(summary), losses=losses, **counts)


def convert(
    source: Source,
    out: str | os.PathLike[str],
    *,
    to: str,
    lossy: bool = False,
    engine: str | None = None,
    schema_version: int = 0,
    manifest: bytes | None = None,
    level: int = 3,
    limits: Limits = None,
    threads: int | None = None,
    progress: Progress = None,
) -> ConvertReport:
    """Convert between Rosettar archives and C1Z files, the formats that they descend from.

    `to` is `"rtar"`, `"c1z3-indexed"`, `"c1z3-tar-zstd"`, `"c1z3-tar"` or `"c1z1"`. `source` is an archive as for
    `open`; for the c1z3 formats also a directory, and for `"c1z1"` a SQLite database. What the format cannot hold is
    refused before anything is written, unless `lossy` is set, and listed in the report. A c1z3 file gets the C1Z
    manifest that the source has, or `manifest`, a serialized `c1.c1z.v3.C1ZManifestV3`; or it names `engine` and
    `schema_version`.

    >>> import os, rosettar, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> native, c1z = os.path.join(folder, "a.rtar"), os.path.join(folder, "a.c1z")
    >>> with rosettar.create(native) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    >>> report = rosettar.convert(native, c1z, to="c1z3-indexed", engine="pebble", schema_version=24)
    >>> report.files, report.losses
    (1, [])
    >>> with rosettar.open(c1z) as archive:
    ...     print(archive.info()["format"], archive["a.txt"].read(), archive.manifest.value["engine"])
    C1Z v3, indexed_zstd b'alpha' pebble
    """
    source = _source(source, "convert")
    kind = "archive"
    if isinstance(source, str):
        kind = "directory" if os.path.isdir(source) else "database" if _is_database(source) else "archive"
    settings = {
        "lossy": lossy,
        "engine": engine,
        "schema_version": whole("schema_version", schema_version, 0, (1 << 32) - 1),
        "manifest": manifest,
        "level": whole("level", level, -(1 << 17), 22),
        "threads": whole("threads", threads),
    }
    with telling(progress, "convert") as tell:
        report = _native.convert(source, kind, os.fsdecode(out), to, settings, limit_pairs(limits), tell)
    losses = [Loss(*loss) for loss in report.pop("losses")]
    return ConvertReport(losses=losses, **report)


def _is_database(path: str) -> bool:
    try:
        with builtins.open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        # Opening it says what is wrong.
        return False


def read_header(source: Source, *, limits: Limits = None) -> dict[str, Any]:
    """What stands at the beginning of an archive, as `Archive.info` gives it. Of a C1Z v3 file neither the payload nor
    the descriptors are read, so counts are 0.

    >>> import os, rosettar, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> native, c1z = os.path.join(folder, "a.rtar"), os.path.join(folder, "a.c1z")
    >>> with rosettar.create(native) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    >>> report = rosettar.convert(native, c1z, to="c1z3-tar", engine="pebble")
    >>> rosettar.read_header(c1z)["c1z"]["engine"]
    'pebble'
    """
    return _native.read_header(_source(source, "read_header"), limit_pairs(limits))


def _patterns(patterns: Iterable[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else list(patterns)


def _identity(archive: Archive) -> str:
    info = archive.info()
    # What has no root digest is told by what there is.
    return info["root_digest"] or f"none, {info['format']}, {info['size']} bytes, {info['file_bytes']} of files"


def _reopen(source: Any, limits: list[tuple[str, str]], threads: int | None, digest: str) -> Archive:
    archive = open(source, limits=dict(limits), threads=threads)
    found = _identity(archive)
    if found != digest:
        archive.close()
        message = f"the archive is another than when it was pickled: expected root digest {digest}, found {found}"
        raise IoError(message, code="io.source-changed")
    return archive
