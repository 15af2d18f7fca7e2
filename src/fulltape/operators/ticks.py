"""Statistics of ticks: figures that depend on the trades one by one, and the day's VWAP.

A *tick* is a trade that is not older than its instrument's newest when it arrives, but for a newest one whose time is
a mistake (`fulltape.operators.newest`). Trades that come out of order or are refilled are no ticks: they bend no mean
and no change. They do count in what has no order: `all_time_high`, `cvd`
and, on the same UTC day, `vwap_session`. With alpha = 2 / (span + 1) and span = 10:

* ``ewma_10t``: m += alpha (p - m), from the first tick on; its variance is the exponentially weighted one, divided by
  1 - sum of the squared weights. Both are those of ``pandas.Series.ewm(span=10, adjust=False)``;
* ``rolling_mean_5t``, ``rolling_std_5t``, ``rolling_variance_5t``: of the last 5 ticks, or those there are; ddof 1;
* ``change_1t``: percent against the tick before;
* ``all_time_high``: the highest price since the database began; its distance is 100 (price / high - 1), in percent;
* ``cvd``: sum of the sizes that takers bought less those they sold, since the database began;
* ``vwap_session``, ``vwap_session_std``: sum(price size) / sum(size) of the UTC day, and the square root of
  sum(size (price - vwap)^2) / sum(size). A trade that is of a day which by our clock has not begun, and does not
  within a minute, waits for that day.

A row is the state after a tick. It is given out when a tick of another second follows, or when the ingest clock is a
second past the tick: at most about one row a second and instrument, whatever the number of trades.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import inline, kernel
from fulltape.operators.base import Step
from fulltape.operators.cells import two_sum
from fulltape.operators.moments import weigh_in
from fulltape.operators.newest import AHEAD_NS, goes_on
from fulltape.operators.state import KernelState
from fulltape.records import TICK_STATS, TRADES, AggressorSide, Array, Batch

SPAN: Final = 10
LENGTH: Final = 5

_BUY: Final = int(AggressorSide.BUY)
_SELL: Final = int(AggressorSide.SELL)
_DAY_NS: Final = 86_400 * SECOND_NS
_NAN: Final = math.nan
_NEVER: Final = np.iinfo(np.int64).max

# Columns of an instrument's floats.
_EWMA: Final = 0
_COV: Final = 1  # exponentially weighted mean of squared deviations, before its correction
_WEIGHTS2: Final = 2  # sum of the squared weights
_HIGH: Final = 3
_CVD: Final = 4  # hi, lo
_WEIGHT: Final = 6  # of the session: volume, vwap, m2
_VWAP: Final = 7
_M2: Final = 8
_RECENT: Final = 9  # from here on: the last prices, a ring

# Columns of an instrument's integers.
_COUNT: Final = 0  # ticks so far; 0 is an instrument that has seen nothing
_TIME: Final = 1
_INGEST: Final = 2
_ID: Final = 3
_ID_HIGH: Final = 4
_SECOND: Final = 5  # start of the second, and of the UTC day, of the newest tick
_DAY: Final = 6
_DUE: Final = 7  # 1 while no row has told of the newest tick
_INTS: Final = 8

# The session of a day to come: floats are volume, vwap, m2; one integer is the start of its UTC day.
_LATER: Final = 3

# The order of the kernel's float columns; the integers are instrument and the four from _TIME to _ID_HIGH.
_FIGURES: Final = (
    "price", "ewma_10t", "ewma_10t_std", "ewma_10t_variance", "rolling_mean_5t", "rolling_std_5t",
    "rolling_variance_5t", "change_1t", "all_time_high", "all_time_high_distance", "cvd", "vwap_session",
    "vwap_session_std",
)  # fmt: skip


@inline
def _emit(f: Array, n: Array, y: int, o: Array, i: Array, row: int) -> None:
    """Write the state of instrument ``y`` as a row."""
    length, count = f.shape[1] - _RECENT, n[y, _COUNT]
    have = min(length, count)
    price = f[y, _RECENT + (count - 1) % length]
    above = 0.0  # the price, not 0, is what means are taken from: equal prices have exactly no spread
    for k in range(have):
        above += f[y, _RECENT + k] - price
    mean = price + above / have
    squares = 0.0
    for k in range(have):
        off = f[y, _RECENT + k] - mean
        squares += off * off
    variance = squares / (have - 1) if have > 1 else _NAN
    ewm_variance = f[y, _COV] / (1.0 - f[y, _WEIGHTS2]) if count > 1 else _NAN
    before = f[y, _RECENT + (count - 2) % length]
    o[row, 0] = price
    o[row, 1] = f[y, _EWMA]
    o[row, 2] = math.sqrt(ewm_variance)
    o[row, 3] = ewm_variance
    o[row, 4] = mean
    o[row, 5] = math.sqrt(variance)
    o[row, 6] = variance
    o[row, 7] = 100.0 * (price / before - 1.0) if count > 1 else _NAN
    o[row, 8] = f[y, _HIGH]
    o[row, 9] = 100.0 * (price / f[y, _HIGH] - 1.0)
    o[row, 10] = f[y, _CVD] + f[y, _CVD + 1]
    o[row, 11] = f[y, _VWAP]
    o[row, 12] = math.sqrt(f[y, _M2] / f[y, _WEIGHT])
    i[row, 0] = y
    for k in range(4):
        i[row, 1 + k] = n[y, _TIME + k]
    n[y, _DUE] = 0


@inline
def _count_in(state: Any, y: int, time: int, ingest: int, price: float, size: float, side: int) -> None:
    """Add what has no order: the high, the cumulative delta, the session."""
    f, n, later, later_day = state
    f[y, _HIGH] = max(f[y, _HIGH], price)
    if side == _BUY:
        f[y, _CVD], f[y, _CVD + 1] = two_sum(f[y, _CVD], f[y, _CVD + 1], size)
    elif side == _SELL:
        f[y, _CVD], f[y, _CVD + 1] = two_sum(f[y, _CVD], f[y, _CVD + 1], -size)
    day, begun = time // _DAY_NS * _DAY_NS, ingest + AHEAD_NS
    if n[y, _COUNT] > 0 and begun < day > n[y, _DAY]:
        if later_day[y, 0] != day:
            later_day[y, 0] = day
            later[y, :] = 0.0
        later[y, 0], later[y, 1], later[y, 2] = weigh_in(later[y, 0], later[y, 1], later[y, 2], price, size)
        return
    if n[y, _COUNT] == 0 or day > n[y, _DAY]:
        for k in range(_LATER):
            f[y, _WEIGHT + k] = later[y, k] if later_day[y, 0] == day else 0.0
        n[y, _DAY] = day
    elif day < n[y, _DAY] and begun < n[y, _DAY]:  # the session's day has not begun: its first trade was a mistake
        for k in range(_LATER):
            later[y, k], f[y, _WEIGHT + k] = f[y, _WEIGHT + k], 0.0
        later_day[y, 0], n[y, _DAY] = n[y, _DAY], day
    if day == n[y, _DAY]:
        f[y, _WEIGHT], f[y, _VWAP], f[y, _M2] = weigh_in(f[y, _WEIGHT], f[y, _VWAP], f[y, _M2], price, size)


@inline
def _tick(f: Array, n: Array, y: int, alpha: float, price: float) -> None:
    """Move the means on by one price."""
    keep = 1.0 - alpha
    if n[y, _COUNT] == 0:
        f[y, _EWMA], f[y, _COV], f[y, _WEIGHTS2] = price, 0.0, 1.0
    else:
        old = f[y, _EWMA]
        mean = old + alpha * (price - old)  # in this form equal prices have exactly no spread
        moved, off = old - mean, price - mean
        f[y, _COV] = keep * (f[y, _COV] + moved * moved) + alpha * off * off
        f[y, _WEIGHTS2] = keep * keep * f[y, _WEIGHTS2] + alpha * alpha
        f[y, _EWMA] = mean
    f[y, _RECENT + n[y, _COUNT] % (f.shape[1] - _RECENT)] = price
    n[y, _COUNT] += 1


@kernel
def _emit_due(f: Array, n: Array, changed: Array, clock: int, o: Array, i: Array, row: int) -> Any:
    """Write the rows that the ingest clock has made due, the longest due first; return (row, when one will be)."""
    while True:
        oldest, next_due = -1, _NEVER
        for y in range(len(n)):
            if n[y, _DUE] and n[y, _INGEST] + SECOND_NS < next_due:
                oldest, next_due = y, n[y, _INGEST] + SECOND_NS
        if next_due > clock:
            return row, next_due
        _emit(f, n, oldest, o, i, row)
        changed[oldest] = True
        row += 1


@kernel
def _run(alpha: float, state: Any, changed: Array, trades: Any, clock: int, o: Array, i: Array) -> int:
    """Take trades in order of arrival, then the clock; return how many rows were written.

    Each trade's ingest time is a clock too: so the rows' order does not depend on where steps end.
    """
    f, n, _, _ = state
    instrument, times, low, high, prices, sizes, sides, ingests = trades
    row, next_due = 0, 0
    for t in range(len(times)):
        y, time, ingest = instrument[t], times[t], ingests[t]
        if ingest >= next_due:
            row, next_due = _emit_due(f, n, changed, ingest, o, i, row)
        is_tick = n[y, _COUNT] == 0 or goes_on(time, n[y, _TIME], ingest)
        is_later = is_tick and not 0 <= time - n[y, _SECOND] < SECOND_NS
        if n[y, _DUE] and is_later:
            _emit(f, n, y, o, i, row)
            row += 1
        _count_in(state, y, time, ingest, prices[t], sizes[t], sides[t])
        if is_tick:
            _tick(f, n, y, alpha, prices[t])
            n[y, _TIME], n[y, _INGEST], n[y, _ID], n[y, _ID_HIGH], n[y, _DUE] = time, ingest, low[t], high[t], 1
            next_due = min(next_due, ingest + SECOND_NS)
        if is_later:
            n[y, _SECOND] = time // SECOND_NS * SECOND_NS
        changed[y] = True
    row, next_due = _emit_due(f, n, changed, clock, o, i, row)
    return int(row)


class Ticks:
    """Per-tick statistics of every instrument, as `TICK_STATS` rows.

    ``span`` and ``length`` are those of the exponential and of the rolling mean; the columns are named after 10 and 5,
    other lengths are for computations over a range.
    """

    name = "ticks"

    def __init__(self, span: int = SPAN, length: int = LENGTH) -> None:
        if span < 1 or length < 2:
            raise ValueError(f"span {span} must be 1 or more, and length {length} 2 or more")
        self._alpha = 2.0 / (span + 1.0)
        fresh = (np.zeros(_RECENT + length), np.zeros(_INTS, np.int64), np.zeros(_LATER), np.zeros(1, np.int64))
        self._state = KernelState((span, length), *fresh)

    def apply(self, step: Step) -> list[Batch]:
        """Take trades and the clock; return the rows that are due."""
        trades = step.batches.get(TRADES.name) or TRADES.empty()
        if len(trades):
            self._state.reserve(int(trades["instrument"].max()) + 1)
        room = len(trades) + len(self._state)
        o, i = np.empty((room, len(_FIGURES))), np.empty((room, 5), np.int64)
        count = _run(self._alpha, self._state.arrays, self._state.changed, _columns(trades), step.clock, o, i)
        return [_batch(o[:count], i[:count])] if count else []

    def snapshot(self) -> dict[int, bytes]:
        """Return the state of each instrument that changed since the last call."""
        return self._state.save()

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended. Raises ConfigError for states of another span or length."""
        self._state.restore(states)

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the state of instruments."""
        self._state.forget(instruments)


def _columns(trades: Batch) -> tuple[Array, ...]:
    names = ("instrument", "event_time", "trade_id", "trade_id_high", "price", "size", "aggressor_side", "ingest_time")
    return tuple(trades[name] for name in names)


def _batch(figures: Array, ints: Array) -> Batch:
    time, ingest, low, high = ints[:, 1:].T.copy()
    named = dict(zip(_FIGURES, figures.T.copy(), strict=True))
    ids = {"trade_id": low, "trade_id_high": high}
    columns = {"instrument": ints[:, 0].astype(np.int32), **ids, **named, "event_time": time, "ingest_time": ingest}
    return Batch(TICK_STATS, columns)
