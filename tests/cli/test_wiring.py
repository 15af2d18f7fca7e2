"""Wiring: a connection for each address."""

from __future__ import annotations

import pytest

from fulltape.cli import wiring
from fulltape.engine.config import Config, VenueConfig
from fulltape.venues.base import Channel
from fulltape.venues.registry import venue

OKX, COINBASE = venue("okx").spec, venue("coinbase").spec
BOTH = (Channel.TRADES, Channel.BARS, Channel.BOOK, Channel.TRADES_ALL)


def test_channels_with_an_address_of_their_own_get_a_connection_of_their_own() -> None:
    assert wiring.addresses(OKX, VenueConfig(channels=BOTH)) == {
        "wss://ws.okx.com:8443/ws/v5/public": (Channel.TRADES, Channel.BOOK),
        "wss://ws.okx.com:8443/ws/v5/business": (Channel.BARS, Channel.TRADES_ALL),
    }


def test_on_another_host_they_keep_their_path() -> None:
    followed = VenueConfig(channels=BOTH, url="ws://127.0.0.1:9/ws/v5/public")
    assert list(wiring.addresses(OKX, followed)) == ["ws://127.0.0.1:9/ws/v5/public", "ws://127.0.0.1:9/ws/v5/business"]


def test_defaults_and_venues_of_one_address_need_one_connection() -> None:
    assert wiring.addresses(OKX, VenueConfig()) == {OKX.ws_url: OKX.default_channels}
    assert wiring.addresses(COINBASE, VenueConfig(url="ws://127.0.0.1:9")) == {
        "ws://127.0.0.1:9": COINBASE.default_channels
    }


def test_each_connection_has_a_name_and_its_channels() -> None:
    config = Config(venues={"okx": VenueConfig(channels=BOTH, instruments=("BTC-USDT",))})
    sessions = [feed.session for feed in wiring.feeds(config, None)]
    assert [one.name for one in sessions] == ["OKX-1", "OKX-2"]
    assert [one.subscription.channels for one in sessions] == [BOTH[::2], BOTH[1::2]]


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":5,"m":true,"M":true}}', ["BINANCE"]),
        (b'{"topic":"tickers.BTCUSDT","data":{"symbol":"BTCUSDT","markPrice":"65117.44"}}', ["BYBITLINEAR"]),
        (b'{"topic":"tickers.BTCUSDT","data":{"symbol":"BTCUSDT","usdIndexPrice":"65091.45"}}', ["BYBIT"]),
        (b'{"type":"match"}', []),
    ],
)
def test_frames_bear_signs_of_their_venue(payload: bytes, found: list[str]) -> None:
    source = wiring.replay_source([], venue_name=None, speed=None)
    assert source.venues_of_frame(payload) == found


def test_addresses_that_venues_share_name_them_all() -> None:
    source = wiring.replay_source([], venue_name=None, speed=None)
    assert source.venues_of_url("https://api.bybit.com/v5/market/kline") == ["BYBIT", "BYBITLINEAR"]
    assert source.venues_of_url("wss://stream.bybit.com/v5/public/linear") == ["BYBITLINEAR"]
    assert source.venues_of_url("wss://ws.okx.com:8443/ws/v5/business") == ["OKX"]
    assert source.venues_of_url("wss://ws-feed.pro.coinbase.com") == ["COINBASE"]
    assert source.venues_of_url("wss://phemex.com/ws") == []
