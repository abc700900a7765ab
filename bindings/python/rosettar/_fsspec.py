# SPDX-License-Identifier: Apache-2.0
"""Archives as file systems for fsspec: ``rosettar://path/in/archive::file:///data/day.rtar``."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

import rosettar


class RosettarFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The files of an archive, to be read. Registered with fsspec as ``rosettar``.

    Chained over another file system it reads archives from wherever that reads:

    >>> import fsspec, rosettar, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "day.rtar")
    >>> with rosettar.create(path) as w:
    ...     w.add_bytes("notes/today.txt", b"nothing new")
    >>> with fsspec.open(f"rosettar://notes/today.txt::file://{path}", "rt") as file:
    ...     file.read()
    'nothing new'
    >>> fsspec.filesystem("rosettar", fo=path).find("")
    ['notes/today.txt']
    """

    protocol = "rosettar"
    root_marker = ""
    cachable = False

    def __init__(
        self,
        fo: Any = "",
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """A file system of the archive ``fo``: an address of ``target_protocol``, or a binary file object."""
        super().__init__(**options)
        self._beneath: Any = None
        if isinstance(fo, str | os.PathLike):
            address = os.fspath(fo)
            filesystem, place = fsspec.core.url_to_fs(
                address if target_protocol is None or "://" in address else f"{target_protocol}://{address}",
                **(target_options or {}),
            )
            if "file" in filesystem.protocol or filesystem.protocol == "file":
                fo = place
            else:
                fo = self._beneath = filesystem.open(place, "rb")
        self._archive = rosettar.open(fo)
        self._tree: dict[str, dict[str, dict[str, Any]]] | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path)
        return stripped.strip("/")

    def close(self) -> None:
        """Closes the archive, and what it was opened from."""
        self._archive.close()
        if self._beneath is not None:
            self._beneath.close()

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """What is in the directory ``path``, or the file itself."""
        path = self._strip_protocol(path)
        inside = self._directories().get(path)
        found = [self.info(path)] if inside is None else [inside[name] for name in sorted(inside)]
        return [dict(one) for one in found] if detail else [one["name"] for one in found]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Name, size and type of an entry; its mode and time, and the target of a link."""
        path = self._strip_protocol(path)
        if not path:
            return {"name": "", "size": 0, "type": "directory"}
        found = self._directories().get(path.rpartition("/")[0], {}).get(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no entry of the archive has this path", path)
        return dict(found)

    def modified(self, path: str) -> Any:
        """When an entry was last modified."""
        return self.info(path).get("mtime")

    def _directories(self) -> dict[str, dict[str, dict[str, Any]]]:
        """For each directory what is in it; read once, when it is first asked for."""
        if self._tree is None:
            tree: dict[str, dict[str, dict[str, Any]]] = {"": {}}
            for entry in self._archive.entries:
                self._place(tree, entry.path)
                kind = {"file": "file", "directory": "directory"}.get(str(entry.kind), "link")
                info = {"name": entry.path, "size": entry.size, "type": kind, "mode": entry.mode, "mtime": entry.mtime}
                if kind == "link":
                    info["destination"] = entry.target
                elif kind == "directory":
                    tree.setdefault(entry.path, {})
                tree[entry.path.rpartition("/")[0]][entry.path] = info
            self._tree = tree
        return self._tree

    def _place(self, tree: dict[str, dict[str, dict[str, Any]]], path: str) -> None:
        """Makes the directories above ``path`` that have no entry of their own."""
        above = path.rpartition("/")[0]
        if above not in tree:
            self._place(tree, above)
            tree[above] = {}
            name = {"name": above, "size": 0, "type": "directory"}
            tree[above.rpartition("/")[0]].setdefault(above, name)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> io.BufferedReader:
        if mode != "rb":
            raise self._read_only(path)
        found = self.info(path)
        if found["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, "the entry is a directory", path)
        return io.BufferedReader(self._archive[found["name"]])

    def _read_only(self, path: str) -> OSError:
        return OSError(errno.EROFS, "archives are read-only here; rosettar.append adds to one", path)

    def _rm(self, path: str) -> None:
        raise self._read_only(path)

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Refused: archives are read-only here."""
        raise self._read_only(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Refused: archives are read-only here."""
        raise self._read_only(path)

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Refused: archives are read-only here."""
        raise self._read_only(path2)
