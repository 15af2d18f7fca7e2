"""Statistics of quotes and books: where an instrument's market stood at the end of a second.

The formulas stand in `fulltape.operators.spread`, `across` and `depths`. bp is a hundredth of a percent.
"""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, Size, TimeNs


class QuoteStat(msgspec.Struct, frozen=True):
    """The newest quote of a second, alone and beside those of the same product elsewhere.

    Of a quote that lacks a side its own figures are null. ``venues`` counts the quotes that are compared, this one
    included; with fewer than two the figures from ``best_bid`` on are null, and no quote of fewer than three is an
    outlier.
    """

    instrument: InstrumentId
    bid: Price | None
    ask: Price | None
    spread: Price | None
    spread_bp: float | None
    mid: Price | None
    microprice: Price | None
    venues: int
    best_bid: Price | None
    best_ask: Price | None
    median_price: Price | None
    premium_bp: float | None
    is_outlier: bool
    event_time: TimeNs
    ingest_time: TimeNs


class Depth(msgspec.Struct, frozen=True):
    """What a book held after its last message of a second; null while the book is lost, crossed or lacks a side.

    ``bid_depth`` and ``ask_depth`` are the sizes within ``depth_bp`` of the mid, ``book_imbalance`` is over the best
    ``levels`` levels of each side. ``crossed_s`` is how long (s) the book was crossed since the row before.
    """

    instrument: InstrumentId
    depth_bp: float
    bid_depth: Size | None
    ask_depth: Size | None
    levels: int
    book_imbalance: float | None
    crossed_s: float
    event_time: TimeNs
    ingest_time: TimeNs


QUOTE_STATS = Schema.of(QuoteStat, "quote_stats", key=("instrument", "ingest_time"), time="event_time")
DEPTHS = Schema.of(Depth, "depths", key=("instrument", "ingest_time"), time="event_time")
