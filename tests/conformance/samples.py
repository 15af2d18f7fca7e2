"""Records and commits that the conformance suites are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from fulltape.records import (
    STORED,
    ActivityBar,
    AggressorSide,
    Alert,
    AlertKind,
    AlertState,
    Array,
    Auction,
    Bar,
    BarBasis,
    Batch,
    Candle,
    CandleSource,
    Coin,
    Commit,
    Coverage,
    CoverageState,
    DeadLetter,
    Depth,
    Duplicate,
    EmptyReason,
    Instrument,
    InstrumentTable,
    Last,
    Origin,
    Quote,
    QuoteSource,
    QuoteStat,
    RfqMatch,
    Stat,
    Ticker,
    Trade,
    Window,
)

BTC = Instrument("BTC-USD.COINBASE", "COINBASE", "BTC-USD", "BTC", "USD", 0.01, 1e-8)
ETH = Instrument("ETH-USD.COINBASE", "COINBASE", "ETH-USD", "ETH", "USD", 0.01, 1e-8, "offline")
CODES = InstrumentTable([BTC, ETH])
INSTRUMENTS = {0: BTC, 1: ETH}
MINUTE = 60 * 10**9
NOON = 1_618_660_800 * 10**9
UUID = "8b6c1c0e-9f3a-4b5c-8d1e-2f3a4b5c6d7e"
SMALLEST = 5e-324

_RECORDS = {schema.record: schema for schema in STORED}


def trade(trade_id: int | str = 1, event_time: int = NOON, **changes: Any) -> Trade:
    row = Trade(BTC.id, str(trade_id), 100.5, 0.25, AggressorSide.BUY, event_time, event_time + 5, Origin.LIVE)
    return msgspec.structs.replace(row, **changes)


def candle(start: int = NOON, interval: str = "1m", **changes: Any) -> Candle:
    row = Candle(
        BTC.id, interval, start, 1.0, 4.0, 0.5, 2.0, 3.0, 6.0, 2.0, 7, 1.5,
        0, True, CandleSource.TRADES, EmptyReason.NONE,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def quote(event_time: int = NOON, **changes: Any) -> Quote:
    row = Quote(BTC.id, 99.0, 1.0, 101.0, 2.0, event_time, event_time + 5, QuoteSource.BOOK)
    return msgspec.structs.replace(row, **changes)


def coverage(start: int = NOON, end: int | None = None, **changes: Any) -> Coverage:
    row = Coverage(BTC.id, "trades", start, end, CoverageState.COMPLETE, "connected", 0, "", "")
    return msgspec.structs.replace(row, **changes)


def last(event_time: int = NOON, **changes: Any) -> Last:
    row = Last(
        BTC.id, "7", 100.5, 0.25, AggressorSide.SELL, event_time, 99.0, 1.0, 101.0, 2.0, event_time,
        90.0, 110.0, 80.0, 1234.5, event_time, event_time + 5,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def bar(start: int = NOON, **changes: Any) -> Bar:
    row = Bar(BTC.id, "1m", start, 1.0, 4.0, 0.5, 2.0, 3.0, None, None, start + MINUTE)
    return msgspec.structs.replace(row, **changes)


def coin(event_time: int = NOON, **changes: Any) -> Coin:
    row = Coin(
        BTC.id, "Bitcoin", 1, 1.0, 5.0, 2e12, None, 1.5, 2e7, None, 2.1e7,
        -0.1, 4.37, 4.61, 6.41, -13.15, None, event_time, event_time, Origin.LIVE,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def ticker(trade_id: str = "5", event_time: int = NOON, **changes: Any) -> Ticker:
    row = Ticker(
        BTC.id, None, trade_id, 1.0, None, AggressorSide.SELL, None, None, None, None,
        None, None, None, None, None, event_time, event_time + 5,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def stat(event_time: int = NOON, **changes: Any) -> Stat:
    row = Stat(
        BTC.id, "7", 100.5, 100.25, 0.5, 0.25, 100.0, 0.5, 0.25, -0.125, 110.0, -8.5, -3.25, 100.75, 1.5,
        event_time, event_time + 5, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def window(start: int = NOON, **changes: Any) -> Window:
    row = Window(
        BTC.id, start, start + MINUTE, 7, 100.5, 0.5, 1.25, 3.0, 2.0, 1.0, 4, 3, 1.0, 2 / 3, 1 / 7, 100.25, 0.75
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def activity_bar(number: int = 1, **changes: Any) -> ActivityBar:
    row = ActivityBar(
        BTC.id, BarBasis.TICKS, 1_000.0, number, NOON, NOON + 7, 1.0, 4.0, 0.5, 2.0, 3.0, 6.0, 2.0, 1_000, 1.5
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def quote_stat(event_time: int = NOON, **changes: Any) -> QuoteStat:
    row = QuoteStat(
        BTC.id, 99.0, 101.0, 2.0, 200.0, 100.0, 99.5, 3, 99.5, 100.5, 100.0, 0.0, False, event_time, event_time + 5
    )
    return msgspec.structs.replace(row, **changes)


def depth(event_time: int = NOON, **changes: Any) -> Depth:
    row = Depth(BTC.id, 10.0, 3.0, 4.0, 10, -1 / 7, 0.0, event_time, event_time + 5)
    return msgspec.structs.replace(row, **changes)


def alert(ingest_time: int = NOON, **changes: Any) -> Alert:
    row = Alert(
        BTC.id, "fast_move", 1, AlertKind.MOVE, AlertState.RAISED, "change_5m", 3.5, 3.0, "price 64000", Origin.LIVE,
        ingest_time - 5, ingest_time,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def dead_letter(ingest_time: int = NOON, raw: bytes = b"{") -> DeadLetter:
    return DeadLetter("COINBASE", "COINBASE-1", ingest_time, "malformed_json", "end of input", raw)


def every_kind() -> list[msgspec.Struct]:
    """Return rows of every stored kind, with the values that are easily damaged on the way."""
    return [
        trade(2**63 - 1, NOON + 1, price=0.1 + 0.2, size=SMALLEST),
        trade(UUID, NOON + 2, price=1.7976931348623157e308, aggressor_side=AggressorSide.UNKNOWN),
        trade(0, 1, instrument=ETH.id, origin=Origin.REFILL),
        quote(NOON + 1, bid=None, bid_size=None),
        quote(NOON + 1, source=QuoteSource.TICKER),
        ticker("5"),
        ticker(UUID, instrument=ETH.id, sequence=2**62, size=2.0, bid=-1.0, volume_30d=1e300),
        candle(NOON, "1s", volume=0.1 + 0.7),
        candle(NOON, "1w", is_final=False, revision=3),
        candle(NOON, "90s", open=None, high=None, low=None, close=None, vwap=None, trades=0, reason=EmptyReason.GAP),
        bar(NOON),
        bar(NOON + MINUTE, vwap=1.5, trades=3),
        coin(),
        coin(NOON + MINUTE, rank=None, cap=None, change_year=-67.84, origin=Origin.REFILL),
        last(),
        last(instrument=ETH.id, trade_time=None, price=None, bid=None, quote_time=None),
        coverage(NOON),
        coverage(NOON, NOON + MINUTE, state=CoverageState.GAP, missing=2, first_missing="7", last_missing=UUID),
        Duplicate(BTC.id, NOON, 2**40),
        stat(NOON),
        stat(NOON + 1, trade_id=UUID, ewma_10t_std=None, rolling_std_5t=None, change_1t=None, change_30d=None),
        window(NOON),
        window(NOON + MINUTE // 2, volatility_1m=None, volume=None, taker_buys=None, vwap=None),
        quote_stat(NOON),
        quote_stat(NOON + 1, bid=None, mid=None, venues=1, best_bid=None, premium_bp=None, is_outlier=True),
        depth(NOON),
        depth(NOON + 1, bid_depth=None, ask_depth=None, book_imbalance=None, crossed_s=0.25),
        activity_bar(1),
        activity_bar(2, basis=BarBasis.VALUE, threshold=1e6),
        alert(NOON),
        alert(NOON + 1, state=AlertState.CLEARED, value=None, origin=Origin.REPLAY, detail="é"),
        RfqMatch(BTC.id, "9", 1.0, 2.0, "buy", NOON, NOON + 1),
        Auction(BTC.id, 3, "collection", 1.0, None, 2.0, None, None, None, True, NOON, NOON + 1),
        dead_letter(NOON, b"\x00\xff\xe2 not text"),
        DeadLetter("COINBASE", "é\n'\"", NOON + 1, "x", "", b""),
    ]


def batches(rows: Iterable[msgspec.Struct]) -> dict[str, Batch]:
    """Return rows of any kinds as batches."""
    kinds: dict[str, list[msgspec.Struct]] = {}
    for row in rows:
        kinds.setdefault(_RECORDS[type(row)].name, []).append(row)
    schemas = {schema.name: schema for schema in STORED}
    return {name: schemas[name].from_rows(found, CODES) for name, found in kinds.items()}


def commit(number: int, *rows: msgspec.Struct, snapshots: Mapping[str, Mapping[int, bytes]] | None = None) -> Commit:
    """Return a commit of ``rows``; the first one brings the instruments."""
    instruments = INSTRUMENTS if number == 1 else {}
    return Commit(number, NOON + number, batches(rows), snapshots or {}, instruments)


def many_trades(first_id: int, count: int) -> Batch:
    """Return trades as columns, a microsecond apart, ids from ``first_id``."""
    ids = np.arange(first_id, first_id + count)
    columns: dict[str, Array] = {
        "instrument": (ids % 2).astype(np.int32),
        "trade_id": ids,
        "trade_id_high": np.zeros(count, np.int64),
        "price": 100.0 + (ids % 1_000) / 100.0,
        "size": 0.5 + (ids % 7) / 10.0,
        "aggressor_side": (1 + ids % 2).astype(np.uint8),
        "event_time": NOON + ids * 1_000,
        "ingest_time": NOON + ids * 1_000 + 5,
        "origin": np.zeros(count, np.uint8),
    }
    return Batch(_RECORDS[Trade], columns)
