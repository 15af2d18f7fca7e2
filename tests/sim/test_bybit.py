"""Bybit's protocol as its simulated venues speak it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from tests.sim.desk import BTC, DOGE, Desk, decoded, say, texts

from fulltape.sim.base import Session
from fulltape.sim.bybit_wire import LINEAR, SPOT, trade_id

TOPICS = ("publicTrade", "orderbook.1", "orderbook.50", "tickers", "kline.1")


@pytest.fixture(params=["bybit", "bybitlinear"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(name: str) -> Desk:
    return Desk(name)


@pytest.fixture
def category(name: str) -> str:
    return {"bybit": SPOT, "bybitlinear": LINEAR}[name]


def ask(session: Session, *topics: str, op: str = "subscribe") -> list[Any]:
    return say(session, {"op": op, "req_id": "1", "args": list(topics)})


def of(frames: list[Any], topic: str) -> list[Any]:
    return [frame for frame in frames if frame.get("topic") == topic]


def apply(book: list[dict[str, str]], data: Any) -> None:
    for side, changes in zip(book, (data["b"], data["a"]), strict=True):
        for price, size in changes:
            if size == "0":
                del side[price]
            else:
                side[price] = size


def test_the_confirmation_comes_before_the_first_data(desk: Desk) -> None:
    session = desk.open()
    confirmed, *first = ask(session, *(f"{topic}.BTCUSDT" for topic in TOPICS))
    assert (confirmed["success"], confirmed["ret_msg"], confirmed["req_id"]) == (True, "subscribe", "1")
    assert [frame["topic"].rpartition(".")[0] for frame in first] == list(TOPICS[1:])
    assert ask(session, "tickers.BTCUSDT") == [confirmed]
    (ended,) = ask(session, *(f"{topic}.BTCUSDT" for topic in TOPICS), op="unsubscribe")
    assert (ended["success"], ended["op"]) == (True, "unsubscribe")
    assert desk.run(1.0) == []


def test_a_ping_is_answered(desk: Desk) -> None:
    (answer,) = say(desk.open(), {"op": "ping"})
    assert (answer["success"], answer["ret_msg"], answer["op"]) == (True, "pong", "ping")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("no request", "Invalid JSON"),
        ({"op": "auth"}, "unknown op auth"),
        ({"op": "subscribe"}, "args is empty"),
        ({"op": "subscribe", "args": ["foo.BTCUSDT"]}, "error:handler not found,topic:foo.BTCUSDT"),
        ({"op": "subscribe", "args": ["tickers.BTCUSDT", "tickers.FOO"]}, "Invalid symbol :[tickers.FOO]"),
    ],
)
def test_a_bad_request_is_refused_whole(desk: Desk, message: object, words: str) -> None:
    session = desk.open()
    (refused,) = say(session, message)
    assert (refused["success"], refused["ret_msg"]) == (False, words)
    assert not session.topics


def test_the_spot_market_takes_ten_topics_at_once(desk: Desk, category: str) -> None:
    answer = ask(desk.open(), *(["publicTrade.BTCUSDT"] * 11))[0]
    assert answer["success"] is (category == LINEAR)


def test_trades_are_those_of_the_market(desk: Desk, category: str) -> None:
    before = desk.market.last_id(BTC)
    ask(desk.open(), "publicTrade.BTCUSDT")
    rows = [row for frame in desk.run(2.0) for row in frame["data"]]
    listing, last = desk.market.listings[BTC], desk.market.last_id(BTC)
    assert [row["i"] for row in rows] == [trade_id(category, listing, one) for one in range(before + 1, last + 1)]
    assert all(("L" in row) is (category == LINEAR) for row in rows)
    newest = desk.market.last_trade(BTC)
    assert newest is not None
    assert rows[-1]["S"] == ("Buy" if newest.maker_sells else "Sell")
    result = desk.get("/v5/market/recent-trade", category=category, symbol="BTCUSDT", limit=60)["result"]
    assert [row["execId"] for row in result["list"][:20]] == [row["i"] for row in rows[::-1][:20]]


def test_books_follow_each_other_also_for_who_joins_later(desk: Desk) -> None:
    first = desk.open()
    frames = {first: ask(first, "orderbook.50.BTCUSDT")[1:]}
    frames[first] += desk.run(0.55, first)
    second = desk.open()
    frames[second] = ask(second, "orderbook.50.BTCUSDT")[1:]
    end = 3.0 + 0.1 - (desk.market.now_ns + 3_000_000_000) % 100_000_000 / 1e9
    for session, heard in desk.run_raw(end).items():
        frames[session] += decoded(heard)
    expected = [dict(side) for side in texts(desk.market, BTC, 50)]
    for heard_frames in frames.values():
        snapshot, *deltas = heard_frames
        assert (snapshot["type"], {frame["type"] for frame in deltas}) == ("snapshot", {"delta"})
        assert all(after["data"]["u"] == before["data"]["u"] + 1 for before, after in pairwise(heard_frames))
        book = [dict(snapshot["data"]["b"]), dict(snapshot["data"]["a"])]
        for frame in deltas:
            apply(book, frame["data"])
        assert book == expected


def test_the_best_levels_come_whole(desk: Desk) -> None:
    _, first = ask(desk.open(), "orderbook.1.DOGEUSDT")
    last = [first, *desk.run(5.0)][-1]
    bids, asks = texts(desk.market, DOGE, 1)
    assert last["type"] == "snapshot"
    assert ([tuple(level) for level in last["data"]["b"]], [tuple(level) for level in last["data"]["a"]]) == (
        bids,
        asks,
    )


def test_tickers_come_whole_or_in_part(desk: Desk, category: str) -> None:
    _, first = ask(desk.open(), "tickers.BTCUSDT")
    frames = [first, *desk.run(3.0)]
    assert len(frames) > 5
    kinds = {frame["type"] for frame in frames[1:]}
    assert kinds == {"snapshot" if category == SPOT else "delta"}
    assert ("bid1Price" in first["data"]) is (category == LINEAR)
    whole: dict[str, str] = {}
    for frame in frames:
        whole |= frame["data"]
    _, now = ask(desk.open(), "tickers.BTCUSDT")
    assert now["data"] == whole


def test_a_final_bar_is_the_one_over_rest(desk: Desk, category: str) -> None:
    ask(desk.open(), "kline.1.BTCUSDT")
    rows = [frame["data"][0] for frame in desk.run(41.0)]
    (final,) = [row for row in rows if row["confirm"]]
    assert len(rows) > 30
    query = {"category": category, "symbol": "BTCUSDT", "interval": "1", "start": final["start"], "end": final["end"]}
    (kept,) = desk.get("/v5/market/kline", **query)["result"]["list"]
    names = ("open", "high", "low", "close", "volume", "turnover")
    assert kept == [str(final["start"]), *(final[name] for name in names)]


def test_instruments_books_and_clock_over_rest(desk: Desk, category: str) -> None:
    result = desk.get("/v5/market/instruments-info", category=category)["result"]
    assert (result["category"], [one["symbol"] for one in result["list"]]) == (category, ["BTCUSDT", "DOGEUSDT"])
    (one,) = desk.get("/v5/market/instruments-info", category=category, symbol="DOGEUSDT")["result"]["list"]
    assert one["priceFilter"]["tickSize"] == "0.00001"
    book = desk.get("/v5/market/orderbook", category=category, symbol="BTCUSDT", limit=2)["result"]
    assert [tuple(level) for level in book["b"]] == texts(desk.market, BTC, 2)[0]
    assert desk.get("/v5/market/time")["result"]["timeNano"] == str(desk.market.now_ns)


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("recent-trade", {"symbol": "FOO"}, "params error: Symbol Invalid"),
        ("recent-trade", {"symbol": "BTCUSDT", "limit": "x"}, "params error: limit must be a whole number"),
        ("kline", {"symbol": "BTCUSDT", "interval": "7"}, "params error: Invalid period!"),
        ("kline", {"symbol": "BTCUSDT", "interval": "1", "category": "option"}, "params error: Invalid category"),
        ("instruments-info", {"category": ""}, "params error: Invalid category"),
    ],
)
def test_bad_requests_are_refused(desk: Desk, category: str, path: str, query: dict[str, str], words: str) -> None:
    answer = desk.get(f"/v5/market/{path}", **({"category": category} | query))
    assert (answer["retCode"], answer["retMsg"]) == (10001, words)
    assert desk.reply("/v5/market/nothing")[0] == 404
