"""Statistics that are views of candles: which rows they take, and what they say where rows are missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from tests.conformance.samples import BTC, ETH, NOON, candle, commit

from fulltape.records import Candle, Commit
from fulltape.stores.base import Store

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = NOON - 12 * HOUR


def days(closes: Iterable[float | None], first: int = 0, **changes: Any) -> list[Candle]:
    """Return final daily candles; a day without a close has no trades."""
    return [
        candle(MIDNIGHT + (first + i) * DAY, "1d", close=close, trades=0 if close is None else 5, **changes)
        for i, close in enumerate(closes)
    ]


def write(store: Store, *rows: Candle, clock: int = NOON) -> None:
    made = commit(1, *rows)
    store.commit(Commit(1, clock, made.batches, instruments=made.instruments))


def rows(store: Store, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.reader().sql(query).to_pylist()
    return found


def averages(store: Store, name: str, instrument: str = BTC.id) -> list[float | None]:
    return [
        row[name] for row in rows(store, f"SELECT {name} FROM daily WHERE instrument = '{instrument}' ORDER BY day")
    ]


def test_an_average_of_ten_days_has_exactly_ten_closes(store: Store) -> None:
    write(store, *days(map(float, range(40))), *days([7.0] * 9, instrument=ETH.id))
    assert averages(store, "sma_10d")[:11] == [None] * 9 + [4.5, 5.5]
    assert averages(store, "sma_30d")[28:] == [None, *(14.5 + i for i in range(11))]
    assert averages(store, "sma_10d", ETH.id) == [None] * 9


def test_a_missing_day_shifts_no_average(store: Store) -> None:
    write(store, *days([1.0] * 8), *days([None], 8), *days([2.0] * 3, 10), *days([3.0] * 9, 13))
    found = averages(store, "sma_10d")
    assert len(found) == 21
    assert found[:-3] == [None] * 18
    assert found[-3:] == [pytest.approx(2.7), pytest.approx(2.8), pytest.approx(2.9)]


def test_a_day_that_goes_on_has_no_close_yet(store: Store) -> None:
    write(store, *days([1.0] * 9), *days([100.0], 9, is_final=False))
    assert averages(store, "sma_10d") == [None] * 10


def test_hours_are_completed_ones(store: Store) -> None:
    write(store, candle(NOON, "1h"), candle(NOON + HOUR, "1h", is_final=False), candle(NOON, "1m"))
    (row,) = rows(store, "FROM hourly")
    assert (row["instrument"], row["transaction_count"], row["total_trade_volume"]) == (BTC.id, 7, 6.0)


def test_rolling_figures_are_of_whole_minutes_up_to_now(store: Store) -> None:
    now = NOON + DAY + 30 * 10**9
    minute = NOON + DAY
    empty = msgspec.structs.replace(
        candle(minute - MINUTE), open=None, high=None, low=None, close=None, trades=0, quote_volume=0.0
    )
    write(
        store,
        candle(minute - 1_440 * MINUTE, high=999.0),
        candle(minute - 1_439 * MINUTE, open=1.5, low=0.25),
        candle(minute - 60 * MINUTE, high=50.0),
        candle(minute - 59 * MINUTE),
        empty,
        candle(minute, close=2.5, is_final=False),
        candle(minute - 100 * MINUTE, instrument=ETH.id),
        clock=now,
    )
    btc, eth = rows(store, "FROM rolling ORDER BY instrument")
    assert (btc["transaction_count_1h"], btc["total_trade_volume_1h"]) == (14, 12.0)
    assert [btc[f"{name}_24h"] for name in ("open", "high", "low", "close")] == [1.5, 50.0, 0.25, 2.5]
    assert [btc[f"{name}_24h"] for name in ("volume", "quote_volume", "trades")] == [12.0, 24.0, 28]
    assert (eth["transaction_count_1h"], eth["total_trade_volume_1h"], eth["trades_24h"]) == (0, 0.0, 7)


def test_minutes_far_ahead_are_in_no_rolling_figure(store: Store) -> None:
    """A trade that claims to be of the next hour was the close of 24 hours until time had caught up with it."""
    wrong = candle(NOON + 40 * MINUTE, close=999.0, high=999.0, is_final=False)
    early = candle(NOON + MINUTE, close=3.0, is_final=False)  # of a venue whose clock is some seconds ahead of ours
    write(store, candle(NOON), early, wrong, clock=NOON + 50 * 10**9)
    [row] = rows(store, "FROM rolling")
    assert (row["close_24h"], row["high_24h"], row["transaction_count_1h"], row["trades_24h"]) == (3.0, 4.0, 14, 14)


def test_rolling_prices_are_of_bars_too_and_what_bars_do_not_tell_is_null(store: Store) -> None:
    bar = msgspec.structs.replace(candle(NOON - 120 * MINUTE, open=1.25, high=80.0), trades=None, quote_volume=None)
    write(store, bar, candle(NOON), clock=NOON)
    [row] = rows(store, "FROM rolling")
    assert (row["open_24h"], row["high_24h"], row["volume_24h"]) == (1.25, 80.0, 2 * bar.volume)
    assert (row["quote_volume_24h"], row["trades_24h"]) == (None, None)
    assert (row["transaction_count_1h"], row["total_trade_volume_1h"]) == (7, 6.0)
