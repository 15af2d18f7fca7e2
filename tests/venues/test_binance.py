"""Binance spot."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conformance.streams import lacking
from tests.conformance.venues import Known, VenueConformance

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import BARS, TRADES, AggressorSide, Batch, BookSide, Origin
from fulltape.records.book import CLEAR, LAST, SNAPSHOT
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Channel, Parsed, RestRequest, Subscription, answer_frame
from fulltape.venues.registry import venue

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
NOW = 1_763_632_800 * SECOND_NS
BINANCE = venue("binance")


class TestConformance(VenueConformance):
    venue = BINANCE
    symbols = ("BTCUSDT", "ETHUSDT")
    captures = ROOT / "tests" / "captures" / "binance"
    not_offered = lacking(
        V_19="it is kept alive by pings of the protocol alone",
    )
    taker = ('"m":false', '"m":true')
    bad_symbols = ("", "USDT", "btcusdt", "BTC-USDT", "BTC/USDT", "BTCXYZ", "BTC USDT")


def test_asks_what_is_subscribed_since_only_that_answer_names_the_streams() -> None:
    subscription = Subscription((Channel.TRADES, Channel.BOOK), ("BTCUSDT", "ETHUSDT"))
    frames = [json.loads(frame) for frame in BINANCE.subscribe_frames(subscription, None, NOW)]
    streams = ["btcusdt@trade", "ethusdt@trade", "btcusdt@depth@100ms", "ethusdt@depth@100ms"]
    assert frames == [
        {"method": "SUBSCRIBE", "params": streams, "id": 1},
        {"method": "LIST_SUBSCRIPTIONS", "id": 2},
    ]
    left = [json.loads(frame) for frame in BINANCE.unsubscribe_frames(subscription)]
    assert [frame["method"] for frame in left] == ["UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"]


def test_many_streams_go_in_parts_and_too_many_are_refused() -> None:
    symbols = tuple(f"{number}USDT" for number in range(1_024))
    frames = BINANCE.subscribe_frames(Subscription((Channel.TRADES,), symbols), None, NOW)
    parts = [json.loads(frame).get("params", []) for frame in frames]
    assert [len(part) for part in parts] == [200, 200, 200, 200, 200, 24, 0]
    with pytest.raises(ConfigError, match="1025 streams on one connection"):
        BINANCE.subscribe_frames(Subscription((Channel.TRADES,), (*symbols, "BTCUSDT")), None, NOW)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("BTCUSDT", "BTC-USDT"), ("ETHBTC", "ETH-BTC"), ("USDTTRY", "USDT-TRY"), ("1000SATSFDUSD", "1000SATS-FDUSD")],
)
def test_a_symbol_alone_is_read_by_its_quote_currency(symbol: str, name: str) -> None:
    assert BINANCE.instrument(symbol).id == f"{name}.BINANCE"


def test_instruments_come_with_their_steps() -> None:
    symbol = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"}
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "stepSize": "0.00001000"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.5"},
    ]
    body = {"symbols": [symbol | {"filters": filters}, symbol | {"symbol": "XUSDT", "status": "BREAK"}]}
    first, second = BINANCE.parse_instruments(json.dumps(body).encode())
    assert (first.id, first.venue_symbol, first.status) == ("BTC-USDT.BINANCE", "BTCUSDT", "online")
    assert (first.price_step, first.size_step) == (0.01, 0.00001)
    assert (second.price_step, second.size_step, second.status) == (0.0, 0.0, "break")


def test_asks_for_history() -> None:
    assert BINANCE.instruments_request() == RestRequest("/api/v3/exchangeInfo")
    assert BINANCE.book_request("BTCUSDT") == RestRequest("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5000"})
    newest = BINANCE.trades_request("BTCUSDT", None, 5_000)
    assert newest == RestRequest("/api/v3/trades", {"symbol": "BTCUSDT", "limit": "1000"})


@pytest.mark.parametrize(
    ("older_than", "first", "limit"), [("5000", "4900", "100"), ("30", "0", "30"), ("1", "0", "1")]
)
def test_pages_back_by_the_id_that_a_page_begins_with(older_than: str, first: str, limit: str) -> None:
    request = BINANCE.trades_request("BTCUSDT", older_than, 100)
    assert request.path == "/api/v3/historicalTrades"
    assert request.query == {"symbol": "BTCUSDT", "fromId": first, "limit": limit}


def test_reads_a_page_of_trades() -> None:
    rows = [
        {"id": 8, "price": "101", "qty": "1", "quoteQty": "101", "time": 1_763_632_799_000, "isBuyerMaker": True},
        {"id": 9, "price": "101.5", "qty": "2", "quoteQty": "203", "time": 1_763_632_799_500, "isBuyerMaker": False},
    ]
    page = BINANCE.parse_trades(json.dumps(rows).encode(), 3, NOW, 1_000)
    assert page.older == "8"
    assert page.trades["trade_id"].tolist() == [8, 9]
    assert page.trades["aggressor_side"].tolist() == [AggressorSide.SELL, AggressorSide.BUY]
    assert page.trades["origin"].tolist() == [Origin.REFILL] * 2
    assert np.diff(page.trades["event_time"]).tolist() == [SECOND_NS // 2]
    rows[0]["id"] = 0
    assert BINANCE.parse_trades(json.dumps(rows).encode(), 3, NOW, 1_000).older is None
    empty = BINANCE.parse_trades(b"[]", 3, NOW, 1_000)
    assert (len(empty.trades), empty.trades.schema, empty.older) == (0, TRADES, None)
    rows[1]["price"] = "0"
    with pytest.raises(MalformedFrame, match=r"bad_price: row 1: 0\.0"):
        BINANCE.parse_trades(json.dumps(rows).encode(), 3, NOW, 1_000)


def test_asks_for_bars_with_both_ends_included() -> None:
    request = BINANCE.bars_request("BTCUSDT", 60, NOW + 1, NOW + 180 * SECOND_NS)
    assert request.path == "/api/v3/klines"
    assert request.query["interval"] == "1m"
    assert (request.query["startTime"], request.query["endTime"]) == ("1763632860000", "1763632920000")
    assert BINANCE.bars_request("BTCUSDT", 60, NOW, NOW + 60_000 * SECOND_NS).query["limit"] == "1000"
    with pytest.raises(ConfigError, match="1 to 1000 bars"):
        BINANCE.bars_request("BTCUSDT", 60, NOW, NOW + 60_001 * SECOND_NS)
    with pytest.raises(ConfigError, match="no bars of 120 s"):
        BINANCE.bars_request("BTCUSDT", 120, NOW, NOW + 600 * SECOND_NS)


def test_reads_bars_quiet_minutes_too() -> None:
    bar = [1_763_632_740_000, "2", "4", "1", "3", "0.5", 1_763_632_799_999, "1.25", 7, "0.1", "0.2", "0"]
    quiet = [1_763_632_680_000, "2", "2", "2", "2", "0", 1_763_632_739_999, "0", 0, "0", "0", "0"]
    bars = BINANCE.parse_bars(json.dumps([quiet, bar]).encode(), 2, 60, NOW)
    assert bars.schema is BARS
    assert bars["start"].tolist() == [NOW - 120 * SECOND_NS, NOW - 60 * SECOND_NS]
    names = ("open", "high", "low", "close", "volume", "vwap", "trades", "interval", "instrument")
    assert [bars[name][1] for name in names] == [2, 4, 1, 3, 0.5, 2.5, 7, 60, 2]
    assert bars["volume"][0] == 0
    assert np.isnan(bars["vwap"][0])


def book_from_rest(body: bytes) -> Parsed:
    """Return what the parser makes of the answer to the request for a book."""
    parser = BINANCE.parser(Known(BINANCE, ("BTCUSDT",)), Connection("B-1", "BINANCE"))
    return parser.parse([answer_frame(BINANCE.book_request("BTCUSDT"), body)], [NOW])


def test_reads_a_book_as_a_snapshot_with_its_number() -> None:
    parsed = book_from_rest(b'{"lastUpdateId":77,"bids":[["10","1"],["9","2"]],"asks":[["11","5"]]}')
    book = parsed.batches["book_deltas"]
    assert book["flags"].tolist() == [SNAPSHOT, 0, LAST]
    assert book["price"].tolist() == [10.0, 9.0, 11.0]
    assert book["sequence"].tolist() == [77] * 3
    assert book["event_time"].tolist() == [NOW] * 3
    bad = book_from_rest(b'{"lastUpdateId":77,"bids":[["10","-1"]],"asks":[]}')
    assert [reject.reason for reject in bad.rejects] == ["bad_level"]


def test_history_errors_carry_the_venues_words() -> None:
    body = b'{"code":-1121,"msg":"Invalid symbol."}'
    with pytest.raises(MalformedFrame, match="venue_error: -1121: Invalid symbol"):
        BINANCE.parse_trades(body, 0, NOW, 1_000)
    refused = [(reject.reason, reject.detail) for reject in book_from_rest(body).rejects]
    assert refused == [("venue_error", "-1121: Invalid symbol.")]


@pytest.fixture(scope="module")
def recording() -> tuple[Parsed, dict[str, Any]]:
    """The recording, its one REST answer put among the frames as a session would."""
    path = SHARED / "captures" / "binance-btcusdt-2024-08-08.jsonl.gz"
    if not path.exists():
        pytest.skip(f"shared data is not here: {path}")
    heads = {"recv": b"", "http": b"GET /api/v3/depth?symbol=BTCUSDT&limit=1000\n"}
    with gzip.open(path) as file:
        lines = [line for line in map(json.loads, file) if line["dir"] in heads]
    payloads = [heads[line["dir"]] + line["data"].encode() for line in lines]
    expected = json.loads((SHARED / "expected.json").read_text())[f"captures/{path.name}"]
    parser = BINANCE.parser(Known(BINANCE, ("BTCUSDT",)), Connection("B-1", "BINANCE", replay=True))
    return parser.parse(payloads, [int(line["ts"] * 1e9) for line in lines]), expected


def test_a_real_recording_is_read_completely(recording: tuple[Parsed, dict[str, Any]]) -> None:
    parsed, expected = recording
    frames = expected["frames_by_stream"]
    assert (parsed.rejects, parsed.ignored, parsed.controls) == ([], {}, [])
    assert len(parsed.batches["trades"]) == frames["btcusdt@trade"] == expected["trades"]
    assert len(parsed.batches["quotes"]) == frames["btcusdt@bookTicker"]
    flags = parsed.batches["book_deltas"]["flags"]
    assert np.count_nonzero(flags & SNAPSHOT) == frames["rest depth snapshot"]
    assert np.count_nonzero(flags & LAST) == frames["btcusdt@depth@100ms"] + frames["rest depth snapshot"]


def test_recorded_trades_are_those_that_others_counted(recording: tuple[Parsed, dict[str, Any]]) -> None:
    parsed, expected = recording
    trades = parsed.batches["trades"]
    ids = trades["trade_id"]
    assert (ids[0], ids[-1]) == (expected["trade_id_first"], expected["trade_id_last"])
    assert expected["contiguous"] == (np.diff(ids) == 1).all()
    assert sum(Decimal(repr(size)) for size in trades["size"].tolist()) == Decimal(expected["sum_size"])
    assert np.count_nonzero(trades["aggressor_side"] == AggressorSide.SELL) == expected["aggressor_sell"]
    # The recorder's clock was behind: an event that seems to come from the future is skew, and is kept.
    skew_ms = (trades["ingest_time"] - trades["event_time"]) / 1e6
    skew = [round(float(value), 1) for value in (np.median(skew_ms), skew_ms.min(), skew_ms.max())]
    assert skew == [expected["receive_minus_trade_time_ms"][name] for name in ("p50", "min", "max")]


def test_the_recorded_book_has_no_gap_and_ends_as_others_found(recording: tuple[Parsed, dict[str, Any]]) -> None:
    parsed, expected = recording
    bids, asks, applied, gaps = _follow(parsed.batches["book_deltas"])
    assert (applied, gaps) == (expected["depth_events_applied"], expected["depth_gaps"])
    top = expected["final_top_of_book"]
    assert (len(bids), len(asks)) == (top["bid_levels"], top["ask_levels"])
    assert (max(bids), bids[max(bids)]) == (float(top["bid"]), float(top["bid_size"]))
    assert (min(asks), asks[min(asks)]) == (float(top["ask"]), float(top["ask_size"]))


def _follow(deltas: Batch) -> tuple[dict[float, float], dict[float, float], int, int]:
    """Keep a book in two dicts by the venue's rule: changes wait for the snapshot, and apply when they join."""
    names = ("side", "price", "size", "flags", "sequence", "previous")
    rows = list(zip(*(deltas[name].tolist() for name in names), strict=True))
    snapshot = [row for row in rows if row[5] == NULL_INT]
    changes = [row for row in rows if row[5] != NULL_INT]
    sides: dict[int, dict[float, float]] = {BookSide.BID: {}, BookSide.ASK: {}}
    for side, price, size, *_ in snapshot:
        sides[side][price] = size
    reached, applied, gaps = snapshot[-1][4], 0, 0
    for side, price, size, flags, sequence, previous in changes:
        if sequence <= reached:
            continue
        gaps += previous > reached
        if size:
            sides[side][price] = size
        else:
            sides[side].pop(price, None)
        if flags & LAST:
            reached, applied = sequence, applied + 1
    return sides[BookSide.BID], sides[BookSide.ASK], applied, gaps


def test_an_empty_book_from_rest_is_cleared() -> None:
    book = book_from_rest(b'{"lastUpdateId":5,"bids":[],"asks":[]}').batches["book_deltas"]
    assert book["flags"].tolist() == [SNAPSHOT | LAST | CLEAR]
    assert book["sequence"].tolist() == [5]
