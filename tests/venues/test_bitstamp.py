"""Bitstamp."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conformance.streams import lacking
from tests.conformance.venues import Known, VenueConformance
from tests.venues.recordings import Recording, final_books, load

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import AggressorSide, Origin
from fulltape.records.book import LAST
from fulltape.records.frames import Connection
from fulltape.venues.base import Acknowledged, Channel, RestRequest, Subscription
from fulltape.venues.registry import venue

NOW = 1_763_632_800 * SECOND_NS
BITSTAMP = venue("bitstamp")


class TestConformance(VenueConformance):
    venue = BITSTAMP
    symbols = ("btcusd", "ethusd")
    captures = Path(__file__).parents[1] / "captures" / "bitstamp"
    not_offered = lacking(
        V_21="its book messages bear no numbers",
    )
    taker = ('"type":0', '"type":1')
    bad_symbols = ("", "usd", "BTCUSD", "btc/usd", "btcxyz", "btcusd-perp")


def test_a_pair_ends_with_its_quote_currency() -> None:
    ids = [BITSTAMP.instrument(symbol).id for symbol in ("usdtusd", "ethusdt", "batbtc", "xlmgbp")]
    assert ids == ["USDT-USD.BITSTAMP", "ETH-USDT.BITSTAMP", "BAT-BTC.BITSTAMP", "XLM-GBP.BITSTAMP"]


def test_subscribes_one_by_one() -> None:
    subscription = Subscription((Channel.TRADES, Channel.BOOK), ("btcusd", "ethusd"))
    names = ["live_trades_btcusd", "live_trades_ethusd", "diff_order_book_btcusd", "diff_order_book_ethusd"]
    for event, frames in (
        ("bts:subscribe", BITSTAMP.subscribe_frames(subscription, None, NOW)),
        ("bts:unsubscribe", BITSTAMP.unsubscribe_frames(subscription)),
    ):
        assert [json.loads(frame) for frame in frames] == [
            {"event": event, "data": {"channel": name}} for name in names
        ]


def test_asks_for_history() -> None:
    assert BITSTAMP.instruments_request() == RestRequest("/api/v2/trading-pairs-info/")
    assert BITSTAMP.book_request("btcusd") == RestRequest("/api/v2/order_book/btcusd/", {"group": "1"})
    assert BITSTAMP.trades_request("btcusd", None, 100).query == {"time": "day"}
    request = BITSTAMP.bars_request("btcusd", 60, NOW, NOW + 1_000 * 60 * SECOND_NS)
    assert request.path == "/api/v2/ohlc/btcusd/"
    assert request.query == {"step": "60", "limit": "1000", "start": "1763632800", "end": "1763692740"}
    with pytest.raises(ConfigError, match="1 to 1000 bars"):
        BITSTAMP.bars_request("btcusd", 60, NOW, NOW)


def test_reads_the_trades_of_the_last_day() -> None:
    row: dict[str, Any] = {"date": "1763632799", "tid": "9", "amount": "0.5", "type": "1", "price": "91000.1"}
    page = BITSTAMP.parse_trades(json.dumps([row, {**row, "tid": "8", "type": "0"}]).encode(), 3, NOW, 100)
    assert page.older is None
    assert page.trades["trade_id"].tolist() == [8, 9]
    assert page.trades["aggressor_side"].tolist() == [AggressorSide.BUY, AggressorSide.SELL]
    assert page.trades["origin"].tolist() == [Origin.REFILL] * 2
    assert page.trades["event_time"].tolist() == [NOW - SECOND_NS] * 2


def test_reads_bars_oldest_first() -> None:
    late = {"timestamp": "1763632800", "open": "2", "high": "4", "low": "1", "close": "3", "volume": "0.00000000"}
    early = {**late, "timestamp": "1763632740", "volume": "1.5"}
    bars = BITSTAMP.parse_bars(json.dumps({"data": {"pair": "BTC/USD", "ohlc": [late, early]}}).encode(), 2, 60, NOW)
    assert bars["start"].tolist() == [NOW - 60 * SECOND_NS, NOW]
    names = ("open", "high", "low", "close", "volume")
    assert [bars[name].tolist() for name in names] == [[2, 2], [4, 4], [1, 1], [3, 3], [1.5, 0]]


def test_reads_the_list_of_pairs() -> None:
    row = {"name": "BTC/USD", "url_symbol": "btcusd", "base_decimals": 8, "counter_decimals": 2, "trading": "Enabled"}
    (instrument,) = BITSTAMP.parse_instruments(json.dumps([row]).encode())
    assert (instrument.id, instrument.venue_symbol) == ("BTC-USD.BITSTAMP", "btcusd")
    assert (instrument.price_step, instrument.size_step, instrument.status) == (0.01, 1e-8, "online")
    (closed,) = BITSTAMP.parse_instruments(json.dumps([{**row, "trading": "Disabled"}]).encode())
    assert closed.status == "disabled"
    with pytest.raises(MalformedFrame, match="a pair named 'BTC'"):
        BITSTAMP.parse_instruments(json.dumps([{**row, "name": "BTC"}]).encode())


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load("bitstamp-2022-01-05.jsonl.gz")


SYMBOLS = ("sgbeur", "ethusd", "xrpeur", "bateur", "usdteur", "usdtusd", "xlmgbp", "adaeur", "batbtc", "galaeur")


def test_a_real_recording_is_read_completely(recording: Recording) -> None:
    counts = recording.expected["by_kind"]
    known = Known(BITSTAMP, SYMBOLS)
    parsed = BITSTAMP.parser(known, Connection("B-1", "BITSTAMP")).parse(recording.payloads, recording.ingest_times)
    assert len(recording.payloads) == recording.expected["frames"]
    assert parsed.rejects == []
    assert parsed.ignored == {}
    trades, deltas = parsed.batches["trades"], parsed.batches["book_deltas"]
    raw = [message["data"] for message in recording.messages if message["event"] == "trade"]
    assert len(trades) == len(raw) == counts["trade:live_trades_ethusd"]
    assert trades["trade_id"].tolist() == [row["id"] for row in raw]
    assert trades["size"].tolist() == [float(row["amount_str"]) for row in raw]
    ends = deltas.take(deltas["flags"] & LAST != 0)
    by_code = np.bincount(ends["instrument"], minlength=len(SYMBOLS)).tolist()
    by_kind = {f"data:diff_order_book_{SYMBOLS[code]}": count for code, count in enumerate(by_code) if count}
    assert by_kind == {kind: count for kind, count in counts.items() if kind.startswith("data:")}
    control = parsed.controls[-1][1]
    assert isinstance(control, Acknowledged)
    assert len(parsed.controls) == 20
    assert control.channels == dict.fromkeys((Channel.TRADES, Channel.BOOK), frozenset(SYMBOLS))


def test_the_type_of_a_trade_is_the_takers_side(recording: Recording) -> None:
    """The later order takes; order ids grow, and the buyer's is the larger one where we say that the buyer took."""
    known = Known(BITSTAMP, SYMBOLS)
    parsed = BITSTAMP.parser(known, Connection("B-1", "BITSTAMP")).parse(recording.payloads, recording.ingest_times)
    raw = [message["data"] for message in recording.messages if message["event"] == "trade"]
    buyer_took = [row["buy_order_id"] > row["sell_order_id"] for row in raw]
    assert (parsed.batches["trades"]["aggressor_side"] == AggressorSide.BUY).tolist() == buyer_took


