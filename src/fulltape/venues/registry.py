"""The venues there are: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fulltape.errors import ConfigError, did_you_mean
from fulltape.venues.base import Venue
from fulltape.venues.binance import Binance
from fulltape.venues.bitmex import Bitmex
from fulltape.venues.coinbase import Coinbase
from fulltape.venues.okx import Okx

VENUES: Final[Mapping[str, Venue]] = MappingProxyType(
    {
        "BINANCE": Binance(),
        "BITMEX": Bitmex(),
        "COINBASE": Coinbase(),
        "OKX": Okx(),
    }
)
"""Every venue by its name."""


def venue(name: str) -> Venue:
    """Return the venue called ``name``, in any case. Raises ConfigError that names the nearest one."""
    found = VENUES.get(name.upper())
    if found is None:
        known = ", ".join(sorted(VENUES))
        raise ConfigError(f"unknown venue {name!r}{did_you_mean(name.upper(), VENUES)}; there are: {known}")
    return found


def venue_of_host(host: str) -> Venue | None:
    """Return the venue that answers at ``host``, as recordings name it, or None."""
    for candidate in VENUES.values():
        if host.lower() in candidate.spec.hosts:
            return candidate
    return None
