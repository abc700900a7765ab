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

_MOST_LINKS = 40
"""As many links in a row as Linux follows."""


class RosettarFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The files of an archive, to be read. Registered with fsspec as ``rosettar``.

    A symbolic link to a file of the archive is that file, under another name. One to a directory, to nothing or out of
    the archive is of the type ``"other"``; it is listed, but neither found nor got.

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
        self._led: dict[str, dict[str, Any]] = {}

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
        return [self._shown(one) for one in found] if detail else [one["name"] for one in found]

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any
    ) -> Any:
        """The files below ``path``, links to files among them; with ``withdirs`` the directories, too."""
        found = super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **options)
        found = {name: info or self.info(name) for name, info in found.items()}
        found = {name: info for name, info in found.items() if info["type"] != "other"}
        return found if detail else list(found)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Name, size and type of an entry; its mode and time. Of a link, ``islink`` and ``destination``, its target."""
        path = self._strip_protocol(path)
        if not path:
            return {"name": "", "size": 0, "type": "directory"}
        found = self._directories().get(path.rpartition("/")[0], {}).get(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no entry of the archive has this path", path)
        return self._shown(found)

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
                    info |= {"type": "other", "islink": True, "destination": entry.target}
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

    def _shown(self, info: dict[str, Any]) -> dict[str, Any]:
        """A copy for the caller: of a link to a file, what it is as a file."""
        end = self._end(info)
        return {**info, "type": "file", "size": end["size"]} if end and end["type"] == "file" else dict(info)

    def _end(self, info: dict[str, Any], links: int = 0) -> dict[str, Any] | None:
        """The file or directory that a link leads to, over others; what is no link is its own end.

        ``None`` where a link leads to nothing, out of the archive or in a circle.
        """
        if "destination" not in info:
            return info
        known = self._led.get(info["name"])
        if known is not None:
            return known
        target = info["destination"]
        if links == _MOST_LINKS or target.startswith("/"):
            return None
        tree = self._directories()
        found: dict[str, Any] | None = {"name": info["name"].rpartition("/")[0], "type": "directory"}
        for part in target.split("/"):
            if found is None or found["type"] != "directory":
                return None
            if part == "..":
                if not found["name"]:
                    return None
                found = {"name": found["name"].rpartition("/")[0], "type": "directory"}
            elif part not in ("", "."):
                found = tree[found["name"]].get(f"{found['name']}/{part}".lstrip("/"))
                if found is not None:
                    found = self._end(found, links + 1)
        if found is not None:
            self._led[info["name"]] = found
        return found

    def _open(self, path: str, mode: str = "rb", **options: Any) -> io.BufferedReader:
        if mode != "rb":
            raise self._read_only(path)
        found = self.info(path)
        if found["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, "the entry is a directory", path)
        end = self._end(found)
        if end is None:
            raise FileNotFoundError(errno.ENOENT, "the link leads to no entry of the archive", path)
        if end["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, "the link leads to a directory", path)
        return io.BufferedReader(self._archive[end["name"]])

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
