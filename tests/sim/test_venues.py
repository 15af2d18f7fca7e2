"""Many venues beside each other, on real sockets."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest
import websockets
from tests.sim.driver import VenueFactory

from fulltape.errors import ConfigError
from fulltape.sim.faults import Faults
from fulltape.sim.registry import VENUES
from fulltape.sim.server import SimConfig, SimServer

pytestmark = pytest.mark.integration

KEY = {"action": "auth", "key": "k", "secret": "s"}


async def said(socket: websockets.ClientConnection, message: object) -> Any:
    await socket.send(json.dumps(message))
    return json.loads(await socket.recv())


async def test_every_venue_has_addresses_and_a_market_of_its_own(start_venue: VenueFactory) -> None:
    async with start_venue(venues=("all",), symbols=("BTC-USD",), trades_per_s=5.0, past_days=0.0) as venue:
        servers = venue.sim.venues
        assert list(servers) == list(VENUES)
        addresses = [url for server in servers.values() for url in (server.ws_url, server.rest_url)]
        assert len(set(addresses)) == 2 * len(VENUES)
        assert (venue.sim.ws_url, venue.sim.rest_url) == (servers["coinbase"].ws_url, servers["coinbase"].rest_url)
        venue.run(1)
        async with httpx.AsyncClient(timeout=120, trust_env=False) as http:
            page = await http.get(f"{servers['kraken'].rest_url}/0/public/Trades", params={"pair": "XBTUSD"})
            assert page.json()["result"]["XXBTZUSD"][-1][6] == servers["kraken"].market.last_id(0)
            url = f"{servers['okx'].rest_url}/api/v5/market/trades"
            newest = (await http.get(url, params={"instId": "BTC-USDT"})).json()["data"][0]
            assert newest["tradeId"] == str(servers["okx"].market.last_id(0))
            coins = await http.post(f"{servers['livecoinwatch'].rest_url}/coins/list", headers={"x-api-key": "k"})
            assert [coin["code"] for coin in coins.json()] == ["BTC"]
            assert (await http.post(url)).status_code == 405
            assert (await http.post(url, content=b"x" * 70_000)).status_code == 413


async def test_faults_hit_every_venue(start_venue: VenueFactory) -> None:
    async with start_venue(venues=("kraken", "bitstamp"), past_days=0.0, faults=Faults(refuse=True)) as venue:
        for server in venue.sim.venues.values():
            with pytest.raises(websockets.InvalidStatus):
                await websockets.connect(server.ws_url)
        venue.sim.set_faults(Faults())
        async with websockets.connect(venue.sim.ws_url) as one, websockets.connect(venue.sim.ws_url) as other:
            assert json.loads(await one.recv())["channel"] == json.loads(await other.recv())["channel"] == "status"
            assert venue.sim.connections == 2
            venue.sim.venues["kraken"].disconnect()
            with pytest.raises(websockets.ConnectionClosedError):
                await one.recv()


async def test_faults_can_be_asked_of_one_venue(start_venue: VenueFactory) -> None:
    async with start_venue(venues=("kraken", "bitstamp"), past_days=0.0) as venue:
        kraken, bitstamp = venue.sim.venues.values()
        headers = {"Authorization": f"Bearer {venue.sim.token}"}
        async with httpx.AsyncClient(timeout=120, trust_env=False) as http:
            await http.post(f"{bitstamp.rest_url}/sim/faults", headers=headers, json={"drop": 0.5})
        assert (kraken.faults, bitstamp.faults) == (Faults(), Faults(drop=0.5))


async def test_venues_have_prices_nearly_alike_with_steps_of_their_own(start_venue: VenueFactory) -> None:
    async with start_venue(venues=("coinbase", "binance", "bitstamp"), past_days=0.0) as venue:
        venue.run(1)
        markets = [server.market for server in venue.sim.venues.values()]
        prices = [float(market.listings[0].price_text(market.quote(0).bid)) for market in markets]
        assert len(set(prices)) == 3
        assert max(prices) / min(prices) < 1.002
        assert prices[2].is_integer()
        assert {market.last_id(0) for market in markets} != {markets[0].last_id(0)}


async def test_an_address_that_the_venue_does_not_have_is_refused(start_venue: VenueFactory) -> None:
    async with start_venue(venues=("okx", "livecoinwatch"), past_days=0.0) as venue:
        for url in (venue.sim.ws_url + "/nothing", venue.sim.venues["livecoinwatch"].ws_url):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(url)
            assert refused.value.response.status_code == 404


async def test_binary_frames_to_who_asked_for_them_and_farewell_to_who_says_nothing(start_venue: VenueFactory) -> None:
    headers = {"Content-Type": "application/msgpack"}
    async with (
        start_venue(venues=("alpaca",), past_days=0.0) as venue,
        websockets.connect(venue.sim.ws_url, additional_headers=headers) as binary,
        websockets.connect(venue.sim.ws_url) as silent,
        websockets.connect(venue.sim.ws_url) as text,
    ):
        assert msgspec.msgpack.decode(await binary.recv(decode=False))[0]["msg"] == "connected"
        await binary.send(msgspec.msgpack.encode(KEY))
        assert msgspec.msgpack.decode(await binary.recv(decode=False))[0]["msg"] == "authenticated"
        for socket in (silent, text):
            assert json.loads(await socket.recv())[0]["msg"] == "connected"
        assert (await said(text, KEY))[0]["code"] == 406
        await binary.close()
        assert (await said(text, KEY))[0]["msg"] == "authenticated"
        venue.run(11)
        assert json.loads(await silent.recv())[0]["code"] == 404
        with pytest.raises(websockets.ConnectionClosed):
            await silent.recv()
        assert (await said(text, {"action": "subscribe", "trades": ["BTC/USD"]}))[0]["T"] == "subscription"


def test_an_unknown_venue_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no simulated venue 'kraaken' \(did you mean 'kraken'\?\)"):
        SimServer(SimConfig(venues=("kraaken",)))
