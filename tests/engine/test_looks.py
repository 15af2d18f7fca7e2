"""Looks at books: who asks gets what the book is after a step, once that step is committed and published."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.engine.machine import COINBASE, MINUTES, NOON, down
from tests.engine.machine import CONNECTION as FEED
from tests.engine.test_runner import FullDisk, SlowDisk

from fulltape.books.levels import Levels, Seen
from fulltape.bus.base import Overflow
from fulltape.bus.memory import MemoryBus
from fulltape.clock import format_rfc3339
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.runner import RecordedClock, Runner, RunnerConfig
from fulltape.errors import FatalError, TransientError
from fulltape.records import QUOTES, InstrumentTable
from fulltape.stores.base import Selection, Store
from fulltape.stores.duckdb import DuckDbStore

SEEN = [(99.0, 1.0), (98.0, 2.0)], [(101.0, 3.0)]
PATIENCE_S = 120


def snapshot(bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> bytes:
    sides = {"bids": [[str(p), str(s)] for p, s in bids], "asks": [[str(p), str(s)] for p, s in asks]}
    return msgspec.json.encode({"type": "snapshot", "product_id": "BTC-USD", **sides})


def update(side: str, price: float, size: float) -> bytes:
    changes = [[side, str(price), str(size)]]
    told = {"type": "l2update", "product_id": "BTC-USD", "time": format_rfc3339(NOON), "changes": changes}
    return msgspec.json.encode(told)


class Desk:
    """A running engine, and what feeds it."""

    def __init__(self, store: Store, idle_s: float = 0.01) -> None:
        self.intake = Intake(1_000)
        self.bus = MemoryBus()
        pipeline = Pipeline(InstrumentTable(), lambda _: COINBASE, MINUTES)
        config = RunnerConfig(flush_s=0.0, flush_records=1, idle_s=idle_s)
        self.runner = Runner(pipeline, self.intake, store, self.bus, RecordedClock(), config)

    def feed(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.intake.frame(FEED, payload, NOON)

    async def look(self, code: int = 0) -> Seen:
        async with asyncio.timeout(PATIENCE_S):
            return await self.runner.look(code, 10)

    async def put_down(self, number: int) -> list[asyncio.Task[Seen]]:
        """Begin to look, so many times."""
        looking = [asyncio.create_task(self.look()) for _ in range(number)]
        await asyncio.sleep(0)
        return looking

    async def holds_bid(self, price: float) -> None:
        """Return when a step has brought the book there, and what follows a step has had its turn."""
        turns = 20
        async with asyncio.timeout(PATIENCE_S):
            while turns:
                book = await self.runner.on_engine(lambda: self.runner.pipeline.quotes.book(0))
                turns -= book is not None and book.top.bid == price

    async def sees(self, wanted: Levels | None) -> Seen:
        """Look until the book is what is wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while (seen := await self.runner.look(0, 10)).levels != wanted:
                pass
        return seen


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDbStore]:
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        yield store


@asynccontextmanager
async def running(store: Store, idle_s: float = 0.01) -> AsyncIterator[Desk]:
    desk = Desk(store, idle_s)
    await desk.runner.restore()
    task = asyncio.create_task(desk.runner.run())
    try:
        yield desk
    finally:
        desk.intake.close()
        await task


async def test_levels_are_those_of_the_committed_book(store: DuckDbStore) -> None:
    async with running(store) as desk:
        assert (await desk.look()).levels is None
        desk.feed(snapshot(*SEEN))
        seen = await desk.sees(Levels(tuple(SEEN[0]), tuple(SEEN[1])))
        assert seen.clock == NOON
        desk.feed(update("buy", 99.5, 7.0), update("sell", 101.0, 0.0))
        seen = await desk.sees(Levels(((99.5, 7.0), *SEEN[0]), ()))
        reader = store.reader()
        newest = reader.read(Selection(QUOTES)).rows(desk.runner.pipeline.table)[-1]
        assert (newest.bid, newest.bid_size, newest.ask) == (99.5, 7.0, None)
        assert reader.last_commit()[0] == seen.commit
        reader.close()


