"""Which indicator, of which candles: ``RSI(period=14)@5m`` as text, and of one instrument as a key."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from fulltape.errors import ConfigError
from fulltape.operators.indicators.base import Indicator, Values
from fulltape.operators.indicators.registry import INDICATORS, find_indicator
from fulltape.records.interval import format_interval, parse_interval

_TEXT: Final = re.compile(r"(\w{1,20})(?:\(([\w.=, -]{0,200})\))?@(\w{1,10})\Z", re.ASCII)
_HOW: Final = "write it as RSI@5m or RSI(period=14)@5m"


class IndicatorOf(NamedTuple):
    """An indicator with all its parameters, of candles of one length."""

    name: str
    parameters: tuple[tuple[str, float], ...]
    interval_s: int

    @property
    def indicator(self) -> Indicator:
        """What computes it."""
        return INDICATORS[self.name]

    @property
    def values(self) -> Values:
        """Its parameters."""
        return dict(self.parameters)

    @property
    def label(self) -> str:
        """The text of it without the interval, every parameter named."""
        told = ",".join(f"{name}={value:g}" for name, value in self.parameters)
        return f"{self.name}({told})" if told else self.name

    @property
    def interval(self) -> str:
        """The name of the interval."""
        return format_interval(self.interval_s)


class IndicatorKey(NamedTuple):
    """An indicator of one instrument."""

    code: int
    of: IndicatorOf


def parse_indicator(text: str) -> IndicatorOf:
    """Return the indicator of a text, defaults filled in. Raises ConfigError that says what is wrong with it."""
    match = _TEXT.match(text.replace(" ", ""))
    if match is None:
        raise ConfigError(f"not an indicator: {text!r}: {_HOW}")
    indicator = find_indicator(match[1])
    given: dict[str, float] = {}
    for part in filter(None, (match[2] or "").split(",")):
        name, _, number = part.partition("=")
        try:
            given[name] = float(number)
        except ValueError:
            raise ConfigError(f"not a parameter: {part!r} of {text!r}: {_HOW}") from None
    try:
        interval_s = parse_interval(match[3])
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return IndicatorOf(indicator.name, tuple(indicator.values(given).items()), interval_s)
