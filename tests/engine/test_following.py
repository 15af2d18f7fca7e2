"""Following against the simulated venue: what is added, removed and listed anew leaves everything else alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import msgspec
import pytest

from fulltape.bus.base import Overflow
from fulltape.bus.memory import MemoryBus
from fulltape.clock import SystemClock
from fulltape.engine.feed import Feed
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.runner import RunnerConfig
from fulltape.engine.supervisor import Parts, Supervisor
from fulltape.errors import ConfigError, TransientError, UnknownInstrument
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import COVERAGE, TRADES, Coverage, CoverageState, Instrument, InstrumentTable
from fulltape.records.status import FeedState
from fulltape.sim.server import SimConfig, SimServer
from fulltape.stores.base import Selection
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.base import Channel, RestRequest, Subscription
from fulltape.venues.coinbase import Coinbase
from fulltape.venues.session import SessionConfig

pytestmark = pytest.mark.integration

BTC, ETH, SOL = (f"{base}-USD.COINBASE" for base in ("BTC", "ETH", "SOL"))
CHANNELS = (Channel.TRADES, Channel.BOOK)


class SmallConnections(Coinbase):
    """A venue whose connections take two instruments each."""

    spec = msgspec.structs.replace(Coinbase.spec, max_symbols=2)


class World:
    """A simulated venue, its list of instruments in the test's hand, and a database."""

    def __init__(self, sim: SimServer, store: DuckDbStore) -> None:
        self.sim = sim
        self.store = store
        self.venue = Coinbase()
        self.delisted: set[str] = set()
        self.unlisted: set[str] = set()
        self.has_network = True
        self.running_now: Supervisor | None = None

    @property
    def seen(self) -> tuple[Instrument, ...]:
        assert self.running_now is not None
        return self.running_now.instruments()

    async def fetch(self, request: RestRequest) -> bytes:
        if not self.has_network:
            raise TransientError("no network")
        async with httpx.AsyncClient(base_url=self.sim.rest_url, timeout=120, trust_env=False) as client:
            rows = (await client.get(request.path)).json()
        rows = [row for row in rows if row["id"] not in self.unlisted]
        for row in rows:
            row["status"] = "delisted" if row["id"] in self.delisted else row["status"]
        return msgspec.json.encode(rows)

    def feed(self, *wishes: str, name: str = "COINBASE-1") -> Feed:
        session = SessionConfig(name=name, url=self.sim.ws_url, subscription=Subscription(CHANNELS, wishes))
        return Feed(self.venue, session, self.fetch)

    @asynccontextmanager
    async def running(self, *wishes: str) -> AsyncIterator[Supervisor]:
        parts = Parts(
            store=self.store,
            bus=MemoryBus(),
            pipeline=Pipeline(self.store.restore().instruments, lambda name: self.venue, CandleConfig(("1m",))),
            clock=SystemClock(),
            random=Random(1),
            feeds=[self.feed(*wishes)],
            runner=RunnerConfig(flush_s=0.01),
            relist_s=0.01,
        )
        self.running_now = supervisor = Supervisor(parts)
        task = asyncio.create_task(supervisor.run())
        try:
            async with asyncio.timeout(120):
                yield supervisor
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def coverage(self, instrument: str) -> list[Coverage]:
        """Return the ledger of an instrument's trades, oldest stretch first."""
        table, reader = InstrumentTable(self.seen), self.store.reader()
        rows = reader.read(Selection(COVERAGE, (table.code_of(instrument),))).rows(table)
        reader.close()
        return [row for row in rows if row.channel == "trades"]

    def trade_ids(self, instrument: str) -> list[int]:
        table, reader = InstrumentTable(self.seen), self.store.reader()
        ids: list[int] = reader.read(Selection(TRADES, (table.code_of(instrument),)))["trade_id"].tolist()
        reader.close()
        return ids


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    symbols = ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD")
    config = SimConfig(trades_per_s=200.0, history_s=0, past_days=0, symbols=symbols)
    async with SimServer(config) as sim:
        with DuckDbStore.open(tmp_path / "x.duckdb", simulated=True) as store:
            yield World(sim, store)


