# SPDX-License-Identifier: Apache-2.0
"""Tables as HTML, for notebooks. What is shown comes from archives that nobody vouches for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

#: How many rows are shown.
SHOWN = 20
#: How many streams.
STREAMS = 100
#: How many columns.
COLUMNS = 50
#: How many characters of a value.
_LENGTH = 100


def show(value: object) -> str:
    """A value as text that is safe in HTML."""
    if isinstance(value, str | bytes | list):
        value = value[: _LENGTH + 1]
    text = "" if value is None else str(value)
    if len(text) > _LENGTH:
        text = text[: _LENGTH - 1] + "…"
    # What moves or hides text in a browser is shown as a number.
    return escape("".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text))


def table(title: str, names: Sequence[str], rows: Sequence[Sequence[object]], count: int) -> str:
    """Rows as HTML, of so many in all."""
    heads = [show(name) for name in names[:COLUMNS]]
    if len(names) > COLUMNS:
        heads.append(f"… {len(names) - COLUMNS} more")
    head = "".join(f"<th>{name}</th>" for name in heads)
    cells = ("".join(f"<td>{show(cell)}</td>" for cell in row[:COLUMNS]) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    more = f"<p>… {count - len(rows)} more</p>" if count > len(rows) else ""
    return f"<p>{show(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def at(record: Any, path: str) -> Any:
    """What a record has under the name of a column."""
    if isinstance(record, dict) and path in record:
        return record[path]
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record
