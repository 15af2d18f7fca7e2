"""Statistics of trades: figures after a tick, of a minute, and bars that close by activity instead of by the clock.

Every formula stands in the operator that computes it: `fulltape.operators.ticks`, `changes`, `windows`,
`activity_bars`. A change or a distance is in percent.
"""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, Size, TimeNs, TradeId
from fulltape.records.enums import BarBasis


class TickStat(msgspec.Struct, frozen=True):
    """What the ticks of an instrument say up to one of them. On its way to a `Stat`; not stored."""

    instrument: InstrumentId
    trade_id: TradeId
    price: Price
    ewma_10t: Price
    ewma_10t_std: float | None
    ewma_10t_variance: float | None
    rolling_mean_5t: Price
    rolling_std_5t: float | None
    rolling_variance_5t: float | None
    change_1t: float | None
    all_time_high: Price
    all_time_high_distance: float
    cvd: Size
    vwap_session: Price
    vwap_session_std: float
    event_time: TimeNs
    ingest_time: TimeNs


class Stat(TickStat, frozen=True):
    """Where an instrument stood after a tick: at most one row a second, and none while nothing is traded."""

    change_1m: float | None
    change_5m: float | None
    change_15m: float | None
    change_1h: float | None
    change_4h: float | None
    change_1d: float | None
    change_7d: float | None
    change_30d: float | None


class Window(msgspec.Struct, frozen=True):
    """The trades of 60 s; a window begins every 30 s. What is defined by the minute is null in one that begins at :30.

    A window without trades is no row: `coverage` says whether it was quiet.
    """

    instrument: InstrumentId
    start: TimeNs
    end: TimeNs
    trades: int
    mean_60s_30s: Price
    volatility_1m: float | None
    realised_volatility: float | None
    volume: Size | None
    taker_buy_volume: Size | None
    taker_sell_volume: Size | None
    taker_buys: int | None
    taker_sells: int | None
    delta: Size | None
    taker_buy_ratio: float | None
    trade_imbalance: float | None
    vwap: Price | None
    vwap_std: float | None


class ActivityBar(msgspec.Struct, frozen=True):
    """A run of trades that reached ``threshold`` trades, base or quote units. ``number`` counts from 1."""

    instrument: InstrumentId
    basis: BarBasis
    threshold: float
    number: int
    start: TimeNs
    end: TimeNs
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Size
    quote_volume: float
    vwap: Price
    trades: int
    taker_buy_volume: Size


TICK_STATS = Schema.of(TickStat, "tick_stats", key=("instrument", "trade_id"), time="event_time")
STATS = Schema.of(Stat, "stats", key=("instrument", "trade_id"), time="event_time")
WINDOWS = Schema.of(Window, "windows", key=("instrument", "start"), time="start", latest=True)
ACTIVITY_BARS = Schema.of(ActivityBar, "activity_bars", key=("instrument", "basis", "number"), time="start")
