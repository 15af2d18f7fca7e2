"""OKX v5."""

from __future__ import annotations

import json
import zlib
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conformance.venues import Known, VenueConformance
from tests.venues.recordings import final_books, load

from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError, MalformedFrame
from fulltape.records import AggressorSide, Origin
from fulltape.records.book import LAST
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Acknowledged, Channel, RestRequest, Subscription
from fulltape.venues.registry import venue

NOW = 1_763_632_800 * SECOND_NS
OKX = venue("okx")


class TestConformance(VenueConformance):
    venue = OKX
    symbols = ("BTC-USDT", "BTC-USDT-SWAP")
    captures = Path(__file__).parents[1] / "captures" / "okx"
    taker = ('"side":"buy"', '"side":"sell"')
    bad_symbols = ("", "BTC", "BTC-", "btc-usdt", "BTC-USDT-SWAP-X", "BTC-USD-26032", "BTC-USD-260327-60000-C")


def test_perpetuals_and_futures_keep_what_they_are() -> None:
    ids = [OKX.instrument(symbol).id for symbol in ("BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527")]
    assert ids == ["BTC-USDT.OKX", "UNI-USD-PERP.OKX", "BTC-USD-220527.OKX"]


def test_subscribes_to_every_pair_of_channel_and_instrument() -> None:
    subscription = Subscription((Channel.TRADES, Channel.STATUS), ("BTC-USDT", "ETH-USDT"))
    (frame,) = OKX.subscribe_frames(subscription, None, NOW)
    args = [
        {"channel": "trades", "instId": "BTC-USDT"},
        {"channel": "trades", "instId": "ETH-USDT"},
        {"channel": "instruments", "instType": "SPOT"},
    ]
    assert json.loads(frame) == {"op": "subscribe", "args": args}
    (frame,) = OKX.unsubscribe_frames(subscription)
    assert json.loads(frame) == {"op": "unsubscribe", "args": args}


def test_a_subscription_stays_below_64_kib() -> None:
    symbols = tuple(f"COIN{number}-USDT-SWAP" for number in range(1_200))
    frames = OKX.subscribe_frames(Subscription((Channel.TRADES,), symbols), None, NOW)
    assert [len(json.loads(frame)["args"]) for frame in frames] == [500, 500, 200]
    assert max(map(len, frames)) < 65_536


def test_a_maintenance_reset_does_not_stop_the_book() -> None:
    """Numbers only grow: a message applies when previous <= reached < sequence, also after a reset."""
    parser = OKX.parser(Known(OKX, ("BTC-USDT",)), Connection("O-1", "OKX"))
    numbers = [(-1, 100), (100, 107), (107, 5), (5, 8), (8, 2), (2, 3), (-1, 4), (4, 6)]
    frames = [_book("snapshot" if before < 0 else "update", before, after) for before, after in numbers]
    deltas = parser.parse(frames, [NOW] * len(frames)).batches["book_deltas"]
    previous, sequence = deltas["previous"].tolist(), deltas["sequence"].tolist()
    assert [sequence[0], sequence[6]] == [100, 4]
    assert [previous[0], previous[6]] == [NULL_INT, NULL_INT]
    for run in (range(1, 6), range(7, 8)):
        for row in run:
            assert previous[row] == sequence[row - 1] < sequence[row]


def _book(action: str, before: int, after: int) -> bytes:
    row = {"asks": [], "bids": [["1", "2", "0", "1"]], "ts": "1763632800000", "prevSeqId": before, "seqId": after}
    return json.dumps({"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": action, "data": [row]}).encode()


def test_asks_for_history() -> None:
    assert OKX.instruments_request() == RestRequest("/api/v5/public/instruments", {"instType": "SPOT"})
    assert OKX.book_request("BTC-USDT").query == {"instId": "BTC-USDT", "sz": "400"}
    path = "/api/v5/market/history-trades"
    newest = {"instId": "BTC-USDT", "type": "1", "limit": "100"}
    assert OKX.trades_request("BTC-USDT", None, 5_000) == RestRequest(path, newest)
    assert OKX.trades_request("BTC-USDT", "77", 5_000) == RestRequest(path, {**newest, "after": "77"})


