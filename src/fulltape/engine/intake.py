"""The intake: what sessions and the replayer have received and the engine has not taken yet."""

from __future__ import annotations

import asyncio
from typing import Final

from fulltape.records.frames import Awaited, Chunk, Connection, Item, Listing, SessionEvent

_BYTES_PER_FRAME: Final = 4_096
_CHUNK_FRAMES: Final = 4_096
"""Most frames of one chunk. A parser decodes a chunk in one call that keeps the interpreter: about 1 ms for so many,
in which the store's thread waits between two calls of the database."""


class Intake:
    """A bounded queue of frames and connection events in order of receipt; its policy is to block.

    It lives on the event loop. It is full at ``max_frames`` frames, or at as many bytes as that many frames of 4 KiB
    have; a sink that is full stops its sockets from being read.
    """

    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._items: list[Item] = []
        self._frames = 0
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._wake_at = max_frames
        self._is_closed = False

    def frame(self, connection: Connection, payload: bytes, ingest_time: int) -> None:
        """Take one frame."""
        items = self._items
        last = items[-1] if items else None
        if not isinstance(last, Chunk) or last.connection is not connection or len(last.payloads) >= _CHUNK_FRAMES:
            last = Chunk(connection)
            items.append(last)
        last.payloads.append(payload)
        last.ingest_times.append(ingest_time)
        self._frames += 1
        self._bytes += len(payload)
        self._arrived.set()
        if self._frames >= self._wake_at:
            self._enough.set()
        if self.is_full:
            self._room.clear()
            self._enough.set()

    def event(self, event: SessionEvent) -> None:
        """Take one connection event."""
        self._items.append(event)
        self._arrived.set()

    def listing(self, listing: Listing) -> None:
        """Take a venue's list of instruments."""
        self._items.append(listing)
        self._arrived.set()

    def awaited(self, item: Awaited) -> None:
        """Take what somebody waits for: a part of a venue's history, or what people bring."""
        self._items.append(item)
        self._arrived.set()
        self._enough.set()

    @property
    def is_full(self) -> bool:
        """Whether the caller must stop reading."""
        return self._frames >= self._max_frames or self._bytes >= self._max_frames * _BYTES_PER_FRAME

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will come."""
        return self._is_closed

    @property
    def queued(self) -> int:
        """How many frames wait."""
        return self._frames

    @property
    def oldest(self) -> int | None:
        """The ingest time of the oldest frame that waits, or None."""
        first = next((item for item in self._items if isinstance(item, Chunk)), None)
        return first.ingest_times[0] if first else None

    async def drained(self) -> None:
        """Return when there is room again."""
        await self._room.wait()

    def close(self) -> None:
        """Take nothing more: a waiting `take` returns what there is."""
        self._is_closed = True
        self._arrived.set()
        self._enough.set()

    async def take(self, *, wait_s: float, flush_s: float, enough: int) -> list[Item]:
        """Return what has arrived, in order, and make room.

        Waits up to ``wait_s`` for a first item, then up to ``flush_s`` for ``enough`` frames. Returns an empty list
        when nothing came.
        """
        self._wake_at = enough
        if not self._items and not self._is_closed:
            await _wait(self._arrived, wait_s)
        if self._items and self._frames < enough and not self._is_closed and not self.is_full:
            await _wait(self._enough, flush_s)
        items, self._items = self._items, []
        self._frames = self._bytes = 0
        self._arrived.clear()
        self._enough.clear()
        self._room.set()
        return items


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
