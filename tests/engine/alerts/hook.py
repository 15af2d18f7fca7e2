"""A real HTTP server that takes messages as a web hook does, and answers what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

HANG = 0
"""Instead of a status: take the message and answer only when `Hook.release` is called."""


class Message(NamedTuple):
    path: str
    title: str
    body: str

    @property
    def lines(self) -> list[str]:
        return self.body.splitlines()


class Hook:
    """What came in, in order; ``statuses`` are the next answers, 200 after them."""

    def __init__(self, statuses: Iterable[int] = ()) -> None:
        self.statuses = list(statuses)
        self.asked: list[Message] = []
        self.taken: list[Message] = []
        self.port = 0
        self._changed = asyncio.Event()
        self._released = asyncio.Event()

    @property
    def url(self) -> str:
        return f"json://user:s3cret@127.0.0.1:{self.port}/t0ken"

    def release(self) -> None:
        """Answer whoever waits, and all that come, without a wait."""
        self._released.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at again whenever a message comes or is answered."""
        async with asyncio.timeout(120):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            length = next(int(line.split(":")[1]) for line in head if line.lower().startswith("content-length"))
            told = msgspec.json.decode(await reader.readexactly(length))
            message = Message(head[0].split()[1], told["title"], told["message"])
            self.asked.append(message)
            self._changed.set()
            status = self.statuses.pop(0) if self.statuses else 200
            if status == HANG:
                await self._released.wait()
                status = 200
            if status == 200:
                self.taken.append(message)
            writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            self._changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hooked(*statuses: int, port: int = 0) -> AsyncIterator[Hook]:
    """Run a hook at a port of 127.0.0.1."""
    hook = Hook(statuses)
    server = await asyncio.start_server(hook.serve, "127.0.0.1", port)
    hook.port = server.sockets[0].getsockname()[1]
    try:
        yield hook
    finally:
        hook.release()
        server.close()
