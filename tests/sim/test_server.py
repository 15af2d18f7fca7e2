"""Sockets: both ports, faults as a client sees them, clients that misbehave."""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import Any

import httpx
import pytest
import websockets
from tests.sim.driver import PATIENCE_S, Client, Frame, Venue, VenueFactory

from fulltape.errors import ConfigError
from fulltape.sim.faults import NO_FAULTS, Faults
from fulltape.sim.server import TOKEN_VARIABLE, SimConfig, SimServer, serve

pytestmark = pytest.mark.integration

QUICK: Frame = {"history_s": 5.0, "past_days": 0.0}


def ids(frames: list[Frame]) -> list[int]:
    return [frame["trade_id"] for frame in frames if frame["type"] == "match"]


async def subscribed(client: Client) -> int:
    """Subscribe to the trades of one product and return the id of its last trade."""
    await client.ask("subscribe", "matches", symbols=("BTC-USD",))
    (last,) = await client.drain()
    return int(last["trade_id"])


def rest_of(venue: Venue, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=venue.sim.rest_url, headers=headers, timeout=PATIENCE_S, trust_env=False, verify=False
    )


def holes(numbers: list[int]) -> int:
    return sum(b - a - 1 for a, b in itertools.pairwise(sorted(set(numbers))))


async def test_it_streams_by_itself_in_real_time() -> None:
    async with (
        SimServer(SimConfig(trades_per_s=500.0, **QUICK)) as sim,
        websockets.connect(sim.ws_url, max_queue=None) as ws,
    ):
        assert ws.response is not None
        assert ws.response.headers["Fulltape-Simulated"] == "1"
        await ws.send('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches"]}')
        frames = [await asyncio.wait_for(ws.recv(), PATIENCE_S) for _ in range(30)]
    assert sum('"type":"match"' in str(frame) for frame in frames) == 28


async def test_two_clients_get_the_same_trades(venue: Venue) -> None:
    async with venue.client() as one, venue.client() as other:
        assert await subscribed(one) == await subscribed(other)
        venue.run(3)
        assert await one.drain_raw() == await other.drain_raw()
        assert venue.sim.connections == 2


async def test_rest_and_its_header(venue: Venue) -> None:
    async with rest_of(venue) as http:
        products = await http.get("/products")
        assert products.headers["fulltape-simulated"] == "1"
        assert [row["id"] for row in products.json()] == ["BTC-USD", "ETH-USD", "UNI-USD"]
        page = await http.get("/products/BTC-USD/trades", params={"limit": 2})
        assert page.headers["cb-before"] == str(page.json()[0]["trade_id"])
        missing = await http.get("/products/NO%20PE%FF-USD/trades?limit=%%%")
        assert (missing.status_code, missing.json()) == (404, {"message": "NotFound"})
        assert missing.headers["fulltape-simulated"] == "1"
        assert (await http.delete("/products")).status_code == 405


async def test_dropped_trades_are_holes_that_rest_fills(start_venue: VenueFactory) -> None:
    async with start_venue(faults=Faults(drop=0.1)) as venue, venue.client() as client:
        last = await subscribed(client)
        venue.run(10)
        seen = ids(await client.drain())
        newest = venue.sim.market.last_id(0)
        assert holes([last, *seen, newest + 1]) == newest - last - len(seen) > 10
        async with rest_of(venue) as http:
            page = await http.get("/products/BTC-USD/trades", params={"after": newest + 1})
    assert {trade["trade_id"] for trade in page.json()} >= set(range(last + 1, newest + 1))


async def test_a_hang_is_silent_then_leaves_a_hole(venue: Venue) -> None:
    async with venue.client() as client:
        last = await subscribed(client)
        venue.sim.set_faults(Faults(hang=True))
        await client.say({"type": "subscribe", "channels": ["heartbeat"], "product_ids": ["BTC-USD"]})
        ping = asyncio.ensure_future(await client.socket.ping())
        venue.run(3)
        async with venue.client() as other:  # who connects meanwhile is served
            assert await subscribed(other) > last
            # what else is changed meanwhile does not make the new one hang too
            venue.sim.set_faults(Faults(hang=True, duplicate=1.0))
            venue.run(1)
            assert len(await other.drain()) > 10
        assert not ping.done()
        lost = venue.sim.market.last_id(0)
        venue.sim.set_faults(NO_FAULTS)
        venue.run(3)
        frames = await client.drain()
        assert ids(frames)[0] == lost + 1 > last + 1
        assert holes(ids(frames)) == 0
        await asyncio.wait_for(await client.socket.ping(), PATIENCE_S)


