"""What every minute of the simulated market comes to, known from the seed and the minute's number alone.

The market plays each minute out in detail, but where prices stand at its ends and how many trades it has are fixed
here. So a venue that was stopped and started again goes on with the same prices and the next ids, as a real one does.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fulltape.sim.history import MINUTE_S, MinuteBar
from fulltape.sim.instruments import Listing

Array = npt.NDArray[Any]

YEAR_S = 365.25 * 86_400
CYCLE = 1 << 15
"""Minutes, 23 days, after which prices are back where they began; in between they move as a Brownian bridge."""

_UNEVENNESS = 0.9  # minutes have from a tenth to nearly twice the mean number of trades
_BAR_POINTS = 6
_ANCHORS, _COUNTS, _PATH, _BARS, _PREMIUM = range(5)  # independent streams of chance
_PREMIUM_SPREAD = 3e-4  # its standard deviation where two knots meet, as a part of the price
_PREMIUM_KNOTS = (16, 256)  # minutes from one knot of each wave to the next


class Plan:
    """The plan of a market. ``trades_per_s`` is the long-run total over all listings.

    The markets of several venues share their prices, up to a slowly moving `premium`, and nothing else.
    """

    def __init__(self, seed: int, listings: Sequence[Listing], trades_per_s: float, venue: str = "") -> None:
        self._common = (seed,)
        self._own = own_seed(seed, venue)
        self._listings = tuple(listings)
        self._start = np.array([float(listing.start_ticks) for listing in listings])
        weights = np.array([listing.weight for listing in listings])
        self.trade_rates: Array = trades_per_s * weights / weights.sum()
        self._anchor = lru_cache(maxsize=8)(self.anchor)
        self._displacement = lru_cache(maxsize=2 * CYCLE)(self._draw_displacement)
        self._knot = lru_cache(maxsize=64)(self._draw_knot)

    def first_ids(self, minute: int) -> list[int]:
        """Return the id of the minute's first trade, by listing; the next minute's ids follow without a hole."""
        late = _UNEVENNESS * _rng(self._own, _COUNTS, minute).random(len(self._listings))
        return [
            math.floor(rate * MINUTE_S * (minute + part)) + 1 for rate, part in zip(self.trade_rates, late, strict=True)
        ]

    def anchor(self, minute: int) -> Array:
        """Return the log of price over first price at the beginning of a minute, by listing.

        Halves the cycle until the minute is found, displacing each midpoint: Lévy's construction of a Brownian bridge.
        """
        place, cycle = minute % CYCLE, minute // CYCLE
        low, high = 0, CYCLE
        at_low = at_high = np.zeros(len(self._listings))
        while low != place:
            middle = (low + high) // 2
            value = (at_low + at_high) / 2 + math.sqrt((high - low) / 4) * self._displacement(cycle * CYCLE + middle)
            if place >= middle:
                low, at_low = middle, value
            else:
                high, at_high = middle, value
        return at_low + self.premium(minute)

    def premium(self, minute: int) -> Array:
        """Return the log of the venue's price over the common one, by listing.

        The sum of a quick and a slow wave, each drawn straight between independent knots: it stays near zero and is
        known for any minute by itself. Only a market of no particular venue has none.
        """
        total = np.zeros(len(self._listings))
        if self._own == self._common:
            return total
        for length in _PREMIUM_KNOTS:
            place, passed = divmod(minute, length)
            total += self._knot(length, place) * (1 - passed / length)
            total += self._knot(length, place + 1) * (passed / length)
        return total * (_PREMIUM_SPREAD / math.sqrt(len(_PREMIUM_KNOTS)))

    def path(self, minute: int, steps: int) -> tuple[Array, Array]:
        """Return the minute's log returns and the fair prices (in price steps) after each, by step and listing."""
        return self._bridge(_rng(self._common, _PATH, minute), minute, steps)

    def past_bars(self, minute: int, count: int) -> list[list[MinuteBar]]:
        """Return the bars of ``count`` minutes before a minute, by listing, none where a minute has no trade.

        They begin and end at the prices and have the number of trades that the minutes played out would have; high,
        low, volume and the part that takers bought are drawn.
        """
        bars: list[list[MinuteBar]] = [[] for _ in self._listings]
        ids = self.first_ids(minute - count)
        for past in range(minute - count, minute):
            rng = _rng(self._own, _BARS, past)
            prices = np.maximum(np.rint(self._bridge(rng, past, _BAR_POINTS)[1]), 1).astype(np.int64)
            sizes = rng.lognormal(-0.125, 0.5, len(self._listings))
            parts = rng.uniform(0.3, 0.7, len(self._listings))
            next_ids = self.first_ids(past + 1)
            for i, listing in enumerate(self._listings):
                if trades := next_ids[i] - ids[i]:
                    volume = 1 + int(trades * listing.lots_per_usd * listing.usual_trade_usd * sizes[i])
                    bars[i].append(_past_bar(past, prices[:, i].tolist(), trades, volume, int(volume * parts[i])))
            ids = next_ids
        return bars

    def _bridge(self, rng: np.random.Generator, minute: int, steps: int) -> tuple[Array, Array]:
        begin, end = self._anchor(minute), self._anchor(minute + 1)
        moves = factor_returns(rng, self._listings, steps, MINUTE_S / steps)
        moves += (end - begin) / steps - moves.mean(axis=0)
        return moves, self._start * np.exp(begin + np.cumsum(moves, axis=0))

    def _draw_displacement(self, minute: int) -> Array:
        rng = _rng(self._common, _ANCHORS, minute)
        displacement: Array = factor_returns(rng, self._listings, 1, MINUTE_S)[0]
        return displacement

    def _draw_knot(self, length: int, place: int) -> Array:
        knot: Array = _rng((*self._own, length), _PREMIUM, place).standard_normal(len(self._listings))
        return knot


def own_seed(seed: int, venue: str) -> tuple[int, ...]:
    """Return the seed of what a venue shares with no other; without a venue it is the common one."""
    return (seed, zlib.crc32(venue.encode())) if venue else (seed,)


def factor_returns(rng: np.random.Generator, listings: Sequence[Listing], steps: int, step_s: float) -> Array:
    """Draw log returns, one row a step and one column a listing: one common factor and an own part of each."""
    rho = np.array([listing.correlation for listing in listings])
    scale = np.array([listing.volatility for listing in listings]) * math.sqrt(step_s / YEAR_S)
    draws = rng.standard_normal((steps, len(listings) + 1))
    result: Array = scale * (rho * draws[:, :1] + np.sqrt(1.0 - rho**2) * draws[:, 1:])
    return result


def _rng(seed: tuple[int, ...], stream: int, minute: int) -> np.random.Generator:
    return np.random.default_rng([*seed, stream, minute])


def _past_bar(minute: int, prices: list[int], trades: int, volume: int, bought: int) -> MinuteBar:
    mean = sum(prices) // len(prices)
    value, bought_value = mean * volume, mean * bought
    ends = (prices[0], max(prices), min(prices), prices[-1])
    return MinuteBar(minute * MINUTE_S, *ends, volume, value, trades, bought, bought_value)
