"""BitMEX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conformance.streams import lacking
from tests.conformance.venues import Known, VenueConformance
from tests.venues.recordings import Recording, answer, final_books, load

from fulltape.books.l2 import Book, Message
from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import AggressorSide, Origin
from fulltape.records.batch import join_id
from fulltape.records.book import LAST, SNAPSHOT
from fulltape.records.frames import Connection
from fulltape.venues.base import Acknowledged, Channel, Parsed, RestRequest, Subscription
from fulltape.venues.registry import venue

NOW = 1_763_632_800 * SECOND_NS
BITMEX = venue("bitmex")
RECORDING = "bitmex-2021-07-22.jsonl.gz"


class TestConformance(VenueConformance):
    venue = BITMEX
    symbols = ("XBTUSD", "XBTUSDT")
    captures = Path(__file__).parents[1] / "captures" / "bitmex"
    not_offered = lacking(
        V_25="its ids are UUIDs",
    )
    taker = ('"side":"Buy"', '"side":"Sell"')
    bad_symbols = ("", "XBT", "USDT", ".BXBT", "xbtusd", "XBT/USD", "XBT_", "_USDT", "M26")


def test_a_symbol_says_what_it_is_by_the_venues_naming() -> None:
    symbols = ("XBTUSD", "SOLUSDT", "XBT_USDT", "XBTM26", "XRPU21", "XBTUSDTZ23", "ETHXBT")
    assert [BITMEX.instrument(symbol).id.removesuffix(".BITMEX") for symbol in symbols] == [
        "BTC-USD-PERP",
        "SOL-USDT-PERP",
        "BTC-USDT",
        "BTC-USD-M26",
        "XRP-BTC-U21",
        "BTC-USDT-Z23",
        "ETH-BTC-PERP",
    ]


def test_a_subscription_names_at_most_20_topics_at_once() -> None:
    symbols = tuple(f"COIN{number}USDT" for number in range(11))
    frames = BITMEX.subscribe_frames(Subscription((Channel.TRADES, Channel.BOOK), symbols), None, NOW)
    sizes = [len(json.loads(frame)["args"]) for frame in frames]
    assert sizes == [20, 2]
    assert json.loads(frames[0])["args"][0] == "trade:COIN0USDT"
    (frame,) = BITMEX.unsubscribe_frames(Subscription((Channel.STATUS,), ()))
    assert json.loads(frame) == {"op": "unsubscribe", "args": ["instrument"]}


def test_an_update_of_an_unknown_level_shows_as_a_hole() -> None:
    """The venue numbers nothing; our numbers let the book see that it is not the venue's any more."""
    parser = BITMEX.parser(Known(BITMEX, ("XBTUSD",)), Connection("B-1", "BITMEX"))
    level = {"symbol": "XBTUSD", "id": 1, "side": "Buy", "size": 5, "price": 10.0}
    frames = [
        _book("partial", level),
        _book("update", {**level, "size": 4}),
        _book("update", {**level, "size": 4}, {**level, "id": 2}),
        _book("delete", level),
    ]
    parsed = parser.parse(frames, [NOW] * 4)
    deltas = parsed.batches["book_deltas"]
    assert deltas["sequence"].tolist() == [0, 1, 3, 4]
    assert deltas["previous"].tolist()[1:] == [0, 2, 3]
    assert [(reject.frame, reject.reason) for reject in parsed.rejects] == [(2, "bad_level")]


def test_a_book_that_comes_whole_again_follows_everything_before_it() -> None:
    level = {"symbol": "XBTUSD", "id": 1, "side": "Buy", "size": 5}
    frames = [
        _book("partial", level | {"price": 9.0}),
        _book("update", level),
        _book("delete", level | {"id": 7}),  # of an insertion that was lost: from here on the book is not the venue's
        _book("update", level),
        _book("partial", level | {"price": 8.0}),
        _book("update", level),
    ]
    parser = BITMEX.parser(Known(BITMEX, ("XBTUSD",)), Connection("B-1", "BITMEX"))
    deltas = parser.parse(frames, [NOW] * 6).batches["book_deltas"]
    assert deltas["sequence"].tolist() == [0, 1, 4, 5, 6]
    book = Book()
    for sequence, previous, flags in zip(deltas["sequence"], deltas["previous"], deltas["flags"], strict=True):
        is_snapshot = bool(flags & SNAPSHOT)
        book.take(Message([], is_snapshot, int(sequence), None if is_snapshot else int(previous)))
    assert book.is_valid


