"""Views of older systems: the numbers, and that their defects are gone."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pandas as pd
import pytest
from tests.conformance.samples import BTC, ETH, NOON, candle, coin, commit, last, quote, stat, ticker, trade, window

from fulltape.records import AggressorSide, Candle, CandleSource, Coin, Commit, Origin, RfqMatch
from fulltape.stores.base import SqlLimits, Store
from fulltape.stores.duckdb import DuckDbStore
from fulltape.stores.views import OLDER_SYSTEMS

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = NOON - 12 * HOUR


def write(store: Store, *rows: msgspec.Struct, clock: int = NOON) -> None:
    made = commit(1, *rows)
    store.commit(Commit(1, clock, made.batches, instruments=made.instruments))


def rows(store: Store, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.reader().sql(query).to_pylist()
    return found


def column(store: Store, name: str, query: str) -> list[Any]:
    return [row[name] for row in rows(store, query)]


def history(rates: dict[int, float]) -> list[Coin]:
    """Return a coin's history: its rate at noon of some days."""
    return [coin(NOON + day * DAY, rate=rate, origin=Origin.REFILL) for day, rate in rates.items()]


def closes(prices: dict[int, float], **changes: Any) -> list[Candle]:
    return [
        candle(MIDNIGHT + day * DAY, "1d", close=price, instrument=ETH.id, **changes) for day, price in prices.items()
    ]


def polled(start: int, interval: str = "1m", **changes: Any) -> Candle:
    """Return a candle of polls: nobody traded."""
    unknown = dict.fromkeys(("quote_volume", "vwap", "trades", "taker_buy_volume"))
    return candle(start, interval, volume=0.0, source=CandleSource.POLL, **unknown, **changes)


def test_ten_days_are_ten_rows(store: Store) -> None:
    """The older view took the row itself and ten before it: eleven."""
    rates = {day: float(day * day) for day in range(40)}
    write(store, *history(rates), *closes(rates))
    expected = pd.Series(rates)
    for days in (10, 30):
        reference = expected.rolling(days).mean().to_numpy()
        for instrument in (BTC.id, ETH.id):
            query = f"FROM moving_average_{days}d WHERE instrument = '{instrument}' ORDER BY day"
            found = np.array(column(store, "moving_average", query), float)
            np.testing.assert_allclose(found, reference, rtol=1e-9)


def test_a_missing_day_shifts_no_mean(store: Store) -> None:
    write(store, *history({day: 1.0 for day in range(21) if day != 8}))
    found = column(store, "moving_average", "FROM moving_average_10d ORDER BY day")
    assert found == [None] * 17 + [1.0] * 3


def test_a_missing_day_changes_no_change(store: Store) -> None:
    """The older view compared with the row before, whatever day that was, and with the seventh before it."""
    rates = {0: 100.0, 1: 110.0, 3: 220.0, 7: 150.0, 8: 300.0}
    write(store, *history(rates), *closes(rates))
    for instrument in (BTC.id, ETH.id):
        found = rows(store, f"FROM change_by_day WHERE instrument = '{instrument}' ORDER BY day")
        assert [row["change_from_day_before"] for row in found] == [None, pytest.approx(10.0), None, None, 100.0]
        assert [row["change_from_week_before"] for row in found][3:] == [50.0, pytest.approx(300 / 1.1 - 100)]
    (latest, _) = rows(store, "FROM change_by_day_latest ORDER BY instrument")
    assert (latest["price"], latest["price_day_before"], latest["price_week_before"]) == (300.0, 150.0, 110.0)


def test_a_day_that_goes_on_changes_nothing_yet(store: Store) -> None:
    write(store, *closes({0: 1.0}), *closes({1: 2.0}, is_final=False))
    assert column(store, "price", "FROM change_by_day") == [1.0]
    assert column(store, "price", "FROM moving_average_10d") == [1.0]
    assert column(store, "is_final", "FROM ohlc_by_day ORDER BY day") == [True, False]


def test_the_price_of_a_coins_day_is_the_one_nearest_to_noon(store: Store) -> None:
    early, late = coin(NOON - 5 * MINUTE, rate=1.0), coin(NOON + 6 * MINUTE, rate=2.0)
    write(store, early, late, coin(NOON + DAY + 9 * HOUR, rate=3.0), *history({1: 4.0}))
    assert column(store, "rate", "FROM hist_daily ORDER BY day") == [1.0, 4.0]


