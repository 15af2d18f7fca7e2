"""A real WebSocket server and a sink, for tests of sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.utils import accept_key

from fulltape.records.frames import Connection, SessionEvent


class ListSink:
    """A sink that keeps everything, and is full while told so or while it holds ``room`` frames."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.frames: list[tuple[Connection, bytes, int]] = []
        self.order: list[str] = []
        self.events: list[SessionEvent] = []
        self._room = room
        self._has_room = asyncio.Event()
        self._changed = asyncio.Event()

    def frame(self, connection: Connection, payload: bytes, ingest_time: int) -> None:
        self.frames.append((connection, payload, ingest_time))
        self.order.append("frame")
        self._changed.set()

    def event(self, event: SessionEvent) -> None:
        self.events.append(event)
        self.order.append(event.kind.value)
        self._changed.set()

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload, _ in self.frames]

    @property
    def is_full(self) -> bool:
        return len(self.frames) >= self._room

    async def drained(self) -> None:
        await self._has_room.wait()

    def make_room(self) -> None:
        self._room = 1_000_000
        self._has_room.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at again whenever the sink takes something."""
        async with asyncio.timeout(120):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def venue_server(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """Run a real WebSocket server and give its address."""
    async with serve(handler, "127.0.0.1", 0, max_size=None, **options) as server:
        yield address_of(server)


def address_of(server: Server) -> str:
    return f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: Talk, **options: Any) -> AsyncIterator[int]:
    """Run a TCP server that need not keep to any protocol, and give its port. ``talk`` leaves connections open."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await talk(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await asyncio.sleep(0.01)  # a connection accepted after closing would stay half made
        server.close()
        for writer in writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a WebSocket handshake."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line for line in request.splitlines() if line.lower().startswith("sec-websocket-key"))
    answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{answer}Sec-WebSocket-Accept: {accept_key(key.partition(':')[2].strip())}\r\n\r\n".encode())
    await writer.drain()
