"""Bars that end by activity."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pandas as pd
import pytest
from tests.conformance.operators import OperatorConformance, Tape
from tests.operators.tape import NOON, SECOND, T, trades
from tests.operators.tick_tapes import frame, items, random_trades, simulated_trades

from fulltape.errors import ConfigError
from fulltape.operators.activity_bars import ActivityBarConfig, ActivityBars
from fulltape.operators.base import Operator, Step
from fulltape.records import AggressorSide, BarBasis, Batch

ALL = ActivityBarConfig(ticks=7, volume=3.0, value=1e6)


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return ActivityBars(ALL)

    def tape(self, random: Random) -> Tape:
        return items(random_trades(random, 200))


def bars(config: ActivityBarConfig, rows: Sequence[T]) -> Batch:
    (found,) = ActivityBars(config).apply(Step({"trades": trades(rows)}, NOON))
    return found


def test_a_bar_ends_with_the_trade_that_reaches_the_threshold() -> None:
    rows = [T(NOON + i * SECOND, i, 10.0 + i, 1.0 + i, side=1 + i % 2) for i in range(6)]
    found = bars(ActivityBarConfig(ticks=0, volume=3.0), rows)
    assert found["volume"].tolist() == [3.0, 3.0, 4.0, 5.0, 6.0]
    assert found["number"].tolist() == [1, 2, 3, 4, 5]
    assert found["start"].tolist()[:2] == [NOON, NOON + 2 * SECOND]
    assert found["end"].tolist()[:2] == [NOON + SECOND, NOON + 2 * SECOND]
    assert [found[name][0] for name in ("open", "high", "low", "close", "taker_buy_volume")] == [10, 11, 10, 11, 1]
    assert found["basis"].tolist() == [BarBasis.VOLUME] * 5


def test_a_late_trade_is_in_no_bar() -> None:
    found = bars(ActivityBarConfig(ticks=2), [T(NOON, 1, 5.0), T(NOON - 1, 2, 900.0), T(NOON, 0, 6.0)])
    assert (found["high"].tolist(), found["close"].tolist(), found["trades"].tolist()) == ([6.0], [6.0], [2])


def test_a_time_far_ahead_holds_no_bar_back() -> None:
    ahead = T(NOON + 3_600 * SECOND, 1, 7.0, ingest=NOON)
    found = bars(ActivityBarConfig(ticks=2), [ahead, T(NOON + 1, 2, 8.0), T(NOON + 2, 3), T(NOON + 3, 4)])
    assert found["trades"].tolist() == [2, 2]
    assert (found["open"][0], found["close"][0]) == (7.0, 8.0)


def test_nothing_configured_makes_nothing() -> None:
    none = ActivityBars(ActivityBarConfig(ticks=0))
    assert none.apply(Step({"trades": trades([T(NOON, 1)])}, NOON)) == []


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("basis", BarBasis)
def test_bars_are_those_of_pandas(basis: BarBasis, count: int) -> None:
    batch = simulated_trades(count)
    threshold, config = {
        BarBasis.TICKS: (500.0, ActivityBarConfig(ticks=500)),
        BarBasis.VOLUME: (90.0, ActivityBarConfig(ticks=0, volume=90.0)),
        BarBasis.VALUE: (4e6, ActivityBarConfig(ticks=0, value=4e6)),
    }[basis]
    (found,) = ActivityBars(config).apply(Step({"trades": batch}, 0))
    for code in range(4):
        rows = frame(batch, code)
        activity = {
            BarBasis.TICKS: np.ones(len(rows)),
            BarBasis.VOLUME: rows["size"],
            BarBasis.VALUE: rows["price"] * rows["size"],
        }[basis]
        number, reached, numbers = 1, 0.0, []
        for amount in activity:
            numbers.append(number)
            reached += amount
            if reached >= threshold:
                number, reached = number + 1, 0.0
        rows["bought"] = rows["size"].where(rows["aggressor_side"] == AggressorSide.BUY, 0.0)
        rows["quote"] = rows["price"] * rows["size"]
        grouped = rows.groupby(pd.Series(numbers))
        expected = grouped.agg(
            open=("price", "first"), high=("price", "max"), low=("price", "min"), close=("price", "last"),
            volume=("size", "sum"), quote_volume=("quote", "sum"), trades=("size", "count"),
            taker_buy_volume=("bought", "sum"), start=("event_time", "first"), end=("event_time", "last"),
        )[: number - 1]  # fmt: skip
        mine = found.take(found["instrument"] == code)
        assert mine["number"].tolist() == expected.index.tolist()
        for name in expected:
            np.testing.assert_allclose(mine[name], expected[name], rtol=1e-9)


def test_state_of_other_thresholds_is_refused() -> None:
    old = ActivityBars(ALL)
    old.apply(Step({"trades": trades([T(NOON, 1)])}, NOON))
    with pytest.raises(ConfigError, match="begun with other statistics"):
        ActivityBars().restore(old.snapshot())
