"""Candles of any interval: stored ones, or rolled up from stored finer ones while they are read. Exact either way."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from fulltape.api.paging import LATEST_NS, PageQuery, nearest, read_page
from fulltape.api.problems import bad_request
from fulltape.clock import SECOND_NS
from fulltape.operators.rollup import roll_up
from fulltape.records import CANDLES, Array, Batch
from fulltape.records.interval import format_interval, window_start
from fulltape.stores.base import Cursor, Reader, Selection

MOST_ROWS: Final = 500_000
"""Of how many stored candles a page may be made."""
_PRICES: Final = ("open", "high", "low", "close")
_BEFORE: Final = 1_000
"""How many windows before a page are looked through for a price to carry into it."""


def read_candles(
    reader: Reader, code: int, interval_s: int, page: PageQuery, bound: str = "limit"
) -> tuple[Batch, Cursor | None]:
    """Return a page of an instrument's candles and where the next one begins, None after the last row.

    Raises the 400 for a page that would be made of too many stored candles; ``bound`` is the parameter to lower.
    """
    with reader.pinned():
        fine_s = _source(reader, code, interval_s)
        if fine_s == interval_s:
            return read_page(reader, Selection(CANDLES, (code,), interval_s=interval_s), page)
        ratio = interval_s // fine_s
        if ratio * page.limit > MOST_ROWS:
            most = MOST_ROWS // ratio
            advice = f"ask with {bound}={most} at most" if most else "that is too long an interval for them"
            made_of = f"{format_interval(interval_s)} is made of {ratio:,} stored candles of {format_interval(fine_s)}"
            raise bad_request(f"interval: {made_of}: {advice}")
        rows = _fine_rows(reader, code, interval_s, fine_s, page)
        return _cut(_settled(reader, roll_up(rows, interval_s), code, fine_s), page)


def carry_forward(reader: Reader, code: int, interval_s: int, candles: Batch) -> Batch:
    """Return a page's candles with the last close before in windows without trades: how charts like to draw them.

    Such a window still has ``trades`` 0 and the ``reason`` why it is empty, and no volume.
    """
    if not len(candles):
        return candles
    order = np.argsort(candles["start"])
    close = candles["close"][order]
    there = np.where(np.isnan(close), -1, np.arange(len(close)))
    last = np.maximum.accumulate(there)
    carried = np.where(last < 0, np.nan, close[last])
    if last[0] < 0:
        carried[last < 0] = _close_before(reader, code, interval_s, int(candles["start"].min()))
    filled = np.empty_like(carried)
    filled[order] = carried
    prices = {name: np.where(np.isnan(candles[name]), filled, candles[name]) for name in _PRICES}
    return Batch(CANDLES, {**candles.columns, **prices})


def _source(reader: Reader, code: int, interval_s: int) -> int:
    """Return the longest stored interval that makes up ``interval_s`` and that the instrument has candles of."""
    for fine_s in sorted(reader.intervals(), reverse=True):
        if _tiles(fine_s, interval_s) and len(reader.read(Selection(CANDLES, (code,), interval_s=fine_s, limit=1))):
            return fine_s
    return interval_s


def _tiles(fine_s: int, interval_s: int) -> bool:
    """Return whether windows of ``interval_s`` are whole numbers of windows of ``fine_s``."""
    start = window_start(0, interval_s)
    return interval_s % fine_s == 0 and window_start(start, fine_s) == start


def _fine_rows(reader: Reader, code: int, interval_s: int, fine_s: int, page: PageQuery) -> Batch:
    """Return the stored candles of one window more than the page has."""
    start, end = _first_window(page.start, interval_s), _first_window(page.end, interval_s)
    if page.after is not None and page.newest_first:
        end = page.after.time if end is None else min(end, page.after.time)
    elif page.after is not None:
        behind = page.after.time + interval_s * SECOND_NS
        start = behind if start is None else max(start, behind)
    selection = Selection(CANDLES, (code,), fine_s, start, end, newest_first=page.newest_first)
    return reader.read(replace(selection, limit=(page.limit + 1) * (interval_s // fine_s)))


def _first_window(time: int | None, interval_s: int) -> int | None:
    """Return the start of the first window that begins at ``time`` or later."""
    if time is None:
        return None
    return int(window_start(nearest(time) - 1, interval_s)) + interval_s * SECOND_NS


def _settled(reader: Reader, rolled: Batch, code: int, fine_s: int) -> Batch:
    """Take the mark of being final from windows that go on: those of which the last part is not final yet."""
    if not len(rolled):
        return rolled
    newest = reader.read(Selection(CANDLES, (code,), interval_s=fine_s, newest_first=True, limit=3))
    settled = newest["start"][newest["is_final"]]
    until = int(settled.max()) + fine_s * SECOND_NS if len(settled) else -LATEST_NS
    ends: Array = rolled["start"] + rolled["interval"].astype(np.int64) * SECOND_NS
    return Batch(CANDLES, {**rolled.columns, "is_final": rolled["is_final"] & (ends <= until)})


def _cut(rolled: Batch, page: PageQuery) -> tuple[Batch, Cursor | None]:
    """Cut the page out of windows in order of time, of which one that is beyond it may be incomplete."""
    if page.newest_first:
        rolled = rolled.take(slice(None, None, -1))
    if len(rolled) <= page.limit:
        return rolled, None
    rolled = rolled.take(slice(0, page.limit))
    return rolled, Cursor(int(rolled["start"][-1]), 1)


def _close_before(reader: Reader, code: int, interval_s: int, start: int) -> float:
    """Return the last close of the windows before ``start``, NaN if there is none near."""
    page = PageQuery(None, start, _BEFORE, None, newest_first=True)
    fine_s = _source(reader, code, interval_s)
    before, _ = read_page(reader, Selection(CANDLES, (code,), interval_s=fine_s), page)
    closes = before["close"][~np.isnan(before["close"])]
    return float(closes[0]) if len(closes) else float("nan")
