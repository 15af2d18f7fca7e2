"""Cells: the sums of one window on its way to a candle, as rows of two arrays, and what can be done with them.

Sums are unevaluated pairs (hi, lo) by Knuth's two-sum [1], which keeps about 106 bits: rounded once, a sum does not
depend on the order of its parts, so a candle made of candles equals the one made of the trades.

[1] D. E. Knuth, The Art of Computer Programming, vol. 2, section 4.2.2, theorem B.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from fulltape.kernel import inline
from fulltape.records import Array, Batch

# Columns of a cell's floats.
OPEN: Final = 0
HIGH: Final = 1
LOW: Final = 2
CLOSE: Final = 3
VOLUME: Final = 4  # hi, lo at the next column
QUOTE: Final = 6  # hi, lo
BUY: Final = 8  # hi, lo
FLOATS: Final = 10

# Columns of a cell's integers.
START: Final = 0
TRADES: Final = 1
OPEN_TIME: Final = 2
OPEN_ID: Final = 3
CLOSE_TIME: Final = 4
CLOSE_ID: Final = 5
INTS: Final = 6

# Columns of an emitted row.
OUT_FLOATS: Final = 8  # open high low close volume quote_volume vwap taker_buy_volume
OUT_INTS: Final = 5  # instrument, level, start, trades, is_final

_FIGURES: Final = {
    OPEN: "open", HIGH: "high", LOW: "low", CLOSE: "close",
    VOLUME: "volume", QUOTE: "quote_volume", BUY: "taker_buy_volume",
}  # fmt: skip

# Kernels take arrays one by one and indices into them. A tuple of arrays, or a view of one, costs numba a reference
# count for each array and call, which made the cascade three times slower.


@inline
def two_sum(hi: Any, lo: Any, value: Any) -> Any:
    """Add ``value`` to the pair and return the new pair."""
    total = hi + value
    part = total - hi
    return total, lo + ((hi - (total - part)) + (value - part))


@inline
def add(f: Array, n: Array, y: int, c: int, time: int, order: int, price: float, size: float, bought: float) -> None:
    """Add one trade to cell ``c``, whose START is set."""
    if n[y, c, TRADES] == 0:
        f[y, c, OPEN] = f[y, c, HIGH] = f[y, c, LOW] = f[y, c, CLOSE] = price
        n[y, c, OPEN_TIME] = n[y, c, CLOSE_TIME] = time
        n[y, c, OPEN_ID] = n[y, c, CLOSE_ID] = order
    else:
        f[y, c, HIGH] = max(f[y, c, HIGH], price)
        f[y, c, LOW] = min(f[y, c, LOW], price)
        if time > n[y, c, CLOSE_TIME] or (time == n[y, c, CLOSE_TIME] and order >= n[y, c, CLOSE_ID]):
            f[y, c, CLOSE] = price
            n[y, c, CLOSE_TIME] = time
            n[y, c, CLOSE_ID] = order
        elif time < n[y, c, OPEN_TIME] or (time == n[y, c, OPEN_TIME] and order < n[y, c, OPEN_ID]):
            f[y, c, OPEN] = price
            n[y, c, OPEN_TIME] = time
            n[y, c, OPEN_ID] = order
    n[y, c, TRADES] += 1
    f[y, c, VOLUME], f[y, c, VOLUME + 1] = two_sum(f[y, c, VOLUME], f[y, c, VOLUME + 1], size)
    f[y, c, QUOTE], f[y, c, QUOTE + 1] = two_sum(f[y, c, QUOTE], f[y, c, QUOTE + 1], price * size)
    f[y, c, BUY], f[y, c, BUY + 1] = two_sum(f[y, c, BUY], f[y, c, BUY + 1], bought)


@inline
def merge(f: Array, n: Array, y: int, c: int, d: int) -> None:
    """Add cell ``d`` to cell ``c``, whose window holds that of ``d``."""
    if n[y, c, TRADES] == 0:
        for j in range(FLOATS):
            f[y, c, j] = f[y, d, j]
        for j in range(TRADES, INTS):
            n[y, c, j] = n[y, d, j]
    else:
        f[y, c, HIGH] = max(f[y, c, HIGH], f[y, d, HIGH])
        f[y, c, LOW] = min(f[y, c, LOW], f[y, d, LOW])
        time, order = n[y, d, CLOSE_TIME], n[y, d, CLOSE_ID]
        if time > n[y, c, CLOSE_TIME] or (time == n[y, c, CLOSE_TIME] and order >= n[y, c, CLOSE_ID]):
            f[y, c, CLOSE] = f[y, d, CLOSE]
            n[y, c, CLOSE_TIME] = time
            n[y, c, CLOSE_ID] = order
        time, order = n[y, d, OPEN_TIME], n[y, d, OPEN_ID]
        if time < n[y, c, OPEN_TIME] or (time == n[y, c, OPEN_TIME] and order < n[y, c, OPEN_ID]):
            f[y, c, OPEN] = f[y, d, OPEN]
            n[y, c, OPEN_TIME] = time
            n[y, c, OPEN_ID] = order
        n[y, c, TRADES] += n[y, d, TRADES]
        for j in range(VOLUME, FLOATS, 2):
            f[y, c, j], f[y, c, j + 1] = two_sum(f[y, c, j], f[y, c, j + 1], f[y, d, j])
            f[y, c, j + 1] += f[y, d, j + 1]


def put(floats: Array, ints: Array, candle: Batch) -> None:
    """Fill a cell, given as its two rows, with a candle; one without trades empties it.

    A number of trades that is not known counts as one: what matters here is that there were some.
    """
    floats[:] = 0.0
    ints[:] = 0
    if candle["trades"][0] != 0:
        for place, name in _FIGURES.items():
            floats[place] = candle[name][0]
        start = candle["start"][0]
        ints[[START, OPEN_TIME, CLOSE_TIME]] = start
        ints[TRADES] = max(candle["trades"][0], 1)


@inline
def emit(o: Array, i: Array, row: int, y: int, level: int, f: Array, n: Array, z: int, c: int, final: int) -> None:
    """Write cell ``c`` of position ``z`` as row ``row`` of instrument ``y``."""
    volume = f[z, c, VOLUME] + f[z, c, VOLUME + 1]
    quote = f[z, c, QUOTE] + f[z, c, QUOTE + 1]
    for j in range(4):
        o[row, j] = f[z, c, j]
    o[row, 4] = volume
    o[row, 5] = quote
    o[row, 6] = quote / volume
    o[row, 7] = f[z, c, BUY] + f[z, c, BUY + 1]
    i[row, 0] = y
    i[row, 1] = level
    i[row, 2] = n[z, c, START]
    i[row, 3] = n[z, c, TRADES]
    i[row, 4] = final


@inline
def emit_empty(o: Array, i: Array, row: int, y: int, level: int, start: int) -> None:
    """Write the row of a final window without trades."""
    o[row, 0] = o[row, 1] = o[row, 2] = o[row, 3] = o[row, 6] = np.nan
    o[row, 4] = o[row, 5] = o[row, 7] = 0.0
    i[row, 0] = y
    i[row, 1] = level
    i[row, 2] = start
    i[row, 3] = 0
    i[row, 4] = 1
