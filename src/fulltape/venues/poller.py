"""Pollers: what `fulltape.venues.session` is for streams, for venues that must be asked.

A poller makes the venue's requests again and again, through the REST client, and hands the answers on as frames of a
connection: it comes up with the first answer and goes down with the first failure. It asks no more often than the
day's credits allow, spread over what is left of the day.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random
from types import TracebackType
from typing import Final, Protocol, Self

from fulltape.clock import SECOND_NS, Clock
from fulltape.errors import ConfigError, CreditsSpent, MalformedFrame, TransientError
from fulltape.records.frames import Connection, EventKind, FrameSink, SessionEvent
from fulltape.records.status import FeedState, FeedStatus
from fulltape.venues.backoff import Backoff
from fulltape.venues.base import Acknowledged, Control, PolledVenue, Refused, RestRequest, answer_frame
from fulltape.venues.credits import DAY_S, Credits
from fulltape.venues.session import SessionConfig
from fulltape.venues.standing import Standing

_log = logging.getLogger(__name__)
_CHECK_EVERY_S: Final = 3_600.0
_NEW_DAY_S: Final = 600.0
"""So long after 00:00 UTC the venue's count is not asked for: by its clock it may still be that of the old day."""


class Asker(Protocol):
    """What of `fulltape.venues.rest.RestClient` a poller uses."""

    simulated: bool

    async def get(self, request: RestRequest) -> bytes:
        """Return the body of the answer; see `RestClient.get`."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Purse:
    """Who asks the venue, and what with: each question that ``opened`` asks takes from ``credits`` by itself."""

    opened: Callable[[], Asker]
    credits: Credits


class Poller:
    """Asks one venue for ever. Everything happens on the event loop that calls `run`.

    Raises ConfigError at once for a subscription that the venue does not offer, or without its key.
    """

    def __init__(
        self,
        venue: PolledVenue,
        config: SessionConfig,
        purse: Purse,
        sink: FrameSink,
        clock: Clock,
        random: Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        venue.subscribe_frames(config.subscription, config.credentials, clock.now_ns())
        self._venue = venue
        self._config = config
        self._subscription = config.subscription
        self._purse = purse
        self._sink = sink
        self._clock = clock
        self._backoff = Backoff(random, base_s=config.backoff_base_s, cap_s=config.backoff_cap_s)
        self._sleep = sleep
        self._standing = Standing(config.name, config.url, venue.spec, clock)
        self._connection: Connection | None = None
        self._refusal: Refused | None = None
        self._check_at = clock.now_ns()
        self._left = purse.credits.left()

    async def run(self) -> None:
        """Poll until cancelled."""
        self._standing.enter(FeedState.CONNECTING, f"asking {self._config.url}")
        async with self._purse.opened() as client:
            try:
                while True:
                    await self._sleep(await self._round(client))
                    # What the parser makes of an answer is known a little after it.
                    refusal, self._refusal = self._refusal, None
                    if refusal is not None:
                        rest_s = self._config.refused_wait_s if refusal.is_final else self._backoff.next_wait_s()
                        await self._sleep(max(rest_s, refusal.wait_s))
            finally:
                self._lose(self._standing.state, "stopped")

    def handle(self, control: Control) -> None:
        """Take what the parser found in the answers: which coins came, or that the venue refused."""
        if isinstance(control, Refused):
            self._refusal = control
            self._lose(FeedState.REFUSED if control.is_final else FeedState.DOWN, control.reason)
        elif isinstance(control, Acknowledged) and self._connection is not None:
            came = frozenset[str]().union(*control.channels.values())
            missing = [symbol for symbol in self._subscription.symbols if symbol not in came]
            self._standing.enter(FeedState.LIVE, f"the venue does not have {', '.join(missing)}" if missing else "")

    def follow(self, symbols: Iterable[str]) -> None:
        """Ask for more symbols from the next round on. Raises ConfigError for what the venue does not offer."""
        wanted = replace(self._subscription, symbols=tuple(dict.fromkeys((*self._subscription.symbols, *symbols))))
        self._venue.polls(wanted)
        self._subscription = wanted

    def unfollow(self, symbols: Iterable[str]) -> None:
        """Give symbols up; at least one must stay."""
        gone = frozenset(symbols)
        left = tuple(symbol for symbol in self._subscription.symbols if symbol not in gone)
        self._subscription = replace(self._subscription, symbols=left)

    def resync(self, venue_symbol: str) -> None:
        """Do nothing: there are no books."""

    def answer(self, request: RestRequest, body: bytes) -> None:
        """Do nothing: answers are asked for by `run`."""

    def seen(self, ingest_times: Mapping[str, int]) -> None:
        """Note when the newest row of each venue symbol came (ns)."""
        self._standing.seen(ingest_times)

    def status(self) -> FeedStatus:
        """Return the state of the feed now."""
        return self._standing.status(self._subscription, lambda symbol: self._venue.instrument(symbol).id, self._left)

    async def _round(self, client: Asker) -> float:
        """Ask everything once and return how long to wait (s); on trouble, say so and wait longer."""
        try:
            await self._check(client)
            wait_s = self._pace_s()
            if wait_s is None:
                raise CreditsSpent("the day's credits are spent but for the reserve", retry_after_s=self._day_left_s())
            for request in self._venue.polls(self._subscription):
                await self._ask(client, request)
        except ConfigError as error:
            self._lose(FeedState.REFUSED, str(error))
            return self._config.refused_wait_s
        except TransientError as error:
            self._lose(FeedState.DOWN, str(error))
            return max(self._backoff.next_wait_s(), error.retry_after_s or 0.0)
        finally:
            self._left = self._purse.credits.left()
        self._backoff.reset()
        return wait_s

    async def _check(self, client: Asker) -> None:
        """Ask the venue for its own count now and then: others may use the key."""
        now_ns = self._clock.now_ns()
        if now_ns < self._check_at or DAY_S - self._day_left_s() < _NEW_DAY_S:
            return
        body = await client.get(self._venue.credits_request())
        try:
            self._purse.credits.told(self._venue.parse_credits(body))
        except MalformedFrame as error:
            _log.warning("%s: does not say how many credits are left: %s", self._config.name, error)
        self._check_at = now_ns + int(_CHECK_EVERY_S * SECOND_NS)

    async def _ask(self, client: Asker, request: RestRequest) -> None:
        body = await client.get(request)
        if self._sink.is_full:
            await self._sink.drained()
        now_ns = self._clock.now_ns()
        self._standing.simulated = client.simulated
        if self._connection is None:
            self._connection = Connection(self._config.name, self._venue.spec.name, simulated=client.simulated)
            self._sink.event(SessionEvent(self._connection, EventKind.CONNECTED, now_ns))
        frame = answer_frame(request, body)
        self._standing.traffic.frames += 1
        self._standing.traffic.bytes += len(frame)
        self._standing.traffic.last_ingest = now_ns
        self._sink.frame(self._connection, frame, now_ns)

    def _pace_s(self) -> float | None:
        """Return how long a round may take (s) for the credits to last until 00:00 UTC; None if they do not."""
        polling = self._venue.spec.polling
        assert polling is not None
        cost = sum(request.credits for request in self._venue.polls(self._subscription))
        rounds = (self._purse.credits.left() - polling.reserve) // cost
        return max(polling.every_s, self._day_left_s() / rounds) if rounds > 0 else None

    def _day_left_s(self) -> float:
        return DAY_S - self._clock.now_ns() / SECOND_NS % DAY_S

    def _lose(self, state: FeedState, detail: str) -> None:
        """End the connection, if there is one, and say why."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._standing.reconnects += 1
            self._sink.event(SessionEvent(connection, EventKind.DISCONNECTED, self._clock.now_ns(), detail))
        self._standing.enter(state, detail)
