# SPDX-License-Identifier: Apache-2.0
"""Progress for ``progress=True``: tqdm's bar where it is installed, else a plain line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

#: What a function takes as ``progress``: a callable is told the bytes done, and the bytes there are in all or 0.
Progress = bool | Callable[[int, int], object] | None


class telling:
    """A context manager: what to call about progress, if anything; a bar of its own is closed at the end."""

    def __init__(self, progress: Progress, doing: str) -> None:
        self._progress, self._doing = progress, doing
        self._bar: Any = None

    def __enter__(self) -> Callable[[int, int], object] | None:
        if self._progress is None or self._progress is False:
            return None
        if self._progress is not True and not callable(self._progress):
            raise TypeError(f"progress: expected True, False, None or a callable, found {self._progress!r}")
        if callable(self._progress):
            return self._progress
        self._bar = bar(self._doing)
        return self._bar  # type: ignore[no-any-return]

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()


def bar(what: str) -> _Bar | _Plain:
    """A callable that shows how many bytes of how many are done, until it is closed."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Plain(what)
    return _Bar(tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1024, leave=False))


class _Bar:
    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def __call__(self, done: int, total: int) -> None:
        if total and self._shown.total != total:
            self._shown.total = total
        self._shown.update(done - self._shown.n)

    def close(self) -> None:
        self._shown.close()


class _Plain:
    def __init__(self, what: str) -> None:
        self._what, self._shown = what, ""

    def __call__(self, done: int, total: int) -> None:
        share = f" {100 * done // total} %" if total else ""
        text = f"{self._what}: {done / (1 << 20):.1f} MiB{share}"
        if text != self._shown and sys.stderr is not None:
            sys.stderr.write("\r" + text)
            sys.stderr.flush()
            self._shown = text

    def close(self) -> None:
        if self._shown and sys.stderr is not None:
            sys.stderr.write("\n")
            self._shown = ""
