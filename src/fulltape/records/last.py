"""Last: where an instrument stands now."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, Size, TimeNs, TradeId
from fulltape.records.enums import AggressorSide


class Last(msgspec.Struct, frozen=True):
    """The last trade, the last quote and the venue's rolling 24 h figures of one instrument.

    ``event_time`` and ``ingest_time`` are those of the newest record that changed it.
    """

    instrument: InstrumentId
    trade_id: TradeId
    price: Price | None
    size: Size | None
    aggressor_side: AggressorSide
    trade_time: TimeNs | None
    bid: Price | None
    bid_size: Size | None
    ask: Price | None
    ask_size: Size | None
    quote_time: TimeNs | None
    open_24h: Price | None
    high_24h: Price | None
    low_24h: Price | None
    volume_24h: Size | None
    event_time: TimeNs
    ingest_time: TimeNs


LAST_VALUES = Schema.of(Last, "last", key=("instrument",), time="event_time", latest=True)
