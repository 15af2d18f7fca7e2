"""Kraken spot."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conformance.streams import lacking
from tests.conformance.venues import Known, VenueConformance
from tests.engine.machine import Machine, chunk, up
from tests.venues.recordings import answer, final_books

from fulltape.clock import SECOND_NS
from fulltape.engine.pipeline import Pipeline
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import AggressorSide, Origin
from fulltape.records.frames import Connection
from fulltape.venues.base import RestRequest, Subscription
from fulltape.venues.registry import venue

NOW = 1_763_632_800 * SECOND_NS
KRAKEN = venue("kraken")

# The venue's own example of a checksum: https://docs.kraken.com/api/docs/guides/spot-ws-book-v2
ASKS = (
    (45285.2, 0.00100000), (45286.4, 1.54571953), (45286.6, 1.54571109), (45289.6, 1.54560911), (45290.2, 0.15890660),
    (45291.8, 1.54553491), (45294.7, 0.04454749), (45296.1, 0.35380000), (45297.5, 0.09945542), (45299.5, 0.18772827),
)  # fmt: skip
BIDS = (
    (45283.5, 0.10000000), (45283.4, 1.54582015), (45282.1, 0.10000000), (45281.0, 0.10000000), (45280.3, 1.54592586),
    (45279.0, 0.07990000), (45277.6, 0.03310103), (45277.5, 0.30000000), (45277.3, 1.54602737), (45276.6, 0.15445238),
)  # fmt: skip
CHECKSUM = 3_310_070_434


class TestConformance(VenueConformance):
    venue = KRAKEN
    symbols = ("BTC/USD", "ETH/USD")
    captures = Path(__file__).parents[1] / "captures" / "kraken"
    not_offered = lacking(
        V_21="its book has checksums instead of numbers",
    )
    taker = ('"side":"buy"', '"side":"sell"')
    bad_symbols = ("", "BTC", "BTC/", "/USD", "BTC-USD", "btc/usd", "BTC/USD/X", "./USD")


def test_subscribes_once_for_each_channel() -> None:
    subscription = Subscription(tuple(sorted(KRAKEN.spec.channels)), ("BTC/USD", "ETH/USD"))
    pairs = ["BTC/USD", "ETH/USD"]
    wanted: list[dict[str, Any]] = [
        {"channel": "ohlc", "symbol": pairs, "interval": 1},
        {"channel": "book", "symbol": pairs, "depth": 100},
        {"channel": "instrument"},
        {"channel": "ticker", "symbol": pairs, "event_trigger": "bbo"},
        {"channel": "trade", "symbol": pairs},
    ]
    frames = [json.loads(frame) for frame in KRAKEN.subscribe_frames(subscription, None, NOW)]
    assert [frame["params"] for frame in frames] == [{**params, "snapshot": True} for params in wanted]
    assert [(frame["method"], frame["req_id"]) for frame in frames] == [("subscribe", n) for n in range(1, 6)]
    frames = [json.loads(frame) for frame in KRAKEN.unsubscribe_frames(subscription)]
    assert [frame["params"] for frame in frames] == wanted


@pytest.mark.parametrize(
    ("last", "change", "before"),
    [
        (0.10035, -0.00017, 0.10052),
        (66_070.8, 1_342.1, 64_728.7),
        (0.0000012345, 0.0000000345, 0.0000012),
        (91_000.0, 0.0, 91_000.0),
        (91_000.0, None, None),
        (91_000.0, 91_000.0, None),
        (91_000.0, 1e300, None),
    ],
)
def test_the_price_of_a_day_ago_is_the_last_without_its_change(
    last: float, change: float | None, before: float | None
) -> None:
    parser = KRAKEN.parser(Known(KRAKEN, ("BTC/USD",)), Connection("K-1", "KRAKEN"))
    row = {"symbol": "BTC/USD", "last": last, "change": change}
    frame = json.dumps({"channel": "ticker", "type": "update", "data": [row]}).encode()
    parsed = parser.parse([frame], [NOW])
    (found,) = parsed.batches["tickers"]["open_24h"].tolist()
    assert (None if math.isnan(found) else found) == before
    assert parsed.rejects == []


def test_the_checksum_comes_with_every_row_and_proves_the_book() -> None:
    """Ours has the levels that the venue's own example of a checksum is made of; one of them after an update."""
    parser = KRAKEN.parser(Known(KRAKEN, ("BTC/USD",)), Connection("K-1", "KRAKEN"))
    first = {"bids": _levels(*BIDS, (45284.0, 1.0)), "asks": _levels(*ASKS[1:]), "checksum": 1}
    then = {"bids": _levels((45284.0, 0.0)), "asks": _levels(ASKS[0]), "checksum": CHECKSUM}
    frames = [
        json.dumps({"channel": "book", "type": kind, "data": [{"symbol": "BTC/USD", **book}]}).encode()
        for kind, book in (("snapshot", first), ("update", then))
    ]
    deltas = parser.parse(frames, [NOW, NOW]).batches["book_deltas"]
    assert deltas["checksum"].tolist() == [1] * 20 + [CHECKSUM] * 2
    ((bids, asks),) = final_books(deltas).values()
    levels = [*sorted(asks.items())[:10], *sorted(bids.items(), reverse=True)[:10]]
    digits = [text.replace(".", "").lstrip("0") for level in levels for text in (f"{level[0]:.1f}", f"{level[1]:.8f}")]
    assert zlib.crc32("".join(digits).encode()) == CHECKSUM


