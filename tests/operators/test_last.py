"""Last: newer wins, whatever order and step it comes in."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import msgspec
from tests.conformance.operators import Item, OperatorConformance, Tape
from tests.conformance.samples import BTC, CODES, ETH, NOON, coin, quote, ticker, trade

from fulltape.clock import SECOND_NS
from fulltape.operators.base import Operator, Step
from fulltape.operators.last import Last
from fulltape.records import COINS, QUOTES, TICKERS, TRADES, AggressorSide, Batch, Origin
from fulltape.records import Last as LastRow
from fulltape.records.columns import NULL_INT


def apply(operator: Last, *batches: Batch) -> list[LastRow]:
    return [
        row
        for derived in operator.apply(Step({b.schema.name: b for b in batches}, NOON))
        for row in derived.rows(CODES)
    ]


def trades(*rows: Any) -> Batch:
    return TRADES.from_rows(rows, CODES)


def quotes(*rows: Any) -> Batch:
    return QUOTES.from_rows(rows, CODES)


def tickers(*rows: Any) -> Batch:
    return TICKERS.from_rows(rows, CODES)


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return Last()

    def tape(self, random: Random) -> Tape:
        items = []
        for i in range(120):
            now = NOON + i // 2
            common: dict[str, Any] = {
                "instrument": random.choice([BTC.id, ETH.id]),
                "event_time": now - random.choice([0, 0, 1, 2, 30, -61 * SECOND_NS]),
                "ingest_time": now,
            }
            figures: dict[str, Any] = {"bid": random.choice([None, 1.0, 2.0]), "ask": random.choice([None, 3.0])}
            trade_id = str(random.randint(1, 20))
            items.append(
                Item(
                    now,
                    random.choice(
                        [
                            trades(trade(trade_id, **common, price=float(trade_id))),
                            quotes(quote(**common, **figures)),
                            tickers(
                                ticker(trade_id, **common, **figures, price=float(trade_id), open_24h=random.random())
                            ),
                        ]
                    ),
                )
            )
        return items


def test_an_older_trade_changes_nothing() -> None:
    last = Last()
    (row,) = apply(last, trades(trade(2, NOON, price=2.0), trade(1, NOON - 1, price=1.0)))
    assert (row.price, row.trade_id, row.trade_time) == (2.0, "2", NOON)
    assert apply(last, trades(trade(1, NOON - 1, price=1.0))) == []


def test_columns_may_come_in_any_order() -> None:
    batch = trades(trade(1, instrument=ETH.id))
    reversed_columns = Batch(TRADES, dict(reversed(list(batch.columns.items()))))
    assert apply(Last(), reversed_columns) == apply(Last(), batch)


def test_of_trades_at_one_time_the_higher_id_is_last() -> None:
    together, apart = Last(), Last()
    first, second = trade(6, price=6.0), trade(5, price=5.0)
    (row,) = apply(together, trades(first, second))
    apply(apart, trades(first))
    assert apply(apart, trades(second)) == []
    assert (row.trade_id, row.price) == ("6", 6.0)


def test_a_ticker_fills_what_a_trade_does_not_say() -> None:
    last = Last()
    apply(last, trades(trade(5, size=0.25, aggressor_side=AggressorSide.BUY)))
    (row,) = apply(last, tickers(ticker("5", bid=1.0, ask=2.0, open_24h=0.5)))
    assert (row.size, row.aggressor_side, row.bid, row.ask, row.open_24h) == (0.25, AggressorSide.BUY, 1.0, 2.0, 0.5)
    assert (row.high_24h, row.quote_time) == (None, NOON)


def test_a_ticker_that_says_nothing_of_the_quote_leaves_it() -> None:
    last = Last()
    apply(last, quotes(quote(NOON)))
    (row,) = apply(last, tickers(ticker("5", NOON + 1)))
    assert (row.bid, row.ask, row.quote_time, row.trade_time) == (99.0, 101.0, NOON, NOON + 1)


def test_a_time_far_ahead_is_last_only_until_the_next() -> None:
    """A venue's clock was wrong for one trade: its price was the last one for an hour."""
    last, hour = Last(), 3_600 * SECOND_NS
    wrong = trade(2, NOON + hour, price=2.0, ingest_time=NOON + 1)
    (row,) = apply(last, trades(trade(1, price=1.0, ingest_time=NOON)), trades(wrong))
    assert (row.price, row.trade_time) == (2.0, NOON + hour)
    (row,) = apply(last, trades(trade(3, NOON + 2, price=3.0, ingest_time=NOON + 2)))
    assert (row.price, row.trade_time, row.event_time, row.ingest_time) == (3.0, NOON + 2, NOON + 2, NOON + 2)
    (row,) = apply(
        last, quotes(quote(NOON + hour, ingest_time=NOON + 3, bid=7.0), quote(NOON + 4, ingest_time=NOON + 4))
    )
    assert (row.bid, row.quote_time, row.event_time) == (99.0, NOON + 4, NOON + 4)


