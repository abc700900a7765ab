# SPDX-License-Identifier: Apache-2.0
"""Rosettar archives: files and typed records, in one file that explains itself."""

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
from rosettar._writing import Note, StreamWriter, Summary, Writer, append, create, pack

__all__ = [
    "Error",
    "IntegrityError",
    "IoError",
    "LimitError",
    "MalformedError",
    "NotFoundError",
    "Note",
    "PolicyError",
    "SchemaError",
    "StreamWriter",
    "Summary",
    "UnsupportedError",
    "UsageError",
    "Writer",
    "__version__",
    "append",
    "create",
    "pack",
]
