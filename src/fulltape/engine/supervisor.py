"""The supervisor: starts the parts of a running fulltape, watches them, stops them in order.

It is what the API sees as its backend. A part that fails by surprise is logged and started again; what must not go
on (a full disk, simulated prices on their way into a live database) stops everything with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import fulltape
from fulltape.bus.base import Bus
from fulltape.capture.recorder import Recorder, Tee
from fulltape.clock import Clock
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import BookWanted, Outcome, Pipeline
from fulltape.engine.runner import LiveClock, Runner, RunnerConfig
from fulltape.errors import FatalError, FulltapeError
from fulltape.records import Instrument
from fulltape.records.frames import Connection, FrameSink, SessionEvent
from fulltape.records.status import FeedStatus, Status
from fulltape.stores.base import Reader, Retention, Store
from fulltape.venues.base import RestRequest, Venue
from fulltape.venues.poller import Poller
from fulltape.venues.session import Session, SessionConfig

_log = logging.getLogger(__name__)
_RETAIN_EVERY_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Feed:
    """One connection to keep: the venue, how, and how to ask its REST interface (None: do not ask).

    ``poller`` makes what asks a venue without a stream, given where the answers go; None for a venue that has one.
    """

    venue: Venue
    session: SessionConfig
    fetch: Callable[[RestRequest], Awaitable[bytes]] | None = None
    poller: Callable[[FrameSink], Poller] | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the supervisor is given: everything concrete is chosen elsewhere."""

    store: Store
    bus: Bus
    pipeline: Pipeline
    clock: Clock
    random: Random
    feeds: Sequence[Feed]
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    max_queued_frames: int = 200_000
    retention: Retention = field(default_factory=Retention)
    recorder: Recorder | None = None
    retry_s: float = 5.0
    """How long a part that failed rests before it begins again."""