def test_a_minute_has_one_row_however_often_it_changed(store: Store) -> None:
    """The older view had a row for each update."""
    first = commit(1, candle(NOON, close=1.0, is_final=False))
    store.commit(first)
    store.commit(commit(2, candle(NOON, close=2.0, is_final=False), polled(NOON, instrument=ETH.id)))
    found = rows(store, "FROM ohlc_by_minute ORDER BY instrument")
    assert [(row["close"], row["trades"], row["volume"]) for row in found] == [(2.0, 7, 3.0), (2.0, None, 0.0)]


def test_an_empty_minute_is_no_row(store: Store) -> None:
    nothing: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close", "vwap"))
    write(store, candle(trades=0, **nothing))
    assert rows(store, "FROM ohlc_by_minute") == []


def test_a_coins_day_has_what_was_reported_of_it(store: Store) -> None:
    polls = [coin(NOON, all_time_high_usd=5.0, volume=7.0), coin(NOON + 1, all_time_high_usd=6.0, volume=3.0)]
    write(store, polled(MIDNIGHT, "1d"), candle(MIDNIGHT, "1d", instrument=ETH.id), *polls)
    found = rows(store, "FROM ohlc_by_day ORDER BY instrument")
    assert [(row["all_time_high_usd"], row["reported_volume_24h"]) for row in found] == [(6.0, 7.0), (None, None)]


def test_a_poll_is_compared_with_the_poll_before(store: Store) -> None:
    write(store, coin(NOON, rate=2.0), coin(NOON + 1, rate=3.0), *history({-1: 50.0}), stat(instrument=ETH.id))
    found = rows(store, "FROM change_by_second ORDER BY instrument, event_time")
    assert [row["change_1t"] for row in found] == [None, 50.0, -0.125]


def test_windows_of_polls_hop_by_half_a_minute(store: Store) -> None:
    rates = {0: 1.0, 10: 2.0, 30: 6.0, 89: 4.0}
    polls = [coin(NOON + second * SECOND, rate=rate) for second, rate in rates.items()]
    write(store, *polls, *history({1: 1.0}), window(instrument=ETH.id))
    query = f"SELECT epoch_ns(start) AS start, mean_60s_30s FROM mov_avg_60_sec WHERE instrument = '{BTC.id}'"
    found = {row["start"]: row["mean_60s_30s"] for row in rows(store, query)}
    reference = {}
    for hop in range(-1, 4):
        inside = [rate for second, rate in rates.items() if hop * 30 <= second < hop * 30 + 60]
        if inside:
            reference[NOON + hop * 30 * SECOND] = float(np.mean(inside))
    assert found == reference
    assert column(store, "mean_60s_30s", f"FROM mov_avg_60_sec WHERE instrument = '{ETH.id}'") == [100.5]


def test_the_overview_compares_by_time(store: Store) -> None:
    """The older one compared with the last rows of the history, whatever their days."""
    polls = [coin(NOON + 9 * DAY - 3 * SECOND, rate=3.0), coin(NOON + 9 * DAY, rate=4.0)]
    write(store, *polls, *history({0: 1.0, 1: 1.5, 2: 2.0}))
    (row,) = rows(store, "FROM overview")
    assert (row["name"], row["price"], row["cap"], row["total_supply"]) == ("Bitcoin", 4.0, 2e12, None)
    assert row["change_1t"] == pytest.approx(100 / 3)
    assert row["change_7d"] == 100.0
    assert row["change_1d"] is None  # the newest rate a day old is a week old


def test_the_overview_of_what_is_traded_is_that_after_its_last_tick(store: Store) -> None:
    stats = [stat(NOON - SECOND, change_1d=9.0), stat(NOON), stat(NOON - 2 * DAY, instrument=ETH.id)]
    write(store, last(), last(instrument=ETH.id), *stats)
    btc, eth = rows(store, "FROM overview ORDER BY instrument")
    assert (btc["price"], btc["all_time_high"], btc["change_1t"], btc["change_1d"]) == (100.5, 110.0, -0.125, 3.0)
    assert (btc["volume_24h"], btc["name"], btc["cap"]) == (1234.5, "", None)
    assert (eth["price"], eth["change_1d"], eth["all_time_high"]) == (100.5, None, None)


def test_the_overview_is_that_after_the_tick_received_last_whatever_its_time(store: Store) -> None:
    wrong = stat(NOON + 3_600 * SECOND, ingest_time=NOON, change_1t=9.0)
    write(store, last(), wrong, stat(NOON + SECOND, change_1t=1.0))
    (row,) = rows(store, "FROM overview")
    assert row["change_1t"] == 1.0


