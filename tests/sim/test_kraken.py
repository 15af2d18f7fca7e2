"""Kraken's protocol as its simulated venue speaks it."""

from __future__ import annotations

import zlib
from itertools import pairwise
from typing import Any

import pytest
from tests.sim.desk import BTC, DOGE, Desk, decoded, say, texts

from fulltape.sim import kraken_wire as wire
from fulltape.sim.base import Session
from fulltape.sim.events import Book
from fulltape.sim.instruments import Listing

Levels = dict[str, str]


@pytest.fixture
def desk() -> Desk:
    return Desk("kraken")


def subscribe(session: Session, channel: str, *symbols: str, **params: Any) -> list[Any]:
    asked = {"channel": channel, **({"symbol": list(symbols)} if symbols else {}), **params}
    return say(session, {"method": "subscribe", "params": asked, "req_id": 7})


def test_a_connection_begins_with_the_status(desk: Desk) -> None:
    (status,) = decoded(desk.open().greet())
    assert (status["channel"], status["data"][0]["system"]) == ("status", "online")


def test_each_symbol_is_confirmed_or_refused_by_itself(desk: Desk) -> None:
    session = desk.open()
    good, bad = subscribe(session, "trade", "BTC/USD", "FOO/USD")
    assert good["result"] == {"channel": "trade", "snapshot": False, "symbol": "BTC/USD"}
    assert (good["success"], good["req_id"], good["method"]) == (True, 7, "subscribe")
    assert (bad["success"], bad["error"], bad["symbol"]) == (False, "Currency pair not supported FOO/USD", "FOO/USD")
    assert [frame["error"] for frame in subscribe(session, "trade", "BTC/USD")] == ["Already subscribed"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("not json", "Malformed request"),
        ({"method": "order"}, "Unsupported method order"),
        ({"method": "subscribe", "params": {"channel": "level3", "symbol": ["BTC/USD"]}}, "Channel not supported"),
        ({"method": "subscribe", "params": {"channel": "trade"}}, "missing"),
        ({"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 11}}, "depth"),
        ({"method": "subscribe", "params": {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 2}}, "interval"),
        (
            {"method": "subscribe", "params": {"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "x"}},
            "Event",
        ),
        ({"method": "unsubscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}}, "Subscription not found"),
    ],
)
def test_what_cannot_be_is_refused_in_words(desk: Desk, message: object, words: str) -> None:
    (refused,) = say(desk.open(), message)
    assert words in refused["error"]
    assert refused["success"] is False


def test_a_ping_is_answered_with_its_number(desk: Desk) -> None:
    (pong,) = say(desk.open(), {"method": "ping", "req_id": 42})
    assert (pong["method"], pong["req_id"]) == ("pong", 42)
    assert pong["time_in"].endswith("Z")


def test_heartbeats_come_every_second_once_something_is_subscribed(desk: Desk) -> None:
    session = desk.open()
    assert desk.run(2) == []
    subscribe(session, "instrument")
    assert desk.run(3) == [{"channel": "heartbeat"}] * 3


def test_the_checksum_is_the_documented_one() -> None:
    listing = Listing("BTC-USD", "Bitcoin", 45_000.0, 1, 8, 0.5, 0.9, 0.4, 0.3, 6_000.0)
    asks = "452852/100000 452864/154571953 452866/154571109 452896/154560911 452902/15890660 452918/154553491"
    asks += " 452947/4454749 452961/35380000 452975/9945542 452995/18772827"
    bids = "452835/10000000 452834/154582015 452821/10000000 452810/10000000 452803/154592586 452790/7990000"
    bids += " 452776/3310103 452775/30000000 452773/154602737 452766/15445238"
    sides = [[(int(p), int(s)) for p, s in (level.split("/") for level in side.split())] for side in (bids, asks)]
    assert wire.checksum(listing, Book(1, 1, sides[0], sides[1])) == 3310070434


@pytest.mark.parametrize("depth", [10, 25, 100])
def test_a_book_cut_to_its_depth_is_the_markets_and_every_checksum_is_right(desk: Desk, depth: int) -> None:
    session = desk.open()
    frames = subscribe(session, "book", "DOGE/USD", depth=depth)[1:] + desk.run(3)
    book: dict[str, Levels] = {}
    updates = [frame for frame in frames if frame["channel"] == "book"]
    assert [frame["type"] for frame in updates[:2]] == ["snapshot", "update"]
    assert len(updates) > 10
    for frame in updates:
        (row,) = frame["data"]
        book = {"bids": {}, "asks": {}} if frame["type"] == "snapshot" else book
        take(book, row, depth)
        assert zlib.crc32(ten_best(book).encode()) == row["checksum"]
    bids, asks = texts(desk.market, DOGE, depth)
    assert list(book["bids"].items()) == bids
    assert list(book["asks"].items()) == asks


def take(book: dict[str, Levels], row: Any, depth: int) -> None:
    """Apply a message as the venue's guide says, then cut to the depth."""
    for side, best_first in (("bids", -1), ("asks", 1)):
        levels = book[side]
        for level in row[side]:
            levels[level["price"]] = level["qty"]
            if not float(level["qty"]):
                del levels[level["price"]]
        ordered = sorted(levels.items(), key=lambda level: best_first * float(level[0]))
        book[side] = dict(ordered[:depth])


def ten_best(book: dict[str, Levels]) -> str:
    levels = [*list(book["asks"].items())[:10], *list(book["bids"].items())[:10]]
    return "".join(text.replace(".", "").lstrip("0") for level in levels for text in level)


def test_trades_come_with_the_takers_side_after_fifty_old_ones(desk: Desk) -> None:
    session = desk.open()
    desk.run(5)
    snapshot = subscribe(session, "trade", "BTC/USD", snapshot=True)[1]
    assert snapshot["type"] == "snapshot"
    ids = [row["trade_id"] for row in snapshot["data"]]
    assert len(ids) == 50
    for frame in desk.run(3):
        if frame["channel"] == "trade":
            ids += [row["trade_id"] for row in frame["data"]]
    assert ids == list(range(ids[0], desk.market.last_id(BTC) + 1))
    (newest,) = desk.market.trades(BTC, 1 << 62, 1)
    row = wire.trade(desk.market.listings[BTC], newest)
    assert row["side"] == ("buy" if newest.maker_sells else "sell")


def test_tickers_come_after_trades_or_with_every_new_top(desk: Desk) -> None:
    session = desk.open()
    (_, first) = subscribe(session, "ticker", "BTC/USD")
    assert float(first["data"][0]["bid"]) < float(first["data"][0]["ask"])
    subscribe(session, "ticker", "DOGE/USD", event_trigger="bbo")
    tickers = [frame["data"][0] for frame in desk.run(4) if frame["channel"] == "ticker"]
    assert {ticker["symbol"] for ticker in tickers} == {"BTC/USD", "DOGE/USD"}
    tops = [(one["bid"], one["bid_qty"], one["ask"], one["ask_qty"]) for one in tickers if one["symbol"] == "DOGE/USD"]
    assert all(before != now for before, now in pairwise(tops))
    for one in tickers:
        assert float(one["low"]) <= float(one["vwap"]) <= float(one["high"])
        assert abs(float(one["change_pct"])) < 50


def test_the_bar_being_made_is_repeated_until_the_next_begins(desk: Desk) -> None:
    session = desk.open()
    (confirmed, snapshot) = subscribe(session, "ohlc", "BTC/USD", interval=1)
    assert confirmed["result"]["interval"] == 1
    assert len(snapshot["data"]) == 10
    rows = [frame["data"][0] for frame in desk.run(60) if frame["channel"] == "ohlc"]
    begins = list(dict.fromkeys(row["interval_begin"] for row in rows))
    assert len(begins) == 2
    last = [row for row in rows if row["interval_begin"] == begins[0]][-1]
    (bar,) = desk.market.bars(BTC, desk.market.now_ns // 10**9 // 60 * 60 - 60, desk.market.now_ns // 10**9 // 60 * 60)
    assert (last["trades"], last["volume"]) == (bar.trades, desk.market.listings[BTC].size_text(bar.volume))


def test_instruments_have_the_steps_that_the_checksum_needs(desk: Desk) -> None:
    (_, frame) = subscribe(desk.open(), "instrument")
    pair = frame["data"]["pairs"][BTC]
    assert (pair["symbol"], pair["price_precision"], pair["qty_precision"]) == ("BTC/USD", 2, 8)
    assert (pair["price_increment"], pair["status"]) == ("0.01", "online")


def test_an_unsubscribed_channel_is_silent(desk: Desk) -> None:
    session = desk.open()
    subscribe(session, "trade", "BTC/USD")
    (ended,) = say(session, {"method": "unsubscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}})
    assert ended["success"] is True
    assert {frame["channel"] for frame in desk.run(2)} == {"heartbeat"}


def test_rest_trades_page_forwards_without_a_hole(desk: Desk) -> None:
    desk.run_raw(20)
    since, ids = 0, []
    while page := desk.get("/0/public/Trades", pair="XBTUSD", since=since, count=7)["result"]:
        rows = page["XXBTZUSD"]
        ids += [row[6] for row in rows]
        since = page["last"]
        if len(rows) < 7:
            break
    assert ids == list(range(ids[0], desk.market.last_id(BTC) + 1))
    assert len(ids) > 300
    newest = desk.get("/0/public/Trades", pair="BTC/USD", count=3)["result"]["XXBTZUSD"]
    assert [row[6] for row in newest] == ids[-3:]
    assert {row[3] for row in newest} <= {"b", "s"}


def test_rest_bars_are_the_newest_720_and_the_last_is_not_finished() -> None:
    desk = Desk("kraken", past_days=0.6)
    bars = desk.get("/0/public/OHLC", pair="XBTUSD", interval=1)["result"]
    rows = bars["XXBTZUSD"]
    assert len(rows) == 720
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[0][0] + 720 * 60, 60))
    assert bars["last"] == rows[-2][0]
    later = desk.get("/0/public/OHLC", pair="XBTUSD", interval=1, since=rows[-3][0])["result"]["XXBTZUSD"]
    assert [row[0] for row in later] == [rows[-2][0], rows[-1][0]]


def test_rest_book_and_pairs(desk: Desk) -> None:
    book = desk.get("/0/public/Depth", pair="XDGUSD", count=2)["result"]["XDGUSD"]
    bids, asks = texts(desk.market, DOGE, 2)
    assert [tuple(level[:2]) for level in book["bids"]] == bids
    assert [tuple(level[:2]) for level in book["asks"]] == asks
    pairs = desk.get("/0/public/AssetPairs")["result"]
    assert pairs["XXBTZUSD"]["wsname"] == "XBT/USD"
    assert list(desk.get("/0/public/AssetPairs", pair="XDGUSD")["result"]) == ["XDGUSD"]
    assert desk.get("/0/public/Time")["result"]["unixtime"] == desk.market.now_ns // 10**9


@pytest.mark.parametrize(
    ("path", "query", "word"),
    [
        ("/0/public/Trades", {"pair": "FOOUSD"}, "EQuery:Unknown asset pair"),
        ("/0/public/Trades", {}, "EGeneral:Invalid arguments"),
        ("/0/public/Trades", {"pair": "XBTUSD", "count": "-1"}, "EGeneral:Invalid arguments"),
        ("/0/public/OHLC", {"pair": "XBTUSD", "interval": 2}, "EGeneral:Invalid arguments"),
        ("/0/public/Nothing", {}, "EGeneral:Unknown method"),
    ],
)
def test_rest_errors_have_status_200(desk: Desk, path: str, query: dict[str, Any], word: str) -> None:
    assert desk.reply(path, **query)[0] == 200
    (error,) = desk.get(path, **query)["error"]
    assert error.startswith(word)
