"""The venues there are: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from fulltape.errors import ConfigError, did_you_mean
from fulltape.venues.alpaca import Alpaca
from fulltape.venues.base import Venue
from fulltape.venues.binance import Binance
from fulltape.venues.bitmex import Bitmex
from fulltape.venues.bitstamp import Bitstamp
from fulltape.venues.bybit import LINEAR, SPOT, Bybit
from fulltape.venues.coinbase import Coinbase
from fulltape.venues.kraken import Kraken
from fulltape.venues.livecoinwatch import LiveCoinWatch
from fulltape.venues.okx import Okx

VENUES: Final[Mapping[str, Venue]] = MappingProxyType(
    {
        "ALPACA": Alpaca(),
        "BINANCE": Binance(),
        "BITMEX": Bitmex(),
        "BYBIT": Bybit(SPOT, "spot"),
        "BYBITLINEAR": Bybit(LINEAR, "linear"),
        "BITSTAMP": Bitstamp(),
        "COINBASE": Coinbase(),
        "KRAKEN": Kraken(),
        "LIVECOINWATCH": LiveCoinWatch(),
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


def venues_of_url(url: str) -> tuple[Venue, ...]:
    """Return the venues that may be at ``url``: several where they share a host and the path does not tell them apart.

    An address of REST is shared, too: what it answers may be of any of them.
    """
    parts = urlsplit(url)
    hosted = [one for one in VENUES.values() if (parts.hostname or "") in one.spec.hosts]
    exact = [one for one in hosted if parts.path in (urlsplit(one.spec.ws_url).path, *_channel_paths(one))]
    return tuple(exact if len(exact) == 1 else hosted)


def venues_of_frame(payload: bytes) -> tuple[Venue, ...]:
    """Return the venues whose signs a frame bears: for recordings that name no address."""
    return tuple(one for one in VENUES.values() if any(sign in payload for sign in one.spec.signs))


def _channel_paths(venue: Venue) -> list[str]:
    return [urlsplit(url).path for url in venue.spec.channel_urls.values()]
