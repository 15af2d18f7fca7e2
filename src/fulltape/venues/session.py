"""Sessions: keep one subscription to a venue alive. With `fulltape.venues.listener` the only code that opens sockets.

A session connects, subscribes, watches that the venue confirms and keeps talking, and on any trouble starts over,
until it is cancelled. It knows no venue: what to send and what answers mean comes from the venue file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import Mapping
from random import Random
from typing import Final

import msgspec
from picows import WSError, WSParsedURL, ws_connect

from fulltape.clock import SECOND_NS, Clock
from fulltape.errors import ConfigError
from fulltape.records.frames import Connection, FrameSink
from fulltape.records.status import FeedState, FeedStatus
from fulltape.venues.backoff import Backoff
from fulltape.venues.base import (
    Acknowledged,
    Channel,
    Control,
    Credentials,
    Invited,
    Refused,
    RestRequest,
    Subscription,
    Venue,
    answer_frame,
)
from fulltape.venues.listener import SocketListener, Traffic, connect_socket

_log = logging.getLogger(__name__)
_AGAIN: Final = "; trying again in "
_LEVELS: Final = {
    FeedState.CONNECTING: logging.INFO,
    FeedState.LIVE: logging.INFO,
    FeedState.STALE: logging.WARNING,
    FeedState.DOWN: logging.WARNING,
    FeedState.REFUSED: logging.ERROR,
}


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How one connection is kept. Durations are seconds.

    ``name`` is unique in the process. A connection that lived ``healthy_s`` starts its back-off anew; after a final
    refusal of everything the venue is asked again every ``refused_wait_s``.
    """

    name: str
    url: str
    subscription: Subscription
    credentials: Credentials | None = None
    max_frame_bytes: int = 64 * 1024 * 1024
    silence_s: float = 5.0
    connect_timeout_s: float = 10.0
    acknowledge_timeout_s: float = 10.0
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 60.0
    healthy_s: float = 60.0
    refused_wait_s: float = 60.0
    close_timeout_s: float = 0.9


