"""Connections: how long a client may hold one without asking or taking anything, and what all may hold together.

A socket costs whoever opens it nothing, so those that only sit there must not keep others out: when there is no room,
the one that has said nothing for longest goes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fulltape.api.config import ApiConfig

_MOST_HEAD: Final = 65_536
"""The longest address and headers of a request, in bytes."""
_ENOUGH_BODY: Final = 65_536
"""So many bytes of a body give its client the whole time again."""


@dataclass(slots=True)
class _Unsent:
    """How much a client has yet to take, and since when it has taken none of it."""

    size: int
    since: float


class Room:
    """Knows every connection and ends those that take it away from others; see `ApiConfig` for how much each may."""

    def __init__(self, config: ApiConfig) -> None:
        self.dropped: Counter[str] = Counter()
        """How many connections were ended, by the reason."""
        self._config = config
        self._open: set[BoundedProtocol] = set()
        self._waiting: dict[BoundedProtocol, float] = {}  # for a request, since when: oldest first
        self._unsent: dict[BoundedProtocol, _Unsent] = {}
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, one: BoundedProtocol) -> None:
        """Let a new connection in, if need be for one that waits for longer."""
        self._open.add(one)
        if len(one.connections) >= self._config.max_connections and self._waiting:
            oldest = next(iter(self._waiting))
            one.connections.discard(oldest)  # now, not when its end has been noticed
            self._drop(oldest, "crowded")
        self.await_request(one)
        if self._timer is None:
            self._timer = one.loop.call_later(self._config.look_every_s, self._look, one.loop)

    def leave(self, one: BoundedProtocol) -> None:
        """Forget a connection that has ended, or that became a stream."""
        self._open.discard(one)
        self._waiting.pop(one, None)
        self._unsent.pop(one, None)

    def await_request(self, one: BoundedProtocol) -> None:
        """Note that a client has the word, from now on."""
        self._waiting.pop(one, None)
        self._waiting[one] = one.loop.time()

    def heard(self, one: BoundedProtocol) -> None:
        """Note that a whole request has come."""
        self._waiting.pop(one, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._end_silent(now)
        self._end_stuck(now)
        self._timer = loop.call_later(self._config.look_every_s, self._look, loop) if self._open else None

    def _end_silent(self, now: float) -> None:
        within_s = self._config.request_within_s
        late = [one for one, since in self._waiting.items() if now - since > within_s and not one.flow.read_paused]
        for one in late:
            self._drop(one, "silent")

    def _end_stuck(self, now: float) -> None:
        """End connections whose clients take nothing, and the largest of all while they hold too much."""
        for one in tuple(self._open):
            size = one.transport.get_write_buffer_size()
            known = self._unsent.get(one)
            if not size:
                self._unsent.pop(one, None)
            elif known is None or size < known.size:
                self._unsent[one] = _Unsent(size, now)
            else:
                known.size = size
                if now - known.since > self._config.take_within_s:
                    self._drop(one, "stuck")
        total = sum(unsent.size for unsent in self._unsent.values())
        while total > self._config.max_unsent_bytes:
            largest = max(self._unsent, key=lambda one: self._unsent[one].size)
            total -= self._unsent[largest].size
            self._drop(largest, "unsent")

    def _drop(self, one: BoundedProtocol, reason: str) -> None:
        """End a connection at once, with whatever has not been taken."""
        self.dropped[reason] += 1
        self.leave(one)
        one.transport.abort()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, with a longest head, and in a `Room` that it shares with all others."""

    def __init__(self, *, room: Room, **others: Any) -> None:
        super().__init__(**others)
        self._room = room
        self._head = self._unread = self._came = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._room.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._room.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`; what the parser only piles up has an end, too."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > _MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("The request has too long a head.")

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the stream, which has bounds of its own."""
        self._room.leave(self)
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._grow(len(name) + len(value))
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; a long one may take longer."""
        self._unread = 0
        self._came += len(body)
        if self._came >= _ENOUGH_BODY:
            self._came = 0
            self._room.await_request(self)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._unread = 0
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:  # it was refused before its body had come
            self._room.await_request(self)
        else:
            self._room.heard(self)

    def on_response_complete(self) -> None:
        """End an answer; the client may ask again."""
        super().on_response_complete()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self._room.await_request(self)

    def _grow(self, size: int) -> None:
        self._unread = 0
        self._head += size
        if self._head > _MOST_HEAD:
            raise ValueError("too long a head")  # the parser's caller answers 400 and hangs up