def _levels(*levels: tuple[float, float]) -> list[dict[str, float]]:
    return [{"price": price, "qty": size} for price, size in levels]


def test_asks_for_history_under_the_names_of_the_rest_interface() -> None:
    assert KRAKEN.instruments_request() == RestRequest("/0/public/AssetPairs")
    assert KRAKEN.book_request("BTC/USD") == RestRequest("/0/public/Depth", {"pair": "XBTUSD", "count": "100"})
    newest = RestRequest("/0/public/Trades", {"pair": "XDGXBT", "count": "1000"})
    assert KRAKEN.trades_request("DOGE/BTC", None, 5_000) == newest
    request = KRAKEN.bars_request("ETH/USD", 60, NOW, NOW + 720 * 60 * SECOND_NS)
    assert request == RestRequest("/0/public/OHLC", {"pair": "ETHUSD", "interval": "1", "since": "1763632799"})
    with pytest.raises(ConfigError, match="1 to 720 bars"):
        KRAKEN.bars_request("ETH/USD", 60, NOW, NOW + 721 * 60 * SECOND_NS)


def _answer(data: Any, **more: Any) -> bytes:
    return json.dumps({"error": [], "result": {"XXBTZUSD": data, **more}}).encode()


def test_reads_the_newest_trades() -> None:
    rows = [
        ["91000.10000", "0.50000000", 1763632799.1234567, "b", "m", "", 8],
        ["91000.20000", "0.25000000", 1763632799.5, "s", "l", "", 9],
    ]
    page = KRAKEN.parse_trades(_answer(rows, last="1763632799500000000"), 3, NOW, 1_000)
    assert page.older is None
    assert page.trades["trade_id"].tolist() == [8, 9]
    assert page.trades["aggressor_side"].tolist() == [AggressorSide.BUY, AggressorSide.SELL]
    assert page.trades["origin"].tolist() == [Origin.REFILL] * 2
    assert page.trades["event_time"].tolist() == [NOW - 876_543_300, NOW - SECOND_NS // 2]
    with pytest.raises(MalformedFrame, match="bad_time"):
        KRAKEN.parse_trades(_answer([[*rows[0][:2], 1e300, *rows[0][3:]]]), 3, NOW, 1_000)


def test_history_errors_carry_the_venues_words() -> None:
    with pytest.raises(MalformedFrame, match="venue_error: EQuery:Unknown asset pair"):
        KRAKEN.parse_trades(b'{"error":["EQuery:Unknown asset pair"]}', 0, NOW, 100)
    with pytest.raises(MalformedFrame, match="2 pairs instead of 1"):
        KRAKEN.parse_trades(_answer([], OTHER=[]), 0, NOW, 100)


def test_the_bar_that_is_not_finished_is_left_out() -> None:
    row = [1763632740, "2", "4", "1", "3", "0.0", "0.00000000", 0]
    bars = KRAKEN.parse_bars(_answer([row, [1763632800, *row[1:]]], last=1763632740), 2, 60, NOW)
    assert bars["start"].tolist() == [NOW - 60 * SECOND_NS]
    names = ("open", "high", "low", "close", "volume", "trades")
    assert [bars[name].tolist() for name in names] == [[2], [4], [1], [3], [0], [0]]


def test_reads_the_list_of_pairs_under_the_names_of_the_stream() -> None:
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "tick_size": "0.1", "lot_decimals": 8, "status": "online"}
    body = _answer(pair, dark={"altname": "XBTUSD.d"}, XDGUSD={**pair, "wsname": "XDG/USD"})
    first, second = KRAKEN.parse_instruments(body)
    assert (first.id, first.venue_symbol) == ("BTC-USD.KRAKEN", "BTC/USD")
    assert (first.price_step, first.size_step) == (0.1, 1e-8)
    assert (second.id, second.venue_symbol) == ("DOGE-USD.KRAKEN", "DOGE/USD")


