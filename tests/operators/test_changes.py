"""Changes over time: the price of back then, as far as a small memory knows it."""

from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
import pytest
from tests.conformance.operators import Item, OperatorConformance, Tape
from tests.operators.tape import NOON, SECOND

from fulltape.operators.base import Operator, Step
from fulltape.operators.changes import PARTS, PERIODS_S, Changes
from fulltape.records import TICK_STATS, Array, Batch

MINUTE = 60 * SECOND
DAY = 86_400 * SECOND


def ticks(times: Array, prices: Array, code: int = 0) -> Batch:
    """Return rows of ticks of which only time and price matter."""
    fill = {name: np.zeros(len(times), c.dtype) for c in TICK_STATS.columns for name in c.names}
    codes = np.full(len(times), code, np.int32)
    return Batch(TICK_STATS, {**fill, "instrument": codes, "event_time": times, "price": prices})


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return Changes()

    def tape(self, random: Random) -> Tape:
        now, tape = NOON, []
        for _ in range(300):
            now += random.choice([SECOND, 7 * SECOND, 70 * SECOND, 3_000 * SECOND, DAY])
            row = ticks(np.array([now]), np.array([1.0 + random.random()]), random.randrange(3))
            tape.append(Item(now, row))
        return tape


def expected(times: Array, prices: Array, period: int) -> Array:
    """Return the changes by pandas: the last tick of each part, looked up backwards."""
    slot = times // (period // PARTS)
    last = np.r_[slot[1:] != slot[:-1], True]
    memory = pd.DataFrame({"time": times[last], "reference": prices[last]})
    asked = pd.DataFrame({"time": times - period, "price": prices})
    found = pd.merge_asof(asked, memory, on="time", direction="backward", tolerance=period)
    return np.asarray(100.0 * (found["price"] / found["reference"] - 1.0))


@pytest.mark.parametrize("seed", range(3))
def test_changes_are_those_of_a_lookup_backwards(seed: int) -> None:
    random = np.random.default_rng(seed)
    gaps = random.choice(
        [1, 1, 2, 30, 90, 400, 5_000, 90_000, 800_000], 4_000, p=[0.3, 0.3, 0.2, 0.1, 0.04, 0.03, 0.02, 0.005, 0.005]
    )
    times = NOON + np.cumsum(gaps) * SECOND + random.integers(0, SECOND, len(gaps))
    times.sort()
    prices = 100.0 + np.cumsum(random.normal(0, 0.1, len(gaps)))
    (rows,) = Changes().apply(Step({"tick_stats": ticks(times, prices)}, 0))
    for name, seconds in PERIODS_S.items():
        found, wanted = rows[name], expected(times, prices, seconds * SECOND)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12, equal_nan=True)
        assert 0 < np.isnan(found).sum() < len(found)


def test_a_time_far_ahead_is_forgotten_when_time_goes_back() -> None:
    times = NOON + np.arange(200) * SECOND
    prices = 100.0 + np.arange(200.0)
    mistaken, wrong = times.copy(), prices.copy()
    mistaken[90], wrong[90] = NOON + 3_600 * SECOND, 5.0
    (rows,) = Changes().apply(Step({"tick_stats": ticks(mistaken, wrong)}, 0))
    (true,) = Changes().apply(Step({"tick_stats": ticks(np.delete(times, 90), np.delete(prices, 90))}, 0))
    for name in ("change_1m", "change_5m", "change_15m"):
        found = np.delete(rows[name], 90)
        since = 91 + 60 if name == "change_1m" else 91
        np.testing.assert_allclose(found[since:], true[name][since:], rtol=1e-12)
    assert np.isfinite(rows["change_1m"][152:]).all()


def test_without_a_price_of_back_then_there_is_no_change() -> None:
    times = NOON + np.array([0, MINUTE - 1, MINUTE, 2 * MINUTE, 5 * MINUTE])
    (rows,) = Changes().apply(Step({"tick_stats": ticks(times, np.array([100.0, 120.0, 110.0, 55.0, 1.0]))}, 0))
    np.testing.assert_allclose(rows["change_1m"], [np.nan, np.nan, 10.0, -50.0, np.nan], rtol=1e-12)
    np.testing.assert_allclose(rows["change_5m"], [np.nan] * 4 + [-99.0], rtol=1e-12)
