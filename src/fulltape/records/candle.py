"""Candle: our OHLCV over [start, start + interval). Bar: a candle that the venue itself reports."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Interval, Price, Size, TimeNs
from fulltape.records.enums import CandleSource, EmptyReason


class Candle(msgspec.Struct, frozen=True):
    """One window of trades, labelled by its start.

    volume = sum of size; quote_volume = sum of price * size; vwap = quote_volume / volume; taker_buy_volume = volume
    of trades whose aggressor bought. Open and close follow (event_time, trade_id). An empty window has trades = 0,
    null prices and a ``reason``. ``revision`` counts the late trades that changed it after it was final. What a venue's
    bar (source VENUE_BAR) or polls (POLL, always without volume) do not tell is null.
    """

    instrument: InstrumentId
    interval: Interval
    start: TimeNs
    open: Price | None
    high: Price | None
    low: Price | None
    close: Price | None
    volume: Size
    quote_volume: float | None
    vwap: Price | None
    trades: int | None
    taker_buy_volume: Size | None
    revision: int
    is_final: bool
    source: CandleSource
    reason: EmptyReason


class Bar(msgspec.Struct, frozen=True):
    """A candle that the venue reports; figures it does not send are null."""

    instrument: InstrumentId
    interval: Interval
    start: TimeNs
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Size
    vwap: Price | None
    trades: int | None
    ingest_time: TimeNs


CANDLES = Schema.of(Candle, "candles", key=("instrument", "interval", "start"), time="start", latest=True)
BARS = Schema.of(Bar, "bars", key=("instrument", "interval", "start"), time="start", latest=True)
