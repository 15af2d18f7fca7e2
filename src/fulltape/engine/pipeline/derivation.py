"""Candles that are made from what is stored: again after late trades, for the first time from the venue's bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.engine.pipeline.counters import Counters
from fulltape.engine.pipeline.known import Known
from fulltape.engine.pipeline.splice import Splice, Touched
from fulltape.operators.candles import Candles, StaleWindow
from fulltape.records import CANDLES, COVERAGE, TRADES, Array, Batch, CandleSource, EmptyReason, Schema
from fulltape.records.interval import window_start
from fulltape.records.page import Page
from fulltape.stores.latest import last_of_each_key

_NO_TRADES: Final = TRADES.empty()


class History(Protocol):
    """What has been committed."""

    def trades(self, instrument: int, start: int, end: int) -> Batch:
        """Return every committed trade of the instrument with start <= event_time < end."""
        ...

    def candles(self, instrument: int, interval_s: int, start: int, end: int) -> Batch:
        """Return the committed candles that start in [start, end)."""
        ...

    def windows(self, instrument: int, start: int, end: int) -> Batch:
        """Return the committed windows that start in [start, end)."""
        ...

    def records(self, schema: Schema, instrument: int, start: int, end: int) -> Batch:
        """Return every committed record of a kind and instrument with start <= time < end."""
        ...


class Derivation:
    """Corrects candles that are final and adds those of the venue. One thread at a time."""

    def __init__(self, candles: Candles, known: Known, counters: Counters) -> None:
        self._counters = counters
        self._candles = candles
        self._known = known
        self._splice = Splice(candles, known)
        self._released: set[int] = set()

    def resume(self) -> None:
        """Go on after a restart: windows that waited for a page wait no more, for nobody may ask for it again."""
        self._released = set(self._known.holding())

    def apply(self, batches: Mapping[str, Batch], pages: Sequence[Page], history: History) -> Batch:
        """Return the candles of a step; of rows with one key the last counts.

        These are, in this order: other reasons of committed windows without trades, the rows of the cascade, windows
        made again because of late trades, those of the venue's bars and what these complete.
        """
        self._known.learn(batches.get(COVERAGE.name))
        made = self._splice.without_bars(batches.get(CANDLES.name, CANDLES.empty()))
        rows = [self._heard(batch) for batch in (*self._reword(pages, history), made)]
        touched = [touch for page in pages for touch in _touched(page)]
        for instrument, windows in self._stale(pages, _Overlay(history, rows)).items():
            derived = self._revise(instrument, windows, batches.get(TRADES.name, _NO_TRADES), history)
            rows.append(self._splice.without_bars(derived))
            touched += [Touched(w.instrument, w.interval_s, w.start, w.start + 1) for w in windows if self._is_bars(w)]
        rows += [self._splice.candles_of(page) for page in pages if page.interval_s]
        for touch in touched:
            for made in self._splice.coarser(touch, _Overlay(history, rows).read):
                rows.append(made)
        return Batch.concat(rows)

    def _reword(self, pages: Iterable[Page], history: History) -> Iterator[Batch]:
        """Correct the reason of committed candles without trades after more was learnt of their time."""
        told = [(page.instrument, page.start, page.end) for page in pages if not page.interval_s]
        for code, start, end in (*self._candles.take_doubtful(), *told):
            for interval_s in self._candles.quiet_intervals_s:
                found = history.candles(code, interval_s, window_start(start, interval_s), end)
                yield self._candles.judge(found.take(_is_empty(found)))

    def _heard(self, candles: Batch) -> Batch:
        """Return candles of which those without trades are quiet only where all trades are stored.

        Where nothing was lost and yet not all is stored, nobody listened: before the first subscription.
        """
        reason = candles["reason"].copy()
        for row in np.flatnonzero(_is_empty(candles) & (reason == EmptyReason.QUIET)).tolist():
            code, interval_s, start = (int(candles[name][row]) for name in ("instrument", "interval", "start"))
            if not self._known.has_trades(code, start, start + interval_s * SECOND_NS):
                reason[row] = EmptyReason.NOT_FOLLOWED
        return Batch(CANDLES, {**candles.columns, "reason": reason})

    def _stale(self, pages: Iterable[Page], made: _Overlay) -> dict[int, list[StaleWindow]]:
        """Return the windows to make again, by instrument.

        One across the edge of a page waits for the next page, unless all is known there: what closes a hole corrects
        its windows in the same commit.
        """
        mine = [page for page in pages if not page.interval_s]
        edges = {
            page.instrument: page.edge
            for page in mine
            if page.edge is not None and not self._known.has_trades(page.instrument, page.edge - 1, page.edge + 1)
        }
        ready, self._released = self._released | {page.instrument for page in mine}, set()
        windows: dict[tuple[int, int, int], int] = {}
        for window in [*self._candles.take_stale(), *(w for code in ready for w in self._known.release(code))]:
            key = (window.instrument, window.interval_s, window.start)
            windows[key] = windows.get(key, 0) + window.late
        windows |= {key: 0 for key in self._regained(made) if key not in windows}
        found: dict[int, list[StaleWindow]] = {}
        for key, late in windows.items():
            window, edge = StaleWindow(*key, late), edges.get(key[0])
            if edge is not None and window.start <= edge <= window.start + window.interval_s * SECOND_NS:
                self._known.hold([window])
            else:
                found.setdefault(window.instrument, []).append(window)
        return found

    def _regained(self, made: _Overlay) -> Iterator[tuple[int, int, int]]:
        """Yield the final windows that are the venue's bars, though by now all their trades are stored."""
        for code, start, end in self._known.take_gained():
            if self._known.bars_until(code) <= start:
                continue
            for interval_s in self._candles.intervals_s:
                found = made.read(code, interval_s, window_start(start, interval_s), end)
                for window in found["start"][found["source"] == CandleSource.VENUE_BAR].tolist():
                    if self._known.has_trades(code, window, window + interval_s * SECOND_NS):
                        yield code, interval_s, window

    def _revise(self, code: int, windows: Sequence[StaleWindow], fresh: Batch, history: History) -> Batch:
        """Make final candles again that late trades fell into, from the stored trades and this step's."""
        start = min(window.start for window in windows)
        end = max(window.start + window.interval_s * SECOND_NS for window in windows)
        known = _committed(code, windows, history)
        trades = Batch.concat([history.trades(code, start, end), fresh.take(fresh["instrument"] == code)])
        derived = self._candles.derive(windows, trades, {w: known.get(_key(w), (0, 0))[1] for w in windows})
        stored = {_key(w): known.get(_key(w), (0, 0))[0] + w.late for w in windows}
        keys = zip(derived["interval"].tolist(), derived["start"].tolist(), strict=True)
        whole = derived["trades"] >= np.array([stored[key] for key in keys], np.int64)
        self._counters.late_trades += max(window.late for window in windows)
        self._counters.stale_candles += int((~whole).sum())
        return derived.take(whole)

    def _is_bars(self, window: StaleWindow) -> bool:
        return self._splice.is_bars(window.instrument, window.interval_s, window.start)


