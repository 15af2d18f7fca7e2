"""RFC 3339 texts to nanoseconds, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fulltape.clock import SECOND_NS, parse_rfc3339
from fulltape.kernel import kernel
from fulltape.records import Array
from fulltape.records.columns import NULL_INT

_ZERO, _NINE = 48, 57
_INT64_MAX = np.iinfo(np.int64).max


def parse_times(texts: Sequence[str]) -> Array:
    """Return int64 ns of RFC 3339 texts with 0 to 9 fraction digits; NULL_INT for what is not one.

    Times that int64 nanoseconds cannot hold (before 1677, after 2262) are NULL_INT as well.
    """
    times = np.empty(len(texts), np.int64)
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    # Replacing keeps one byte per character, so that the ends stay right; "?" is never part of a time.
    characters = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)
    if _parse_utc(characters, ends, times) < len(texts):
        for row in np.flatnonzero(times == NULL_INT).tolist():
            times[row] = _parse_one(texts[row]) if texts[row] else NULL_INT
    return times


def _parse_one(text: str) -> int:
    try:
        time_ns = parse_rfc3339(text)
    except (ValueError, OverflowError):
        return NULL_INT
    return time_ns if abs(time_ns) <= _INT64_MAX else NULL_INT


@kernel
def _parse_utc(characters: Array, ends: Array, times: Array) -> int:
    """Parse the common form ``2021-04-17T16:43:37.089723Z``; leave NULL_INT for any other. Return how many it took."""
    done = 0
    start = 0
    for row in range(len(ends)):
        end = ends[row]
        times[row] = _parse_common(characters, start, end)
        if times[row] != NULL_INT:
            done += 1
        start = end
    return done


@kernel
def _parse_common(characters: Array, start: int, end: int) -> int:
    length = end - start
    if length < 20 or length == 21 or length > 30 or characters[end - 1] != 90:  # Z
        return NULL_INT
    if (
        characters[start + 4] != 45  # -
        or characters[start + 7] != 45
        or characters[start + 10] != 84  # T
        or characters[start + 13] != 58  # :
        or characters[start + 16] != 58
        or (length > 20 and characters[start + 19] != 46)  # .
    ):
        return NULL_INT
    year = _number(characters, start, start + 4)
    month = _number(characters, start + 5, start + 7)
    day = _number(characters, start + 8, start + 10)
    hour = _number(characters, start + 11, start + 13)
    minute = _number(characters, start + 14, start + 16)
    second = _number(characters, start + 17, start + 19)
    fraction = _number(characters, start + 20, end - 1) if length > 20 else 0
    # Years outside, days 29 to 31 of short months and every impossible value are left to the careful parser.
    is_usual = 1970 <= year <= 2261 and 1 <= month <= 12 and 1 <= day <= _days_in(year, month)
    if not is_usual or not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 59 or fraction < 0:
        return NULL_INT
    for _ in range(30 - length):
        fraction *= 10
    seconds = ((_days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * SECOND_NS + fraction


@kernel
def _number(characters: Array, start: int, end: int) -> int:
    number = 0
    for i in range(start, end):
        character = int(characters[i])
        if character < _ZERO or character > _NINE:
            return -1
        number = number * 10 + character - _ZERO
    return number


@kernel
def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@kernel
def _days_since_1970(year: int, month: int, day: int) -> int:
    """Count days of the Gregorian calendar with years that begin in March, so that a leap day comes last."""
    shifted = year - 1 if month <= 2 else year
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719_468
