"""What the stream loses comes from the venue's history: over real sockets, with everything that decides running."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e.test_crash import DIFFERENT, LENGTHS_S, RECOMPUTED

from fulltape.bus.base import Overflow
from fulltape.cli import wiring
from fulltape.clock import SECOND_NS, SystemClock
from fulltape.engine.config import Config, HistoryConfig, StoreConfig, VenueConfig
from fulltape.engine.supervisor import Supervisor
from fulltape.records.status import FeedState
from fulltape.sim.faults import NO_FAULTS, Faults
from fulltape.sim.server import SimConfig, SimServer

pytestmark = pytest.mark.slow

SYMBOLS = ("BTC-USD", "ETH-USD")
LOSING = Faults(drop=0.03)


@contextlib.asynccontextmanager
async def following(
    path: Path, sim: SimServer, *, warm_bars: int = 0, refill_hours: float = 24.0
) -> AsyncIterator[Supervisor]:
    """Follow a simulated venue; at the end everything is committed."""
    followed = VenueConfig(SYMBOLS, url=sim.ws_url, rest_url=sim.rest_url)
    config = Config(
        store=StoreConfig(str(path), simulated=True),
        history=HistoryConfig(warm_bars, refill_hours),
        venues={"coinbase": followed},
    )
    with wiring.open_store(path, simulated=True) as store:
        supervisor = wiring.supervisor(config, store, None)
        running = asyncio.create_task(supervisor.run())
        try:
            yield supervisor
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def until(supervisor: Supervisor, is_so: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for a commit after which it is so."""
    commits = supervisor.bus.subscribe(capacity=1_000, overflow=Overflow.BLOCK)
    with contextlib.closing(commits):
        async with asyncio.timeout(240):
            async for _ in commits:
                found = is_so()
                if found if isinstance(found, bool) else await found:
                    break


async def becomes(is_so: Callable[[], bool]) -> None:
    """Wait for what comes without a commit."""
    async with asyncio.timeout(240):
        while not is_so():  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.02)


def is_live(supervisor: Supervisor) -> bool:
    return all(feed.state is FeedState.LIVE for feed in supervisor.feeds())


def answers(path: Path, query: str) -> list[Any]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.sql(query).fetchall()


def check_trades(path: Path, sim: SimServer) -> None:
    """The stored trades are the market's own, from the first to the last, each once; so are the candles."""
    for product, symbol in enumerate(SYMBOLS):
        query = f"SELECT trade_id::BIGINT FROM trades WHERE instrument = '{symbol}.COINBASE' ORDER BY 1"
        stored = [trade_id for (trade_id,) in answers(path, query)]
        assert len(stored) > 50
        market = {trade.trade_id for trade in sim.market.trades(product, 1 << 62, 1_000_000)}
        assert stored == list(range(stored[0], stored[-1] + 1))
        assert set(stored) <= market
    for interval, seconds in LENGTHS_S.items():
        query = DIFFERENT.format(interval=interval, recomputed=RECOMPUTED.format(seconds=seconds))
        assert answers(path, query) == [], interval


async def test_dropped_trades_and_a_lost_connection_are_refilled(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    market = SimConfig(symbols=SYMBOLS, trades_per_s=60, faults=LOSING)
    async with SimServer(market) as sim:
        async with following(path, sim) as supervisor:
            await until(supervisor, lambda: supervisor.status().engine.missing_trades > 0)
            sim.set_faults(Faults(refuse=True))  # until trades of each are missed
            sim.venues["coinbase"].disconnect()
            await becomes(lambda: not is_live(supervisor))
            last = [sim.market.last_id(product) for product in range(len(SYMBOLS))]
            await becomes(lambda: all(sim.market.last_id(product) > known for product, known in enumerate(last)))
            sim.set_faults(NO_FAULTS)
            await until(supervisor, lambda: is_live(supervisor))
            await until(supervisor, lambda: supervisor.status().engine.records["trades"] > 400)
            await until(supervisor, supervisor.past.is_whole)
        check_trades(path, sim)
    states = dict(answers(path, "SELECT state, count(*) FROM coverage WHERE channel = 'trades' GROUP BY ALL"))
    assert "GAP" not in states
    assert states["REFILLED"] >= 2
    told = answers(path, "SELECT evidence FROM coverage WHERE state = 'REFILLED' AND channel = 'trades'")
    assert any("refilled from the venue's history" in evidence for (evidence,) in told)
    assert any(evidence.endswith("came late") for (evidence,) in told)
    assert answers(path, "SELECT count(*) FROM trades WHERE origin = 'REFILL'")[0][0] > 0


async def test_without_refilling_a_hole_stays_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    market = SimConfig(symbols=SYMBOLS, trades_per_s=60, faults=LOSING)
    async with SimServer(market) as sim, following(path, sim, refill_hours=0) as supervisor:
        await until(supervisor, lambda: supervisor.status().engine.missing_trades > 0)
    assert answers(path, "SELECT count(*) FROM coverage WHERE state = 'GAP'")[0][0] > 0
    assert answers(path, "SELECT count(*) FROM trades WHERE origin = 'REFILL'") == [(0,)]


@pytest.fixture
def afternoon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every clock begin at half past two: a day that has just begun has no bars yet, an hour that ends no whole."""
    shift = (14 * 3_600 + 1_830 - time.time_ns() // SECOND_NS % 86_400) * SECOND_NS
    monkeypatch.setattr(SystemClock, "now_ns", lambda _: time.time_ns() + shift)


@pytest.mark.usefixtures("afternoon")
async def test_charts_are_full_from_the_start_and_join_the_trades_without_a_seam(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    async with SimServer(SimConfig(symbols=SYMBOLS, trades_per_s=60, past_days=2)) as sim:
        async with following(path, sim, warm_bars=300) as supervisor:
            await until(supervisor, lambda: supervisor.status().engine.records.get("bars", 0) > 2 * 700)
            await until(supervisor, lambda: supervisor.status().engine.records.get("trades", 0) > 100)
        bars = sim.market.bars(0, 0, 1 << 40)
    double = "SELECT instrument, interval, start FROM candles GROUP BY ALL HAVING count(*) > 1"
    assert answers(path, double) == []
    own = "FROM candles WHERE instrument = 'BTC-USD.COINBASE'"
    minutes = answers(path, f"SELECT count(*) {own} AND interval = '1m' AND source = 'VENUE_BAR'")
    assert 298 <= minutes[0][0] <= 301
    ((start, opened, high, low, volume, source),) = answers(
        path, f"SELECT epoch(start)::BIGINT, open, high, low, volume, source {own} AND interval = '1d' AND NOT is_final"
    )
    day = [bar for bar in bars if start <= bar.start]
    assert source == "VENUE_BAR"
    assert opened == pytest.approx(day[-1].open / 100)
    settled = day[10:]  # bars come 20 s after their end
    assert high >= max(bar.high for bar in settled) / 100
    assert low <= min(bar.low for bar in settled) / 100
    whole = sum(bar.volume for bar in settled) / 1e8
    assert whole <= volume <= sum(bar.volume for bar in day) / 1e8
