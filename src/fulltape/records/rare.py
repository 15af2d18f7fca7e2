"""The rare kinds: RFQ prints, auctions, heartbeats, dead letters."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, Size, TimeNs, TradeId


class RfqMatch(msgspec.Struct, frozen=True):
    """An off-book print. It has an id space of its own and never enters a candle.

    ``side`` is the venue's own word: no source says whose side it is.
    """

    instrument: InstrumentId
    trade_id: TradeId
    price: Price
    size: Size
    side: str
    event_time: TimeNs
    ingest_time: TimeNs


class Auction(msgspec.Struct, frozen=True):
    """The state of an opening auction."""

    instrument: InstrumentId
    sequence: int
    auction_state: str
    best_bid: Price | None
    best_bid_size: Size | None
    best_ask: Price | None
    best_ask_size: Size | None
    open_price: Price | None
    open_size: Size | None
    can_open: bool
    event_time: TimeNs
    ingest_time: TimeNs


class Heartbeat(msgspec.Struct, frozen=True):
    """The venue says that an instrument is alive and which trade was its last. Not stored."""

    instrument: InstrumentId
    sequence: int
    last_trade_id: int
    event_time: TimeNs
    ingest_time: TimeNs


class DeadLetter(msgspec.Struct, frozen=True):
    """A frame, or a part of one, that could not become records: the bytes as they came, and why.

    ``reason`` is a countable word such as ``malformed_json``; ``detail`` says what exactly.
    """

    venue: str
    connection: str
    ingest_time: TimeNs
    reason: str
    detail: str
    raw: bytes


RFQ_MATCHES = Schema.of(RfqMatch, "rfq_matches", key=("instrument", "trade_id"), time="event_time")
AUCTIONS = Schema.of(Auction, "auctions", key=("instrument", "sequence"), time="event_time")
HEARTBEATS = Schema.of(Heartbeat, "heartbeats", key=("instrument", "sequence"), time="event_time")
DEAD_LETTERS = Schema.of(DeadLetter, "dead_letters", key=("venue", "connection", "ingest_time"), time="ingest_time")
