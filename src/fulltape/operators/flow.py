"""Order flow of longer windows: sums over the full minutes that `fulltape.operators.windows` made."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.records import Array, Batch
from fulltape.records.interval import window_start

_MINUTE_NS: Final = 60 * SECOND_NS


class OrderFlow(msgspec.Struct, frozen=True):
    """One instrument's flow by window, in order of ``start`` (ns): windows without trades are left out.

    ``delta`` is the taker buy less the taker sell volume (base currency); ``cumulative_delta`` the sum of it from the
    first window on; ``taker_buy_ratio`` the part of the volume, ``trade_imbalance`` (buys - sells) / both.
    """

    start: Array
    trades: Array
    taker_buy_volume: Array
    taker_sell_volume: Array
    taker_buys: Array
    taker_sells: Array
    delta: Array
    cumulative_delta: Array
    taker_buy_ratio: Array
    trade_imbalance: Array


def order_flow(windows: Batch, interval_s: int) -> OrderFlow:
    """Return the flow of one instrument in windows of ``interval_s``, from its rows of `WINDOWS` in order of time.

    Rows that begin at a half minute have no part in it. Raises ValueError unless the interval is whole minutes.
    """
    if interval_s % 60:
        raise ValueError("order flow is kept by the minute: the interval must be whole minutes")
    rows = windows.take(windows["start"] % _MINUTE_NS == 0)
    starts = np.array([window_start(time, interval_s) for time in rows["start"].tolist()], np.int64)
    first = np.flatnonzero(np.r_[True, starts[1:] != starts[:-1]]) if len(starts) else np.empty(0, np.int64)

    def total(name: str) -> Array:
        return np.add.reduceat(rows[name], first) if len(first) else rows[name][:0]

    buys, sells = total("taker_buys"), total("taker_sells")
    bought, sold = total("taker_buy_volume"), total("taker_sell_volume")
    delta = total("delta")
    return OrderFlow(
        start=starts[first],
        trades=total("trades"),
        taker_buy_volume=bought,
        taker_sell_volume=sold,
        taker_buys=buys,
        taker_sells=sells,
        delta=delta,
        cumulative_delta=np.cumsum(delta),
        taker_buy_ratio=_ratio(bought, bought + sold),
        trade_imbalance=_ratio((buys - sells).astype(np.float64), (buys + sells).astype(np.float64)),
    )


def _ratio(part: Array, whole: Array) -> Array:
    ratio = np.full(len(whole), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0.0)
    return ratio
