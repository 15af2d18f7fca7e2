"""BitMEX's tables as its simulated venue speaks them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sim.desk import BTC, Desk, decoded, say, texts

from fulltape.clock import SECOND_NS, parse_rfc3339
from fulltape.sim.base import Session
from fulltape.sim.texts import directions


@pytest.fixture
def desk() -> Desk:
    return Desk("bitmex")


def subscribe(session: Session, *topics: str, op: str = "subscribe") -> list[Any]:
    return say(session, {"op": op, "args": list(topics)})


def test_a_connection_is_welcomed_and_pings_are_text(desk: Desk) -> None:
    session = desk.open()
    (welcome,) = decoded(session.greet())
    assert welcome["info"].startswith("Welcome")
    assert session.answer(b"ping") == [b"pong"]


def test_each_topic_is_confirmed_and_begins_with_its_table(desk: Desk) -> None:
    frames = subscribe(desk.open(), "trade:XBTUSDT", "quote:XBTUSDT", "instrument:XBTUSDT", "tradeBin1m:XBTUSDT")
    assert [frame.get("subscribe") for frame in frames[::2]] == [
        "trade:XBTUSDT",
        "quote:XBTUSDT",
        "instrument:XBTUSDT",
        "tradeBin1m:XBTUSDT",
    ]
    assert [(frame["action"], frame["filter"]) for frame in frames[1::2]] == [("partial", {"symbol": "XBTUSDT"})] * 4
    assert [len(frame["data"]) for frame in frames[1::2]] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("not json", "Unrecognized request."),
        ({"op": "order", "args": []}, "Unknown or invalid operation: order"),
        ({"op": "subscribe", "args": "foo:XBTUSD"}, "Unknown table: foo"),
        ({"op": "subscribe", "args": ["trade:XBTUSD", "trade:FOO"]}, "Unknown or expired symbol: FOO."),
        ({"op": "subscribe", "args": ["trade:XBTUSD"] * 21}, "Too many args sent. Max length is 20."),
    ],
)
def test_a_bad_request_is_refused_whole(desk: Desk, message: object, words: str) -> None:
    session = desk.open()
    (refused,) = say(session, message)
    assert (refused["status"], refused["error"].startswith(words)) == (400, True)
    assert session.topics == set()


@pytest.mark.parametrize("table", ["orderBookL2", "orderBookL2_25"])
@pytest.mark.parametrize("symbol", ["XBTUSDT", "XBTUSD"])
def test_the_book_rebuilds_by_ids(desk: Desk, table: str, symbol: str) -> None:
    session = desk.open()
    frames = subscribe(session, f"{table}:{symbol}")[1:] + desk.run(3)
    rows: dict[int, Any] = {}
    for frame in frames:
        for row in frame["data"]:
            match frame["action"]:
                case "partial" | "insert":
                    assert row["id"] not in rows
                    rows[row["id"]] = row
                case "update":
                    assert "price" not in row
                    rows[row["id"]] = rows[row["id"]] | row
                case "delete":
                    assert "size" not in row
                    del rows[row["id"]]
    assert {frame["action"] for frame in frames} == {"partial", "insert", "update", "delete"}
    bids, asks = texts(desk.market, BTC, 25 if table.endswith("25") else None)
    for side, truth in (("Buy", bids), ("Sell", asks)):
        told = {float(row["price"]): row["size"] for row in rows.values() if row["side"] == side}
        if symbol == "XBTUSD":
            expected = {float(price): max(1, round(float(price) * float(size))) for price, size in truth}
        else:
            expected = {float(price): round(float(size) * 1e8) for price, size in truth}
        assert told == expected


def test_trades_count_contracts_and_say_what_they_are_worth(desk: Desk) -> None:
    session = desk.open()
    subscribe(session, "trade:XBTUSDT", "trade:XBTUSD")
    found = [row for frame in desk.run(3) for row in frame["data"]]
    linear, inverse = ([row for row in found if row["symbol"] == symbol] for symbol in ("XBTUSDT", "XBTUSD"))
    trades = desk.market.trades(BTC, 1 << 62, len(linear))[::-1]
    assert len(linear) == len(inverse) > 20
    assert len({row["trdMatchID"] for row in linear + inverse}) == 2 * len(linear)
    for trade, row, dollar in zip(trades, linear, inverse, strict=True):
        assert row["side"] == ("Buy" if trade.maker_sells else "Sell")
        assert row["size"] == trade.size
        assert float(row["homeNotional"]) == trade.size / 1e8
        assert float(dollar["foreignNotional"]) == dollar["size"] >= 1
        assert float(dollar["homeNotional"]) == pytest.approx(dollar["size"] / float(dollar["price"]))
        assert parse_rfc3339(row["timestamp"]) == trade.time // 1_000_000 * 1_000_000


def test_the_direction_of_a_tick() -> None:
    assert directions([5, 6, 6, 4, 4]) == ["PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick"]
    assert directions([5]) == []


def test_all_symbols_when_none_is_named_until_unsubscribed(desk: Desk) -> None:
    session = desk.open()
    confirmed, *tables = subscribe(session, "quote")
    assert confirmed["subscribe"] == "quote"
    assert [table["filter"]["symbol"] for table in tables] == ["XBTUSDT", "DOGEUSDT", "XBTUSD"]
    quotes = [row for frame in desk.run(2) for row in frame["data"]]
    assert {row["symbol"] for row in quotes} == {"XBTUSDT", "DOGEUSDT", "XBTUSD"}
    assert all(float(row["bidPrice"]) < float(row["askPrice"]) for row in quotes)
    assert subscribe(session, "quote", op="unsubscribe")[0]["unsubscribe"] == "quote"
    assert desk.run(1) == []


def test_bars_are_stamped_with_their_end_and_open_with_the_close_before(desk: Desk) -> None:
    session = desk.open()
    subscribe(session, "tradeBin1m:XBTUSDT", "instrument:XBTUSDT")
    frames = desk.run(45)
    (bar,) = [frame["data"][0] for frame in frames if frame["table"] == "tradeBin1m"]
    end = parse_rfc3339(bar["timestamp"]) // SECOND_NS
    assert end == desk.market.now_ns // SECOND_NS // 60 * 60
    (made,), (before,) = (desk.market.bars(BTC, start, start + 60) for start in (end - 60, end - 120))
    assert float(bar["open"]) == float(desk.market.listings[BTC].price_text(before.close))
    assert (bar["trades"], bar["volume"]) == (made.trades, made.volume)
    updates = [frame for frame in frames if frame["table"] == "instrument"]
    assert (updates[0]["action"], len(updates)) == ("update", 45)


def test_instruments_say_what_a_contract_is(desk: Desk) -> None:
    linear, _, inverse = desk.get("/api/v1/instrument/active")
    assert (linear["symbol"], linear["underlyingToPositionMultiplier"]) == ("XBTUSDT", 10**8)
    assert (inverse["symbol"], inverse["isInverse"], inverse["multiplier"]) == ("XBTUSD", True, -(10**8))
    assert [row["symbol"] for row in desk.get("/api/v1/instrument", symbol="DOGEUSDT")] == ["DOGEUSDT"]


def test_rest_trades_page_both_ways_by_time() -> None:
    desk = Desk("bitmex", trades_per_s=20.0)
    desk.run_raw(15)
    forwards = desk.get("/api/v1/trade", symbol="XBTUSDT", count=1000)
    assert len(forwards) > 200
    backwards = desk.get("/api/v1/trade", symbol="XBTUSDT", count=1000, reverse="true")
    assert backwards == forwards[::-1]
    end = forwards[100]["timestamp"]
    older = desk.get("/api/v1/trade", symbol="XBTUSDT", count=50, reverse="true", endTime=end)
    assert older[0]["timestamp"] == end
    newer = desk.get("/api/v1/trade", symbol="XBTUSDT", count=50, startTime=end, start=1)
    assert newer[0]["trdMatchID"] in {row["trdMatchID"] for row in forwards}
    assert newer[-1]["timestamp"] >= end
    assert [row["trdMatchID"] for row in older] == [row["trdMatchID"] for row in backwards if row["timestamp"] <= end][
        :50
    ]
    assert desk.get("/api/v1/trade", symbol="XBTUSDT", startTime="2100-01-01") == []


def test_rest_bars_include_both_ends_and_leave_out_the_one_being_made(desk: Desk) -> None:
    now = desk.market.now_ns // SECOND_NS // 60 * 60
    rows = desk.get("/api/v1/trade/bucketed", symbol="XBTUSDT", binSize="1m", count=3, reverse="true")
    assert [parse_rfc3339(row["timestamp"]) // SECOND_NS for row in rows] == [now, now - 60, now - 120]
    bounds = {"startTime": rows[2]["timestamp"], "endTime": rows[1]["timestamp"]}
    same = desk.get("/api/v1/trade/bucketed", symbol="XBTUSDT", binSize="1m", **bounds)
    assert same == [rows[2], rows[1]]
    assert len(desk.get("/api/v1/trade/bucketed", symbol="XBTUSDT", binSize="5m", count=7, start=2)) == 7


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/api/v1/trade", {}, 400, "'symbol' is a required arg."),
        ("/api/v1/trade", {"symbol": "FOO"}, 400, "Unknown symbol"),
        ("/api/v1/trade", {"symbol": "XBTUSD", "count": 1001}, 400, "count must be 1000 or less"),
        ("/api/v1/trade", {"symbol": "XBTUSD", "startTime": "yesterday"}, 400, ""),
        ("/api/v1/trade/bucketed", {"symbol": "XBTUSD", "binSize": "2m"}, 400, "Invalid binSize: 2m"),
        ("/api/v1/nothing", {}, 404, "Not Found"),
    ],
)
def test_rest_errors(desk: Desk, path: str, query: dict[str, Any], status: int, words: str) -> None:
    told, body = desk.reply(path, **query)
    assert told == status
    assert json.loads(body)["error"]["message"].startswith(words)


def test_rest_book(desk: Desk) -> None:
    rows = desk.get("/api/v1/orderBook/L2", symbol="XBTUSDT", depth=2)
    assert [row["side"] for row in rows] == ["Sell", "Sell", "Buy", "Buy"]
    assert [row["price"] for row in rows] == sorted((row["price"] for row in rows), reverse=True)
    assert len(desk.get("/api/v1/orderBook/L2", symbol="XBTUSDT", depth=0)) == 120