def test_reads_a_real_page_of_bars() -> None:
    body = answer("kraken_example-ohlc-data.json")
    (rows,) = (rows for name, rows in json.loads(body)["result"].items() if name != "last")
    bars = KRAKEN.parse_bars(body, 0, 60, NOW)
    assert bars["start"].tolist() == [row[0] * SECOND_NS for row in rows[:-1]]
    assert bars["volume"].tolist() == [float(row[6]) for row in rows[:-1]]
    assert bars["trades"].tolist() == [row[7] for row in rows[:-1]]


def test_the_list_says_with_how_many_decimals_figures_are_written() -> None:
    pair = {"wsname": "XBT/USD", "tick_size": "0.1", "pair_decimals": 1, "lot_decimals": 8, "status": "online"}
    older = {"wsname": "ETH/USD", "lot_decimals": 8}
    body = json.dumps({"error": [], "result": {"XXBTZUSD": pair, "XETHZUSD": older}}).encode()
    found = {one.venue_symbol: (one.price_digits, one.size_digits) for one in KRAKEN.parse_instruments(body)}
    assert found == {"BTC/USD": (1, 8), "ETH/USD": (-1, 8)}


@pytest.mark.parametrize(("checksum", "is_valid"), [(CHECKSUM, True), (CHECKSUM + 1, False)])
def test_the_engine_verifies_the_documented_book(checksum: int, is_valid: bool) -> None:
    machine = Machine()
    machine.pipeline = Pipeline(machine.table, lambda _: KRAKEN, CandleConfig())
    listed = msgspec.structs.replace(KRAKEN.instrument("BTC/USD"), price_digits=1, size_digits=8)
    machine.pipeline.learn([listed])
    connection = Connection("KRAKEN-1", "KRAKEN", replay=True)
    data = {"symbol": "BTC/USD", "bids": _levels(*BIDS), "asks": _levels(*ASKS), "checksum": checksum}
    frame = json.dumps({"channel": "book", "type": "snapshot", "data": [data]}).encode()
    machine.step(up(NOW, connection), chunk(frame, at=NOW, connection=connection), clock=NOW)
    book = machine.pipeline.quotes.book(0)
    assert book is not None
    assert book.is_valid is is_valid
    counters = machine.pipeline.quotes.counters
    assert (counters.verified, counters.failed, counters.resyncs) == ((1, 0, 0) if is_valid else (0, 1, 1))
