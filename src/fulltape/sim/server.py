"""The simulated venue on real sockets: a WebSocket port, and the next port for REST and for asking for faults.

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
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from fulltape.clock import SECOND_NS, Clock, SystemClock
from fulltape.errors import ConfigError, did_you_mean
from fulltape.sim.coinbase import Feed, Session, Topic
from fulltape.sim.coinbase_rest import CoinbaseRest
from fulltape.sim.connection import ClientConnection
from fulltape.sim.events import Event
from fulltape.sim.faults import NO_FAULTS, Faults, FaultStream
from fulltape.sim.instruments import choose
from fulltape.sim.market import STEP_NS, Market
from fulltape.sim.web import SIMULATED, WebServer

HOST = "127.0.0.1"
TOKEN_VARIABLE = "FULLTAPE_SIM_TOKEN"
VENUES = ("coinbase",)

_MOST_PAST_TRADES = 50_000
_MOST_AT_ONCE_NS = SECOND_NS // 4
_MOST_BEHIND_NS = 10 * SECOND_NS
_MOST_FROM_CLIENT = 64 * 1024


class SimConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate and where.

    ``port`` is the WebSocket port and the one after it REST; 0 takes two free ones. ``symbols`` empty means all.
    ``history_s`` seconds of trades lie before the start, fewer at high rates, and ``past_days`` of bars before them.
    ``token`` guards the faults; empty takes it from the environment or makes one up. A client with more than
    ``write_limit`` unread bytes is cut off.
    """

    venues: tuple[str, ...] = VENUES
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
        for venue in self.venues:
            if venue not in VENUES:
                raise ConfigError(f"no simulated venue {venue!r}{did_you_mean(venue, VENUES)}")
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


class SimServer:
    """A simulated venue. Use as ``async with SimServer(config) as sim``; then ``ws_url`` and ``rest_url`` are valid.

    ``trading`` is the task that runs the market: it ends only by an error of this program.
    """

    trading: asyncio.Task[None]

    def __init__(self, config: SimConfig, clock: Clock | None = None) -> None:
        config.check()
        self.config = config
        self.token = config.token or os.environ.get(TOKEN_VARIABLE, "") or secrets.token_urlsafe(16)
        self.ws_url = self.rest_url = ""
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
        self._feed = Feed(self.market)
        self._faults = config.faults
        self._connections: dict[ClientConnection, None] = {}  # in order of arrival
        self._accepted = 0
        self._cleanup = contextlib.AsyncExitStack()

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._faults

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        """Bind both ports and start trading. Raises ConfigError if a port is taken."""
        async with contextlib.AsyncExitStack() as stack:
            port = self.config.port
            try:
                sockets = await ws_create_server(
                    self._accept, HOST, port, max_frame_size=_MOST_FROM_CLIENT, enable_auto_pong=False
                )
                stack.callback(self.disconnect)
                stack.callback(sockets.close)
                web = WebServer(CoinbaseRest(self.market), self)
                rest_port = await web.start(HOST, port and port + 1)
            except OSError as taken:
                raise ConfigError(f"the simulated venue cannot listen on {HOST}:{port}: {taken.strerror}") from taken
            stack.push_async_callback(web.stop)
            self.trading = asyncio.create_task(self._run())
            stack.push_async_callback(_cancel, self.trading)
            self.ws_url = f"ws://{HOST}:{sockets.sockets[0].getsockname()[1]}"
            self.rest_url = f"http://{HOST}:{rest_port}"
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
        for connection in tuple(self._connections):
            hang = faults.hang and (begins or connection.stream.is_hung)
            connection.stream.configure(msgspec.structs.replace(faults, hang=hang), self._clock.now_ns())

    def disconnect(self) -> None:
        """Cut every client off, once."""
        for connection in tuple(self._connections):
            connection.cut()

    def tick(self) -> None:
        """Let the market go on towards the clock's time and send what happened.

        After a pause of more than ten seconds, as of a laptop asleep, whole minutes that nobody saw are left out.
        """
        now_ns = self._clock.now_ns()
        if now_ns - self.market.now_ns > _MOST_BEHIND_NS:
            self.market.skip(now_ns)
        events = self._advance()
        wanted: set[Topic] = set().union(*(connection.session.topics for connection in self._connections))
        framed = self._feed.frames(events, wanted)
        for connection in tuple(self._connections):
            connection.deliver(framed, now_ns)

    def _advance(self) -> list[Event]:
        """Advance towards the clock's time, at most so far that clients and REST need not wait."""
        return self.market.advance(min(self._clock.now_ns(), self.market.now_ns + _MOST_AT_ONCE_NS))

    def _accept(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        if self._faults.refuse:
            refused = WSUpgradeResponse.create_error_response(503, b"", SIMULATED)
            return WSUpgradeResponseWithListener(refused, None)
        now_ns = self._clock.now_ns()
        self._accepted += 1
        rng = Random(f"{self.config.seed}/connection/{self._accepted}")
        faults = msgspec.structs.replace(self._faults, hang=False)
        stream = FaultStream(faults, rng, now_ns)
        connection = ClientConnection(
            Session(self._feed, now_ns), stream, self.config.write_limit, self._take_in, self._let_go
        )
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(SIMULATED), connection)

    def _take_in(self, connection: ClientConnection) -> None:
        self._connections[connection] = None

    def _let_go(self, connection: ClientConnection) -> None:
        self._connections.pop(connection, None)

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
