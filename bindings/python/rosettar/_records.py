# SPDX-License-Identifier: Apache-2.0
"""The streams of an archive that is being written: their types, and records from messages and dictionaries."""

from __future__ import annotations

import base64
import datetime
import json
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rosettar import _native
from rosettar._errors import UsageError
from rosettar._times import time_parts

if TYPE_CHECKING:
    from rosettar._writing import Writer

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
#: How many records are handed over at once.
_TOGETHER = 512
#: How many bytes of records are handed over at once.
_TOGETHER_BYTES = 1 << 20


class StreamWriter:
    """A stream of an archive that is being written; made by :meth:`Writer.stream`.

    >>> import io, rosettar
    >>> from google.protobuf.timestamp_pb2 import Timestamp
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     moments = w.stream("moments")
    ...     moments.append(Timestamp(seconds=5))
    ...     moments.extend(Timestamp(seconds=n) for n in range(3))
    >>> moments.type, len(rosettar.open(file).streams["moments"])
    ('google.protobuf.Timestamp', 4)
    """

    def __init__(self, writer: Writer, name: str, version: int) -> None:
        self._writer, self._raw, self.name, self._version = (
            writer,
            writer._raw,
            name,
            version,
        )
        self._number = -1
        self._type_name: str | None = None
        self._lock = threading.Lock()
        #: The descriptor that the type was learnt from: messages that have the same one need no further look.
        self._descriptor: Any = None

    @property
    def type(self) -> str | None:
        """The full name of the record type, once it is known."""
        return self._type_name

    @property
    def _declared(self) -> bool:
        return self._number >= 0

    def __repr__(self) -> str:
        return f"<StreamWriter {self.name!r} of {self._type_name or 'no type yet'}>"

    def append(self, message: Any) -> None:
        """Appends a record: a protobuf message or, where the type is known, a dictionary.

        A dictionary has the names of the fields as keys. Values are those that reading gives: enums by name, bytes,
        datetimes for Timestamps, timedeltas for Durations; or their form in protobuf's JSON.

        >>> import rosettar, io
        >>> from google.protobuf.api_pb2 import Method
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     s = w.stream("methods", Method)
        ...     s.append({"name": "Get", "request_streaming": True})
        ...     s.append(Method(name="Put"))
        """
        if isinstance(message, Mapping):
            self._need_type()
            self._raw.append_json(self._number, json.dumps(_json(message)))
        else:
            self._raw.append(self._number_for(message), [self._encode(message)], False)

    def extend(self, messages: Iterable[Any]) -> None:
        """Appends every record of an iterable. Where that raises, those before it stay appended.

        >>> import io, rosettar
        >>> from google.protobuf.api_pb2 import Method
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     w.stream("methods").extend(Method(name=f"m{n}") for n in range(1000))
        >>> w.summary.records
        1000
        """
        for records in _together(messages):
            if isinstance(records, list):
                # The first of them may tell the type.
                self._number_for(records[0])
                self._raw.append(self._number, [self._encode(record) for record in records], False)
            else:
                self.append(records)

    def append_raw(self, record: Any, *, check: bool = True) -> None:
        """Appends a record that is serialized already, without its length.

        With ``check``, one that does not decode as the stream's type is refused.

        >>> import io, rosettar
        >>> from google.protobuf.api_pb2 import Method
        >>> with rosettar.create(io.BytesIO()) as w:
        ...     w.stream("methods", Method).append_raw(b"\\x0a\\x03get")
        """
        self._need_type()
        self._raw.append(self._number, [record], check)

    def _need_type(self) -> None:
        if not self._declared:
            raise usage(f"stream {self.name!r} has no type yet: state it in stream(name, type), or append a message")

    def _number_for(self, message: Any) -> int:
        if not self._declared:
            descriptor = message_descriptor(message)
            self._declare(descriptor.full_name, descriptor_closure(descriptor), descriptor)
        return self._number

    def _encode(self, message: Any) -> bytes:
        descriptor = message_descriptor(message)
        if descriptor is not self._descriptor and descriptor.full_name != self._type_name:
            raise usage(f"a record of type {descriptor.full_name} for stream {self.name!r}: expected {self._type_name}")
        return bytes(message.SerializeToString(deterministic=True))

    def _declare(self, type_name: str, descriptor_set: bytes, descriptor: Any = None) -> None:
        with self._lock:
            if not self._declared:
                self._number = self._raw.declare(self.name, type_name, descriptor_set, self._version)
                self._type_name, self._descriptor = type_name, descriptor
            elif type_name != self._type_name:
                raise usage(f"stream {self.name!r} is of type {self._type_name}, not {type_name}")