class Supervisor:
    """A running fulltape. `run` lives until cancelled or until something must stop it."""

    def __init__(self, parts: Parts) -> None:
        self.bus = parts.bus
        self._parts = parts
        self._started = parts.clock.now_ns()
        self._intake = Intake(parts.max_queued_frames)
        self._error = ""
        self._failed: asyncio.Event = asyncio.Event()
        sink: FrameSink = _Guard(self._intake, parts.store.identity.simulated, self._refuse)
        if parts.recorder is not None:
            sink = Tee(sink, parts.recorder)
        self._feeds = {feed.session.name: feed for feed in parts.feeds}
        self._fetching: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._sessions: dict[str, Session | Poller] = {
            feed.session.name: feed.poller(sink)
            if feed.poller
            else Session(feed.venue, feed.session, sink, parts.clock, parts.random)
            for feed in parts.feeds
        }
        self._runner = Runner(
            parts.pipeline, self._intake, parts.store, parts.bus, LiveClock(parts.clock), parts.runner, self._heard
        )

    async def run(self) -> None:
        """Restore, follow the feeds, commit; on cancellation stop cleanly and commit what has arrived.

        Raises FatalError when going on would lose or falsify data, ConfigError when the store holds another
        configuration's state.
        """
        await self._runner.restore()
        for feed in self._parts.feeds:
            self._parts.pipeline.follow(feed.session.name, feed.venue, feed.session.subscription.symbols)
        engine = asyncio.create_task(self._runner.run(), name="engine")
        others = [
            *(asyncio.create_task(self._keep(session.run), name=name) for name, session in self._sessions.items()),
            *(asyncio.create_task(self._keep_once(feed)) for feed in self._parts.feeds if feed.fetch),
            asyncio.create_task(self._keep(self._retain), name="retention"),
        ]
        failed = asyncio.create_task(self._failed.wait())
        try:
            await asyncio.wait((engine, failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._stop(engine, [*others, failed])
        if self._error:
            raise FatalError(self._error)

    def reader(self) -> Reader:
        """Return a store reader for the calling thread."""
        return self._parts.store.reader()

    def instruments(self) -> tuple[Instrument, ...]:
        """Return every instrument by code."""
        return tuple(self._parts.pipeline.table)

    def status(self) -> Status:
        """Return the state of feeds and engine now."""
        return Status(
            version=fulltape.__version__,
            simulated=self._parts.store.identity.simulated,
            started=self._started,
            feeds=self.feeds(),
            engine=self._runner.status(self._parts.clock.now_ns(), self._error),
        )

    def feeds(self) -> tuple[FeedStatus, ...]:
        """Return the state of every feed."""
        return tuple(session.status() for session in self._sessions.values())

    async def _stop(
        self, engine: asyncio.Task[None], others: Sequence[asyncio.Task[None] | asyncio.Task[bool]]
    ) -> None:
        """End the feeds, then let the engine commit what is left."""
        others = [*others, *self._fetching.values()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._intake.close()
        try:
            await engine
        except FulltapeError as error:
            self._error = self._error or str(error)
        finally:
            await self.bus.close()
            if self._parts.recorder is not None:
                await asyncio.to_thread(self._parts.recorder.close)

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` for ever: what ends it by surprise is logged, and it begins again."""
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001 - the one place where any error is survived
                _log.exception("a part of fulltape failed; starting it again in %g s", self._parts.retry_s)
            await asyncio.sleep(self._parts.retry_s)

    async def _keep_once(self, feed: Feed) -> None:
        """Ask a venue for its instruments; without an answer the steps stay unknown and everything else works."""
        assert feed.fetch is not None
        try:
            instruments = feed.venue.parse_instruments(await feed.fetch(feed.venue.instruments_request()))
        except FulltapeError as error:
            _log.warning("%s: no list of instruments: %s", feed.session.name, error)
        else:
            await self._runner.on_engine(lambda: self._parts.pipeline.learn(instruments))

    def _resync(self, wanted: BookWanted) -> None:
        """Get a book's snapshot where its venue has it: from the stream, or by REST."""
        feed = self._feeds.get(wanted.connection)
        if feed is None:
            return
        _log.warning("%s: the book of %s starts over: %s", wanted.connection, wanted.venue_symbol, wanted.trouble)
        if not feed.venue.spec.books_by_rest:
            self._sessions[wanted.connection].resync(wanted.venue_symbol)
        elif feed.fetch is not None and (key := (wanted.connection, wanted.venue_symbol)) not in self._fetching:
            task = self._fetching[key] = asyncio.create_task(self._fetch_book(feed, wanted.venue_symbol))
            task.add_done_callback(lambda _: self._fetching.pop(key, None))

    async def _fetch_book(self, feed: Feed, venue_symbol: str) -> None:
        """Ask until there is an answer: without one the book stays invalid, and says so."""
        assert feed.fetch is not None
        request = feed.venue.book_request(venue_symbol)
        while True:
            try:
                body = await feed.fetch(request)
            except FulltapeError as error:
                _log.warning("%s: no book of %s: %s", feed.session.name, venue_symbol, error)
                await asyncio.sleep(self._parts.retry_s)
            else:
                self._sessions[feed.session.name].answer(request, body)
                return

    async def _retain(self) -> None:
        if self._parts.retention.days:
            deleted = await self._runner.retain(self._parts.retention, self._parts.clock.now_ns())
            _log.info("retention deleted %s", deleted)
        await asyncio.sleep(_RETAIN_EVERY_S)

    def _heard(self, outcome: Outcome) -> None:
        """Tell sessions what the parser found in their frames."""
        for name, control in outcome.controls:
            with contextlib.suppress(KeyError):
                self._sessions[name].handle(control)
        for name, times in outcome.seen.items():
            with contextlib.suppress(KeyError):
                self._sessions[name].seen(times)
        for wanted in outcome.books_wanted:
            self._resync(wanted)

    def _refuse(self, connection: Connection) -> None:
        kind, other = ("simulated", "live") if connection.simulated else ("live", "simulated")
        self._error = (
            f"{connection.name} sends {kind} prices, but the database holds {other} ones: choose another with --db"
        )
        self._failed.set()


class _Guard:
    """Lets no simulated price into a live database, and no live one into a simulated."""

    def __init__(self, sink: FrameSink, simulated: bool, refuse: Callable[[Connection], None]) -> None:
        self._sink = sink
        self._simulated = simulated
        self._refuse = refuse

    def frame(self, connection: Connection, payload: bytes, ingest_time: int) -> None:
        """Pass a frame on if its connection may write here."""
        if connection.simulated is self._simulated:
            self._sink.frame(connection, payload, ingest_time)

    def event(self, event: SessionEvent) -> None:
        """Pass an event on if its connection may write here; else stop."""
        if event.connection.simulated is self._simulated:
            self._sink.event(event)
        else:
            self._refuse(event.connection)

    @property
    def is_full(self) -> bool:
        """Whether the caller must stop reading."""
        return self._sink.is_full

    async def drained(self) -> None:
        """Return when there is room again."""
        await self._sink.drained()
