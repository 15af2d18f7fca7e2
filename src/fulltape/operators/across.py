"""One product at many venues: pure functions of their newest quotes.

``median_price`` is the median of the mids. ``premium_bp`` is a mid against it: (mid / median_price - 1) in bp. A mid
is an outlier if it is further than k MAD from it, MAD being the median of those distances, unscaled; with fewer than
three mids nobody can tell which is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

LEAST: Final = 2
"""How many quotes a comparison takes."""
LEAST_OUTLIER: Final = 3

_NAN: Final = math.nan


class Across(NamedTuple):
    """The quotes of one product together; NaN where fewer than two are there."""

    venues: int
    best_bid: float
    best_ask: float
    median_price: float
    mad: float

    def premium_bp(self, mid: float) -> float:
        """Return by how many bp ``mid`` is above the median price."""
        return (mid / self.median_price - 1.0) * 1e4

    def is_outlier(self, mid: float, k: float) -> bool:
        """Return whether ``mid`` is further than ``k`` MAD from the median price."""
        return self.venues >= LEAST_OUTLIER and abs(mid - self.median_price) > k * self.mad


def across(quotes: Sequence[tuple[float, float]]) -> Across:
    """Return what the quotes (bid, ask) of one product say together; both sides of each must be there."""
    if len(quotes) < LEAST:
        return Across(len(quotes), _NAN, _NAN, _NAN, _NAN)
    mids = [(bid + ask) / 2.0 for bid, ask in quotes]
    price = median(mids)
    mad = median([abs(mid - price) for mid in mids])
    return Across(len(quotes), max(bid for bid, _ in quotes), min(ask for _, ask in quotes), price, mad)
