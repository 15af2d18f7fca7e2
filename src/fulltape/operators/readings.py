"""Readings: the rows of one step that tell figures, each with the moment at which it was known, and whether it is news.

A row is news if the record behind it came at most ``news_ns`` after it happened. What venues' history brings later,
what is imported, and windows that are made again are no news. The moment is a time of the ingest clock that depends
on the row alone, not on the step that it comes in:

* of a row with an ingest time, that one; of a trade, too;
* of a window its end or, if that is later, when the first trade came that was not older than its start. That trade
  tells also whether the window is news;
* of a stretch of the ledger its start, of a hole when it was noticed, of what never came when it was asked for.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np

from fulltape.operators.base import Step
from fulltape.operators.coverage import TRADES_CHANNEL
from fulltape.operators.figures import DOWN, MISSING, Columns
from fulltape.operators.panes import HOP_NS, LENGTH_NS
from fulltape.records import COVERAGE, TRADES, WINDOWS, Array, Batch, CoverageState
from fulltape.records.columns import NULL_INT
from fulltape.records.events import Event, Hole, NotFollowed, Unanswered

_Told = tuple[int, int, str, int, int]
"""Instrument, value, evidence, event time, moment."""

_MOST_HOLES: Final = 256
_NEVER: Final = np.iinfo(np.int64).min


class Readings(NamedTuple):
    """Rows of one source. ``is_news`` and ``moment`` have one entry a row."""

    columns: Columns
    event_time: Array
    moment: Array
    is_news: Array


class Known(msgspec.Struct, array_like=True):
    """What is remembered of an instrument: open holes, when its hops of time were reached, its newest window."""

    holes: dict[int, int] = {}
    reached: list[tuple[int, int]] = []
    """(hop, ingest time) of each trade that was in a later hop than all before."""
    window: int = -1


class Sources:
    """Reads the sources that rules need. State is split by instrument."""

    def __init__(self, sources: Collection[str], news_ns: int) -> None:
        self._sources = sources
        self._news_ns = news_ns
        self._known: dict[int, Known] = {}
        self._newest_hop = np.full(0, _NEVER)
        self.changed: set[int] = set()

    def read(self, step: Step) -> dict[str, Readings]:
        """Return the readings of a step by source; sources without rows are left out."""
        found: dict[str, Readings] = {}
        if WINDOWS.name in self._sources:
            self._note_reached(step.batches.get(TRADES.name))
        for source in self._sources:
            rows = self._read(source, step)
            if rows is not None and len(rows.moment):
                found[source] = rows
        return found

    def state(self, code: int) -> Known | None:
        """Return what is remembered of an instrument."""
        return self._known.get(code)

    def restore(self, states: Mapping[int, Known]) -> None:
        """Take up what was remembered."""
        for code, known in states.items():
            self._known[code] = known
            if known.reached:
                self._reserve(code + 1)
                self._newest_hop[code] = known.reached[-1][0]

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop what is remembered of instruments."""
        for code in instruments:
            self._known.pop(code, None)
            self.changed.discard(code)
            if code < len(self._newest_hop):
                self._newest_hop[code] = _NEVER

    def _read(self, source: str, step: Step) -> Readings | None:
        if source == MISSING:
            return self._missing([event for event in step.events if isinstance(event, Hole)])
        if source == DOWN:
            return _ledger("is_down", [*_down(step.batches.get(COVERAGE.name)), *_asked(step.events)])
        batch = step.batches.get(source)
        if batch is None:
            return None
        if source == WINDOWS.name:
            return self._windows(batch)
        event_time, ingest_time = batch["event_time"], batch["ingest_time"]
        return Readings(batch.columns, event_time, ingest_time, ingest_time - event_time <= self._news_ns)

    def _of(self, code: int) -> Known:
        self.changed.add(code)
        return self._known.setdefault(code, Known())

    def _reserve(self, instruments: int) -> None:
        if (lacking := instruments - len(self._newest_hop)) > 0:
            self._newest_hop = np.concatenate([self._newest_hop, np.full(lacking + instruments, _NEVER)])

    def _note_reached(self, trades: Batch | None) -> None:
        """Note which trades, in order of arrival, are the first of a hop of time later than all before."""
        if trades is None or not len(trades):
            return
        code, hop = trades["instrument"], trades["event_time"] // HOP_NS
        self._reserve(int(code.max()) + 1)
        later = np.flatnonzero(hop > self._newest_hop[code])
        if not len(later):
            return
        _, first = np.unique(code[later].astype(np.int64) << 32 | hop[later] & 0xFFFFFFFF, return_index=True)
        rows = later[np.sort(first)]
        for y, h, came in zip(
            code[rows].tolist(), hop[rows].tolist(), trades["ingest_time"][rows].tolist(), strict=True
        ):
            if h > self._newest_hop[y]:
                self._newest_hop[y] = h
                self._of(y).reached.append((h, came))

    def _windows(self, batch: Batch) -> Readings:
        moments, news = [], []
        for code, start, end in zip(*(batch[name].tolist() for name in ("instrument", "start", "end")), strict=True):
            moment, is_news = self._window(self._of(code), start, end)
            moments.append(moment)
            news.append(is_news)
        return Readings(batch.columns, batch["end"], np.array(moments, np.int64), np.array(news, np.bool_))

    def _window(self, known: Known, start: int, end: int) -> tuple[int, bool]:
        """Return the moment of a window and whether it is news."""
        if start <= known.window:
            return end, False
        known.window = start
        at = bisect.bisect_left(known.reached, (start // HOP_NS, _NEVER))
        known.reached = known.reached[at:]
        if not known.reached:
            return end, False
        hop, came = known.reached[0]
        return max(end, came), came - (hop * HOP_NS + LENGTH_NS - HOP_NS) <= self._news_ns

    def _missing(self, holes: Iterable[Hole]) -> Readings | None:
        """Return how many trades each instrument misses after each hole that is told of."""
        rows = []
        for hole in holes:
            known = self._of(hole.instrument)
            known.holes.pop(hole.first_id, None)
            if hole.missing:
                known.holes[hole.first_id] = hole.missing
                if len(known.holes) > _MOST_HOLES:
                    del known.holes[next(iter(known.holes))]
            evidence = f"trade ids {hole.first_id} to {hole.last_id}"
            evidence += f": {hole.missing} missing" if hole.missing else " are there now"
            rows.append((hole.instrument, sum(known.holes.values()), evidence, hole.end, hole.ingest_time))
        return _ledger("missing_trades", rows)


def _down(coverage: Batch | None) -> Iterator[_Told]:
    """Return when instruments went down and came back: the stretches that go on."""
    if coverage is None:
        return
    names = ("instrument", "channel", "start", "end", "state", "evidence")
    for code, channel, start, end, state, evidence in zip(*(coverage[n].tolist() for n in names), strict=True):
        if channel == TRADES_CHANNEL and end == NULL_INT:
            yield code, int(state == CoverageState.DOWN), evidence, start, start


def _asked(events: Iterable[Event]) -> Iterator[_Told]:
    """Return from when instruments are waited for that never came, and from when they are not: no stretch says so."""
    for event in events:
        if isinstance(event, Unanswered | NotFollowed):
            is_down = isinstance(event, Unanswered)
            evidence = "not received since it was asked for" if is_down else "not followed"
            for code in sorted(event.instruments):
                yield code, int(is_down), evidence, event.ingest_time, event.ingest_time


def _ledger(name: str, rows: list[_Told]) -> Readings | None:
    if not rows:
        return None
    code, value, evidence, event_time, moment = zip(*rows, strict=True)
    texts = np.empty(len(rows), object)
    texts[:] = evidence
    columns: dict[str, Array] = {"instrument": np.array(code, np.int32), name: np.array(value), "evidence": texts}
    times = np.array(event_time, np.int64), np.array(moment, np.int64)
    return Readings(columns, *times, np.ones(len(rows), np.bool_))