def _book(action: str, *rows: dict[str, Any]) -> bytes:
    return json.dumps({"table": "orderBookL2", "action": action, "data": rows}).encode()


def test_asks_for_history() -> None:
    assert BITMEX.instruments_request() == RestRequest("/api/v1/instrument/active")
    assert BITMEX.book_request("XBTUSD").query == {"symbol": "XBTUSD", "depth": "0"}
    newest = {"symbol": "XBTUSD", "count": "1000", "reverse": "true"}
    assert BITMEX.trades_request("XBTUSD", None, 5_000) == RestRequest("/api/v1/trade", newest)
    older = BITMEX.trades_request("XBTUSD", "2025-11-20T10:00:00.000Z", 5_000)
    assert older.query == {**newest, "endTime": "2025-11-20T10:00:00.000Z"}


def test_asks_for_bars_by_their_ends() -> None:
    request = BITMEX.bars_request("XBTUSD", 60, NOW, NOW + 1_000 * 60 * SECOND_NS)
    assert request.query["binSize"] == "1m"
    assert request.query["startTime"] == "2025-11-20T10:01:00.000000000Z"
    assert request.query["endTime"] == "2025-11-21T02:40:00.000000000Z"
    with pytest.raises(ConfigError, match="1 to 1000 bars"):
        BITMEX.bars_request("XBTUSD", 60, NOW, NOW + 1_001 * 60 * SECOND_NS)
    with pytest.raises(ConfigError, match="has no bars of 120 s"):
        BITMEX.bars_request("XBTUSD", 120, NOW, NOW + 600 * SECOND_NS)


def _trade(number: int, time: str = "2025-11-20T09:59:59.000Z", size: int = 100) -> dict[str, Any]:
    names = {"timestamp": time, "symbol": "XBTUSD", "side": "Sell", "size": size, "price": 91_000}
    return {**names, "trdMatchID": f"00000000-0000-0000-0001-{number:012d}", "homeNotional": 0.0011 if size else None}


def test_pages_of_trades_go_back_by_time() -> None:
    body = json.dumps([_trade(2), _trade(3, size=0), _trade(1, "2025-11-20T09:59:58.000Z")]).encode()
    page = BITMEX.parse_trades(body, 3, NOW, 2)
    assert page.older == "2025-11-20T09:59:58.000Z"
    assert page.trades["size"].tolist() == [0.0011, 0.0011]
    assert page.trades["aggressor_side"].tolist() == [AggressorSide.SELL] * 2
    assert page.trades["origin"].tolist() == [Origin.REFILL] * 2
    assert np.diff(page.trades["event_time"]).tolist() == [SECOND_NS]
    assert BITMEX.parse_trades(body, 3, NOW, 1_000).older is None
    assert BITMEX.parse_trades(b"[]", 3, NOW, 1_000).older is None


def test_a_full_page_leads_on_whatever_is_left_out_of_it() -> None:
    page = BITMEX.parse_trades(
        json.dumps([_trade(2), _trade(1, "2025-11-20T09:59:58.000Z", size=0)]).encode(), 3, NOW, 2
    )
    assert (len(page.trades), page.older) == (1, "2025-11-20T09:59:58.000Z")


def test_a_full_page_of_one_time_is_refused() -> None:
    with pytest.raises(MalformedFrame, match="page_of_one_time"):
        BITMEX.parse_trades(json.dumps([_trade(1), _trade(2)]).encode(), 3, NOW, 2)


def test_history_errors_carry_the_venues_words() -> None:
    with pytest.raises(MalformedFrame, match="venue_error: Invalid API Key"):
        BITMEX.parse_trades(b'{"error":{"message":"Invalid API Key.","name":"HTTPError"}}', 0, NOW, 100)


