# SPDX-License-Identifier: Apache-2.0
"""Rosettar archives: files and typed protobuf records in one file that explains itself.

    import rosettar, polars as pl
    df = pl.DataFrame(rosettar.open("flights.rtar").streams["flights"])
"""

from ._errors import (
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
from ._native import __version__
from ._reading import (
    Annotation,
    Archive,
    Entries,
    Entry,
    EntryFile,
    ExtractReport,
    Schema,
    Stream,
    Streams,
    VerifyReport,
    diff,
    open,  # noqa: A004
)
from ._times import Duration, Timestamp

__all__ = [
    "Annotation",
    "Archive",
    "Duration",
    "Entries",
    "Entry",
    "EntryFile",
    "Error",
    "ExtractReport",
    "IntegrityError",
    "IoError",
    "LimitError",
    "MalformedError",
    "NotFoundError",
    "PolicyError",
    "Schema",
    "SchemaError",
    "Stream",
    "Streams",
    "Timestamp",
    "UnsupportedError",
    "UsageError",
    "VerifyReport",
    "__version__",
    "diff",
    "open",
]
