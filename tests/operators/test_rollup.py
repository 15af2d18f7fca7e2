"""Roll-up of candles and bars."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from tests.conformance.samples import CODES, ETH, bar, candle
from tests.operators.market import split, tapes
from tests.operators.tape import MINUTE, NOON, T, run

from fulltape.operators.candle_plan import CandleConfig
from fulltape.operators.candles import Candles
from fulltape.operators.rollup import roll_up
from fulltape.records import BARS, CANDLES, Bar, Batch, Candle, EmptyReason


def bars(*rows: Bar) -> Batch:
    return BARS.from_rows(rows, CODES)


def candles(*rows: Candle) -> Batch:
    return CANDLES.from_rows(rows, CODES)


def empty(start: int, reason: EmptyReason) -> Candle:
    none: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close", "vwap"))
    nothing: dict[str, Any] = dict.fromkeys(("volume", "quote_volume", "taker_buy_volume"), 0.0)
    return candle(start, trades=0, reason=reason, **none, **nothing)


def test_bars_in_any_order_of_several_instruments() -> None:
    rows = [bar(NOON + i * MINUTE, open=i, high=10.0 + i, low=-i, close=i + 0.5, volume=0.1) for i in range(10)]
    rows += [bar(NOON, instrument=ETH.id, open=7.0)]
    Random(1).shuffle(rows)
    found = roll_up(bars(*rows), 300).rows(CODES)
    assert [(r.instrument, r.start, r.open, r.high, r.low, r.close, r.volume) for r in found] == [
        ("BTC-USD.COINBASE", NOON, 0.0, 14.0, -4.0, 4.5, 0.5),
        ("BTC-USD.COINBASE", NOON + 5 * MINUTE, 5.0, 19.0, -9.0, 9.5, 0.5),
        (ETH.id, NOON, 7.0, 4.0, 0.5, 2.0, 3.0),
    ]
    assert {r.interval for r in found} == {"5m"}


def test_volume_is_the_exact_sum_rounded_once() -> None:
    sizes = [1e15, *[0.1] * 700, 3e-9]
    rows = bars(*(bar(NOON + i * MINUTE, volume=size) for i, size in enumerate(sizes)))
    assert roll_up(rows, 86_400)["volume"].tolist() == [float(sum(map(Fraction, sizes)))]


def test_what_one_bar_does_not_say_the_sum_cannot() -> None:
    known = roll_up(bars(bar(NOON, vwap=1.0, trades=2), bar(NOON + MINUTE, vwap=3.0, trades=5)), 300).rows(CODES)
    partly = roll_up(bars(bar(NOON, vwap=1.0, trades=2), bar(NOON + MINUTE)), 300).rows(CODES)
    assert (known[0].vwap, known[0].trades, known[0].ingest_time) == (2.0, 7, NOON + 2 * MINUTE)
    assert (partly[0].vwap, partly[0].trades) == (None, None)


def test_windows_without_trades_have_no_part_in_prices() -> None:
    rows = [
        empty(NOON, EmptyReason.QUIET),
        candle(NOON + MINUTE, open=2.0, revision=2),
        candle(NOON + 2 * MINUTE, close=9.0, is_final=False),
        empty(NOON + 3 * MINUTE, EmptyReason.GAP),
    ]
    (row,) = roll_up(candles(*rows), 300).rows(CODES)
    assert (row.open, row.high, row.low, row.close, row.volume, row.trades) == (2.0, 4.0, 0.5, 9.0, 6.0, 14)
    assert (row.quote_volume, row.vwap, row.taker_buy_volume) == (12.0, 2.0, 3.0)
    assert (row.revision, row.is_final, row.reason) == (2, False, EmptyReason.NONE)


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([EmptyReason.QUIET, EmptyReason.QUIET], EmptyReason.QUIET),
        ([EmptyReason.QUIET, EmptyReason.VENUE_DOWN], EmptyReason.VENUE_DOWN),
        ([EmptyReason.GAP, EmptyReason.VENUE_DOWN], EmptyReason.GAP),
    ],
)
def test_an_empty_window_says_the_worst_reason(reasons: list[EmptyReason], expected: EmptyReason) -> None:
    (row,) = roll_up(candles(*(empty(NOON + i * MINUTE, r) for i, r in enumerate(reasons))), 300).rows(CODES)
    assert (row.reason, row.trades, row.open, row.close, row.vwap) == (expected, 0, None, None, None)


@pytest.mark.parametrize(("interval", "into"), [("5m", 60), ("7s", 60), ("90s", 3_600 + 60), ("4h", 86_400 - 3_600)])
def test_windows_that_do_not_tile_are_refused(interval: str, into: int) -> None:
    with pytest.raises(ValueError, match=f"windows of {interval} do not make up"):
        roll_up(bars(bar(NOON, interval=interval)), into)


def test_days_make_up_weeks_that_start_on_monday() -> None:
    day = 1_440 * MINUTE
    rows = bars(*(bar(NOON - 720 * MINUTE + i * day, interval="1d") for i in range(3)))
    assert roll_up(rows, 604_800)["start"].tolist() == [NOON - 720 * MINUTE - 5 * day, NOON - 720 * MINUTE + 2 * day]


def test_nothing_rolls_up_to_nothing() -> None:
    assert len(roll_up(BARS.empty(), 60)) == 0


@given(tapes())
@settings(deadline=None, max_examples=30)
def test_rolled_up_rows_are_the_operator_s_own(rows: list[T]) -> None:
    candles = Candles(CandleConfig(("1s", "1h")))
    clock = (rows[-1].ingest or 0) + 10**13
    table = run(candles, split(rows, [], clock))
    fine = [key for key in table.rows if key[1] == 1]
    batch = CANDLES.from_columns(
        {
            **{name: [key[i] for key in fine] for i, name in enumerate(CANDLES.key)},
            **{name: [getattr(table.rows[key], name) for key in fine] for name in table.rows[fine[0]]._fields},
            "source": [0] * len(fine),
        }
    )
    for row in roll_up(batch, 3_600).rows(_Numbers()):
        ours = table.rows[int(row.instrument), 3_600, row.start]
        assert (row.open, row.high, row.low, row.close, row.trades) == (*ours[:4], ours.trades)
        for name in ("volume", "quote_volume", "vwap", "taker_buy_volume"):
            assert math.isclose(getattr(row, name), getattr(ours, name), rel_tol=1e-14)


class _Numbers:
    """Codes that are their own ids."""

    def id_of(self, code: int) -> str:
        return str(code)

    def code_of(self, instrument_id: str) -> int:
        return int(instrument_id)
