"""Roll-up: coarser candles from finer ones: from a venue's bars, or for an interval that is not stored.

Sums use the two-sum of the candle cascade: they are those of the exact figures, rounded once.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import kernel
from fulltape.operators.cells import two_sum
from fulltape.records import BARS, CANDLES, Array, Batch, EmptyReason
from fulltape.records.columns import NULL_INT
from fulltape.records.interval import format_interval, window_start

_REASONS: Final = (EmptyReason.GAP, EmptyReason.VENUE_DOWN, EmptyReason.NOT_FOLLOWED, EmptyReason.QUIET)


@kernel
def _sums(values: Array, first: Array) -> Any:
    """Return the sum of each run of ``values`` that begins at a position in ``first``."""
    out = np.zeros(len(first), np.float64)
    for run in range(len(first)):
        stop = first[run + 1] if run + 1 < len(first) else len(values)
        hi, lo = 0.0, 0.0
        for i in range(first[run], stop):
            hi, lo = two_sum(hi, lo, values[i])
        out[run] = hi + lo
    return out


def roll_up(rows: Batch, interval_s: int) -> Batch:
    """Return the candles (or bars) of ``interval_s`` seconds that ``rows``, of one finer interval each, make up.

    Rows may come in any order and of any instruments, each window once. Open is that of the first window with trades,
    close that of the last, high and low the extremes, volumes the sums. A figure that one of the rows lacks is null,
    except that windows without trades have no part in prices. Windows that are missing are taken to be empty.

    Raises ValueError if the interval of a row does not tile windows of ``interval_s``.
    """
    if not len(rows):
        return rows
    windows = _windows(rows, interval_s)
    order = np.lexsort((rows["start"], windows, rows["instrument"]))
    rows, windows = rows.take(order), windows[order]
    code = rows["instrument"]
    first = np.flatnonzero(np.r_[True, (windows[1:] != windows[:-1]) | (code[1:] != code[:-1])])
    columns = {
        "instrument": code[first],
        "interval": np.full(len(first), interval_s, np.int32),
        "start": windows[first],
        **_prices(rows, first),
        "volume": _sums(rows["volume"], first),
    }
    more = {CANDLES: _of_candles, BARS: _of_bars}[rows.schema]
    columns.update(more(rows, first, columns["volume"]))
    return Batch(rows.schema, columns)


def _windows(rows: Batch, interval_s: int) -> Array:
    """Return the start of the coarse window that holds each row."""
    length = rows["interval"].astype(np.int64)
    offset = window_start(10 * 604_800 * SECOND_NS, interval_s) % (interval_s * SECOND_NS)
    windows = (rows["start"] - offset) // (interval_s * SECOND_NS) * (interval_s * SECOND_NS) + offset
    bad = (interval_s % length != 0) | ((rows["start"] - windows) % (length * SECOND_NS) != 0)
    if bad.any():
        fine = format_interval(int(length[np.argmax(bad)]))
        raise ValueError(f"windows of {fine} do not make up windows of {format_interval(interval_s)}")
    return np.asarray(windows, np.int64)


def _prices(rows: Batch, first: Array) -> dict[str, Array]:
    """Return open, high, low and close of each run; NaN if none of its rows has prices."""
    place = np.arange(len(rows))
    traded = ~np.isnan(rows["open"])
    opening = np.minimum.reduceat(np.where(traded, place, len(rows)), first)
    closing = np.maximum.reduceat(np.where(traded, place, -1), first)
    empty = closing < 0
    return {
        "open": np.where(empty, np.nan, rows["open"][np.where(empty, 0, opening)]),
        "high": np.fmax.reduceat(rows["high"], first),
        "low": np.fmin.reduceat(rows["low"], first),
        "close": np.where(empty, np.nan, rows["close"][closing]),
    }


def _of_candles(rows: Batch, first: Array, volume: Array) -> dict[str, Array]:
    quote_volume = _sums(rows["quote_volume"], first)
    trades = _counts(rows, first)
    reason = np.full(len(first), EmptyReason.NONE, np.uint8)
    for candidate in reversed(_REASONS):
        reason[np.logical_or.reduceat(rows["reason"] == candidate, first) & (trades == 0)] = candidate
    return {
        "quote_volume": quote_volume,
        "vwap": _ratio(quote_volume, volume),
        "trades": trades,
        "taker_buy_volume": _sums(rows["taker_buy_volume"], first),
        "revision": np.add.reduceat(rows["revision"], first),
        "is_final": np.logical_and.reduceat(rows["is_final"], first),
        # TRADES is the least: one finer candle of another source makes the coarse one so.
        "source": np.maximum.reduceat(rows["source"], first),
        "reason": reason,
    }


def _of_bars(rows: Batch, first: Array, volume: Array) -> dict[str, Array]:
    value = np.where(rows["volume"] > 0.0, rows["vwap"] * rows["volume"], 0.0)
    return {
        "vwap": _ratio(_sums(value, first), volume),
        "trades": _counts(rows, first),
        "ingest_time": np.maximum.reduceat(rows["ingest_time"], first),
    }


def _counts(rows: Batch, first: Array) -> Array:
    """Return the trades of each run, null if one of its rows does not tell."""
    unknown = np.logical_or.reduceat(rows["trades"] == NULL_INT, first)
    counts: Array = np.where(unknown, NULL_INT, np.add.reduceat(rows["trades"], first))
    return counts


def _ratio(value: Array, volume: Array) -> Array:
    ratio = np.full(len(value), np.nan)
    np.divide(value, volume, out=ratio, where=volume > 0.0)
    return ratio
