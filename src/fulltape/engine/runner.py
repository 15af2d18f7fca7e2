"""The runner: takes what arrived, steps the pipeline, commits, publishes.

One step is worked on while the one before is being written: the pipeline runs in one thread, the store's writer in
another, and the event loop stays free for sockets. A commit is published only once it is in the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import msgspec

from fulltape.books.levels import Seen
from fulltape.bus.base import Bus
from fulltape.clock import SECOND_NS, Clock
from fulltape.engine import looks
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Outcome, Pipeline
from fulltape.engine.pipeline.delays import CommitWaits, sampled
from fulltape.errors import TransientError
from fulltape.records import CANDLES, TRADES, WINDOWS, Batch, Commit, Schema
from fulltape.records.delivery import Receipt
from fulltape.records.frames import Awaited, Chunk, Item
from fulltape.records.status import EngineStatus
from fulltape.stores.base import Reader, Retention, Selection, Store

_ENDED: Final = "the engine has stopped: nothing more is stored"

T = TypeVar("T")
Items = Sequence[Item]


class RunnerConfig(msgspec.Struct, frozen=True):
    """How often to commit: every ``flush_s``, or sooner when ``flush_records`` frames wait."""

    flush_s: float = 0.05
    flush_records: int = 5_000
    idle_s: float = 0.2
    commit_at_least_s: float = 1.0


class EngineClock(Protocol):
    """Tells the ingest time that the engine has reached."""

    def reached(self, items: Items) -> int:
        """Return the time (ns) that holds after ``items``."""
        ...


class LiveClock:
    """Time goes on whether or not frames come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def reached(self, items: Items) -> int:
        """Return the clock's time."""
        return self._clock.now_ns()


class RecordedClock:
    """Time is what the recording says, so that a replay at any speed gives the same output."""

    def __init__(self, start: int = 0) -> None:
        self._time = start

    def reached(self, items: Items) -> int:
        """Return the newest ingest time so far."""
        for item in items:
            newest = item.ingest_times[-1] if isinstance(item, Chunk) else item.ingest_time
            self._time = max(self._time, newest)
        return self._time


class CommittedHistory:
    """Reads what has been committed, once the commit that is being written is there."""

    def __init__(self, store: Store) -> None:
        self.writing: Future[None] | None = None
        self._store = store
        self._reader: Reader | None = None

    def trades(self, instrument: int, start: int, end: int) -> Batch:
        """Return every committed trade of the instrument with start <= event_time < end."""
        return self.read(Selection(TRADES, (instrument,), start=start, end=end))

    def candles(self, instrument: int, interval_s: int, start: int, end: int) -> Batch:
        """Return the committed candles that start in [start, end)."""
        return self.read(Selection(CANDLES, (instrument,), interval_s, start, end))

    def windows(self, instrument: int, start: int, end: int) -> Batch:
        """Return the committed windows that start in [start, end)."""
        return self.read(Selection(WINDOWS, (instrument,), start=start, end=end))

    def records(self, schema: Schema, instrument: int, start: int, end: int) -> Batch:
        """Return every committed record of a kind and instrument with start <= time < end."""
        return self.read(Selection(schema, (instrument,), start=start, end=end))

    def close(self) -> None:
        """Give the reader back."""
        if self._reader is not None:
            self._reader.close()

    def read(self, selection: Selection) -> Batch:
        """Return the selected rows."""
        if self.writing is not None:
            self.writing.result()
        if self._reader is None:
            self._reader = self._store.reader()
        return self._reader.read(selection)


