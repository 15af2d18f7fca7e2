"""The simulated venues on real sockets: each has a WebSocket port, and another for REST and for asking for faults.

Only 127.0.0.1 is ever bound, and every answer carries ``Fulltape-Simulated: 1``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from typing import Self

import msgspec

from fulltape.clock import SECOND_NS, Clock, SystemClock
from fulltape.errors import ConfigError, did_you_mean
from fulltape.sim.faults import NO_FAULTS, Faults
from fulltape.sim.instruments import choose, listings_at
from fulltape.sim.market import STEP_NS, Market
from fulltape.sim.registry import REFERENCE, VENUES
from fulltape.sim.venue_server import HOST, Terms, VenueServer

TOKEN_VARIABLE = "FULLTAPE_SIM_TOKEN"
ALL_VENUES = "all"

_MOST_PAST_TRADES = 50_000


class SimConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate and where.

    ``venues`` show markets with nearly the same prices; ``all`` names every one there is. ``port`` is the first one's
    WebSocket port and the one after it REST, the next venue has the two ports after these; 0 takes free ones.
    ``symbols`` empty means all. ``history_s`` seconds of trades lie before the start, fewer at high rates, and
    ``past_days`` of bars before them. ``token`` guards the faults; empty takes it from the environment or makes one up.
    A client with more than ``write_limit`` unread bytes is cut off.
    """

    venues: tuple[str, ...] = ("coinbase",)
    symbols: tuple[str, ...] = ()
    port: int = 0
    seed: int = 1
    trades_per_s: float = 50.0
    """At each venue, over all its products."""
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
    """The simulated venues, each with a market of its own.

    Use as ``async with SimServer(config) as sim``; then the ``venues`` have addresses.
    ``trading`` is the task that runs the markets: it ends only by an error of this program.
    """

    trading: asyncio.Task[None]

    def __init__(self, config: SimConfig, clock: Clock | None = None) -> None:
        config.check()
        self.config = config
        self.token = config.token or os.environ.get(TOKEN_VARIABLE, "") or secrets.token_urlsafe(16)
        self._clock = clock or SystemClock()
        self.venues = {name: self._venue(name) for name in config.chosen()}
        while any(self._is_behind(venue.market) for venue in self.venues.values()):
            self.tick()  # the first markets waited while the others were made
        self._cleanup = contextlib.AsyncExitStack()

    @property
    def market(self) -> Market:
        """The market of the first venue."""
        return self._first.market

    @property
    def faults(self) -> Faults:
        """The faults in force at the first venue."""
        return self._first.faults

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return sum(len(venue.connections) for venue in self.venues.values())

    @property
    def ws_url(self) -> str:
        """The WebSocket address of the first venue."""
        return self._first.ws_url

    @property
    def rest_url(self) -> str:
        """The REST address of the first venue."""
        return self._first.rest_url

    @property
    def _first(self) -> VenueServer:
        return next(iter(self.venues.values()))

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
        """Change the faults of every venue; see `VenueServer.set_faults` for those of one."""
        for venue in self.venues.values():
            venue.set_faults(faults)

    def tick(self) -> None:
        """Let the markets go on towards the clock's time and send what happened."""
        now_ns = self._clock.now_ns()
        for venue in self.venues.values():
            venue.tick(now_ns)

    def _venue(self, name: str) -> VenueServer:
        config, now_ns = self.config, self._clock.now_ns()
        history_s = min(config.history_s, _MOST_PAST_TRADES / config.trades_per_s)
        market = Market(
            config.seed,
            now_ns - int(history_s * SECOND_NS),
            listings_at(name, choose(config.symbols)),
            venue="" if name == REFERENCE else name,
            trades_per_s=config.trades_per_s,
            past_days=config.past_days,
            kept_trades=config.kept_trades,
        )
        while self._is_behind(market):
            market.advance(self._clock.now_ns())  # nobody wants these events
        terms = Terms(self.token, config.seed, config.faults, config.write_limit)
        return VenueServer(VENUES[name](market), market, terms, self._clock)

    def _is_behind(self, market: Market) -> bool:
        return market.now_ns + STEP_NS <= self._clock.now_ns()

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
