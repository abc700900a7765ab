# SPDX-License-Identifier: Apache-2.0
"""Progress for ``progress=True``: tqdm's bar where it is installed, else a plain line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable


def bar(what: str) -> Callable[[int, int], object]:
    """A callable that shows how many bytes of how many are done."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Plain(what)
    shown = tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1024, leave=False)

    def tell(done: int, total: int) -> None:
        if total and shown.total != total:
            shown.total = total
        shown.update(done - shown.n)

    return tell


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