def test_bars_are_stamped_with_their_start() -> None:
    one = {"timestamp": "2025-11-20T10:00:00.000Z", "symbol": "XBTUSD", "open": 2, "high": 4, "low": 1, "close": 3}
    row = {**one, "trades": 5, "volume": 84_000, "vwap": 2.5, "homeNotional": 0.75}
    bars = BITMEX.parse_bars(json.dumps([row, {**row, "close": None}]).encode(), 2, 300, NOW)
    assert bars["start"].tolist() == [NOW - 300 * SECOND_NS]
    assert (bars["volume"].tolist(), bars["vwap"].tolist(), bars["trades"].tolist()) == ([0.75], [2.5], [5])


def test_reads_the_list_of_instruments() -> None:
    future: dict[str, Any] = {
        "symbol": "XRPU21",
        "state": "Open",
        "typ": "FFCCSX",
        "underlying": "XRP",
        "quoteCurrency": "XBT",
    }
    future |= {"tickSize": 1e-8, "lotSize": 1, "underlyingToPositionMultiplier": 1}
    body = json.dumps([future, {**future, "typ": "MRCXXX", "symbol": ".BXBT"}]).encode()
    (instrument,) = BITMEX.parse_instruments(body)
    assert instrument.id == BITMEX.instrument("XRPU21").id == "XRP-BTC-U21.BITMEX"
    assert (instrument.price_step, instrument.size_step) == (1e-8, 1.0)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load(RECORDING)


def _parse(recording: Recording) -> tuple[Known, Parsed]:
    known = Known(BITMEX, recording.expected["symbols"])
    parser = BITMEX.parser(known, Connection("B-1", "BITMEX"))
    return known, parser.parse(recording.payloads, recording.ingest_times)


def test_a_real_recording_is_read_completely(recording: Recording) -> None:
    known, parsed = _parse(recording)
    expected, messages = recording.expected, recording.messages
    rows, frames = expected["rows_by_table_action"], expected["frames_by_table_action"]
    assert len(messages) == expected["frames"]
    assert parsed.rejects == []
    assert parsed.ignored == {"info": frames["info"]}
    assert len(parsed.controls) == frames["subscribe_ack"]
    deltas = parsed.batches["book_deltas"]
    tables = ("partial", "insert", "update", "delete")
    assert len(deltas) == sum(rows[f"orderBookL2/{action}"] for action in tables)
    assert np.count_nonzero(deltas["flags"] & LAST) == sum(frames[f"orderBookL2/{action}"] for action in tables)
    assert np.count_nonzero(deltas["flags"] & SNAPSHOT) == frames["orderBookL2/partial"]
    assert np.count_nonzero(deltas["size"] == 0) == rows["orderBookL2/delete"]
    quotes = parsed.batches["quotes"]
    counts = np.bincount(quotes["instrument"], minlength=len(expected["symbols"])).tolist()
    assert {symbol: counts[_code(known, symbol)] for symbol in expected["symbols"]} == expected["quote_rows_per_symbol"]
    control = parsed.controls[-1][1]
    assert isinstance(control, Acknowledged)
    assert set(control.channels.values()) == {frozenset(expected["symbols"])}


def test_the_trades_of_a_real_recording_are_all_there(recording: Recording) -> None:
    known, parsed = _parse(recording)
    expected = recording.expected
    trades = parsed.batches["trades"]
    raw = [(message["action"], row) for message in recording.messages if message.get("table") == "trade"
           for row in message["data"]]  # fmt: skip
    assert len(trades) == len(raw) == expected["trade_rows_total"]
    assert np.bincount(trades["origin"]).tolist() == [expected["trade_rows_insert"], 10]
    ids = zip(trades["trade_id"].tolist(), trades["trade_id_high"].tolist(), strict=True)
    assert [join_id(*pair) for pair in ids] == [row["trdMatchID"] for _, row in raw]
    assert trades["size"].tolist() == [row["homeNotional"] for _, row in raw]
    sides = {"Buy": AggressorSide.BUY, "Sell": AggressorSide.SELL}
    assert trades["aggressor_side"].tolist() == [sides[row["side"]] for _, row in raw]
    contracts: dict[str, int] = {}
    for action, row in raw:
        if action == "insert":
            contracts[row["symbol"]] = contracts.get(row["symbol"], 0) + row["size"]
    assert contracts == expected["trade_insert_sum_size_per_symbol"]
    # A contract of XBTUSD is a dollar: what was traded in Bitcoin comes to the same number of contracts.
    own = trades.take((trades["instrument"] == _code(known, "XBTUSD")) & (trades["origin"] == Origin.LIVE))
    assert round(float(own["size"] @ own["price"]), -2) == contracts["XBTUSD"]


