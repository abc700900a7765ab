# SPDX-License-Identifier: Apache-2.0
"""Streams as lazy tables: :func:`scan` for polars, :func:`dataset` for pyarrow and what reads its datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rosettar._errors import UsageError

if TYPE_CHECKING:
    import polars

    from rosettar._dataset import StreamDataset

__all__ = ["dataset", "scan"]

#: Records that are decoded into one table at once, where polars does not say how many it wants.
_ROWS = 1 << 19
#: The fewest, because each begins in the middle of a frame.
_LEAST_ROWS = 1 << 16


def scan(source: Any, stream: str | None = None) -> polars.LazyFrame:
    """A stream as a LazyFrame of polars, which decodes only the columns and rows that a query needs.

    :param source: a stream, an archive, or what :func:`rosettar.open` opens.
    :param stream: the name of the stream; an archive with only one needs none.

    >>> import rosettar, tempfile, os
    >>> from google.protobuf.api_pb2 import Method
    >>> path = os.path.join(tempfile.mkdtemp(), "a.rtar")
    >>> with rosettar.create(path) as w:
    ...     w.stream("methods").extend(Method(name=f"m{n}") for n in range(100))
    >>> rosettar.scan(path).select("name").slice(98).collect()["name"].to_list()
    ['m98', 'm99']
    """
    try:
        import polars as pl
        from polars.io.plugins import register_io_source
    except ImportError:
        raise ImportError("rosettar.scan needs polars: pip install polars") from None

    chosen = find_stream(source, stream)

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = chosen
        if columns is not None:
            needed = dict.fromkeys(columns)
            if predicate is not None:
                needed |= dict.fromkeys(predicate.meta.root_names())
            # Without any column only the rows count, and some column has to count them.
            wanted = chosen.select(*(needed or schema().names()[:1]))
        size = len(chosen)
        if rows is not None and predicate is None:
            size = min(size, rows)
        step = max(batch or _ROWS, _LEAST_ROWS)
        left = rows
        for start in range(0, size, step):
            frame = pl.DataFrame(wanted.rows(start, min(start + step, size)))
            if predicate is not None:
                frame = frame.filter(predicate)
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield frame if columns is None else frame.select(columns)
            if left == 0:
                return

    def schema() -> pl.Schema:
        return pl.DataFrame(chosen.rows(0, 0)).schema

    return register_io_source(read, schema=schema, is_pure=True)


def dataset(source: Any, stream: str | None = None) -> StreamDataset:
    """A stream as a dataset of pyarrow, into which DuckDB and others push the columns that a query needs.

    :param source: a stream, an archive, or what :func:`rosettar.open` opens.
    :param stream: the name of the stream; an archive with only one needs none.

    >>> import rosettar, tempfile, os
    >>> from google.protobuf.api_pb2 import Method
    >>> path = os.path.join(tempfile.mkdtemp(), "a.rtar")
    >>> with rosettar.create(path) as w:
    ...     w.stream("methods").extend(Method(name=f"m{n}") for n in range(100))
    >>> rosettar.dataset(path).head(2, columns=["name"]).to_pylist()
    [{'name': 'm0'}, {'name': 'm1'}]
    """
    try:
        from rosettar._dataset import StreamDataset
    except ImportError:
        raise ImportError("a dataset needs pyarrow: pip install rosettar[arrow]") from None

    return StreamDataset(find_stream(source, stream))


def find_stream(source: Any, name: str | None) -> Any:
    """The stream that the arguments of :func:`scan` and :func:`dataset` mean."""
    if hasattr(source, "__arrow_c_stream__") and hasattr(source, "select"):
        return source
    if not hasattr(source, "streams"):
        import rosettar

        source = rosettar.open(source)
    if name is not None:
        return source.streams[name]
    names = list(source.streams)
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise UsageError(f"the archive has {len(names)} streams: state which one, of {known}", code="usage.option")
    return source.streams[names[0]]
