"""How the trades of a range are distributed: sizes, pauses between them, and who makes the volume."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.records import Array, Batch

PARETO_TOP: Final = 0.2
"""Of how many of the trades, the largest, the Pareto share tells."""
LARGEST: Final = 10
_LORENZ_STEPS: Final = 100


class Histogram(msgspec.Struct, frozen=True):
    """``counts[i]`` values lie in [``edges[i]``, ``edges[i + 1]``), the last edge included; ``zeros`` are none of them.

    Edges are spaced by equal ratios: sizes and pauses span many powers of ten.
    """

    edges: Array
    counts: Array
    zeros: int


class Distribution(msgspec.Struct, frozen=True):
    """Of one instrument's trades with a size.

    ``sizes`` in base units; ``pauses`` in seconds between one trade and the next; ``lorenz[k]`` the share of the volume
    that the smallest k percent of the trades have; ``gini`` twice the area between that curve and equality;
    ``pareto_share`` the share of the volume that the largest 20 % of the trades have; ``quartiles`` of the size, with
    least and largest. ``largest`` are the positions of the ten with the largest value (price x size).
    """

    trades: int
    volume: float
    sizes: Histogram
    pauses: Histogram
    quartiles: Array
    lorenz: Array
    gini: float
    pareto_share: float
    largest: Array


def distribution(trades: Batch, bins: int) -> Distribution:
    """Return the distribution of one instrument's trades, given in order of time. Raises ValueError without any."""
    place = np.flatnonzero(trades["size"] > 0.0)
    if not len(place):
        raise ValueError("no trades in this range")
    size = np.sort(trades["size"][place])
    share = np.r_[0.0, np.cumsum(size)]
    share /= share[-1]
    rank = np.linspace(0.0, 1.0, len(share))
    value = trades["price"][place] * trades["size"][place]
    return Distribution(
        trades=len(size),
        volume=float(size.sum()),
        sizes=_histogram(size, bins),
        pauses=_histogram(np.diff(trades["event_time"][place]) / SECOND_NS, bins),
        quartiles=np.quantile(size, [0.0, 0.25, 0.5, 0.75, 1.0]),
        lorenz=np.interp(np.linspace(0.0, 1.0, _LORENZ_STEPS + 1), rank, share),
        gini=float(1.0 - 2.0 * np.trapezoid(share, rank)),
        pareto_share=float(1.0 - np.interp(1.0 - PARETO_TOP, rank, share)),
        largest=place[np.argsort(-value, kind="stable")[:LARGEST]],
    )


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
