"""How the trades of a range are distributed: sizes, pauses between them, and who makes the volume."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fulltape.clock import SECOND_NS
from fulltape.records import Array, Batch
from fulltape.records.interval import window_start

PARETO_TOP: Final = 0.2
"""Of how many of the trades, the largest, the Pareto share tells."""
LARGEST: Final = 10
ROLLED: Final = 50
"""Of how many trades the rolling means are."""
WHISKER_IQRS: Final = 1.5
"""How far a box plot's whiskers reach at most, in distances of the quartiles."""
_LORENZ_STEPS: Final = 100
_MOST_POINTS: Final = 1_000
_MOST_WINDOWS: Final = 1_440
_WINDOWS_S: Final = (60, 300, 900, 3_600, 14_400, 86_400, 604_800)


class Histogram(msgspec.Struct, frozen=True):
    """``counts[i]`` values lie in [``edges[i]``, ``edges[i + 1]``), the last edge included; ``zeros`` are none of them.

    Edges are spaced by equal ratios: sizes and pauses span many powers of ten.
    """

    edges: Array
    counts: Array
    zeros: int


class Volumes(msgspec.Struct, frozen=True):
    """``volumes[i]`` was traded in ``[starts[i], starts[i] + interval)``; none is left out between first and last.

    Windows are minutes, or the shortest of 5 and 15 minutes, 1 and 4 hours, a day and a week of which there are at
    most 1,440. ``starts`` in ns.
    """

    interval_s: int
    starts: Array
    volumes: Array


class Rolling(msgspec.Struct, frozen=True):
    """Means of the last 50 trades, at up to 1,000 trades that are spread evenly by number, the newest included.

    ``times`` in ns; none of fewer than 50 trades.
    """

    times: Array
    prices: Array
    sizes: Array


class Distribution(msgspec.Struct, frozen=True):
    """Of one instrument's trades with a size.

    ``sizes`` in base units; ``pauses`` in seconds between one trade and the next; ``lorenz[k]`` the share of the volume
    that the smallest k percent of the trades have; ``gini`` twice the area between that curve and equality;
    ``pareto_share`` the share of the volume that the largest 20 % of the trades have; ``quartiles`` of the size, with
    least and largest. ``whiskers`` are the least and the largest size within 1.5 times the quartiles' distance from
    them, ``outliers`` the number beyond. ``largest`` are the positions of the ten with the largest value (price x
    size).
    """

    trades: int
    volume: float
    sizes: Histogram
    pauses: Histogram
    quartiles: Array
    whiskers: Array
    outliers: int
    volumes: Volumes
    rolling: Rolling
    lorenz: Array
    gini: float
    pareto_share: float
    largest: Array


def distribution(trades: Batch, bins: int) -> Distribution:
    """Return the distribution of one instrument's trades, given in order of time. Raises ValueError without any."""
    place = np.flatnonzero(trades["size"] > 0.0)
    if not len(place):
        raise ValueError("no trades in this range")
    time, traded = trades["event_time"][place], trades["size"][place]
    size = np.sort(traded)
    share = np.r_[0.0, np.cumsum(size)]
    share /= share[-1]
    rank = np.linspace(0.0, 1.0, len(share))
    price = trades["price"][place]
    quartiles = np.quantile(size, [0.0, 0.25, 0.5, 0.75, 1.0])
    usual = _usual(size, quartiles)
    return Distribution(
        trades=len(size),
        volume=float(size.sum()),
        sizes=_histogram(size, bins),
        pauses=_histogram(np.diff(time) / SECOND_NS, bins),
        quartiles=quartiles,
        whiskers=usual[[0, -1]],
        outliers=len(size) - len(usual),
        volumes=_volumes(time, traded),
        rolling=_rolling(time, price, traded),
        lorenz=np.interp(np.linspace(0.0, 1.0, _LORENZ_STEPS + 1), rank, share),
        gini=float(1.0 - 2.0 * np.trapezoid(share, rank)),
        pareto_share=float(1.0 - np.interp(1.0 - PARETO_TOP, rank, share)),
        largest=place[np.argsort(-price * traded, kind="stable")[:LARGEST]],
    )


def _usual(size: Array, quartiles: Array) -> Array:
    """Return the sizes, of sorted ones, that a box plot's whiskers take in."""
    low, high = quartiles[1], quartiles[3]
    reach = WHISKER_IQRS * (high - low)
    return size[np.searchsorted(size, low - reach, "left") : np.searchsorted(size, high + reach, "right")]


def _volumes(time: Array, size: Array) -> Volumes:
    for interval_s in _WINDOWS_S:
        length = interval_s * SECOND_NS
        first, last = (int(window_start(int(end), interval_s)) for end in time[[0, -1]])
        if (last - first) // length < _MOST_WINDOWS:
            break
    starts = np.arange(first, last + length, length)
    return Volumes(interval_s, starts, np.bincount((time - first) // length, size, len(starts)))


def _rolling(time: Array, price: Array, size: Array) -> Rolling:
    if len(time) < ROLLED:
        nothing = np.empty(0)
        return Rolling(np.empty(0, np.int64), nothing, nothing)
    count = len(time) - ROLLED + 1
    at = np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(np.int64)
    # Of each place its own trades: differences of one running sum would lose the digits of small sizes.
    prices, sizes = (sliding_window_view(values, ROLLED)[at].mean(axis=1) for values in (price, size))
    return Rolling(time[at + ROLLED - 1], prices, sizes)


def _histogram(values: Array, bins: int) -> Histogram:
    positive = values[values > 0.0]
    zeros = len(values) - len(positive)
    if not len(positive):
        return Histogram(np.empty(0), np.empty(0, np.int64), zeros)
    low, high = positive.min(), positive.max()
    # All alike: one bin around them.
    edges = np.geomspace(low, high, bins + 1) if low < high else np.array([low, np.nextafter(low, np.inf)])
    edges[0], edges[-1] = low, max(high, edges[-1])
    counts, edges = np.histogram(positive, edges)
    return Histogram(edges, counts, zeros)
