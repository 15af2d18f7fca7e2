"""Ticker: the venue's own summary of an instrument."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, Size, TimeNs, TradeId
from fulltape.records.enums import AggressorSide


class Ticker(msgspec.Struct, frozen=True):
    """The venue's summary after a trade: last trade, best bid and ask, rolling 24 h and 30 d figures.

    What a venue does not send is null. ``size`` is that of the last trade only: never sum it.
    """

    instrument: InstrumentId
    sequence: int | None
    trade_id: TradeId
    price: Price
    size: Size | None
    aggressor_side: AggressorSide
    bid: Price | None
    bid_size: Size | None
    ask: Price | None
    ask_size: Size | None
    open_24h: Price | None
    high_24h: Price | None
    low_24h: Price | None
    volume_24h: Size | None
    volume_30d: Size | None
    event_time: TimeNs
    ingest_time: TimeNs


TICKERS = Schema.of(Ticker, "tickers", key=("instrument", "event_time", "trade_id"), time="event_time")
