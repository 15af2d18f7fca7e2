"""All indicators, by name."""

from __future__ import annotations

from typing import Final

from fulltape.errors import ConfigError, did_you_mean
from fulltape.operators.indicators.base import Indicator
from fulltape.operators.indicators.own import OWN
from fulltape.operators.indicators.reference import REFERENCE

INDICATORS: Final = {indicator.name: indicator for indicator in (*REFERENCE, *OWN)}
"""Every indicator by its name, which is in capitals."""


def find_indicator(name: str) -> Indicator:
    """Return the indicator of a name, in capitals or not. Raises ConfigError with the nearest names."""
    indicator = INDICATORS.get(name.upper())
    if indicator is None:
        hint = did_you_mean(name.upper(), INDICATORS)
        raise ConfigError(f"unknown indicator {name!r}{hint}; there are {', '.join(INDICATORS)}")
    return indicator
