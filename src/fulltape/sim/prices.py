"""How simulated prices move: one market factor and a part of its own for each product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fulltape.clock import SECOND_NS
from fulltape.sim.history import MINUTE_S, MinuteBar
from fulltape.sim.instruments import Listing

Array = npt.NDArray[Any]

YEAR_S = 365.25 * 86_400


def factor_returns(rng: np.random.Generator, listings: Sequence[Listing], steps: int, step_s: float) -> Array:
    """Draw log returns, one row a step and one column a listing: one common factor and an own part of each."""
    rho = np.array([listing.correlation for listing in listings])
    scale = np.array([listing.volatility for listing in listings]) * math.sqrt(step_s / YEAR_S)
    draws = rng.standard_normal((steps, len(listings) + 1))
    return scale * (rho * draws[:, :1] + np.sqrt(1.0 - rho**2) * draws[:, 1:])


def past_bars(
    seed: int, listings: Sequence[Listing], start_ns: int, days: float, trades_per_s: float
) -> list[list[MinuteBar]]:
    """Make the one-minute bars before the first trade: a walk that ends at each listing's first price.

    A minute gets as many trades as the rate lets it expect, Poisson; one that gets none has no bar.
    """
    minutes, points = int(days * 1_440), 6
    rng = np.random.default_rng([seed, 2])
    end = start_ns // SECOND_NS // MINUTE_S * MINUTE_S
    starts = end - MINUTE_S * np.arange(minutes, 0, -1)
    weights = np.array([listing.weight for listing in listings])
    part = weights / weights.sum()
    result = []
    returns = factor_returns(rng, listings, minutes * points, MINUTE_S / points)
    for i, listing in enumerate(listings):
        path = np.exp(-np.cumsum(returns[::-1, i])[::-1]) * listing.start_ticks
        prices = np.maximum(np.rint(path), 1).astype(np.int64).reshape(minutes, points)
        counts = rng.poisson(trades_per_s * MINUTE_S * part[i], minutes)
        volumes = (counts * listing.lots_per_usd * listing.usual_trade_usd * rng.lognormal(0.0, 0.5, minutes)).astype(
            np.int64
        ) + 1
        columns = (starts, prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1], volumes)
        rows = zip(*(column[counts > 0].tolist() for column in columns), strict=True)
        result.append([MinuteBar(*row) for row in rows])
    return result