async def test_duplicates_reorder_and_garbage_arrive(start_venue: VenueFactory) -> None:
    faults = Faults(duplicate=0.2, reorder=0.2, garbage=0.2)
    async with start_venue(faults=faults) as venue, venue.client() as client:
        last = await subscribed(client)
        venue.run(10)
        frames = await client.drain_raw()
        venue.sim.set_faults(NO_FAULTS)
        venue.run(1)
        frames += await client.drain_raw()
    real = [frame for frame in frames if frame.startswith(b'{"type":"match"') and frame.endswith(b'Z"}')]
    assert len(real) < len(frames)
    assert len(set(real)) < len(real)
    assert b"not json" in frames
    assert last > 0


async def test_delay_holds_frames_back(start_venue: VenueFactory) -> None:
    async with start_venue(faults=Faults(delay_ms=1_000.0)) as venue, venue.client() as client:
        await subscribed(client)
        venue.run(0.9)
        assert await client.drain() == []
        venue.run(1)
        assert len(await client.drain()) > 5


async def test_disconnects_come_and_a_new_connection_goes_on(start_venue: VenueFactory) -> None:
    async with start_venue(faults=Faults(disconnect_every_s=2.0)) as venue:
        async with venue.client() as client:
            last = await subscribed(client)
            venue.run(9)
            venue.run(9)
            with pytest.raises(websockets.ConnectionClosedError):
                while True:
                    await client.next()
        async with venue.client() as client:
            assert await subscribed(client) == venue.sim.market.last_id(0) > last


async def test_refused_connections(start_venue: VenueFactory) -> None:
    async with start_venue(faults=Faults(refuse=True)) as venue:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with venue.client():
                pass
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Fulltape-Simulated"] == "1"


async def test_faults_can_be_asked_for_with_the_token(venue: Venue) -> None:
    headers = {"Authorization": f"Bearer {venue.sim.token}"}
    async with (
        venue.client() as client,
        rest_of(venue, headers) as http,
    ):
        await subscribed(client)
        changed = await http.post("/sim/faults", json={"drop": 1.0})
        assert changed.json()["drop"] == 1.0
        both = await http.post("/sim/faults", json={"hang": True})
        assert (both.json()["drop"], both.json()["hang"]) == (1.0, True)
        await http.post("/sim/faults", json={"hang": False, "drop": 0})
        assert venue.sim.faults == NO_FAULTS
        venue.run(1)
        assert len(await client.drain()) > 5
        await http.post("/sim/faults", json={"disconnect": True})
        with pytest.raises(websockets.ConnectionClosedError):
            await client.next()
        assert venue.sim.faults == NO_FAULTS


async def test_bad_faults_change_nothing(venue: Venue) -> None:
    headers = {"Authorization": f"Bearer {venue.sim.token}"}
    bodies = (b"", b"\xff", b"[]", b'{"drop":"x"}', b'{"drop":2}', b'{"dorp":0.1}', b'{"drop":true}', b"x" * 70_000)
    async with rest_of(venue, headers) as http:
        refusals = [await http.post("/sim/faults", content=body) for body in bodies]
    assert [refused.status_code for refused in refusals] == [400] * 7 + [413]
    assert all(refused.json()["message"] for refused in refusals)
    assert venue.sim.faults == NO_FAULTS


async def test_faults_need_the_token(venue: Venue) -> None:
    async with rest_of(venue) as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": venue.sim.token}):
            assert (await http.post("/sim/faults", json={"hang": True}, headers=headers)).status_code == 401
        good = {"Authorization": f"Bearer {venue.sim.token}"}
        assert (await http.get("/sim/faults", headers=good)).status_code == 405
    assert venue.sim.faults == NO_FAULTS


def test_the_token_comes_from_configuration_or_environment_or_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    one, other = SimServer(SimConfig(**QUICK)), SimServer(SimConfig(**QUICK))
    assert len(one.token) > 16
    assert one.token != other.token
    monkeypatch.setenv(TOKEN_VARIABLE, "from-environment")
    assert SimServer(SimConfig(**QUICK)).token == "from-environment"
    assert SimServer(SimConfig(token="given", **QUICK)).token == "given"


