"""Intervals: any whole number of seconds, minutes, hours, days or weeks.

A window is ``[start, start + interval)`` in UTC. Windows are aligned to 1970-01-01, except that a whole number
of weeks is aligned to Monday, so ``1w`` and ``7d`` are one interval and a length in seconds names it completely.
"""

from __future__ import annotations

import re
from typing import Final

from fulltape.clock import SECOND_NS
from fulltape.kernel import kernel

DEFAULT_INTERVALS: Final = ("1s", "1m", "2m", "5m", "15m", "1h", "4h", "1d")

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WEEK_S: Final = 604_800
_MONDAY_NS: Final = 4 * 86_400 * SECOND_NS  # 1970-01-05 was a Monday
_TEXT: Final = re.compile(r"([1-9]\d{0,5})([smhdw])\Z", re.ASCII)


def parse_interval(text: str) -> int:
    """Return the length in seconds of ``1m``, ``4h`` ...; ValueError says what is accepted."""
    match = _TEXT.match(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= 366 * 86_400:
        raise ValueError(
            f"unknown interval {text!r}: use a whole number of s, m, h, d or w, such as 1s, 5m, 4h, 1d, up to 366d"
        )
    return seconds


def format_interval(seconds: int) -> str:
    """Return the shortest name: 60 is ``1m``, 90 is ``90s``, 604800 is ``1w``."""
    for unit in "wdhm":
        if seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


@kernel
def window_start(time_ns: int, interval_s: int) -> int:
    """Return the start (ns) of the window of ``interval_s`` seconds that holds ``time_ns``."""
    length = interval_s * SECOND_NS
    offset = _MONDAY_NS if interval_s % _WEEK_S == 0 else 0
    return (time_ns - offset) // length * length + offset
