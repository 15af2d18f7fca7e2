"""History fetched from each simulated venue over real sockets is what the simulator itself remembers."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from tests.e2e.showing import CASES, Case
from tests.e2e.test_crash import DIFFERENT, LENGTHS_S, RECOMPUTED

from fulltape.bus.base import Overflow
from fulltape.cli import wiring
from fulltape.cli.backfill import by_venue, fetch
from fulltape.clock import SECOND_NS
from fulltape.engine.config import Config, HistoryConfig, StoreConfig, VenueConfig
from fulltape.engine.history.backfill import Wish
from fulltape.errors import TransientError
from fulltape.sim.base import Reply, Request
from fulltape.sim.coinbase_rest import CoinbaseRest
from fulltape.sim.server import SimConfig, SimServer
from fulltape.venues.registry import venue

pytestmark = pytest.mark.slow

SYMBOLS = ("BTC-USD", "ETH-USD", "DOGE-USD")
WITH_TRADES = [name for name in CASES if not name.startswith("bybit")]  # which gives its newest 60 only
HISTORY_STEP_NS = {"bitstamp": SECOND_NS}  # of times in the history, where it is coarser than in the stream
OPEN_AT_CLOSE = ("bitmex",)  # a bar begins with the price at which the one before it ended
MINUTE_NS = 60 * SECOND_NS
Row = tuple[Any, ...]


def simulated(name: str, **settings: Any) -> SimServer:
    return SimServer(SimConfig(venues=(name,), symbols=SYMBOLS, **settings))


async def backfilled(name: str, sim: SimServer, path: Path, instruments: Sequence[str], wish: Wish) -> None:
    venues = {name: VenueConfig(url=sim.ws_url, rest_url=sim.rest_url, requests_per_s=1_000)}
    config = Config(store=StoreConfig(str(path), simulated=True), venues=venues)
    await fetch(config, by_venue(instruments), wish, asyncio.Event())


def answers(path: Path, query: str, *values: object) -> list[Row]:
    with duckdb.connect(str(path), read_only=True) as stored:
        return stored.execute(query, list(values)).fetchall()


def instruments_of(name: str, case: Case) -> Mapping[str, str]:
    return {symbol: venue(name).instrument(symbol).id for symbol in case.symbols}


@pytest.mark.parametrize("name", CASES)
async def test_bars_are_the_simulators_own(name: str, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / "x.duckdb"
    end = time.time_ns() // (10 * MINUTE_NS) * 10 * MINUTE_NS - 10 * MINUTE_NS
    wish = Wish(60, end - 660 * MINUTE_NS, end)
    async with simulated(name, trades_per_s=20.0, history_s=1.0) as sim:
        symbols = {symbol: id for symbol, id in instruments_of(name, case).items() if symbol != "XBTUSD"}
        await backfilled(name, sim, path, list(symbols.values()), wish)
        own = {symbol: own_bars(sim, case.symbols[symbol], wish, name in OPEN_AT_CLOSE) for symbol in symbols}
    query = (
        "SELECT epoch(start)::BIGINT, open, high, low, close, volume FROM bars "
        "WHERE instrument = ? AND volume > 0 ORDER BY start"
    )
    for symbol, instrument in symbols.items():
        told = answers(path, query, instrument)
        assert len(told) > 600
        np.testing.assert_allclose(told, own[symbol], rtol=1e-12)
    assert answers(path, "SELECT instrument, start FROM bars GROUP BY ALL HAVING count(*) > 1") == []


def own_bars(sim: SimServer, product: int, wish: Wish, opens_at_close: bool) -> list[Row]:
    """Return the market's bars, oldest first."""
    listing, rows = sim.market.listings[product], []
    bars = sim.market.bars(product, wish.start // SECOND_NS - 60, wish.end // SECOND_NS)[::-1]
    for before, bar in itertools.pairwise(bars):
        opened = before.close if opens_at_close else bar.open
        ticks = (opened, max(opened, bar.high), min(opened, bar.low), bar.close)
        prices = (float(listing.price_text(price)) for price in ticks)
        rows.append((bar.start, *prices, float(listing.size_text(bar.volume))))
    return rows


@pytest.mark.parametrize("name", WITH_TRADES)
async def test_trades_are_the_simulators_own(name: str, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / "x.duckdb"
    async with simulated(name, trades_per_s=60.0, history_s=120.0) as sim:
        end = time.time_ns() // SECOND_NS * SECOND_NS - 10 * SECOND_NS
        wish = Wish(0, end - 60 * SECOND_NS, end)
        symbols = instruments_of(name, case)
        await backfilled(name, sim, path, list(symbols.values()), wish)
    query = (
        "SELECT trade_id, price, size, aggressor_side, epoch_ns(event_time) FROM trades WHERE instrument = ? "
        "ORDER BY event_time, trade_id"
    )
    for symbol, instrument in symbols.items():
        told, own = answers(path, query, instrument), own_trades(sim, name, symbol, wish)
        assert len(own) > 20
        assert sorted(told) == sorted(own)
    assert answers(path, "SELECT DISTINCT origin FROM trades") == [("REFILL",)]


def own_trades(sim: SimServer, name: str, symbol: str, wish: Wish) -> list[Row]:
    """Return the market's trades as the venue's history tells them."""
    case, rows = CASES[name], []
    product, step_ns = case.symbols[symbol], HISTORY_STEP_NS.get(name, case.time_step)
    listing = sim.market.listings[product]
    for trade in sim.market.trades(product, 1 << 62, 100_000):
        price = float(listing.price_text(trade.price))
        size = case.size_of(symbol, price, float(listing.size_text(trade.size)))
        told = trade.time // step_ns * step_ns
        if wish.start <= told < wish.end:
            rows.append((case.id_of(sim, symbol, trade), price, size, "BUY" if trade.maker_sells else "SELL", told))
    return rows


async def test_coins_are_had_at_the_noon_of_each_day(tmp_path: Path) -> None:
    path, day_ns = tmp_path / "x.duckdb", 86_400 * SECOND_NS
    end = time.time_ns() // day_ns * day_ns
    async with simulated("livecoinwatch", past_days=3.5, trades_per_s=20.0, history_s=1.0) as sim:
        await backfilled("livecoinwatch", sim, path, ["DOGE-USD.LIVECOINWATCH"], Wish(86_400, end - 2 * day_ns, end))
        listing = sim.market.listings[2]
        noons = [end - 3 * day_ns // 2, end - day_ns // 2]
        closes = [sim.market.bars(2, noon // SECOND_NS - 60, noon // SECOND_NS)[0].close for noon in noons]
    told = answers(path, "SELECT epoch_ns(event_time), rate FROM coins ORDER BY event_time")
    assert told == [(noon, float(listing.price_text(close))) for noon, close in zip(noons, closes, strict=True)]


async def test_history_joins_what_was_live_without_a_double_or_a_hole(tmp_path: Path) -> None:
    """Live for a while; then the history of before, of that time and of after it; then live again."""
    path, instrument = tmp_path / "x.duckdb", "BTC-USD.COINBASE"
    async with simulated("coinbase", trades_per_s=100.0, history_s=60.0) as sim:
        start = time.time_ns() - 50 * SECOND_NS
        await live(path, sim)
        await backfilled("coinbase", sim, path, [instrument], Wish(0, start, time.time_ns()))
        await live(path, sim)
        ids = [trade.trade_id for trade in sim.market.trades(0, 1 << 62, 100_000) if trade.time >= start][::-1]
    stored = [int(row[0]) for row in answers(path, "SELECT trade_id FROM trades ORDER BY trade_id::BIGINT")]
    assert len(stored) > 1_000
    assert stored == ids[: len(stored)]
    origins = {row[0] for row in answers(path, "SELECT DISTINCT origin FROM trades")}
    assert {"LIVE", "REFILL"} <= origins
    for interval, seconds in LENGTHS_S.items():
        query = DIFFERENT.format(interval=interval, recomputed=RECOMPUTED.format(seconds=seconds))
        assert answers(path, query) == [], interval


async def live(path: Path, sim: SimServer) -> None:
    """Follow the venue for some trades, until nothing before them is missed that can be had."""
    venues = {"coinbase": VenueConfig(("BTC-USD",), url=sim.ws_url, rest_url=sim.rest_url)}
    history = HistoryConfig(warm_bars=0)
    config = Config(store=StoreConfig(str(path), simulated=True), history=history, venues=venues)
    with wiring.open_store(path, simulated=True) as store:
        supervisor = wiring.supervisor(config, store, None)
        commits = supervisor.bus.subscribe(capacity=1_000, overflow=Overflow.BLOCK)
        running = asyncio.create_task(supervisor.run())
        trades = 0
        async with asyncio.timeout(240):
            async for commit in commits:
                trades += len(commit.batches.get("trades", ()))
                if trades > 100 and await supervisor.past.is_whole():
                    break
        commits.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


REFUSALS = {
    "429 with Retry-After": Reply(429, b"{}", (("Retry-After", "1"),)),
    "429 without": Reply(429, b"{}"),
    "503": Reply(503, b"<html>"),
    "a web page": Reply(200, b"<html>"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refusal_in_the_middle_is_waited_out(
    refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = refusing(monkeypatch, REFUSALS[refusal], range(3, 4))
    async with simulated("coinbase", trades_per_s=20.0, history_s=1.0) as sim:
        wish = wish_of_pages(3)
        await backfilled("coinbase", sim, tmp_path / "x.duckdb", ["BTC-USD.COINBASE"], wish)
    assert len(asked) == 1 + 3 + 1  # the products, the pages, one of them again
    assert answers(tmp_path / "x.duckdb", "SELECT count(*) FROM bars") == [(900,)]


async def test_a_venue_that_goes_on_refusing_costs_only_what_it_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, wish = tmp_path / "x.duckdb", wish_of_pages(4)
    asked = refusing(monkeypatch, Reply(429, b"{}", (("Retry-After", "0"),)), range(4, 9))
    async with simulated("coinbase", trades_per_s=20.0, history_s=1.0) as sim:
        with pytest.raises(TransientError, match=r"COINBASE: .*429.*the same command goes on"):
            await backfilled("coinbase", sim, path, ["BTC-USD.COINBASE"], wish)
        assert answers(path, "SELECT count(*) FROM bars") == [(600,)]
        asked.clear()
        await backfilled("coinbase", sim, path, ["BTC-USD.COINBASE"], wish)
        assert len(asked) == 1 + 2
    assert answers(path, "SELECT count(*), count(DISTINCT start) FROM bars") == [(1_200, 1_200)]


def wish_of_pages(pages: int) -> Wish:
    """Return a wish for bars that Coinbase gives in so many pages of 300."""
    end = time.time_ns() // MINUTE_NS * MINUTE_NS - 2 * MINUTE_NS
    return Wish(60, end - pages * 300 * MINUTE_NS, end)


def refusing(monkeypatch: pytest.MonkeyPatch, refusal: Reply, which: range) -> list[str]:
    """Have the simulated Coinbase refuse the requests of these numbers, counted from 1; return the list of all."""
    asked: list[str] = []
    answer, number = CoinbaseRest.answer, itertools.count(1)

    def answered(self: CoinbaseRest, request: Request) -> Reply:
        asked.append(request.path)
        return refusal if next(number) in which else answer(self, request)

    monkeypatch.setattr(CoinbaseRest, "answer", answered)
    return asked