async def test_who_never_subscribes_is_closed_after_five_seconds(venue: Venue) -> None:
    async with venue.client() as silent, venue.client() as talker:
        await talker.ask("subscribe", "matches")
        await silent.say({"type": "subscribe", "channels": []})  # refused, so it does not count
        await silent.next()
        venue.run(4.9)
        assert venue.sim.connections == 2
        venue.run(0.2)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await silent.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        venue.run(1)
        assert len(await talker.drain()) > 5


async def test_a_huge_message_ends_the_connection_and_nothing_else(venue: Venue) -> None:
    async with venue.client() as rude, venue.client() as other:
        await rude.say("x" * 1_000_000)
        with pytest.raises(websockets.ConnectionClosed):
            await rude.next()
        assert await subscribed(other) > 0


@pytest.mark.parametrize("message", [b"\x00\xff", iter(["in ", "two"])])
async def test_binary_and_fragmented_messages_are_refused(venue: Venue, message: Any) -> None:
    async with venue.client() as client:
        await client.socket.send(message)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


async def test_pings_are_answered_and_a_close_is_returned(venue: Venue) -> None:
    async with venue.client() as client:
        await asyncio.wait_for(await client.socket.ping(), PATIENCE_S)
        await client.socket.pong(b"unasked")
        await client.socket.close(1001)
        assert client.socket.close_code == 1001
    assert venue.sim.connections == 0


async def test_a_client_that_does_not_read_is_cut_off(start_venue: VenueFactory) -> None:
    settings = {"trades_per_s": 2_000.0, "history_s": 1.0, "write_limit": 65_536}
    async with start_venue(**settings) as venue:
        reader, writer = await asyncio.open_connection(*_address(venue.sim.ws_url), limit=1_024)
        request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{request}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        message = b'{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channels":["matches","ticker"]}'
        writer.write(bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)  # masked with zeros
        await reader.readexactly(1)
        for _ in range(300):  # as much as any system may keep for it
            if not venue.sim.connections:
                break
            venue.jump(5)
            await asyncio.sleep(0)
        assert venue.sim.connections == 0
        writer.close()


async def test_a_client_that_vanishes_in_the_middle_is_forgotten_quietly(
    venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    async with venue.client() as vanishing, venue.client() as other:
        await subscribed(vanishing)
        await subscribed(other)
        vanishing.socket.transport.abort()
        await asyncio.sleep(0)  # the abort itself; the server has not heard of it
        venue.jump(5)
        assert len(await other.drain()) > 50
        venue.run(1)
        assert venue.sim.connections == 1
    assert caplog.records == []


async def test_a_long_pause_is_a_hole_and_trading_goes_on(venue: Venue) -> None:
    async with venue.client() as client:
        last = await subscribed(client)
        venue.jump(3_600)
        venue.run(2)
        seen = ids(await client.drain())
    assert seen[0] - last > 10_000
    assert holes(seen) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"venues": ("coinbas",)}, "did you mean 'coinbase'"),
        ({"port": 70_000}, "port must be between 0 and 65,534"),
        ({"trades_per_s": float("nan")}, "trades_per_s"),
        ({"trades_per_s": 1e9}, "trades_per_s"),
        ({"symbols": ("BTC-EUR",)}, "does not list 'BTC-EUR'"),
    ],
)
def test_bad_configuration_is_refused(settings: Frame, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SimServer(SimConfig(**settings))


@pytest.mark.parametrize("taken", [0, 1])
async def test_a_taken_port_is_named(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] - taken
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            async with SimServer(SimConfig(port=port, **QUICK)):
                pass


async def test_serve_announces_itself_and_stops() -> None:
    stop = asyncio.Event()
    announced: list[str] = []

    def announce(server: SimServer) -> None:
        announced.extend([server.ws_url, server.rest_url])
        stop.set()

    await asyncio.wait_for(serve(SimConfig(**QUICK), stop, announce), PATIENCE_S)
    assert [url.partition(":")[0] for url in announced] == ["ws", "http"]
    with pytest.raises(OSError, match=r".+"):
        await asyncio.open_connection(*_address(announced[0]))


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("/")[2].partition(":")
    return host, int(port)
