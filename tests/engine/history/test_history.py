"""Jobs that fetch history: what is stored is not asked for, what has failed is told, everything goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engine.machine import CONNECTION, NOON, SECOND, chunk, confirmed, down, match, up
from tests.engine.shelf import MINUTE, Kept, Shelf, times

from fulltape.bus.base import Overflow, Subscription
from fulltape.bus.memory import MemoryBus
from fulltape.clock import ManualClock
from fulltape.engine.config import HistoryConfig
from fulltape.engine.feed import Feed
from fulltape.engine.history.archive import Archive
from fulltape.engine.history.backfill import BARS_SETTLED_NS, Progress, Wish, backfill, possible
from fulltape.engine.history.past import Past
from fulltape.engine.history.refill import Refill
from fulltape.engine.history.warm_start import WarmStart
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.runner import LiveClock, Runner, RunnerConfig
from fulltape.errors import ConfigError, TransientError
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import COVERAGE, TRADES, CoverageState, InstrumentTable
from fulltape.records.frames import Chunk, SessionEvent
from fulltape.stores.base import Selection
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues import base
from fulltape.venues.base import Paging, RestRequest
from fulltape.venues.session import SessionConfig

CONFIG = CandleConfig(("1m", "5m", "1h"), quiet_from="1m")
ALL = [Kept(n, NOON + n * SECOND) for n in range(1, 61)]


@dataclass
class Scene:
    """A running engine that nothing but history and what `hear` is given enters."""

    shelf: Shelf
    clock: ManualClock
    runner: Runner
    archive: Archive
    intake: Intake
    commits: Subscription

    def hear(self, *items: Chunk | SessionEvent) -> None:
        for item in items:
            if isinstance(item, Chunk):
                for payload, time in zip(item.payloads, item.ingest_times, strict=True):
                    self.intake.frame(CONNECTION, payload, time)
            else:
                self.intake.event(item)

    async def until_broken(self) -> None:
        """Wait for a commit after which trades are known to be missed."""
        async for _ in self.commits:
            if await self.archive.broken():
                return

    async def states(self) -> dict[str, int]:
        """Return how often each state is in the ledger of trades."""
        rows = await self.runner.read(Selection(COVERAGE))
        states = [CoverageState(state).name for state in rows["state"].tolist()]
        return {state: states.count(state) for state in states}

    async def trades(self) -> list[int]:
        return sorted((await self.runner.read(Selection(TRADES)))["trade_id"].tolist())


@asynccontextmanager
async def scene(folder: Path, shelf: Shelf, now: int = NOON + 200 * SECOND) -> AsyncIterator[Scene]:
    """Run an engine on a database; what is stored in it from an earlier time is there again."""
    clock, intake = ManualClock(now), Intake(10_000)
    with DuckDbStore.open(folder / "x.duckdb", simulated=False) as store:
        pipeline = Pipeline(InstrumentTable(store.restore().instruments), lambda name: shelf, CONFIG)
        config = RunnerConfig(flush_s=0.001, idle_s=0.005)
        bus = MemoryBus()
        commits = bus.subscribe(capacity=10_000, overflow=Overflow.BLOCK)
        runner = Runner(pipeline, intake, store, bus, LiveClock(clock), config)
        await runner.restore()
        pipeline.table.add(shelf.instrument("BTC-USD"))
        running = asyncio.create_task(runner.run())
        try:
            async with asyncio.timeout(120):
                yield Scene(shelf, clock, runner, Archive(runner), intake, commits)
        finally:
            commits.close()
            intake.close()
            await running


def fails_at(number: int) -> Shelf:
    def fail(asked: int) -> None:
        if asked == number:
            raise TransientError("503")

    return Shelf(kept=ALL, rows=10, failing=fail)


@pytest.mark.parametrize("interval_s", [0, 60])
async def test_a_backfill_goes_on_after_a_failure_in_another_process(interval_s: int, tmp_path: Path) -> None:
    wish = Wish(interval_s, NOON + 10 * SECOND, NOON + 50 * SECOND)
    if interval_s:
        wish = Wish(interval_s, NOON - 20 * MINUTE, NOON)
    told: list[Progress] = []
    async with scene(tmp_path, fails_at(4)) as one:
        with pytest.raises(TransientError):
            await backfill(one.archive, one.shelf.source(one.clock), wish, told.append)
    assert told[0] == Progress(0, wish.end - wish.start, 0)
    assert 0 < told[-1].done < told[-1].total
    again: list[Progress] = []
    async with scene(tmp_path, Shelf(kept=ALL, rows=10)) as one:
        lacking = await backfill(one.archive, one.shelf.source(one.clock), wish, again.append)
        stored = await one.trades()
        asked = len(one.shelf.asked)
    assert lacking == []
    assert again[0].done == told[-1].done
    assert again[-1].done == again[-1].total
    assert asked <= 4  # of 6
    if not interval_s:
        assert stored == list(range(10, 50))


async def test_what_the_venue_does_not_have_is_returned(tmp_path: Path) -> None:
    shelf = Shelf(kept=ALL, rows=10, paging=Paging.NEWEST)
    wish = Wish(0, NOON, NOON + 70 * SECOND)
    async with scene(tmp_path, shelf) as one:
        lacking = await backfill(one.archive, shelf.source(one.clock), wish, lambda _: None)
        assert lacking == [(NOON, ALL[50].time + 1)]
        assert await one.trades() == list(range(51, 61))


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(120, NOON, NOON + MINUTE), "COINBASE has no bars of 2m; it has 1m, 5m, 1h, 1d"),
        (Wish(60, NOON, NOON + 59 * SECOND), "at least one whole bar"),
        (Wish(0, NOON + MINUTE, NOON), "--from must lie before --to"),
        (Wish(0, NOON + 201 * SECOND, NOON + 300 * SECOND), "in the past"),
    ],
)
def test_what_cannot_be_is_refused(wish: Wish, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        possible(Shelf().source(ManualClock(NOON + 200 * SECOND)), wish)


def test_a_wish_is_cut_to_whole_bars_that_are_finished() -> None:
    source = Shelf().source(ManualClock(NOON + 3 * MINUTE + BARS_SETTLED_NS - 1))
    assert possible(source, Wish(60, NOON + 1, NOON + MINUTE * 9)) == Wish(60, NOON, NOON + 2 * MINUTE)
    assert possible(source, Wish(0, NOON + 1, NOON + MINUTE)) == Wish(0, NOON + 1, NOON + MINUTE)


def heard_with_a_hole() -> list[Chunk | SessionEvent]:
    """Trades 1 to 10 and 16 to 20, live, and a lost connection after them."""
    frames = [match(one.id, one.time, price="100", size="1") for one in ALL[:20] if not 10 < one.id < 16]
    return [up(), chunk(confirmed()), chunk(*frames, at=NOON + 21 * SECOND), down(NOON + 22 * SECOND)]


async def test_a_hole_is_refilled_once(tmp_path: Path) -> None:
    async with scene(tmp_path, Shelf(kept=ALL[:20], rows=10)) as one:
        one.hear(*heard_with_a_hole())
        refill, sources = Refill(one.archive, one.clock, 24), [one.shelf.source(one.clock)]
        await one.until_broken()
        await refill.fill(sources)
        assert await one.trades() == list(range(1, 21))
        assert await one.archive.broken() == {}
        assert (await one.states())["REFILLED"] == 1
        asked = len(one.shelf.asked)
        await refill.fill(sources)
        assert len(one.shelf.asked) == asked


async def test_a_hole_too_young_waits_and_one_too_old_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, Shelf(kept=ALL)) as one:
        one.hear(*heard_with_a_hole())
        await one.until_broken()
        sources = [one.shelf.source(one.clock)]
        await Refill(one.archive, ManualClock(NOON + 17 * SECOND), 24).fill(sources)
        assert await one.archive.broken()
        await Refill(one.archive, ManualClock(NOON + 7_300 * SECOND), 2).fill(sources)
        assert (await one.archive.broken(), one.shelf.asked) == ({}, [])
        rows = await one.runner.read(Selection(COVERAGE))
    assert any("more than 2 hours back (refill_hours)" in words for words in rows["evidence"].tolist())
    assert "stay missing" in caplog.text


async def test_what_the_venue_lost_too_is_given_up_with_its_reason(tmp_path: Path) -> None:
    kept = [one for one in ALL[:20] if one.id >= 16]
    async with scene(tmp_path, Shelf(kept=kept, rows=10)) as one:
        one.hear(*heard_with_a_hole())
        await one.until_broken()
        await Refill(one.archive, one.clock, 24).fill([one.shelf.source(one.clock)])
        rows = await one.runner.read(Selection(COVERAGE))
    evidence = rows["evidence"].tolist()
    assert any("the history of COINBASE does not reach there" in words for words in evidence)


async def test_a_venue_that_refuses_trades_is_not_asked_for_them_again(tmp_path: Path) -> None:
    def refuse(number: int) -> None:
        raise ConfigError("no such product")

    async with scene(tmp_path, Shelf(kept=ALL, failing=refuse)) as one:
        one.hear(*heard_with_a_hole())
        await one.until_broken()
        await Refill(one.archive, one.clock, 24).fill([one.shelf.source(one.clock)])
        assert await one.archive.broken() == {}
        assert len(one.shelf.asked) == 1


async def test_a_warm_start_asks_once_a_minute_for_what_is_not_known(tmp_path: Path) -> None:
    now = NOON + 30 * MINUTE + BARS_SETTLED_NS
    async with scene(tmp_path, Shelf(bars_at_once=4), now) as one:
        sources = [one.shelf.source(one.clock)]
        warm = WarmStart(one.archive, one.clock, (60, 300), 6)
        await warm.fetch(sources)
        assert len(one.shelf.asked) == 4
        missing = await one.archive.missing_bars(sources[0], 60, NOON + 24 * MINUTE, NOON + 30 * MINUTE)
        assert missing == []
        await warm.fetch(sources)
        assert len(one.shelf.asked) == 4
        one.clock.set(now + MINUTE)
        await warm.fetch(sources)
        assert one.shelf.asked[4:] == [f"bars {NOON + 30 * MINUTE} {NOON + 31 * MINUTE}"]


async def test_a_warm_start_lets_one_refusal_stop_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    def refuse(number: int) -> None:
        if number == 1:
            raise ConfigError("no bars of this")

    async with scene(tmp_path, Shelf(failing=refuse), NOON + 30 * MINUTE + BARS_SETTLED_NS) as one:
        sources = [one.shelf.source(one.clock)]
        warm = WarmStart(one.archive, one.clock, (60, 300), 5)
        await warm.fetch(sources)
        one.clock.set(NOON + 36 * MINUTE)
        await warm.fetch(sources)
    assert [len(one.shelf.asked), caplog.text.count("no bars of this")] == [3, 1]


async def test_a_warm_start_asks_for_no_other_stretch_of_bars_that_were_refused(tmp_path: Path) -> None:
    def refuse(number: int) -> None:
        if number > 1:
            raise ConfigError("no bars of this")

    async with scene(tmp_path, Shelf(failing=refuse), NOON + 10 * MINUTE + BARS_SETTLED_NS) as one:
        sources = [one.shelf.source(one.clock)]
        await WarmStart(one.archive, one.clock, (60,), 2).fetch(sources)
        one.clock.set(NOON + 30 * MINUTE + BARS_SETTLED_NS)
        wanted = await one.archive.untold_bars(sources[0], 60, NOON, NOON + 30 * MINUTE)
        await WarmStart(one.archive, one.clock, (60,), 30).fetch(sources)
    assert [len(wanted), len(one.shelf.asked)] == [2, 2]


async def test_trades_of_a_moment_that_is_told_live_again_are_not_doubled(tmp_path: Path) -> None:
    async with scene(tmp_path, Shelf(kept=ALL, rows=7)) as one:
        one.hear(*heard_with_a_hole())
        source = one.shelf.source(one.clock)
        pages = [page async for page in one.archive.trades_again(source, NOON, NOON + 40 * SECOND)]
        assert await one.trades() == list(range(1, 41))
        assert [times(page.batch) for page in pages]


class Answering:
    """Stands for a client of a venue's REST interface, whose answers are ``simulated`` or not."""

    def __init__(self, shelf: Shelf, *, simulated: bool) -> None:
        self.simulated = simulated
        self._shelf = shelf

    async def __aenter__(self) -> Answering:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def get(self, request: RestRequest) -> bytes:
        return await self._shelf.fetch(request)