async def until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds; it is looked at after every commit."""
    commits = supervisor.bus.subscribe(capacity=10_000, overflow=Overflow.BLOCK)
    if not condition():
        async for _ in commits:
            if condition():
                break
    commits.close()


def is_live(supervisor: Supervisor, *ids: str) -> bool:
    feeds = supervisor.feeds()
    followed = {one for feed in feeds if feed.state is FeedState.LIVE for one in feed.instruments}
    return followed == set(ids) and all(feed.state is FeedState.LIVE for feed in feeds)


async def until_live(supervisor: Supervisor, *ids: str) -> None:
    await until(supervisor, lambda: is_live(supervisor, *ids))


async def test_adding_and_removing_leaves_the_others_alone_and_survives_a_restart(world: World) -> None:
    async with world.running("BTC-USD", "ETH-USD") as one:
        await until_live(one, BTC, ETH)
        await until(one, lambda: one.following.status()[0].listed == 4)
        (added,) = await one.following.add([SOL])
        await until_live(one, BTC, ETH, SOL)
        (removed,) = await one.following.remove([ETH])
        await until_live(one, BTC, SOL)
        await until(one, lambda: len(world.trade_ids(SOL)) > 3)
        await until(one, lambda: world.coverage(ETH)[-1].state is CoverageState.NOT_FOLLOWED)
        (feed,) = one.feeds()
        assert (added.id, removed.id, feed.reconnects) == (SOL, ETH, 0)
        assert one.status().engine.gaps_open == 0
    ids = world.trade_ids(BTC)
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert [row.state for row in world.coverage(BTC)][:1] == [CoverageState.COMPLETE]
    assert [row.state for row in world.coverage(ETH)] == [CoverageState.COMPLETE, CoverageState.NOT_FOLLOWED]
    assert world.coverage(ETH)[-1].evidence == "not followed"
    async with world.running("BTC-USD", "ETH-USD") as one:
        await until_live(one, BTC, SOL)
        assert one.following.status()[0].removed == (ETH,)
        await one.following.add([ETH])
        await until_live(one, BTC, SOL, ETH)
    assert [row.state for row in world.coverage(ETH)][1:3] == [CoverageState.NOT_FOLLOWED, CoverageState.COMPLETE]


@pytest.mark.slow
async def test_a_pattern_follows_what_is_listed_and_waits_for_the_list(world: World) -> None:
    world.has_network = False
    world.unlisted = {"SOL-USD"}
    world.delisted = {"XRP-USD"}
    async with world.running("[BES]*-USD", "XRP-USD") as one:
        await until_live(one, "XRP-USD.COINBASE")
        (status,) = one.following.status()
        assert (status.waiting, status.listed) == (("[BES]*-USD",), None)
        with pytest.raises(TransientError, match="COINBASE"):
            await one.following.add(["SOL-*.COINBASE"])
        with pytest.raises(TransientError):
            one.following.offered("coinbase")
        world.has_network = True
        await until_live(one, BTC, ETH)
        (status,) = one.following.status()
        assert (status.waiting, status.delisted, status.listed) == ((), ("XRP-USD.COINBASE",), 3)
        assert len(one.following.offered("coinbase")) == 3
        assert [row.status for row in one.instruments() if row.id == "XRP-USD.COINBASE"] == ["delisted"]
        listed = [replace_status(row, "online") for row in one.following.offered("coinbase")]
        new = msgspec.structs.replace(listed[0], id=SOL, venue_symbol="SOL-USD", base="SOL")
        await one.following.told("COINBASE", [new], whole=False)
        await until_live(one, BTC, ETH, SOL)
        await one.following.told("COINBASE", [replace_status(new, "delisted")], whole=False)
        await until_live(one, BTC, ETH)
        assert one.feeds()[0].stale_instruments == ()
    world.has_network = False
    async with world.running("[BES]*-USD") as one:
        await until_live(one, BTC, ETH)
    assert CoverageState.NOT_FOLLOWED not in [row.state for row in world.coverage(BTC)]


def replace_status(row: Instrument, status: str) -> Instrument:
    return msgspec.structs.replace(row, status=status)


async def test_symbols_are_spread_over_connections_that_stay_as_they_are(world: World) -> None:
    world.venue = SmallConnections()
    async with world.running("BTC-USD", "ETH-USD", "SOL-USD") as one:
        await until_live(one, BTC, ETH, SOL)
        await until(one, lambda: one.following.status()[0].listed == 4)
        assert [(feed.name, feed.instruments) for feed in one.feeds()] == [
            ("COINBASE-1", (BTC, ETH)),
            ("COINBASE-2", (SOL,)),
        ]
        await one.following.remove([SOL])
        await until_live(one, BTC, ETH)
        await until(one, lambda: world.coverage(SOL)[-1].state is CoverageState.NOT_FOLLOWED)
        await one.following.add(["XRP-USD.COINBASE"])
        await until_live(one, BTC, ETH, "XRP-USD.COINBASE")
        assert [(feed.name, feed.reconnects) for feed in one.feeds()] == [("COINBASE-1", 0), ("COINBASE-2", 0)]


async def test_names_that_are_none_are_refused_with_the_nearest(world: World) -> None:
    async with world.running("BTC-USD", "NO-USD") as one:
        await until_live(one, BTC)
        await until(one, lambda: one.following.status()[0].listed == 4)
        assert one.following.status()[0].unknown == ("NO-USD (did you mean 'SOL-USD'?)",)
        for ids, words in [
            (["SOLL-USD.COINBASE"], "did you mean 'SOL-USD.COINBASE'"),
            (["*-XYZ.COINBASE"], "nothing that matches"),
            (["BTC-USD.COINBAS"], "did you mean 'COINBASE'"),
        ]:
            with pytest.raises(UnknownInstrument, match=words):
                await one.following.add(ids)
        for ids in (["SOL"], ["BTC-*.*"]):
            with pytest.raises(ConfigError, match="names no venue"):
                await one.following.add(ids)
        with pytest.raises(UnknownInstrument, match=f"did you mean '{BTC}'"):
            await one.following.remove(["BTC-USDT.COINBASE"])
        with pytest.raises(UnknownInstrument, match="not followed"):
            await one.following.remove(["SOL-*.COINBASE"])
        assert one.following.followed() == {BTC}


async def test_another_configuration_is_taken_over_while_running(world: World) -> None:
    async with world.running("BTC-USD", "ETH-USD") as one:
        await until_live(one, BTC, ETH)
        await one.renew([world.feed("BTC-USD", "SOL-USD")])
        await until_live(one, BTC, SOL)
        assert [feed.reconnects for feed in one.feeds()] == [0]
        await one.renew([world.feed("SOL-USD", name="COINBASE-7")])
        await until_live(one, SOL)
        assert [feed.name for feed in one.feeds()] == ["COINBASE-7"]
    assert world.coverage(ETH)[-1].state is CoverageState.NOT_FOLLOWED
    assert replace(world.feed()).wishes == ()
