"""Trades dated far ahead: windows count them when their time has come, and go on until then."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.machine import MINUTES, NOON, SECOND, Machine, chunk, match

from fulltape.engine.pipeline import early as module
from fulltape.engine.pipeline.counters import Counters
from fulltape.engine.pipeline.early import Early
from fulltape.engine.pipeline.statistics import StatisticConfig
from fulltape.records import TRADES, AggressorSide, Batch, Origin

MINUTE = 60 * SECOND
BTC = "BTC-USD.COINBASE"
AHEAD = 30 * MINUTE

Row = tuple[int, int, int, int]
"""Instrument, trade id, event time and ingest time."""


def trades(*rows: Row) -> Batch:
    codes, ids, times, arrivals = zip(*rows, strict=True) if rows else ((), (), (), ())
    alike = len(rows)
    return TRADES.from_columns(
        {
            "instrument": codes,
            "trade_id": ids,
            "trade_id_high": [0] * alike,
            "price": [100.0] * alike,
            "size": [1.0] * alike,
            "aggressor_side": [AggressorSide.BUY] * alike,
            "event_time": times,
            "ingest_time": arrivals,
            "origin": [Origin.LIVE] * alike,
        }
    )


class Known(Early):
    """Of instruments that have all traded before, but for those that are new."""

    def __init__(self, *new: int) -> None:
        super().__init__(lambda code: code not in self.new, Counters())
        self.new = set(new)
        self.kept: dict[int, bytes] = {}

    def ids(self, rows: Sequence[Row], clock: int) -> list[int]:
        settled: list[int] = self.settle(trades(*rows), clock)["trade_id"].tolist()
        self.new -= {code for code, *_ in rows}
        return settled

    def restarted(self) -> Known:
        self.kept |= self.snapshot()
        other = Known(*self.new)
        other.kept = dict(self.kept)
        other.restore(self.kept)
        return other


def test_where_nothing_is_early_nothing_is_touched() -> None:
    batch = trades((0, 1, NOON, NOON), (0, 2, NOON + 59 * SECOND, NOON))
    assert Known().settle(batch, NOON) is batch


def test_an_early_trade_waits_and_stands_before_what_came_later() -> None:
    early = Known()
    assert early.ids([(0, 1, NOON, NOON), (0, 2, NOON + AHEAD, NOON), (0, 3, NOON, NOON)], NOON) == [1, 3]
    assert early.ids([], NOON + AHEAD - 1) == []
    due = [(0, 4, NOON, NOON + AHEAD - 1), (0, 5, NOON, NOON + AHEAD), (0, 6, NOON, NOON + AHEAD + 1)]
    settled = early.restarted().settle(trades(*due), NOON + AHEAD + 1)
    assert settled["trade_id"].tolist() == [4, 2, 5, 6]
    assert settled["ingest_time"].tolist()[1] == settled["event_time"].tolist()[1] == NOON + AHEAD
    assert early.restarted().ids([], NOON + AHEAD) == [2]


def test_it_is_forgotten_when_it_is_over() -> None:
    early = Known()
    early.ids([(3, 1, NOON + AHEAD, NOON)], NOON)
    assert early.snapshot().keys() == {3}
    early.ids([(3, 2, NOON + AHEAD, NOON + AHEAD)], NOON + AHEAD)
    early.kept |= early.snapshot()
    batch = trades((3, 3, NOON + AHEAD, NOON + AHEAD))
    assert early.settle(batch, NOON + AHEAD) is batch
    assert early.restarted().settle(batch, NOON + AHEAD) is batch


def test_where_clocks_differ_only_what_is_further_ahead_is_early() -> None:
    """The first trade of all tells how far a venue's clock is ahead, or ours behind."""
    counters = Counters()
    early = Early(lambda _: False, counters)
    rows = [(0, i, NOON + 5 * MINUTE + i * SECOND, NOON + i * SECOND) for i in range(5)]
    assert early.settle(trades(*rows), NOON + 5 * SECOND)["trade_id"].tolist() == [0, 1, 2, 3, 4]
    rows = [(0, 5, NOON + AHEAD, NOON + 5 * SECOND), (0, 6, NOON + 5 * MINUTE, NOON + 6 * SECOND)]
    assert early.settle(trades(*rows), NOON + 6 * SECOND)["trade_id"].tolist() == [6]
    assert counters.early_trades == 1
    # The clocks agree again: what was the rule before is early now.
    rows = [(0, 7, NOON, NOON + 7 * SECOND), (0, 8, NOON + 5 * MINUTE, NOON + 8 * SECOND)]
    assert early.settle(trades(*rows), NOON + 8 * SECOND)["trade_id"].tolist() == [7]


