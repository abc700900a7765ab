# SPDX-License-Identifier: Apache-2.0
"""A stream as a dataset of pyarrow; needs pyarrow."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds


class StreamDataset(ds.Dataset):  # type: ignore[misc]
    """A stream as a dataset: :meth:`scanner` decodes only the columns that are asked for.

    Made by :func:`rosettar.dataset`. DuckDB and others that know pyarrow's datasets push columns and filters into it.
    """

    def __init__(self, stream: Any, filter: Any = None) -> None:
        # Not the constructor of the class above, which refuses: nothing of what that holds is used.
        self._stream, self._filter = stream, filter
        self._schema: pa.Schema | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return StreamDataset, (self._stream, self._filter)

    def __repr__(self) -> str:
        return f"<StreamDataset of {self._stream!r}>"

    @property
    def schema(self) -> pa.Schema:
        """The schema of all columns."""
        if self._schema is None:
            self._schema = pa.schema(self._stream)
        return self._schema

    @property
    def partition_expression(self) -> Any:
        """What holds for all rows: nothing is known."""
        return ds.scalar(True)

    def scanner(
        self,
        columns: list[str] | dict[str, Any] | None = None,
        filter: Any = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> ds.Scanner:
        """A scanner of some columns, by name or as expressions, of the rows that a filter lets through.

        Other options of pyarrow's scanners, such as the number of batches read ahead, say nothing here.
        """
        filter = self._both(filter)
        expressions = [*(columns.values() if isinstance(columns, dict) else ()), filter]
        names = self.schema.names
        if columns is None:
            needed = names
        else:
            plain = set() if isinstance(columns, dict) else {str(column) for column in columns}
            text = " ".join(str(expression) for expression in expressions if expression is not None)
            needed = [name for name in names if name in plain or _mentions(text, name)]
            if plain - set(names):
                needed = names  # pyarrow says which column there is not
        # Without any column only the rows count, and some column has to count them.
        selected = self._stream if needed == names else self._stream.select(*(needed or names[:1]))
        reader = pa.RecordBatchReader.from_stream(selected)
        more = {} if batch_size is None else {"batch_size": batch_size}
        return ds.Scanner.from_batches(reader, columns=columns, filter=filter, **more)

    def head(self, num_rows: int, **options: Any) -> pa.Table:
        """The first rows."""
        if self._filter is None and options.get("filter") is None:
            rows = self._stream.rows(0, min(num_rows, len(self._stream)))
            return StreamDataset(rows).to_table(**options)
        return self.scanner(**options).head(num_rows)

    def count_rows(self, filter: Any = None, **options: Any) -> int:
        """How many rows there are; without a filter nothing is read for that."""
        if self._filter is None and filter is None:
            return len(self._stream)
        return int(self.scanner(columns=[], filter=filter).count_rows())

    def filter(self, expression: Any) -> StreamDataset:
        """The same dataset without the rows for which ``expression`` does not hold."""
        return StreamDataset(self._stream, self._both(expression))

    def get_fragments(self, filter: Any = None) -> Any:
        """Refused: a stream has no fragments."""
        raise NotImplementedError("a stream is no set of files and has no fragments; scanner() reads it")

    def replace_schema(self, schema: pa.Schema) -> Any:
        """Refused: the schema is that of the archive."""
        raise NotImplementedError("the schema of a stream is that of its archive; cast the table")

    def sort_by(self, sorting: Any, **options: Any) -> Any:
        """Refused, in favour of the table's own."""
        raise NotImplementedError("to_table().sort_by(...) sorts a stream")

    def join(self, *arguments: Any, **options: Any) -> Any:
        """Refused, in favour of the table's own."""
        raise NotImplementedError("to_table().join(...) joins a stream")

    join_asof = join

    def _both(self, filter: Any) -> Any:
        if self._filter is None or filter is None:
            return self._filter if filter is None else filter
        return self._filter & filter


def _mentions(text: str, name: str) -> bool:
    """Whether an expression may use the column: pyarrow does not tell, so its text is searched."""
    if not text:
        return False
    return re.fullmatch(r"\w+", name, re.ASCII) is None or re.search(rf"\b{name}\b", text) is not None
