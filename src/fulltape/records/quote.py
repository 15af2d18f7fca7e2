"""Quote: the best bid and ask with their sizes."""

from __future__ import annotations

import msgspec

from fulltape.records.batch import Schema
from fulltape.records.columns import InstrumentId, Price, Size, TimeNs
from fulltape.records.enums import QuoteSource


class Quote(msgspec.Struct, frozen=True):
    """A change of the best bid or ask. A side that is empty is null."""

    instrument: InstrumentId
    bid: Price | None
    bid_size: Size | None
    ask: Price | None
    ask_size: Size | None
    event_time: TimeNs
    ingest_time: TimeNs
    source: QuoteSource


QUOTES = Schema.of(Quote, "quotes", key=("instrument", "event_time", "source"), time="event_time")