def test_the_books_of_a_real_recording_end_as_they_should(recording: Recording) -> None:
    known, parsed = _parse(recording)
    books = final_books(parsed.batches["book_deltas"])
    assert recording.expected["updates_or_deletes_for_unknown_id"] == 0
    for symbol, top in recording.expected["final_top_of_book"].items():
        bids, asks = books[_code(known, symbol)]
        bid, ask = max(bids), min(asks)
        assert (bid, ask) == (float(top["bid"]), float(top["ask"]))
        assert (bids[bid], asks[ask]) == (top["bid_size"], top["ask_size"])
        assert (len(bids), len(asks)) == (top["bid_levels"], top["ask_levels"])


def _code(known: Known, symbol: str) -> int:
    code = known.code_of(symbol)
    assert code is not None
    return code


def test_the_real_list_of_instruments_agrees_with_the_rule_for_symbols(recording: Recording) -> None:
    path = "bitmex-instruments-2021.jsonl.gz"
    listed = {one.venue_symbol: one for one in BITMEX.parse_instruments(load(path, "http").payloads[0])}
    for symbol in recording.expected["symbols"]:
        assert listed[symbol].id == BITMEX.instrument(symbol).id
        assert listed[symbol].price_step > 0


def test_reads_a_real_list_of_instruments() -> None:
    instruments = {
        one.venue_symbol: one for one in BITMEX.parse_instruments(answer("bitmex_api_v1_instrument_active.json"))
    }
    spot = instruments["XBT_USDT"]
    assert (spot.id, spot.price_step, spot.size_step) == ("BTC-USDT.BITMEX", 0.5, 0.0001)
    for symbol, instrument in instruments.items():
        assert BITMEX.instrument(symbol).id == instrument.id


def test_values_of_indices_are_no_trades() -> None:
    body = answer("bitmex_example-trades.json")
    traded = [row for row in json.loads(body) if row["size"]]
    assert len(BITMEX.parse_trades(body, 0, NOW, 1_000).trades) == len(traded) < len(json.loads(body))


def test_the_list_says_how_much_a_contract_is() -> None:
    common = {"state": "Open", "typ": "FFWCSX", "quoteCurrency": "USD", "tickSize": 0.5, "lotSize": 100}
    inverse = {"isInverse": True, "multiplier": -100_000_000, "underlyingToSettleMultiplier": -100_000_000}
    rows = [
        {**common, **inverse, "symbol": "XBTUSD", "underlying": "XBT"},
        {**common, "symbol": "ETHUSD", "underlying": "ETH", "isQuanto": True, "multiplier": 100},
        {**common, "symbol": "XBTUSDT", "underlying": "XBT", "underlyingToPositionMultiplier": 1_000_000},
        {**common, "symbol": "SOLUSDT", "underlying": "SOL"},
        {**common, "symbol": "XBTEUR", "underlying": "XBT", "isInverse": True},
    ]
    found = BITMEX.parse_instruments(json.dumps(rows).encode())
    assert [(one.contract, one.contract_size) for one in found] == [
        ("inverse", 1.0),
        ("quanto", 0.0),
        ("linear", 1e-6),
        ("linear", 0.0),
        ("inverse", 0.0),
    ]


def test_a_symbol_alone_tells_only_contracts_of_bitcoin_against_a_states_money() -> None:
    found = [BITMEX.instrument(symbol) for symbol in ("XBTUSD", "XBTM26", "XBTEUR", "XBTUSDT", "XBT_USDT", "ETHUSD")]
    known = [("inverse", 1.0)] * 3 + [("linear", 0.0)] * 3
    assert [(one.contract, one.contract_size) for one in found] == known
