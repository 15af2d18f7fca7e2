"""Candles to compute indicators of: a random walk whose volatility wanders, and recorded ones."""

from __future__ import annotations

import numpy as np

from fulltape.operators.indicators.base import Columns
from fulltape.records import CANDLES, Array, Batch, CandleSource, EmptyReason

MINUTE = 60 * 10**9
MONDAY = 1_618_790_400 * 10**9
"""2021-04-19 00:00 UTC."""


def walk(count: int, seed: int = 1) -> Batch:
    """Return so many minutes of a price near 60,000."""
    random = np.random.default_rng(seed)
    volatility = np.exp(np.cumsum(random.normal(0, 0.02, count)).clip(-2, 2))
    close = 60_000.0 * np.exp(np.cumsum(random.normal(0, 0.0005, count) * volatility))
    first = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(first, close) * (1 + abs(random.normal(0, 0.0003, count)) * volatility)
    low = np.minimum(first, close) * (1 - abs(random.normal(0, 0.0003, count)) * volatility)
    return minutes(first, high, low, close, random.lognormal(0, 1, count))


def minutes(first: Array, high: Array, low: Array, close: Array, volume: Array) -> Batch:
    """Return candles of a minute each, one after the other; quote volume is by the middle of the range."""
    count = len(close)
    figures = {"open": first, "high": high, "low": low, "close": close, "volume": volume}
    figures |= {"quote_volume": volume * (high + low) / 2, "vwap": (high + low) / 2, "taker_buy_volume": volume / 2}
    constant = {"instrument": 0, "interval": 60, "trades": 7, "revision": 0, "is_final": True}
    constant |= {"source": CandleSource.TRADES, "reason": EmptyReason.NONE}
    return CANDLES.from_columns(
        {
            **{name: array.tolist() for name, array in figures.items()},
            **{name: [value] * count for name, value in constant.items()},
            "start": [MONDAY + i * MINUTE for i in range(count)],
        }
    )


def without_trades(candles: Batch, where: Array) -> Batch:
    """Return the candles, those at ``where`` as windows in which nobody traded."""
    prices = {name: np.where(where, np.nan, candles[name]) for name in ("open", "high", "low", "close", "vwap")}
    sums = {name: np.where(where, 0.0, candles[name]) for name in ("volume", "quote_volume", "taker_buy_volume")}
    return Batch(CANDLES, {**candles.columns, **prices, **sums, "trades": np.where(where, 0, candles["trades"])})


def close_to(found: Columns, expected: Columns, scale: float = 0.0) -> None:
    """Compare at 1e-9, relative, or of ``scale`` for figures that may be near 0."""
    assert list(found) == list(expected)
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-9, atol=1e-9 * scale, err_msg=name)
