"""The WebSocket, against a running server."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest
from tests.api.scene import (
    BTC,
    ETH,
    START_NS,
    FakeBackend,
    Server,
    candle,
    feed,
    last,
    minute,
    quote,
    receive,
    serve,
    stretch,
    subscribe,
    trade,
)
from tests.conformance.samples import activity_bar, depth, quote_stat, window
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from fulltape.bus.memory import MemoryBus
from fulltape.clock import SECOND_NS
from fulltape.errors import TransientError
from fulltape.records import CoverageState
from fulltape.records.status import FeedState

pytestmark = pytest.mark.integration


def ids(message: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["trade_id"] for row in message.get("trades", [])]


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Read to the end; return the close code and reason."""
    async with asyncio.timeout(120):
        with pytest.raises(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


async def test_snapshot_then_commits(backend: FakeBackend, server: Server) -> None:
    await backend.commit(
        trade(1), trade(2), trade(1, ETH), candle(minute(0)), candle(minute(0), interval="5m"), last(2)
    )
    async with server.stream() as socket:
        await subscribe(socket, "trades", "candles", "last", "quotes", intervals=["1m"])
        snapshot = await receive(socket)
        assert snapshot["type"] == "snapshot"
        assert (snapshot["commit"], snapshot["clock"]) == (1, "2027-01-15T08:00:01.000000000Z")
        assert snapshot["simulated"] is False
        assert [i["id"] for i in snapshot["instruments"]] == [BTC]
        assert ids(snapshot) == ["1", "2"]
        assert [(c["instrument"], c["interval"]) for c in snapshot["candles"]] == [(BTC, "1m")]
        assert [row["trade_id"] for row in snapshot["last"]] == ["2"]
        assert "quotes" not in snapshot
        assert "coverage" not in snapshot
        assert (await receive(socket))["type"] == "status"
        await backend.commit(trade(9, ETH))
        await backend.commit(trade(3), quote(3), candle(minute(1)), candle(minute(0), interval="5m"))
        commit = await receive(socket, "commit")
        assert (commit["commit"], ids(commit)) == (3, ["3"])
        assert commit["quotes"][0]["ask_size"] is None
        assert [c["interval"] for c in commit["candles"]] == ["1m"]
        assert "last" not in commit


async def test_snapshot_holds_the_newest_of_each_oldest_first(backend: FakeBackend) -> None:
    rows = [trade(n, i) for i in (BTC, ETH) for n in range(1, 8)]
    await backend.commit(*rows, *(candle(minute(n)) for n in range(5)))
    async with serve(backend, snapshot_trades=3, snapshot_candles=2) as server, server.stream() as socket:
        await subscribe(socket, "trades", "candles", intervals=["1m", "5m"], instruments=["*"])
        snapshot = await receive(socket)
        assert [(t["instrument"], t["trade_id"]) for t in snapshot["trades"]] == [
            (i, n) for i in (BTC, ETH) for n in ("5", "6", "7")
        ]
        assert [c["start"][14:16] for c in snapshot["candles"]] == ["03", "04"]


async def test_statistics_are_channels(backend: FakeBackend, server: Server) -> None:
    kinds = ("windows", "activity_bars", "quote_stats", "depths")

    def rows(number: int) -> list[msgspec.Struct]:
        made = (window(minute(number)), activity_bar(number), quote_stat(minute(number)), depth(minute(number)))
        return [msgspec.structs.replace(row, instrument=BTC) for row in made]

    await backend.commit(*rows(1), *rows(2))
    async with server.stream() as socket:
        await subscribe(socket, *kinds)
        snapshot = await receive(socket, "snapshot")
        assert {kind: len(snapshot[kind]) for kind in kinds} == dict.fromkeys(kinds, 2)
        assert snapshot["depths"][0]["event_time"] < snapshot["depths"][1]["event_time"]
        await backend.commit(*rows(3))
        commit = await receive(socket, "commit")
        assert [row["number"] for row in commit["activity_bars"]] == [3]
        assert {kind: len(commit[kind]) for kind in kinds} == dict.fromkeys(kinds, 1)


async def test_snapshot_tells_what_is_not_settled(backend: FakeBackend, server: Server) -> None:
    hour = 3_600 * SECOND_NS
    clock = START_NS + 48 * hour
    await backend.commit(
        stretch(START_NS, None),
        stretch(START_NS - hour, START_NS, state=CoverageState.DOWN),
        stretch(clock - 25 * hour, clock - 24 * hour, state=CoverageState.GAP, first_missing="4"),
        stretch(clock - 25 * hour, clock - 23 * hour, state=CoverageState.GAP, first_missing="5"),
        stretch(START_NS, None, ETH),
        clock=clock,
    )
    async with server.stream() as socket:
        await subscribe(socket, "coverage")
        snapshot = await receive(socket)
        assert [(c["state"], c["first_missing"]) for c in snapshot["coverage"]] == [("COMPLETE", ""), ("GAP", "5")]


async def test_an_empty_database_gives_an_empty_snapshot(server: Server) -> None:
    async with server.stream() as socket:
        await subscribe(socket, "trades", "candles", "last", "coverage", intervals=["1m"], instruments=["*"])
        snapshot = await receive(socket)
        assert (snapshot["commit"], snapshot["trades"], snapshot["candles"]) == (0, [], [])
        assert [i["id"] for i in snapshot["instruments"]] == [BTC, ETH]


async def test_all_instruments_includes_those_that_come_later(backend: FakeBackend, server: Server) -> None:
    await backend.commit(trade(1))
    async with server.stream() as socket:
        await subscribe(socket, "trades", instruments=["*"])
        await receive(socket, "snapshot")
        backend.add("SOL-USD.COINBASE")
        await backend.commit(trade(1, "SOL-USD.COINBASE"), trade(2, ETH))
        commit = await receive(socket, "commit")
        assert {t["instrument"] for t in commit["trades"]} == {"SOL-USD.COINBASE", ETH}
        assert [i["id"] for i in commit["instruments"]] == ["SOL-USD.COINBASE"]


async def test_a_later_subscription_replaces_the_earlier(backend: FakeBackend, server: Server) -> None:
    await backend.commit(trade(1), trade(1, ETH))
    async with server.stream() as socket:
        await subscribe(socket, "trades")
        assert ids(await receive(socket, "snapshot")) == ["1"]
        await subscribe(socket, "last", instruments=[ETH])
        assert "trades" not in await receive(socket, "snapshot")
        await backend.commit(trade(2))
        await backend.commit(last(3, ETH))
        assert (await receive(socket, "commit"))["last"][0]["instrument"] == ETH


async def test_status_comes_again_and_is_of_the_moment(backend: FakeBackend) -> None:
    async with serve(backend, status_every_s=0.02) as server, server.stream() as socket:
        await subscribe(socket, "trades")
        await receive(socket, "snapshot")
        assert (await receive(socket, "status"))["status"]["feeds"][0]["state"] == "live"
        backend.feeds = (feed(state=FeedState.STALE),)
        async with asyncio.timeout(120):
            while (await receive(socket, "status"))["status"]["feeds"][0]["state"] != "stale":
                pass


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`"),
        ('{"op": "unsubscribe"}', "unsubscribe"),
        ('{"instruments": ["*"], "kinds": ["last"]}', "op"),
        ('{"op": "subscribe", "instruments": ["*"], "kinds": ["last"], "interval": "1m"}', "unknown field `interval`"),
        (
            '{"op": "subscribe", "instruments": ["*"], "kinds": ["trade"]}',
            "'trade' - at `$.kinds[0]`; there are trades, candles",
        ),
        ('{"op": "subscribe", "instruments": [], "kinds": ["last"]}', "length >= 1"),
        ('{"op": "subscribe", "instruments": ["*"], "kinds": ["last"], "since": -1}', ">= 0"),
        ('{"op": "subscribe", "instruments": ["BTC-USD.COINBAS"], "kinds": ["last"]}', BTC),
        ('{"op": "subscribe", "instruments": ["*"], "kinds": ["candles"]}', "candles need intervals"),
        (
            '{"op": "subscribe", "instruments": ["*"], "kinds": ["candles"], "intervals": ["1x"]}',
            "unknown interval '1x'",
        ),
        (b"\x00\x01", "text frames"),
    ],
)
async def test_what_a_client_says_wrongly_is_told_and_changes_nothing(
    text: str | bytes, says: str, backend: FakeBackend, server: Server
) -> None:
    async with server.stream() as socket:
        await subscribe(socket, "trades")
        await receive(socket, "snapshot")
        await socket.send(text)
        assert says in (await receive(socket, "error"))["detail"]
        await backend.commit(trade(1))
        assert ids(await receive(socket, "commit")) == ["1"]


async def test_a_store_that_cannot_answer_is_told(backend: FakeBackend, server: Server) -> None:
    backend.break_reader = TransientError("locked by another process")
    async with server.stream() as socket:
        await subscribe(socket, "trades")
        assert "locked by another process" in (await receive(socket, "error"))["detail"]
        backend.break_reader = None
        await subscribe(socket, "trades")
        assert (await receive(socket))["type"] == "snapshot"


async def test_a_huge_message_closes_the_connection(server: Server) -> None:
    async with server.stream() as socket:
        await socket.send(" " * 70_000)
        assert (await closed(socket))[0] == 1009


@pytest.mark.parametrize("keep_commits", [1_000, 2], ids=["memory", "store"])
async def test_resume_brings_exactly_what_was_missed(keep_commits: int, backend: FakeBackend) -> None:
    backend.bus = MemoryBus(keep_commits=keep_commits)
    async with serve(backend) as server:
        for number in range(1, 7):
            await backend.commit(trade(number), candle(minute(0), close=1.0 + number / 10), trade(number, ETH))
        async with server.stream() as socket:
            await subscribe(socket, "trades", "candles", intervals=["1m"], since=2)
            messages = []
            while (message := await receive(socket))["type"] == "commit":
                messages.append(message)
            assert message["type"] == "status"
            assert [n for m in messages for n in ids(m)] == ["3", "4", "5", "6"]
            assert messages[-1]["commit"] == 6
            assert messages[-1]["candles"][-1]["close"] == 1.6
            await backend.commit(trade(7))
            assert (await receive(socket, "commit"))["commit"] == 7


async def test_resume_without_anything_missed(backend: FakeBackend, server: Server) -> None:
    await backend.commit(trade(1))
    async with server.stream() as socket:
        await subscribe(socket, "trades", since=1)
        assert (await receive(socket))["type"] == "status"
        await backend.commit(trade(2))
        assert ids(await receive(socket)) == ["2"]


@pytest.mark.parametrize("keep_commits", [1_000, 1], ids=["memory", "store"])
@pytest.mark.parametrize("since", [0, 99])
async def test_a_resume_that_cannot_be_served_starts_anew(keep_commits: int, since: int, backend: FakeBackend) -> None:
    """Too many records after 0; and 99 is of another database."""
    backend.bus = MemoryBus(keep_commits=keep_commits)
    async with serve(backend, resume_records=3) as server:
        for number in range(1, 6):
            await backend.commit(trade(number))
        async with server.stream() as socket:
            await subscribe(socket, "trades", since=since)
            reset = await receive(socket)
            assert (reset["type"], str(since) in reset["detail"]) == ("reset", True)
            snapshot = await receive(socket)
            assert (snapshot["type"], ids(snapshot)) == ("snapshot", ["1", "2", "3", "4", "5"])


async def test_what_others_missed_does_not_count(backend: FakeBackend) -> None:
    async with serve(backend, resume_records=3) as server:
        for number in range(1, 6):
            await backend.commit(*(trade(number, instrument) for instrument in (BTC, ETH)))
        async with server.stream() as socket:
            await subscribe(socket, "trades", since=2)
            message = await receive(socket)
            assert (message["type"], ids(message)) == ("commit", ["3", "4", "5"])


@pytest.mark.parametrize("seed", range(4))
async def test_random_disconnects_leave_no_hole_and_no_double(seed: int, backend: FakeBackend) -> None:
    """Whatever a client saw, and wherever it was cut off: all of its messages together are all commits."""
    chance = random.Random(seed)
    backend.bus = MemoryBus(keep_commits=chance.choice([3, 1_000]))
    total = 60

    async def produce() -> None:
        for number in range(1, total + 1):
            await backend.commit(trade(number), trade(number, ETH), candle(minute(0), close=1.0 + number / 100))
            await asyncio.sleep(chance.choice([0, 0, 0.002]))

    async with serve(backend) as server:
        producer = asyncio.create_task(produce())
        seen: list[str] = []
        handled, close = None, None
        async with asyncio.timeout(120):
            while len(seen) < total:
                async with server.stream() as socket:
                    more: dict[str, Any] = {} if handled is None else {"since": handled}
                    await subscribe(socket, "trades", "candles", intervals=["1m"], **more)
                    for _ in range(chance.randint(1, 12)):
                        message = await receive(socket)
                        if message["type"] != "status":
                            assert handled is None or message["commit"] > handled
                            handled = message["commit"]
                            seen += ids(message)
                            close = message["candles"][-1]["close"] if message.get("candles") else close
                        if len(seen) >= total:
                            break
        await producer
    assert seen == [str(number) for number in range(1, total + 1)]
    assert close == 1.6


async def test_commits_during_the_snapshot_come_once(backend: FakeBackend, server: Server) -> None:
    """Clients that join at every moment of a running market see every trade once."""

    async def follow(delay: float) -> list[str]:
        await asyncio.sleep(delay)
        async with server.stream() as socket:
            await subscribe(socket, "trades")
            seen = ids(await receive(socket, "snapshot"))
            while "50" not in seen:
                seen += ids(await receive(socket, "commit"))
            return seen

    async with asyncio.TaskGroup() as tasks:
        followers = [tasks.create_task(follow(n * 0.003)) for n in range(20)]
        for number in range(1, 51):
            await backend.commit(trade(number))
    assert all(task.result() == [str(n) for n in range(1, 51)] for task in followers)


async def test_a_slow_client_is_closed_and_told_while_others_go_on(backend: FakeBackend) -> None:
    rows = [trade(n) for n in range(3_000)]
    async with (
        serve(backend, client_backlog=3, close_grace_s=600.0) as server,
        server.stream(max_queue=1, room=4_096) as slow,
        server.stream() as fast,
    ):
        for socket in (slow, fast):
            await subscribe(socket, "trades", instruments=["*"])
            await receive(socket, "snapshot")
        for _ in range(30):
            sent = backend.build(*rows)
            await backend.bus.publish(sent)
            assert (await receive(fast, "commit"))["commit"] == sent.number
        code, reason = await closed(slow)
        assert (code, "since" in reason) == (4008, True)
        assert "fulltape_stream_dropped_clients_total 1.0" in (await server.get("/metrics")).text


async def test_a_client_that_reads_nothing_is_given_up(backend: FakeBackend) -> None:
    rows = [trade(n) for n in range(3_000)]
    async with (
        serve(backend, client_backlog=3, close_grace_s=0.05) as server,
        server.stream(max_queue=1, close_timeout=0.1, ping_interval=None) as stuck,
    ):
        await subscribe(stuck, "trades")
        await receive(stuck, "snapshot")
        async with asyncio.timeout(120):
            while "fulltape_stream_clients 1.0" in (await server.get("/metrics")).text:
                await backend.bus.publish(backend.build(*rows))


async def test_when_the_hub_itself_falls_behind_every_client_resumes(backend: FakeBackend, server: Server) -> None:
    async with server.stream() as socket:
        await subscribe(socket, "trades", instruments=["*"])
        await receive(socket, "snapshot")
        for _ in range(1_100):  # nothing here lets the event loop run
            await backend.bus.publish(backend.build())
        assert (await closed(socket))[0] == 4008
    async with server.stream() as socket:
        await subscribe(socket, "last")
        await receive(socket, "snapshot")
        await backend.bus.publish(backend.build(last(1)))
        assert (await receive(socket, "commit"))["commit"] == 1_101


async def test_too_many_clients_are_turned_away(backend: FakeBackend) -> None:
    async with serve(backend, max_clients=1) as server, server.stream() as first:
        await subscribe(first, "last")
        await receive(first)
        async with server.stream() as second:
            assert (await closed(second))[0] == 1013
        assert "fulltape_stream_refused_clients_total 1.0" in (await server.get("/metrics")).text


async def test_two_hundred_clients_get_the_same(backend: FakeBackend, server: Server) -> None:
    await backend.commit(trade(1), candle(minute(0)), last(1))
    joined = asyncio.Barrier(201)

    async def follow() -> bytes:
        async with server.stream() as socket:
            await subscribe(socket, "trades", "candles", "last", intervals=["1m"], instruments=["*"])
            await receive(socket, "snapshot")
            await joined.wait()
            return msgspec.json.encode([await receive(socket, "commit") for _ in range(5)])

    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        clients = [tasks.create_task(follow()) for _ in range(200)]
        await joined.wait()
        for number in range(2, 7):
            await backend.commit(trade(number), candle(minute(number)), last(number))
    assert len({task.result() for task in clients}) == 1


async def test_the_server_stops_at_once_with_clients_connected(backend: FakeBackend) -> None:
    async with serve(backend) as server:
        socket = await server.stream()
        await subscribe(socket, "last")
        await receive(socket)
    assert (await closed(socket))[0] in (1006, 1012)


async def test_a_mistake_in_one_commit_closes_clients_not_the_server(backend: FakeBackend, server: Server) -> None:
    async with server.stream() as socket:
        await subscribe(socket, "trades")
        await receive(socket, "snapshot")
        bad = backend.build(trade(1))
        bad.batches["trades"].columns["instrument"][:] = 99  # a code that nobody knows
        await backend.bus.publish(bad)
        assert (await closed(socket))[0] == 4500
    assert (await server.get("/health")).status_code == 200


async def test_a_hub_that_broke_is_told_by_health(backend: FakeBackend, server: Server) -> None:
    backend.break_instruments = True
    await backend.bus.publish(backend.build())
    async with asyncio.timeout(120):
        while (answer := await server.get("/health")).status_code == 200:
            pass
    assert answer.json()["bad"][0]["feed"] == "stream"


async def test_when_the_bus_ends_clients_stay_connected(backend: FakeBackend, server: Server) -> None:
    await backend.bus.close()
    async with server.stream() as socket:
        await subscribe(socket, "last")
        assert (await receive(socket))["type"] == "snapshot"
    assert (await server.get("/health")).status_code == 200
