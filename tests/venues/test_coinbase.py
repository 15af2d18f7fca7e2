"""Coinbase Exchange."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.conformance.streams import lacking
from tests.conformance.venues import Known, VenueConformance

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import BARS, TRADES, AggressorSide, Origin
from fulltape.records.book import LAST, SNAPSHOT
from fulltape.records.frames import Connection
from fulltape.venues.base import Acknowledged, Channel, Credentials, RestRequest, Subscription
from fulltape.venues.coinbase import Coinbase
from fulltape.venues.registry import venue

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
NOW = 1_763_632_800 * SECOND_NS
COINBASE = venue("coinbase")


class TestConformance(VenueConformance):
    venue = COINBASE
    symbols = ("BTC-USD", "ETH-USD")
    captures = ROOT / "tests" / "captures" / "coinbase"
    not_offered = lacking(
        V_21="its book messages bear no numbers",
    )
    taker = ('"side":"sell"', '"side":"buy"')
    bad_symbols = ("", "BTC", "BTC-", "-USD", "BTC-USD-PERP", "btc-usd", "BTC/USD", "BTC-U D")


def test_subscribes_with_products_in_one_place_only() -> None:
    subscription = Subscription(COINBASE.spec.default_channels, ("BTC-USD",))
    (frame,) = COINBASE.subscribe_frames(subscription, None, NOW)
    assert json.loads(frame) == {
        "type": "subscribe",
        "product_ids": ["BTC-USD"],
        "channels": ["matches", "ticker", "level2_batch", "heartbeat"],
    }
    (frame,) = COINBASE.unsubscribe_frames(subscription)
    assert json.loads(frame)["type"] == "unsubscribe"


def test_heartbeats_always_come_along() -> None:
    (frame,) = COINBASE.subscribe_frames(Subscription((Channel.TRADES,), ("BTC-USD",)), None, NOW)
    assert json.loads(frame)["channels"] == ["matches", "heartbeat"]


def test_status_needs_no_product() -> None:
    (frame,) = COINBASE.subscribe_frames(Subscription((Channel.STATUS,), ()), None, NOW)
    assert json.loads(frame) == {"type": "subscribe", "channels": ["status"]}


def test_signs_as_the_venue_documents() -> None:
    credentials = Credentials("the key", "ZXhhbXBsZS1zZWNyZXQtZG8tbm90LXVzZQ==", "the phrase")
    subscription = Subscription((Channel.BOOK_FULL,), ("BTC-USD",))
    (frame,) = COINBASE.subscribe_frames(subscription, credentials, 1_700_000_000_999_999_999)
    signed = json.loads(frame)
    assert signed["timestamp"] == "1700000000"
    assert signed["signature"] == "olOuhQncpVpoM60c1VGbSSHMJknmS80u5Flx3aFnC88="
    assert (signed["key"], signed["passphrase"]) == ("the key", "the phrase")


def test_a_secret_that_is_not_base64_is_refused_without_showing_it() -> None:
    credentials = Credentials("k", "not base64!", "p")
    with pytest.raises(ConfigError, match="FULLTAPE_COINBASE_SECRET is not base64") as caught:
        COINBASE.subscribe_frames(Subscription((Channel.BOOK_FULL,), ("BTC-USD",)), credentials, NOW)
    assert "not base64!" not in str(caught.value)


def test_asks_for_history() -> None:
    assert COINBASE.instruments_request() == RestRequest("/products")
    assert COINBASE.book_request("BTC-USD") == RestRequest("/products/BTC-USD/book", {"level": "2"})
    newest = COINBASE.trades_request("BTC-USD", None, 5000)
    assert newest == RestRequest("/products/BTC-USD/trades", {"limit": "1000"})
    assert COINBASE.trades_request("BTC-USD", "77", 10).query == {"limit": "10", "after": "77"}


def test_asks_for_bars_with_both_ends_included() -> None:
    start = 1_763_632_800
    request = COINBASE.bars_request("BTC-USD", 60, start * SECOND_NS, (start + 300) * SECOND_NS)
    assert request.path == "/products/BTC-USD/candles"
    assert request.query == {"granularity": "60", "start": "2025-11-20T10:00:00Z", "end": "2025-11-20T10:04:00Z"}
    # A start inside a minute begins with the next one.
    inside = COINBASE.bars_request("BTC-USD", 60, start * SECOND_NS + 1, (start + 300) * SECOND_NS)
    assert inside.query["start"] == "2025-11-20T10:01:00Z"


@pytest.mark.parametrize(
    ("interval_s", "seconds", "words"),
    [(120, 600, "has no bars of 120 s"), (60, 60 * 301, "1 to 300 bars"), (60, 0, "1 to 300 bars")],
)
def test_refuses_bars_that_the_venue_does_not_give(interval_s: int, seconds: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        COINBASE.bars_request("BTC-USD", interval_s, NOW, NOW + seconds * SECOND_NS)


def test_three_hundred_bars_are_one_page() -> None:
    assert COINBASE.bars_request("BTC-USD", 60, NOW, NOW + 300 * 60 * SECOND_NS).query["granularity"] == "60"


def test_reads_a_page_of_trades_oldest_first() -> None:
    body = json.dumps(
        [
            {"trade_id": 9, "side": "buy", "size": "2", "price": "101.5", "time": "2025-11-20T09:00:01.5Z"},
            {"trade_id": 8, "side": "sell", "size": "1", "price": "101", "time": "2025-11-20T09:00:00Z"},
        ]
    ).encode()
    page = COINBASE.parse_trades(body, 3, NOW, 1000)
    assert page.older == "8"
    assert page.trades["trade_id"].tolist() == [8, 9]
    assert page.trades["price"].tolist() == [101.0, 101.5]
    assert page.trades["aggressor_side"].tolist() == [AggressorSide.BUY, AggressorSide.SELL]
    assert page.trades["origin"].tolist() == [Origin.REFILL] * 2
    assert page.trades["instrument"].tolist() == [3, 3]
    assert page.trades["ingest_time"].tolist() == [NOW, NOW]
    assert np.diff(page.trades["event_time"]).tolist() == [1_500_000_000]


def test_the_history_ends_with_an_empty_page_or_the_first_trade() -> None:
    empty = COINBASE.parse_trades(b"[]", 0, NOW, 1000)
    assert (len(empty.trades), empty.older) == (0, None)
    assert empty.trades.schema is TRADES
    first = b'[{"trade_id":1,"side":"buy","size":"1","price":"1","time":"2025-11-20T09:00:00Z"}]'
    assert COINBASE.parse_trades(first, 0, NOW, 1000).older is None


def test_a_page_with_one_bad_row_is_refused_whole() -> None:
    body = b'[{"trade_id":5,"side":"buy","size":"0","price":"1","time":"2025-11-20T09:00:00Z"}]'
    with pytest.raises(MalformedFrame, match=r"bad_size: row 0: 0\.0"):
        COINBASE.parse_trades(body, 0, NOW, 1000)


def test_history_errors_carry_the_venues_words() -> None:
    with pytest.raises(MalformedFrame, match="venue_error: NotFound"):
        COINBASE.parse_trades(b'{"message":"NotFound"}', 0, NOW, 1000)


def test_reads_bars_from_numbers_in_the_venues_order() -> None:
    body = b"[[1763632860,9.5,12,10,11,4.727521520000001],[1763632800,1,4,2,3,0.5]]"
    bars = COINBASE.parse_bars(body, 2, 60, NOW)
    assert bars.schema is BARS
    assert bars["start"].tolist() == [1_763_632_800 * SECOND_NS, 1_763_632_860 * SECOND_NS]
    names = ("low", "high", "open", "close", "volume")
    assert [bars[name].tolist() for name in names] == [[1, 9.5], [4, 12], [2, 10], [3, 11], [0.5, 4.727521520000001]]
    assert bars["interval"].tolist() == [60, 60]
    assert np.isnan(bars["vwap"]).all()


def test_a_symbol_that_becomes_known_is_taken_from_then_on() -> None:
    known = Known(COINBASE, ())
    parser = Coinbase().parser(known, Connection("C-1", "COINBASE"))
    frame = b'{"type":"match","trade_id":1,"side":"buy","size":"1","price":"1","product_id":"BTC-USD",'
    frame += b'"time":"2025-11-20T09:59:59Z"}'
    assert parser.parse([frame], [NOW]).rejects[0].reason == "unknown_instrument"
    known.table.add(COINBASE.instrument("BTC-USD"))
    assert len(parser.parse([frame], [NOW]).batches["trades"]) == 1


def test_what_a_reject_shows_is_bounded() -> None:
    parser = COINBASE.parser(Known(COINBASE, ()), Connection("C-1", "COINBASE"))
    trade = {
        "type": "match",
        "trade_id": 1,
        "side": "buy",
        "size": 1,
        "price": 1,
        "product_id": "X" * 10_000,
        "time": "",
    }
    frames = [json.dumps(trade).encode(), json.dumps({"type": "y" * 10_000}).encode()]
    rejects = parser.parse(frames, [NOW, NOW]).rejects
    assert [reject.reason for reject in rejects] == ["unknown_instrument", "unknown_type"]
    assert all(len(reject.detail) < 110 for reject in rejects)


def test_nesting_without_end_is_malformed() -> None:
    parser = COINBASE.parser(Known(COINBASE, ()), Connection("C-1", "COINBASE"))
    frames = [b'{"type":"match","x":' + b"[" * 100_000, b'{"trade_id":' + b"9" * 10_000 + b"}"]
    parsed = parser.parse(frames, [NOW, NOW])
    assert [reject.reason for reject in parsed.rejects] == ["malformed_json", "malformed_json"]


@pytest.fixture(scope="module")
def recording() -> tuple[list[bytes], list[int], dict[str, Any]]:
    path = SHARED / "captures" / "coinbase-2021-04-17.jsonl.gz"
    if not path.exists():
        pytest.skip(f"shared data is not here: {path}")
    with gzip.open(path) as file:
        lines = [msgspec.json.decode(line) for line in file]
    received = [line for line in lines if line["dir"] == "recv"]
    expected = json.loads((SHARED / "expected.json").read_text())["captures/coinbase-2021-04-17.jsonl.gz"]
    return [line["data"].encode() for line in received], [int(line["ts"] * 1e9) for line in received], expected


def test_a_real_recording_is_read_completely(recording: tuple[list[bytes], list[int], dict[str, Any]]) -> None:
    payloads, ingest_times, expected = recording
    known = Known(COINBASE, expected["symbols"])
    parser = COINBASE.parser(known, Connection("C-1", "COINBASE", replay=True))
    parsed = parser.parse(payloads, ingest_times)
    assert parsed.rejects == []
    assert parsed.ignored == {}
    counts = expected["frames_by_type"]
    trades, tickers = parsed.batches["trades"], parsed.batches["tickers"]
    assert np.bincount(trades["origin"]).tolist() == [0, counts["last_match"], 0, counts["match"]]
    assert len(tickers) == counts["ticker"]
    assert np.count_nonzero(parsed.batches["book_deltas"]["flags"] & SNAPSHOT) == counts["snapshot"]
    assert np.count_nonzero(parsed.batches["book_deltas"]["flags"] & LAST) == counts["snapshot"] + counts["l2update"]
    live = trades.take(trades["origin"] == Origin.REPLAY)
    for symbol, total in expected["match_sum_size_per_symbol"].items():
        sizes = live["size"][live["instrument"] == known.code_of(symbol)]
        assert sum(Decimal(repr(size)) for size in sizes.tolist()) == Decimal(total)
    control = parsed.controls[-1][1]
    assert isinstance(control, Acknowledged)
    assert control.channels[Channel.BOOK_FULL] == set(expected["symbols"])


def test_the_takers_side_is_the_opposite_of_what_match_says(
    recording: tuple[list[bytes], list[int], dict[str, Any]],
) -> None:
    """`match.side` is the maker's: the same trades in the ticker, which has the taker's, prove it."""
    payloads, ingest_times, expected = recording
    known = Known(COINBASE, expected["symbols"])
    parsed = COINBASE.parser(known, Connection("C-1", "COINBASE")).parse(payloads, ingest_times)
    trades, tickers = parsed.batches["trades"], parsed.batches["tickers"]
    sides = dict(zip(zip(trades["instrument"], trades["trade_id"], strict=True), trades["aggressor_side"], strict=True))
    keys = zip(tickers["instrument"], tickers["trade_id"], strict=True)
    assert [sides[key] for key in keys] == tickers["aggressor_side"].tolist()
    raw = [json.loads(payload) for payload in payloads]
    makers = [m["side"] for m in raw if m["type"] in ("match", "last_match")]
    inverse = {"buy": AggressorSide.SELL, "sell": AggressorSide.BUY}
    assert trades["aggressor_side"].tolist() == [inverse[side] for side in makers]
