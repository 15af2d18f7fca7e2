"""One client of a simulated venue."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from fulltape.sim.base import Framed, Session
from fulltape.sim.faults import FaultStream


class ClientConnection(WSListener):  # type: ignore[misc]  # picows is compiled and untyped
    """Sends a client what it subscribed to, through its faults; never holds more than ``write_limit`` bytes for it."""

    def __init__(
        self,
        session: Session,
        stream: FaultStream,
        write_limit: int,
        on_connected: Callable[[ClientConnection], None],
        on_ended: Callable[[ClientConnection], None],
    ) -> None:
        self.session = session
        self.stream = stream
        self._kind = WSMsgType.BINARY if session.is_binary else WSMsgType.TEXT
        self._write_limit = write_limit
        self._on_connected = on_connected
        self._on_ended = on_ended
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take part in the fan-out from now on."""
        self._transport = transport
        self._on_connected(self)
        self._send(self.session.greet())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Leave the fan-out."""
        self._transport = None
        self.session.ended()
        self._on_ended(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a client's frame. While hung even pings stay unanswered."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif self.stream.is_hung:
            return
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == self._kind and frame.fin:
            self._send(self.session.answer(frame.get_payload_as_bytes()))
        elif kind != WSMsgType.PONG:
            self.close(WSCloseCode.UNSUPPORTED_DATA, "messages of the other kind, or in parts, are not taken")

    def deliver(self, framed: Iterable[Framed], now_ns: int) -> None:
        """Send the frames of this connection's topics, or end it if its time is up."""
        if self.stream.is_over(now_ns):
            self.cut()
        elif self.session.is_overdue(now_ns):
            self._send(self.session.farewell())
            self.close(WSCloseCode.POLICY_VIOLATION, "nothing was asked for in time")
        else:
            topics = self.session.topics
            self._send(self.stream.apply([frame for topic, frame in framed if topic in topics], now_ns))

    def cut(self) -> None:
        """End the connection as a broken network does: without a word."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def close(self, code: WSCloseCode, reason: str) -> None:
        """End the connection politely."""
        if self._transport is not None:
            self._transport.send_close(code, reason.encode())
            self._transport.disconnect()

    def _send(self, frames: Iterable[bytes]) -> None:
        transport = self._transport
        if transport is None:
            return
        socket = transport.underlying_transport
        for frame in frames:
            if socket.is_closing():  # the client may go away between two frames
                return
            transport.send(self._kind, frame)
        if socket.get_write_buffer_size() > self._write_limit:
            for frame in self.session.too_slow():
                transport.send(self._kind, frame)
            self.cut()
