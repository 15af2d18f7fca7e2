"""One WebSocket connection: frames in, whole messages out, reading paused while the sink is full."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSProtocolError, WSTransport

from fulltape.clock import Clock
from fulltape.records.frames import Connection, EventKind, FrameSink, SessionEvent
from fulltape.venues.base import SIMULATED_HEADER
from fulltape.venues.standing import Traffic


class SocketListener(WSListener):  # type: ignore[misc]
    """Hands what arrives to a sink, in order: CONNECTED, whole messages, DISCONNECTED.

    Lives on the event loop. ``ended`` is set when the connection is gone and ``reason`` says why. ``last_frame`` is the
    loop's time of the newest message, or of the moment reading went on after a pause: silence that we asked for is no
    silence of the venue.
    """

    def __init__(self, connection: Connection, sink: FrameSink, clock: Clock, traffic: Traffic, max_bytes: int) -> None:
        self.connection = connection
        self.ended = asyncio.Event()
        self.reason = ""
        self._loop = asyncio.get_running_loop()
        self.last_frame = self._loop.time()
        self._sink = sink
        self._clock = clock
        self._traffic = traffic
        self._max_bytes = max_bytes
        self._transport: WSTransport | None = None
        self._fragments = bytearray()
        self._pause: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the handshake was completed, even if the connection is gone since."""
        return self._transport is not None

    @property
    def is_paused(self) -> bool:
        """Whether reading waits for the sink."""
        return self._pause is not None

    def send(self, message: bytes) -> None:
        """Send a text frame; nothing happens when the connection is gone."""
        if self._transport is not None and not self.ended.is_set():
            self._transport.send(WSMsgType.TEXT, message)

    async def wait_ended(self, timeout_s: float) -> None:
        """Return when the connection is gone, at the latest after ``timeout_s``."""
        # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.ended.wait()

    async def close(self, timeout_s: float) -> None:
        """Say goodbye, give the venue ``timeout_s`` to answer it, then cut the line. Returns when all is over."""
        if self._transport is None:
            return
        self._transport.send_close(WSCloseCode.OK)
        await self.wait_ended(timeout_s)
        self._transport.disconnect(graceful=False)
        with contextlib.suppress(WSError):
            await self._transport.wait_disconnected()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Tell the sink; it may be full already."""
        self._transport = transport
        is_simulated = transport.response.headers.get(SIMULATED_HEADER) == "1"
        self.connection = replace(self.connection, simulated=is_simulated)
        self.last_frame = self._loop.time()
        self._sink.event(SessionEvent(self.connection, EventKind.CONNECTED, self._clock.now_ns()))
        self._pause_if_full(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame: a message, a part of one, or the venue's goodbye. After our own goodbye nothing is taken."""
        if transport.is_close_frame_sent and frame.msg_type != WSMsgType.CLOSE:
            return
        match frame.msg_type:
            case WSMsgType.TEXT | WSMsgType.BINARY if frame.fin:
                self._take(transport, frame.get_payload_as_bytes())
            case WSMsgType.TEXT | WSMsgType.BINARY | WSMsgType.CONTINUATION:
                self._fragments += frame.get_payload_as_memoryview()
                if len(self._fragments) > self._max_bytes:
                    raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, f"message over {self._max_bytes} bytes")
                if frame.fin:
                    message, self._fragments = bytes(self._fragments), bytearray()
                    self._take(transport, message)
            case WSMsgType.CLOSE:
                if not transport.is_close_frame_sent:
                    words = f"{int(frame.get_close_code())} {frame.get_close_reason() or ''}".strip()
                    self.reason = f"closed by the venue: {words}"
                transport.send_close(WSCloseCode.OK)
                transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell the sink and whoever waits for the end."""
        if self._pause is not None:
            self._pause.cancel()
        goodbye = transport.close_handshake
        if not self.reason and goodbye is not None and goodbye.sent is not None:
            self.reason = f"the venue broke the protocol: {goodbye.sent.reason}"
        self.reason = self.reason or "connection lost"
        self._sink.event(SessionEvent(self.connection, EventKind.DISCONNECTED, self._clock.now_ns(), self.reason))
        self.ended.set()

    def _take(self, transport: WSTransport, message: bytes) -> None:
        ingest_time = self._clock.now_ns()
        self.last_frame = self._loop.time()
        self._traffic.frames += 1
        self._traffic.bytes += len(message)
        self._traffic.last_ingest = ingest_time
        self._sink.frame(self.connection, message, ingest_time)
        self._pause_if_full(transport)

    def _pause_if_full(self, transport: WSTransport) -> None:
        if self._sink.is_full and self._pause is None:
            transport.underlying_transport.pause_reading()
            self._pause = self._loop.create_task(self._resume_when_drained(transport))

    async def _resume_when_drained(self, transport: WSTransport) -> None:
        await self._sink.drained()
        self._pause = None
        self.last_frame = self._loop.time()
        transport.underlying_transport.resume_reading()


async def connect_socket(host: str, port: int) -> socket.socket:
    """Return a socket connected to the first address of ``host`` that answers. Raises OSError if none does."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        one = socket.socket(family, kind, protocol)
        one.setblocking(False)
        try:
            await loop.sock_connect(one, address)
        except OSError as error:
            one.close()
            failure = error
        except asyncio.CancelledError:
            one.close()
            raise
        else:
            return one
    raise failure