def test_a_book_that_was_asked_for_and_the_recorded_changes_make_a_book(recording: Recording) -> None:
    """An empty book before the first change ends with exactly the sizes that were sent last."""
    answer = b'GET /api/v2/order_book/batbtc/?group=1\n{"microtimestamp":"1641343600000000","bids":[],"asks":[]}'
    parser = BITSTAMP.parser(Known(BITSTAMP, ("batbtc",)), Connection("B-1", "BITSTAMP"))
    parsed = parser.parse([answer, *recording.payloads], [recording.ingest_times[0], *recording.ingest_times])
    (books,) = final_books(parsed.batches["book_deltas"]).values()
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for message in recording.messages:
        if message["channel"] == "diff_order_book_batbtc" and message["event"] == "data":
            for side, name in zip(sides, ("bids", "asks"), strict=True):
                side |= {float(price): float(size) for price, size in message["data"][name]}
    assert books == tuple({price: size for price, size in side.items() if size} for side in sides)
    sequence = parsed.batches["book_deltas"]["sequence"]
    assert (np.diff(sequence) >= 0).all()


@pytest.mark.parametrize("head", [b"GET \xff", b"GET x", b"GET "])
def test_an_answer_without_a_path_is_malformed(head: bytes) -> None:
    parser = BITSTAMP.parser(Known(BITSTAMP, ("btcusd",)), Connection("B-1", "BITSTAMP"))
    (reject,) = parser.parse([head + b"\n{}"], [NOW]).rejects
    assert reject.reason == "malformed_answer"
