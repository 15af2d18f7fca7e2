"""Alpaca's crypto stream as its simulated venue speaks it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.sim.desk import BTC, Desk, decoded, say, texts

from fulltape.clock import SECOND_NS, format_rfc3339, parse_rfc3339
from fulltape.sim.alpaca import PATH
from fulltape.sim.alpaca_wire import trade_id
from fulltape.sim.base import Request, Session

KEYS = {"apca-api-key-id": "k", "apca-api-secret-key": "s"}
AUTH = {"action": "auth", "key": "k", "secret": "s"}


@pytest.fixture
def desk() -> Desk:
    return Desk("alpaca")


def error(code: int, words: str) -> list[list[dict[str, Any]]]:
    return [[{"T": "error", "code": code, "msg": words}]]


def signed_on(desk: Desk, key: str = "k") -> Session:
    session = desk.open()
    assert say(session, AUTH | {"key": key}) == [[{"T": "success", "msg": "authenticated"}]]
    return session


def test_who_signs_on_is_let_in_once_for_each_key(desk: Desk) -> None:
    first = desk.open()
    assert decoded(first.greet()) == [[{"T": "success", "msg": "connected"}]]
    assert say(first, {"action": "subscribe", "trades": ["BTC/USD"]}) == error(401, "not authenticated")
    assert say(first, AUTH | {"secret": ""}) == error(402, "auth failed")
    assert say(first, AUTH) == [[{"T": "success", "msg": "authenticated"}]]
    assert say(first, AUTH) == error(403, "already authenticated")
    second = desk.open()
    assert say(second, AUTH) == error(406, "connection limit exceeded")
    second.ended()  # a connection that was refused takes nothing from the one that has the key
    assert say(second, AUTH) == error(406, "connection limit exceeded")
    assert say(second, AUTH | {"key": "other"}) == [[{"T": "success", "msg": "authenticated"}]]
    first.ended()
    assert say(desk.open(), AUTH) == [[{"T": "success", "msg": "authenticated"}]]


def test_keys_in_the_handshake_sign_on_at_once(desk: Desk) -> None:
    words = [frame[0]["msg"] for frame in decoded(desk.open(headers=KEYS).greet())]
    assert words == ["connected", "authenticated"]


def test_who_does_not_sign_on_in_ten_seconds_is_told_and_closed(desk: Desk) -> None:
    session = desk.open()
    assert not session.is_overdue(desk.market.now_ns + 10 * SECOND_NS)
    assert session.is_overdue(desk.market.now_ns + 11 * SECOND_NS)
    assert decoded(session.farewell()) == error(404, "auth timeout")
    assert decoded(session.too_slow()) == error(407, "slow client")
    assert not signed_on(desk).is_overdue(desk.market.now_ns + 11 * SECOND_NS)


@pytest.mark.parametrize("message", ["not json", {"action": "dance"}, {"action": "subscribe", "trades": ["BTCUSD"]}])
def test_bad_syntax(desk: Desk, message: object) -> None:
    assert say(signed_on(desk), message) == error(400, "invalid syntax")


def test_a_confirmation_lists_everything_that_is_subscribed(desk: Desk) -> None:
    session = signed_on(desk)
    say(session, {"action": "subscribe", "trades": ["BTC/USD"], "bars": ["*"]})
    (confirmed,), *books = say(session, {"action": "subscribe", "orderbooks": ["BTC/USD", "FOO/USD"]})
    nothing: dict[str, list[str]] = {"quotes": [], "updatedBars": [], "dailyBars": []}
    lists = {"trades": ["BTC/USD"], "bars": ["*"], "orderbooks": ["BTC/USD", "FOO/USD"]}
    assert confirmed == {"T": "subscription"} | lists | nothing
    assert [(book[0]["S"], book[0]["r"]) for book in books] == [("BTC/USD", True)]
    ((fewer,),) = say(session, {"action": "unsubscribe", "trades": ["BTC/USD"], "orderbooks": ["BTC/USD", "FOO/USD"]})
    assert (fewer["trades"], fewer["orderbooks"]) == ([], [])
    assert desk.run(1) == []


def test_trades_quotes_and_books_are_the_markets(desk: Desk) -> None:
    session = signed_on(desk)
    asked = {"action": "subscribe", "trades": ["BTC/USD"], "quotes": ["BTC/USD"], "orderbooks": ["BTC/USD"]}
    frames = say(session, asked)[1:] + desk.run(3)
    found = [message for frame in frames for message in frame]
    trades = [message for message in found if message["T"] == "t"]
    truth = desk.market.trades(BTC, 1 << 62, len(trades))[::-1]
    assert [(message["i"], parse_rfc3339(message["t"])) for message in trades] == [
        (trade_id(trade.trade_id), trade.time) for trade in truth
    ]
    assert [message["tks"] for message in trades] == ["B" if trade.maker_sells else "S" for trade in truth]
    assert max(message["i"] for message in trades) > 1 << 53
    assert all(float(message["bp"]) < float(message["ap"]) for message in found if message["T"] == "q")
    book: dict[str, dict[float, float]] = {"b": {}, "a": {}}
    for message in found:
        for side in ("b", "a") if message["T"] == "o" else ():
            for level in message[side]:
                book[side][float(level["p"])] = float(level["s"])
                if not float(level["s"]):
                    del book[side][float(level["p"])]
    bids, asks = ({float(price): float(size) for price, size in side} for side in texts(desk.market, BTC))
    assert (book["b"], book["a"]) == (bids, asks)


def test_msgpack_says_the_same_as_json(desk: Desk) -> None:
    text = signed_on(desk)
    binary = desk.open(headers={"content-type": "application/msgpack"} | KEYS | {"apca-api-key-id": "other"})
    assert [msgspec.msgpack.decode(frame)[0]["msg"] for frame in binary.greet()] == ["connected", "authenticated"]
    asked = {"action": "subscribe", "trades": ["BTC/USD"], "orderbooks": ["BTC/USD"]}
    say(text, asked)
    assert msgspec.msgpack.decode(binary.answer(msgspec.msgpack.encode(asked))[0])[0]["trades"] == ["BTC/USD"]
    heard = desk.run_raw(2)
    assert len(heard[text]) == len(heard[binary]) > 10
    for one, other in zip(heard[text], heard[binary], strict=True):
        for message, packed in zip(json.loads(one), msgspec.msgpack.decode(other), strict=True):
            assert next(iter(packed)) == "T"
            told: datetime = packed.pop("t")
            assert told == datetime.fromisoformat(message.pop("t")).astimezone(UTC)
            assert packed == message


def test_bars_come_every_minute_and_the_day_so_far_beside_them() -> None:
    desk = Desk("alpaca", trades_per_s=0.02)
    session = signed_on(desk)
    say(session, {"action": "subscribe", "bars": ["*"], "dailyBars": ["BTC/USD"], "updatedBars": ["*"]})
    found = [message for frame in desk.run(180) for message in frame]
    minutes = [message for message in found if message["T"] == "b"]
    assert len(minutes) == 6
    quiet = [message for message in minutes if not message["n"]]
    assert quiet
    assert all(float(message["v"]) == 0 < float(message["o"]) for message in quiet)
    days = [message for message in found if message["T"] == "d"]
    assert {message["t"][11:] for message in days} == {"00:00:00.000000000Z"}


def test_rest_pages_trades_over_symbols_with_tokens(desk: Desk) -> None:
    desk.run_raw(10)
    for sort in ("asc", "desc"):
        found: dict[str, list[int]] = {"BTC/USD": [], "DOGE/USD": []}
        query = {"symbols": "DOGE/USD,BTC/USD,FOO/USD", "start": "2021-01-01", "limit": 150, "sort": sort}
        token: str | None = ""
        pages = 0
        while token is not None:
            page = desk.get(f"{PATH}/trades", **query, page_token=token)
            for symbol, rows in page["trades"].items():
                found[symbol] += [row["i"] for row in rows]
            token, pages = page["next_page_token"], pages + 1
        for product, ids in enumerate(found.values()):
            truth = [trade_id(trade.trade_id) for trade in desk.market.trades(product, 1 << 62, 100_000)]
            assert ids == (truth if sort == "desc" else truth[::-1])
        assert pages > 3


def test_rest_bars_include_both_ends(desk: Desk) -> None:
    now = desk.market.now_ns // SECOND_NS // 60 * 60
    bounds = {"start": format_rfc3339((now - 180) * SECOND_NS), "end": format_rfc3339((now - 60) * SECOND_NS)}
    query = {"symbols": "BTC/USD", "timeframe": "1Min"} | bounds
    page = desk.get(f"{PATH}/bars", **query)
    bars = page["bars"]["BTC/USD"]
    assert [parse_rfc3339(bar["t"]) // SECOND_NS for bar in bars] == [now - 180, now - 120, now - 60]
    assert page["next_page_token"] is None
    first = desk.get(f"{PATH}/bars", **query, limit=2, sort="desc")
    rest = desk.get(f"{PATH}/bars", **query, limit=2, sort="desc", page_token=first["next_page_token"])
    assert first["bars"]["BTC/USD"] + rest["bars"]["BTC/USD"] == bars[::-1]
    hours = desk.get(f"{PATH}/bars", symbols="BTC/USD", timeframe="1Hour", start="2021-01-01")["bars"]["BTC/USD"]
    assert all(bar["t"][14:19] == "00:00" for bar in hours)


def test_rest_book_quotes_and_pairs(desk: Desk) -> None:
    book = desk.get(f"{PATH}/latest/orderbooks", symbols="BTC/USD")["orderbooks"]["BTC/USD"]
    assert set(book) == {"t", "b", "a"}
    assert [level["p"] for level in book["b"]] == [float(price) for price, _ in texts(desk.market, BTC)[0]]
    quote = desk.get(f"{PATH}/latest/quotes", symbols="BTC/USD")["quotes"]["BTC/USD"]
    assert quote["bp"] == book["b"][0]["p"]
    assert desk.reply("/v2/assets", asset_class="crypto")[0] == 403
    keyed = desk.venue.rest.answer(Request("GET", "/v2/assets", {"asset_class": "crypto"}, KEYS))
    assert [row["symbol"] for row in json.loads(keyed.body)] == ["BTC/USD", "DOGE/USD"]


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/bars", {"symbols": "BTC/USD", "timeframe": "7Weeks"}, 400, "invalid timeframe: 7Weeks"),
        ("/bars", {"symbols": "BTC/USD", "timeframe": "0Min"}, 400, "invalid timeframe: 0Min"),
        ("/trades", {}, 400, "symbols is required"),
        ("/trades", {"symbols": "BTCUSD"}, 400, "invalid symbol: BTCUSD"),
        ("/trades", {"symbols": "BTC/USD", "page_token": "???"}, 400, "invalid page_token"),
        ("/nothing", {}, 404, "endpoint not found."),
    ],
)
def test_rest_errors(desk: Desk, path: str, query: dict[str, Any], status: int, words: str) -> None:
    told, body = desk.reply(PATH + path, **query)
    assert (told, json.loads(body)["message"]) == (status, words)
