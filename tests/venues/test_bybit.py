"""Bybit v5: the spot market and linear contracts."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.conformance.streams import lacking
from tests.conformance.venues import Known, VenueConformance
from tests.venues.recordings import final_books

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import BARS, TRADES, AggressorSide, Origin
from fulltape.records.batch import join_id
from fulltape.records.book import LAST
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Acknowledged, Channel, Parsed, RestRequest, Subscription, Venue
from fulltape.venues.registry import venue

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
RECORDING = "captures/bybit-2026-08-09.jsonl.gz"
NOW = 1_763_632_800 * SECOND_NS
SPOT, LINEAR = venue("bybit"), venue("bybitlinear")


class TestSpotConformance(VenueConformance):
    venue = SPOT
    symbols = ("BTCUSDT", "ETHUSDT")
    captures = ROOT / "tests" / "captures" / "bybit"
    taker = ('"S":"Buy"', '"S":"Sell"')
    bad_symbols = ("", "USDT", "btcusdt", "BTC-USDT", "BTCUSDT-25DEC26", "BTCPERP", "BTC/USDT", "BTCXYZ")


class TestLinearConformance(VenueConformance):
    venue = LINEAR
    symbols = ("BTCUSDT", "ETHUSDT", "BTCUSDT-25DEC26")
    captures = ROOT / "tests" / "captures" / "bybit-linear"
    not_offered = lacking(
        V_25="its ids are UUIDs",
    )
    taker = ('"S":"Buy"', '"S":"Sell"')
    bad_symbols = ("", "USDT", "PERP", "btcusdt", "BTC-USDT", "BTCUSDT-25DEC", "BTCPERP-25DEC26", "BTCXYZ")


def test_contracts_keep_what_they_are() -> None:
    ids = [LINEAR.instrument(symbol).id for symbol in ("BTCUSDT", "BTCPERP", "1000BONKPERP", "ETHUSDT-25DEC26")]
    products = ["BTC-USDT-PERP", "BTC-USDC-PERP", "1000BONK-USDC-PERP", "ETH-USDT-25DEC26"]
    assert ids == [f"{product}.BYBITLINEAR" for product in products]
    assert SPOT.instrument("BTCUSDT").id == "BTC-USDT.BYBIT"


def test_asks_for_each_topic_under_its_own_name() -> None:
    subscription = Subscription((Channel.TRADES, Channel.BOOK), ("BTCUSDT", "ETHUSDT"))
    frames = [json.loads(frame) for frame in SPOT.subscribe_frames(subscription, None, NOW)]
    topics = ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT", "orderbook.50.BTCUSDT", "orderbook.50.ETHUSDT"]
    assert frames == [{"op": "subscribe", "req_id": topic, "args": [topic]} for topic in topics]
    frames = [json.loads(frame) for frame in SPOT.unsubscribe_frames(subscription)]
    assert {frame["op"] for frame in frames} == {"unsubscribe"}


def test_one_book_in_two_depths_is_refused() -> None:
    subscription = Subscription((Channel.BOOK, Channel.BOOK_FULL), ("BTCUSDT",))
    with pytest.raises(ConfigError, match="choose one"):
        LINEAR.subscribe_frames(subscription, None, NOW)


@pytest.mark.parametrize(("bybit", "category", "most"), [(SPOT, "spot", "60"), (LINEAR, "linear", "1000")])
def test_asks_for_history(bybit: Venue, category: str, most: str) -> None:
    of_symbol = {"category": category, "symbol": "BTCUSDT"}
    instruments = {"category": category, "status": "Trading", "limit": "1000"}
    assert bybit.instruments_request() == RestRequest("/v5/market/instruments-info", instruments)
    assert bybit.book_request("BTCUSDT") == RestRequest("/v5/market/orderbook", of_symbol | {"limit": "200"})
    newest = bybit.trades_request("BTCUSDT", None, 5_000)
    assert newest == RestRequest("/v5/market/recent-trade", of_symbol | {"limit": most})
    bars = bybit.bars_request("BTCUSDT", 3_600, NOW + 1, NOW + 3 * 3_600 * SECOND_NS)
    assert bars.path == "/v5/market/kline"
    hours = {"interval": "60", "start": "1763636400000", "end": "1763640000000", "limit": "1000"}
    assert bars.query == of_symbol | hours


def test_older_trades_and_other_bars_are_refused() -> None:
    with pytest.raises(ConfigError, match="newest trades only"):
        SPOT.trades_request("BTCUSDT", "5", 100)
    with pytest.raises(ConfigError, match="no bars of 120 s"):
        SPOT.bars_request("BTCUSDT", 120, NOW, NOW + 600 * SECOND_NS)
    with pytest.raises(ConfigError, match="1 to 1000 bars"):
        SPOT.bars_request("BTCUSDT", 60, NOW, NOW + 60_001 * SECOND_NS)


def answer(**result: Any) -> bytes:
    return json.dumps({"retCode": 0, "retMsg": "OK", "result": result, "time": 1}).encode()


def test_reads_the_newest_trades_without_block_trades() -> None:
    def trade(number: int, side: str, **other: Any) -> dict[str, Any]:
        millis = str(NOW // 1_000_000 + number)
        return {"execId": str(number), "price": "101.5", "size": "2", "side": side, "time": millis, **other}

    rows = [trade(9, "Sell"), trade(8, "Buy", isBlockTrade=True), trade(5, "Buy", isBlockTrade=False)]
    page = SPOT.parse_trades(answer(category="spot", list=rows), 3, NOW, 60)
    assert page.older is None
    assert page.trades.schema is TRADES
    assert page.trades["trade_id"].tolist() == [5, 9]
    assert page.trades["aggressor_side"].tolist() == [AggressorSide.BUY, AggressorSide.SELL]
    assert page.trades["origin"].tolist() == [Origin.REFILL] * 2
    assert np.diff(page.trades["event_time"]).tolist() == [4_000_000]
    with pytest.raises(MalformedFrame, match="bad_trade_id"):
        SPOT.parse_trades(answer(list=[trade(9, "Sell") | {"execId": "x"}]), 3, NOW, 60)


def test_reads_bars_oldest_first() -> None:
    rows = [
        ["1763632740000", "2", "4", "1", "3", "0.5", "1.25"],
        ["1763632680000", "2", "2", "2", "2", "0", "0"],
    ]
    bars = LINEAR.parse_bars(answer(category="linear", symbol="BTCUSDT", list=rows), 2, 60, NOW)
    assert bars.schema is BARS
    assert bars["start"].tolist() == [NOW - 120 * SECOND_NS, NOW - 60 * SECOND_NS]
    names = ("open", "high", "low", "close", "volume", "vwap", "trades", "interval", "instrument")
    assert [bars[name][1] for name in names] == [2, 4, 1, 3, 0.5, 2.5, NULL_INT, 60, 2]
    assert np.isnan(bars["vwap"][0])


def test_history_errors_carry_the_venues_words() -> None:
    body = b'{"retCode":10001,"retMsg":"Not supported symbols","result":{},"time":1}'
    with pytest.raises(MalformedFrame, match="venue_error: 10001: Not supported symbols"):
        SPOT.parse_bars(body, 0, 60, NOW)


class Recorded(NamedTuple):
    """One recorded connection, parsed, with its raw messages and what others counted."""

    venue: Venue
    known: Known
    parsed: Parsed
    messages: list[dict[str, Any]]
    expected: dict[str, Any]


def recorded_lines() -> Iterator[dict[str, Any]]:
    path = SHARED / RECORDING
    if not path.exists():
        pytest.skip(f"shared data is not here: {path}")
    with gzip.open(path) as file:
        yield from map(json.loads, file)


@pytest.fixture(scope="module", params=["BYBIT.ws.2", "BYBIT.ws.3"], ids=["linear", "spot"])
def recorded(request: pytest.FixtureRequest) -> Recorded:
    bybit = LINEAR if request.param == "BYBIT.ws.2" else SPOT
    lines = [line for line in recorded_lines() if line["dir"] == "recv" and line["conn"] == request.param]
    expected = json.loads((SHARED / "expected.json").read_text())[RECORDING]["trades"]
    of_connection = {key.partition("/")[2]: one for key, one in expected.items() if key.startswith(request.param)}
    known = Known(bybit, tuple(of_connection))
    parser = bybit.parser(known, Connection(request.param, bybit.spec.name, replay=True))
    parsed = parser.parse([line["data"].encode() for line in lines], [int(line["ts"] * 1e9) for line in lines])
    return Recorded(bybit, known, parsed, [json.loads(line["data"]) for line in lines], of_connection)


def test_a_real_recording_is_read_completely(recorded: Recorded) -> None:
    parsed = recorded.parsed
    kinds = Counter(message.get("topic", "op").partition(".")[0] for message in recorded.messages)
    deltas = parsed.batches["book_deltas"]
    assert parsed.rejects == []
    assert len(parsed.batches["tickers"]) == kinds["tickers"]
    assert np.count_nonzero(deltas["flags"] & LAST) == kinds["orderbook"]
    # Its recorder gave the requests no ids, so what they confirm cannot be told.
    assert parsed.controls == []
    assert parsed.ignored["subscribe"] == kinds["op"]


def test_recorded_frames_are_all_there() -> None:
    expected = json.loads((SHARED / "expected.json").read_text()) if (SHARED / RECORDING).exists() else None
    kinds: Counter[str] = Counter()
    for line in recorded_lines():
        topic = json.loads(line["data"]).get("topic", "(op ack)") if line["dir"] == "recv" else f"_{line['dir']}"
        kinds[topic.partition(".")[0]] += 1
    assert expected is not None
    assert kinds == Counter({k: n for k, n in expected[RECORDING]["records"].items() if k != "_header"})


def test_recorded_trades_are_those_that_others_counted(recorded: Recorded) -> None:
    trades = recorded.parsed.batches["trades"]
    assert len(trades) == sum(one["n"] for one in recorded.expected.values())
    for symbol, one in recorded.expected.items():
        own = trades.take(trades["instrument"] == recorded.known.code_of(symbol))
        assert len(own) == one["n"]
        assert (own["event_time"][[0, -1]] // 1_000_000).tolist() == [one["first_T"], one["last_T"]]
        assert sum(Decimal(repr(size)) for size in own["size"].tolist()) == Decimal(one["sum_v"])


def test_recorded_ids_and_sides_are_the_venues_own(recorded: Recorded) -> None:
    trades = recorded.parsed.batches["trades"]
    raw = [row for m in recorded.messages if m.get("topic", "").startswith("publicTrade") for row in m["data"]]
    ids = [join_id(*pair) for pair in zip(trades["trade_id"].tolist(), trades["trade_id_high"].tolist(), strict=True)]
    assert ids == [row["i"] for row in raw]
    sides = {"Buy": AggressorSide.BUY, "Sell": AggressorSide.SELL}
    assert trades["aggressor_side"].tolist() == [sides[row["S"]] for row in raw]


def test_recorded_tickers_are_whole(recorded: Recorded) -> None:
    """Every row has what the newest message with that field said, kept here in plain dicts."""
    tickers = recorded.parsed.batches["tickers"]
    state: dict[str, dict[str, str]] = {}
    wanted = []
    for message in recorded.messages:
        if message.get("topic", "").startswith("tickers"):
            data = message["data"]
            if message["type"] == "snapshot":
                state[data["symbol"]] = {}
            state[data["symbol"]].update(data)
            now = state[data["symbol"]]
            wanted.append([float(now.get(n, "nan")) for n in ("lastPrice", "bid1Price", "ask1Size", "volume24h")])
    rows = np.column_stack([tickers[name] for name in ("price", "bid", "ask_size", "volume_24h")])
    np.testing.assert_array_equal(rows, np.array(wanted))


def test_recorded_books_have_no_gap_and_are_never_crossed(recorded: Recorded) -> None:
    deltas = recorded.parsed.batches["book_deltas"]
    ends = deltas.take((deltas["flags"] & LAST) != 0)
    books = final_books(deltas)
    for symbol, code in ((symbol, recorded.known.code_of(symbol)) for symbol in recorded.expected):
        own = ends.take(ends["instrument"] == code)
        if not len(own):
            continue  # not subscribed on this connection
        assert code is not None
        assert own["previous"][0] == NULL_INT
        assert (own["previous"][1:] == own["sequence"][:-1]).all()
        bids, asks = books[code]
        assert max(bids) < min(asks)
        raw = [m["data"] for m in recorded.messages if m.get("topic") == f"orderbook.200.{symbol}"]
        plain: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        for data in raw:
            for side, levels in plain.items():
                levels.update({price: size for price, size in data[side]})
        for side, kept in (("b", bids), ("a", asks)):
            assert kept == {float(p): float(s) for p, s in plain[side].items() if float(s)}


def test_recorded_bars_are_the_closed_ones(recorded: Recorded) -> None:
    raw = [row for m in recorded.messages if m.get("topic", "").startswith("kline") for row in m["data"]]
    closed = [row for row in raw if row["confirm"]]
    bars = recorded.parsed.batches["bars"]
    assert (bars["start"] // 1_000_000).tolist() == [row["start"] for row in closed]
    for name in ("open", "high", "low", "close", "volume"):
        assert bars[name].tolist() == [float(row[name]) for row in closed]


def test_recorded_instruments_are_named_as_their_symbols_say() -> None:
    listed = [line["data"].encode() for line in recorded_lines() if line["dir"] == "http"]
    linear, spot = (SPOT.parse_instruments(body) for body in listed)
    assert (len(linear), len(spot)) == (800, 557)
    assert {one.venue for one in linear} == {"BYBITLINEAR"}
    assert {one.venue for one in spot} == {"BYBIT"}
    unlike = []
    for bybit, instruments in ((LINEAR, linear), (SPOT, spot)):
        assert all(one.price_step > 0 and one.size_step > 0 for one in instruments)
        assert len({one.id for one in instruments}) == len(instruments)
        unlike += [one.id for one in instruments if bybit.instrument(one.venue_symbol).id != one.id]
    # Read by its end alone it is BTCX-USD, as TRXUSD is TRX-USD: the list knows better.
    assert unlike == ["BTC-XUSD.BYBIT"]


def test_confirmations_add_up_and_refusals_name_the_topic() -> None:
    parser = LINEAR.parser(Known(LINEAR, ()), Connection("B-1", "BYBITLINEAR"))
    good = b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"tickers.%s","op":"subscribe"}'
    parsed = parser.parse([good % b"BTCUSDT", good % b"ETHUSDT"], [NOW, NOW])
    (_, first), (_, second) = parsed.controls
    assert first == Acknowledged({Channel.TICKERS: frozenset({"BTCUSDT"})})
    assert second == Acknowledged({Channel.TICKERS: frozenset({"BTCUSDT", "ETHUSDT"})})
