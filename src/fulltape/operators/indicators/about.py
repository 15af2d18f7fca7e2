"""What each indicator is called, and what its figures are: what somebody needs who draws one that they do not know."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from fulltape.operators.indicators.base import Indicator


class Unit(StrEnum):
    """What a figure of an indicator is measured in."""

    PRICE = "price"
    """It lies among the prices, as a mean of them does."""
    PRICE_DIFFERENCE = "price_difference"
    INDEX = "index"
    """It has a scale of its own that is the same for every market, mostly 0 to 100."""
    PERCENT = "percent"
    VOLUME = "volume"
    SIGN = "sign"
    """1 or -1."""


class About(NamedTuple):
    """An indicator in words. ``unit`` holds for every column but ``signs``.

    ``levels`` are those that its readers look for; ``bars`` are the columns that are drawn as bars from zero.
    """

    title: str
    unit: Unit
    levels: tuple[float, ...] = ()
    bars: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()

    def unit_of(self, column: str) -> Unit:
        """Return what a column is measured in."""
        return Unit.SIGN if column in self.signs else self.unit


_ABOUT: Final = {
    "SMA": About("Simple moving average", Unit.PRICE),
    "EMA": About("Exponential moving average", Unit.PRICE),
    "WMA": About("Weighted moving average", Unit.PRICE),
    "DEMA": About("Double exponential moving average", Unit.PRICE),
    "KAMA": About("Kaufman adaptive moving average", Unit.PRICE),
    "MACD": About("Moving average convergence divergence", Unit.PRICE_DIFFERENCE, (0.0,), ("macdhist",)),
    "RSI": About("Relative strength index", Unit.INDEX, (30.0, 70.0)),
    "STOCH": About("Stochastic", Unit.INDEX, (20.0, 80.0)),
    "STOCHRSI": About("Stochastic of the relative strength index", Unit.INDEX, (20.0, 80.0)),
    "ROC": About("Rate of change", Unit.PERCENT, (0.0,)),
    "CCI": About("Commodity channel index", Unit.INDEX, (-100.0, 100.0)),
    "WILLR": About("Williams %R", Unit.INDEX, (-80.0, -20.0)),
    "MFI": About("Money flow index", Unit.INDEX, (20.0, 80.0)),
    "OBV": About("On-balance volume", Unit.VOLUME),
    "ATR": About("Average true range", Unit.PRICE_DIFFERENCE),
    "BBANDS": About("Bollinger bands", Unit.PRICE),
    "SAR": About("Parabolic stop and reverse", Unit.PRICE),
    "ADX": About("Average directional index", Unit.INDEX, (25.0,)),
    "AROON": About("Aroon", Unit.INDEX),
    "VWAP": About("Volume-weighted average price of the UTC day", Unit.PRICE),
    "ICHIMOKU": About("Ichimoku cloud", Unit.PRICE),
    "SUPERTREND": About("Supertrend", Unit.PRICE, signs=("trend",)),
    "KELTNER": About("Keltner channel", Unit.PRICE),
    "DONCHIAN": About("Donchian channel", Unit.PRICE),
}


def about(indicator: Indicator) -> About:
    """Return an indicator in words."""
    return _ABOUT[indicator.name]
