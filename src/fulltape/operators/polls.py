"""Candles from polls: of coins, whose rates are asked for and not traded at.

Definitions: `fulltape.records.candle`. Open, high, low and close are those of the rates that were polled in the window,
by time; nobody traded, so volume is 0, and trades, VWAP and what was bought are unknown. A window without a poll has no
row: nobody looked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.operators.base import Step
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import CANDLES, COINS, Batch, CandleSource, EmptyReason, Origin
from fulltape.records.columns import NULL_INT
from fulltape.records.interval import parse_interval, window_start

_POLLED: Final = (Origin.LIVE, Origin.REPLAY)


class _Window(msgspec.Struct, array_like=True):
    """The newest window of one interval; ``start`` in ns."""

    start: int
    open: float
    high: float
    low: float
    close: float
    is_final: bool = False

    def add(self, rate: float) -> None:
        self.high, self.low, self.close = max(self.high, rate), min(self.low, rate), rate


@dataclass(frozen=True, slots=True)
class _Row:
    """A window as it is told."""

    instrument: int
    interval_s: int
    window: _Window


class Polls:
    """OHLC over tumbling windows of the configured intervals, from the rates of coins that were polled.

    Windows shorter than ``quiet_from`` are left out: most of them would lie between two polls. A window is final when
    one after it begins, or the ingest clock has passed its end by ``quiet_s``. History makes no candles: it is of
    single moments.
    """

    name = "polls"

    def __init__(self, config: CandleConfig) -> None:
        shortest = parse_interval(config.quiet_from)
        lengths = {parse_interval(text) for text in config.intervals}
        self._lengths_s = tuple(sorted(length for length in lengths if length >= shortest))
        self._quiet_ns = config.quiet_s * SECOND_NS
        self._windows: dict[int, dict[int, _Window]] = {}
        self._changed: set[int] = set()

    def apply(self, step: Step) -> list[Batch]:
        """Take polled coins and return the candles that changed; the last row of a key counts."""
        rows: list[_Row] = []
        touched: dict[tuple[int, int], None] = {}
        coins = step.batches.get(COINS.name)
        if coins is not None:
            coins = coins.take(np.isin(coins["origin"], _POLLED))
            names = ("instrument", "event_time", "rate")
            for code, time, rate in zip(*(coins[name].tolist() for name in names), strict=True):
                for interval_s in self._lengths_s:
                    rows += self._poll(code, interval_s, time, rate)
                    touched[code, interval_s] = None
        for code, windows in self._windows.items():
            for interval_s, window in windows.items():
                end = window.start + interval_s * SECOND_NS
                if not window.is_final and step.clock >= end + self._quiet_ns:
                    window.is_final = True
                    touched[code, interval_s] = None
        rows += [_Row(code, interval_s, self._windows[code][interval_s]) for code, interval_s in touched]
        self._changed.update(code for code, _ in touched)
        return [_batch(rows)] if rows else []

    def snapshot(self) -> dict[int, bytes]:
        """Return the windows of each instrument that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {code: msgspec.msgpack.encode(self._windows[code]) for code in changed}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended; windows of intervals that are no longer made end as they are."""
        for code, data in states.items():
            saved = msgspec.msgpack.decode(data, type=dict[int, _Window])
            self._windows[code] = {length: saved[length] for length in self._lengths_s if length in saved}

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the windows of instruments."""
        for code in instruments:
            self._windows.pop(code, None)
            self._changed.discard(code)

    def _poll(self, code: int, interval_s: int, time: int, rate: float) -> list[_Row]:
        """Take one rate and return the window that it ends, if it does."""
        windows = self._windows.setdefault(code, {})
        start, window = window_start(time, interval_s), windows.get(interval_s)
        if window is not None and start <= window.start:
            # Rates come in order of time, for it is ours; should the clock be set back, they belong to the newest.
            window.add(rate)
            return []
        windows[interval_s] = _Window(start, rate, rate, rate, rate)
        if window is None or window.is_final:
            return []
        window.is_final = True
        return [_Row(code, interval_s, window)]


def _batch(rows: list[_Row]) -> Batch:
    count = len(rows)
    unknown = [math.nan] * count
    prices = {name: [getattr(row.window, name) for row in rows] for name in ("open", "high", "low", "close")}
    return CANDLES.from_columns(
        {
            "instrument": [row.instrument for row in rows],
            "interval": [row.interval_s for row in rows],
            "start": [row.window.start for row in rows],
            **prices,
            "volume": [0.0] * count,
            "quote_volume": unknown,
            "vwap": unknown,
            "trades": [NULL_INT] * count,
            "taker_buy_volume": unknown,
            "revision": [0] * count,
            "is_final": [row.window.is_final for row in rows],
            "source": [int(CandleSource.POLL)] * count,
            "reason": [int(EmptyReason.NONE)] * count,
        }
    )