class _Overlay:
    """Committed candles under those of this step."""

    def __init__(self, history: History, rows: Sequence[Batch]) -> None:
        self._history = history
        self._rows = rows

    def read(self, instrument: int, interval_s: int, start: int, end: int) -> Batch:
        """Return the final candles of an interval that start in [start, end), oldest first."""
        parts = [self._history.candles(instrument, interval_s, start, end)]
        for rows in self._rows:
            inside = (rows["start"] >= start) & (rows["start"] < end)
            parts.append(rows.take(inside & (rows["instrument"] == instrument) & (rows["interval"] == interval_s)))
        found = last_of_each_key(Batch.concat(parts))
        found = found.take(found["is_final"])
        return found.take(np.argsort(found["start"]))


def _is_empty(candles: Batch) -> Array:
    """Return which windows have no trades as far as we listened; what a venue's bar says needs no other reason."""
    empty: Array = (candles["trades"] == 0) & (candles["source"] == CandleSource.TRADES)
    return empty


def _touched(page: Page) -> list[Touched]:
    """Return the stretches of a page whose windows it may complete; trades complete those at its ends only."""
    if page.interval_s:
        return [Touched(page.instrument, page.interval_s, page.start, page.end)]
    return [Touched(page.instrument, 0, time, time + 1) for time in (page.start, page.end - 1)]


def _committed(code: int, windows: Sequence[StaleWindow], history: History) -> dict[tuple[int, int], tuple[int, int]]:
    """Return (trades, revision) of the committed candles of windows, by interval and start.

    A venue's bar is none of ours: its trades were never counted.
    """
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for interval_s in sorted({window.interval_s for window in windows}):
        starts = [window.start for window in windows if window.interval_s == interval_s]
        candles = history.candles(code, interval_s, min(starts), max(starts) + 1)
        ours = candles.take(candles["source"] == CandleSource.TRADES)
        rows = zip(*(ours[name].tolist() for name in ("start", "trades", "revision")), strict=True)
        found.update({(interval_s, start): (trades, revision) for start, trades, revision in rows})
    return found


def _key(window: StaleWindow) -> tuple[int, int]:
    return window.interval_s, window.start
