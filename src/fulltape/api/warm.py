"""Indicators of a page of candles, with as many candles before the page as their values need."""

from __future__ import annotations

from typing import Final

from fulltape.api.paging import MAX_LIMIT, PageQuery
from fulltape.api.problems import bad_request
from fulltape.api.rolled import MOST_ROWS, read_candles
from fulltape.operators.indicators.base import Columns, Indicator, Values
from fulltape.records import CANDLES, Batch
from fulltape.stores.base import Cursor, Reader

_ROLLED_LIMIT: Final = 300
"""How many candles to read at once where each may be made of a day of minutes."""


def read_indicator(
    reader: Reader, code: int, interval_s: int, page: PageQuery, indicator: Indicator, values: Values
) -> tuple[Batch, Columns, Cursor | None]:
    """Return a page of an instrument's candles, the indicator at each, and where the next page begins.

    A value does not depend on the page that it is in. Raises the 400 for what would take too many candles, and
    ConfigError if a library is missing.
    """
    with reader.pinned():
        candles, after = read_candles(reader, code, interval_s, page)
        if not len(candles):
            return candles, indicator.over(candles, values), after
        oldest_first = slice(None, None, -1) if page.newest_first else slice(None)
        candles = candles.take(oldest_first)
        needed = indicator.history(values, interval_s)
        before = _before(reader, code, interval_s, int(candles["start"][0]), indicator, needed)
    columns = indicator.over(Batch.concat([*before, candles]), values)
    first = sum(map(len, before))
    return candles.take(oldest_first), {name: array[first:][oldest_first] for name, array in columns.items()}, after


def read_latest(reader: Reader, code: int, interval_s: int, indicator: Indicator, count: int) -> tuple[Batch, bool]:
    """Return the newest candles, in order of time, of which ``count`` can be used, and whether these are all."""
    parts = _before(reader, code, interval_s, None, indicator, count)
    candles = Batch.concat([CANDLES.empty(), *parts])
    return candles, int(indicator.usable(candles).sum()) < count


def _before(
    reader: Reader, code: int, interval_s: int, start: int | None, indicator: Indicator, needed: int
) -> list[Batch]:
    """Return candles before ``start``, in order of time, of which ``needed`` can be used, or all that there are."""
    most = MAX_LIMIT if interval_s in reader.intervals() else _ROLLED_LIMIT
    parts: list[Batch] = []
    usable, read, after = 0, 0, None
    while usable < needed:
        limit = min(most, needed - usable)
        page = PageQuery(None, start, limit, after, newest_first=True)
        candles, after = read_candles(reader, code, interval_s, page)
        parts.append(candles.take(slice(None, None, -1)))
        usable += int(indicator.usable(candles).sum())
        read += len(candles)
        if after is None:
            break
        if read > MOST_ROWS:
            many = f"{indicator.name} needs more than {MOST_ROWS:,} candles before"
            raise bad_request(f"interval: {many}: ask for a longer interval")
    return parts[::-1]
