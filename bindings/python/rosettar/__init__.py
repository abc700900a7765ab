# SPDX-License-Identifier: Apache-2.0
"""Rosettar archives: files and typed protobuf records in one file that explains itself.

An archive of which nothing is known becomes a DataFrame in a few lines:

    import rosettar, polars as pl

    archive = rosettar.open("flights.rtar")
    archive                                       # how many entries and streams there are
    list(archive), list(archive.streams)          # the paths of the files, the names of the streams
    print(archive.streams["flights"].schema)      # what its columns are
    archive.streams["flights"][0]                 # its first record, as a dict
    df = pl.DataFrame(archive.streams["flights"])

A stream is a table. As it is, it goes into `polars.DataFrame`, `pyarrow.table`, `pandas.DataFrame.from_arrow`,
and by the name of its variable into DuckDB's SQL. `stream.select("a", "b.c")` takes some columns and
`stream[1000:2000]` some rows; the others are not decoded. A message within a message is a struct: `df.unnest("a")`
in polars makes columns of it.

* **Reading.** `open` makes an `Archive`: a mapping from paths to files, which `.extract()` puts on disk and `.verify()`
  checks; `archive.streams[name]` is a `Stream`.
* **Large tables.** `scan` is a LazyFrame of polars, `dataset` is for pyarrow and DuckDB: both read what a query needs.
* **Writing.** `create` makes a `Writer` for files, protobuf messages and DataFrames; `append` goes on with an archive,
  `pack` makes one of a directory.
* **Whole archives.** `recover` salvages a broken one, `diff` compares two. `convert` makes an archive of a C1Z file,
  which `open` reads as well, and the other way round; `read_header` looks at its beginning alone.
* **Errors.** Every exception is an `Error`, with a stable `code`.

In a notebook, an archive, its entries and its streams show themselves as tables.
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

# In the order in which the reference has them.
__all__ = [
    "open",
    "Archive",
    "Streams",
    "Stream",
    "Schema",
    "Entries",
    "Entry",
    "EntryFile",
    "Annotation",
    "scan",
    "dataset",
    "create",
    "append",
    "pack",
    "Writer",
    "StreamWriter",
    "Summary",
    "Note",
    "recover",
    "diff",
    "convert",
    "read_header",
    "VerifyReport",
    "ExtractReport",
    "RecoverReport",
    "ConvertReport",
    "Loss",
    "Timestamp",
    "Duration",
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
    "__version__",
]

for _kind in list(globals().values()):
    # As tracebacks show them: `rosettar.IntegrityError`. Of other classes the source would not be found any more.
    if isinstance(_kind, type) and issubclass(_kind, Error) and _kind is not Error:
        _kind.__module__ = __name__
del _kind
