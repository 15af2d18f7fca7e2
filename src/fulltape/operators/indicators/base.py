"""What an indicator is: its parameters, its columns, how much history it needs, and how it is computed.

An indicator sees the candles that have what it is made of. Windows without trades have no prices: they are left out,
as if the candles around them were neighbours, and the indicator is null there. So it does not matter whether an empty
window is a row, which depends on the interval.

The value at a candle does not depend on where a range begins if as many candles before it are there as ``history``
says. A sum over the last n candles needs n - 1. A mean that forgets exponentially, m += alpha (x - m), never quite
forgets with what it began; after `forgetting` candles a part of 10^-15 is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from fulltape.errors import ConfigError, did_you_mean
from fulltape.records import Array, Batch

ALL: Final = 10**9
"""The history of an indicator that counts from the first candle there is."""
_LEFT: Final = 1e-15

Values = Mapping[str, float]
"""Parameters by name."""
Columns = Mapping[str, Array]
"""Columns of candles by name, or of an indicator, all of one length."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that an indicator can be told: its default and its range, ends included."""

    default: float
    least: float
    most: float
    is_whole: bool = True


def length(default: int, least: int = 2) -> Parameter:
    """Return a parameter that counts candles."""
    return Parameter(default, least, 1_000)


def factor(default: float, least: float = 0.0, most: float = 100.0) -> Parameter:
    """Return a parameter that need not be whole."""
    return Parameter(default, least, most, is_whole=False)


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator. ``compute`` gets its ``inputs`` without nulls in order of time, and returns its ``outputs``.

    ``history`` tells how many candles it needs before the first one asked for, ``computed`` being of an interval (s).
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    history: Callable[[Values, int], int]
    compute: Callable[[Columns, Values], tuple[Array, ...]]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def values(self, given: Values) -> Values:
        """Return all parameters, ``given`` ones checked. Raises ConfigError that says which there are."""
        for name, value in given.items():
            parameter = self.parameters.get(name)
            if parameter is None:
                known = ", ".join(self.parameters) or "none"
                hint = did_you_mean(name, self.parameters)
                raise ConfigError(f"{self.name} has no parameter {name!r}{hint}; it takes {known}")
            is_one = parameter.least <= value <= parameter.most and (value == int(value) or not parameter.is_whole)
            if not is_one:
                kind = "a whole number" if parameter.is_whole else "a number"
                wanted = f"{kind} from {parameter.least:g} to {parameter.most:g}"
                raise ConfigError(f"{name} of {self.name} is {value:g}: it must be {wanted}")
        return {name: given.get(name, parameter.default) for name, parameter in self.parameters.items()}

    def usable(self, candles: Batch) -> Array:
        """Return which candles have what it is made of."""
        return np.asarray(np.logical_and.reduce([~np.isnan(candles[name]) for name in self.inputs]))

    def over(self, candles: Batch, values: Values) -> Columns:
        """Return the indicator at each candle of one instrument and interval, in order of time; null where none is.

        Raises ConfigError if a library that it takes is missing.
        """
        usable = self.usable(candles)
        columns = {name: np.ascontiguousarray(candles[name][usable]) for name in ("start", *self.inputs)}
        found = {name: np.full(len(candles), np.nan) for name in self.outputs}
        if usable.any():
            for name, array in zip(self.outputs, self.compute(columns, values), strict=True):
                found[name][usable] = array
        return found


def forgetting(alpha: float) -> int:
    """Return after how many steps of m += alpha (x - m) a part of 10^-15 is left of what m was; 0 < alpha <= 1."""
    return 1 if alpha >= 1.0 else math.ceil(math.log(_LEFT) / math.log1p(-alpha))


def ema_history(period: float) -> int:
    """Return how many candles before it an exponential mean (alpha = 2 / (period + 1)) needs, its start included."""
    return int(period) - 1 + forgetting(2.0 / (period + 1.0))


def wilder_history(period: float) -> int:
    """Return the same for a mean as Wilder's (alpha = 1 / period), of differences between candles."""
    return int(period) + forgetting(1.0 / period)
