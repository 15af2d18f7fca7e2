"""VWAP over a range, anchored and rolling, with its bands: pure functions of the minutes in `WINDOWS`.

A minute's row holds the volume, the VWAP and its volume-weighted standard deviation; rows joined (see
`fulltape.operators.moments`) give those of all their trades, so nothing is lost by going through minutes. The session
of the UTC day is the range anchored at midnight: `vwap_session` of `fulltape.operators.ticks`, there trade by trade.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import kernel
from fulltape.operators.moments import join
from fulltape.records import Array, Batch

_MINUTE_NS = 60 * SECOND_NS


class Vwap(msgspec.Struct, frozen=True):
    """A series by minutes: at the end of the minute that begins at ``start[i]`` (ns), VWAP and standard deviation."""

    start: Array
    vwap: Array
    std: Array

    def band(self, k: float) -> Array:
        """Return the band ``k`` standard deviations above the VWAP; below it for a negative ``k``."""
        return np.asarray(self.vwap + k * self.std)


def anchored_vwap(windows: Batch, anchor: int) -> Vwap:
    """Return the VWAP of one instrument's trades since the minute that holds ``anchor`` (ns)."""
    return _running(_minutes(windows, anchor // _MINUTE_NS * _MINUTE_NS), np.iinfo(np.int64).max)


def rolling_vwap(windows: Batch, minutes: int) -> Vwap:
    """Return the VWAP of one instrument's last ``minutes`` minutes: the one told and those before it.

    At the beginning of the range it is that of the minutes there are. Raises ValueError for ``minutes`` below 1.
    """
    if minutes < 1:
        raise ValueError(f"{minutes} minutes: the window must be 1 or more")
    return _running(_minutes(windows, np.iinfo(np.int64).min), minutes * _MINUTE_NS)


def _minutes(windows: Batch, since: int) -> Batch:
    """Return the rows that hold a minute and do not overlap, in order of time."""
    start = windows["start"]
    rows = windows.take((start % _MINUTE_NS == 0) & (start >= since))
    return rows.take(np.argsort(rows["start"]))


def _running(rows: Batch, length: int) -> Vwap:
    vwap, std = np.empty(len(rows)), np.empty(len(rows))
    weight = rows["volume"]
    _join_back(rows["start"], weight, rows["vwap"], rows["vwap_std"] ** 2 * weight, length, vwap, std)
    return Vwap(rows["start"], vwap, std)


@kernel
def _join_back(start: Array, weight: Array, mean: Array, m2: Array, length: int, vwap: Array, std: Array) -> None:
    """Write mean and deviation of the rows in (start - length, start]."""
    w, m, s = 0.0, 0.0, 0.0
    for i in range(len(start)):
        if start[i] - start[0] < length:  # what fell out of the range so far: nothing
            w, m, s = join(w, m, s, weight[i], mean[i], m2[i])
        else:
            w, m, s = _last(start, weight, mean, m2, length, i)
        vwap[i], std[i] = m, math.sqrt(s / w)


@kernel
def _last(start: Array, weight: Array, mean: Array, m2: Array, length: int, last: int) -> Any:
    """Return the rows of the last ``length`` (ns) joined."""
    w, m, s = weight[last], mean[last], m2[last]
    i = last - 1
    while i >= 0 and start[last] - start[i] < length:
        w, m, s = join(w, m, s, weight[i], mean[i], m2[i])
        i -= 1
    return w, m, s
