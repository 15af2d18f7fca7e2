"""From a polled venue on a real socket to coins, candles and last prices in a real store, and back from a recording."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.venues.server import raw_server

from fulltape.bus.memory import MemoryBus
from fulltape.clock import SystemClock
from fulltape.engine.feed import Feed
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.runner import RunnerConfig
from fulltape.engine.supervisor import Parts, Supervisor
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import CANDLES, COINS, COVERAGE, LAST_VALUES, CandleSource, Schema
from fulltape.records.status import FeedState
from fulltape.stores.base import Selection, Store
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.base import SIMULATED_HEADER, Channel, Credentials, Subscription
from fulltape.venues.credits import CreditFile
from fulltape.venues.livecoinwatch import SPEC, LiveCoinWatch
from fulltape.venues.poller import Poller, Purse
from fulltape.venues.registry import venue
from fulltape.venues.rest import RestClient, RestConfig
from fulltape.venues.session import SessionConfig

pytestmark = pytest.mark.integration

MINUTES = CandleConfig(intervals=("1m",))
WANTED = Subscription((Channel.COINS,), ("BTC-USD", "ETH-USD"))
ANSWER = [{"code": "BTC", "name": "Bitcoin", "rate": 91234.5, "cap": 1.8e12}, {"code": "ETH", "rate": 3001.25}]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer questions with the right key as the venue does."""
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        length = re.search(r"content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        said: object = {"dailyCreditsRemaining": 5_000} if head.startswith("post /credits") else ANSWER
        if "x-api-key: the-key" not in head:
            said = {"error": {"code": 401, "status": "Unauthorized"}}
        body = json.dumps(said).encode()
        writer.write(f"HTTP/1.1 200 OK\r\n{SIMULATED_HEADER}: 1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


@asynccontextmanager
async def polling(store: Store, port: int, credits: CreditFile, key: str = "the-key") -> AsyncIterator[Supervisor]:
    url = f"http://127.0.0.1:{port}"
    clock, random, keys = SystemClock(), Random(1), Credentials(key)
    quick = RestConfig(timeout_s=120.0, attempts=1)
    purse = Purse(
        lambda: RestClient(SPEC, url, clock, random, quick, credentials=keys, credits=credits),
        credits,
    )
    session = SessionConfig(name="LIVECOINWATCH-1", url=url, subscription=WANTED, credentials=keys)
    feed = Feed(
        LiveCoinWatch(),
        session,
        poller=lambda config, sink: Poller(LiveCoinWatch(), config, purse, sink, clock, random),
    )
    supervisor = Supervisor(
        Parts(
            store=store,
            bus=MemoryBus(),
            pipeline=Pipeline(store.restore().instruments, venue, MINUTES),
            clock=clock,
            random=random,
            feeds=[feed],
            runner=RunnerConfig(flush_s=0.01),
        )
    )
    task = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(120):
            yield supervisor
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def becomes(supervisor: Supervisor, state: FeedState) -> None:
    while not (feeds := supervisor.feeds()) or feeds[0].state is not state:  # noqa: ASYNC110 - a state, not an event
        await asyncio.sleep(0.005)


def stored(store: Store, schema: Schema) -> Sequence[Any]:
    return store.reader().read(Selection(schema)).rows(store.restore().instruments)


async def test_polls_become_coins_candles_and_last_prices(tmp_path: Path) -> None:
    credits = CreditFile(tmp_path / "credits.json", 10_000, SystemClock())
    with DuckDbStore.open(tmp_path / "polls.duckdb", simulated=True) as store:
        async with raw_server(serve) as port, polling(store, port, credits) as supervisor:
            await becomes(supervisor, FeedState.LIVE)
            status = supervisor.feeds()[0]
        assert status.simulated
        assert status.credits_left is not None
        assert 4_990 < status.credits_left < 10_000
        bitcoin, ether = stored(store, COINS)
        assert (bitcoin.instrument, bitcoin.name, bitcoin.rate) == ("BTC-USD.LIVECOINWATCH", "Bitcoin", 91234.5)
        assert (ether.rate, ether.cap) == (3001.25, None)
        candles = stored(store, CANDLES)
        assert {(one.instrument, one.close, one.source) for one in candles} == {
            ("BTC-USD.LIVECOINWATCH", 91234.5, CandleSource.POLL),
            ("ETH-USD.LIVECOINWATCH", 3001.25, CandleSource.POLL),
        }
        assert [one.price for one in stored(store, LAST_VALUES)] == [91234.5, 3001.25]
        assert {one.channel for one in stored(store, COVERAGE)} == {"coins"}


async def test_a_wrong_key_says_which_variable_to_look_at(tmp_path: Path) -> None:
    credits = CreditFile(tmp_path / "credits.json", 10_000, SystemClock())
    with DuckDbStore.open(tmp_path / "polls.duckdb", simulated=True) as store:
        async with raw_server(serve) as port, polling(store, port, credits, key="another") as supervisor:
            await becomes(supervisor, FeedState.REFUSED)
            detail = supervisor.feeds()[0].detail
        assert detail == "LIVECOINWATCH: 401 Unauthorized; check FULLTAPE_LIVECOINWATCH_KEY in the environment"
        assert stored(store, COINS) == []
