"""Activity bars: a bar ends with the trade that brings it to a number of trades, a volume or a value.

Bars are made of ticks (`fulltape.operators.ticks`) in order of arrival: a trade older than the newest one is in no bar.
The trade that reaches the threshold is whole in the bar that it ends, so a bar may hold more than the threshold. After
M. Lopez de Prado, Advances in Financial Machine Learning (2018), section 2.3.1: tick, volume and dollar bars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from fulltape.kernel import kernel
from fulltape.operators import cells
from fulltape.operators.base import Step
from fulltape.operators.newest import goes_on
from fulltape.operators.state import KernelState
from fulltape.records import ACTIVITY_BARS, TRADES, AggressorSide, Array, BarBasis, Batch

_BUY: Final = int(AggressorSide.BUY)
_TICKS: Final = int(BarBasis.TICKS)
_VOLUME: Final = int(BarBasis.VOLUME)
_BASES: Final = len(BarBasis)

# Columns of an instrument's marks; behind them the number of bars of each basis.
_NEWEST: Final = 0  # event time of the newest trade
_SEEN: Final = 1  # 1 after the first trade
_NUMBER: Final = 2


class ActivityBarConfig(msgspec.Struct, frozen=True):
    """How much makes a bar: trades, units of the base, of the quote currency. 0 makes none."""

    ticks: int = 1_000
    volume: float = 0.0
    value: float = 0.0


@kernel
def _run(thresholds: Array, state: Any, changed: Array, trades: Any, o: Array, i: Array, more: Array) -> int:
    """Take trades in order of arrival; return how many bars were written. ``more`` gets (number, end) of each."""
    f, n, marks = state
    instrument, times, price, size, side, ingest = trades
    row = 0
    for t in range(len(times)):
        y, time = instrument[t], times[t]
        if marks[y, _SEEN] and not goes_on(time, marks[y, _NEWEST], ingest[t]):
            continue
        marks[y, _NEWEST], marks[y, _SEEN], changed[y] = time, 1, True
        for basis in range(_BASES):
            if thresholds[basis] <= 0.0:
                continue
            if n[y, basis, cells.TRADES] == 0:
                n[y, basis, cells.START] = n[y, basis, cells.CLOSE_TIME] = time
            # Arrival is the order: with equal ids, and a time that does not go back.
            order = max(time, n[y, basis, cells.CLOSE_TIME])
            cells.add(f, n, y, basis, order, 0, price[t], size[t], size[t] if side[t] == _BUY else 0.0)
            reached = f[y, basis, cells.QUOTE]
            if basis == _TICKS:
                reached = float(n[y, basis, cells.TRADES])
            elif basis == _VOLUME:
                reached = f[y, basis, cells.VOLUME]
            if reached >= thresholds[basis]:
                cells.emit(o, i, row, y, basis, f, n, y, basis, 1)
                marks[y, _NUMBER + basis] += 1
                more[row, 0], more[row, 1] = marks[y, _NUMBER + basis], time
                row += 1
                f[y, basis, :] = 0.0
                n[y, basis, :] = 0
    return row


class ActivityBars:
    """Tick, volume and value bars of every instrument."""

    name = "activity_bars"

    def __init__(self, config: ActivityBarConfig | None = None) -> None:
        config = config or ActivityBarConfig()
        self._thresholds = np.array([config.ticks, config.volume, config.value], np.float64)
        self._state = KernelState(
            (config.ticks, config.volume, config.value),
            np.zeros((_BASES, cells.FLOATS)),
            np.zeros((_BASES, cells.INTS), np.int64),
            np.zeros(_NUMBER + _BASES, np.int64),
        )

    def apply(self, step: Step) -> list[Batch]:
        """Take trades; return the bars that ended."""
        trades = step.batches.get(TRADES.name)
        if trades is None or not len(trades):
            return []
        self._state.reserve(int(trades["instrument"].max()) + 1)
        room = _BASES * len(trades)
        o, i = np.empty((room, cells.OUT_FLOATS)), np.empty((room, cells.OUT_INTS), np.int64)
        more = np.empty((room, 2), np.int64)
        names = ("instrument", "event_time", "price", "size", "aggressor_side", "ingest_time")
        columns = tuple(trades[name] for name in names)
        count = _run(self._thresholds, self._state.arrays, self._state.changed, columns, o, i, more)
        return [self._batch(o[:count], i[:count], more[:count])] if count else []

    def snapshot(self) -> dict[int, bytes]:
        """Return the state of each instrument that changed since the last call."""
        return self._state.save()

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended. Raises ConfigError for states of other thresholds."""
        self._state.restore(states)

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the state of instruments."""
        self._state.forget(instruments)

    def _batch(self, figures: Array, ints: Array, more: Array) -> Batch:
        opened, high, low, close, volume, quote_volume, vwap, bought = figures.T.copy()
        basis, start, trades = ints[:, 1:4].T.copy()
        number, end = more.T.copy()
        return Batch(
            ACTIVITY_BARS,
            {
                "instrument": ints[:, 0].astype(np.int32),
                "basis": basis.astype(np.uint8),
                "threshold": self._thresholds[basis],
                "number": number,
                "start": start,
                "end": end,
                "open": opened,
                "high": high,
                "low": low,
                "close": close,
                "volume": volume,
                "quote_volume": quote_volume,
                "vwap": vwap,
                "trades": trades,
                "taker_buy_volume": bought,
            },
        )