def test_a_coin_is_in_the_overview_once(store: Store) -> None:
    """A polled coin has a last price, too, which is its rate."""
    write(store, coin(NOON, rate=4.0), last(price=4.0))
    (row,) = rows(store, "FROM overview")
    assert (row["name"], row["price"]) == ("Bitcoin", 4.0)


def test_winners_and_losers_are_in_order(store: Store) -> None:
    write(
        store, last(), last(instrument=ETH.id), stat(NOON, change_1d=1.0), stat(NOON, instrument=ETH.id, change_1d=-2.0)
    )
    found = rows(store, "FROM winners_losers ORDER BY winner")
    assert [(row["instrument"], row["winner"], row["loser"]) for row in found] == [(BTC.id, 1, 2), (ETH.id, 2, 1)]


def test_a_trade_keeps_price_and_side_and_is_there_once(store: Store) -> None:
    """The older table threw price and side away, and a batch that came again stopped it."""
    write(store, trade(1, price=10.0, size=0.5, aggressor_side=AggressorSide.SELL))
    (row,) = rows(store, "FROM historical_trades")
    assert (row["symbol"], row["trade_volume"], row["price"], row["aggressor_side"]) == ("BTC-USD", 5.0, 10.0, "SELL")


def test_an_hour_has_one_row_however_often_it_is_made(store: Store) -> None:
    """The older job doubled its rows when it ran again."""
    empty = candle(NOON + HOUR, "1h", trades=0, quote_volume=0.0)
    store.commit(commit(1, candle(NOON, "1h"), empty))
    store.commit(commit(2, candle(NOON, "1h", trades=8, revision=1)))
    (row,) = rows(store, "FROM symbol_stats_last_hour")
    assert (row["symbol"], row["transaction_count"], row["total_trade_volume"]) == ("BTC-USD", 8, 6.0)


def test_the_current_price_is_the_newest_quote(store: Store) -> None:
    write(store, quote(), last(), last(instrument=ETH.id, quote_time=None))
    (row,) = rows(store, "FROM current_price")
    assert (row["sell_price"], row["buy_price"], row["spread"]) == (101.0, 99.0, 2.0)
    assert row["spread_percent"] == pytest.approx(200 / 99)


def test_tables_of_one_venue_speak_its_language(store: Store) -> None:
    write(store, ticker(sequence=3), stat(), window(), RfqMatch(BTC.id, "9", 1.0, 2.0, "buy", NOON, NOON))
    millis = NOON // 10**6
    (tick,) = rows(store, "FROM coinbase_ticker")
    assert (tick["sequence"], tick["product_id"], tick["side"], tick["millis"]) == (3, "BTC-USD", "sell", millis)
    (figures,) = rows(store, "FROM coinbase_ticker_stats")
    assert [figures[name] for name in ("latest_emwa", "latest_std", "rolling_mean", "millis")] == [
        100.25,
        0.5,
        100.0,
        millis,
    ]
    assert column(store, "volatility", "FROM coinbase_volatility") == [0.5]
    assert column(store, "size", "FROM coinbase_rfq_match") == [2.0]


def test_a_millisecond_is_told_when_it_has_begun(store: Store) -> None:
    """DuckDB's own ``epoch_ms`` rounds: a trade at the end of an hour would be of the next one."""
    late = NOON + HOUR - 1
    write(store, ticker(event_time=late), stat(event_time=late), RfqMatch(BTC.id, "9", 1.0, 2.0, "buy", late, late))
    for view in ("coinbase_ticker", "coinbase_ticker_stats", "coinbase_rfq_match"):
        assert column(store, "millis", f"FROM {view}") == [(NOON + HOUR) // 10**6 - 1]


def test_prices_keep_all_their_digits(store: Store) -> None:
    """The older tables held 32 bits."""
    write(store, ticker(price=61_234.56789012))
    assert column(store, "price", "FROM coinbase_ticker") == [61_234.56789012]


@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_database_gets_the_views(database: Path, read_only: bool) -> None:
    with DuckDbStore.open(database, simulated=False) as store:
        write(store, trade())
    with duckdb.connect(str(database)) as older:
        for name in OLDER_SYSTEMS:
            older.execute(f"DROP VIEW {name}")
        older.execute("DROP TABLE _tape.views")
    with DuckDbStore.open(database, simulated=None, read_only=read_only) as store:
        assert len(rows(store, "FROM historical_trades")) == 1
        assert rows(store, "FROM winners_losers") == []


@pytest.mark.integration
def test_strangers_may_read_every_view(store: Store) -> None:
    sandbox = store.sandbox()
    for name in OLDER_SYSTEMS:
        assert sandbox.run(f"FROM {name}", SqlLimits(), threading.Event()).table.num_rows == 0
