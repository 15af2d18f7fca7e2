"""The supervisor: real sockets in, a real store out, stopped in order and with its reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from tests.engine.machine import COINBASE, MINUTES, NOON, confirmed, match
from tests.engine.test_runner import FullDisk
from tests.venues.server import venue_server
from websockets.asyncio.server import ServerConnection

from fulltape.bus.base import Overflow
from fulltape.bus.memory import MemoryBus
from fulltape.capture.recorder import Recorder
from fulltape.capture.segments import SegmentLimits
from fulltape.clock import ManualClock
from fulltape.engine.config import ExportsConfig
from fulltape.engine.feed import Feed
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.runner import RunnerConfig
from fulltape.engine.supervisor import Parts, Supervisor
from fulltape.errors import ConfigError, FatalError, TransientError
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import COVERAGE, QUOTES, TRADES, Commit
from fulltape.records.status import FeedState
from fulltape.stores.base import Retention, Selection, Store
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.base import SIMULATED_HEADER, Channel, RestRequest, Subscription
from fulltape.venues.registry import venue
from fulltape.venues.session import Session, SessionConfig

pytestmark = pytest.mark.integration

PRODUCT = {
    "id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD",
    "base_increment": "0.00000001", "quote_increment": "0.01", "status": "online",
}  # fmt: skip
SENT = (confirmed(), match(1), match(2), match(2))


async def talk(connection: ServerConnection) -> None:
    """Confirm, send trades, and stay."""
    await connection.recv()
    for frame in SENT:
        await connection.send(frame)
    await connection.wait_closed()


def parts(store: Store, url: str, candles: CandleConfig = MINUTES) -> Parts:
    session = SessionConfig(name="COINBASE-1", url=url, subscription=Subscription((Channel.TRADES,), ("BTC-USD",)))
    return Parts(
        store=store,
        bus=MemoryBus(),
        pipeline=Pipeline(store.restore().instruments, lambda name: COINBASE, candles),
        clock=ManualClock(NOON),
        random=Random(1),
        feeds=[Feed(COINBASE, session)],
        runner=RunnerConfig(flush_s=0.01),
    )


@asynccontextmanager
async def running(what: Parts) -> AsyncIterator[tuple[Supervisor, asyncio.Task[None]]]:
    """Run a supervisor; leaving cancels it, unless it has stopped by itself."""
    supervisor = Supervisor(what)
    task = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(120):
            yield supervisor, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_traded(supervisor: Supervisor, count: int = 2) -> list[Commit]:
    """Return commits until they hold so many trades."""
    commits, trades = [], 0
    subscription = supervisor.bus.subscribe(capacity=100, overflow=Overflow.BLOCK)
    async for commit in subscription:
        commits.append(commit)
        trades += len(commit.batches.get("trades", ()))
        if trades >= count:
            break
    subscription.close()
    return commits


def stored(store: Store, kind: str) -> int:
    reader = store.reader()
    try:
        return reader.table_sizes()[kind]
    finally:
        reader.close()


async def test_frames_from_a_socket_are_committed_and_everything_stops_in_order(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "raw", SegmentLimits())
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        async with venue_server(talk) as url, running(replace(parts(store, url), recorder=recorder)) as (one, task):
            await until_traded(one)
            status = one.status()
            (feed,) = one.feeds()
            assert (feed.state, feed.name, status.simulated) == (FeedState.LIVE, "COINBASE-1", False)
            assert status.recording is not None
            assert (status.recording.dropped, status.recording.detail) == (0, "")
            assert [row.id for row in one.instruments()] == ["BTC-USD.COINBASE"]
            reader = one.reader()
            assert reader.table_sizes()["trades"] == 2
            reader.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        reader = store.reader()
        rows = reader.read(Selection(COVERAGE)).rows(store.restore().instruments)
        assert len(reader.read(Selection(TRADES))) == 2
        reader.close()
        assert rows[0].channel == "trades"
    assert list((tmp_path / "raw").iterdir())


async def test_simulated_prices_do_not_get_into_a_live_database(tmp_path: Path) -> None:
    def header(connection: ServerConnection, request: object, response: object) -> None:
        response.headers[SIMULATED_HEADER] = "1"  # type: ignore[attr-defined]

    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        async with venue_server(talk, process_response=header) as url, running(parts(store, url)) as (one, task):
            with pytest.raises(FatalError, match=r"COINBASE-1 sends simulated prices.*--db"):
                await task
            assert "simulated" in one.status().engine.error
        assert stored(store, "trades") == 0


async def test_live_prices_do_not_get_into_a_simulated_database(tmp_path: Path) -> None:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=True) as store:
        async with venue_server(talk) as url, running(parts(store, url)) as (_, task):
            with pytest.raises(FatalError, match="COINBASE-1 sends live prices"):
                await task
        assert stored(store, "trades") == 0


async def test_a_full_disk_stops_everything_with_its_reason(tmp_path: Path) -> None:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        full = FullDisk(store, 1)
        async with venue_server(talk) as url, running(parts(full, url)) as (one, task):  # type: ignore[arg-type]
            with pytest.raises(FatalError, match="make room"):
                await task
            assert one.status().engine.error == "the disk is full: make room and start again"
        assert full.asked == [1]


async def test_a_database_of_other_candles_is_refused_at_the_start(tmp_path: Path) -> None:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        async with venue_server(talk) as url:
            async with running(parts(store, url)) as (one, _):
                await until_traded(one)
            async with running(parts(store, url, CandleConfig(("1m", "1h")))) as (_, task):
                with pytest.raises(ConfigError, match="other candles"):
                    await task


async def test_what_a_venue_says_of_its_instruments_is_learnt(tmp_path: Path) -> None:
    async def fetch(request: RestRequest) -> bytes:
        assert request.path == "/products"
        return msgspec.json.encode([PRODUCT])

    async def fail(request: RestRequest) -> bytes:
        raise TransientError("the venue does not answer")

    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        for ask, step in ((fail, 0.0), (fetch, 0.01)):
            async with venue_server(talk) as url:
                made = parts(store, url)
                feeds = [replace(made.feeds[0], fetch=ask)]
                async with running(replace(made, feeds=feeds)) as (one, _):
                    subscription = one.bus.subscribe(capacity=100, overflow=Overflow.BLOCK)
                    async for commit in subscription:
                        if 0 in commit.instruments and commit.instruments[0].price_step == step:
                            break
                    subscription.close()
            assert store.restore().instruments[0].price_step == step


async def test_files_are_kept_up_to_date_if_that_is_wanted(tmp_path: Path) -> None:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        wanted = replace(parts(store, "ws://127.0.0.1:9"), exports=ExportsConfig(str(tmp_path / "data")))
        async with running(wanted):
            while not (tmp_path / "data" / "5_min_crypto_data.csv").exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.005)


async def test_retention_runs_and_a_part_that_fails_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        async with venue_server(talk) as url:
            made = replace(parts(store, url), retention=Retention({"no such table": 1.0}))
            async with running(made) as (one, _):
                await until_traded(one)
    assert "a part of fulltape failed" in caplog.text


def depth(first: int, last: int, bid: float) -> str:
    """Return a Binance book message: ids ``first`` to ``last``, one bid."""
    data = {"e": "depthUpdate", "E": NOON // 1_000_000, "s": "BTCUSDT", "U": first, "u": last, "b": [[str(bid), "1"]]}
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": {**data, "a": []}})


async def test_a_book_that_misses_a_message_starts_over_by_rest(tmp_path: Path) -> None:
    binance = venue("binance")
    asked: list[str] = []
    gone_on = asyncio.Event()

    async def stream(connection: ServerConnection) -> None:
        for frame in (depth(5, 6, 100.0), depth(7, 8, 101.0)):
            await connection.send(frame)
        await gone_on.wait()
        await connection.send(depth(11, 12, 102.0))
        await connection.wait_closed()

    async def fetch(request: RestRequest) -> bytes:
        if request.path != binance.book_request("BTCUSDT").path:
            raise TransientError("not asked for here")
        asked.append(request.query["symbol"])
        if len(asked) == 1:
            raise TransientError("busy")
        last = 6 if len(asked) == 2 else 10
        return json.dumps({"lastUpdateId": last, "bids": [["90", "1"]], "asks": [["110", "2"]]}).encode()

    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        async with venue_server(stream) as url:
            session = SessionConfig(
                name="BINANCE-1", url=url, subscription=Subscription((Channel.BOOK,), ("BTCUSDT",)), silence_s=60
            )
            made = replace(
                parts(store, url),
                pipeline=Pipeline(store.restore().instruments, venue, MINUTES),
                feeds=[Feed(binance, session, fetch)],
                retry_s=0.01,
            )
            tops: list[float] = []
            async with running(made) as (one, _):
                async for commit in one.bus.subscribe(capacity=1_000, overflow=Overflow.BLOCK):
                    if QUOTES.name in commit.batches:
                        tops += np.nan_to_num(commit.batches[QUOTES.name]["bid"]).tolist()
                    if tops[-1:] == [101.0]:
                        gone_on.set()
                    if tops[-1:] == [102.0]:
                        break
    assert asked == ["BTCUSDT"] * 3
    assert tops == [101.0, 0.0, 102.0]


async def test_a_link_that_ends_at_once_begins_again_and_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Semaphore(0)

    async def end(link: Session) -> None:
        begun.release()

    monkeypatch.setattr(Session, "run", end)
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        made = replace(parts(store, "ws://127.0.0.1:9"), retry_s=0.001)
        async with running(made):
            for _ in range(3):
                await begun.acquire()
