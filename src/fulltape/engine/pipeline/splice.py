"""Joining the venue's bars to the candles that are made from trades, without a seam and without a double.

A window whose trades are all stored belongs to its trades. Any other takes the venue's bar, or is rolled up from the
next finer windows once all of these are known, be it by trades or by bars. A window that is still open gets what it
missed at its beginning in the same way, and the cascade goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.engine.pipeline.known import Known
from fulltape.engine.pipeline.spans import Spans
from fulltape.operators.candles import Candles
from fulltape.operators.rollup import roll_up
from fulltape.records import CANDLES, Array, Batch, CandleSource, EmptyReason
from fulltape.records.columns import NULL_INT
from fulltape.records.interval import window_start
from fulltape.records.page import Page

_FINEST_S: Final = 60
"""No venue has finer bars that matter here."""

Read = Callable[[int, int, int, int], Batch]
"""Returns an instrument's final candles of an interval (s) that start in [start, end), this step's included."""


class Touched(NamedTuple):
    """More than before is known of an instrument's time [start, end) (ns): by windows of ``interval_s``."""

    instrument: int
    interval_s: int
    start: int
    end: int


class Splice:
    """Decides which windows are the venue's, and makes the coarser ones."""

    def __init__(self, candles: Candles, known: Known) -> None:
        self._candles = candles
        self._known = known

    def candles_of(self, page: Page) -> Batch:
        """Return the candles that a page of bars makes: those whose trades are not all stored."""
        if page.interval_s not in self._candles.intervals_s:
            return CANDLES.empty()
        length = page.interval_s * SECOND_NS
        starts = page.batch["start"].tolist()
        wanted = [not self._known.has_trades(page.instrument, start, start + length) for start in starts]
        return _as_candles(page.batch.take(np.array(wanted, np.bool_)))

    def is_bars(self, instrument: int, interval_s: int, start: int) -> bool:
        """Return whether a window belongs to the venue's bars: all of it is known, but not by its trades alone."""
        end = start + interval_s * SECOND_NS
        if interval_s < _FINEST_S or self._known.has_trades(instrument, start, end):
            return False
        if self._known.has_bars(instrument, interval_s, start, end):
            return True
        return self._by_finer(instrument, interval_s).covers(start, end)

    def without_bars(self, candles: Batch) -> Batch:
        """Return the candles without those made of incomplete trades whose windows belong to the venue's bars."""
        until = {code: self._known.bars_until(code) for code in np.unique(candles["instrument"]).tolist()}
        if not any(until.values()):
            return candles
        ends = candles["start"] + candles["interval"].astype(np.int64) * SECOND_NS
        limit = np.array([until[code] for code in candles["instrument"].tolist()], np.int64)
        keep = np.ones(len(candles), np.bool_)
        for row in np.flatnonzero((ends <= limit) & (candles["source"] == CandleSource.TRADES)).tolist():
            keep[row] = not self.is_bars(*(int(candles[name][row]) for name in ("instrument", "interval", "start")))
        return candles.take(keep)

    def coarser(self, touched: Touched, read: Read) -> Iterator[Batch]:
        """Yield the windows that a touched stretch completes, finer intervals first; fill up those that are open.

        Each batch must be seen by ``read`` before the next is asked for.
        """
        for interval_s in self._candles.intervals_s:
            if interval_s > touched.interval_s and self._candles.parent_s(interval_s) >= _FINEST_S:
                yield from self._final(touched, interval_s, read)
                self._fill_up(touched.instrument, interval_s, read)

    def _final(self, touched: Touched, interval_s: int, read: Read) -> Iterator[Batch]:
        code, length = touched.instrument, interval_s * SECOND_NS
        until = self._candles.final_until(code, interval_s) or touched.end
        windows = range(window_start(touched.start, interval_s), min(touched.end, until), length)
        finer = self._by_finer(code, interval_s)
        wanted = [
            start
            for start in windows
            if finer.covers(start, start + length)
            and not self._known.has_trades(code, start, start + length)
            and not self._known.has_bars(code, interval_s, start, start + length)
        ]
        if wanted:
            rows = read(code, self._candles.parent_s(interval_s), wanted[0], wanted[-1] + length)
            rolled = roll_up(rows, interval_s)
            yield rolled.take(np.isin(rolled["start"], wanted))

    def _fill_up(self, code: int, interval_s: int, read: Read) -> None:
        """Give the first window that is not final what its finer windows that are final hold."""
        finer_s = self._candles.parent_s(interval_s)
        start, end = (self._candles.final_until(code, s) for s in (interval_s, finer_s))
        was_mixed = self._candles.is_mixed(code, interval_s, start)
        if start == end or not self._by_finer(code, interval_s).covers(start, end):
            return
        if self._known.has_trades(code, start, end) and not was_mixed:
            return
        rows = read(code, finer_s, start, end)
        is_mixed = bool((rows["source"] != CandleSource.TRADES).any())
        if is_mixed or (was_mixed and len(rows)):
            self._candles.fill_up(code, roll_up(rows, interval_s), is_mixed=is_mixed)

    def _by_finer(self, code: int, interval_s: int) -> Spans:
        """Return what is known by trades, or by bars that make up the next finer windows."""
        finer_s = self._candles.parent_s(interval_s)
        return self._known.of_either(code, [s for s in self._candles.intervals_s if finer_s % s == 0])


def _as_candles(bars: Batch) -> Batch:
    """Return bars as candles. One without volume is a window without trades: venues repeat their last price in it."""
    c, count = bars.columns, len(bars)
    traded = c["volume"] > 0.0
    prices = {name: np.where(traded, c[name], np.nan) for name in ("open", "high", "low", "close", "vwap")}
    columns: dict[str, Array] = {
        "instrument": c["instrument"],
        "interval": c["interval"],
        "start": c["start"],
        **prices,
        "volume": c["volume"],
        "quote_volume": np.where(traded, c["vwap"] * c["volume"], 0.0),
        # A venue may count no trade in a bar that has volume: then it does not tell.
        "trades": np.where(traded, np.where(c["trades"] > 0, c["trades"], NULL_INT), 0),
        "taker_buy_volume": np.where(traded, np.nan, 0.0),
        "revision": np.zeros(count, np.int64),
        "is_final": np.ones(count, np.bool_),
        "source": np.full(count, CandleSource.VENUE_BAR, np.uint8),
        "reason": np.where(traded, EmptyReason.NONE, EmptyReason.QUIET).astype(np.uint8),
    }
    return Batch(CANDLES, columns)
