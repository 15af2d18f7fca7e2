"""OKX's protocol as its simulated venue speaks it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sim.desk import BTC, Desk, decoded, say

from fulltape.clock import SECOND_NS
from fulltape.sim.base import Opening, Session
from fulltape.sim.okx import BUSINESS
from fulltape.sim.texts import short

HISTORY = "/api/v5/market/history-trades"
CANDLES = "/api/v5/market/history-candles"


@pytest.fixture
def desk() -> Desk:
    return Desk("okx")


def subscribe(session: Session, *args: dict[str, str], op: str = "subscribe") -> list[Any]:
    return say(session, {"op": op, "args": list(args)})


def arg(channel: str, symbol: str = "BTC-USDT") -> dict[str, str]:
    return {"channel": channel, "instId": symbol}


def of_channel(frames: list[Any], channel: str) -> list[Any]:
    return [frame for frame in frames if frame["arg"]["channel"] == channel]


def test_each_argument_is_confirmed_or_refused_by_itself(desk: Desk) -> None:
    good, first, bad, elsewhere = subscribe(desk.open(), arg("trades"), arg("trades", "FOO-USDT"), arg("candle1m"))
    assert (good["event"], good["arg"]) == ("subscribe", arg("trades"))
    assert first["data"][0]["tradeId"] == str(desk.market.last_id(BTC))
    assert (bad["event"], bad["code"]) == ("error", "60018")
    assert bad["msg"].startswith("Wrong URL or channel:trades,instId:FOO-USDT doesn't exist.")
    assert elsewhere["code"] == "60018"  # candles are at the business address
    assert good["connId"] == bad["connId"]


@pytest.mark.parametrize(
    "message", ["not json", {"op": "subscribe"}, {"op": "login", "args": []}, {"op": 1, "args": []}]
)
def test_what_is_no_request_is_refused_with_its_words(desk: Desk, message: object) -> None:
    (refused,) = say(desk.open(), message)
    assert (refused["event"], refused["code"]) == ("error", "60012")


def test_a_text_ping_is_answered_and_silence_ends_the_connection(desk: Desk) -> None:
    session = desk.open()
    assert session.answer(b"ping") == [b"pong"]
    assert not session.is_overdue(desk.market.now_ns + 30 * SECOND_NS)
    assert session.is_overdue(desk.market.now_ns + 31 * SECOND_NS)
    subscribe(session, arg("trades"))
    assert not session.is_overdue(desk.market.now_ns + 31 * SECOND_NS)


def test_an_unknown_address_is_none(desk: Desk) -> None:
    assert desk.venue.open(Opening("/ws/v5/private", {}, {}, desk.market.now_ns)) is None


def test_books_follow_each_other_also_for_who_joins_later(desk: Desk) -> None:
    first = desk.open()
    frames = {first: subscribe(first, arg("books"))[1:]}
    frames[first] += desk.run(0.55, first)
    second = desk.open()
    frames[second] = subscribe(second, arg("books"))[1:]
    assert frames[second][0]["data"][0]["prevSeqId"] == -1
    for session, heard in desk.run_raw(2.0).items():
        frames[session] += decoded(heard)
    books = [rebuilt(frames[session]) for session in (first, second)]
    assert books[0] == books[1]
    desk.run_raw(0.1 - desk.market.now_ns % 100_000_000 / 1e9)
    assert len(frames[first]) > 20


def rebuilt(frames: list[Any]) -> dict[str, dict[str, str]]:
    """Return the book, having checked that each message follows the one before."""
    assert [frame["action"] for frame in frames] == ["snapshot"] + ["update"] * (len(frames) - 1)
    book: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
    reached = -1
    for frame in frames:
        (row,) = frame["data"]
        assert row["prevSeqId"] == reached
        assert row["checksum"] == 0
        reached = row["seqId"]
        for side in ("bids", "asks"):
            for price, size, _, _ in row[side]:
                book[side][price] = size
                if size == "0":
                    del book[side][price]
        assert max(map(float, book["bids"])) < min(map(float, book["asks"]))
    return book


def test_trades_have_the_takers_side_and_no_zeros_at_the_end(desk: Desk) -> None:
    session = desk.open()
    subscribe(session, arg("trades"))
    rows = [row for frame in desk.run(3) for row in frame["data"]]
    trades = {str(trade.trade_id): trade for trade in desk.market.trades(BTC, 1 << 62, len(rows))}
    listing = desk.market.listings[BTC]
    assert [row["tradeId"] for row in rows] == sorted(trades, key=int)
    for row in rows:
        trade = trades[row["tradeId"]]
        assert row["side"] == ("buy" if trade.maker_sells else "sell")
        assert (row["px"], row["ts"]) == (short(listing.price_text(trade.price)), str(trade.time // 1_000_000))
        assert float(row["sz"]) == float(listing.size_text(trade.size))
        assert not row["sz"].endswith("0")


def test_tops_and_tickers(desk: Desk) -> None:
    session = desk.open()
    replies = subscribe(session, arg("bbo-tbt"), arg("books5"), arg("tickers"))
    frames = replies[1::2] + desk.run(2)
    tops, fives, tickers = (of_channel(frames, channel) for channel in ("bbo-tbt", "books5", "tickers"))
    assert {len(frame["data"][0]["bids"]) for frame in tops} == {1}
    assert {len(frame["data"][0]["asks"]) for frame in fives} == {5}
    assert len(tops) > 5
    assert len(tickers) <= 21
    ticker = tickers[-1]["data"][0]
    assert float(ticker["low24h"]) <= float(ticker["last"]) <= float(ticker["high24h"])
    assert float(ticker["volCcy24h"]) > float(ticker["vol24h"])


def test_business_has_every_match_and_candles_that_end(desk: Desk) -> None:
    session = desk.open(BUSINESS)
    replies = subscribe(session, arg("trades-all"), arg("candle1m"))
    assert [reply["event"] for reply in replies if "event" in reply] == ["subscribe", "subscribe"]
    frames = desk.run(45)
    candles = [frame["data"][0] for frame in of_channel(frames, "candle1m")]
    (final,) = [candle for candle in candles if candle[8] == "1"]
    assert {candle[8] for candle in candles} == {"0", "1"}
    (bar,) = desk.market.bars(BTC, int(final[0]) // 1_000, int(final[0]) // 1_000 + 60)
    assert float(final[5]) == float(desk.market.listings[BTC].size_text(bar.volume))
    traded = [row["tradeId"] for frame in of_channel(frames, "trades-all") for row in frame["data"]]
    assert traded == [str(one) for one in range(int(traded[0]), int(traded[0]) + len(traded))]


def test_instruments_and_the_end_of_a_subscription(desk: Desk) -> None:
    session = desk.open()
    spot = {"channel": "instruments", "instType": "SPOT"}
    confirmed, listed = subscribe(session, spot)
    assert confirmed["arg"] == spot
    assert listed["data"][BTC]["tickSz"] == "0.01"
    assert subscribe(session, {"channel": "instruments", "instType": "SWAP"})[0]["code"] == "60018"
    subscribe(session, arg("trades"))
    assert len(subscribe(session, arg("trades"))) == 1  # again: confirmed, and nothing comes twice
    (ended,) = subscribe(session, arg("trades"), op="unsubscribe")
    assert ended["event"] == "unsubscribe"
    assert desk.run(1) == []


def test_rest_trades_page_back_by_id_and_by_time(desk: Desk) -> None:
    desk.run_raw(15)
    ids: list[int] = []
    query: dict[str, Any] = {"instId": "BTC-USDT", "type": 1}
    while page := desk.get(HISTORY, **query)["data"]:
        assert len(page) <= 100
        ids += [int(row["tradeId"]) for row in page]
        query["after"] = page[-1]["tradeId"]
    assert ids == list(range(desk.market.last_id(BTC), ids[-1] - 1, -1))
    assert len(ids) > 200
    between = desk.get(HISTORY, instId="BTC-USDT", after=ids[0], before=ids[4])["data"]
    assert [int(row["tradeId"]) for row in between] == ids[1:4]
    newest = desk.get("/api/v5/market/trades", instId="BTC-USDT", limit=3)["data"]
    older = desk.get(HISTORY, instId="BTC-USDT", type=2, after=newest[0]["ts"])["data"]
    assert all(int(row["ts"]) < int(newest[0]["ts"]) for row in older)
    newer = desk.get(HISTORY, instId="BTC-USDT", type=2, before=older[50]["ts"])["data"]
    assert all(int(row["ts"]) > int(older[50]["ts"]) for row in newer)


def test_rest_candles_are_newest_first_with_both_bounds_left_out(desk: Desk) -> None:
    now = desk.market.now_ns // SECOND_NS // 60 * 60_000
    newest = desk.get("/api/v5/market/candles", instId="BTC-USDT")["data"]
    assert [int(row[0]) for row in newest] == list(range(now, now - 100 * 60_000, -60_000))
    assert [row[8] for row in newest[:2]] == ["0", "1"]
    rows = desk.get(CANDLES, instId="BTC-USDT", before=now - 240_001, after=now - 60_000 + 1)["data"]
    assert [int(row[0]) for row in rows] == [now - 60_000, now - 120_000, now - 180_000, now - 240_000]
    (five,) = desk.get(CANDLES, instId="BTC-USDT", bar="5m", after=now // 300_000 * 300_000, limit=1)["data"]
    assert int(five[0]) == now // 300_000 * 300_000 - 300_000


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        (HISTORY, {}, "50014"),
        (HISTORY, {"instId": "FOO-USDT"}, "51001"),
        (HISTORY, {"instId": "BTC-USDT", "limit": "x"}, "51000"),
        (HISTORY, {"instId": "BTC-USDT", "type": 3}, "51000"),
        (CANDLES, {"instId": "BTC-USDT", "bar": "7m"}, "51000"),
        ("/api/v5/public/instruments", {}, "50014"),
        ("/api/v5/public/instruments", {"instType": "STOCK"}, "51000"),
    ],
)
def test_rest_refuses_with_a_code_and_status_200(desk: Desk, path: str, query: dict[str, Any], code: str) -> None:
    assert desk.reply(path, **query)[0] == 200
    assert desk.get(path, **query)["code"] == code


def test_rest_instruments_book_and_time(desk: Desk) -> None:
    assert [row["instId"] for row in desk.get("/api/v5/public/instruments", instType="SPOT")["data"]] == [
        "BTC-USDT",
        "DOGE-USDT",
    ]
    assert desk.get("/api/v5/public/instruments", instType="SWAP")["data"] == []
    (book,) = desk.get("/api/v5/market/books", instId="BTC-USDT", sz=3)["data"]
    assert (len(book["bids"]), book["seqId"]) == (3, desk.market.book(BTC).sequence)
    assert desk.get("/api/v5/public/time")["data"] == [{"ts": str(desk.market.now_ns // 1_000_000)}]
    assert desk.reply("/nothing")[0] == 404
