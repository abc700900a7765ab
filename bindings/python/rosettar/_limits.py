# SPDX-License-Identifier: Apache-2.0
"""Limits by name, as functions take them."""

from __future__ import annotations

from collections.abc import Mapping

#: Limits by name, such as ``{"decoded-bytes": "64G"}``; in place of a hyphen an underscore will do.
Limits = Mapping[str, int | str] | None


def limit_pairs(limits: Limits) -> list[tuple[str, str]]:
    """The limits as the native part takes them, which checks names and values."""
    if limits is None:
        return []
    if not isinstance(limits, Mapping) or not all(isinstance(name, str) for name in limits):
        raise TypeError(f"limits: expected a dictionary such as {{'decoded-bytes': '64G'}}, found {limits!r}")
    return [(name.replace("_", "-"), str(value)) for name, value in limits.items()]