class Session:
    """One connection to a venue that never gives up. Everything happens on the event loop that calls `run`.

    Frames and connection events go to ``sink`` in order. Raises ConfigError at once for a subscription that the venue
    does not offer.
    """

    def __init__(self, venue: Venue, config: SessionConfig, sink: FrameSink, clock: Clock, random: Random) -> None:
        if not config.url.startswith(("wss://", "ws://")):
            raise ConfigError(f"{config.name}: not a WebSocket address: {config.url!r} (they begin with wss://)")
        venue.subscribe_frames(config.subscription, config.credentials, clock.now_ns())
        self._venue = venue
        self._config = config
        self._sink = sink
        self._clock = clock
        self._backoff = Backoff(random, base_s=config.backoff_base_s, cap_s=config.backoff_cap_s)
        self._traffic = Traffic()
        self._simulated = False
        self._listener: SocketListener | None = None
        self._reconnects = 0
        self._confirmed: Acknowledged | None = None
        self._refusal: Refused | None = None
        self._rest_until = 0.0
        self._seen: dict[str, int] = {}
        self._state = FeedState.CONNECTING
        self._detail = "not started"
        self._since = clock.now_ns()

    async def run(self) -> None:
        """Keep the connection until cancelled; cancelling closes it cleanly within a second."""
        loop = asyncio.get_running_loop()
        self._enter(FeedState.CONNECTING, f"connecting to {self._config.url}")
        while True:
            started = loop.time()
            await self._connect_and_watch()
            if loop.time() - started >= self._config.healthy_s:
                self._backoff.reset()
            is_refused = self._state is FeedState.REFUSED
            wait_s = self._config.refused_wait_s if is_refused else self._backoff.next_wait_s()
            self._rest_until = max(self._rest_until, loop.time() + wait_s)
            # A refusal may be parsed only after the venue has closed, and then makes the rest longer.
            while (wait_s := self._rest_until - loop.time()) > 0:
                self._detail = f"{self._detail.partition(_AGAIN)[0]}{_AGAIN}{wait_s:.1f} s"
                await asyncio.sleep(wait_s)
            self._reconnects += 1

    def handle(self, control: Control) -> None:
        """Take what the parser found in this connection's frames: what the venue confirmed or refused.

        Frames are parsed a little later, and may be those of a connection that is gone. Then only a refusal matters: it
        tells why the venue hung up, and how long to leave it alone.
        """
        if isinstance(control, Refused):
            self._refusal = control
            self._rest_until = max(self._rest_until, asyncio.get_running_loop().time() + control.wait_s)
        if self._listener is None:
            if isinstance(control, Refused) and self._confirmed is None:
                self._enter(FeedState.REFUSED if control.is_final else FeedState.DOWN, control.reason)
            return
        if isinstance(control, Invited):
            self._sign_on(self._listener, control.step)
        elif isinstance(control, Acknowledged):
            self._confirmed = control
        missing = self._missing()
        if not missing:
            self._enter(FeedState.LIVE, "")
        elif self._refusal is not None:
            self._enter(FeedState.REFUSED, self._refusal.reason)
        else:
            self._enter(FeedState.CONNECTING, f"not confirmed yet: {missing}")

    def resync(self, venue_symbol: str) -> None:
        """Ask the stream for an instrument's book anew, the other instruments left alone: unsubscribe, subscribe."""
        channels = tuple(c for c in self._config.subscription.channels if c in (Channel.BOOK, Channel.BOOK_FULL))
        if self._listener is None or not channels:
            return
        book = Subscription(channels, (venue_symbol,))
        again = self._venue.subscribe_frames(book, self._config.credentials, self._clock.now_ns())
        for frame in (*self._venue.unsubscribe_frames(book), *again[self._venue.spec.sign_on_frames :]):
            self._listener.send(frame)

    def answer(self, request: RestRequest, body: bytes) -> None:
        """Put the answer to a REST request among this connection's frames; see `fulltape.venues.base.Parser`."""
        if self._listener is not None:
            self._sink.frame(self._listener.connection, answer_frame(request, body), self._clock.now_ns())

    def seen(self, ingest_times: Mapping[str, int]) -> None:
        """Note when the newest frame of each venue symbol came (ns)."""
        self._seen.update(ingest_times)

    def status(self) -> FeedStatus:
        """Return the state of the feed now."""
        now_ns, last = self._clock.now_ns(), self._traffic.last_ingest
        symbols = self._config.subscription.symbols
        return FeedStatus(
            name=self._config.name,
            venue=self._venue.spec.name,
            url=self._config.url,
            state=self._state,
            detail=self._detail,
            simulated=self._simulated,
            since=self._since,
            frames=self._traffic.frames,
            bytes=self._traffic.bytes,
            reconnects=self._reconnects,
            last_frame_age_s=None if last is None else (now_ns - last) / SECOND_NS,
            channels=tuple(self._config.subscription.channels),
            instruments=tuple(self._venue.instrument(symbol).id for symbol in symbols),
            stale_instruments=tuple(self._venue.instrument(s).id for s in symbols if self._is_stale(s, now_ns)),
        )

    async def _connect_and_watch(self) -> None:
        """Live through one connection; afterwards the state and the detail say why it ended."""
        config = self._config
        self._confirmed = self._refusal = None
        connection = Connection(config.name, self._venue.spec.name)
        listener = SocketListener(connection, self._sink, self._clock, self._traffic, config.max_frame_bytes)
        try:
            await self._connect(listener)
            self._listener = listener
            self._enter(FeedState.CONNECTING, "connected, subscribing")
            await self._subscribe(listener)
            state, listener.reason = await self._watch(listener)
            self._enter(state, listener.reason)
        except TimeoutError:
            self._enter(FeedState.DOWN, f"no answer from {config.url} in {config.connect_timeout_s:g} s")
        except (OSError, WSError) as error:
            self._enter(FeedState.DOWN, f"cannot connect to {config.url}: {str(error) or type(error).__name__}")
        except asyncio.CancelledError:
            listener.reason = "stopped"
            raise
        finally:
            self._listener = None
            await listener.close(config.close_timeout_s)

    async def _connect(self, listener: SocketListener) -> None:
        config = self._config
        opened: list[socket.socket] = []

        async def open_socket(url: WSParsedURL) -> socket.socket:
            opened.append(await connect_socket(url.host, url.port))
            return opened[-1]

        try:
            async with asyncio.timeout(config.connect_timeout_s):
                await ws_connect(
                    lambda: listener,
                    config.url,
                    socket_factory=open_socket,
                    websocket_handshake_timeout=config.connect_timeout_s,
                    max_frame_size=config.max_frame_bytes,
                    # The loop's own transports are as fast here, and do not fill the log when TLS is refused.
                    use_aiofastnet=False,
                )
        except BaseException:
            # Given up during the handshake, ws_connect leaves its connection open: end it from below.
            for one in [] if listener.is_connected else opened:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            raise
        self._simulated = listener.connection.simulated

    def _sign_on(self, listener: SocketListener, step: int) -> None:
        """Send what the venue waits for: one frame that signs on, or after the last of them those that subscribe."""
        frames = self._frames()
        signing = self._venue.spec.sign_on_frames
        for frame in frames[step : step + 1] if step < signing else frames[signing:]:
            listener.send(frame)

    def _frames(self) -> list[bytes]:
        config = self._config
        return self._venue.subscribe_frames(config.subscription, config.credentials, self._clock.now_ns())

    async def _subscribe(self, listener: SocketListener) -> None:
        if self._venue.spec.sign_on_frames:
            return  # the venue speaks first
        for number, frame in enumerate(self._frames()):
            if number:
                await asyncio.sleep(1.0 / self._venue.spec.max_messages_per_s)
            listener.send(frame)

    async def _watch(self, listener: SocketListener) -> tuple[FeedState, str]:
        """Wait for the end of the connection, or for a reason to end it, and return the state that follows."""
        loop = asyncio.get_running_loop()
        tick_s = min(0.25, self._config.silence_s / 4, self._config.acknowledge_timeout_s / 4)
        asked = loop.time()
        keepalive = self._venue.spec.keepalive
        due = math.inf if keepalive is None else asked + keepalive.every_s
        while not listener.ended.is_set():
            if keepalive is not None and loop.time() >= due:
                listener.send(keepalive.payload)
                due += keepalive.every_s
            if listener.is_paused:
                asked = loop.time()  # the answer may wait in the sink
            elif (verdict := self._judge(loop.time() - listener.last_frame, loop.time() - asked)) is not None:
                return verdict
            await listener.wait_ended(tick_s)
        return self._verdict_of_the_end(listener.reason)

    def _verdict_of_the_end(self, reason: str) -> tuple[FeedState, str]:
        """Return what the end of a connection means: a venue that refuses may hang up at once."""
        refusal = self._refusal
        if refusal is None or self._confirmed is not None:
            return FeedState.DOWN, reason
        return FeedState.REFUSED if refusal.is_final else FeedState.DOWN, refusal.reason

    def _judge(self, silent_s: float, asked_s: float) -> tuple[FeedState, str] | None:
        """Return why to give this connection up, if there is a reason."""
        config, refusal = self._config, self._refusal
        if silent_s >= config.silence_s:
            return FeedState.STALE, f"silent for {config.silence_s:g} s"
        if refusal is not None and not refusal.is_final:
            return FeedState.DOWN, refusal.reason
        missing = self._missing()
        if not missing or asked_s < config.acknowledge_timeout_s:
            return None
        if refusal is None:
            return FeedState.DOWN, f"not confirmed in {config.acknowledge_timeout_s:g} s: {missing}"
        if self._confirmed is None or not self._confirmed.channels:
            return FeedState.REFUSED, refusal.reason
        return None  # what was refused stays refused, and the rest of the subscription lives

    def _missing(self) -> str:
        """Return in words what was asked for and is not confirmed. An empty list of symbols confirms all of them."""
        confirmed = self._confirmed.channels if self._confirmed else {}
        gaps = []
        for channel in self._config.subscription.channels:
            symbols = confirmed.get(channel)
            if symbols is None:
                gaps.append(str(channel))
            elif symbols and (left := [s for s in self._config.subscription.symbols if s not in symbols]):
                gaps.append(f"{channel} of {', '.join(left)}")
        return "; ".join(gaps)

    def _is_stale(self, symbol: str, now_ns: int) -> bool:
        if self._state is not FeedState.LIVE:
            return False
        last = max(self._seen.get(symbol, 0), self._since)
        return now_ns - last >= self._venue.spec.stale_s * SECOND_NS

    def _enter(self, state: FeedState, detail: str) -> None:
        if state is not self._state:
            self._since = self._clock.now_ns()
            _log.log(_LEVELS[state], "%s: %s %s", self._config.name, state, detail)
        self._state, self._detail = state, detail
