# SPDX-License-Identifier: Apache-2.0
"""Limits by name, and numbers, as functions take them."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from rosettar._errors import UsageError

#: Limits by name, such as ``{"decoded-bytes": "64G"}``; in place of a hyphen an underscore will do.
Limits = Mapping[str, int | str] | None


def limit_pairs(limits: Limits) -> list[tuple[str, str]]:
    """The limits as the native part takes them, which checks names and values."""
    if limits is None:
        return []
    if not isinstance(limits, Mapping) or not all(isinstance(name, str) for name in limits):
        raise TypeError(f"limits: expected a dictionary such as {{'decoded-bytes': '64G'}}, found {limits!r}")
    return [(name.replace("_", "-"), str(value)) for name, value in limits.items()]


def whole(option: str, value: Any, least: int = 0, most: int = (1 << 63) - 1) -> Any:
    """A whole number that an option was given, or None."""
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{option}: expected a whole number, found {value!r}") from None
    if not least <= number <= most:
        raise UsageError(f"{option}: expected {least} to {most}, found {number}", code="usage.option")
    return number