async def test_nobody_sees_a_book_before_its_commit_is_published(store: DuckDbStore) -> None:
    disk = SlowDisk(store)
    disk.go.set()
    # Nothing but a frame makes a step here: so the looks that are put down before it belong to its step.
    async with running(disk, idle_s=PATIENCE_S) as desk:  # type: ignore[arg-type]
        published = aiter(desk.bus.subscribe(capacity=10, overflow=Overflow.CLOSE))
        desk.feed(snapshot(*SEEN))
        first = await anext(published)
        disk.go.clear()
        waiting = await desk.put_down(3)
        desk.feed(update("buy", 99.5, 7.0))
        await desk.holds_bid(99.5)
        assert not any(task.done() for task in waiting)
        waiting[0].cancel()  # who leaves does not take it from the others
        disk.go.set()
        second, third = await asyncio.gather(*waiting[1:])
        assert second == third
        assert second.levels is not None
        assert second.levels.bids[0] == (99.5, 7.0)
        assert second.commit == first.number + 1


async def test_a_crossed_book_says_so_and_a_lost_connection_takes_it_away(store: DuckDbStore) -> None:
    async with running(store) as desk:
        desk.feed(snapshot([(102.0, 1.0)], [(101.0, 1.0)]))
        await desk.sees(Levels(((102.0, 1.0),), ((101.0, 1.0),), is_crossed=True))
        desk.feed(snapshot([], []))
        await desk.sees(Levels())
        desk.feed(snapshot(*SEEN))
        await desk.sees(Levels(tuple(SEEN[0]), tuple(SEEN[1])))
        desk.intake.event(down())
        await desk.sees(Levels(trouble="the connection was lost"))
        desk.feed(update("buy", 99.5, 7.0))
        assert (await desk.look()).levels == Levels(trouble="the connection was lost")
        desk.feed(snapshot(*SEEN))
        await desk.sees(Levels(tuple(SEEN[0]), tuple(SEEN[1])))


async def test_who_wants_more_levels_gets_them_beside_who_wants_fewer(store: DuckDbStore) -> None:
    async with running(store) as desk:
        desk.feed(snapshot(*SEEN))
        await desk.sees(Levels(tuple(SEEN[0]), tuple(SEEN[1])))
        few, more = await asyncio.gather(desk.runner.look(0, 1), desk.runner.look(0, 2))
        assert few.levels == more.levels == Levels(tuple(SEEN[0]), tuple(SEEN[1]))
        alone = await desk.runner.look(0, 1)
        assert alone.levels == Levels(tuple(SEEN[0][:1]), tuple(SEEN[1]))


async def test_looking_makes_no_commit(store: DuckDbStore) -> None:
    async with running(store) as desk:
        desk.feed(snapshot(*SEEN))
        seen = await desk.sees(Levels(tuple(SEEN[0]), tuple(SEEN[1])))
        for _ in range(5):
            assert await desk.look() == seen


async def test_who_looks_when_the_engine_ends_is_told(store: DuckDbStore) -> None:
    async with running(store) as desk:
        await desk.look()
    with pytest.raises(TransientError, match="the engine has stopped: no book"):
        await desk.runner.look(0, 10)


async def test_who_left_before_the_engine_ended_is_not_missed(
    store: DuckDbStore, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(store)
    looking = asyncio.create_task(desk.look())
    await desk.runner.restore()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    desk.intake.close()
    await desk.runner.run()
    await asyncio.sleep(0)
    del desk, looking
    gc.collect()
    assert caplog.records == []  # no answer that nobody took


async def test_who_looks_while_the_engine_fails_is_told(store: DuckDbStore) -> None:
    desk = Desk(FullDisk(store, from_number=1))  # type: ignore[arg-type]
    desk.feed(snapshot(*SEEN))
    looking = asyncio.create_task(desk.look())
    with pytest.raises(FatalError, match="the disk is full"):
        await desk.runner.run()
    with pytest.raises(TransientError, match="the engine has stopped: no book"):
        await looking
