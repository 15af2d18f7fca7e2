"""Per-tick statistics: equal to pandas, whatever the steps; late trades are no ticks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

import msgspec
import numpy as np
import pandas as pd
import pytest
from tests.conformance.operators import OperatorConformance, Tape
from tests.operators.tape import NOON, SECOND, T, trades
from tests.operators.tick_tapes import items, random_trades

from fulltape.errors import ConfigError
from fulltape.operators.base import Operator, Step
from fulltape.operators.ticks import Ticks
from fulltape.records import AggressorSide, Array, Batch

DAY = 86_400 * SECOND
BUY, SELL, UNKNOWN = AggressorSide.BUY, AggressorSide.SELL, AggressorSide.UNKNOWN


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return Ticks()

    def tape(self, random: Random) -> Tape:
        return items(random_trades(random, 200))


def stats(operator: Ticks, *steps: Sequence[T], clock: int = NOON) -> Batch:
    """Return the rows that steps of trades make, at a clock that makes none due but by a last empty step."""
    batches = [b for rows in steps for b in operator.apply(Step({"trades": trades(rows)}, clock))]
    return Batch.concat([*batches, *operator.apply(Step({}, clock + 10**18))])


def every_second(prices: Iterable[float]) -> list[T]:
    """Return ticks in seconds of their own, so that each makes a row."""
    return [T(NOON + i * SECOND, i, price) for i, price in enumerate(prices)]


def close(found: Array, expected: object) -> None:
    np.testing.assert_allclose(found, np.asarray(expected, float), rtol=1e-9, equal_nan=True)


@pytest.mark.parametrize(("span", "length"), [(10, 5), (3, 2), (50, 20)])
def test_means_and_spreads_are_those_of_pandas(span: int, length: int) -> None:
    prices = pd.Series(60_000.0 + np.cumsum(np.random.default_rng(3).normal(0, 0.5, 400)))
    rows = stats(Ticks(span, length), every_second(prices))
    ewm, rolling = prices.ewm(span=span, adjust=False), prices.rolling(length, min_periods=1)
    close(rows["ewma_10t"], ewm.mean())
    close(rows["ewma_10t_std"], ewm.std())
    close(rows["ewma_10t_variance"], ewm.var())
    close(rows["rolling_mean_5t"], rolling.mean())
    close(rows["change_1t"], prices.pct_change() * 100)
    windows = [prices[max(0, i - length + 1) : i + 1] for i in range(len(prices))]
    close(rows["rolling_std_5t"], [w.std() for w in windows])
    close(rows["rolling_variance_5t"], [w.var() for w in windows])


def test_equal_prices_have_no_spread() -> None:
    rows = stats(Ticks(), every_second([61_732.03] * 12))
    for name in ("ewma_10t_std", "rolling_std_5t", "vwap_session_std"):
        assert set(rows[name].tolist()[1:]) == {0.0}
    assert set(rows["rolling_mean_5t"].tolist()) == {61_732.03}


def test_the_session_is_the_utc_day() -> None:
    midnight = NOON + DAY // 2
    rows = stats(
        Ticks(),
        [T(midnight - SECOND, 1, 10.0, 1.0), T(midnight, 2, 20.0, 1.0), T(midnight + SECOND, 3, 26.0, 2.0)],
    )
    assert rows["vwap_session"].tolist() == [10.0, 20.0, 24.0]
    close(rows["vwap_session_std"], [0.0, 0.0, 8.0**0.5])


def test_order_flow_and_the_high_have_no_order() -> None:
    late = T(NOON - SECOND, 3, 500.0, 4.0, side=SELL)
    rows = stats(Ticks(), [T(NOON, 1, 100.0, 1.0, side=BUY), late, T(NOON + SECOND, 4, 200.0, 0.5, side=UNKNOWN)])
    assert rows["cvd"].tolist() == [-3.0, -3.0]
    assert rows["all_time_high"].tolist() == [500.0, 500.0]
    assert rows["all_time_high_distance"].tolist() == [-80.0, -60.0]
    assert rows["change_1t"].tolist()[1] == 100.0
    close(rows["vwap_session"], [420.0, 400.0])


def test_a_late_trade_of_another_day_is_in_no_session() -> None:
    rows = stats(Ticks(), [T(NOON, 1, 10.0), T(NOON - DAY, 2, 90.0, ingest=NOON)])
    assert rows["vwap_session"].tolist() == [10.0]


def test_a_time_far_ahead_holds_nothing_back() -> None:
    """One trade claims to be of an hour from now; those that follow are ticks all the same."""
    hour = 3_600 * SECOND
    told = [T(NOON + i * SECOND, i, 100.0 + i) for i in range(3)]
    after = [T(NOON + i * SECOND, i, 100.0 + i) for i in range(4, 8)]
    late = T(NOON + 5 * SECOND, 9, 900.0, ingest=NOON + 7 * SECOND)
    rows = stats(Ticks(), [*told, T(NOON + hour, 3, 110.0, ingest=NOON + 3 * SECOND), *after, late])
    assert rows["trade_id"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert rows["change_1t"].tolist()[4:] == pytest.approx([100 * (104 / 110 - 1), *(100 / p for p in (104, 105, 106))])


def test_a_time_far_ahead_begins_no_session_a_day_early() -> None:
    """The session of a day began with the first trade that claimed to be of it, up to an hour before midnight."""
    midnight = NOON + DAY // 2
    early = T(midnight + SECOND, 2, 90.0, 2.0, ingest=midnight - 600 * SECOND)
    before = [T(midnight - 601 * SECOND, 1, 10.0), early, T(midnight - 599 * SECOND, 3, 20.0)]
    rows = stats(Ticks(), [*before, T(midnight + 2 * SECOND, 4, 60.0, 1.0)])
    assert rows["vwap_session"].tolist() == [10.0, 10.0, 15.0, 80.0]
    close(rows["vwap_session_std"], [0.0, 0.0, 5.0, 200.0**0.5])


def test_a_first_trade_of_tomorrow_waits_for_tomorrow() -> None:
    midnight = NOON + DAY // 2
    early = T(midnight + SECOND, 1, 90.0, 2.0, ingest=midnight - 600 * SECOND)
    rows = stats(Ticks(), [early, T(midnight - 599 * SECOND, 2, 20.0), T(midnight + 2 * SECOND, 3, 60.0)])
    assert rows["vwap_session"].tolist() == [90.0, 20.0, 80.0]


def test_a_venue_whose_clock_is_ahead_loses_nothing_of_its_days() -> None:
    midnight, ahead = NOON + DAY // 2, 120 * SECOND
    times = [midnight + i * 30 * SECOND for i in range(-5, 6)]
    rows = stats(Ticks(), [T(time, i, float(i + 1), ingest=time - ahead) for i, time in enumerate(times)])
    assert rows["vwap_session"].tolist()[:5] == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert rows["vwap_session"].tolist()[-1] == sum(range(6, 12)) / 6


def test_the_state_of_an_older_fulltape_is_taken_up() -> None:
    before, after = Ticks(), Ticks()
    before.apply(Step({"trades": trades([T(NOON, 1, 10.0)])}, NOON))
    settings, rows = msgspec.msgpack.decode(before.snapshot()[0])
    after.restore({0: msgspec.msgpack.encode((settings, rows[:2]))})
    (found,) = after.apply(Step({"trades": trades([T(NOON + SECOND, 2, 20.0)])}, NOON + 9 * SECOND))
    assert found["vwap_session"].tolist() == [10.0, 15.0]


def test_a_venue_whose_clock_is_ahead_has_late_trades_as_any_other() -> None:
    ahead = 120 * SECOND
    rows = [T(NOON + ahead + i * SECOND, i, ingest=NOON + i * SECOND) for i in (0, 1, 3)]
    late = T(NOON + ahead + 2 * SECOND, 2, 500.0, ingest=NOON + 3 * SECOND)
    assert stats(Ticks(), [*rows, late])["trade_id"].tolist() == [0, 1, 3]


def test_trades_of_one_second_make_one_row() -> None:
    rows = stats(Ticks(), [T(NOON + i, i, 1.0 + i) for i in range(50)])
    assert (rows["price"].tolist(), rows["trade_id"].tolist()) == ([50.0], [49])


def test_the_clock_gives_a_row_out_a_second_after_the_tick_came() -> None:
    ticks = Ticks()
    tick = {"trades": trades([T(NOON, 1, ingest=NOON + 50)])}
    assert ticks.apply(Step(tick, NOON + SECOND + 49)) == []
    (rows,) = ticks.apply(Step({}, NOON + SECOND + 50))
    assert rows["ingest_time"].tolist() == [NOON + 50]
    assert ticks.apply(Step({}, NOON + 9 * SECOND)) == []


@pytest.mark.parametrize(("span", "length"), [(0, 5), (10, 1)])
def test_lengths_that_are_none_are_refused(span: int, length: int) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        Ticks(span, length)


def test_state_of_other_lengths_is_refused() -> None:
    old = Ticks()
    stats(old, [T(NOON, 1)])
    with pytest.raises(ConfigError, match="begun with other statistics"):
        Ticks(20).restore(old.snapshot())
