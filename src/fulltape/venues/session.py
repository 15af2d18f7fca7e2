"""Sessions: keep one subscription to a venue alive. With `fulltape.venues.listener` the only code that opens sockets.

A session connects, subscribes, watches that the venue confirms and keeps talking, and on any trouble starts over,
until it is cancelled. It knows no venue: what to send and what answers mean comes from the venue file.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Final

import msgspec
from picows import WSError, WSParsedURL, ws_connect

from fulltape.clock import Clock
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
from fulltape.venues.listener import SocketListener, connect_socket
from fulltape.venues.outbox import Outbox
from fulltape.venues.standing import Standing

_AGAIN: Final = "; trying again in "


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How one connection is kept. Durations are seconds.

    ``name`` is unique in the process. A connection that lived ``healthy_s`` starts its back-off anew; after a final
    refusal of everything the venue is asked again every ``refused_wait_s``.
    """

    name: str
    url: str
    subscription: Subscription
    ids: Mapping[str, str] = {}
    """The instruments of symbols that do not tell them by themselves."""
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
        self._ids = dict(config.ids)
        self._config = config
        self._subscription = config.subscription
        self._sink = sink
        self._clock = clock
        self._backoff = Backoff(random, base_s=config.backoff_base_s, cap_s=config.backoff_cap_s)
        self._standing = Standing(config.name, config.url, venue.spec, clock)
        self._listener: SocketListener | None = None
        self._outbox: Outbox | None = None
        self._has_subscribed = False
        self._was_confirmed = False
        self._asked = 0.0
        self._confirmed: Acknowledged | None = None
        self._refusal: Refused | None = None
        self._rest_until = 0.0

    async def run(self) -> None:
        """Keep the connection until cancelled; cancelling closes it cleanly within a second."""
        loop = asyncio.get_running_loop()
        self._standing.enter(FeedState.CONNECTING, f"connecting to {self._config.url}")
        while True:
            started = loop.time()
            await self._connect_and_watch()
            if loop.time() - started >= self._config.healthy_s:
                self._backoff.reset()
            is_refused = self._standing.state is FeedState.REFUSED
            wait_s = self._config.refused_wait_s if is_refused else self._backoff.next_wait_s()
            self._rest_until = max(self._rest_until, loop.time() + wait_s)
            # A refusal may be parsed only after the venue has closed, and then makes the rest longer.
            while (wait_s := self._rest_until - loop.time()) > 0:
                self._standing.detail = f"{self._standing.detail.partition(_AGAIN)[0]}{_AGAIN}{wait_s:.1f} s"
                await asyncio.sleep(wait_s)
            self._standing.reconnects += 1

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
                self._standing.enter(FeedState.REFUSED if control.is_final else FeedState.DOWN, control.reason)
            return
        if isinstance(control, Invited):
            self._sign_on(control.step)
        elif isinstance(control, Acknowledged):
            self._confirmed = control
        self._look()

    def follow(self, instruments: Mapping[str, str]) -> None:
        """Ask for more symbols, given with their instruments' ids; what is received already is left alone."""
        have = self._subscription.symbols
        added = tuple(symbol for symbol in instruments if symbol not in have)
        if not added:
            return
        if not self._missing():
            self._refusal = None  # it was of something that nobody asks for any more
        self._ids.update(instruments)
        self._standing.seen(dict.fromkeys(added, self._clock.now_ns()))
        self._subscription = replace(self._subscription, symbols=(*have, *added))
        if self._has_subscribed:
            self._ask(self._frames(replace(self._subscription, symbols=added)))
            self._look()

    def unfollow(self, symbols: Iterable[str]) -> None:
        """Give symbols up, in every channel that brings them; at least one must stay."""
        gone = frozenset(symbols) & frozenset(self._subscription.symbols)
        if not gone:
            return
        confirmed = self._confirmed.channels if self._confirmed else {}
        brought = [channel for channel, listed in confirmed.items() if not gone.isdisjoint(listed)]
        less = Subscription(tuple(dict.fromkeys((*self._subscription.channels, *brought))), tuple(sorted(gone)))
        left = tuple(symbol for symbol in self._subscription.symbols if symbol not in gone)
        self._subscription = replace(self._subscription, symbols=left)
        if self._outbox is None or not self._has_subscribed:
            return
        if confirmed:
            self._outbox.put(self._venue.unsubscribe_frames(less))
        else:  # for their sake the venue may have refused everything
            self._refusal = None
            self._ask(self._frames(self._subscription))
        self._look()

    def resync(self, venue_symbol: str) -> None:
        """Ask the stream for an instrument's book anew, the other instruments left alone: unsubscribe, subscribe."""
        channels = tuple(c for c in self._subscription.channels if c in (Channel.BOOK, Channel.BOOK_FULL))
        if self._outbox is None or not channels or venue_symbol not in self._subscription.symbols:
            return
        book = Subscription(channels, (venue_symbol,))
        self._outbox.put((*self._venue.unsubscribe_frames(book), *self._frames(book)))

    def answer(self, request: RestRequest, body: bytes) -> None:
        """Put the answer to a REST request among this connection's frames; see `fulltape.venues.base.Parser`."""
        if self._listener is not None:
            self._sink.frame(self._listener.connection, answer_frame(request, body), self._clock.now_ns())

    def seen(self, ingest_times: Mapping[str, int]) -> None:
        """Note when the newest frame of each venue symbol came (ns)."""
        self._standing.seen(ingest_times)

    def status(self) -> FeedStatus:
        """Return the state of the feed now."""
        return self._standing.status(self._subscription, self._id_of)

    def _id_of(self, symbol: str) -> str:
        return self._ids.get(symbol) or self._venue.instrument(symbol).id

    async def _connect_and_watch(self) -> None:
        """Live through one connection; afterwards the state and the detail say why it ended."""
        config = self._config
        self._confirmed = self._refusal = None
        self._has_subscribed = self._was_confirmed = False
        connection = Connection(config.name, self._venue.spec.name)
        listener = SocketListener(connection, self._sink, self._clock, self._standing.traffic, config.max_frame_bytes)
        outbox = Outbox(listener, self._venue.spec.max_messages_per_s)
        sending = asyncio.create_task(outbox.run())
        try:
            await self._connect(listener)
            self._listener, self._outbox = listener, outbox
            self._standing.enter(FeedState.CONNECTING, "connected, subscribing")
            if not self._venue.spec.sign_on_frames:  # else the venue speaks first
                self._subscribe()
            state, listener.reason = await self._watch(listener, outbox)
            self._standing.enter(state, listener.reason)
        except TimeoutError:
            self._standing.enter(FeedState.DOWN, f"no answer from {config.url} in {config.connect_timeout_s:g} s")
        except (OSError, WSError) as error:
            self._standing.enter(
                FeedState.DOWN, f"cannot connect to {config.url}: {str(error) or type(error).__name__}"
            )
        except asyncio.CancelledError:
            listener.reason = "stopped"
            raise
        finally:
            self._listener = self._outbox = None
            sending.cancel()
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
        self._standing.simulated = listener.connection.simulated

    def _sign_on(self, step: int) -> None:
        """Send what the venue waits for: one frame that signs on, or after the last of them those that subscribe."""
        if step >= self._venue.spec.sign_on_frames:
            self._subscribe()
        elif self._outbox is not None:
            self._outbox.put(self._all_frames(self._subscription)[step : step + 1])

    def _subscribe(self) -> None:
        self._has_subscribed = True
        self._ask(self._frames(self._subscription))

    def _ask(self, frames: Iterable[bytes]) -> None:
        """Send frames that the venue must confirm in time."""
        if self._outbox is not None:
            self._outbox.put(frames)
            self._asked = asyncio.get_running_loop().time()

    def _frames(self, subscription: Subscription) -> list[bytes]:
        return self._all_frames(subscription)[self._venue.spec.sign_on_frames :]

    def _all_frames(self, subscription: Subscription) -> list[bytes]:
        return self._venue.subscribe_frames(subscription, self._config.credentials, self._clock.now_ns())

    async def _watch(self, listener: SocketListener, outbox: Outbox) -> tuple[FeedState, str]:
        """Wait for the end of the connection, or for a reason to end it, and return the state that follows."""
        loop = asyncio.get_running_loop()
        tick_s = min(0.25, self._config.silence_s / 4, self._config.acknowledge_timeout_s / 4)
        self._asked = loop.time()
        keepalive = self._venue.spec.keepalive
        due = math.inf if keepalive is None else self._asked + keepalive.every_s
        while not listener.ended.is_set():
            if keepalive is not None and loop.time() >= due:
                listener.send(keepalive.payload)
                due += keepalive.every_s
            if listener.is_paused or not outbox.is_empty:
                self._asked = loop.time()  # the answer may wait in the sink, or the question be on its way
            silent_s = 0.0 if listener.is_paused else loop.time() - listener.last_frame
            if (verdict := self._judge(silent_s, loop.time() - self._asked)) is not None:
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
            words = f"not confirmed in {config.acknowledge_timeout_s:g} s: {missing}"
            if not self._was_confirmed:
                return FeedState.DOWN, words
            # Asked for while the connection lived: what it brings already shall not suffer for it.
            refusal = self._refusal = Refused(words, is_final=True)
            self._look()
        if self._confirmed is None or not self._confirmed.channels:
            return FeedState.REFUSED, refusal.reason
        return None  # what was refused stays refused, and the rest of the subscription lives

    def _look(self) -> None:
        """Tell by what is confirmed where the connection stands."""
        missing = self._missing()
        if not missing:
            self._was_confirmed = True
            self._standing.enter(FeedState.LIVE, "")
        elif self._refusal is not None:
            self._standing.enter(FeedState.REFUSED, self._refusal.reason)
        else:
            self._standing.enter(FeedState.CONNECTING, f"not confirmed yet: {missing}")

    def _missing(self) -> str:
        """Return in words what was asked for and is not confirmed. An empty list of symbols confirms all of them."""
        confirmed = self._confirmed.channels if self._confirmed else {}
        gaps = []
        for channel in self._subscription.channels:
            symbols = confirmed.get(channel)
            if symbols is None:
                gaps.append(str(channel))
            elif symbols and (left := [s for s in self._subscription.symbols if s not in symbols]):
                gaps.append(f"{channel} of {', '.join(left)}")
        return "; ".join(gaps)
