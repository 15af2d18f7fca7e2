"""The stream of the client: it goes on over breaks without a hole and without a double."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import get_args

import msgspec
import pyarrow as pa
import pytest
from tests.api.scene import BTC, FakeBackend, Server, candle, minute, serve, trade
from tests.ports import silent_port

from fulltape.api.subscription import Kind
from fulltape.bus.memory import MemoryBus
from fulltape.client import Client, ClientError, Unreachable, Update
from fulltape.client.following import Follower

pytestmark = pytest.mark.integration


def ids(update: Update) -> list[str]:
    return [row["trade_id"] for row in update.records.get("trades", ())]


def client(server: Server) -> Client:
    return Client(f"http://127.0.0.1:{server.port}")


async def following(updates: AsyncIterator[Update]) -> Update:
    async with asyncio.timeout(120):
        return await anext(updates)


async def test_a_restart_makes_neither_a_hole_nor_a_double(backend: FakeBackend) -> None:
    await backend.commit(trade(1))
    async with serve(backend) as server:
        port, tape = server.port, client(server)
        updates = tape.stream_async([BTC], ["trades"])
        first = await following(updates)
        assert (first.is_snapshot, ids(first)) == (True, ["1"])
        await backend.commit(trade(2))
        assert ids(await following(updates)) == ["2"]
    await backend.commit(trade(3))
    backend.bus = MemoryBus()  # as after a restart: nothing in memory, everything in the store
    await backend.commit(trade(4))
    async with serve(backend, port=port):
        missed = await following(updates)
        assert (missed.is_snapshot, ids(missed)) == (False, ["3", "4"])
        await backend.commit(trade(5))
        assert ids(await following(updates)) == ["5"]
        await updates.aclose()  # type: ignore[attr-defined]
    tape.close()


async def test_the_blocking_stream_goes_on_where_told(backend: FakeBackend, server: Server) -> None:
    await backend.commit(trade(1))
    await backend.commit(trade(2))
    await backend.commit(candle(minute(0)))

    def read() -> list[Update]:
        with client(server) as tape:
            stream = tape.stream([BTC], ["trades", "candles"], intervals=["1m"], since=1)
            found = [next(stream), next(stream)]
            stream.close()  # type: ignore[attr-defined]
            return found

    trades, candles = await asyncio.to_thread(read)
    assert (trades.commit, ids(trades), trades.is_snapshot) == (2, ["2"], False)
    assert candles.table("candles")["start"].type == pa.timestamp("ns", "UTC")
    assert candles.table("candles")["close"].to_pylist() == [2.0]
    assert candles.table("trades").num_rows == 0


async def test_what_the_server_complains_of_is_raised(server: Server) -> None:
    with pytest.raises(ClientError, match="unknown instrument"):
        await following(client(server).stream_async(["BTC-USD.NOWHERE"]))
    with pytest.raises(ClientError, match="token is not known"):
        await following(Client(f"http://127.0.0.1:{server.port}", token="ft_x").stream_async([BTC]))


async def test_nobody_there_is_told() -> None:
    with silent_port() as port, pytest.raises(Unreachable, match="no fulltape streams"):
        await following(Client(f"http://127.0.0.1:{port}").stream_async([BTC]))
    with pytest.raises(ClientError, match="not an address"):
        await following(Client("http://").stream_async([BTC]))


def message(kind: str, **fields: object) -> str:
    return msgspec.json.encode({"type": kind, "clock": "", **fields}).decode()


def test_a_commit_seen_before_is_nothing_new() -> None:
    follower = Follower([BTC], ["trades"], [])
    assert follower.take(message("status", status={})) is None
    assert follower.take(message("snapshot", commit=4, simulated=True)) is not None
    assert follower.take(message("commit", commit=4)) is None
    update = follower.take(message("commit", commit=9, trades=[{"trade_id": "1"}], merged={"quotes": 2}))
    assert update is not None
    assert (update.simulated, update.merged) == (True, {"quotes": 2})
    assert msgspec.json.decode(follower.subscription())["since"] == 9


def test_a_reset_marks_the_snapshot_after_it() -> None:
    follower = Follower([BTC], ["trades"], [], since=7)
    assert follower.take(message("reset", detail="gone")) is None
    first = follower.take(message("snapshot", commit=2))
    second = follower.take(message("commit", commit=3))
    assert first is not None
    assert second is not None
    assert (first.is_reset, second.is_reset) == (True, False)


def test_pauses_grow_until_something_comes() -> None:
    follower = Follower([BTC], ["trades"], [])
    pauses = [follower.pause_s() for _ in range(12)]
    assert pauses[0] < pauses[1] < pauses[2]
    assert pauses[-1] == pauses[-2] == 5.0
    follower.take(message("status"))
    assert follower.pause_s() == pauses[0]


async def test_indicators_come_as_a_table(backend: FakeBackend, server: Server) -> None:
    await backend.commit(*(candle(minute(number), close=2.0 + number) for number in range(5)))
    tape = client(server)
    updates = tape.stream_async([BTC], ["indicators"], indicators=["SMA(period=2)@1m"])
    table = (await following(updates)).table("indicators")
    assert (table["start"].type, table["sma"].to_pylist()) == (pa.timestamp("ns", "UTC"), [None, 2.5, 3.5, 4.5, 5.5])
    await updates.aclose()  # type: ignore[attr-defined]
    tape.close()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_rows_of_every_kind_of_the_stream_are_kept(kind: str) -> None:
    follower = Follower([BTC], [kind])
    message = {"type": "commit", "commit": 1, "clock": "", kind: [{"instrument": BTC}]}
    update = follower.take(msgspec.json.encode(message))
    assert update is not None
    assert update.records == {kind: [{"instrument": BTC}]}
