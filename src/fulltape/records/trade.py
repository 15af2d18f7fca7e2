"""Trade: one public match."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, Size, TimeNs, TradeId
from fulltape.records.enums import AggressorSide, Origin


class Trade(msgspec.Struct, frozen=True):
    """One public match. Order inside an instrument: (event_time, trade_id, arrival)."""

    instrument: InstrumentId
    trade_id: TradeId
    price: Price
    size: Size
    aggressor_side: AggressorSide
    event_time: TimeNs
    ingest_time: TimeNs
    origin: Origin


TRADES = Schema.of(Trade, "trades", key=("instrument", "trade_id"), time="event_time")
