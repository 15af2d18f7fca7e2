"""What is to be said on one connection, at the pace that its venue takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from fulltape.venues.listener import SocketListener


class Outbox:
    """Sends messages in order, at most ``per_s`` of them a second; the first goes out at once."""

    def __init__(self, listener: SocketListener, per_s: float) -> None:
        self._listener = listener
        self._pause_s = 1.0 / per_s
        self._waiting: deque[bytes] = deque()
        self._filled = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether everything has been sent."""
        return not self._waiting

    def put(self, messages: Iterable[bytes]) -> None:
        """Take messages to send after those that wait."""
        self._waiting += messages
        self._filled.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._filled.wait()
            while self._waiting:
                self._listener.send(self._waiting.popleft())
                await asyncio.sleep(self._pause_s)
            self._filled.clear()