def test_asks_for_bars_with_bounds_that_exclude() -> None:
    request = OKX.bars_request("BTC-USDT", 60, NOW, NOW + 100 * 60 * SECOND_NS)
    assert request.query == {
        "instId": "BTC-USDT",
        "bar": "1m",
        "before": "1763632799999",
        "after": "1763638740001",
        "limit": "100",
    }
    assert OKX.bars_request("BTC-USDT", 86_400, NOW, NOW + 86_400 * SECOND_NS).query["bar"] == "1Dutc"
    with pytest.raises(ConfigError, match="1 to 100 bars"):
        OKX.bars_request("BTC-USDT", 60, NOW, NOW + 101 * 60 * SECOND_NS)
    with pytest.raises(ConfigError, match="has no bars of 120 s"):
        OKX.bars_request("BTC-USDT", 120, NOW, NOW + 600 * SECOND_NS)


def _answer(*rows: Any) -> bytes:
    return json.dumps({"code": "0", "msg": "", "data": rows}).encode()


def test_reads_a_page_of_trades_oldest_first() -> None:
    row = {"instId": "BTC-USDT", "side": "sell", "sz": "0.5", "px": "91000.1", "tradeId": "9", "ts": "1763632799500"}
    page = OKX.parse_trades(_answer(row, {**row, "side": "buy", "tradeId": "8"}), 3, NOW, 100)
    assert page.older == "8"
    assert page.trades["trade_id"].tolist() == [8, 9]
    assert page.trades["aggressor_side"].tolist() == [AggressorSide.BUY, AggressorSide.SELL]
    assert page.trades["origin"].tolist() == [Origin.REFILL] * 2
    assert page.trades["event_time"].tolist() == [NOW - SECOND_NS // 2] * 2
    empty = OKX.parse_trades(_answer(), 3, NOW, 100)
    assert (len(empty.trades), empty.older) == (0, None)
    with pytest.raises(MalformedFrame, match="bad_size"):
        OKX.parse_trades(_answer({**row, "sz": "0"}), 3, NOW, 100)


def test_history_errors_carry_the_venues_words() -> None:
    with pytest.raises(MalformedFrame, match="venue_error: 50011 Too Many Requests"):
        OKX.parse_trades(b'{"msg":"Too Many Requests","code":"50011"}', 0, NOW, 100)


def test_reads_finished_bars() -> None:
    running = ["1763632800000", "2", "4", "1", "3", "0.5", "1", "1", "0"]
    done = ["1763632740000", "12", "14", "11", "13", "0", "0", "0", "1"]
    bars = OKX.parse_bars(_answer(running, done), 2, 60, NOW)
    assert bars["start"].tolist() == [NOW - 60 * SECOND_NS]
    names = ("open", "high", "low", "close", "volume")
    assert [bars[name].tolist() for name in names] == [[12], [14], [11], [13], [0]]


def test_reads_the_list_of_spot_instruments() -> None:
    row = {"instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT", "tickSz": "0.1", "lotSz": "1e-8"}
    (instrument,) = OKX.parse_instruments(_answer({**row, "state": "live"}))
    assert (instrument.id, instrument.price_step, instrument.size_step) == ("BTC-USDT.OKX", 0.1, 1e-8)
    assert instrument.status == "online"


def test_a_real_recording_is_read_completely() -> None:
    recording = load("okx-2022-05-13.jsonl.gz")
    counts = recording.expected["by_kind"]
    symbols = ("BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527")
    known = Known(OKX, symbols)
    parsed = OKX.parser(known, Connection("O-1", "OKX")).parse(recording.payloads, recording.ingest_times)
    assert parsed.rejects == []
    assert parsed.ignored == {}
    assert len(recording.payloads) == recording.expected["frames"]
    assert len(parsed.controls) == counts["subscribe:None"]
    assert np.count_nonzero(parsed.batches["book_deltas"]["flags"] & LAST) == counts["books"]
    assert len(parsed.batches["tickers"]) == counts["tickers"]
    trades = parsed.batches["trades"]
    assert len(trades) == counts["trades"]
    # The first trade of each instrument happened before the subscription.
    assert np.bincount(trades["origin"]).tolist() == [counts["trades"] - 3, 3]
    rows = [row for message in recording.messages if message.get("arg", {}).get("channel") == "trades"
            and "data" in message for row in message["data"]]  # fmt: skip
    assert trades["trade_id"].tolist() == [int(row["tradeId"]) for row in rows]
    assert trades["size"].tolist() == [float(row["sz"]) for row in rows]
    control = parsed.controls[-1][1]
    assert isinstance(control, Acknowledged)
    assert control.channels == dict.fromkeys((Channel.TICKERS, Channel.TRADES, Channel.BOOK), frozenset(symbols))


def test_the_books_of_a_real_recording_have_the_venues_checksum() -> None:
    """Until 2026 the venue sent CRC32 over the best 25 levels; the last one of each book proves ours."""
    recording = load("okx-2022-05-13.jsonl.gz")
    symbols = ("BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527")
    known = Known(OKX, symbols)
    parsed = OKX.parser(known, Connection("O-1", "OKX")).parse(recording.payloads, recording.ingest_times)
    books = final_books(parsed.batches["book_deltas"])
    texts: dict[float, str] = {}
    checksums: dict[str, int] = {}
    for message in recording.messages:
        if "action" in message:
            (row,) = message["data"]
            checksums[message["arg"]["instId"]] = row["checksum"]
            texts |= {float(text): text for level in (*row["bids"], *row["asks"]) for text in level[:2]}
    assert set(checksums) == set(symbols)
    for symbol, checksum in checksums.items():
        code = known.code_of(symbol)
        assert code is not None
        bids, asks = books[code]
        sides = (sorted(bids.items(), reverse=True)[:25], sorted(asks.items())[:25])
        levels = chain.from_iterable(zip_longest(*sides))
        words = ":".join(texts[number] for level in levels if level is not None for number in level)
        assert np.int32(np.uint32(zlib.crc32(words.encode()))) == checksum


def _listed(kind: str, **more: str) -> dict[str, str]:
    return {"instType": kind, "tickSz": "0.1", "lotSz": "1", "state": "live", **more}


def test_the_list_says_how_much_a_contract_is() -> None:
    body = _answer(
        _listed("SPOT", instId="BTC-USDT", lotSz="0.00000001"),
        _listed("SWAP", instId="BTC-USDT-SWAP", ctType="linear", ctVal="0.01", ctMult="1", lotSz="0.01"),
        _listed("SWAP", instId="BTC-USD-SWAP", ctType="inverse", ctVal="100", ctMult="1"),
        _listed("FUTURES", instId="ETH-USD-260327", ctType="inverse", ctVal="10", ctMult="1"),
        _listed("OPTION", instId="BTC-USD-260327-90000-C", ctVal="0.01"),
        _listed("SWAP", instId="X-USDT-SWAP", ctType="linear", ctVal="much"),
    )
    found = OKX.parse_instruments(body)
    assert [(one.id, one.contract, one.contract_size, one.size_step) for one in found] == [
        ("BTC-USDT.OKX", "", 0.0, 1e-8),
        ("BTC-USDT-PERP.OKX", "linear", 0.01, 1e-4),
        ("BTC-USD-PERP.OKX", "inverse", 100.0, 0.0),
        ("ETH-USD-260327.OKX", "inverse", 10.0, 0.0),
    ]
    kinds = [request.query["instType"] for request in (OKX.instruments_request(), *OKX.spec.more_instruments)]
    assert kinds == ["SPOT", "SWAP", "FUTURES"]


def test_a_symbol_alone_tells_only_contracts_against_dollars() -> None:
    symbols = ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP", "UNI-USD-SWAP", "BTC-USD-220527")
    found = [OKX.instrument(symbol) for symbol in symbols]
    known = [("", 0.0), ("linear", 0.0), ("inverse", 100.0), ("inverse", 10.0), ("inverse", 100.0)]
    assert [(one.contract, one.contract_size) for one in found] == known


@pytest.mark.parametrize(
    ("figures", "volume"),
    [
        (("2", "4", "2", "3", "10", "30", "30"), 10.0),  # spot: in base, in quote, in quote
        (("2", "4", "2", "3", "1000", "10", "30"), 10.0),  # a contract: in contracts, in base, in quote
        (("1", "1", "1", "1", "50", "500", "500"), 500.0),  # a contract on a coin at par
        (("2", "4", "2", "3", "0", "0", "0"), 0.0),
    ],
)
def test_the_volume_of_a_bar_is_in_base(figures: tuple[str, ...], volume: float) -> None:
    bars = OKX.parse_bars(_answer(["1763632740000", *figures, "1"]), 0, 60, NOW)
    assert bars["volume"].tolist() == [volume]
