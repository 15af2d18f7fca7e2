"""Binance's protocol as its simulated venue speaks it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from tests.sim.desk import BTC, Desk, say

from fulltape.sim.base import Opening, Session

HISTORY = "/api/v3/historicalTrades"
MERGED = "/api/v3/aggTrades"
KLINES = "/api/v3/klines"


@pytest.fixture
def desk() -> Desk:
    return Desk("binance")


def ask(session: Session, method: str, *params: object) -> Any:
    (answer,) = say(session, {"method": method, "params": list(params), "id": 7})
    assert answer["id"] == 7
    return answer


def of(frames: list[Any], stream: str) -> list[Any]:
    return [frame["data"] for frame in frames if frame["stream"] == stream]


def test_streams_are_confirmed_with_null_and_listed_whether_they_exist_or_not(desk: Desk) -> None:
    session = desk.open()
    assert ask(session, "SUBSCRIBE", "btcusdt@trade", "foo@trade") == {"result": None, "id": 7}
    assert ask(session, "UNSUBSCRIBE", "dogeusdt@trade")["result"] is None
    (listed,) = say(session, {"method": "LIST_SUBSCRIPTIONS", "id": 8})
    assert listed == {"result": ["btcusdt@trade", "foo@trade"], "id": 8}
    ask(session, "UNSUBSCRIBE", "btcusdt@trade", "foo@trade")
    assert desk.run(1.0) == []


@pytest.mark.parametrize(
    "message", ["no request", {"method": "SUBSCRIBE"}, {"method": "FOO"}, {"method": "SET_PROPERTY", "params": [1]}]
)
def test_what_is_no_request_is_refused(desk: Desk, message: object) -> None:
    (refused,) = say(desk.open(), message)
    assert refused["code"] == 2
    assert refused["msg"].startswith("Invalid")


def test_addresses_name_streams_and_decide_about_the_envelope(desk: Desk) -> None:
    combined, raw = (
        desk.venue.open(Opening(path, query, {}, desk.market.now_ns))
        for path, query in (("/stream", {"streams": "btcusdt@trade/dogeusdt@trade"}), ("/ws/btcusdt@trade", {}))
    )
    assert combined is not None
    assert raw is not None
    assert combined.topics == {("trade", "btcusdt"), ("trade", "dogeusdt")}
    assert ask(combined, "GET_PROPERTY", "combined")["result"] is True
    assert ask(raw, "GET_PROPERTY", "combined")["result"] is False
    assert desk.venue.open(Opening("/nothing", {}, {}, desk.market.now_ns)) is None
    assert desk.venue.open(Opening("/wsx", {}, {}, desk.market.now_ns)) is None


def test_a_property_turns_the_envelope_on(desk: Desk) -> None:
    session = desk.open("/ws")
    ask(session, "SUBSCRIBE", "btcusdt@trade")
    assert {frame["e"] for frame in desk.run(1.0)} == {"trade"}
    ask(session, "SET_PROPERTY", "combined", True)
    assert {frame["stream"] for frame in desk.run(1.0)} == {"btcusdt@trade"}


def test_trades_are_those_of_the_market_one_by_one_and_merged(desk: Desk) -> None:
    before = desk.market.last_id(BTC)
    ask(desk.open(), "SUBSCRIBE", "btcusdt@trade", "btcusdt@aggTrade")
    frames = desk.run(2.0)
    trades, merged = of(frames, "btcusdt@trade"), of(frames, "btcusdt@aggTrade")
    assert [trade["t"] for trade in trades] == list(range(before + 1, desk.market.last_id(BTC) + 1))
    assert [(one["a"], one["f"], one["l"]) for one in merged] == [(trade["t"],) * 3 for trade in trades]
    past = desk.get(HISTORY, symbol="BTCUSDT", fromId=before + 1)
    for told, kept in zip(trades, past, strict=True):
        assert (told["p"], told["q"], told["T"], told["m"]) == (
            kept["price"],
            kept["qty"],
            kept["time"],
            kept["isBuyerMaker"],
        )
    newest = desk.market.last_trade(BTC)
    assert newest is not None
    assert trades[-1]["m"] is not newest.maker_sells
    assert trades[-1]["p"] == f"{newest.price / 100:.8f}"


def test_changes_follow_a_book_asked_for_in_between(desk: Desk) -> None:
    """As the venue tells its clients to: drop what is old, take what covers the book's number, then count."""
    ask(desk.open(), "SUBSCRIBE", "btcusdt@depth@100ms")
    frames = of(desk.run(0.35), "btcusdt@depth@100ms")
    book = desk.get("/api/v3/depth", symbol="BTCUSDT", limit=5_000)
    frames += of(desk.run(3.0 - desk.market.now_ns % 100_000_000 / 1e9), "btcusdt@depth@100ms")
    assert len(frames) > 20
    assert all(after["U"] == before["u"] + 1 for before, after in pairwise(frames))
    later = [frame for frame in frames if frame["u"] > book["lastUpdateId"]]
    assert later[0]["U"] <= book["lastUpdateId"] + 1 <= later[0]["u"]
    bids, asks = dict(book["bids"]), dict(book["asks"])
    for frame in later:
        for side, changes in ((bids, frame["b"]), (asks, frame["a"])):
            for price, size in changes:
                if float(size):
                    side[price] = size
                else:
                    side.pop(price, None)
    end = desk.get("/api/v3/depth", symbol="BTCUSDT", limit=5_000)
    assert end["lastUpdateId"] == later[-1]["u"]
    assert (bids, asks) == (dict(end["bids"]), dict(end["asks"]))
    assert max(map(float, bids)) < min(map(float, asks))


