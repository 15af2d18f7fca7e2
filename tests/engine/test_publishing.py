"""Publishing commits: each record once, whatever fails when. Store and bus are real, the log is a model of one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.samples import BTC, ETH, NOON, candle, commit, trade

from fulltape.bus.entries import Shape
from fulltape.bus.log import Entry
from fulltape.bus.memory import MemoryBus
from fulltape.engine import publishing as module
from fulltape.engine.publishing import LogPart, Publisher
from fulltape.errors import ConfigError, TransientError
from fulltape.records import Commit
from fulltape.records.status import LogState
from fulltape.stores.duckdb import DuckDbStore

SHAPES = {"trades": Shape.RECORD, "candles": Shape.RECORD}


@dataclass
class Tape:
    """What a log holds, whoever writes to it: a model of topics with transactions."""

    database: str = ""
    commit: int | None = None
    entries: list[Entry] = field(default_factory=list)
    transactions: list[int] = field(default_factory=list)
    writer: object = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class ModelLog:
    """A writer to a tape. ``failing`` says of each call whether it fails: before the tape has it, or after."""

    tape: Tape
    failing: Callable[[str], str] = lambda call: ""
    most_bytes: int = 1_000_000

    def open(self, database: str, *, simulated: bool) -> int | None:
        if self.failing("open"):
            raise TransientError("away")
        with self.tape.lock:
            if self.tape.commit is not None and self.tape.database != database:
                raise ConfigError("the topics hold another database")
            self.tape.database, self.tape.writer = database, self
            return self.tape.commit

    def append(self, entries: Sequence[Entry], commit: int) -> int:
        when = self.failing("append")
        kept = [entry for entry in entries if len(entry.value) <= self.most_bytes]
        with self.tape.lock:
            if when == "before" or self.tape.writer is not self:
                raise TransientError("away")
            self.tape.entries += kept
            self.tape.commit = commit
            self.tape.transactions.append(len(kept))
        if when == "after":
            raise TransientError("nobody knows")
        return len(entries) - len(kept)

    def close(self) -> None:
        pass


@dataclass
class Desk:
    """A store and a bus that commits go through, and what publishes them."""

    store: DuckDbStore
    tape: Tape = field(default_factory=Tape)
    bus: MemoryBus = field(default_factory=lambda: MemoryBus(keep_commits=4))
    number: int = 0

    async def commit(self, trades: int = 1) -> Commit:
        """Make a commit of trades, each with the next number as its id."""
        self.number += 1
        rows = [trade(1_000 * self.number + i, NOON + self.number) for i in range(trades)]
        made = commit(self.number, *rows)
        self.store.commit(made)
        await self.bus.publish(made)
        return made

    def publisher(self, log: ModelLog | None = None, *, backlog: bool = True) -> Publisher:
        part = LogPart(log or ModelLog(self.tape), ("model",), SHAPES, backlog)
        return Publisher(part, self.bus, self.store.reader, lambda: (BTC, ETH), self.store.identity, 0.001)

    @contextlib.asynccontextmanager
    async def publishing(self, log: ModelLog | None = None, *, backlog: bool = True) -> AsyncIterator[Publisher]:
        publisher = self.publisher(log, backlog=backlog)
        task = asyncio.create_task(publisher.run())
        try:
            yield publisher
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def ids(self) -> list[int]:
        return [int(json.loads(entry.value)["trade_id"]) for entry in self.tape.entries if entry.kind == "trades"]

    def stored(self) -> list[int]:
        rows = self.store.reader().sql("SELECT trade_id FROM trades ORDER BY trade_id::BIGINT").to_pylist()
        return [int(row["trade_id"]) for row in rows]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - the publisher tells its state, and has no event for it
            await asyncio.sleep(0.002)


@pytest.fixture
def desk(tmp_path: Path, make_database: Callable[[Path], None]) -> Iterator[Desk]:
    make_database(tmp_path / "x.duckdb")
    with DuckDbStore.open(tmp_path / "x.duckdb", simulated=False) as store:
        yield Desk(store)


async def test_commits_are_published_as_they_are_made(desk: Desk) -> None:
    async with desk.publishing() as publisher:
        await until(lambda: publisher.status(0).state is LogState.LIVE)
        for _ in range(3):
            await desk.commit(2)
            await until(lambda: publisher.status(desk.number).lag_commits == 0)
    status = publisher.status(desk.number)
    assert (status.commit, status.records, status.transactions, status.failures) == (3, {"trades": 6}, 3, 0)
    assert desk.ids() == desk.stored()
    assert [entry.commit for entry in desk.tape.entries] == [1, 1, 2, 2, 3, 3]


async def test_what_the_bus_has_forgotten_comes_from_the_store(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(50):
        await desk.commit(2)
    async with desk.publishing() as publisher:
        await until(lambda: publisher.status(desk.number).lag_commits == 0)
        assert publisher.status(desk.number).state is LogState.LIVE
        await desk.commit()
        await until(lambda: publisher.status(desk.number).lag_commits == 0)
    assert desk.ids() == desk.stored()
    assert [entry.commit for entry in desk.tape.entries] == [n for n in range(1, 51) for _ in range(2)] + [51]


async def test_without_backlog_it_begins_with_what_comes_next(desk: Desk) -> None:
    await desk.commit(3)
    async with desk.publishing(backlog=False) as publisher:
        await until(lambda: publisher.status(1).state is LogState.LIVE)
    await desk.commit(2)  # while nobody publishes, and before anything has been: not lost all the same
    async with desk.publishing(backlog=False) as publisher:
        await until(lambda: publisher.status(2).lag_commits == 0)
    assert desk.ids() == [2_000, 2_001]


async def test_commits_without_records_need_no_transaction(desk: Desk) -> None:
    async with desk.publishing() as publisher:
        await until(lambda: publisher.status(0).state is LogState.LIVE)
        for _ in range(3):
            await desk.commit(0)
        await until(lambda: publisher.status(3).lag_commits == 0)
    assert desk.tape.transactions == []


async def test_what_waits_goes_in_bounded_transactions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_RECORDS", 10)
    for _ in range(40):
        await desk.commit(3)
    async with desk.publishing() as publisher:
        await until(lambda: publisher.status(40).lag_commits == 0)
    assert desk.ids() == desk.stored()
    assert max(desk.tape.transactions[4:]) <= 12  # once the steps have found their size


async def test_a_candle_that_changed_meanwhile_comes_as_it_is_now(desk: Desk) -> None:
    for number in (1, 2, 3):
        made = commit(number, candle(high=4.0 + number, is_final=number == 3))
        desk.store.commit(made)
    async with desk.publishing() as publisher:
        await until(lambda: publisher.status(3).lag_commits == 0)
    (entry,) = desk.tape.entries
    assert (entry.kind, entry.commit, json.loads(entry.value)["high"]) == ("candles", 3, 7.0)


async def test_too_long_records_are_counted(desk: Desk) -> None:
    async with desk.publishing(ModelLog(desk.tape, most_bytes=10)) as publisher:
        await until(lambda: publisher.status(0).state is LogState.LIVE)
        await desk.commit(2)
        await until(lambda: publisher.status(1).lag_commits == 0)
    assert publisher.status(1).too_long == 2


async def test_while_the_log_is_away_commits_go_on_and_it_says_so(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    is_away = True
    async with desk.publishing(ModelLog(desk.tape, lambda _: "before" if is_away else "")) as publisher:
        await until(lambda: publisher.status(0).failures >= 3)
        for _ in range(20):
            await desk.commit()
        status = publisher.status(desk.number)
        assert (status.state, status.detail) == (LogState.WAITING, "away")
        assert (status.commit, status.lag_commits) == (None, None)
        is_away = False
        await until(lambda: publisher.status(desk.number).lag_commits == 0)
        assert publisher.status(desk.number).detail == ""
    assert desk.ids() == desk.stored()
    assert caplog.text.count("away") == 1  # said once, not with every try


async def test_another_databases_topics_are_left_alone(desk: Desk) -> None:
    desk.tape.database, desk.tape.commit = "another", 5
    async with desk.publishing() as publisher:
        await until(lambda: publisher.status(0).state is LogState.REFUSED)
        await desk.commit()
    assert "another database" in publisher.status(1).detail
    assert desk.tape.entries == []


async def test_an_older_copy_of_the_database_is_noticed(desk: Desk) -> None:
    await desk.commit()
    desk.tape.database, desk.tape.commit = desk.store.identity.id, 2
    async with desk.publishing() as publisher:
        await until(lambda: publisher.status(1).state is LogState.REFUSED)
    assert "hold commit 2 of this database, which itself ends at 1" in publisher.status(1).detail


async def test_the_last_commits_are_published_before_the_end(desk: Desk) -> None:
    async with desk.publishing() as publisher:
        await until(lambda: publisher.status(0).state is LogState.LIVE)
        for _ in range(9):
            await desk.commit()
        await desk.bus.close()
        await publisher.drained()
    assert desk.ids() == desk.stored()


async def test_the_end_does_not_wait_for_a_log_that_is_away(desk: Desk) -> None:
    async with desk.publishing(ModelLog(desk.tape, lambda _: "before")) as publisher:
        await until(lambda: publisher.status(0).failures)
        await desk.bus.close()
        await publisher.drained()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["crash", "start", "away", "fails before", "fails after", "back"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_each_trade_is_published_once_whatever_fails_when(
    make_database: Callable[[Path], None], steps: list[tuple[str, int]]
) -> None:
    asyncio.run(_play(make_database, steps))


async def _play(make_database: Callable[[Path], None], steps: list[tuple[str, int]]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        make_database(folder / "x.duckdb")
        with DuckDbStore.open(folder / "x.duckdb", simulated=False) as store:
            desk, trouble = Desk(store), ""

            def failing(call: str) -> str:
                return {"away": "before", "fails before": "before", "fails after": "after"}.get(trouble, "") * (
                    call == "append" or trouble == "away"
                )

            running: asyncio.Task[None] | None = None
            for step, count in steps:
                match step:
                    case "commit":
                        await desk.commit(count)
                    case "start" if running is None:
                        running = asyncio.create_task(desk.publisher(ModelLog(desk.tape, failing)).run())
                    case "crash" if running is not None:
                        running.cancel()
                        await asyncio.gather(running, return_exceptions=True)
                        running = None
                    case "away" | "fails before" | "fails after" | "back":
                        trouble = step
                await asyncio.sleep(0)
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            async with desk.publishing() as publisher:
                await until(lambda: publisher.status(desk.number).lag_commits == 0)
            assert desk.ids() == desk.stored()
    finally:
        shutil.rmtree(folder)