def feed_of(shelf: Shelf, *, simulated: bool = False) -> Feed:
    session = SessionConfig(name="COINBASE-1", url="", subscription=base.Subscription((), ("BTC-USD",)))
    return Feed(shelf, session, history=lambda: Answering(shelf, simulated=simulated))  # type: ignore[arg-type,return-value]


@asynccontextmanager
async def keeping(one: Scene, config: HistoryConfig, feed: Feed) -> AsyncIterator[Past]:
    past = Past(one.runner, one.clock, config, simulated=False, retry_s=0.001)
    task = asyncio.create_task(past.keep(feed))
    try:
        yield past
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def listening() -> list[Chunk | SessionEvent]:
    """Trades 1 to 20 but for a hole, and a line that is up."""
    return heard_with_a_hole()[:-1]


async def test_the_past_is_kept_whole_through_failures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf = fails_at(1)
    async with scene(tmp_path, shelf) as one, keeping(one, HistoryConfig(warm_bars=3), feed_of(shelf)) as past:
        one.hear(*listening())
        await one.until_broken()
        assert not await past.is_whole()
        async for _ in one.commits:
            if await past.is_whole() and any(path.startswith("bars") for path in shelf.asked):
                break
        assert await one.trades() == list(range(1, 21))
    assert "history is asked for again in 0.001 s" in caplog.text


async def test_simulated_history_never_enters_a_live_database(tmp_path: Path) -> None:
    shelf = Shelf(kept=ALL)
    config, feed = HistoryConfig(warm_bars=0), feed_of(shelf, simulated=True)
    async with scene(tmp_path, shelf) as one, keeping(one, config, feed) as past:
        one.hear(*listening())
        await one.until_broken()
        async for _ in one.commits:
            if await past.is_whole():
                break
        rows = await one.runner.read(Selection(COVERAGE))
        assert 11 not in await one.trades()
    assert any("not both simulated, or both live" in words for words in rows["evidence"].tolist())


async def test_where_no_history_is_wanted_none_is_asked_for(tmp_path: Path) -> None:
    shelf = Shelf(kept=ALL)
    config = HistoryConfig(warm_bars=0, refill_hours=0)
    async with scene(tmp_path, shelf) as one, keeping(one, config, feed_of(shelf)) as past:
        one.hear(*listening())
        await one.until_broken()
        assert not await past.is_whole()
        assert shelf.asked == []
