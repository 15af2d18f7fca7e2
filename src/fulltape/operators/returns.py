"""What the returns of candles say: rolling correlation and beta, drawdown, Sharpe and Sortino ratio. Pure functions.

Returns are `fulltape.operators.correlation.log_returns` of closes, NaN where a close is missing. Ratios are of returns
per period, with no rate of interest taken off, and annualised by sqrt(periods a year); a year has 365 days, since
these markets never close.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from fulltape.operators.correlation import correlate
from fulltape.records import Array

YEAR_S: Final = 365 * 86_400


class Together(msgspec.Struct, frozen=True):
    """At each period, what two instruments did over the last n: correlation, and beta of the first to the second."""

    correlation: Array
    beta: Array


def rolling_together(returns: Array, other: Array, n: int) -> Together:
    """Return correlation and beta over the last ``n`` periods: of those in which both have a return.

    NaN in the first n - 1 periods, and where `correlate` has none. Raises ValueError for ``n`` below 2.
    """
    if n < 2:
        raise ValueError(f"n is {n}: it must be 2 or more")
    pairs = np.stack([returns, other], axis=1)
    correlation, beta = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    for i in range(n, len(pairs) + 1):
        found = correlate(pairs[i - n : i])
        correlation[i - 1], beta[i - 1] = found.correlation[0, 1], found.beta[0, 1]
    return Together(correlation, beta)


def drawdown(close: Array) -> Array:
    """Return by how much each close is below the highest one up to it: 100 (close / high - 1), in percent, 0 or below.

    A missing close has none; the next one is measured against the same high.
    """
    return np.asarray(100.0 * (close / np.fmax.accumulate(close) - 1.0))


def sharpe(returns: Array, period_s: float) -> float:
    """Return mean / standard deviation (ddof 1) of the returns, annualised; NaN with fewer than two or without spread.

    ``period_s`` is how many seconds a return is over.
    """
    known = returns[~np.isnan(returns)]
    if len(known) < 2:
        return math.nan
    return _ratio(float(known.mean()), float(known.std(ddof=1)), period_s)


def sortino(returns: Array, period_s: float) -> float:
    """Return mean / downside deviation of the returns, annualised; NaN with fewer than two or if none is below 0.

    The downside deviation is the root of the mean, over all returns, of the squares of those below 0.
    """
    known = returns[~np.isnan(returns)]
    if len(known) < 2:
        return math.nan
    return _ratio(float(known.mean()), math.sqrt(float((np.minimum(known, 0.0) ** 2).mean())), period_s)


def _ratio(mean: float, spread: float, period_s: float) -> float:
    return mean / spread * math.sqrt(YEAR_S / period_s) if spread > 0.0 else math.nan
