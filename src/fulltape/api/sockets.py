"""Stream connections on the wire: frames that all receivers share, and how many a client may send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from fulltape.api.config import ApiConfig
from fulltape.api.connections import Room
from fulltape.api.messages import Text
from fulltape.api.rates import Rates

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

TOO_OFTEN: Final = "you send too often: wait between messages and pings"
"""The close reason, with code 1008, for a client that keeps the server busy."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which sends a `Text` as the frame that all its receivers share; not with compression.

    It counts frames of every kind, as pings and empty fragments cost as much as requests do; and of the pongs that a
    client does not take it keeps the newest only.
    """

    def __init__(self, *, room: Room, limits: ApiConfig, **others: Any) -> None:
        super().__init__(**others)
        self._room = room
        self._rates = Rates(limits.frames_per_s, limits.frame_burst)
        self._grace_s = limits.close_grace_s
        self._is_over = False
        self._pong = b""

    async def send(self, message: ASGISendEvent) -> None:
        """Send one event of the application, when the socket takes something again."""
        text = message.get("text")
        if isinstance(text, Text):
            await self.writable.wait()
        if isinstance(text, Text) and self.conn.state is State.OPEN and not self.transport.is_closing():
            self.transport.write(text.frame)
        else:
            await super().send(message)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`; what comes after the end is not looked at."""
        if not self._is_over:
            super().data_received(data)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)

    def handle_ping(self) -> None:
        """Answer a ping, as soon as the client takes answers."""
        pong = b"".join(self.conn.data_to_send())
        if not self._may_go_on():
            return
        if self.writable.is_set():
            self.transport.write(pong)
        else:
            self._pong = pong or self._pong  # those of one read come together, with the first of them

    def handle_pong(self, event: Frame) -> None:
        """Take a pong."""
        if self._may_go_on():
            super().handle_pong(event)

    def handle_text(self, event: Frame) -> None:
        """Take a message, or its beginning."""
        if self._may_go_on():
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Take a message of bytes, or its beginning."""
        if self._may_go_on():
            super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """Take a further part of a message."""
        if self._may_go_on():
            super().handle_cont(event)

    def _may_go_on(self) -> bool:
        """Count a frame; end the connection, and return False, when there are too many."""
        if self._is_over or self.transport.is_closing():
            return False
        if not self._rates.wait_s("", self.loop.time()):
            return True
        self._is_over = self.close_sent = True
        self._room.dropped["flooding"] += 1
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.POLICY_VIOLATION})
        self.conn.fail(CloseCode.POLICY_VIOLATION, TOO_OFTEN)
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        # Closing at once, with frames unread, would reset the connection before the reason is read.
        self.close_timer = self.loop.call_later(self._grace_s, self.transport.abort)
        return False