def test_an_instrument_that_began_in_the_same_step_is_known() -> None:
    early = Early(lambda _: False, Counters())
    assert early.settle(trades((0, 1, NOON, NOON), (0, 2, NOON + AHEAD, NOON)), NOON)["trade_id"].tolist() == [1]


def test_a_clock_that_was_set_delays_a_few_trades_only() -> None:
    early = Known()
    rows = [(0, i, NOON + AHEAD + i, NOON + i) for i in range(30)]
    assert early.ids(rows[:20], NOON + 20) == []
    assert early.ids(rows[20:25], NOON + 25) == list(range(25))
    assert early.restarted().ids(rows[25:], NOON + 30) == list(range(25, 30))


def test_no_more_than_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    early = Known()
    lies = [row for i in range(4) for row in ((0, 10 + i, NOON + AHEAD, NOON), (0, i, NOON, NOON))]
    assert early.ids(lies, NOON) == [0, 1, 2, 10, 11, 12, 13, 3]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from((-MINUTE, 0, 50 * SECOND, 5 * MINUTE, AHEAD)), st.integers(0, 90)),
        max_size=80,
    ),
    st.sets(st.integers(0, 80)),
)
def test_steps_and_restarts_change_nothing_and_nothing_is_lost(
    drawn: list[tuple[int, int, int]], cuts: set[int]
) -> None:
    arrivals = (NOON + np.cumsum([0, *(pause for *_, pause in drawn)]) * SECOND).tolist()
    rows = [(code, i, arrivals[i] + lead, arrivals[i]) for i, (code, lead, _) in enumerate(drawn)]
    end = arrivals[-1] + AHEAD
    whole = Known(0)
    told = [*whole.ids(rows, arrivals[-1]), *whole.ids([], end)]
    assert sorted(told) == list(range(len(rows)))
    early, parts, bounds = Known(0), [], sorted({0, *(cut for cut in cuts if cut < len(rows)), len(rows)})
    for first, last in pairwise(bounds):
        early = early.restarted()
        parts += early.ids(rows[first:last], rows[last - 1][3])
    assert [*parts, *early.ids([], end)] == told


def test_true_trades_are_not_late_after_one_dated_far_ahead() -> None:
    machine = Machine(MINUTES, statistics=StatisticConfig())
    machine.step(chunk(match(1)))
    machine.step(chunk(match(2, NOON + AHEAD, price="900")))
    assert [trade.trade_id for trade in machine.rows("trades")] == ["1", "2"]
    for minute in range(1, 34):
        if minute == 10:
            machine = machine.restarted(NOON + minute * MINUTE - SECOND)
        now = NOON + minute * MINUTE
        machine.step(chunk(match(minute + 2, now), at=now), clock=now)
    counters = machine.pipeline.counters
    assert (counters.late_trades, counters.rejected) == (0, {})
    candles = machine.candles()
    assert {row.revision for row in candles.values()} == {0}
    assert all(candles[BTC, "1m", NOON + m * MINUTE].is_final for m in range(32))
    for minute in range(32):
        row = candles[BTC, "1m", NOON + minute * MINUTE]
        assert (row.trades, row.high) == ((2, 900.0) if minute == 30 else (1, 100.0))
    windows = {row.start: row for row in machine.rows("windows")}
    assert [windows[NOON + m * MINUTE].trades for m in (29, 30, 31)] == [1, 2, 1]
