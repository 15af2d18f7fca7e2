"""fulltape follows each simulated venue over real sockets and stores exactly what the market did, without a hole."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e.showing import CASES, Case

from fulltape.bus.base import Overflow
from fulltape.cli import wiring
from fulltape.engine.config import Config, StoreConfig, VenueConfig
from fulltape.engine.supervisor import Supervisor
from fulltape.records.status import FeedState
from fulltape.sim.server import SimConfig, SimServer
from fulltape.venues.registry import venue

pytestmark = pytest.mark.slow

ENOUGH = {"trades": 150, "quotes": 60}


@contextlib.asynccontextmanager
async def followed(
    name: str, case: Case, path: Path, enough: Mapping[str, int]
) -> AsyncIterator[tuple[SimServer, Supervisor]]:
    """Follow a simulated venue until there is enough, and yield while both still run."""
    settings = SimConfig(venues=(name,), symbols=("BTC-USD", "ETH-USD", "DOGE-USD"), trades_per_s=200.0, history_s=5.0)
    async with SimServer(settings) as sim:
        followed = VenueConfig(tuple(case.symbols), case.channels, url=sim.ws_url, rest_url=sim.rest_url)
        config = Config(store=StoreConfig(str(path), simulated=True), venues={name: followed})
        with wiring.open_store(path, simulated=True) as store:
            supervisor = wiring.supervisor(config, store, None)
            commits = supervisor.bus.subscribe(capacity=1_000, overflow=Overflow.BLOCK)
            running = asyncio.create_task(supervisor.run())
            counted: Counter[str] = Counter()
            async with asyncio.timeout(240):
                async for commit in commits:
                    counted.update({kind: len(batch) for kind, batch in commit.batches.items()})
                    if any(feed.state is not FeedState.LIVE for feed in supervisor.feeds()):
                        counted.clear()  # what counts is what comes when everything is confirmed
                    elif all(counted[kind] >= count for kind, count in enough.items()):
                        break
            commits.close()
            if running.done():
                await running  # raises what ended it
            yield sim, supervisor
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("name", CASES)
async def test_what_is_stored_is_what_the_market_did(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    case, path = CASES[name], tmp_path / "x.duckdb"
    async with followed(name, case, path, ENOUGH) as (sim, supervisor):
        status = supervisor.status()
    assert {feed.state for feed in status.feeds} == {FeedState.LIVE}
    assert status.engine.rejected == {}
    assert status.engine.missing_trades == 0
    # a book that comes over REST is asked for when the first change has come
    warnings = [record.getMessage() for record in caplog.records]
    assert [words for words in warnings if not words.endswith("no snapshot yet")] == []
    with duckdb.connect(str(path), read_only=True) as stored:
        check_stored(stored, sim, case, name)


async def test_coins_are_polled_with_their_rates(tmp_path: Path) -> None:
    case, path = Case({"BTC-USD": 0, "DOGE-USD": 2}, 1), tmp_path / "x.duckdb"
    async with followed("livecoinwatch", case, path, {"coins": 2}) as (sim, supervisor):
        status = supervisor.status()
        quotes = [sim.market.quote(product) for product in case.symbols.values()]
    assert status.engine.rejected == {}
    with duckdb.connect(str(path), read_only=True) as stored:
        told = stored.execute("SELECT name, rank, rate, change_day IS NULL FROM coins ORDER BY instrument").fetchall()
    assert [row[0] for row in told[:2]] == ["Bitcoin", "Dogecoin"]
    assert [row[1] for row in told[:2]] == [1, 3]
    for row, quote, decimals in zip(told, quotes, (2, 5), strict=False):
        assert row[2] == pytest.approx((quote.bid + quote.ask) / 2 / 10**decimals, rel=0.01)


def check_stored(stored: duckdb.DuckDBPyConnection, sim: SimServer, case: Case, name: str) -> None:
    assert stored.execute("SELECT count(*) FROM dead_letters").fetchall() == [(0,)]
    assert stored.execute("SELECT DISTINCT state FROM coverage WHERE state = 'GAP'").fetchall() == []
    for symbol, product in case.symbols.items():
        instrument = venue(name).instrument(symbol).id
        told = stored.execute(
            "SELECT trade_id, price, size, aggressor_side, epoch_ns(event_time) FROM trades WHERE instrument = ? "
            "ORDER BY event_time, trade_id",
            [instrument],
        ).fetchall()
        assert len(told) > 1
        assert sorted(told) == sorted(expected(sim, case, symbol, product, told))
        quotes = stored.execute(
            "SELECT count(*), count(*) FILTER (bid >= ask), count(*) FILTER (bid IS NULL) FROM quotes "
            "WHERE instrument = ?",
            [instrument],
        ).fetchall()
        assert quotes[0][0] > 1
        assert quotes[0][1] == 0
        assert quotes[0][2] <= 1  # the book that ended with its connection


def expected(sim: SimServer, case: Case, symbol: str, product: int, told: list[Any]) -> list[Any]:
    """Return the rows from the first stored trade to the last, made from the market's own history."""
    listing = sim.market.listings[product]
    rows = []
    for trade in sim.market.trades(product, 1 << 62, 100_000):
        price = float(listing.price_text(trade.price))
        size = case.size_of(symbol, price, float(listing.size_text(trade.size)))
        side = "BUY" if trade.maker_sells else "SELL"
        time = trade.time // case.time_step * case.time_step
        rows.append((case.id_of(sim, symbol, trade), price, size, side, time))
    places = [place for place, row in enumerate(rows) if row[0] in {row[0] for row in told}]
    return rows[min(places) : max(places) + 1]
