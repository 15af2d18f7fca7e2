"""Sentiment: how the last 24 hours compare with the last 30 days, 0 (fear) to 100 (greed), with what it is made of.

Made of the hourly candles of several instruments. Each component is a percentile rank: 100 (hours with less + half of
the hours with as much) / hours, of its newest value among those of the last 30 days that are known, itself included:

* ``momentum``: change of the close over 24 hours;
* ``calm``: minus the standard deviation (ddof 1) of the last 24 hourly log returns;
* ``relative_volume``: the hour's volume against the mean of the 24 before (`fulltape.operators.volume`);
* ``taker_buy_ratio``: taker buy volume / volume of the last 24 hours;
* ``breadth``: the share of all instruments whose close is above that of 24 hours before.

``sentiment`` is their mean. An hour without trades has no close; a component that is not known leaves no mean.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from fulltape.operators.correlation import log_returns
from fulltape.operators.volume import relative_volume
from fulltape.records import Array

DAY: Final = 24
"""Hours that a component looks back."""
MONTH: Final = 30 * 24
"""Hours that it is ranked among."""
HISTORY: Final = MONTH + DAY
"""How many hours all of it needs."""


class Sentiment(msgspec.Struct, frozen=True):
    """Sentiment and its five components, all 0 to 100; NaN where there is not enough to tell."""

    sentiment: float
    momentum: float
    calm: float
    relative_volume: float
    taker_buy_ratio: float
    breadth: float


def sentiment(close: Array, volume: Array, taker_buy_volume: Array, closes: Array) -> Sentiment:
    """Return the sentiment of one instrument at the last of its hours.

    The columns are of consecutive hours; ``closes`` (hours, instruments) are those of all instruments. All of it is
    NaN with fewer than `HISTORY` hours.
    """
    if len(close) < HISTORY:
        return Sentiment(*[math.nan] * 6)
    bought, traded = _sum(taker_buy_volume), _sum(volume)
    share = np.divide(bought, traded, out=np.full(len(traded), np.nan), where=traded > 0.0)
    series = {
        "momentum": _change(close),
        "calm": -_spread(log_returns(close)),
        "relative_volume": relative_volume(volume, DAY),
        "taker_buy_ratio": share,
        "breadth": breadth(closes),
    }
    ranks = {name: percentile_rank(values[-MONTH:]) for name, values in series.items()}
    return Sentiment(sentiment=float(np.mean(list(ranks.values()))), **ranks)


def breadth(closes: Array) -> Array:
    """Return the share of instruments (columns) above their close of 24 hours before, of those that have both."""
    change = _change(closes)
    known = ~np.isnan(change)
    count = known.sum(axis=1)
    risen = (change > 0.0).sum(axis=1)
    return np.asarray(np.divide(risen, count, out=np.full(len(closes), np.nan), where=count > 0))


def percentile_rank(values: Array) -> float:
    """Return the percentile rank of the last value among all that are known, 0 to 100; NaN if it is not known."""
    if not len(values) or math.isnan(values[-1]):
        return math.nan
    known = values[~np.isnan(values)]
    return float(100.0 * ((known < known[-1]).sum() + 0.5 * (known == known[-1]).sum()) / len(known))


def _change(close: Array) -> Array:
    """Return close / the close 24 hours before - 1, down each column."""
    change = np.full(close.shape, np.nan)
    change[DAY:] = close[DAY:] / close[:-DAY] - 1.0
    return change


def _spread(returns: Array) -> Array:
    """Return the standard deviation of the last 24 returns at the end of each; one longer than ``returns``."""
    spread = np.full(len(returns) + 1, np.nan)
    spread[DAY:] = np.lib.stride_tricks.sliding_window_view(returns, DAY).std(axis=1, ddof=1)
    return spread


def _sum(values: Array) -> Array:
    """Return the sum of the last 24 values at each; NaN where there are fewer."""
    total = np.full(len(values), np.nan)
    total[DAY - 1 :] = np.lib.stride_tricks.sliding_window_view(values, DAY).sum(axis=1)
    return total
