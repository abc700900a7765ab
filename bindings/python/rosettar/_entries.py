# SPDX-License-Identifier: Apache-2.0
"""Files, directories and symbolic links of an archive."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from rosettar._show import SHOWN, table
from rosettar._times import Timestamp, make_timestamp

if TYPE_CHECKING:
    from rosettar import _native
    from rosettar._reading import Archive


@dataclass(frozen=True, slots=True)
class Entry:
    """What an archive says of a file, directory or symbolic link.

    >>> import io, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("notes/today.txt", b"nothing new")
    >>> entry = rosettar.open(file)["notes/today.txt"].entry
    >>> entry.kind, entry.size, oct(entry.mode), str(entry.mtime)
    ('file', 11, '0o644', '1970-01-01 00:00:00+00:00')
    """

    path: str
    """Where it is in the archive, with `/` between the names."""
    kind: str
    """`"file"`, `"directory"` or `"symlink"`."""
    size: int
    """How many bytes the content of a file has."""
    mode: int
    """The permission bits, such as `0o644`."""
    mtime: Timestamp | dict[str, int]
    """When it was last modified; as `seconds` and `nanos` where no `datetime` is so early or late."""
    target: str | None
    """Where a symbolic link leads."""
    digest: str | None
    """The SHA-256 of the content of a file."""

    @classmethod
    def _make(cls, parts: tuple[Any, ...]) -> Entry:
        path, kind, size, mode, seconds, nanos, target, digest = parts
        return cls(path, kind, size, mode, make_timestamp(seconds, nanos), target, digest)


class EntryFile(io.RawIOBase):
    """The content of a file in an archive, as a binary file object that seeks; `archive[path]` makes it.

    It goes wherever a file object goes, such as into `pandas.read_csv`. `entry` says what the archive says of it.

    >>> import io, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("notes/today.txt", b"nothing new\\n")
    >>> content = rosettar.open(file)["notes/today.txt"]
    >>> content.read(7)
    b'nothing'
    >>> content.seek(0)
    0
    >>> content.read()
    b'nothing new\\n'
    """

    def __init__(self, archive: Archive, entry: Entry) -> None:
        self._archive = archive
        self._reader: dict[str, _native.EntryReader] = {}
        self.entry = entry
        self.name = entry.path
        self.mode = "rb"

    def _open(self) -> _native.EntryReader:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        reader = self._reader.get("reader")
        if reader is None:
            # Of several threads that are here at once, all go on with the reader of the first.
            reader = self._reader.setdefault("reader", self._archive._native.open_entry(self.entry.path))
        return reader

    def close(self) -> None:
        """Close it; the archive stays open."""
        self._reader.clear()
        super().close()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes, and fewer only at the end; all that are left unless `size` is given."""
        return self._open().read(-1 if size is None else size)

    def readall(self) -> bytes:
        """All bytes that are left."""
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer; how many bytes that were, 0 at the end."""
        view = memoryview(buffer).cast("B")
        piece = self._open().read(min(len(view), 1 << 20))
        view[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to `offset`, counted from the beginning (0), the present place (1) or the end (2); the new place."""
        return self._open().seek(offset, whence)

    def tell(self) -> int:
        """The present place."""
        return self.seek(0, 1)

    def open_text(
        self, encoding: str = "utf-8", errors: str | None = None, newline: str | None = None
    ) -> io.TextIOWrapper:
        """The content as text, from its beginning; the arguments are those of `open` in Python.

        >>> import io, rosettar
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.add_bytes("a.txt", "über\\nunter\\n".encode())
        >>> [line.strip() for line in rosettar.open(file)["a.txt"].open_text()]
        ['über', 'unter']
        """
        raw = EntryFile(self._archive, self.entry)
        return io.TextIOWrapper(io.BufferedReader(raw), encoding=encoding, errors=errors, newline=newline)

    def __reduce__(self) -> Any:
        return _restore_file, (self._archive, self.entry)

    def __repr__(self) -> str:
        return f"<rosettar.EntryFile {self.entry.path!r}, {self.entry.kind}, {self.entry.size} bytes>"


class Entries(Sequence[Entry]):
    """The entries of an archive, in its order; also a table, for whatever reads Arrow.

    >>> import io, pyarrow, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    ...     w.add_bytes("b.txt", b"be")
    >>> entries = rosettar.open(file).entries
    >>> len(entries), entries[-1].path
    (2, 'b.txt')
    >>> pyarrow.table(entries).select(["path", "size"]).to_pylist()
    [{'path': 'a.txt', 'size': 5}, {'path': 'b.txt', 'size': 2}]
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __len__(self) -> int:
        return int(self._archive.info()["entries"])

    def __iter__(self) -> Iterator[Entry]:
        native = self._archive._native.entries(0)
        while some := native.next_entries(1024):
            yield from map(Entry._make, some)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
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
        for entry, _ in zip(self, range(SHOWN)):
            rows.append((entry.path, entry.kind, entry.size, f"{entry.mode:o}", entry.mtime))
        return table(repr(self), ("path", "kind", "size", "mode", "mtime"), rows, len(self))


def is_text(name: str) -> bool:
    """Whether a name can be one in an archive at all: half of a pair of surrogates is no text."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _restore_file(archive: Archive, entry: Entry) -> EntryFile:
    return EntryFile(archive, entry)
