"""A server on a clock that the test moves, and a client that knows nothing of fulltape's parsers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import websockets

from fulltape.clock import SECOND_NS, ManualClock
from fulltape.sim.server import SimConfig, SimServer

START_NS = (29_833_333 * 60 + 20) * SECOND_NS
SYMBOLS = ("BTC-USD", "ETH-USD", "UNI-USD")
STEP_NS = 20_000_000
PATIENCE_S = 120.0

Frame = dict[str, Any]


class Client:
    """One WebSocket connection; the server answers every message in order, so an answer marks the end of the rest."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: object) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def next_raw(self) -> bytes:
        return await asyncio.wait_for(self.socket.recv(decode=False), PATIENCE_S)

    async def next(self) -> Frame:
        frame = json.loads(await self.next_raw())
        assert isinstance(frame, dict)
        return frame

    async def ask(self, kind: str, *channels: object, symbols: tuple[str, ...] | None = SYMBOLS) -> Frame:
        message: Frame = {"type": kind, "channels": list(channels)}
        if symbols is not None:
            message["product_ids"] = list(symbols)
        await self.say(message)
        return await self.next()

    async def drain_raw(self) -> list[bytes]:
        """Return every frame sent so far."""
        await self.say("?")
        frames = []
        while (raw := await self.next_raw()) != b'{"type":"error","message":"Malformed JSON"}':
            frames.append(raw)
        return frames

    async def drain(self) -> list[Frame]:
        return [json.loads(raw) for raw in await self.drain_raw()]


class Venue:
    """A running server whose time the test moves."""

    def __init__(self, sim: SimServer, clock: ManualClock) -> None:
        self.sim = sim
        self._clock = clock

    def run(self, seconds: float) -> None:
        """Let that time pass, in the server's own small steps."""
        end = self._clock.now_ns() + int(seconds * SECOND_NS)
        while self._clock.now_ns() < end:
            self._clock.set(min(self._clock.now_ns() + STEP_NS, end))
            self.sim.tick()

    def jump(self, seconds: float) -> None:
        """Let that time pass at once: the server catches up in a few ticks."""
        self._clock.set(self._clock.now_ns() + int(seconds * SECOND_NS))
        self.sim.tick()
        while self.sim.market.now_ns + STEP_NS <= self._clock.now_ns():
            self.sim.tick()

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with websockets.connect(
            self.sim.ws_url, max_size=1 << 24, max_queue=None, ping_interval=None, open_timeout=PATIENCE_S
        ) as socket:
            yield Client(socket)


VenueFactory = Callable[..., AbstractAsyncContextManager[Venue]]


@contextlib.asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Venue]:
    """Run a small venue with settings of its own."""
    defaults: dict[str, Any] = {
        "symbols": SYMBOLS,
        "trades_per_s": 100.0,
        "history_s": 10.0,
        "past_days": 0.5,
        "tick_s": 1.0,
    }
    clock = ManualClock(START_NS)
    async with SimServer(SimConfig(**(defaults | settings)), clock) as sim:
        yield Venue(sim, clock)
