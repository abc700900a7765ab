# SPDX-License-Identifier: Apache-2.0
"""Times to the nanosecond, as subclasses of what `datetime` has."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

#: What a function takes as a time: a datetime with a time zone, or seconds since 1970.
Time = datetime | float | int | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timestamp(datetime):
    """An aware `datetime` that keeps the nanoseconds below its microseconds, 0 to 999, in `nanosecond`.

    >>> from rosettar import Timestamp
    >>> Timestamp.from_unix_nanos(1_000_000_001).isoformat()
    '1970-01-01T00:00:01.000000001+00:00'
    """

    nanosecond: int

    def __new__(cls, *args: Any, nanosecond: int = 0, **kwargs: Any) -> Timestamp:
        if not 0 <= nanosecond <= 999:
            raise ValueError(f"nanosecond: expected 0 to 999, found {nanosecond}")
        self = super().__new__(cls, *args, **kwargs)
        self.nanosecond = nanosecond
        return self

    @classmethod
    def from_unix_nanos(cls, nanos: int) -> Timestamp:
        """The time so many nanoseconds after 1970-01-01T00:00:00Z, in UTC."""
        micros, nanosecond = divmod(nanos, 1000)
        return _with_nanos(cls, _EPOCH + timedelta(microseconds=micros), nanosecond)

    def unix_nanos(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00Z, exact."""
        return _nanos(_plain(self) - _EPOCH) + self.nanosecond

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        text = super().isoformat(sep, timespec)
        if not self.nanosecond or timespec not in ("auto", "nanoseconds"):
            return text
        text = super().isoformat(sep, "microseconds")
        at = text.index(".") + 7
        return f"{text[:at]}{self.nanosecond:03}{text[at:]}"

    def __str__(self) -> str:
        return self.isoformat(" ")

    def __repr__(self) -> str:
        return f"rosettar.Timestamp({self.isoformat()!r})"

    def replace(self, *args: Any, nanosecond: int | None = None, **kwargs: Any) -> Timestamp:
        plain = _plain(self).replace(*args, **kwargs)
        return _with_nanos(type(self), plain, self.nanosecond if nanosecond is None else nanosecond)

    def astimezone(self, tz: Any = None) -> Timestamp:
        return _with_nanos(type(self), _plain(self).astimezone(tz), self.nanosecond)

    def __add__(self, other: timedelta) -> Timestamp:
        if not isinstance(other, timedelta):
            return NotImplemented
        carry, nanosecond = divmod(self.nanosecond + getattr(other, "nanosecond", 0), 1000)
        plain = _plain(self) + timedelta(other.days, other.seconds, other.microseconds + carry)
        return _with_nanos(type(self), plain, nanosecond)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, timedelta):
            return self + -other
        if not isinstance(other, datetime):
            return NotImplemented
        nanos = self.nanosecond - getattr(other, "nanosecond", 0)
        carry, nanosecond = divmod(nanos, 1000)
        span = _plain(self) - _plain(other) + timedelta(microseconds=carry)
        return Duration(span.days, span.seconds, span.microseconds, nanosecond=nanosecond)

    def __rsub__(self, other: Any) -> Any:
        return -(self - other) if isinstance(other, datetime) else NotImplemented

    def _order(self, other: datetime) -> int:
        left, right = _plain(self), _plain(other)
        if left == right:
            return self.nanosecond - getattr(other, "nanosecond", 0)
        return -1 if left < right else 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, datetime):
            return NotImplemented
        return _plain(self) == _plain(other) and self.nanosecond == getattr(other, "nanosecond", 0)

    def __lt__(self, other: datetime) -> bool:  # type: ignore[override]
        return self._order(other) < 0 if isinstance(other, datetime) else NotImplemented

    def __le__(self, other: datetime) -> bool:  # type: ignore[override]
        return self._order(other) <= 0 if isinstance(other, datetime) else NotImplemented

    def __gt__(self, other: datetime) -> bool:  # type: ignore[override]
        return self._order(other) > 0 if isinstance(other, datetime) else NotImplemented

    def __ge__(self, other: datetime) -> bool:  # type: ignore[override]
        return self._order(other) >= 0 if isinstance(other, datetime) else NotImplemented

    def __hash__(self) -> int:
        plain = hash(_plain(self))
        return hash((plain, self.nanosecond)) if self.nanosecond else plain

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _with_nanos, (type(self), _plain(self), self.nanosecond)


