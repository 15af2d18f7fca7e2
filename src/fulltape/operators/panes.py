"""Panes: the kernel that turns trades into windows of 60 s, one every 30 s.

A trade falls into one pane of 30 s; a window is two panes joined. Sums do not mind the order of trades. The returns
of the realised volatility do, so the newest price of each second waits until that second is final, by the rules of
`fulltape.operators.cascade`: they decide whether a trade is late, never the call it is in.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import inline, kernel
from fulltape.operators.cascade import (
    BASE,
    BEGUN,
    BOUGHT,
    CLOCKED,
    HEAD,
    IMPORT,
    LATENESS,
    LIMIT,
    MARKS,
    NEW,
    OFFSET,
    PHASE,
    QUIET,
    REFILL,
    SNAPSHOT,
    final_behind,
    final_until,
    follow_clock,
)
from fulltape.operators.cells import two_sum
from fulltape.operators.moments import join, weigh_in
from fulltape.records import AggressorSide, Array

HOP_NS: Final = 30 * SECOND_NS
LENGTH_NS: Final = 2 * HOP_NS

# Behind the marks of the cascade.
CLOSED: Final = MARKS  # the first pane that is not final
OWN_MARKS: Final = MARKS + 1

# Columns of a pane's floats.
COUNT: Final = 0  # of prices, each with weight 1; then their mean and m2
MEAN: Final = 1
M2: Final = 2
VOLUME: Final = 3  # then the volume-weighted mean and m2
VWAP: Final = 4
VOLUME_M2: Final = 5
BUY: Final = 6  # hi, lo
SELL: Final = 8  # hi, lo
SQUARES: Final = 10  # sum of squared log returns from second to second, inside the pane
FIRST_LOG: Final = 11  # log price at the end of its first second with trades, and of its last
LAST_LOG: Final = 12
VOLUME_LOW: Final = 13  # the low part of the volume, of which VOLUME is the high one
FLOATS: Final = 14

# Columns of a pane's integers.
PANE: Final = 0  # which pane it is: event time // HOP_NS
BUYS: Final = 1
SELLS: Final = 2
SECONDS: Final = 3  # with trades, of those that are final
INTS: Final = 4

# Columns of the price that a second ends with.
TIME: Final = 0
ORDER: Final = 1

# Columns of a row.
OUT_FLOATS: Final = 11
OUT_INTS: Final = 5  # instrument, start, trades, buys, sells

NO_TIME: Final = np.iinfo(np.int64).min
SECONDS_A_YEAR: Final = 365.0 * 24.0 * 3_600.0
_SOLD: Final = int(AggressorSide.SELL)


@inline
def _second(lasts: Array, time: int) -> int:
    """Return where the second that holds ``time`` lies."""
    return int((time // SECOND_NS) & (lasts.shape[1] - 1))


@inline
def _pane(p: Array, q: Array, y: int, pane: int) -> int:
    """Return where pane ``pane`` lies, emptied if another one lay there."""
    c = int(pane & (q.shape[1] - 1))
    if q[y, c, PANE] != pane:
        for j in range(FLOATS):
            p[y, c, j] = 0.0
        for j in range(INTS):
            q[y, c, j] = 0
        q[y, c, PANE] = pane
    return c


@inline
def _add(p: Array, q: Array, y: int, c: int, price: float, size: float, side: int) -> None:
    """Add a trade to the sums of a pane."""
    p[y, c, COUNT], p[y, c, MEAN], p[y, c, M2] = weigh_in(p[y, c, COUNT], p[y, c, MEAN], p[y, c, M2], price, 1.0)
    _, p[y, c, VOLUME_LOW] = two_sum(p[y, c, VOLUME], p[y, c, VOLUME_LOW], size)
    p[y, c, VOLUME], p[y, c, VWAP], p[y, c, VOLUME_M2] = weigh_in(
        p[y, c, VOLUME], p[y, c, VWAP], p[y, c, VOLUME_M2], price, size
    )
    if side == BOUGHT:
        p[y, c, BUY], p[y, c, BUY + 1] = two_sum(p[y, c, BUY], p[y, c, BUY + 1], size)
        q[y, c, BUYS] += 1
    elif side == _SOLD:
        p[y, c, SELL], p[y, c, SELL + 1] = two_sum(p[y, c, SELL], p[y, c, SELL + 1], size)
        q[y, c, SELLS] += 1


@inline
def _fold_second(p: Array, q: Array, prices: Array, lasts: Array, y: int, s: int) -> None:
    """Take the price that a final second ended with into the returns of its pane."""
    c = _pane(p, q, y, lasts[y, s, TIME] // HOP_NS)
    log = math.log(prices[y, s])
    if q[y, c, SECONDS] == 0:
        p[y, c, FIRST_LOG] = log
    else:
        step = log - p[y, c, LAST_LOG]
        p[y, c, SQUARES] += step * step
    p[y, c, LAST_LOG] = log
    q[y, c, SECONDS] += 1
    lasts[y, s, TIME] = NO_TIME


@inline
def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else math.nan


@inline
def _emit_minute(p: Array, q: Array, y: int, a: int, b: int, m2: float, o: Array, i: Array, row: int) -> None:
    """Write what is defined by the minute; a and b are its panes, which may be one."""
    trades, buys, sells = i[row, 2], i[row, 3], i[row, 4]
    squares, seconds = p[y, a, SQUARES], q[y, a, SECONDS]
    volume, vwap, volume_m2 = p[y, a, VOLUME], p[y, a, VWAP], p[y, a, VOLUME_M2]
    volume_low = p[y, a, VOLUME_LOW]
    buy, buy_low, sell, sell_low = p[y, a, BUY], p[y, a, BUY + 1], p[y, a, SELL], p[y, a, SELL + 1]
    if a != b:
        step = p[y, b, FIRST_LOG] - p[y, a, LAST_LOG]
        squares += p[y, b, SQUARES] + step * step
        seconds += q[y, b, SECONDS]
        _, volume_low = two_sum(volume, volume_low + p[y, b, VOLUME_LOW], p[y, b, VOLUME])
        volume, vwap, volume_m2 = join(volume, vwap, volume_m2, p[y, b, VOLUME], p[y, b, VWAP], p[y, b, VOLUME_M2])
        buy, buy_low = two_sum(buy, buy_low + p[y, b, BUY + 1], p[y, b, BUY])
        sell, sell_low = two_sum(sell, sell_low + p[y, b, SELL + 1], p[y, b, SELL])
    # High parts first: what the two sides have in common goes exactly.
    delta = (buy - sell) + (buy_low - sell_low)
    buy, sell = buy + buy_low, sell + sell_low
    o[row, 1] = math.sqrt(m2 / (trades - 1)) if trades > 1 else math.nan
    o[row, 2] = math.sqrt(squares * SECONDS_A_YEAR / 60.0) if seconds > 1 else math.nan
    o[row, 3], o[row, 4], o[row, 5], o[row, 6] = volume + volume_low, buy, sell, delta
    o[row, 7] = _share(buy, buy + sell)
    o[row, 8] = _share(float(buys - sells), float(buys + sells))
    o[row, 9], o[row, 10] = vwap, math.sqrt(volume_m2 / volume)


@inline
def _has_trades(p: Array, q: Array, y: int, pane: int) -> bool:
    c = int(pane & (q.shape[1] - 1))
    return bool(q[y, c, PANE] == pane and p[y, c, COUNT] > 0.0)


@kernel
def _emit(p: Array, q: Array, y: int, pane: int, o: Array, i: Array, row: int) -> int:
    """Write the window that ends with ``pane`` if it has trades; return the next row."""
    begins, ends = _has_trades(p, q, y, pane - 1), _has_trades(p, q, y, pane)
    if not (begins or ends):
        return row
    a = int((pane - 1 if begins else pane) & (q.shape[1] - 1))
    b = int((pane if ends else pane - 1) & (q.shape[1] - 1))
    count, mean, m2 = p[y, a, COUNT], p[y, a, MEAN], p[y, a, M2]
    buys, sells = q[y, a, BUYS], q[y, a, SELLS]
    if a != b:
        count, mean, m2 = join(count, mean, m2, p[y, b, COUNT], p[y, b, MEAN], p[y, b, M2])
        buys += q[y, b, BUYS]
        sells += q[y, b, SELLS]
    i[row, 0], i[row, 1], i[row, 2], i[row, 3], i[row, 4] = y, (pane - 1) * HOP_NS, int(count), buys, sells
    o[row, 0] = mean
    if (pane - 1) % 2 == 0:
        _emit_minute(p, q, y, a, b, m2, o, i, row)
    else:
        o[row, 1:] = math.nan
    return row + 1


@kernel
def advance(plan: Array, state: Any, y: int, until: int, o: Array, i: Array, row: int) -> int:
    """Make every second before ``until`` final, and write the windows that end there; return the next row."""
    p, q, prices, lasts, marks = state
    for second in range(marks[y, BASE], min(until, marks[y, HEAD] + SECOND_NS), SECOND_NS):
        s = _second(lasts, second)
        if lasts[y, s, TIME] != NO_TIME:
            _fold_second(p, q, prices, lasts, y, s)
    # Behind the newest trade's pane one more window has trades.
    for pane in range(marks[y, CLOSED], min(until // HOP_NS, marks[y, HEAD] // HOP_NS + 2)):
        row = _emit(p, q, y, pane, o, i, row)
    marks[y, CLOSED] = max(marks[y, CLOSED], until // HOP_NS)
    marks[y, BASE] = until
    marks[y, LIMIT] = until + SECOND_NS + plan[0, LATENESS] + plan[0, QUIET]
    return row


@inline
def _begin(plan: Array, marks: Array, y: int, time: int) -> None:
    """Start an instrument at its first trade."""
    marks[y, HEAD] = marks[y, BASE] = time // SECOND_NS * SECOND_NS
    marks[y, CLOSED] = time // HOP_NS
    marks[y, LIMIT] = marks[y, BASE] + SECOND_NS + plan[0, LATENESS] + plan[0, QUIET]
    marks[y, PHASE] = BEGUN


@kernel
def _settle(plan: Array, state: Any, y: int, time: int, ingest: int, o: Array, i: Array, row: int) -> int:
    """Make final what a trade at ``time`` (event) and ``ingest`` puts behind it; return the next row."""
    marks = state[4]
    if marks[y, PHASE] == NEW:
        _begin(plan, marks, y, time)
    second = time // SECOND_NS * SECOND_NS
    final = final_behind(plan, marks, y, second, ingest)
    if final > marks[y, BASE]:
        row = advance(plan, state, y, final, o, i, row)
    marks[y, HEAD] = max(marks[y, HEAD], second)
    return row


@kernel
def run(plan: Array, state: Any, changed: Array, trades: Any, clock: int, o: Array, i: Array, late: Array) -> Any:
    """Take trades in order of arrival, then the clock; return (rows, late trades), whose positions are in ``late``."""
    p, q, prices, lasts, marks = state
    instrument, times, low, high, price, size, side, ingests, origin = trades
    row, lates = 0, 0
    for t in range(len(times)):
        y, time, ingest = instrument[t], times[t], ingests[t]
        changed[y] = True
        if not 0 <= time - marks[y, HEAD] < SECOND_NS or ingest - marks[y, OFFSET] >= marks[y, LIMIT]:
            row = _settle(plan, state, y, time, ingest, o, i, row)
        if time < marks[y, BASE]:
            late[lates] = t
            lates += 1
        else:
            _add(p, q, y, _pane(p, q, y, time // HOP_NS), price[t], size[t], side[t])
            s = _second(lasts, time)
            order = low[t] if high[t] == 0 else 0  # a UUID tells no order: arrival then does
            newest, held = lasts[y, s, TIME], lasts[y, s, ORDER]
            if time > newest or (time == newest and order >= held):
                lasts[y, s, TIME], lasts[y, s, ORDER], prices[y, s] = time, order, price[t]
        if origin[t] != SNAPSHOT and origin[t] != REFILL and origin[t] != IMPORT:
            follow_clock(marks, y, ingest - time)
    for y in range(len(marks)):
        if marks[y, PHASE] == CLOCKED and marks[y, CLOSED] <= marks[y, HEAD] // HOP_NS + 1:
            until = final_until(plan, marks, y, clock)
            if until // HOP_NS > marks[y, CLOSED]:
                row = advance(plan, state, y, until, o, i, row)
                changed[y] = True
    return row, lates
