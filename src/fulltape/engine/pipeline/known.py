"""What is known of each instrument's past: by its trades, by its venue's bars, and what is still to be asked for.

These spans are the mark of every job that fetches history. They are a snapshot like an operator's, so they are in the
store if, and only if, the data they speak of is: a job that was killed goes on by asking for what they do not cover.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from fulltape.engine.pipeline.spans import FOREVER, Spans
from fulltape.operators.candles import StaleWindow
from fulltape.operators.coverage import TRADES_CHANNEL
from fulltape.records import Batch, CoverageState
from fulltape.records.columns import NULL_INT
from fulltape.records.page import Page, Unfillable

_COLUMNS: Final = ("instrument", "channel", "start", "end", "state")
_NOTHING: Final = Spans()


class _Past(msgspec.Struct, array_like=True):
    """One instrument.

    ``broken`` is where trades were missed at first, ``lost`` what of it cannot be had. ``listening`` is the start of
    the stretch that is complete and goes on. ``held`` are stale windows (interval in s, start, late trades) that wait
    for the next page.
    """

    trades: Spans = msgspec.field(default_factory=Spans)
    bars: dict[int, Spans] = {}
    broken: Spans = msgspec.field(default_factory=Spans)
    lost: Spans = msgspec.field(default_factory=Spans)
    listening: int | None = None
    held: list[tuple[int, int, int]] = []


_EMPTY: Final = _Past()


class Known:
    """Spans of time per instrument: whose trades are all stored, of which bars are, what has failed."""

    name = "history"

    def __init__(self) -> None:
        self._past: dict[int, _Past] = {}
        self._changed: set[int] = set()
        self._gained: list[tuple[int, int, int]] = []

    def learn(self, coverage: Batch | None) -> None:
        """Take the rows of the ledger that changed."""
        if coverage is None:
            return
        for code, channel, start, end, state in zip(*(coverage[name].tolist() for name in _COLUMNS), strict=True):
            if channel == TRADES_CHANNEL:
                self._learn(code, start, None if end == NULL_INT else end, CoverageState(state))

    def take(self, page: Page) -> None:
        """Note what a page covers."""
        past = self._of(page.instrument)
        if page.interval_s:
            past.bars.setdefault(page.interval_s, Spans()).add(page.start, page.end)
        else:
            self._gain(page.instrument, page.start, page.end)

    def take_gained(self) -> list[tuple[int, int, int]]:
        """Return the stretches of the past (instrument, start, end) of whose trades more is stored since the last call.

        They may be longer than what came.
        """
        gained, self._gained = self._gained, []
        return gained

    def give_up(self, told: Unfillable) -> None:
        """Ask for these trades no more."""
        self._of(told.instrument).lost.add(told.start, told.end)

    def has_trades(self, instrument: int, start: int, end: int) -> bool:
        """Return whether every trade of [start, end) is stored."""
        past = self._past.get(instrument)
        return past is not None and past.trades.covers(start, end)

    def trades_around(self, instrument: int, time: int) -> tuple[int, int] | None:
        """Return the stretch [start, end) around ``time`` of which every trade is stored, or None."""
        past = self._past.get(instrument)
        return past.trades.around(time) if past else None

    def has_bars(self, instrument: int, interval_s: int, start: int, end: int) -> bool:
        """Return whether the venue's bars of one interval are stored for all of [start, end)."""
        past = self._past.get(instrument)
        return past is not None and past.bars.get(interval_s, _NOTHING).covers(start, end)

    def of_either(self, instrument: int, intervals_s: Iterable[int]) -> Spans:
        """Return what is covered by trades, or by bars of one of these intervals."""
        past = self._past.get(instrument)
        if past is None:
            return Spans()
        return Spans.union([past.trades, *(past.bars[s] for s in intervals_s if s in past.bars)])

    def bars_until(self, instrument: int) -> int:
        """Return the end (ns) of the newest bar that is stored; 0 if there is none."""
        past = self._past.get(instrument)
        return max((spans.items[-1][1] for spans in past.bars.values() if spans.items), default=0) if past else 0

    def broken(self) -> dict[int, list[tuple[int, int]]]:
        """Return, by instrument, the stretches in which trades were missed that may still be had, oldest first."""
        missing = {}
        for code, past in self._past.items():
            if not past.broken.items:
                continue
            had = Spans.union([past.trades, past.lost])
            if gaps := [gap for start, end in past.broken.items for gap in had.gaps(start, end)]:
                missing[code] = gaps
        return missing

    def hold(self, windows: Iterable[StaleWindow]) -> None:
        """Keep stale windows until `release`."""
        for window in windows:
            self._of(window.instrument).held.append((window.interval_s, window.start, window.late))

    def release(self, instrument: int) -> list[StaleWindow]:
        """Return the windows that were kept, and keep them no more."""
        if not self._past.get(instrument, _EMPTY).held:
            return []
        past = self._of(instrument)
        held, past.held = past.held, []
        return [StaleWindow(instrument, *window) for window in held]

    def holding(self) -> list[int]:
        """Return the instruments that have windows which wait."""
        return [code for code, past in self._past.items() if past.held]

    def trades_missing(self, instrument: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return what of [start, end) is not covered by trades, oldest first."""
        return self._past.get(instrument, _EMPTY).trades.gaps(start, end)

    def bars_missing(self, instrument: int, interval_s: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return what of [start, end) is not covered by bars of this interval, oldest first."""
        return self._past.get(instrument, _EMPTY).bars.get(interval_s, _NOTHING).gaps(start, end)

    def snapshot(self) -> dict[int, bytes]:
        """Return the spans of each instrument that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {code: msgspec.msgpack.encode(self._past[code]) for code in changed}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            self._past[code] = msgspec.msgpack.decode(data, type=_Past)

    def _of(self, code: int) -> _Past:
        self._changed.add(code)
        past = self._past.get(code)
        if past is None:
            past = self._past[code] = _Past()
        return past

    def _gain(self, code: int, start: int, end: int) -> None:
        self._of(code).trades.add(start, end)
        self._gained.append((code, start, end))

    def _learn(self, code: int, start: int, end: int | None, state: CoverageState) -> None:
        past, until = self._of(code), FOREVER if end is None else end
        match state:
            case CoverageState.COMPLETE if end is None:
                past.trades.add(start, FOREVER)
                past.listening = start
            case CoverageState.COMPLETE if start == past.listening:
                # Holes inside it were cut out already and stay so.
                past.trades.remove(until, FOREVER)
                past.listening = None
            case CoverageState.COMPLETE | CoverageState.REFILLED:
                # A hole takes the moment of the trade at its end along, and gives it back.
                self._gain(code, start, until + past.broken.covers(until, until + 1))
            case CoverageState.GAP if not past.broken.covers(start, until + 1):
                # The trade at the hole's end is there, but others of its time may not be. A hole that is told again,
                # smaller, has been filled from a page meanwhile, which knows better what it covers.
                past.trades.remove(start, until + 1)
                past.broken.add(start, until + 1)
            case CoverageState.DOWN if end is not None:
                past.broken.add(start, until)
