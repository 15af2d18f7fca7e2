"""Alpaca crypto: messages in both encodings, signing on, history."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conformance.streams import lacking
from tests.conformance.venues import Known, VenueConformance

from fulltape.clock import SECOND_NS, parse_rfc3339
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import AggressorSide, Origin
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.alpaca_wire import Time, times_of
from fulltape.venues.base import Acknowledged, Channel, Credentials, Invited, Parsed, Refused, Subscription
from fulltape.venues.registry import venue

NOW = 1_763_632_800 * SECOND_NS
ALPACA = venue("alpaca")
WANTED = Subscription((Channel.BARS, Channel.TRADES), ("BTC/USD", "ETH/USD"))


class TestConformance(VenueConformance):
    venue = ALPACA
    symbols = ("BTC/USD", "ETH/USD")
    captures = Path(__file__).parents[1] / "captures" / "alpaca"
    not_offered = lacking(
        V_19="it is kept alive by pings of the protocol alone",
        V_21="its book messages bear no numbers",
    )
    taker = ('"tks":"B"', '"tks":"S"')
    bad_symbols = ("", "BTC", "BTC-USD", "btc/usd", "BTC/", "/USD", "BTC/USD\n", "A/B/C")


def parse(*frames: object, symbols: tuple[str, ...] = ("BTC/USD",)) -> Parsed:
    payloads = [frame if isinstance(frame, bytes) else json.dumps(frame).encode() for frame in frames]
    parser = ALPACA.parser(Known(ALPACA, symbols), Connection("ALPACA-1", "ALPACA"))
    return parser.parse(payloads, [NOW] * len(payloads))


def rest_answers(recordings: Path) -> dict[str, list[Any]]:
    answers: dict[str, list[Any]] = json.loads((recordings / "rest" / "alpaca-rest-responses.json").read_text())
    return answers


def test_the_documented_messages_are_understood(recordings: Path) -> None:
    documented = json.loads((recordings / "rest" / "alpaca-stream-doc-examples.json").read_text())
    names = ("connected", "authenticated", "subscription", "trade", "quote", "bar")
    symbols = ("AVAX/USD", "BAT/USD", "BTC/USD")
    parsed = parse(*(documented[name] for name in names), *documented["errors"], symbols=symbols)
    assert parsed.rejects == []
    assert [type(control) for _, control in parsed.controls[:3]] == [Invited, Invited, Acknowledged]
    assert parsed.batches["trades"]["trade_id"].tolist() == [3447222699101865076]
    assert parsed.batches["trades"]["event_time"].tolist() == [parse_rfc3339("2024-03-12T10:27:48.858228144Z")]
    assert parsed.batches["trades"]["aggressor_side"].tolist() == [AggressorSide.SELL]
    assert parsed.batches["quotes"]["ask_size"].tolist() == [13561.902]
    assert parsed.batches["bars"]["vwap"].tolist() == [47984.1688165374]


def test_msgpack_says_the_same_as_json(recordings: Path) -> None:
    documented = json.loads((recordings / "rest" / "alpaca-stream-doc-examples.json").read_text())
    (trade,) = documented["trade"]
    seconds, nanoseconds = divmod(parse_rfc3339(trade["t"]), SECOND_NS)
    packed = {**trade, "t": msgspec.msgpack.Ext(-1, struct.pack(">Q", nanoseconds << 34 | seconds))}
    parsed = parse([trade], msgspec.msgpack.encode([packed]), symbols=("AVAX/USD",))
    for column in parsed.batches["trades"].columns.values():
        assert column[0] == column[1]


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (b"\xd6\xff" + struct.pack(">I", 5), 5 * SECOND_NS),
        (b"\xd7\xff" + struct.pack(">Q", 999_999_999 << 34 | 2**34 - 1), (2**34 - 1) * SECOND_NS + 999_999_999),
        (b"\xc7\x0c\xff" + struct.pack(">Iq", 7, -1), -SECOND_NS + 7),
        (b"\xc7\x0c\x05" + bytes(12), NULL_INT),
        (b"\xd6\x05" + bytes(4), NULL_INT),
        (b"\xc0", NULL_INT),
        (b"null", NULL_INT),
        (b'"2024-03-12T10:27:48.858228144Z"', 1_710_239_268_858_228_144),
        (b'"\\u0032"', NULL_INT),
    ],
)
def test_times_lose_no_nanosecond(value: bytes, time: int) -> None:
    codec = msgspec.json if value[:1] in (b'"', b"n") else msgspec.msgpack
    assert times_of([codec.decode(value, type=Time)]) == [time]


def test_signing_on_comes_before_subscribing_and_needs_a_key() -> None:
    frames = ALPACA.subscribe_frames(WANTED, Credentials("k", "s"), NOW)
    assert [json.loads(frame) for frame in frames] == [
        {"action": "auth", "key": "k", "secret": "s"},
        {"action": "subscribe", "bars": ["BTC/USD", "ETH/USD"], "trades": ["BTC/USD", "ETH/USD"]},
    ]
    assert ALPACA.spec.sign_on_frames == 1
    with pytest.raises(ConfigError, match="set FULLTAPE_ALPACA_KEY and FULLTAPE_ALPACA_SECRET in the environment"):
        ALPACA.subscribe_frames(WANTED, None, NOW)


def refused(code: int) -> Refused:
    ((_, control),) = parse([{"T": "error", "code": code, "msg": "words"}]).controls
    assert isinstance(control, Refused)
    return control


@pytest.mark.parametrize("code", [400, 401, 402, 405, 409, 410, 411])
def test_what_asking_again_cannot_mend(code: int) -> None:
    assert refused(code).is_final
    assert ("FULLTAPE_ALPACA_KEY and FULLTAPE_ALPACA_SECRET" in refused(code).reason) is (code in (401, 402))


def test_a_second_connection_waits_long() -> None:
    assert not refused(406).is_final
    assert refused(406).wait_s >= 60
    assert "another program uses this key" in refused(406).reason
    assert refused(500) == Refused("ALPACA: 500 words", is_final=False)


def test_a_star_confirms_every_symbol_and_an_empty_list_none() -> None:
    ((_, control),) = parse([{"T": "subscription", "bars": ["*"], "trades": ["BTC/USD"], "quotes": []}]).controls
    assert control == Acknowledged({Channel.TRADES: frozenset({"BTC/USD"}), Channel.BARS: frozenset()})


def test_a_bar_of_quotes_only_has_no_trades_no_volume_and_no_vwap() -> None:
    bar = {"T": "b", "S": "BTC/USD", "o": 2, "h": 3, "l": 1, "c": 2, "v": 0, "n": 0, "vw": 0}
    bars = parse([{**bar, "t": "2025-11-20T09:59:00Z"}]).batches["bars"]
    assert (bars["open"][0], bars["trades"][0], bars["volume"][0]) == (2.0, 0, 0.0)
    assert bars["vwap"][0] != bars["vwap"][0]


def test_real_pages_of_trades(recordings: Path) -> None:
    answers = rest_answers(recordings)
    page = ALPACA.parse_trades(json.dumps(answers["TestGetCryptoTrades"][0]).encode(), 3, NOW, 1_000)
    assert page.trades["trade_id"].tolist() == [20242430, 20242431, 20242432]
    assert page.trades["price"].tolist() == [46386.98, 46382.43, 46379.8]
    assert set(page.trades["origin"].tolist()) == {Origin.REFILL}
    assert page.newer == str(parse_rfc3339("2021-09-08T05:04:03.269Z") - 1)
    last = ALPACA.parse_trades(json.dumps(answers["TestGetCryptoMultiTrades"][-1]).encode(), 3, NOW, 1_000)
    assert (len(last.trades), last.newer) == (0, None)


def test_trades_are_paged_forward_by_time() -> None:
    newest = ALPACA.trades_request("BTC/USD", None, 50_000)
    assert newest.query == {"symbols": "BTC/USD", "limit": "10000", "sort": "desc"}
    after = ALPACA.trades_request("BTC/USD", str(NOW - 1), 1_000)
    assert after.query["start"] == "2025-11-20T10:00:00.000000000Z"
    assert after.query["sort"] == "asc"

    def answer(*trades: dict[str, Any], token: str | None) -> bytes:
        return json.dumps({"trades": {"BTC/USD": trades}, "next_page_token": token}).encode()

    def trade(number: int, second: int) -> dict[str, Any]:
        return {"i": number, "p": 1.5, "s": 2, "t": f"2025-11-20T09:59:{second}Z", "tks": "-"}

    page = ALPACA.parse_trades(answer(trade(1, 20), trade(2, 10), trade(3, 20), token="x"), 0, NOW, 1_000)
    assert page.trades["trade_id"].tolist() == [2, 1, 3]
    assert page.newer == str(parse_rfc3339("2025-11-20T09:59:20Z") - 1)
    assert page.trades["aggressor_side"].tolist() == [AggressorSide.UNKNOWN] * 3
    with pytest.raises(MalformedFrame, match="a page without trades"):
        ALPACA.parse_trades(answer(token="x"), 0, NOW, 1_000)


def test_real_bars(recordings: Path) -> None:
    whole = rest_answers(recordings)["TestGetCryptoBars"][0]
    bars = ALPACA.parse_bars(json.dumps({**whole, "next_page_token": None}).encode(), 3, 60, NOW)
    assert bars["start"][:2].tolist() == [parse_rfc3339("2021-11-11T11:11:00Z"), parse_rfc3339("2021-11-11T11:12:00Z")]
    assert (bars["vwap"][0], bars["trades"][0]) == (679.6324449731, 10)
    with pytest.raises(MalformedFrame, match="paging"):
        ALPACA.parse_bars(json.dumps({**whole, "next_page_token": "more"}).encode(), 3, 60, NOW)
    with pytest.raises(MalformedFrame, match="2 symbols instead of 1"):
        ALPACA.parse_bars(b'{"bars":{"A/B":[],"C/D":[]}}', 3, 60, NOW)


def test_bars_are_asked_for_with_both_ends() -> None:
    request = ALPACA.bars_request("BTC/USD", 60, NOW, NOW + 120 * SECOND_NS)
    assert request.path == "/v1beta3/crypto/us/bars"
    assert request.query["start"] == "2025-11-20T10:00:00.000000000Z"
    assert request.query["end"] == "2025-11-20T10:01:59.999999999Z"
    with pytest.raises(ConfigError, match="1 to 5000 bars at once"):
        ALPACA.bars_request("BTC/USD", 60, NOW, NOW + 5_001 * 60 * SECOND_NS)


def test_a_book_is_asked_for() -> None:
    assert ALPACA.book_request("BTC/USD").query == {"symbols": "BTC/USD"}


def test_instruments_lie_on_another_server() -> None:
    assert ALPACA.instruments_request().base_url == "https://api.alpaca.markets"
    body = (
        b'[{"symbol":"BTC/USD","status":"active","price_increment":"1","min_trade_increment":"0.000000001"},'
        b'{"symbol":"ETH/BTC","status":"inactive"},{"symbol":"odd","status":"active"}]'
    )
    bitcoin, ether = ALPACA.parse_instruments(body)
    assert (bitcoin.id, bitcoin.price_step, bitcoin.size_step) == ("BTC-USD.ALPACA", 1.0, 1e-9)
    assert (ether.id, ether.status) == ("ETH-BTC.ALPACA", "inactive")
