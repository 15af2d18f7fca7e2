"""Time: int64 nanoseconds since 1970-01-01 UTC, everywhere inside fulltape."""

from __future__ import annotations

import datetime as dt
import re
import time
from typing import Protocol

SECOND_NS = 1_000_000_000

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|z|[+-](?:[01]\d|2[0-3]):[0-5]\d)\Z",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)


class Clock(Protocol):
    """Where the time comes from: the machine in production, the test's hand in tests."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Return the machine's time in nanoseconds since 1970 UTC."""
        return time.time_ns()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time that was last set."""
        return self._now_ns

    def set(self, now_ns: int) -> None:
        """Move to ``now_ns``."""
        self._now_ns = now_ns


def parse_rfc3339(text: str) -> int:
    """Return the nanoseconds of an RFC 3339 time with 0 to 9 fraction digits.

    Raises ValueError for anything else, a leap second or an impossible date included.
    """
    match = _RFC3339.match(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    since = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC) - _EPOCH
    seconds = since.days * 86_400 + since.seconds - _offset_s(match[8])
    fraction = int((match[7] or "").ljust(9, "0"))
    return seconds * SECOND_NS + fraction


def parse_when(text: str) -> int:
    """Return the nanoseconds of what people write for a time: RFC 3339, or a date for its midnight UTC.

    Raises ValueError for anything else.
    """
    return parse_rfc3339(f"{text}T00:00:00Z" if _DATE.match(text) else text)


def _offset_s(zone: str) -> int:
    """Return the seconds by which ``+05:30`` is ahead of UTC."""
    if zone in "Zz":
        return 0
    offset = int(zone[1:3]) * 3_600 + int(zone[4:6]) * 60
    return offset if zone[0] == "+" else -offset


def format_rfc3339(time_ns: int) -> str:
    """Return ``2021-04-17T16:43:37.089723000Z``: always nine digits, always UTC."""
    seconds, nanoseconds = divmod(time_ns, SECOND_NS)
    whole = _EPOCH + dt.timedelta(seconds=seconds)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
