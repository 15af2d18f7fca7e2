"""Bitstamp's protocol as its simulated venue speaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sim.desk import BTC, Desk, say, texts

from fulltape.clock import SECOND_NS
from fulltape.sim.base import Session


@pytest.fixture
def desk() -> Desk:
    return Desk("bitstamp")


def subscribe(session: Session, channel: str, event: str = "bts:subscribe") -> Any:
    (answer,) = say(session, {"event": event, "data": {"channel": channel}})
    return answer


def test_channels_are_confirmed_and_a_strange_pair_stays_silent(desk: Desk) -> None:
    session = desk.open()
    for channel in ("live_trades_btcusd", "diff_order_book_foobar", "live_trades_foobar"):
        assert subscribe(session, channel) == {"event": "bts:subscription_succeeded", "channel": channel, "data": {}}
    assert {frame["channel"] for frame in desk.run(2)} == {"live_trades_btcusd"}
    ended = subscribe(session, "live_trades_btcusd", "bts:unsubscribe")
    assert ended["event"] == "bts:unsubscription_succeeded"
    assert desk.run(1) == []


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("not json", "Incorrect JSON format."),
        ({"event": "bts:subscribe", "data": {"channel": "foo_btcusd"}}, "Bad subscription string."),
        ({"event": "bts:subscribe"}, "Bad subscription string."),
        ({"event": "buy", "data": {"channel": "live_trades_btcusd"}}, "Unknown event."),
    ],
)
def test_what_cannot_be_is_an_error(desk: Desk, message: object, words: str) -> None:
    (refused,) = say(desk.open(), message)
    assert (refused["event"], refused["data"]["message"]) == ("bts:error", words)


def test_a_heartbeat_is_answered(desk: Desk) -> None:
    (beat,) = say(desk.open(), {"event": "bts:heartbeat"})
    assert beat == {"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}}


def test_trades_have_the_takers_side_and_its_order_is_the_later_one(desk: Desk) -> None:
    session = desk.open()
    subscribe(session, "live_trades_btcusd")
    rows = [frame["data"] for frame in desk.run(3)]
    trades = desk.market.trades(BTC, 1 << 62, len(rows))[::-1]
    assert len(rows) > 50
    for row, trade in zip(rows, trades, strict=True):
        assert row["type"] == (0 if trade.maker_sells else 1)
        assert (row["buy_order_id"] > row["sell_order_id"]) == (row["type"] == 0)
        assert row["microtimestamp"] == str(trade.time // 1_000)
        assert float(row["price"]) == float(row["price_str"])
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids))


def test_changes_after_a_book_over_rest_keep_it_the_markets(desk: Desk) -> None:
    session = desk.open()
    subscribe(session, "diff_order_book_btcusd")
    frames = desk.run(1)
    snapshot = desk.get("/api/v2/order_book/btcusd/", group=1)
    frames += desk.run(2)
    book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
    reached = int(snapshot["microtimestamp"])
    newer = [frame["data"] for frame in frames if int(frame["data"]["microtimestamp"]) > reached]
    assert 10 < len(newer) < len(frames)
    for change in newer:
        assert int(change["microtimestamp"]) > reached
        reached = int(change["microtimestamp"])
        for side in ("bids", "asks"):
            for price, size in change[side]:
                book[side][price] = size
                if not float(size):
                    del book[side][price]
    bids, asks = texts(desk.market, BTC)
    assert (book["bids"], book["asks"]) == (dict(bids), dict(asks))


def test_whole_books_come_with_every_change(desk: Desk) -> None:
    session = desk.open()
    subscribe(session, "order_book_btcusd")
    books = [frame["data"] for frame in desk.run(1)]
    assert len(books) > 5
    assert [tuple(level) for level in books[-1]["bids"]] == texts(desk.market, BTC)[0]


def test_rest_trades_are_those_of_a_period_in_whole_seconds(desk: Desk) -> None:
    desk.run_raw(70)
    minute, hour = (desk.get("/api/v2/transactions/btcusd/", time=period) for period in ("minute", "hour"))
    assert 100 < len(minute) < len(hour)
    assert hour[: len(minute)] == minute
    assert int(minute[-1]["date"]) >= desk.market.now_ns // SECOND_NS - 60
    (newest,) = desk.market.trades(BTC, 1 << 62, 1)
    assert (minute[0]["tid"], minute[0]["date"]) == (str(newest.trade_id * 64), str(newest.time // SECOND_NS))


def test_rest_bars_from_a_start_up_to_an_end_or_the_newest(desk: Desk) -> None:
    now = desk.market.now_ns // SECOND_NS // 60 * 60
    newest = desk.get("/api/v2/ohlc/btcusd/", step=60, limit=3)["data"]["ohlc"]
    assert [int(bar["timestamp"]) for bar in newest] == [now - 120, now - 60, now]
    first = desk.get("/api/v2/ohlc/btcusd/", step=60, limit=2, start=now - 300)["data"]
    assert first["pair"] == "BTC/USD"
    assert [int(bar["timestamp"]) for bar in first["ohlc"]] == [now - 300, now - 240]
    last = desk.get("/api/v2/ohlc/btcusd/", step=60, limit=2, end=now - 300)["data"]["ohlc"]
    assert [int(bar["timestamp"]) for bar in last] == [now - 360, now - 300]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/v2/transactions/btcusd/", {"time": "week"}, 400),
        ("/api/v2/ohlc/btcusd/", {"step": 61, "limit": 1}, 400),
        ("/api/v2/ohlc/btcusd/", {"step": 60, "limit": 1001}, 400),
        ("/api/v2/ohlc/btcusd/", {"step": "x", "limit": 1}, 400),
        ("/api/v2/order_book/foobar/", {}, 404),
        ("/nothing", {}, 404),
    ],
)
def test_rest_errors(desk: Desk, path: str, query: dict[str, Any], status: int) -> None:
    told, body = desk.reply(path, **query)
    assert told == status
    problem = json.loads(body)
    assert problem["errors"][0]["field"] in problem["code"] if status == 400 else problem["status"] == "error"


def test_rest_pairs(desk: Desk) -> None:
    pair = desk.get("/api/v2/trading-pairs-info/")[BTC]
    assert (pair["name"], pair["url_symbol"], pair["base_decimals"], pair["counter_decimals"]) == (
        "BTC/USD",
        "btcusd",
        8,
        2,
    )
