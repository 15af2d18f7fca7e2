"""The supervisor: starts the parts of a running fulltape, watches them, stops them in order.

It is what the API sees as its backend. A part that fails by surprise is logged and started again; what must not go
on (a full disk, simulated prices on their way into a live database) stops everything with its reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

import fulltape
from fulltape.books.l2 import NO_SNAPSHOT
from fulltape.books.levels import Seen
from fulltape.bus.base import Bus
from fulltape.bus.topics import Topics
from fulltape.capture.recorder import Recorder, Tee
from fulltape.clock import Clock
from fulltape.engine.alerts.marks import MarkFile
from fulltape.engine.alerts.notifier import Notifier, Target
from fulltape.engine.config import ExportsConfig, HistoryConfig
from fulltape.engine.connections import Connections
from fulltape.engine.exports import CsvFiles
from fulltape.engine.feed import Feed, Link
from fulltape.engine.following import Following
from fulltape.engine.history.past import Past
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import BookWanted, Outcome, Pipeline
from fulltape.engine.publishing import LogPart, Publisher
from fulltape.engine.runner import LiveClock, Runner, RunnerConfig
from fulltape.errors import FatalError, FulltapeError, TransientError
from fulltape.records import Instrument
from fulltape.records.delivery import Delivery, Receipt
from fulltape.records.frames import Connection, FrameSink, SessionEvent
from fulltape.records.status import FeedStatus, Status
from fulltape.stores.base import Reader, Retention, Sandbox, Store
from fulltape.venues.session import Session, SessionConfig

_log = logging.getLogger(__name__)
_RETAIN_EVERY_S: Final = 3_600.0


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
    history: HistoryConfig = field(default_factory=HistoryConfig)
    exports: ExportsConfig = field(default_factory=ExportsConfig)
    log: LogPart | None = None
    topics: Topics | None = None
    targets: Sequence[Target] = ()
    marks: MarkFile | None = None
    """Where it is kept up to where targets have been told of alerts; needed if there are any."""
    retry_s: float = 5.0
    """How long a part that failed rests before it begins again."""
    relist_s: float = 60.0
    """How long after a failure a venue is asked for its instruments again."""


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
        self._sink = sink
        self._fetching: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._runner = Runner(
            parts.pipeline, self._intake, parts.store, parts.bus, LiveClock(parts.clock), parts.runner, self._heard
        )
        simulated, retry_s = parts.store.identity.simulated, parts.retry_s
        self.past = Past(self._runner, parts.clock, parts.history, simulated=simulated, retry_s=retry_s)
        self._connections = Connections(self._runner, self._link, self._keep_link)
        self.topics = parts.topics
        self._publisher: Publisher | None = None
        if parts.log is not None:
            self._publisher = Publisher(
                parts.log, parts.bus, self.reader, self.instruments, parts.store.identity, retry_s
            )
        self._notifier = (
            None if parts.marks is None else Notifier(parts.targets, parts.marks, self, simulated=simulated)
        )
        self.following = Following(parts.feeds, self._connections, self._runner, parts.bus, parts.relist_s)

    async def run(self) -> None:
        """Restore, follow the feeds, commit; on cancellation stop cleanly and commit what has arrived.

        Raises FatalError when going on would lose or falsify data, ConfigError when the store holds another
        configuration's state.
        """
        await self._runner.restore()
        engine = asyncio.create_task(self._runner.run(), name="engine")
        retention = asyncio.create_task(self._keep(self._retain), name="retention")
        failed = asyncio.create_task(self._failed.wait())
        beside, publishing = [*self._export(), *self._notify()], self._publish()
        try:
            await self.following.begin()
            self._ask_for_lists(self._parts.feeds)
            await asyncio.wait((engine, failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._stop(engine, [retention, failed, *beside], publishing)
        if self._error:
            raise FatalError(self._error)

    def reader(self) -> Reader:
        """Return a store reader for the calling thread."""
        return self._parts.store.reader()

    def sandbox(self) -> Sandbox:
        """Return what runs SQL from strangers."""
        return self._parts.store.sandbox()

    def instruments(self) -> tuple[Instrument, ...]:
        """Return every instrument by code."""
        return tuple(self._parts.pipeline.table)

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Commit what somebody brings. Raises TransientError when the engine has stopped."""
        if self._error:
            raise TransientError(f"the engine has stopped: {self._error}")
        return await self._runner.commit(delivery)

    async def look(self, code: int, count: int) -> Seen:
        """Return the best levels of a book. Raises TransientError when the engine has stopped."""
        return await self._runner.look(code, count)

    def now_ns(self) -> int:
        """Return the time."""
        return self._parts.clock.now_ns()

    def status(self) -> Status:
        """Return the state of feeds and engine now."""
        engine = self._runner.status(self._parts.clock.now_ns(), self._error)
        return Status(
            version=fulltape.__version__,
            simulated=self._parts.store.identity.simulated,
            started=self._started,
            feeds=self.feeds(),
            engine=engine,
            following=self.following.status(),
            kafka=self._publisher.status(engine.commit) if self._publisher else None,
            targets=() if self._notifier is None else self._notifier.status(),
            recording=None if self._parts.recorder is None else self._parts.recorder.status(),
        )

    def feeds(self) -> tuple[FeedStatus, ...]:
        """Return the state of every feed."""
        return tuple(one.link.status() for one in self._connections)

    async def renew(self, feeds: Sequence[Feed]) -> None:
        """Follow what another configuration names. Raises ConfigError for what a venue does not offer."""
        await self.following.renew(feeds)
        self._ask_for_lists(feeds)

    def _link(self, feed: Feed, config: SessionConfig) -> Link:
        """Make what keeps a connection."""
        if feed.poller is not None:
            return feed.poller(config, self._sink)
        return Session(feed.venue, config, self._sink, self._parts.clock, self._parts.random)

    def _ask_for_lists(self, feeds: Sequence[Feed]) -> None:
        """Keep asking each venue for its instruments, through one of its feeds."""
        for task in self._asking.values():
            task.cancel()
        venues = {feed.venue.spec.name: feed for feed in reversed(feeds) if feed.fetch}
        self._asking = {
            name: asyncio.create_task(self._keep(partial(self.following.watch, feed)), name=f"list of {name}")
            for name, feed in venues.items()
        }
        self._asking |= {
            f"past of {name}": asyncio.create_task(self._keep(partial(self.past.keep, feed)), name=f"past of {name}")
            for name, feed in venues.items()
            if feed.history
        }

    async def _stop(
        self,
        engine: asyncio.Task[None],
        others: Sequence[asyncio.Task[None] | asyncio.Task[bool]],
        publishing: Sequence[asyncio.Task[None]],
    ) -> None:
        """End the feeds, then let the engine commit what is left, and the publisher tell it."""
        links = [one.task for one in self._connections]
        others = [*others, *links, *self._asking.values(), *self._telling, *self._fetching.values()]
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
            if self._publisher is not None:
                await self._publisher.drained()
            for task in publishing:
                task.cancel()
            await asyncio.gather(*publishing, return_exceptions=True)
            if self._parts.recorder is not None:
                await asyncio.to_thread(self._parts.recorder.close)

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` for ever: however it ends it begins again after a rest, and a failure is logged."""
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001 - the one place where any error is survived
                _log.exception("a part of fulltape failed; starting it again in %g s", self._parts.retry_s)
            await asyncio.sleep(self._parts.retry_s)

    async def _keep_link(self, feed: Feed, name: str, link: Link) -> None:
        """Keep a connection, but where sizes are contracts not before it is known how much these are."""
        if feed.fetch is not None and self._parts.pipeline.lacks_contract_sizes(name):
            await self.following.listed(feed.venue.spec.name)
        await self._keep(link.run)

    def _resync(self, wanted: BookWanted) -> None:
        """Get a book's snapshot where its venue has it: from the stream, or by REST."""
        one = self._connections.find(wanted.connection)
        if one is None:
            return
        feed, link = one.feed, one.link
        level = logging.INFO if wanted.trouble == NO_SNAPSHOT else logging.WARNING
        _log.log(level, "%s: the book of %s starts over: %s", wanted.connection, wanted.venue_symbol, wanted.trouble)
        if not feed.venue.spec.books_by_rest:
            link.resync(wanted.venue_symbol)
        elif feed.fetch is not None and (key := (wanted.connection, wanted.venue_symbol)) not in self._fetching:
            task = self._fetching[key] = asyncio.create_task(self._fetch_book(feed, link, wanted.venue_symbol))
            task.add_done_callback(lambda _: self._fetching.pop(key, None))

    async def _fetch_book(self, feed: Feed, link: Link, venue_symbol: str) -> None:
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
                link.answer(request, body)
                return

    async def _retain(self) -> None:
        if self._parts.retention.days:
            deleted = await self._runner.retain(self._parts.retention, self._parts.clock.now_ns())
            _log.info("retention deleted %s", deleted)
        await asyncio.sleep(_RETAIN_EVERY_S)

    def _export(self) -> list[asyncio.Task[None]]:
        """Keep files up to date, if that is wanted."""
        wanted = self._parts.exports
        if not wanted.csv_dir:
            return []
        files = CsvFiles(wanted, self.reader, self.instruments, self._parts.clock)
        return [asyncio.create_task(self._keep(files.keep), name="exports")]

    def _publish(self) -> list[asyncio.Task[None]]:
        """Publish what is committed, if that is wanted."""
        if self._publisher is None:
            return []
        return [asyncio.create_task(self._keep(self._publisher.run), name="publisher")]

    def _notify(self) -> list[asyncio.Task[None]]:
        """Tell targets of alerts, if there are any."""
        if self._notifier is None:
            return []
        return [asyncio.create_task(self._keep(self._notifier.keep), name="notifier")]

    def _heard(self, outcome: Outcome) -> None:
        """Tell sessions what the parser found in their frames."""
        links = {one.name: one.link for one in self._connections}
        for name, control in outcome.controls:
            if name in links:
                links[name].handle(control)
        for name, times in outcome.seen.items():
            if name in links:
                links[name].seen(times)
        for venue in {row.venue for row in outcome.listed}:
            news = [row for row in outcome.listed if row.venue == venue]
            self._telling.add(task := asyncio.create_task(self.following.told(venue, news, whole=False)))
            task.add_done_callback(self._telling.discard)
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
