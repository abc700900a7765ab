# SPDX-License-Identifier: Apache-2.0
"""Rosettar archives: files and typed protobuf records in one file that explains itself.

    import rosettar, polars as pl
    df = pl.DataFrame(rosettar.open("flights.rtar").streams["flights"])

`open` reads an archive and `create` writes one; `scan` is for Polars, `dataset` for pyarrow and DuckDB; `pack` takes a
directory, `recover` salvages a broken archive, `diff` compares two, and
`convert` turns C1Z files, which `open` reads as well, into archives and back. A stream is a table, and goes as it is
into `pyarrow.table`, `polars.DataFrame`, `pandas.DataFrame.from_arrow`, and by its variable's name into DuckDB's SQL.
"""

from rosettar._errors import (
    Error,
    IntegrityError,
    IoError,
    LimitError,
    MalformedError,
    NotFoundError,
    PolicyError,
    SchemaError,
    UnsupportedError,
    UsageError,
)
from rosettar._native import __version__
from rosettar._reading import (
    Annotation,
    Archive,
    ConvertReport,
    Entries,
    Entry,
    EntryFile,
    ExtractReport,
    Loss,
    RecoverReport,
    Schema,
    Stream,
    Streams,
    VerifyReport,
    convert,
    diff,
    open,
    read_header,
    recover,
)
from rosettar._scanning import dataset, scan
from rosettar._times import Duration, Timestamp
from rosettar._writing import Note, StreamWriter, Summary, Writer, append, create, pack

__all__ = [
    "Annotation",
    "Archive",
    "ConvertReport",
    "Duration",
    "Entries",
    "Entry",
    "EntryFile",
    "Error",
    "ExtractReport",
    "IntegrityError",
    "IoError",
    "LimitError",
    "Loss",
    "MalformedError",
    "NotFoundError",
    "Note",
    "PolicyError",
    "RecoverReport",
    "Schema",
    "SchemaError",
    "Stream",
    "StreamWriter",
    "Streams",
    "Summary",
    "Timestamp",
    "UnsupportedError",
    "UsageError",
    "VerifyReport",
    "Writer",
    "__version__",
    "append",
    "convert",
    "create",
    "dataset",
    "diff",
    "open",
    "pack",
    "read_header",
    "recover",
    "scan",
]
