"""The runner: steps become commits in a real store, and only then are published."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.engine.machine import COINBASE, CONNECTION, MINUTES, NOON, SECOND, chunk, confirmed, down, match

from fulltape.bus.base import Overflow
from fulltape.bus.memory import MemoryBus
from fulltape.clock import ManualClock
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Outcome, Pipeline
from fulltape.engine.runner import Items, LiveClock, RecordedClock, Runner, RunnerConfig
from fulltape.errors import ConfigError, FatalError, TransientError
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import CANDLES, COVERAGE, TRADES, Candle, Commit, Trade
from fulltape.records.frames import Chunk, SessionEvent
from fulltape.records.page import Unfillable
from fulltape.records.status import Wait
from fulltape.stores.base import Reader, Retention, Selection, Store
from fulltape.stores.duckdb import DuckDbStore

EAGER = RunnerConfig(flush_s=0.0, flush_records=1, idle_s=0.0)
MINUTE = 60 * SECOND


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDbStore]:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        yield store


class FullDisk:
    """A store whose disk is full from a commit on."""

    def __init__(self, store: DuckDbStore, from_number: int) -> None:
        self.identity, self.restore, self.reader, self.retain = (
            store.identity,
            store.restore,
            store.reader,
            store.retain,
        )
        self.close = store.close
        self.asked: list[int] = []
        self._store, self._from = store, from_number

    def commit(self, commit: Commit) -> None:
        self.asked.append(commit.number)
        if commit.number >= self._from:
            raise FatalError("the disk is full: make room and start again")
        self._store.commit(commit)


class SlowDisk(FullDisk):
    """A store whose commits wait until they are let go."""

    def __init__(self, store: DuckDbStore) -> None:
        super().__init__(store, 1_000)
        self.go = threading.Event()

    def commit(self, commit: Commit) -> None:
        assert self.go.wait(120)
        super().commit(commit)


class Run:
    """One life of a runner over ``store``."""

    def __init__(self, store: Store, candles: CandleConfig = MINUTES, config: RunnerConfig = EAGER) -> None:
        self.bus = MemoryBus()
        self.intake = Intake(1_000)
        self.heard = asyncio.Event()
        pipeline = Pipeline(store.restore().instruments, lambda name: COINBASE, candles)
        self.runner = Runner(pipeline, self.intake, store, self.bus, RecordedClock(), config, self._hear)
        self.published = self.bus.subscribe(capacity=1_000, overflow=Overflow.BLOCK)

    async def feed(self, steps: Sequence[Items]) -> list[Commit]:
        """Restore, feed each of ``steps`` as one flush, close, and return what was published."""
        await self.runner.restore()
        running = asyncio.create_task(self.runner.run())
        for items in steps:
            self.heard.clear()
            self._put(items)
            stepped = asyncio.create_task(self.heard.wait())
            await asyncio.wait((stepped, running), return_when=asyncio.FIRST_COMPLETED)
            stepped.cancel()
        self.intake.close()
        try:
            await running
        finally:
            await self.bus.close()
        return [commit async for commit in self.published]

    def _hear(self, outcome: Outcome) -> None:
        self.heard.set()

    def _put(self, items: Items) -> None:
        for item in items:
            if isinstance(item, Chunk):
                for payload, time in zip(item.payloads, item.ingest_times, strict=True):
                    self.intake.frame(item.connection, payload, time)
            elif isinstance(item, SessionEvent):
                self.intake.event(item)


def rows(reader: Reader, store: Store) -> tuple[list[Trade], list[Candle]]:
    """Return the stored trades, and the candles without what a step made of them before they were final."""
    codes = store.restore().instruments
    trades, candles = (reader.read(Selection(schema)).rows(codes) for schema in (TRADES, CANDLES))
    return trades, candles


STEPS: list[Items] = [
    [chunk(confirmed(), match(1, price="5"), match(2, NOON + SECOND))],
    [chunk(match(3, NOON + 3 * MINUTE), match(3, NOON + 3 * MINUTE), b"{", at=NOON + 3 * MINUTE)],
    [chunk(match(4, NOON + 2, price="4"), at=NOON + 3 * MINUTE + 1)],
    [chunk(match(5, NOON + 9 * MINUTE), at=NOON + 9 * MINUTE)],
]


async def test_commits_are_numbered_stored_and_then_published(store: DuckDbStore) -> None:
    published = await Run(store).feed(STEPS)
    assert [commit.number for commit in published] == list(range(1, len(published) + 1))
    with_reader = store.reader()
    trades, candles = rows(with_reader, store)
    assert with_reader.last_commit() == (len(published), NOON + 9 * MINUTE)
    assert [trade.trade_id for trade in sorted(trades, key=lambda t: int(t.trade_id))] == ["1", "2", "3", "4", "5"]
    first = next(candle for candle in candles if candle.start == NOON)
    assert (first.open, first.low, first.trades, first.revision) == (5.0, 4.0, 3, 1)
    assert len(with_reader.read(Selection(COVERAGE))) == 1
    with_reader.close()


async def test_how_long_frames_wait_for_their_commit_is_known(store: DuckDbStore) -> None:
    run = Run(store)
    assert run.runner.status(NOON).commit_wait is None
    await run.feed(STEPS[:1])
    assert run.runner.status(NOON).commit_wait == Wait(0.0, 0.0)  # the recorded clock stands still meanwhile


@pytest.mark.slow
async def test_a_restart_between_any_two_steps_changes_no_trade_and_no_candle(tmp_path: Path) -> None:
    found = []
    for place in range(len(STEPS)):
        with DuckDbStore.open(tmp_path / f"{place}.duckdb", simulated=False) as store:
            for part in (STEPS[:place], STEPS[place:]):
                before = store.restore().commit
                numbers = [commit.number for commit in await Run(store).feed(part)]
                assert numbers == list(range(before + 1, store.restore().commit + 1))
            reader = store.reader()
            trades, candles = rows(reader, store)
            reader.close()
            found.append((trades, [c for c in candles if c.trades]))
    assert all(one == found[0] for one in found)


async def test_a_full_disk_stops_the_run_with_its_reason_and_nothing_more_is_written(store: DuckDbStore) -> None:
    full = FullDisk(store, 2)
    run = Run(full)  # type: ignore[arg-type]
    with pytest.raises(FatalError, match="make room"):
        await run.feed(STEPS)
    assert full.asked == [1, 2]
    assert [commit.number async for commit in run.published] == [1]
    assert store.restore().commit == 1


async def test_whoever_waits_for_a_commit_is_told_that_it_will_not_come(store: DuckDbStore) -> None:
    run = Run(FullDisk(store, 1))  # type: ignore[arg-type]
    await run.runner.restore()
    running = asyncio.create_task(run.runner.run())
    told = Unfillable(0, NOON, NOON + 1, NOON, "no history")
    with pytest.raises(TransientError, match="has stopped"):
        await asyncio.wait_for(run.runner.commit(told), 120)
    with pytest.raises(FatalError, match="make room"):
        await running
    with pytest.raises(TransientError, match="has stopped"):
        await run.runner.commit(told)


async def test_a_failure_that_the_engine_meets_first_leaves_nothing_behind(store: DuckDbStore) -> None:
    full = FullDisk(store, 2)
    run = Run(full)  # type: ignore[arg-type]
    late: Items = [chunk(match(9, NOON + 3), at=NOON + 4 * MINUTE)]
    with pytest.raises(FatalError, match="make room"):
        await run.feed([*STEPS[:2], late, late])
    assert full.asked == [1, 2]


async def test_a_database_of_other_candles_is_refused(store: DuckDbStore) -> None:
    await Run(store).feed(STEPS)
    with pytest.raises(ConfigError, match="--db"):
        await Run(store, CandleConfig(("1m", "5m"))).feed([])


async def test_without_anything_new_time_alone_is_committed_now_and_then(store: DuckDbStore) -> None:
    config = RunnerConfig(flush_s=0.0, flush_records=1, idle_s=0.0, commit_at_least_s=1.0)
    steps: list[Items] = [[chunk(match(1))], [down(NOON + SECOND // 2)], [down(NOON + 2 * SECOND)]]
    published = await Run(store, config=config).feed(steps)
    assert [commit.clock for commit in published] == [NOON, NOON + 2 * SECOND]


async def test_the_status_counts(store: DuckDbStore) -> None:
    run = Run(store)
    await run.feed(STEPS)
    status = run.runner.status(NOON + 10 * MINUTE, "why")
    assert (status.commit, status.clock, status.error) == (store.restore().commit, NOON + 9 * MINUTE, "why")
    assert (status.frames, status.duplicates, status.late_trades, status.records["trades"]) == (8, 1, 1, 5)
    assert (status.rejected, status.queued_frames, status.lag_s) == ({"malformed_json": 1}, 0, 0.0)
    assert status.commit_ms > 0


async def test_the_lag_is_the_age_of_the_oldest_frame_that_waits(store: DuckDbStore) -> None:
    run = Run(store)
    run.intake.frame(CONNECTION, b"{}", NOON)
    assert run.runner.status(NOON + 3 * SECOND).lag_s == 3.0
    assert run.runner.status(NOON - 3 * SECOND).lag_s == 0.0
    await run.feed([])


async def test_a_frame_waits_until_it_is_committed(store: DuckDbStore) -> None:
    slow = SlowDisk(store)
    run = Run(slow)  # type: ignore[arg-type]
    feeding = asyncio.create_task(run.feed(STEPS[:2]))
    await run.heard.wait()
    for _ in range(3):
        await asyncio.sleep(0)
    assert run.runner.status(NOON + 3 * SECOND).lag_s == 3.0
    slow.go.set()
    assert [commit.number for commit in await feeding] == [1, 2]
    assert run.runner.status(NOON + 3 * SECOND).lag_s == 0.0


async def test_retention_runs_between_commits(store: DuckDbStore) -> None:
    run = Run(store)
    await run.runner.restore()
    store.commit(Commit(1, NOON, {}))
    assert await run.runner.retain(Retention({"trades": 1.0}), NOON) == {"trades": 0}
    run.intake.close()
    await run.runner.run()


def test_clocks() -> None:
    clock = ManualClock(7)
    assert LiveClock(clock).reached([chunk(b"", at=9)]) == 7
    recorded = RecordedClock(5)
    times = [recorded.reached(items) for items in ([], [chunk(b"", at=9)], [down(8)], [down(12)])]
    assert times == [5, 9, 9, 12]
