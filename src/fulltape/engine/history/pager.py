"""Paging through a venue's history: what to ask next, and what each answer covers.

Whatever way a venue pages, its answers become pages that join without a gap: each says for which stretch of time it is
complete. Trades of one time can stand on two pages, so a page says nothing of its last moment; the next one does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from fulltape.clock import SECOND_NS, Clock, format_rfc3339, parse_rfc3339
from fulltape.errors import MalformedFrame
from fulltape.records import Batch
from fulltape.records.interval import window_start
from fulltape.records.page import Page
from fulltape.venues.base import Paging, PolledVenue, RestRequest, TradesPage, Venue

PAGE_ROWS: Final = 1_000
"""Trades to ask for at once; venues that give fewer cut it down."""

SETTLED_NS: Final = 5 * SECOND_NS
"""A venue's history may lag behind its stream: an answer proves nothing of the last moments before it was asked."""

_HOUR_S: Final = 3_600

Fetch = Callable[[RestRequest], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Source:
    """One instrument of a venue, and what asks the venue."""

    venue: Venue
    venue_symbol: str
    instrument: int
    fetch: Fetch
    clock: Clock

    @property
    def name(self) -> str:
        """What people are told."""
        return f"{self.venue.spec.name} {self.venue_symbol}"


async def bar_pages(source: Source, interval_s: int, start: int, end: int) -> AsyncIterator[Page]:
    """Yield the bars with start <= bar < end, newest page first; of a polled venue its moments.

    Raises what fetching raises, MalformedFrame, and ConfigError for an interval that the venue does not have.
    """
    if isinstance(source.venue, PolledVenue):
        async for page in _moments(source, source.venue, interval_s, start, end):
            yield page
        return
    for first, stop in bar_ranges(source, interval_s, start, end):
        body = await source.fetch(source.venue.bars_request(source.venue_symbol, interval_s, first, stop))
        now = source.clock.now_ns()
        bars = _within(source.venue.parse_bars(body, source.instrument, interval_s, now), "start", first, stop)
        _check_bars(bars, interval_s)
        yield Page(source.instrument, bars, interval_s, first, stop, now)


async def _moments(source: Source, venue: PolledVenue, interval_s: int, start: int, end: int) -> AsyncIterator[Page]:
    """Yield the one row of each window with a moment of which the venue keeps history, newest first."""
    length = interval_s * SECOND_NS
    for moment in reversed(venue.history_times(start, end)):
        body = await source.fetch(venue.history_request(source.venue_symbol, moment))
        now = source.clock.now_ns()
        first = window_start(moment, interval_s)
        rows = venue.parse_history(body, source.instrument, moment, now)
        yield Page(source.instrument, rows, interval_s, first, first + length, now)


def bar_ranges(source: Source, interval_s: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges [start, end) to ask bars of, newest first; what the venue does not keep is left out."""
    history, length = source.venue.spec.history, interval_s * SECOND_NS
    if history.bars_kept is not None:
        now = source.clock.now_ns() // length * length
        start = max(start, now - (history.bars_kept - 1) * length)
    stop = end
    while stop > start:
        first = max(start, stop - history.bars_at_once * length)
        yield first, stop
        stop = first


async def trade_pages(source: Source, start: int, end: int, cursor: str | None) -> AsyncIterator[Page]:
    """Yield the trades with start <= trade < end as far as the venue has them, in the order in which it pages.

    ``cursor`` is where to begin, for a venue that pages back by id: a trade at or after ``end``; None is the newest.
    Raises what fetching raises, and MalformedFrame, also for pages that do not go on.
    """
    paging = source.venue.spec.history.trades
    pages = _forward(source, start, end) if paging is Paging.FORWARD else _back(source, start, end, cursor)
    async for page in pages:
        yield page


async def _back(source: Source, start: int, end: int, cursor: str | None) -> AsyncIterator[Page]:
    is_by_time = source.venue.spec.history.trades is Paging.BACK_BY_TIME
    if is_by_time and end < source.clock.now_ns() - SETTLED_NS:
        cursor = format_rfc3339(end)
    edge = end
    is_first = cursor is None
    while True:
        asked = source.clock.now_ns()
        page = await _page(source, cursor)
        times = page.trades["event_time"]
        if is_first:
            edge = min(end, max(int(times.max(initial=0)) + 1, asked - SETTLED_NS))
            is_first = False
        low = int(times.min()) + 1 if len(times) else edge
        is_last = page.older is None or low <= start
        low = max(start, min(low, edge))
        if low < edge or is_last or int(times.min()) < end:
            yield _made(source, page.trades, (start, end), (low, edge), None if is_last else low)
        if is_last or page.older is None:
            return
        if cursor is not None and _place(page.older) >= _place(cursor):
            raise MalformedFrame(
                "paging", f"asked for trades before {cursor}, to go on at {page.older} gives them again"
            )
        edge, cursor = low, page.older


async def _forward(source: Source, start: int, end: int) -> AsyncIterator[Page]:
    low, cursor = start, str(start - 1)
    while True:
        asked = source.clock.now_ns()
        page = await _page(source, cursor)
        newest = int(page.trades["event_time"].max(initial=0))
        is_last = page.newer is None or newest >= end
        high = max(low, min(end, newest if page.newer is not None else asked - SETTLED_NS))
        yield _made(source, page.trades, (start, end), (low, high), None if is_last else high)
        if is_last or page.newer is None:
            return
        if _place(page.newer) <= _place(cursor):
            raise MalformedFrame(
                "paging", f"asked for trades after {cursor}, to go on at {page.newer} gives them again"
            )
        low, cursor = high, page.newer


async def _page(source: Source, cursor: str | None) -> TradesPage:
    body = await source.fetch(source.venue.trades_request(source.venue_symbol, cursor, PAGE_ROWS))
    page = source.venue.parse_trades(body, source.instrument, source.clock.now_ns(), PAGE_ROWS)
    if not len(page.trades) and (page.older or page.newer):
        raise MalformedFrame("paging", "a page without trades is not the last one")
    return page


def _place(cursor: str) -> int:
    """Return where a cursor stands: an id, or a time (ns). Pages that go back and forth would never end."""
    try:
        return int(cursor)
    except ValueError:
        return parse_rfc3339(cursor)


def _check_bars(bars: Batch, interval_s: int) -> None:
    """Raise MalformedFrame for bars that contradict themselves or each other.

    Longer ones than an hour may begin at an hour of the venue's own.
    """
    starts = bars["start"]
    is_off = interval_s <= _HOUR_S and bool((starts % (interval_s * SECOND_NS)).any())
    if is_off or len(np.unique(starts)) < len(starts):
        raise MalformedFrame("bad_start", f"bars of {interval_s} s that overlap")
    # Not the open: at some venues a bar opens with the close before it, which may lie beyond its own prices.
    wrong = np.flatnonzero((bars["low"] > bars["close"]) | (bars["high"] < bars["close"]))
    if wrong.size:
        row = {name: float(bars[name][wrong[0]]) for name in ("open", "high", "low", "close")}
        raise MalformedFrame("bad_bar", f"prices that contradict each other: {row}")


def _made(source: Source, trades: Batch, wanted: tuple[int, int], span: tuple[int, int], edge: int | None) -> Page:
    """Return a page that is complete for ``span``. It has all that is wanted of what came: that may not come again."""
    batch = _within(trades, "event_time", *wanted)
    return Page(source.instrument, batch, 0, *span, source.clock.now_ns(), edge)


def _within(batch: Batch, time: str, start: int, end: int) -> Batch:
    return batch.take((batch[time] >= start) & (batch[time] < end))