def test_the_book_at_the_end_of_a_batch_is_the_one_that_was_told(desk: Desk) -> None:
    ask(desk.open(), "SUBSCRIBE", "btcusdt@depth@100ms", "btcusdt@bookTicker")
    frames = desk.run(0.1 - desk.market.now_ns % 100_000_000 / 1e9 + 0.1)
    last = of(frames, "btcusdt@depth@100ms")[-1]
    book = desk.get("/api/v3/depth", symbol="BTCUSDT", limit=5)
    assert last["u"] == book["lastUpdateId"]
    best = of(frames, "btcusdt@bookTicker")[-1]
    assert ([best["b"], best["B"]], [best["a"], best["A"]]) == (book["bids"][0], book["asks"][0])
    assert len(book["bids"]) == 5


def test_a_closed_bar_is_the_one_over_rest(desk: Desk) -> None:
    ask(desk.open(), "SUBSCRIBE", "btcusdt@kline_1m", "btcusdt@ticker")
    frames = desk.run(41.0)
    bars = [frame["k"] for frame in of(frames, "btcusdt@kline_1m")]
    (closed,) = [bar for bar in bars if bar["x"]]
    assert len(bars) > 15
    (kept,) = desk.get(KLINES, symbol="BTCUSDT", interval="1m", startTime=closed["t"], endTime=closed["t"])
    assert kept[:6] == [closed["t"], *(closed[name] for name in "ohlcv")]
    assert kept[6:11] == [closed["T"], closed["q"], closed["n"], closed["V"], closed["Q"]]
    seconds = desk.get(KLINES, symbol="BTCUSDT", interval="1s", startTime=closed["t"], endTime=closed["T"])
    assert sum(bar[8] for bar in seconds) == closed["n"] == closed["L"] - closed["f"] + 1
    day = of(frames, "btcusdt@ticker")[-1]
    assert float(day["l"]) <= float(day["c"]) <= float(day["h"])
    assert day["L"] == desk.market.last_id(BTC)


def test_bars_are_limited_and_quiet_minutes_are_flat() -> None:
    desk = Desk("binance", trades_per_s=0.05)
    newest = desk.get(KLINES, symbol="DOGEUSDT", interval="1m", limit=30)
    assert [after[0] - before[0] for before, after in pairwise(newest)] == [60_000] * (len(newest) - 1)
    flat = [bar for bar in newest if not bar[8]]
    assert flat
    assert all(len(set(bar[1:5])) == 1 and float(bar[5]) == 0 for bar in flat)
    until = desk.get(KLINES, symbol="DOGEUSDT", interval="1m", endTime=newest[-2][0], limit=1)
    assert [bar[0] for bar in until] in ([newest[-2][0]], [])


def test_history_goes_by_id_and_by_time(desk: Desk) -> None:
    last = desk.market.last_id(BTC)
    assert [one["id"] for one in desk.get(HISTORY, symbol="BTCUSDT", fromId=last - 4, limit=3)] == [
        last - 4,
        last - 3,
        last - 2,
    ]
    assert [one["id"] for one in desk.get(HISTORY, symbol="BTCUSDT", limit=2)] == [last - 1, last]
    assert [one["id"] for one in desk.get("/api/v3/trades", symbol="BTCUSDT", limit=2)] == [last - 1, last]
    assert [one["a"] for one in desk.get(MERGED, symbol="BTCUSDT", fromId=last - 1)] == [last - 1, last]
    assert [one["a"] for one in desk.get(MERGED, symbol="BTCUSDT", limit=1)] == [last]
    rows = desk.get(MERGED, symbol="BTCUSDT", limit=50)
    start, end = rows[10]["T"], rows[20]["T"]
    between = desk.get(MERGED, symbol="BTCUSDT", startTime=start, endTime=end)
    assert [one["a"] for one in between] == [one["a"] for one in rows if start <= one["T"] <= end]
    assert desk.get(MERGED, symbol="BTCUSDT", endTime=end, limit=5)[-1] == between[-1]


def test_instruments_and_clock(desk: Desk) -> None:
    listed = desk.get("/api/v3/exchangeInfo")["symbols"]
    assert [one["symbol"] for one in listed] == ["BTCUSDT", "DOGEUSDT"]
    (one,) = desk.get("/api/v3/exchangeInfo", symbol="BTCUSDT")["symbols"]
    assert one["filters"][0]["tickSize"] == "0.01000000"
    assert desk.get("/api/v3/time") == {"serverTime": desk.market.now_ns // 1_000_000}
    assert desk.get("/api/v3/ping") == {}


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        (HISTORY, {}, 400, -1102),
        (HISTORY, {"symbol": "FOO"}, 400, -1121),
        (HISTORY, {"symbol": "BTCUSDT", "limit": "x"}, 400, -1100),
        (KLINES, {"symbol": "BTCUSDT", "interval": "7m"}, 400, -1120),
        ("/api/v3/nothing", {}, 404, -1000),
    ],
)
def test_bad_requests_are_refused(desk: Desk, path: str, query: dict[str, str], status: int, code: int) -> None:
    answer, body = desk.reply(path, **query)
    assert (answer, f'"code":{code},'.encode() in body) == (status, True)
