# SPDX-License-Identifier: Apache-2.0
"""Streams: the tables of an archive, and the schemas of their records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rosettar._entries import is_text
from rosettar._errors import NotFoundError, SchemaError
from rosettar._show import COLUMNS, SHOWN, at, table

if TYPE_CHECKING:
    from rosettar import _native
    from rosettar._dataset import StreamDataset
    from rosettar._reading import Archive


_INSTEAD = {
    "to_polars": "polars.DataFrame(stream)",
    "lazy": "rosettar.scan(stream)",
    "collect": "polars.DataFrame(stream)",
    "filter": "rosettar.scan(stream).filter(...), a LazyFrame of polars",
    "to_pandas": "pandas.DataFrame.from_arrow(stream), or pyarrow.table(stream).to_pandas()",
    "to_arrow": "pyarrow.table(stream)",
    "to_table": "pyarrow.table(stream)",
    "to_batches": "pyarrow.RecordBatchReader.from_stream(stream)",
    "to_pylist": "list(stream)",
    "to_dicts": "list(stream)",
    "head": "stream[:5]",
    "limit": "stream[:5]",
    "tail": "stream[-5:]",
    "slice": "stream[start:stop]",
    "read": "pyarrow.table(stream), or list(stream)",
    "fields": "stream.columns, or print(stream.schema)",
}


class Schema:
    """What the columns of a stream are, as the archive keeps it: a protobuf schema. `str()` shows it as text.

    >>> import io, pyarrow, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.write_table("trips", pyarrow.table({"who": ["Ann", "Bo"]}))
    >>> schema = rosettar.open(file).streams["trips"].schema
    >>> [line.strip() for line in str(schema).splitlines() if " who = " in line]
    ['optional string who = 1;']
    """

    def __init__(self, archive: Archive, number: int, type_name: str | None = None) -> None:
        self._archive = archive
        self.number = number
        self.type_name = type_name
        """The full name of the record type, where it is the schema of a stream."""

    @property
    def descriptor_set(self) -> bytes:
        """The serialized `google.protobuf.FileDescriptorSet`, as it is stored; protobuf's own libraries take it."""
        return self._archive._native.descriptor_set(self.number)

    def proto(self) -> dict[str, str]:
        """The text of each `.proto` file, by the name that imports have for it."""
        return dict(self._archive._native.proto_files(self.number))

    def __str__(self) -> str:
        files = [(name, text) for name, text in self.proto().items() if not name.startswith("google/protobuf/")]
        return "\n".join(f"// {name}\n{text}" for name, text in files)

    def __repr__(self) -> str:
        of = f" of {self.type_name}" if self.type_name else ""
        return f"<rosettar.Schema {self.number}{of}>"


