"""All simulated venues in one fulltape are cut off, fall silent and send garbage in turn; each recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Set
from pathlib import Path

import duckdb
import pytest
from tests.e2e.showing import CASES, Case

from fulltape.cli import wiring
from fulltape.cli.warmup import warm_up
from fulltape.clock import SECOND_NS, Clock, SystemClock
from fulltape.engine.config import Config, HistoryConfig, StoreConfig, VenueConfig
from fulltape.engine.supervisor import Supervisor
from fulltape.records.status import FeedState
from fulltape.sim.faults import NO_FAULTS, Faults
from fulltape.sim.server import SimConfig, SimServer
from fulltape.sim.venue_server import VenueServer
from fulltape.venues.registry import venue

pytestmark = pytest.mark.slow

NAMES = tuple(CASES)
PATIENCE_S = 240.0
QUIET_S = 3.0
STRETCH_NS = 5 * SECOND_NS
"""So much of the market is looked at after the last fault."""
Trade = tuple[str, str]
"""Instrument and id."""
RED = {FeedState.STALE, FeedState.DOWN}


class Scene:
    """A fulltape that follows all venues, and what it is seen to say of them."""

    def __init__(self, sim: SimServer, supervisor: Supervisor) -> None:
        self.sim = sim
        self._supervisor = supervisor
        self.seen: dict[str, set[FeedState]] = {name: set() for name in NAMES}

    def look(self) -> dict[str, FeedState]:
        """Return each venue's light now, and remember it."""
        lights = {feed.venue.lower(): feed.state for feed in self._supervisor.feeds()}
        for name, light in lights.items():
            self.seen[name].add(light)
        return lights

    def are_live(self) -> bool:
        return {*self.look().values()} == {FeedState.LIVE}

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so; the lights seen meanwhile are remembered."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    self.look()
                    if is_so():
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            told = [(one.name, one.state, one.detail) for one in self._supervisor.feeds()]
            pytest.fail(f"not {what} in {PATIENCE_S:g} s: {told}")

    async def recovers_from(self, begin: Callable[[VenueServer], None], what: str) -> None:
        """Let something befall every venue, and let nobody in until each light is red: then all turn green again."""
        self.seen = {name: set() for name in NAMES}
        for one in self.sim.venues.values():
            begin(one)
        await self.until(lambda: all(seen & RED for seen in self.seen.values()), f"aware that they {what}")
        self.sim.set_faults(NO_FAULTS)
        await self.until(self.are_live, f"live again after they {what}")

    async def past(self, time_ns: int) -> None:
        """Wait until what came before a time is committed."""
        await self.until(lambda: self._supervisor.status().engine.clock > time_ns, "committed")

    async def live_stretch(self, clock: Clock) -> tuple[int, int]:
        """Return the ends (ns) of a stretch in which every light was green: not all venues give back what is lost."""
        while True:
            await self.until(self.are_live, "live")
            self.seen = {name: set() for name in NAMES}
            began = clock.now_ns()
            await self.past(began + STRETCH_NS + SECOND_NS)
            if self.are_live() and not any(seen & RED for seen in self.seen.values()):
                return began, began + STRETCH_NS

    def rejected(self) -> int:
        return sum(self._supervisor.status().engine.rejected.values())


@contextlib.asynccontextmanager
async def following(path: Path) -> AsyncIterator[Scene]:
    symbols = ("BTC-USD", "ETH-USD", "DOGE-USD")
    settings = SimConfig(venues=NAMES, symbols=symbols, trades_per_s=60.0, history_s=5.0, past_days=0.01)
    async with SimServer(settings) as sim:
        venues = {name: followed(case, sim.venues[name]) for name, case in CASES.items()}
        store_config = StoreConfig(str(path), simulated=True)
        config = Config(store=store_config, venues=venues, history=HistoryConfig(warm_bars=0))
        warm_up(config)
        with wiring.open_store(path, simulated=True) as store:
            supervisor = wiring.supervisor(config, store, None)
            running = asyncio.create_task(supervisor.run())
            try:
                yield Scene(sim, supervisor)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


def followed(case: Case, server: VenueServer) -> VenueConfig:
    return VenueConfig(
        tuple(case.symbols), case.channels, url=server.ws_url, rest_url=server.rest_url, silence_s=QUIET_S
    )


def cut_off(one: VenueServer) -> None:
    one.set_faults(Faults(refuse=True))
    one.disconnect()


def fall_silent(one: VenueServer) -> None:
    one.set_faults(Faults(hang=True, refuse=True))


async def test_every_venue_recovers_by_itself_from_every_fault(tmp_path: Path) -> None:
    path, clock = tmp_path / "x.duckdb", SystemClock()
    async with following(path) as scene:
        await scene.until(scene.are_live, "live")
        await scene.recovers_from(cut_off, "were cut off")
        await scene.recovers_from(fall_silent, "fell silent")
        before = scene.rejected()
        scene.sim.set_faults(Faults(garbage=0.3))
        await scene.until(lambda: scene.rejected() > before + 100, "aware of the garbage")
        scene.sim.set_faults(NO_FAULTS)
        await scene.until(scene.are_live, "live after the garbage")
        recovered, ended = await scene.live_stretch(clock)
        made = {
            (venue(name).instrument(symbol).id, case.id_of(scene.sim, symbol, trade)): trade.time
            for name, case in CASES.items()
            for symbol, product in case.symbols.items()
            for trade in scene.sim.venues[name].market.trades(product, 1 << 62, 100_000)
        }
    expected = {trade for trade, time in made.items() if recovered < time < ended}
    assert len(expected) > 1_000
    with duckdb.connect(str(path), read_only=True) as stored:
        check(stored, made.keys(), expected, recovered)


def check(stored: duckdb.DuckDBPyConnection, made: Set[Trade], expected: Set[Trade], recovered: int) -> None:
    told = stored.execute("SELECT instrument, trade_id FROM trades").fetchall()
    assert len(told) == len(set(told))
    assert expected <= set(told) <= made
    crossed = stored.execute("SELECT count(*) FROM quotes WHERE bid >= ask").fetchall()
    assert crossed == [(0,)]
    followed = {venue(name).instrument(symbol).id for name, case in CASES.items() for symbol in case.symbols}
    valid = stored.execute(
        "SELECT DISTINCT instrument FROM quotes WHERE epoch_ns(ingest_time) > ? AND bid IS NOT NULL", [recovered]
    ).fetchall()
    assert {instrument for (instrument,) in valid} == followed
    holes = stored.execute("SELECT DISTINCT instrument FROM coverage WHERE state <> 'COMPLETE'").fetchall()
    assert {instrument for (instrument,) in holes} >= followed
