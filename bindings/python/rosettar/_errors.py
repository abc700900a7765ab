# SPDX-License-Identifier: Apache-2.0
"""The exceptions. Every one is an `Error`; which class it is says what kind of thing went wrong."""

from __future__ import annotations

import errno as _errno
import os
from typing import Any, ClassVar

__all__ = [
    "Error",
    "IntegrityError",
    "IoError",
    "LimitError",
    "MalformedError",
    "NotFoundError",
    "PolicyError",
    "SchemaError",
    "UnsupportedError",
    "UsageError",
]


class Error(Exception):
    """What every exception of this package is.

    `str()` gives the whole message. Programs decide on the class or on `code`, which never changes its meaning.

    >>> import rosettar
    >>> try:
    ...     rosettar.open(b"not an archive, but long enough to be looked at")
    ... except rosettar.Error as error:
    ...     print(error.kind, error.code)
    malformed envelope.unknown-magic
    """

    kind: ClassVar[str] = "usage"
    """The class of the error in lower case, such as `"integrity"`."""
    code: str
    """The stable identifier, such as `"index.frame-gap"`; spec/ERRORS.md lists every one."""
    message: str
    """What was expected, what was found, and what to do; without the place."""
    offset: int | None
    """The byte offset in the archive at which the fault was found, where known."""
    entry: str | None
    """The path of the entry concerned, where known."""

    def __init__(self, message: str, *, code: str, offset: int | None = None, entry: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.offset = offset
        self.entry = entry

    def __str__(self) -> str:
        text = self.message
        if self.entry is not None:
            text += f" (entry {self.entry!r})"
        if self.offset is not None:
            text += f" (at byte {self.offset})"
        return f"{text} [{self.code}]"

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.kind, self.code, self.message, self.offset, self.entry, getattr(self, "errno", None))
        return make_error, parts


class IoError(Error, OSError):
    """The operating system, or a file object that was given, failed. It is also an `OSError`, and where the system said
    so a `FileNotFoundError`, `PermissionError` and so on.

    >>> import rosettar
    >>> try:
    ...     rosettar.open("absent.rtar")
    ... except FileNotFoundError as error:
    ...     print(error.code)
    io.file
    """

    kind = "io"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        offset: int | None = None,
        entry: str | None = None,
        errno: int | None = None,
    ) -> None:
        super().__init__(message, code=code, offset=offset, entry=entry)
        if errno is not None:
            self.errno = errno
            self.strerror = os.strerror(errno)


class MalformedError(Error, ValueError):
    """The bytes are not what the format asks for. It is also a `ValueError`.

    >>> import rosettar
    >>> try:
    ...     rosettar.open(b"a text of some length, but no archive")
    ... except ValueError as error:
    ...     print(type(error).__name__, error.offset)
    MalformedError 0
    """

    kind = "malformed"


class UnsupportedError(Error):
    """The bytes are of a version, feature or kind that this version of the package does not know.

    >>> import io, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("a.txt", b"alpha")
    >>> later = bytearray(file.getvalue())
    >>> later[25] = 9
    >>> try:
    ...     rosettar.open(later)
    ... except rosettar.UnsupportedError as error:
    ...     print(error.code)
    envelope.unsupported-version
    """

    kind = "unsupported"


class IntegrityError(Error):
    """A digest is wrong: the archive is not what it was when it was written.

    >>> import io, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("a.txt", b"alpha" * 1000)
    >>> damaged = bytearray(file.getvalue())
    >>> damaged[-300] ^= 1
    >>> try:
    ...     rosettar.open(damaged)["a.txt"].read()
    ... except rosettar.IntegrityError as error:
    ...     print(error.kind)
    integrity
    """

    kind = "integrity"


class LimitError(Error, ValueError):
    """A limit was exceeded; the message names it, and `rosettar.open(…, limits={name: value})` sets it. It is also a
    `ValueError`.

    >>> import io, rosettar
    >>> try:
    ...     with rosettar.create(io.BytesIO(), limits={"entries": 2}) as w:
    ...         for number in range(3):
    ...             w.add_bytes(str(number), b"")
    ... except rosettar.LimitError as error:
    ...     print(error.code)
    limit.entries
    """

    kind = "limit"


class PolicyError(Error):
    """A legal archive that is unwelcome under the policy in force, such as a link that leads outside.

    >>> import io, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_link("passwords", "/etc/passwd")
    >>> try:
    ...     rosettar.open(file).extract("/tmp/never")
    ... except rosettar.PolicyError as error:
    ...     print(error.code, error.entry)
    policy.link passwords
    """

    kind = "policy"


class SchemaError(Error, ValueError):
    """A record does not fit its schema, or a schema is not acceptable. It is also a `ValueError`.

    >>> import io, rosettar
    >>> from google.protobuf.timestamp_pb2 import Timestamp
    >>> w = rosettar.create(io.BytesIO())
    >>> try:
    ...     w.stream("moments", Timestamp).append_raw(b"no message")
    ... except rosettar.SchemaError as error:
    ...     print(error.code)
    record.decode
    >>> w.discard()
    """

    kind = "schema"


class UsageError(Error):
    """The call was wrong: a bad option, a closed archive, a target that is in use.

    >>> import io, rosettar
    >>> try:
    ...     rosettar.create(io.BytesIO(), limits={"entires": 2})
    ... except rosettar.UsageError as error:
    ...     print(error)
    no limit is called "entires"; did you mean "entries"? [usage.option]
    """

    kind = "usage"


class NotFoundError(UsageError, KeyError):
    """No entry or stream has this name; the message names the nearest. It is also a `KeyError`.

    >>> import io, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.add_bytes("notes/today.txt", b"")
    >>> try:
    ...     rosettar.open(file)["today.txt"]
    ... except KeyError as error:
    ...     print(error)
    no entry has the path "today.txt"; did you mean "notes/today.txt"? [usage.no-such-entry]
    """


def _io_class(name: str, base: type[OSError]) -> type[IoError]:
    # To whoever prints it, it is an IoError; which other class it is as well is for `except`.
    return type("IoError", (IoError, base), {"__module__": "rosettar", "__doc__": f"An `IoError` that is a `{name}`."})


_IO_CLASSES: dict[int, type[IoError]] = {
    _errno.ENOENT: _io_class("FileNotFoundError", FileNotFoundError),
    _errno.EACCES: _io_class("PermissionError", PermissionError),
    _errno.EPERM: _io_class("PermissionError", PermissionError),
    _errno.EEXIST: _io_class("FileExistsError", FileExistsError),
    _errno.EISDIR: _io_class("IsADirectoryError", IsADirectoryError),
    _errno.ENOTDIR: _io_class("NotADirectoryError", NotADirectoryError),
}

_CLASSES: dict[str, type[Error]] = {
    cls.kind: cls
    for cls in (MalformedError, UnsupportedError, IntegrityError, LimitError, PolicyError, SchemaError, UsageError)
}

_NOT_FOUND = {"usage.no-such-entry", "usage.no-such-stream"}


def make_error(kind: str, code: str, message: str, offset: int | None, entry: str | None, errno: int | None) -> Error:
    """The exception for an error of the native part, and for one that was pickled."""
    if kind == "io":
        cls = _IO_CLASSES.get(errno, IoError) if errno is not None else IoError
        return cls(message, code=code, offset=offset, entry=entry, errno=errno)
    if code in _NOT_FOUND:
        return NotFoundError(message, code=code, offset=offset, entry=entry)
    return _CLASSES.get(kind, Error)(message, code=code, offset=offset, entry=entry)