class Runner:
    """Runs a pipeline into a store and a bus until its intake is closed and empty.

    ``heard`` is called on the loop after each step with what sessions must know. Raises what the store raises: after a
    FatalError nothing more is committed or published.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        intake: Intake,
        store: Store,
        bus: Bus,
        clock: EngineClock,
        config: RunnerConfig | None = None,
        heard: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self.pipeline = pipeline
        self._intake = intake
        self._store = store
        self._bus = bus
        self._clock = clock
        self._config = config or RunnerConfig()
        self._heard = heard
        self._engine = ThreadPoolExecutor(1, "engine")
        self._writer = ThreadPoolExecutor(1, "store")
        self._history = CommittedHistory(store)
        self._publishing: Awaitable[None] | None = None
        self._awaited: dict[Awaited, asyncio.Future[Receipt]] = {}
        self._looks = looks.Looks()
        self._has_ended = False
        self._number = 0
        self._reached = 0
        self._commit_s = 0.0
        self._waits = CommitWaits()
        self._oldest_stepped: int | None = None
        self._oldest_written: int | None = None

    async def restore(self) -> int:
        """Take up where the store's last commit ended; return its number, 0 in a new database.

        Raises ConfigError when the stored state was made with other intervals.
        """
        restored = await self.on_writer(self._store.restore)
        if restored.commit:
            await self.on_engine(lambda: self.pipeline.restore(restored.snapshots, restored.clock))
        self._number, self._reached = restored.commit, restored.clock
        return restored.commit

    async def run(self) -> None:
        """Step and commit until the intake is closed and everything in it is committed and published."""
        config, loop = self._config, asyncio.get_running_loop()
        try:
            while True:
                items = await self._intake.take(
                    wait_s=config.idle_s, flush_s=config.flush_s, enough=config.flush_records
                )
                if not items and self._intake.is_closed:
                    break
                self._oldest_stepped = next((item.ingest_times[0] for item in items if isinstance(item, Chunk)), None)
                clock = max(self._clock.reached(items), self._reached)
                looking = self._looks.take()
                outcome, levels = await loop.run_in_executor(self._engine, self._step, items, clock, looking)
                self._heard(outcome)
                await self._settle()
                awaited = [item for item in items if isinstance(item, Awaited)]
                if awaited or not outcome.is_empty or clock - self._reached >= config.commit_at_least_s * SECOND_NS:
                    self._write(outcome, clock, awaited, sampled(items))
                if looking:
                    self._publishing = asyncio.create_task(self._show(self._publishing, looking, levels, clock))
                self._oldest_stepped = None
        finally:
            try:
                await self._settle()
            finally:
                self._shut_down()
                self._let_go()

    async def commit(self, item: Awaited) -> Receipt:
        """Put something through the pipeline; return what became of it when it is in the store and published.

        Raises TransientError when the run ends without it: nothing of it is then in the store.
        """
        if self._has_ended:
            raise TransientError(_ENDED)
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._awaited[item] = done
        self._intake.awaited(item)
        try:
            return await done
        finally:
            del self._awaited[item]

    async def look(self, code: int, count: int) -> Seen:
        """Return ``count`` levels a side of a book after the next step, once what that made is published.

        Raises TransientError when the run ends before.
        """
        return await self._looks.look(code, count)

    def _shut_down(self) -> None:
        self._engine.shutdown(wait=True)
        self._history.close()
        self._writer.shutdown(wait=True)

    def _let_go(self) -> None:
        """Tell whoever waits for a commit that it will never come."""
        self._has_ended = True
        self._looks.end("the engine has stopped: no book is kept any more")
        for done in self._awaited.values():
            if not done.done():
                done.set_exception(TransientError(_ENDED))

    async def on_engine(self, work: Callable[[], T]) -> T:
        """Run ``work`` between two steps, in the pipeline's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._engine, work)

    async def read(self, selection: Selection) -> Batch:
        """Return committed rows, once the commit that is being written is there."""
        return await self.on_engine(lambda: self._history.read(selection))

    async def on_writer(self, work: Callable[[], T]) -> T:
        """Run ``work`` between two commits, in the store's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    async def retain(self, retention: Retention, now_ns: int) -> dict[str, int]:
        """Delete what is older than its table keeps, between two commits."""
        return await self.on_writer(lambda: self._store.retain(retention, now_ns))

    def status(self, now_ns: int, error: str = "") -> EngineStatus:
        """Return the engine's counters."""
        counters, books = self.pipeline.counters, self.pipeline.quotes.counters
        holes, missing = self.pipeline.open_holes()
        waiting = (self._oldest_written, self._oldest_stepped, self._intake.oldest)
        oldest = next((time for time in waiting if time is not None), None)
        return EngineStatus(
            commit=self._number,
            clock=self._reached,
            lag_s=max(0.0, (now_ns - oldest) / SECOND_NS) if oldest is not None else 0.0,
            queued_frames=self._intake.queued,
            commit_ms=self._commit_s * 1e3,
            frames=counters.frames,
            records=dict(counters.records),
            duplicates=counters.duplicates,
            gaps_open=holes,
            missing_trades=missing,
            late_trades=counters.late_trades,
            rejected=dict(counters.rejected),
            ignored=dict(counters.ignored),
            error=error,
            book_resyncs=books.resyncs,
            checksums_verified=books.verified,
            checksums_failed=books.failed,
            delays=self.pipeline.delays.told(),
            commit_wait=self._waits.told(),
            id_resets=counters.id_resets,
            early_trades=counters.early_trades,
            stale_candles=counters.stale_candles,
            alerts_not_news=self.pipeline.alerts.not_news,
        )

    def _step(self, items: Items, clock: int, looking: looks.Waiting) -> tuple[Outcome, looks.Copies]:
        outcome = self.pipeline.step(items, clock, self._history)
        return outcome, looks.copied(looking, self.pipeline.quotes.book)

    async def _show(
        self, publishing: Awaitable[None] | None, looking: looks.Waiting, levels: looks.Copies, clock: int
    ) -> None:
        """Answer those who look at books, once the commit of the same step is published."""
        number = self._number
        if publishing is not None:
            await publishing
        looks.answer(looking, levels, number, clock)

    def _write(self, outcome: Outcome, clock: int, awaited: Sequence[Awaited], came: Sequence[int]) -> None:
        """Hand a commit to the writer; `_settle` waits for it.

        ``awaited`` is what somebody waits for in it, ``came`` when some of its frames came.
        """
        self._number += 1
        self._reached = clock
        self._oldest_written = self._oldest_stepped
        commit = Commit(self._number, clock, outcome.batches, outcome.snapshots, outcome.instruments)
        self._history.writing = self._writer.submit(self._timed_commit, commit)
        receipts = {item: outcome.receipts.get(item, Receipt()) for item in awaited}
        self._publishing = asyncio.create_task(self._publish(self._history.writing, commit, receipts, came))

    async def _publish(
        self, writing: Future[None], commit: Commit, receipts: Mapping[Awaited, Receipt], came: Sequence[int]
    ) -> None:
        await asyncio.wrap_future(writing)
        self._oldest_written = None
        self._waits.note(self._clock.reached(()), came)
        await self._bus.publish(commit)
        for item, receipt in receipts.items():
            if (done := self._awaited.get(item)) is not None and not done.done():
                done.set_result(receipt)

    async def _settle(self) -> None:
        """Return when the commit that was being written is in the store and published."""
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            await publishing

    def _timed_commit(self, commit: Commit) -> None:
        started = time.perf_counter()
        self._store.commit(commit)
        self._commit_s = time.perf_counter() - started
