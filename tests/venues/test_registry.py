"""The registry of venues."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from fulltape.errors import ConfigError
from fulltape.venues.registry import VENUES, venue, venues_of_url


def test_finds_a_venue_in_any_case() -> None:
    assert venue("coinbase") is venue("COINBASE") is VENUES["COINBASE"]


def test_names_the_nearest_venue() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown venue 'coinbsae' \(did you mean 'COINBASE'\?\); there are: .*COINBASE"
    ):
        venue("coinbsae")


def test_every_venue_is_under_its_own_name_and_no_place_is_claimed_twice() -> None:
    assert all(name == one.spec.name for name, one in VENUES.items())
    places = [(host, urlsplit(one.spec.ws_url).path) for one in VENUES.values() for host in one.spec.hosts]
    assert len(places) == len(set(places))


def test_knows_the_hosts_of_old_recordings() -> None:
    assert venues_of_url("wss://ws-feed.pro.coinbase.com") == (venue("COINBASE"),)
    assert venues_of_url("wss://WS-FEED.exchange.coinbase.com") == (venue("COINBASE"),)
    assert venues_of_url("wss://example.org") == ()


def test_tells_markets_of_one_host_by_the_path() -> None:
    spot, linear = venue("BYBIT"), venue("BYBITLINEAR")
    assert venues_of_url("wss://stream.bybit.com/v5/public/linear") == (linear,)
    assert venues_of_url("wss://stream.bybit.com/v5/public/spot") == (spot,)
    assert venues_of_url("https://api.bybit.com/v5/market/kline?category=spot") == (spot, linear)
    assert venues_of_url("wss://ws-feed.exchange.coinbase.com/any") == (venue("COINBASE"),)
    assert venues_of_url("") == ()
