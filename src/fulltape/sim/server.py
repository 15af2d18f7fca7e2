"""The simulated venues on real sockets: each has a WebSocket port, and another for REST and for asking for faults.

Only 127.0.0.1 is ever bound, and every answer carries ``Fulltape-Simulated: 1``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from random import Random
from typing import Self

import msgspec

from fulltape.clock import SECOND_NS, Clock, SystemClock
from fulltape.errors import ConfigError, did_you_mean
from fulltape.sim.events import Event
from fulltape.sim.faults import NO_FAULTS, Faults
from fulltape.sim.instruments import choose
from fulltape.sim.market import STEP_NS, Market
from fulltape.sim.registry import VENUES
from fulltape.sim.venue_server import HOST, VenueServer

TOKEN_VARIABLE = "FULLTAPE_SIM_TOKEN"
ALL_VENUES = "all"

_MOST_PAST_TRADES = 50_000
_MOST_AT_ONCE_NS = SECOND_NS // 4
_MOST_BEHIND_NS = 10 * SECOND_NS


class SimConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate and where.

    ``venues`` share one market; ``all`` names every one there is. ``port`` is the first one's WebSocket port and the
    one after it REST, the next venue has the two ports after these; 0 takes free ones. ``symbols`` empty means all.
    ``history_s`` seconds of trades lie before the start, fewer at high rates, and ``past_days`` of bars before them.
    ``token`` guards the faults; empty takes it from the environment or makes one up. A client with more than
    ``write_limit`` unread bytes is cut off.
    """

    venues: tuple[str, ...] = ("coinbase",)
    symbols: tuple[str, ...] = ()
    port: int = 0
    seed: int = 1
    trades_per_s: float = 50.0
    history_s: float = 300.0
    past_days: float = 1.0
    kept_trades: int = 100_000
    faults: Faults = NO_FAULTS
    token: str = ""
    tick_s: float = 0.02
    write_limit: int = 8 * 1024 * 1024

    def check(self) -> None:
        """Raise ConfigError for a value that cannot be used."""
        known = (*VENUES, ALL_VENUES)
        for venue in self.venues:
            if venue not in known:
                raise ConfigError(f"no simulated venue {venue!r}{did_you_mean(venue, known)}")
        ranges = {
            "port": (0, 65_534),
            "trades_per_s": (0.01, 100_000),
            "history_s": (0, 86_400),
            "past_days": (0, 60),
            "kept_trades": (1, 10_000_000),
            "tick_s": (0.001, 1),
            "write_limit": (65_536, 1 << 32),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} must be between {low:,} and {high:,}, not {getattr(self, name):,}")
        choose(self.symbols)

    def chosen(self) -> tuple[str, ...]:
        """Return the names of the venues, each once."""
        return tuple(VENUES) if ALL_VENUES in self.venues else tuple(dict.fromkeys(self.venues))


class SimServer:
    """The simulated venues. Use as ``async with SimServer(config) as sim``; then the ``venues`` have addresses.

    ``trading`` is the task that runs the market: it ends only by an error of this program.
    """

    trading: asyncio.Task[None]

    def __init__(self, config: SimConfig, clock: Clock | None = None) -> None:
        config.check()
        self.config = config
        self.token = config.token or os.environ.get(TOKEN_VARIABLE, "") or secrets.token_urlsafe(16)
        self._clock = clock or SystemClock()
        history_s = min(config.history_s, _MOST_PAST_TRADES / config.trades_per_s)
        self.market = Market(
            config.seed,
            self._clock.now_ns() - int(history_s * SECOND_NS),
            choose(config.symbols),
            trades_per_s=config.trades_per_s,
            past_days=config.past_days,
            kept_trades=config.kept_trades,
        )
        while self.market.now_ns + STEP_NS <= self._clock.now_ns():
            self._advance()  # nobody wants these events
        self.venues = {
            name: VenueServer(VENUES[name](self.market), self, self._clock, config.write_limit)
            for name in config.chosen()
        }
        self._faults = config.faults
        self._accepted = 0
        self._cleanup = contextlib.AsyncExitStack()

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._faults

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return sum(len(venue.connections) for venue in self.venues.values())

    @property
    def ws_url(self) -> str:
        """The WebSocket address of the first venue."""
        return next(iter(self.venues.values())).ws_url

    @property
    def rest_url(self) -> str:
        """The REST address of the first venue."""
        return next(iter(self.venues.values())).rest_url

    async def __aenter__(self) -> Self:
        """Bind all ports and start trading. Raises ConfigError if a port is taken."""
        async with contextlib.AsyncExitStack() as stack:
            for place, (name, venue) in enumerate(self.venues.items()):
                port = self.config.port and self.config.port + 2 * place
                try:
                    await venue.start(port, stack)
                except OSError as taken:
                    problem = f"{HOST}:{port}: {taken.strerror}"
                    raise ConfigError(f"the simulated venue {name} cannot listen on {problem}") from taken
            self.trading = asyncio.create_task(self._run())
            stack.push_async_callback(_cancel, self.trading)
            self._cleanup = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop trading, cut every client off and free the ports."""
        await self._cleanup.aclose()

    def set_faults(self, faults: Faults) -> None:
        """Change the faults of the open connections, and of those to come."""
        # a hang hits those who are connected when it begins: who reconnects meanwhile is served
        begins = faults.hang and not self._faults.hang
        self._faults = faults
        for venue in self.venues.values():
            venue.set_faults(faults, begins=begins)

    def disconnect(self) -> None:
        """Cut every client off, once."""
        for venue in self.venues.values():
            venue.disconnect()

    def chance(self) -> Random:
        """Return the chance of a new connection's faults: the same for the n-th connection of every run."""
        self._accepted += 1
        return Random(f"{self.config.seed}/connection/{self._accepted}")

    def tick(self) -> None:
        """Let the market go on towards the clock's time and send what happened.

        After a pause of more than ten seconds, as of a laptop asleep, whole minutes that nobody saw are left out.
        """
        now_ns = self._clock.now_ns()
        if now_ns - self.market.now_ns > _MOST_BEHIND_NS:
            self.market.skip(now_ns)
        events = self._advance()
        for venue in self.venues.values():
            venue.tell(events, now_ns)

    def _advance(self) -> list[Event]:
        """Advance towards the clock's time, at most so far that clients and REST need not wait."""
        return self.market.advance(min(self._clock.now_ns(), self.market.now_ns + _MOST_AT_ONCE_NS))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.config.tick_s)
            self.tick()


async def serve(
    config: SimConfig, stop: asyncio.Event, announce: Callable[[SimServer], None] = lambda server: None
) -> None:
    """Run a simulated venue until ``stop`` is set; ``announce`` is called once its addresses are known."""
    async with SimServer(config) as server:
        announce(server)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({stopped, server.trading}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()


async def _cancel(task: asyncio.Task[None]) -> None:
    """End a task; if it had died of an error, raise that."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