class Duration(timedelta):
    """A `timedelta` that keeps the nanoseconds below its microseconds, 0 to 999, in `nanosecond`. As with the days of a
    `timedelta`, a negative span is so many whole microseconds down, and nanoseconds up.

    >>> from rosettar import Duration
    >>> Duration.from_nanos(1_500_000_007).nanos()
    1500000007
    """

    nanosecond: int

    def __new__(cls, *args: Any, nanosecond: int = 0, **kwargs: Any) -> Duration:
        if not 0 <= nanosecond <= 999:
            raise ValueError(f"nanosecond: expected 0 to 999, found {nanosecond}")
        self = super().__new__(cls, *args, **kwargs)
        self.nanosecond = nanosecond
        return self

    @classmethod
    def from_nanos(cls, nanos: int) -> Duration:
        """The span of so many nanoseconds."""
        micros, nanosecond = divmod(nanos, 1000)
        return cls(microseconds=micros, nanosecond=nanosecond)

    def nanos(self) -> int:
        """The span in nanoseconds, exact."""
        return _nanos(self)

    def __repr__(self) -> str:
        return f"rosettar.Duration({str(self)!r})"

    def __str__(self) -> str:
        seconds, nanos = divmod(abs(_nanos(self)), 1_000_000_000)
        fraction = f".{nanos:09}".rstrip("0") if nanos else ""
        return f"{'-' if _nanos(self) < 0 else ''}{seconds}{fraction}s"

    def __add__(self, other: timedelta) -> Any:
        if isinstance(other, datetime):
            return NotImplemented
        return Duration.from_nanos(_nanos(self) + _nanos(other)) if isinstance(other, timedelta) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: timedelta) -> Duration:
        return Duration.from_nanos(_nanos(self) - _nanos(other)) if isinstance(other, timedelta) else NotImplemented

    def __rsub__(self, other: timedelta) -> Duration:
        return Duration.from_nanos(_nanos(other) - _nanos(self)) if isinstance(other, timedelta) else NotImplemented

    def __neg__(self) -> Duration:
        return Duration.from_nanos(-_nanos(self))

    def __pos__(self) -> Duration:
        return self

    def __abs__(self) -> Duration:
        return Duration.from_nanos(abs(_nanos(self)))

    def __eq__(self, other: object) -> bool:
        return _nanos(self) == _nanos(other) if isinstance(other, timedelta) else NotImplemented

    def __lt__(self, other: timedelta) -> bool:
        return _nanos(self) < _nanos(other) if isinstance(other, timedelta) else NotImplemented

    def __le__(self, other: timedelta) -> bool:
        return _nanos(self) <= _nanos(other) if isinstance(other, timedelta) else NotImplemented

    def __gt__(self, other: timedelta) -> bool:
        return _nanos(self) > _nanos(other) if isinstance(other, timedelta) else NotImplemented

    def __ge__(self, other: timedelta) -> bool:
        return _nanos(self) >= _nanos(other) if isinstance(other, timedelta) else NotImplemented

    def __hash__(self) -> int:
        plain = hash(timedelta(self.days, self.seconds, self.microseconds))
        return hash((plain, self.nanosecond)) if self.nanosecond else plain

    def __reduce__(self) -> Any:
        return Duration.from_nanos, (_nanos(self),)


def _nanos(span: timedelta) -> int:
    micros = (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
    return micros * 1000 + getattr(span, "nanosecond", 0)


def _plain(time: datetime) -> datetime:
    # Also where the argument is plain: what is computed with it must not come back here.
    return datetime.combine(datetime.date(time), datetime.timetz(time))


def _with_nanos(cls: type[Timestamp], plain: datetime, nanosecond: int) -> Timestamp:
    date = (plain.year, plain.month, plain.day, plain.hour, plain.minute, plain.second, plain.microsecond)
    return cls(*date, tzinfo=plain.tzinfo, fold=plain.fold, nanosecond=nanosecond)


def make_timestamp(seconds: int, nanos: int) -> Timestamp | dict[str, int]:
    """A protobuf Timestamp; as its two numbers where no `datetime` is so early or late."""
    try:
        return Timestamp.from_unix_nanos(seconds * 1_000_000_000 + nanos)
    except OverflowError:
        return {"seconds": seconds, "nanos": nanos}


def make_duration(seconds: int, nanos: int) -> Duration | dict[str, int]:
    """A protobuf Duration; as its two numbers where no `timedelta` is so long."""
    try:
        return Duration.from_nanos(seconds * 1_000_000_000 + nanos)
    except OverflowError:
        return {"seconds": seconds, "nanos": nanos}


def time_parts(time: Time) -> tuple[int, int] | None:
    """Seconds since 1970, rounded down, and nanoseconds after them."""
    if time is None:
        return None
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ValueError(f"{time!r} has no time zone: state one, such as tzinfo=datetime.UTC")
        since = time - _EPOCH
        nanoseconds = since.microseconds * 1000 + int(getattr(time, "nanosecond", 0))
        return since.days * 86400 + since.seconds, nanoseconds
    if isinstance(time, int):
        return time, 0
    whole = math.floor(time)
    return whole, min(int((time - whole) * 1_000_000_000), 999_999_999)