def usage(message: str) -> UsageError:
    return UsageError(message, code="usage.input")


def _together(messages: Iterable[Any]) -> Iterator[Any]:
    """Messages in lists that are handed over at once; a dictionary alone."""
    waiting: list[Any] = []
    size = 0
    for message in messages:
        if isinstance(message, Mapping):
            if waiting:
                yield waiting
                waiting, size = [], 0
            yield message
            continue
        waiting.append(message)
        size += message.ByteSize() if hasattr(message, "ByteSize") else 0
        if len(waiting) >= _TOGETHER or size >= _TOGETHER_BYTES:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def record_type(given: Any) -> tuple[str, bytes] | tuple[str, bytes, Any]:
    """Name, descriptors and, of the protobuf package, the descriptor of a type that somebody stated."""
    if isinstance(given, tuple) and len(given) == 2:
        name, source = given
        if isinstance(source, str | os.PathLike):
            path = os.fsdecode(source)
            return name, _native.compile_proto(path, [os.path.dirname(path) or "."])
        return name, bytes(source)
    descriptor = getattr(given, "DESCRIPTOR", given)
    if not hasattr(descriptor, "full_name") or not hasattr(descriptor, "fields_by_name"):
        raise TypeError(
            "type: expected a protobuf message class or descriptor, or a pair of type name and descriptor set or path "
            f"of a .proto file; found {given!r}"
        )
    return descriptor.full_name, descriptor_closure(descriptor), descriptor


def message_descriptor(message: Any) -> Any:
    descriptor = getattr(message, "DESCRIPTOR", None)
    if descriptor is None or not hasattr(message, "SerializeToString"):
        raise TypeError(
            f"expected a protobuf message or a dictionary, found {type(message).__name__}; append_raw takes "
            "records that are serialized already"
        )
    return descriptor


def descriptor_closure(descriptor: Any) -> bytes:
    """The file of a descriptor and all that it imports, each verbatim, as a serialized ``FileDescriptorSet``."""
    files: dict[str, bytes] = {}

    def visit(file: Any) -> None:
        if file.name not in files:
            # Stands in for itself while its imports are visited; a file goes after what it imports.
            for imported in file.dependencies:
                visit(imported)
            files[file.name] = file.serialized_pb

    visit(descriptor.file)
    return b"".join(b"\x0a" + _varint(len(file)) + file for file in files.values())


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _json(value: Any) -> Any:
    """A value of a record in the form that protobuf's JSON has."""
    if isinstance(value, Mapping):
        return {_key(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        seconds, nanoseconds = time_parts(value) or (0, 0)
        moment = _EPOCH + datetime.timedelta(seconds=seconds)
        return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{nanoseconds:09}Z"
    if isinstance(value, datetime.timedelta):
        nanoseconds = (value // datetime.timedelta(microseconds=1)) * 1000 + int(getattr(value, "nanosecond", 0))
        whole, rest = divmod(abs(nanoseconds), 1_000_000_000)
        return f"{'-' if nanoseconds < 0 else ''}{whole}.{rest:09}s"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if hasattr(value, "item") and not isinstance(value, str | int | float):
        return _json(value.item())  # a scalar of numpy
    return value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
