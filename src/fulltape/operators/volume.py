"""Volume over a range: against its past, and by price. Pure functions of stored candles or trades."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np

from fulltape.kernel import kernel
from fulltape.records import Array

VALUE_AREA: Final = 0.7
"""The share of the volume that the value area holds, by custom."""

_MAX_STEPS: Final = 1_000_000
_ROUNDING: Final = 1e-9  # 0.3 / 0.1 is below 3: a price belongs to the step that it opens


class VolumeProfile(msgspec.Struct, frozen=True):
    """Volume by price: ``prices[i]`` is the lower edge of a step, ``volumes[i]`` the volume in it (base currency).

    ``point_of_control`` is the lower edge of the step with most volume. The value area is [``value_area_low``,
    ``value_area_high``).
    """

    step: float
    prices: Array
    volumes: Array
    point_of_control: float
    value_area_low: float
    value_area_high: float


def relative_volume(volume: Array, n: int) -> Array:
    """Return each window's volume against the mean of the ``n`` windows before it, all of one length.

    NaN for the first ``n`` windows and where that mean is 0. Raises ValueError for ``n`` below 1.
    """
    mean, _ = _past(volume, n, least=1)
    return _ratio(volume, mean)


def volume_z(volume: Array, n: int) -> Array:
    """Return how many standard deviations (ddof 1) each window's volume is above the mean of the ``n`` before it.

    NaN for the first ``n`` windows and where these are all equal. Raises ValueError for ``n`` below 2.
    """
    mean, std = _past(volume, n, least=2)
    return _ratio(volume - mean, std)


def volume_profile(price: Array, size: Array, step: float, share: float = VALUE_AREA) -> VolumeProfile:
    """Return the volume by steps of ``step`` in price, the point of control and the value area.

    The value area grows from the point of control, each time by the neighbouring step with more volume (the upper one
    if equal), until it holds ``share`` of all volume. Of two steps with most volume the lower is the point of control.
    Raises ValueError if there is no trade, and for a step or share that makes no profile.
    """
    if not len(price):
        raise ValueError("no trades: there is no profile")
    if not (step > 0 and 0 < share <= 1):
        raise ValueError(f"step {step} must be above 0, share {share} above 0 and at most 1")
    index = np.floor(price / step + _ROUNDING).astype(np.int64)
    lowest = int(index.min())
    steps = int(index.max()) - lowest + 1
    if steps > _MAX_STEPS:
        raise ValueError(f"step {step} makes {steps:,} steps, more than {_MAX_STEPS:,}: choose a larger one")
    volumes = np.bincount(index - lowest, weights=size)
    low, high = _value_area(volumes, share)
    prices = np.arange(lowest, lowest + steps) * step
    control = float(prices[int(volumes.argmax())])
    return VolumeProfile(step, prices, volumes, control, float(prices[low]), float((lowest + high + 1) * step))


def step_for(price: Array, steps: int = 50) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that makes at most ``steps`` steps of a range of prices.

    Prices that are all equal are one step. There must be one price at least.
    """
    wanted = (float(price.max()) - float(price.min())) / steps or abs(float(price[0])) / steps or 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= wanted * (1.0 - _ROUNDING))


@kernel
def _value_area(volumes: Array, share: float) -> Any:
    """Return the first and the last step of the value area."""
    low = high = int(volumes.argmax())
    held, wanted = volumes[low], share * volumes.sum()
    while held < wanted and (low > 0 or high < len(volumes) - 1):
        above = volumes[high + 1] if high < len(volumes) - 1 else -1.0
        below = volumes[low - 1] if low > 0 else -1.0
        if above >= below:
            high += 1
            held += above
        else:
            low -= 1
            held += below
    return low, high


def _past(volume: Array, n: int, least: int) -> tuple[Array, Array]:
    """Return mean and standard deviation of the ``n`` values before each; NaN where there are fewer."""
    if n < least:
        raise ValueError(f"n is {n}: it must be {least} or more")
    mean, std = np.full(len(volume), np.nan), np.full(len(volume), np.nan)
    if len(volume) > n:
        before = np.lib.stride_tricks.sliding_window_view(volume, n)[:-1]
        mean[n:] = before.mean(axis=1)
        if n > 1:
            std[n:] = before.std(axis=1, ddof=1)
    return mean, std


def _ratio(value: Array, by: Array) -> Array:
    ratio = np.full(len(value), np.nan)
    np.divide(value, by, out=ratio, where=by > 0.0)
    return ratio