class Stream:
    """A table of an archive, or a part of one: some rows and some columns. `archive.streams[name]` makes it.

    It can be read as often as wanted. As it is, it goes into `pyarrow.table`, `polars.DataFrame`,
    `pandas.DataFrame.from_arrow` and, by the name of its variable, into DuckDB's SQL; iterating over it gives dicts.

    >>> import io, pyarrow, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.write_table("trips", pyarrow.table({"who": ["Ann", "Bo", "Cy"], "km": [3, 4, 5]}))
    >>> trips = rosettar.open(file).streams["trips"]
    >>> len(trips)
    3
    >>> trips[0]
    {'who': 'Ann', 'km': 3}
    >>> pyarrow.table(trips.select("km")[1:]).to_pydict()
    {'km': [4, 5]}
    """

    def __init__(
        self,
        archive: Archive,
        name: str,
        rows: range,
        columns: tuple[str, ...] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._archive = archive
        self._native = archive._native.stream(name)
        self._rows = rows
        self._columns = columns
        self._options: dict[str, Any] = dict(options or {})
        self._report: _native.ReadReport | None = None
        self.name = name

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._native.records(self._rows.start, self._rows.stop, False, list(self._columns))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            raise TypeError(f"a stream is indexed by rows; stream.select({index!r}) takes a column")
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
        """The rows from `start` to before `stop`, the same as `stream[start:stop]`; those before them are not read.

        >>> import io, pyarrow, rosettar
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.write_table("n", pyarrow.table({"n": range(100)}))
        >>> list(rosettar.open(file).streams["n"].rows(98, 100))
        [{'n': 98}, {'n': 99}]
        """
        return self._with(rows=self[start:stop]._rows)

    def select(self, *columns: str) -> Stream:
        """Only these columns, which saves the time to decode the others; `"a.b"` is column `b` inside of column `a`.

        >>> import io, pyarrow, rosettar
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.write_table("trips", pyarrow.table({"who": ["Ann", "Bo"], "km": [3, 4]}))
        >>> list(rosettar.open(file).streams["trips"].select("km"))
        [{'km': 3}, {'km': 4}]
        """
        stream = self._with(columns=columns)
        stream.__arrow_c_schema__()
        return stream

    def with_options(self, **options: Any) -> Stream:
        """The stream with other choices of how it becomes a table.

        * `enums`: `"names"` (the default: a dictionary of texts) or `"numbers"`.
        * `errors`: what a record does that does not decode: `"raise"` (the default), or `"null"`, a row of nulls;
          `bad_records` counts them.
        * `timestamps`: the unit of times, `"s"`, `"ms"`, `"us"` or `"ns"` (the default).
        * `recursion`: how often a message may hold one of its own type before it is cut, 2 by default; `cut` says what
          the rest becomes: `"json"` or `"binary"`.
        * `defaults`: whether fields of proto2 that are absent have their default instead of null.
        * `batch_rows`, `batch_bytes`: how large a batch of rows may become.
        * `threads`: how many threads decode.

        >>> import io, pyarrow, rosettar
        >>> from google.protobuf.field_mask_pb2 import FieldMask
        >>> from google.protobuf.type_pb2 import Option, Syntax, Type
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.stream("types").append(Type(name="t", syntax=Syntax.SYNTAX_PROTO3))
        >>> types = rosettar.open(file).streams["types"].select("name", "syntax")
        >>> pyarrow.table(types).to_pylist()
        [{'name': 't', 'syntax': 'SYNTAX_PROTO3'}]
        >>> pyarrow.table(types.with_options(enums="numbers")).to_pylist()
        [{'name': 't', 'syntax': 1}]
        """
        stream = self._with(options={**self._options, **options})
        stream.__arrow_c_schema__()
        return stream

    def messages(self, *, protobuf: bool = False) -> Iterator[Any]:
        """The records as dicts, or as messages of the package `protobuf`, whose classes are made from the archive.

        >>> import io, rosettar
        >>> from google.protobuf.api_pb2 import Method
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.stream("methods").append(Method(name="get"))
        >>> [message.name for message in rosettar.open(file).streams["methods"].messages(protobuf=True)]
        ['get']
        """
        if not protobuf:
            return iter(self)
        return map(self._message_class().FromString, self.raw())

    def _message_class(self) -> Any:
        try:
            from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
        except ImportError:
            message = "messages(protobuf=True) needs the package protobuf: pip install rosettar[protobuf]"
            raise ImportError(message) from None
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(self._native.descriptor_set()).file:
            try:
                pool.AddSerializedFile(file.SerializeToString())
            except TypeError as error:
                message = f"the package protobuf refuses {file.name}: {error}"
                raise SchemaError(message, code="schema.descriptor") from None
        try:
            descriptor = pool.FindMessageTypeByName(self.type_name)
        except KeyError:
            message = f"the schema of stream {self.name!r} has no message type {self.type_name}"
            raise SchemaError(message, code="schema.type") from None
        return message_factory.GetMessageClass(descriptor)

    def raw(self) -> Iterator[bytes]:
        """The records as they are stored: serialized protobuf messages.

        >>> import io, rosettar
        >>> from google.protobuf.api_pb2 import Method
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.stream("methods").append(Method(name="get"))
        >>> list(rosettar.open(file).streams["methods"].raw())
        [b'\\n\\x03get']
        """
        return self._native.records(self._rows.start, self._rows.stop, True, [])

    def dataset(self) -> StreamDataset:
        """The stream as a dataset of pyarrow, into which DuckDB and others push columns and filters.

        >>> import io, pyarrow, rosettar
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.write_table("trips", pyarrow.table({"who": ["Ann", "Bo"], "km": [3, 4]}))
        >>> rosettar.open(file).streams["trips"].dataset().to_table(columns=["who"]).to_pydict()
        {'who': ['Ann', 'Bo']}
        """
        from rosettar._scanning import dataset

        return dataset(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            # What libraries ask for, and what is missing while an object is made.
            raise AttributeError(name)
        instead = _INSTEAD.get(name)
        hint = f"; instead: {instead}" if instead else ""
        raise AttributeError(f"a rosettar.Stream has no {name!r}{hint}", name=name, obj=None if instead else self)

    @property
    def columns(self) -> list[str]:
        """The names of the columns; `print(stream.schema)` shows what is in them.

        >>> import io, pyarrow, rosettar
        >>> file = io.BytesIO()
        >>> with rosettar.create(file) as w:
        ...     w.write_table("trips", pyarrow.table({"who": ["Ann", "Bo"], "km": [3, 4]}))
        >>> rosettar.open(file).streams["trips"].columns
        ['who', 'km']
        """
        return list(self._columns) or self._native.columns()

    @property
    def type_name(self) -> str:
        """The full name of the record type."""
        return str(self._native.info()["type_name"])

    @property
    def schema(self) -> Schema:
        """What the columns are; prints as `.proto`."""
        info = self._native.info()
        return Schema(self._archive, info["schema"], info["type_name"])

    @property
    def unknown_fields(self) -> int:
        """How many values the last read of this object as a table came upon that the schema knows nothing of, and left
        out; 0 before it was read.
        """
        return self._report.unknown_fields if self._report else 0

    @property
    def bad_records(self) -> int:
        """How many records the last read of this object as a table made rows of nulls, because they do not decode; see
        `errors` of `with_options`.
        """
        return self._report.bad_records if self._report else 0

    def __arrow_c_schema__(self) -> object:
        return self._native.arrow_schema(list(self._columns), self._options)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        rows = self._rows
        capsule, self._report = self._native.arrow_stream(rows.start, rows.stop, list(self._columns), self._options)
        return capsule

    def __reduce__(self) -> Any:
        bounds = (self._rows.start, self._rows.stop)
        return _restore, (self._archive, self.name, *bounds, self._columns, self._options)

    def __repr__(self) -> str:
        columns = f", columns {', '.join(self._columns)}" if self._columns else ""
        return f"<rosettar.Stream {self.name!r}: {len(self)} records of {self.type_name}{columns}>"

    def _repr_html_(self) -> str:
        names = self.columns
        rows: list[list[Any]] = []
        shown = self._rows[:SHOWN]
        for record in self._native.preview(shown.start, shown.stop, names[:COLUMNS]):
            if isinstance(record, dict):
                rows.append([at(record, name) for name in names[:COLUMNS]])
            elif isinstance(record, Exception):
                rows.append([record])
            else:
                names = ["value"]
                rows.append([record])
        return table(repr(self), names, rows, len(self))


class Streams(Mapping[str, Stream]):
    """The streams of an archive by name, as a mapping that cannot be changed.

    >>> import io, pyarrow, rosettar
    >>> file = io.BytesIO()
    >>> with rosettar.create(file) as w:
    ...     w.write_table("trips", pyarrow.table({"km": [3, 4]}))
    >>> streams = rosettar.open(file).streams
    >>> list(streams), len(streams["trips"])
    (['trips'], 2)
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __getitem__(self, name: str) -> Stream:
        if isinstance(name, str) and not is_text(name):
            raise NotFoundError(f"no stream is called {name!r}", code="usage.no-such-stream")
        native = self._archive._native.stream(name)
        return Stream(self._archive, name, range(native.info()["records"]))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._archive.info()["streams"]

    def __getattr__(self, name: str) -> Any:
        hint = f"; instead: streams[{name!r}]" if not name.startswith("_") and name in self else ""
        raise AttributeError(f"rosettar.Streams has no {name!r}{hint}", name=name, obj=None if hint else self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.info()["streams"])

    def __len__(self) -> int:
        return len(self._archive.info()["streams"])

    def __repr__(self) -> str:
        return f"<rosettar.Streams: {', '.join(self) or 'none'}>"


def _restore(archive: Archive, name: str, start: int, stop: int, columns: tuple[str, ...], options: Any) -> Stream:
    return Stream(archive, name, range(start, stop), columns, options)