def test_a_late_trade_does_not_take_the_place_of_the_last_after_a_mistaken_time() -> None:
    wrong = trade(2, NOON + 3_600 * SECOND_NS, price=2.0, ingest_time=NOON + 1)
    late = trade(3, NOON - SECOND_NS, price=3.0, ingest_time=NOON + 2)
    rows = apply(Last(), trades(trade(1, price=1.0, ingest_time=NOON), wrong, late, trade(4, NOON + 3, price=4.0)))
    assert [row.price for row in rows] == [4.0]


def test_of_a_venue_whose_clock_is_ahead_the_newest_trade_is_last() -> None:
    ahead = 120 * SECOND_NS
    rows = [trade(i, NOON + ahead + i, price=float(i), ingest_time=NOON + i) for i in (1, 3, 2)]
    (row,) = apply(Last(), trades(*rows))
    assert (row.price, row.trade_time) == (3.0, NOON + ahead + 3)


def test_the_state_of_an_older_fulltape_is_taken_up() -> None:
    old = {
        "price": 1.0, "size": 2.0, "bid": 3.0, "bid_size": 4.0, "ask": 5.0, "ask_size": 6.0, "open_24h": math.nan,
        "high_24h": math.nan, "low_24h": math.nan, "volume_24h": math.nan, "trade_time": NOON, "trade_order": 7,
        "trade_rank": 1, "quote_time": NOON - 1, "quote_order": NOON, "quote_rank": 1, "day_time": NULL_INT,
        "day_order": NULL_INT, "day_rank": NULL_INT, "trade_id": 7, "trade_id_high": 0, "aggressor_side": 1,
        "event_time": NOON, "ingest_time": NOON + 5,
    }  # fmt: skip
    last = Last()
    last.restore({0: msgspec.msgpack.encode(old)})
    assert apply(last, trades(trade(6, NOON, price=9.0))) == []
    (row,) = apply(last, tickers(ticker("7", NOON, open_24h=0.5)))
    assert (row.trade_id, row.price, row.size, row.bid, row.quote_time) == ("7", 1.0, 2.0, 3.0, NOON - 1)
    assert (row.open_24h, row.aggressor_side) == (0.5, AggressorSide.BUY)


def test_large_ids_survive_a_restart() -> None:
    before, after = Last(), Last()
    apply(before, trades(trade(2**63 - 1, NOON)))
    after.restore(before.snapshot())
    (row,) = apply(after, quotes(quote(NOON)))
    assert (row.trade_id, row.trade_time) == (str(2**63 - 1), NOON)


def test_an_emptied_book_has_no_quote() -> None:
    last = Last()
    apply(last, quotes(quote(NOON)))
    (row,) = apply(last, quotes(quote(NOON + 1, bid=None, bid_size=None, ask=None, ask_size=None)))
    assert (row.bid, row.bid_size, row.ask, row.ask_size, row.quote_time) == (None, None, None, None, NOON + 1)


def test_times_are_those_of_the_newest_record() -> None:
    last = Last()
    (row,) = apply(last, trades(trade(1, NOON, ingest_time=NOON + 7)), quotes(quote(NOON - 5, ingest_time=NOON + 9)))
    assert (row.event_time, row.ingest_time) == (NOON, NOON + 7)


def test_only_what_changed_is_told_in_order_of_codes() -> None:
    last = Last()
    assert [row.instrument for row in apply(last, trades(trade(1, instrument=ETH.id), trade(1)))] == [BTC.id, ETH.id]
    assert [row.instrument for row in apply(last, trades(trade(2, NOON + 1, instrument=ETH.id)))] == [ETH.id]


def test_the_rate_of_a_coin_stands_for_a_price_and_history_does_not_go_back() -> None:
    last = Last()
    (row,) = apply(last, COINS.from_rows([coin(NOON, rate=5.0)], CODES))
    assert (row.price, row.size, row.trade_id, row.trade_time) == (5.0, None, "0", NOON)
    old = coin(NOON - 1, rate=4.0, ingest_time=NOON + 9, origin=Origin.REFILL)
    assert apply(last, COINS.from_rows([old], CODES)) == []


def test_a_forgotten_instrument_is_in_no_snapshot() -> None:
    last = Last()
    apply(last, trades(trade(1), trade(1, instrument=ETH.id)))
    last.forget([0])
    assert list(last.snapshot()) == [1]
