"""Candles from polled rates."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest
from tests.conformance.operators import Item, OperatorConformance, Tape
from tests.conformance.samples import BTC, CODES, ETH, MINUTE, NOON, coin

from fulltape.operators.base import Step
from fulltape.operators.candle_plan import CandleConfig
from fulltape.operators.polls import Polls
from fulltape.records import COINS, Batch, Candle, CandleSource, Coin, EmptyReason, Origin

SECOND = MINUTE // 60
CONFIG = CandleConfig(intervals=("1s", "1m", "1h"), quiet_s=5)


def polled(*rates: tuple[int, float], **changes: Any) -> Batch:
    """Return polls at so many seconds after noon."""
    rows = [coin(NOON + at * SECOND, rate=rate, **changes) for at, rate in rates]
    return COINS.from_rows(rows, CODES)


def candles_of(operator: Polls, batch: Batch | None, clock_s: int) -> list[Candle]:
    batches = {} if batch is None else {COINS.name: batch}
    return [row for made in operator.apply(Step(batches, NOON + clock_s * SECOND)) for row in made.rows(CODES)]


def minutes(
    candles: Iterable[Candle],
) -> list[tuple[int, float | None, float | None, float | None, float | None, bool]]:
    return [
        ((one.start - NOON) // SECOND, one.open, one.high, one.low, one.close, one.is_final)
        for one in candles
        if one.interval == "1m"
    ]


class TestConformance(OperatorConformance):
    def operator(self) -> Polls:
        return Polls(CONFIG)

    def tape(self, random: Random) -> Tape:
        now, items = NOON, []
        for _ in range(60):
            now += random.choice([SECOND, 10 * SECOND, 40 * SECOND, 2 * 60 * MINUTE])
            rows: list[Coin] = [
                coin(now, instrument=one.id, rate=random.uniform(1, 2), origin=random.choice(list(Origin)))
                for one in (BTC, ETH)
            ]
            items += [Item(now, COINS.from_rows([row], CODES)) for row in rows]
        return items


def test_rates_of_a_minute_make_a_candle() -> None:
    operator = Polls(CONFIG)
    assert minutes(candles_of(operator, polled((0, 2.0), (10, 3.0), (20, 1.0), (50, 2.5)), 50)) == [
        (0, 2.0, 3.0, 1.0, 2.5, False)
    ]
    assert minutes(candles_of(operator, polled((60, 4.0)), 60)) == [
        (0, 2.0, 3.0, 1.0, 2.5, True),
        (60, 4.0, 4.0, 4.0, 4.0, False),
    ]


def test_a_candle_of_polls_says_so_and_knows_no_trades() -> None:
    candle = candles_of(Polls(CONFIG), polled((0, 2.0)), 0)[0]
    assert (candle.source, candle.reason) == (CandleSource.POLL, EmptyReason.NONE)
    assert (candle.volume, candle.trades, candle.vwap, candle.quote_volume) == (0.0, None, None, None)


def test_windows_shorter_than_the_quiet_ones_are_not_made() -> None:
    assert {one.interval for one in candles_of(Polls(CONFIG), polled((0, 2.0)), 0)} == {"1m", "1h"}


def test_the_clock_ends_a_window_and_a_window_without_polls_has_no_row() -> None:
    operator = Polls(CONFIG)
    candles_of(operator, polled((0, 2.0)), 0)
    assert minutes(candles_of(operator, None, 64)) == []
    assert minutes(candles_of(operator, None, 65)) == [(0, 2.0, 2.0, 2.0, 2.0, True)]
    assert minutes(candles_of(operator, None, 300)) == []
    assert minutes(candles_of(operator, polled((310, 5.0)), 310)) == [(300, 5.0, 5.0, 5.0, 5.0, False)]


def test_a_clock_set_back_changes_the_newest_window_only() -> None:
    operator = Polls(CONFIG)
    candles_of(operator, polled((60, 2.0)), 60)
    assert minutes(candles_of(operator, polled((30, 9.0)), 61)) == [(60, 2.0, 9.0, 2.0, 9.0, False)]


@pytest.mark.parametrize("origin", [Origin.REFILL, Origin.SNAPSHOT])
def test_history_makes_no_candles(origin: Origin) -> None:
    assert candles_of(Polls(CONFIG), polled((0, 2.0), origin=origin), 0) == []


def test_other_intervals_go_on_with_what_they_share() -> None:
    operator = Polls(CONFIG)
    candles_of(operator, polled((0, 2.0)), 0)
    other = Polls(msgspec.structs.replace(CONFIG, intervals=("1m", "5m")))
    other.restore(operator.snapshot())
    made = candles_of(other, polled((10, 3.0)), 10)
    assert {(one.interval, one.open) for one in made} == {("1m", 2.0), ("5m", 3.0)}
