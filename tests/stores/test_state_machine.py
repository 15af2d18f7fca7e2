"""The store against a model: whatever is done in whatever order, both hold the same rows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.conformance.samples import BTC, CODES, ETH, candle, commit, coverage, last, trade

from fulltape.records import CANDLES, COVERAGE, LAST_VALUES, TRADES, Candle, Coverage, Last, Schema, Trade
from fulltape.stores.base import Cursor, Retention, Selection
from fulltape.stores.duckdb import DuckDbStore

DAY = 86_400 * 10**9
TIMES = st.integers(0, 6).map(lambda days: days * DAY)
NAMES = st.sampled_from([BTC.id, ETH.id])
TRADES_ROWS = st.builds(trade, trade_id=st.integers(0, 10**6), event_time=TIMES, instrument=NAMES)
LATEST_ROWS = st.one_of(
    st.builds(
        candle,
        start=TIMES,
        interval=st.sampled_from(["1m", "1s"]),
        instrument=NAMES,
        trades=st.integers(0, 99),
        is_final=st.booleans(),
    ),
    st.builds(last, event_time=TIMES, instrument=NAMES),
    st.builds(coverage, start=TIMES, end=st.none() | TIMES, first_missing=st.sampled_from(["", "7"])),
)
LATEST: dict[type, Schema] = {Candle: CANDLES, Last: LAST_VALUES, Coverage: COVERAGE}


class StoreMachine(RuleBasedStateMachine):
    """Commits, reopens, retains and reads a store, and does the same to lists and dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.number = 0
        self.trades: list[tuple[int, Trade]] = []
        self.latest: dict[tuple[Any, ...], tuple[int, Any]] = {}
        self.snapshots: dict[str, dict[int, bytes]] = {}

    @initialize()
    def open(self) -> None:
        self.store = DuckDbStore.open(Path(self.folder.name) / "x.duckdb", simulated=False)
        self.reader = self.store.reader()

    @rule(
        trades=st.lists(TRADES_ROWS, max_size=5),
        latest=st.lists(LATEST_ROWS, max_size=5),
        state=st.binary(max_size=4),
        again=st.booleans(),
    )
    def commit(self, trades: list[Trade], latest: list[Any], state: bytes, again: bool) -> None:
        self.number += 1
        snapshots = {"candles": {self.number % 3 - 1: state}}
        for _ in range(1 + again):
            self.store.commit(commit(self.number, *trades, *latest, snapshots=snapshots))
        self.trades += [(self.number, row) for row in trades]
        for row in latest:
            key = tuple(getattr(row, name) for name in LATEST[type(row)].key)
            self.latest[type(row), *key] = (self.number, row)
        self.snapshots.setdefault("candles", {}).update(snapshots["candles"])

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.open()

    @rule(now=TIMES, kind=st.sampled_from(["trades", "candles", "candles.1s", "coverage"]))
    def retain(self, now: int, kind: str) -> None:
        oldest = now - DAY
        before = len(self.trades) + len(self.latest)
        if kind == "trades":
            self.trades = [(number, row) for number, row in self.trades if row.event_time >= oldest]
        else:
            self.latest = {k: (n, row) for k, (n, row) in self.latest.items() if not _expires(row, kind, oldest)}
        lost = self.store.retain(Retention({kind: 1.0}), now)
        assert sum(lost.values()) == before - len(self.trades) - len(self.latest)

    @rule(
        start=st.none() | TIMES,
        end=st.none() | TIMES,
        code=st.none() | st.integers(0, 1),
        after=st.none() | st.builds(Cursor, TIMES, st.integers(0, 10**6)),
        since=st.none() | st.integers(0, 9),
        limit=st.none() | st.integers(0, 5),
        newest_first=st.booleans(),
    )
    def read(
        self,
        start: int | None,
        end: int | None,
        code: int | None,
        after: Cursor | None,
        since: int | None,
        limit: int | None,
        newest_first: bool,
    ) -> None:
        sign = -1 if newest_first else 1
        rows = [
            row
            for number, row in self.trades
            if (start is None or row.event_time >= start)
            and (end is None or row.event_time < end)
            and (code is None or CODES.code_of(row.instrument) == code)
            and (since is None or number > since)
            and (after is None or sign * _compare(row, after) > 0)
        ]
        selection = Selection(
            TRADES,
            instruments=() if code is None else (code,),
            start=start,
            end=end,
            after_commit=since,
            after=after,
            newest_first=newest_first,
            limit=limit,
        )
        found = self.rows(selection)
        places = [(row.event_time, int(row.trade_id)) for row in found]
        assert places == sorted(((row.event_time, int(row.trade_id)) for row in rows), reverse=newest_first)[:limit]
        if limit is None:
            assert sorted(map(repr, found)) == sorted(map(repr, rows))

    @invariant()
    def holds_the_same(self) -> None:
        assert sorted(map(repr, self.rows(Selection(TRADES)))) == sorted(repr(row) for _, row in self.trades)
        for record, schema in LATEST.items():
            expected = [row for _, row in self.latest.values() if isinstance(row, record)]
            assert sorted(map(repr, self.rows(Selection(schema)))) == sorted(map(repr, expected))
        restored = self.store.restore()
        assert (restored.commit, restored.snapshots) == (self.number, self.snapshots)

    def rows(self, selection: Selection) -> list[Any]:
        return self.reader.read(selection).rows(CODES)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


def _expires(row: Any, kind: str, oldest: int) -> bool:
    if isinstance(row, Coverage):
        return kind == "coverage" and row.end is not None and row.end < oldest
    if isinstance(row, Candle):
        return row.start < oldest and (kind == "candles" or (kind == "candles.1s" and row.interval == "1s"))
    return False


def _compare(row: Trade, cursor: Cursor) -> int:
    place, other = (row.event_time, int(row.trade_id)), (cursor.time, cursor.low)
    return (place > other) - (place < other)


TestStoreMachine = pytest.mark.slow(StoreMachine.TestCase)
TestStoreMachine.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)
